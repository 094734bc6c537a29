//! Tokens that are not what they seem, as an intruder makes them who may even know the secret.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::site::{Site, json_of, text};

/// Makes tokens like the gateway's from one of its own.
pub(crate) struct Forge {
    header: Header,
    claims: Value,
    secret: EncodingKey,
}

impl Forge {
    pub(crate) async fn of(site: &Site<'_>, name: &str) -> Self {
        let token = site.access_token(name).await;
        let part = token.split('.').nth(1).unwrap();
        let claims = BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
        let file = &site.stack.config().gateway.token_secret_file;
        let secret = std::fs::read(site.stack.installation().join(file)).unwrap();
        Self {
            header: jsonwebtoken::decode_header(&token).unwrap(),
            claims: serde_json::from_slice(&claims).unwrap(),
            secret: EncodingKey::from_secret(secret.trim_ascii()),
        }
    }

    /// A token whose header and claims were changed, signed with the right secret.
    pub(crate) fn changed(&self, change: impl Fn(&mut Header, &mut Value)) -> String {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        change(&mut header, &mut claims);
        encode(&header, &claims, &self.secret).unwrap()
    }

    /// One whose time is over.
    pub(crate) fn expired(&self) -> String {
        self.changed(|_, claims| {
            for time in ["iat", "nbf", "exp"] {
                claims[time] = json!(claims[time].as_u64().unwrap() - 3_600);
            }
        })
    }

    /// One that nobody signed.
    fn unsigned(&self) -> String {
        let header = json!({"alg": "none", "typ": "at+jwt", "kid": self.header.kid});
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        format!("{}.{}.", part(&header), part(&self.claims))
    }
}

pub(crate) async fn only_genuine_ones_open(site: &Site<'_>) {
    let forge = Forge::of(site, "ada").await;
    let genuine = forge.changed(|_, _| {});
    let answer = site.get("/whoami", &genuine).await;
    assert_eq!(answer.status(), StatusCode::OK, "the forge works");

    let stranger = EncodingKey::from_secret(&[7; 32]);
    let kid = |named: Option<&'static str>| {
        forge.changed(|header, _| header.kid = named.map(str::to_owned))
    };
    let claim = |name: &'static str, value: Value| {
        forge.changed(move |_, claims| claims[name] = value.clone())
    };
    let table = [
        (
            "forged",
            encode(&forge.header, &forge.claims, &stranger).unwrap(),
        ),
        ("expired", forge.expired()),
        ("alg none", forge.unsigned()),
        (
            "HS512",
            forge.changed(|header, _| header.alg = Algorithm::HS512),
        ),
        ("no kid", kid(None)),
        ("wrong kid", kid(Some("0000000000000000"))),
        ("kid as a path", kid(Some("../../dev/null"))),
        ("wrong audience", claim("aud", json!("aegis-executor"))),
        ("wrong issuer", claim("iss", json!("https://elsewhere"))),
        ("not yet", claim("nbf", json!(4_000_000_000_u64))),
        ("no id", claim("jti", Value::Null)),
        (
            "another type",
            forge.changed(|header, _| header.typ = Some("JWT".to_owned())),
        ),
        ("another's sign-in", claim("sub", json!("root"))),
        ("no such sign-in", claim("family", json!("00"))),
        ("no token", String::new()),
    ];
    for (what, token) in table {
        let answer = site.get("/whoami", &token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

pub(crate) async fn a_refresh_token_works_once(site: &Site<'_>) {
    let refresh = |token: &Value| {
        let body = json!({"refresh_token": token});
        async move { site.post_openly("/session/refresh", &body).await }
    };
    let first = site.sign_in("ada").await;
    let second = json_of(refresh(&first["refresh_token"]).await).await;
    let access = text(&second, "access_token");
    assert_eq!(site.get("/whoami", access).await.status(), StatusCode::OK);
    let reused = refresh(&first["refresh_token"]).await;
    assert_eq!(reused.status(), StatusCode::UNAUTHORIZED);
    // One of the two is a thief: the whole sign-in is dead.
    let stolen = refresh(&second["refresh_token"]).await;
    assert_eq!(stolen.status(), StatusCode::UNAUTHORIZED);
    let answer = site.get("/whoami", access).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    // A wrong password and an unknown name get the same answer.
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        let body = json!({"name": name, "password": "wrong horse"});
        let answer = site.post_openly("/session", &body).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let mut problem = json_of(answer).await;
        problem["trace_id"].take();
        answers.push(problem);
    }
    assert_eq!(answers[0], answers[1]);
}
