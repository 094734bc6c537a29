//! A webhook of our own: the notice as JSON, signed as Standard Webhooks says.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. The id is
//! the same for each try of one message, so that a receiver can tell a repetition.

use aegis_schemas::{Digest, Timestamp};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Call, Sent, Step, json as text_of};
use crate::notice::Notice;
use crate::secret::Secret;

/// The fewest and the most bytes of a key, as the specification says.
const KEY: std::ops::RangeInclusive<usize> = 24..=64;

/// Whatever takes signed JSON.
#[derive(Clone)]
pub struct Webhook {
    pub(super) url: String,
    pub(super) key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The key in a secret of the form `whsec_` and base64.
pub(super) fn key(secret: &Secret) -> Result<Zeroizing<Vec<u8>>, String> {
    let form = || "it must be `whsec_` and 24 to 64 bytes in base64".to_owned();
    let encoded = secret.text().strip_prefix("whsec_").ok_or_else(form)?;
    let key = BASE64.decode(encoded.as_bytes()).map_err(|_| form())?;
    if KEY.contains(&key.len()) {
        Ok(Zeroizing::new(key))
    } else {
        Err(form())
    }
}

impl Webhook {
    pub(super) fn next(&self, notice: &Notice, sent: &Sent, now: Timestamp) -> Option<Step> {
        let shown = turn(notice);
        if sent.shown == Some(shown) {
            return None;
        }
        let then = Sent {
            shown: Some(shown),
            ..sent.more(notice)
        };
        let kind = if notice.firing { "firing" } else { "resolved" };
        let body = text_of(&json!({ "type": format!("incident.{kind}"), "data": notice }));
        let place = [notice.key.as_bytes(), &then.count.to_be_bytes()];
        let digest = Digest::of(&body);
        let id = Digest::of_parts("aegis/webhook/v1", &[place[0], place[1], digest.as_bytes()]);
        let id = format!("msg_{}", id.to_string().split_at(32).0);
        let at = now.as_millis().div_euclid(1_000);
        let headers = vec![
            ("webhook-id", id.clone()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", sign(&self.key, &id, at, &body)),
        ];
        Some(Step {
            call: Call {
                url: self.url.clone(),
                headers,
                body,
            },
            then,
        })
    }
}

/// The signature of one try.
fn sign(key: &[u8], id: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

/// What must have changed for another message: numbers in texts change all the time.
fn turn(notice: &Notice) -> Digest {
    let done = notice.lines.iter().filter(|line| line.label == "done");
    let question = notice.question.as_ref().map(|question| question.digest);
    let turn = json!({
        "firing": notice.firing,
        "headline": notice.headline,
        "severity": notice.severity,
        "done": done.collect::<Vec<_>>(),
        "question": question,
        "needs_people": notice.needs_people,
    });
    Digest::of(&text_of(&turn))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn a_signature_is_what_others_compute() {
        let key = key(&Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let body = br#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        assert_eq!(
            sign(&key.expect("a key"), id, 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_key_that_is_too_short_or_no_base64_is_refused() {
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ", "whsec_?"] {
            assert!(key(&Secret::from(secret)).is_err(), "{secret}");
        }
    }
}
