//! What a core remembers, kept in the bucket `aegis_state`: chunks named by their digest, then a
//! manifest that names them. A crash between the two leaves the old manifest and its chunks.

use std::time::Duration;

use aegis_schemas::{Digest, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::kv::store::Store;
use crate::topology::Bucket;
use crate::{Bus, Error, metrics};

const CHUNK: usize = 200 * 1024;
/// How long the marker of a deleted chunk stays.
const MARKER: Duration = Duration::from_secs(60);
/// A manifest cannot make us reserve more than this.
const MAX_STATE: u64 = 1 << 30;

/// The snapshots of one core.
pub(crate) struct Snapshots {
    store: Store,
    prefix: String,
    producer: String,
    revision: u64,
    chunks: Vec<Digest>,
}

/// Where in the log a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The stream's epoch.
    pub(crate) epoch: u16,
    /// The last message that the state contains.
    pub(crate) seq: u64,
    /// The core's `now` then.
    pub(crate) now: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    place: Place,
    size: u64,
    chunks: Vec<Digest>,
}

impl Snapshots {
    pub(crate) fn new(bus: &Bus, producer: &str) -> Self {
        Self {
            store: Store::new(bus.clone(), Bucket::State),
            prefix: format!("{}.{producer}", bus.service()),
            producer: producer.to_owned(),
            revision: 0,
            chunks: Vec::new(),
        }
    }

    /// The last snapshot: its place, and the state unless that is lost.
    pub(crate) async fn load(&mut self) -> Result<Option<(Place, Option<Vec<u8>>)>, Error> {
        let key = self.manifest_key();
        let Some(entry) = self.store.get(&key).await? else {
            return Ok(None);
        };
        let manifest: Manifest =
            rmp_serde::from_slice(&entry.value).map_err(|error| Error::Malformed {
                key,
                reason: error.to_string(),
            })?;
        self.revision = entry.revision;
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
        let size = usize::try_from(manifest.size.min(MAX_STATE)).unwrap_or(usize::MAX);
        let state = zstd::bulk::decompress(&packed, size);
        if let Err(error) = &state {
            tracing::error!(producer = self.producer, %error, "a snapshot cannot be unpacked");
        }
        Ok(Some((manifest.place, state.ok())))
    }

    /// Keeps `state`. [`Error::Conflict`]: somebody else keeps snapshots of this core.
    pub(crate) async fn save(&mut self, place: Place, state: Vec<u8>) -> Result<(), Error> {
        let size = state.len() as u64;
        let packing = tokio::task::spawn_blocking(move || zstd::bulk::compress(&state, 3));
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
        let mut chunks = Vec::new();
        for begin in (0..packed.len()).step_by(CHUNK) {
            let chunk = packed.slice(begin..packed.len().min(begin + CHUNK));
            let digest = Digest::of(&chunk);
            if !self.chunks.contains(&digest) && !chunks.contains(&digest) {
                self.store.put(&self.chunk_key(&digest), chunk).await?;
            }
            chunks.push(digest);
        }
        let manifest = Manifest {
            place,
            size,
            chunks: chunks.clone(),
        };
        let value = rmp_serde::to_vec_named(&manifest)?.into();
        let key = self.manifest_key();
        self.revision = self.store.update(&key, self.revision, value).await?;
        let former = std::mem::replace(&mut self.chunks, chunks);
        for digest in former {
            if !self.chunks.contains(&digest) {
                self.store.delete(&self.chunk_key(&digest), MARKER).await?;
            }
        }
        metrics::snapshot(&self.producer, "saved", bytes);
        Ok(())
    }

    /// Up to which input the outputs are published.
    pub(crate) async fn through(&self) -> Result<Option<Place>, Error> {
        let key = self.through_key();
        let Some(entry) = self.store.get(&key).await? else {
            return Ok(None);
        };
        let place = rmp_serde::from_slice(&entry.value).map_err(|error| Error::Malformed {
            key,
            reason: error.to_string(),
        })?;
        Ok(Some(place))
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

    fn through_key(&self) -> String {
        format!("{}.through", self.prefix)
    }

    fn chunk_key(&self, digest: &Digest) -> String {
        format!("{}.chunk.{digest}", self.prefix)
    }
}
