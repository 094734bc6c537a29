//! A proof that an event is in the log, which holds by itself: whoever has the log's public key needs
//! neither the database nor us.

use std::fmt;

use aegis_schemas::EventId;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::checkpoint::{Checkpoint, VerifyingKey};
use crate::leaf::{self, Body, Leaf};
use crate::merkle::{Hash, leaf_hash};
use crate::proof::{self, Needed};
use crate::read::Reader;
use crate::{Error, tiles};

/// An entry, the path from it to the root, and the signed root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The event's id.
    pub event: EventId,
    /// The entry's index.
    pub idx: u64,
    /// The entry's leaf, base64.
    pub leaf: String,
    /// The hashes from the leaf to the root, base64.
    pub path: Vec<String>,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// For a sealed body, what opens the commitment in the leaf: salt and body, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<(String, String)>,
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The entry as the leaf says it.
    pub leaf: Leaf,
    /// The tree that it is in.
    pub checkpoint: Checkpoint,
}

/// Proves that `event` is in the log, and checks the proof before it is handed out.
///
/// # Errors
///
/// When there is no such event, no checkpoint is over it yet, or what is stored does not prove it.
pub async fn prove(reader: &Reader, event: EventId, key: &VerifyingKey) -> Result<Proof, Error> {
    let mut connection = reader.pool().acquire().await?;
    let row = sqlx::query(
        "SELECT e.idx, e.leaf, p.salt, p.payload FROM audit.audit_key k
         JOIN audit.audit_entry e ON e.idx = k.idx
         LEFT JOIN audit.audit_payload p ON p.idx = k.idx
         WHERE k.event_id = $1 ORDER BY k.idx LIMIT 1",
    )
    .bind(event.to_string())
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| Error::NotFound(format!("event {event}")))?;
    let idx = row.try_get::<i64, _>("idx")?.cast_unsigned();
    let note: Option<String> = sqlx::query_scalar(
        "SELECT note FROM audit.audit_checkpoint WHERE size > $1 ORDER BY size DESC LIMIT 1",
    )
    .bind(idx.cast_signed())
    .fetch_optional(&mut *connection)
    .await?;
    let note = note.ok_or_else(|| {
        Error::NotFound(format!(
            "a checkpoint over entry {idx} (one is signed within a second)"
        ))
    })?;
    let size = Checkpoint::open(&note, key)?.size;
    let needed = Needed::default();
    let _ = proof::inclusion(&needed, idx, size);
    let tiles = tiles::load(&mut connection, &needed.into_tiles()).await?;
    let path = proof::inclusion(&tiles, idx, size)
        .ok_or_else(|| Error::Tampered(format!("tiles over entry {idx} are missing")))?;
    let salt: Option<&[u8]> = row.try_get("salt")?;
    let payload: Option<&[u8]> = row.try_get("payload")?;
    let opening = match (salt, payload) {
        (Some(salt), Some(payload)) => {
            let body = crate::read::open_payload(payload)
                .map_err(|reason| Error::Unreadable { idx, reason })?;
            Some((BASE64.encode(salt), BASE64.encode(&body)))
        }
        _ => None,
    };
    let proof = Proof {
        event,
        idx,
        leaf: BASE64.encode(row.try_get("leaf")?),
        path: path.iter().map(|hash| BASE64.encode(hash)).collect(),
        checkpoint: note,
        opening,
    };
    proof.check(key)?;
    Ok(proof)
}

impl Proof {
    /// Whether it holds under the public key of the log. Every part is checked: signature, path, leaf,
    /// event, and the body where it is sealed.
    ///
    /// # Errors
    ///
    /// When it does not; says which part.
    pub fn check(&self, key: &VerifyingKey) -> Result<Proven, Error> {
        let wrong =
            |what: &str| Error::Tampered(format!("the proof of entry {}: {what}", self.idx));
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let bytes = BASE64
            .decode(self.leaf.as_bytes())
            .map_err(|_| wrong("the leaf is not base64"))?;
        let path: Vec<Hash> = self
            .path
            .iter()
            .map(|hash| BASE64.decode(hash.as_bytes()).ok()?.try_into().ok())
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("the path is not of hashes"))?;
        let hash = leaf_hash(&bytes);
        if !proof::verify_inclusion(self.idx, checkpoint.size, &hash, &path, &checkpoint.root) {
            return Err(wrong(
                "the path does not lead from the leaf to the signed root",
            ));
        }
        let mut leaf = leaf::decode(&bytes).map_err(|reason| wrong(&reason))?;
        if leaf.record.event_id() != Some(self.event) {
            return Err(wrong("the leaf is of another event"));
        }
        if let (Body::Sealed(commitment), Some((salt, body))) = (&leaf.body, &self.opening) {
            let salt = BASE64
                .decode(salt.as_bytes())
                .ok()
                .and_then(|salt| salt.try_into().ok());
            let body = BASE64.decode(body.as_bytes()).ok();
            let (Some(salt), Some(body)) = (salt, body) else {
                return Err(wrong("salt or body is malformed"));
            };
            if leaf::commitment(&salt, &body) != *commitment {
                return Err(wrong("the body is not the one that the leaf commits to"));
            }
            leaf.record.body = body.into();
        }
        Ok(Proven { leaf, checkpoint })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "event {} is entry {} of the log", self.event, self.idx)?;
        let leaf = BASE64.decode(self.leaf.as_bytes()).unwrap_or_default();
        if let Ok(leaf) = leaf::decode(&leaf) {
            let record = leaf.record;
            writeln!(
                f,
                "  {} {} {}, sequence {}",
                record.time,
                record.kind(),
                record.stream,
                record.seq
            )?;
            writeln!(f, "  {}", record.subject)?;
        }
        writeln!(f, "leaf hash {}", HEXLOWER.encode(&leaf_hash(&leaf)))?;
        writeln!(f, "path")?;
        for hash in &self.path {
            writeln!(f, "  {hash}")?;
        }
        write!(f, "checkpoint\n{}", indented(self.checkpoint.trim_end()))
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
