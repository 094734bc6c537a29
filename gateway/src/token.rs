//! Tokens: access tokens that say who somebody is (RFC 8725 applied: one algorithm, a type, issuer,
//! audience and times that must be there), and refresh tokens that are nothing but random.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
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
    signing: EncodingKey,
    checking: DecodingKey,
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
    /// Tokens under the secret in `file`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds too little.
    pub(crate) fn load(file: &Path, issuer: &str, lifetime: Duration) -> Result<Self, Error> {
        let name = file.display().to_string();
        let read = std::fs::read(file).map_err(|error| Error::Unreadable(name.clone(), error))?;
        let secret = read.trim_ascii();
        if secret.len() < MIN_SECRET {
            return Err(Error::Weak(name, secret.len()));
        }
        Ok(Self::new(secret, issuer, lifetime))
    }

    fn new(secret: &[u8], issuer: &str, lifetime: Duration) -> Self {
        Self {
            issuer: issuer.to_owned(),
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
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
        let token = encode(&header, &claims, &self.signing).expect("HMAC signs with any key");
        (token, self.lifetime.as_secs())
    }

    /// What a token says, if it is one of ours and its time has come and not gone.
    #[must_use]
    pub(crate) fn check(&self, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        let data = decode::<Claims>(token, &self.checking, &validation).ok()?;
        (data.header.typ.as_deref() == Some(TYPE)).then_some(data.claims)
    }
}

/// A refresh token: 256 random bits.
#[must_use]
pub(crate) fn refresh() -> String {
    BASE64URL_NOPAD.encode(&random::<32>())
}

/// What is kept of a refresh token or an API key.
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
        Tokens::new(&[secret; 32], "https://aegis", Duration::from_secs(600))
    }

    #[test]
    fn a_token_is_believed_by_whoever_signed_it_and_nobody_else() {
        let (token, lives) = tokens(1).issue("ann", "f1");
        assert_eq!(lives, 600);
        assert_eq!(tokens(1).check(&token).expect("own token").sub, "ann");
        assert_eq!(tokens(2).check(&token), None);
        let other = Tokens::new(&[1; 32], "https://other", Duration::from_secs(600));
        assert_eq!(other.check(&token), None);
    }

    #[test]
    fn forged_tokens_are_refused() {
        let tokens = tokens(1);
        let (token, _) = tokens.issue("ann", "f1");
        let claims = token.split('.').nth(1).expect("three parts");
        for header in [
            r#"{"alg":"none","typ":"at+jwt"}"#,
            r#"{"alg":"HS512","typ":"at+jwt"}"#,
            r#"{"alg":"RS256","typ":"at+jwt"}"#,
        ] {
            let header = BASE64URL_NOPAD.encode(header.as_bytes());
            assert_eq!(tokens.check(&format!("{header}.{claims}.")), None);
        }
        let plain = encode(
            &Header::new(Algorithm::HS256),
            &tokens.check(&token).expect("own token"),
            &tokens.signing,
        );
        assert_eq!(tokens.check(&plain.expect("signs")), None, "another type");
        let expired = Tokens::new(&[1; 32], "https://aegis", Duration::ZERO);
        let mut claims = tokens.check(&token).expect("own token");
        claims.exp -= 700;
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        let late = encode(&header, &claims, &expired.signing).expect("signs");
        assert_eq!(tokens.check(&late), None, "expired");
    }
}
