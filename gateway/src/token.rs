//! Tokens: access tokens that say who somebody is (RFC 8725 applied: one algorithm, a type, a key id from
//! a fixed map, issuer, audience and times that must be there), and refresh tokens and API keys, which are
//! nothing but random.

use std::collections::BTreeMap;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// RFC 9068: what marks a JWT as an access token and nothing else.
const TYPE: &str = "at+jwt";
const AUDIENCE: &str = "aegis-gateway";
const MIN_SECRET: usize = 32;
const LEEWAY_S: u64 = 5;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user.
    pub(crate) sub: String,
    /// The issuer.
    iss: String,
    /// The audience.
    aud: String,
    /// Issued, not before, expires: seconds since the Unix epoch.
    iat: u64,
    nbf: u64,
    /// When it expires.
    pub(crate) exp: u64,
    /// Its own id.
    jti: String,
    /// The sign-in that it comes from: revoking that ends it.
    pub(crate) family: String,
}

/// A secret that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the token secret `{0}`: {1}")]
    Unreadable(String, std::io::Error),
    /// Too little of it.
    #[error("the token secret `{0}` has {1} bytes; it needs at least {MIN_SECRET}")]
    Weak(String, usize),
}

/// Signs and checks access tokens.
#[derive(Clone)]
pub(crate) struct Tokens {
    issuer: String,
    /// The id of the secret that signs.
    kid: String,
    signing: EncodingKey,
    /// Every secret that is believed, by its id.
    checking: BTreeMap<String, DecodingKey>,
    lifetime: Duration,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .field("secret", &"***")
            .finish()
    }
}

impl Tokens {
    /// Tokens under the secrets in `file`, one a line: the first signs, the others are believed until
    /// their last token has expired. So a secret is changed without anybody being signed out.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or one of them is too short.
    pub(crate) fn load(file: &Path, issuer: &str, lifetime: Duration) -> Result<Self, Error> {
        let name = file.display().to_string();
        let read = std::fs::read(file).map_err(|error| Error::Unreadable(name.clone(), error))?;
        let secrets: Vec<&[u8]> = read
            .trim_ascii()
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .collect();
        if let Some(weak) = secrets.iter().find(|secret| secret.len() < MIN_SECRET) {
            return Err(Error::Weak(name, weak.len()));
        }
        Ok(Self::new(&secrets, issuer, lifetime))
    }

    fn new(secrets: &[&[u8]], issuer: &str, lifetime: Duration) -> Self {
        let first = secrets.first().copied().unwrap_or_default();
        Self {
            issuer: issuer.to_owned(),
            kid: kid(first),
            signing: EncodingKey::from_secret(first),
            checking: secrets
                .iter()
                .map(|secret| (kid(secret), DecodingKey::from_secret(secret)))
                .collect(),
            lifetime,
        }
    }

    /// An access token for `user`, signed in as `family`; with the seconds that it lives.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes keys of any length.
    #[must_use]
    pub(crate) fn issue(&self, user: &str, family: &str) -> (String, u64) {
        let now = now();
        let claims = Claims {
            sub: user.to_owned(),
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            iat: now,
            nbf: now,
            exp: now + self.lifetime.as_secs(),
            jti: HEXLOWER.encode(&random::<16>()),
            family: family.to_owned(),
        };
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        let token = encode(&header, &claims, &self.signing).expect("HMAC signs with any key");
        (token, self.lifetime.as_secs())
    }

    /// What a token says, if it is one of ours and its time has come and not gone.
    #[must_use]
    pub(crate) fn check(&self, token: &str) -> Option<Claims> {
        let header = decode_header(token).ok()?;
        if header.typ.as_deref() != Some(TYPE) {
            return None;
        }
        // The id picks from what we have; it names no file and no address.
        let secret = self.checking.get(header.kid.as_deref()?)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        let data = decode::<Claims>(token, secret, &validation).ok()?;
        Some(data.claims)
    }
}

/// A refresh token: 256 random bits.
#[must_use]
pub(crate) fn refresh() -> String {
    BASE64URL_NOPAD.encode(&random::<32>())
}

/// What every API key begins with, so that scanners for leaked secrets find them.
const KEY_PREFIX: &str = "aegis_";

/// A new API key: its id and all of it.
#[must_use]
pub(crate) fn key() -> (String, String) {
    let id = id();
    let key = format!("{KEY_PREFIX}{id}_{}", HEXLOWER.encode(&random::<32>()));
    (id, key)
}

