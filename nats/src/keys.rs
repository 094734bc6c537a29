//! The users' keys.

use hmac::{Hmac, KeyInit, Mac};
use nkeys::{KeyPair, KeyPairType};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Error;

/// A new user: the seed, which is secret, and the public key, which the server's configuration names.
///
/// # Errors
///
/// When the operating system gives no randomness.
pub fn new_seed() -> Result<(Zeroizing<String>, String), Error> {
    let pair = KeyPair::new_user();
    let seed = pair
        .seed()
        .map_err(|error| Error::Seed(error.to_string()))?;
    Ok((Zeroizing::new(seed), pair.public_key()))
}

/// The public key that belongs to a seed.
///
/// # Errors
///
/// When `seed` is not the seed of a user.
pub fn public_key(seed: &str) -> Result<String, Error> {
    let pair = KeyPair::from_seed(seed.trim()).map_err(|error| Error::Seed(error.to_string()))?;
    match pair.key_pair_type() {
        KeyPairType::User => Ok(pair.public_key()),
        _ => Err(Error::Seed("it belongs to something else".to_owned())),
    }
}

/// The key of the ids under which the user's messages are de-duplicated: nobody else can guess them,
/// so nobody can use one first.
pub(crate) fn message_id_key(seed: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    public_key(seed)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(seed.trim().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(b"aegis/message-id/v1");
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}
