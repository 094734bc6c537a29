//! What a core remembers, kept in the bucket `aegis_state`: chunks named by their digest, then a
//! manifest that names them. A crash between the two leaves the old manifest and its chunks.
//!
//! Which chunks may be there is written before the first of them, so that what a crash leaves behind is
//! deleted after the next manifest. Not before: until then a former holder of the core may still be
//! about to write a manifest that names them.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_schemas::{Digest, codec};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::kv::store::Store;
use crate::topology::Bucket;
use crate::{Bus, Error, metrics};

mod format;

pub use format::{Manifest, Place, pack, unpack};

const CHUNK: usize = 200 * 1024;
/// How long the marker of a deleted chunk stays.
const MARKER: Duration = Duration::from_secs(60);

/// The snapshots of one core.
pub(crate) struct Snapshots {
    store: Store,
    prefix: String,
    producer: String,
    revision: u64,
    /// What the manifest names.
    chunks: Vec<Digest>,
    pending_revision: u64,
    /// What may be stored: what the manifest names, and what it named or was about to name.
    pending: BTreeSet<Digest>,
}

impl Snapshots {
    pub(crate) fn new(bus: &Bus, producer: &str) -> Self {
        Self {
            store: Store::new(bus.clone(), Bucket::State),
            prefix: format!("{}.{producer}", bus.service()),
            producer: producer.to_owned(),
            revision: 0,
            chunks: Vec::new(),
            pending_revision: 0,
            pending: BTreeSet::new(),
        }
    }

    /// The last snapshot: its place, and the state unless that is lost.
    pub(crate) async fn load(&mut self) -> Result<Option<(Place, Option<Vec<u8>>)>, Error> {
        self.load_pending().await?;
        let key = self.manifest_key();
        let Some(entry) = self.store.get(&key).await? else {
            return Ok(None);
        };
        let manifest: Manifest = read(key, &entry.value)?;
        self.revision = entry.revision;
        self.pending.extend(&manifest.chunks);
        let mut packed = Vec::new();
        for digest in &manifest.chunks {
            match self.store.get(&self.chunk_key(digest)).await? {
                Some(chunk) if Digest::of(&chunk.value) == *digest => {
                    packed.extend_from_slice(&chunk.value);
                }
                _ => {
                    tracing::error!(producer = self.producer, %digest, "a snapshot's chunk is lost");
                    return Ok(Some((manifest.place, None)));
                }
            }
        }
        self.chunks = manifest.chunks;
        let state = unpack(&packed, manifest.size);
        if let Err(error) = &state {
            tracing::error!(producer = self.producer, %error, "a snapshot cannot be unpacked");
        }
        Ok(Some((manifest.place, state.ok())))
    }

    /// Keeps `state`. [`Error::Conflict`]: somebody else keeps snapshots of this core.
    pub(crate) async fn save(&mut self, place: Place, state: Vec<u8>) -> Result<(), Error> {
        let size = state.len() as u64;
        let packing = tokio::task::spawn_blocking(move || pack(&state));
        let packed = packing
            .await
            .map_err(std::io::Error::other)
            .and_then(|packed| packed)
            .map_err(|source| Error::Io {
                what: "cannot pack a snapshot".to_owned(),
                source,
            })?;
        let bytes = packed.len();
        let packed = Bytes::from(packed);
        let chunks = self.put_chunks(&packed).await?;
        let manifest = Manifest {
            place,
            size,
            chunks: chunks.clone(),
        };
        let value = rmp_serde::to_vec_named(&manifest)?.into();
        let key = self.manifest_key();
        self.revision = self.store.update(&key, self.revision, value).await?;
        self.chunks = chunks;
        metrics::snapshot(&self.producer, "saved", bytes);
        self.delete_orphans().await;
        Ok(())
    }

    /// Puts the chunks that are not there, after it is written that they may be.
    async fn put_chunks(&mut self, packed: &Bytes) -> Result<Vec<Digest>, Error> {
        let chunks: Vec<_> = (0..packed.len())
            .step_by(CHUNK)
            .map(|begin| packed.slice(begin..packed.len().min(begin + CHUNK)))
            .map(|chunk| (Digest::of(&chunk), chunk))
            .collect();
        let digests: Vec<_> = chunks.iter().map(|(digest, _)| *digest).collect();
        self.pending.extend(&digests);
        let key = self.pending_key();
        let value = rmp_serde::to_vec_named(&self.pending)?.into();
        // Another holder of the core has another revision, and must not lose what it wrote down.
        self.pending_revision = self
            .store
            .update(&key, self.pending_revision, value)
            .await?;
        let mut there: BTreeSet<_> = self.chunks.iter().copied().collect();
        for (digest, chunk) in chunks {
            if there.insert(digest) {
                self.store.put(&self.chunk_key(&digest), chunk).await?;
            }
        }
        Ok(digests)
    }