/// Whether a token is an API key and no access token.
#[must_use]
pub(crate) fn is_key(token: &str) -> bool {
    token.starts_with(KEY_PREFIX)
}

/// The id in an API key.
#[must_use]
pub(crate) fn key_id(key: &str) -> Option<&str> {
    let (id, _secret) = key.strip_prefix(KEY_PREFIX)?.split_once('_')?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// An id that nobody can guess.
#[must_use]
pub(crate) fn id() -> String {
    HEXLOWER.encode(&random::<8>())
}

/// The id of a secret: says which it is and nothing else about it.
fn kid(secret: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(b"aegis token secret id\0");
    digest.update(secret);
    HEXLOWER.encode(&digest.finalize()[..8])
}

/// What is kept of a refresh token, an API key or an invitation.
#[must_use]
pub(crate) fn fingerprint(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Random bytes.
///
/// # Panics
///
/// When the system has no randomness; nothing can go on without.
#[must_use]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secret: u8) -> Tokens {
        Tokens::new(&[&[secret; 32]], "https://aegis", Duration::from_secs(600))
    }

    fn header(tokens: &Tokens) -> Header {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(tokens.kid.clone());
        header
    }

    #[test]
    fn a_token_is_believed_by_whoever_signed_it_and_nobody_else() {
        let (token, lives) = tokens(1).issue("ann", "f1");
        assert_eq!(lives, 600);
        assert_eq!(tokens(1).check(&token).expect("own token").sub, "ann");
        assert_eq!(tokens(2).check(&token), None);
        let other = Tokens::new(&[&[1; 32]], "https://other", Duration::from_secs(600));
        assert_eq!(other.check(&token), None);
    }

    #[test]
    fn a_secret_that_signs_no_more_is_still_believed() {
        let (token, _) = tokens(1).issue("ann", "f1");
        let lifetime = Duration::from_secs(600);
        let rotated = Tokens::new(&[&[2; 32], &[1; 32]], "https://aegis", lifetime);
        assert!(rotated.check(&token).is_some());
        let (newer, _) = rotated.issue("ann", "f1");
        assert!(tokens(2).check(&newer).is_some(), "the first signs");
    }

    #[test]
    fn a_key_tells_its_id_and_nothing_else_is_a_key() {
        let (id, key) = key();
        assert!(is_key(&key));
        assert_eq!(key_id(&key), Some(id.as_str()));
        for other in ["aegis_", "aegis__x", "aegis_0g_x", "aegis_00", "eyJh.e30.x"] {
            assert_eq!(key_id(other), None, "{other}");
        }
    }

    #[test]
    fn forged_tokens_are_refused() {
        let tokens = tokens(1);
        let (token, _) = tokens.issue("ann", "f1");
        let claims = token.split('.').nth(1).expect("three parts");
        for (alg, kid) in [
            ("none", tokens.kid.as_str()),
            ("HS512", &tokens.kid),
            ("RS256", &tokens.kid),
            ("HS256", "../../dev/null"),
        ] {
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
            let header = BASE64URL_NOPAD.encode(header.as_bytes());
            assert_eq!(tokens.check(&format!("{header}.{claims}.")), None, "{alg}");
        }
        let genuine = tokens.check(&token).expect("own token");
        let signed = |header: &Header, claims: &Claims| {
            encode(header, claims, &tokens.signing).expect("signs")
        };
        let good = header(&tokens);
        assert!(
            tokens.check(&signed(&good, &genuine)).is_some(),
            "the test signs well"
        );
        let headers = [
            Header {
                typ: Some("JWT".to_owned()),
                ..good.clone()
            },
            Header {
                typ: None,
                ..good.clone()
            },
            Header {
                kid: None,
                ..good.clone()
            },
            Header {
                kid: Some("00".to_owned()),
                ..good.clone()
            },
        ];
        for header in headers {
            assert_eq!(tokens.check(&signed(&header, &genuine)), None, "{header:?}");
        }
        for claims in [
            Claims {
                exp: genuine.exp - 700,
                ..genuine.clone()
            },
            Claims {
                nbf: genuine.nbf + 60,
                ..genuine.clone()
            },
            Claims {
                aud: "another".to_owned(),
                ..genuine.clone()
            },
        ] {
            assert_eq!(tokens.check(&signed(&good, &claims)), None, "{claims:?}");
        }
    }
}
