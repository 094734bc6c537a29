//! Passwords: argon2id, as many at once as there are cores, since each takes 64 MiB.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// The shortest password that is taken (NIST SP 800-63B asks for 8 at least, 15 without a second factor).
pub(crate) const MIN_LENGTH: usize = 12;

/// A password that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password has {0} characters; it needs at least {MIN_LENGTH}")]
pub struct TooShort(usize);

/// Hashes and checks passwords.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            permits: Arc::new(Semaphore::new(cores)),
        }
    }
}

fn argon2() -> Argon2<'static> {
    // 64 MiB, 3 passes, 4 lanes: RFC 9106's second recommendation.
    let params = Params::new(64 * 1024, 3, 4, None).expect("constant parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of `password` in PHC form.
///
/// # Errors
///
/// When it is too short.
pub fn hash(password: &str) -> Result<String, TooShort> {
    let length = password.chars().count();
    if length < MIN_LENGTH {
        return Err(TooShort(length));
    }
    let hashed: PasswordHash = argon2()
        .hash_password(password.as_bytes())
        .expect("the system gives randomness for a salt");
    Ok(hashed.to_string())
}

impl Passwords {
    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        let unavailable = |error: &dyn std::fmt::Display| Problem::unavailable(error.to_string());
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|error| unavailable(&error))?;
        tokio::task::spawn_blocking(move || hash(&password))
            .await
            .map_err(|error| unavailable(&error))?
            .map_err(|error| Problem::unprocessable(error.to_string()))
    }

    /// Whether `password` is the one behind `hash`. Without a hash it takes as long and answers no, so
    /// that nobody learns which users there are.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> bool {
        let Ok(_permit) = self.permits.acquire().await else {
            return false;
        };
        tokio::task::spawn_blocking(move || match hash {
            Some(hash) => PasswordHash::new(&hash).is_ok_and(|known| {
                argon2()
                    .verify_password(password.as_bytes(), &known)
                    .is_ok()
            }),
            None => {
                let mut sink = [0; 32];
                let _ = argon2().hash_password_into(password.as_bytes(), &[0; 16], &mut sink);
                false
            }
        })
        .await
        .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let hashed = hash("correct horse battery").expect("long enough");
        assert!(hashed.starts_with("$argon2id$v=19$m=65536,t=3,p=4$"));
        let passwords = Passwords::default();
        let verify = |password: &str, hash: Option<&str>| {
            passwords.verify(password.to_owned(), hash.map(str::to_owned))
        };
        assert!(verify("correct horse battery", Some(&hashed)).await);
        assert!(!verify("correct horse batterY", Some(&hashed)).await);
        assert!(!verify("correct horse battery", None).await);
        assert!(!verify("correct horse battery", Some("nonsense")).await);
        assert_eq!(hash("short"), Err(TooShort(5)));
    }
}