    /// Deletes what may be stored and is not in the manifest. What cannot be deleted now is tried again
    /// after the next one.
    async fn delete_orphans(&mut self) {
        let named: BTreeSet<_> = self.chunks.iter().copied().collect();
        let orphans: Vec<_> = self.pending.difference(&named).copied().collect();
        for digest in orphans {
            match self.store.delete(&self.chunk_key(&digest), MARKER).await {
                Ok(_) => {
                    self.pending.remove(&digest);
                }
                Err(error) => {
                    tracing::warn!(producer = self.producer, %digest, %error, "cannot delete a chunk yet");
                }
            }
        }
    }

    async fn load_pending(&mut self) -> Result<(), Error> {
        let key = self.pending_key();
        if let Some(entry) = self.store.get(&key).await? {
            let pending: BTreeSet<Digest> = read(key, &entry.value)?;
            self.pending_revision = entry.revision;
            self.pending.extend(&pending);
        }
        Ok(())
    }

    /// Up to which input the outputs are published.
    pub(crate) async fn through(&self) -> Result<Option<Place>, Error> {
        let key = self.through_key();
        let Some(entry) = self.store.get(&key).await? else {
            return Ok(None);
        };
        read(key, &entry.value).map(Some)
    }

    /// Says up to which input the outputs are published.
    pub(crate) async fn set_through(&self, place: Place) -> Result<(), Error> {
        let value = rmp_serde::to_vec_named(&place)?.into();
        self.store.put(&self.through_key(), value).await?;
        Ok(())
    }

    fn manifest_key(&self) -> String {
        format!("{}.snapshot", self.prefix)
    }

    fn pending_key(&self) -> String {
        format!("{}.pending", self.prefix)
    }

    fn through_key(&self) -> String {
        format!("{}.through", self.prefix)
    }

    fn chunk_key(&self, digest: &Digest) -> String {
        format!("{}.chunk.{digest}", self.prefix)
    }
}

fn read<T: DeserializeOwned>(key: String, value: &[u8]) -> Result<T, Error> {
    codec::decode(value).map_err(|error| Error::Malformed {
        key,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that cannot build its case fails"
    )]

    use aegis_schemas::Timestamp;

    use super::*;
    use crate::Service;
    use crate::testing::TestServer;

    const PLACE: Place = Place {
        epoch: 1,
        seq: 1,
        now: Timestamp::EPOCH,
    };

    /// Bytes that do not pack, in several chunks.
    fn noise(seed: u64) -> Vec<u8> {
        let mut state = seed;
        let step = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..2 * CHUNK).map(step).collect()
    }

    async fn is_there(snapshots: &Snapshots, digest: &Digest) -> bool {
        let key = snapshots.chunk_key(digest);
        snapshots.store.get(&key).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn what_a_crash_left_behind_is_deleted_after_the_next_manifest() {
        let server = TestServer::start().await.unwrap();
        let bus = server.bus(Service::Policy).await.unwrap();
        let mut first = Snapshots::new(&bus, "policy/demo");
        assert_eq!(first.load().await.unwrap(), None);
        first.save(PLACE, noise(1)).await.unwrap();
        let former = first.chunks.clone();
        // It dies before its manifest.
        let orphans = first.put_chunks(&noise(2).into()).await.unwrap();
        assert!(former.len() > 1 && orphans.len() > 1);

        let mut second = Snapshots::new(&bus, "policy/demo");
        let loaded = second.load().await.unwrap();
        assert_eq!(loaded, Some((PLACE, Some(noise(1)))));
        for digest in &orphans {
            assert!(is_there(&second, digest).await, "the first may live yet");
        }
        second.save(PLACE, noise(3)).await.unwrap();
        for digest in former.iter().chain(&orphans) {
            assert!(!is_there(&second, digest).await, "{digest} is left");
        }
        assert_eq!(second.pending.len(), second.chunks.len());

        // It lives after all, and changes nothing.
        let late = first.save(PLACE, noise(4)).await;
        assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
        let mut third = Snapshots::new(&bus, "policy/demo");
        let loaded = third.load().await.unwrap();
        assert_eq!(loaded, Some((PLACE, Some(noise(3)))));
    }
}
