//! What a verification found.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::merkle::Hash;

/// How many problems are kept; the rest is counted.
const MOST: usize = 1_000;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The entry's bytes are not those that the tree holds.
    Edited,
    /// The entry is gone.
    Deleted,
    /// The entry is in no tree.
    Inserted,
    /// The entry stands where another one stood.
    Reordered,
    /// A column beside the leaf says something else than the leaf.
    Column,
    /// The body is not the one that the leaf commits to.
    Payload,
    /// The hashes of the tree do not follow from the entries.
    Tile,
    /// A checkpoint is not signed by the log's key, or not of this log.
    Checkpoint,
    /// The log is not what was signed.
    Root,
}

impl What {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Column => "column edited",
            Self::Payload => "body edited",
            Self::Tile => "tile edited",
            Self::Checkpoint => "bad checkpoint",
            Self::Root => "not what was signed",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The entry.
    pub idx: Option<u64>,
    /// What is wrong.
    pub what: What,
    /// What exactly.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(idx) = self.idx {
            write!(f, "entry {idx}: ")?;
        }
        write!(f, "{}: {}", self.what.as_str(), self.detail)
    }
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether the log is what was signed.
    pub holds: bool,
    /// How many entries there should be.
    pub size: u64,
    /// The root that was recomputed, hexadecimal.
    pub root: String,
    /// How many entries are under the newest valid checkpoint.
    pub signed: u64,
    /// How many checkpoints were checked.
    pub checkpoints: u64,
    /// How many bodies were erased; their leaves were checked.
    pub erased: u64,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub more: u64,
    /// What is worth knowing and no tampering, such as sequences that the log does not have.
    pub notes: Vec<String>,
}

impl Report {
    pub(crate) fn of(size: u64) -> Self {
        Self {
            holds: true,
            size,
            root: String::new(),
            signed: 0,
            checkpoints: 0,
            erased: 0,
            problems: Vec::new(),
            more: 0,
            notes: Vec::new(),
        }
    }

    pub(crate) fn set_root(&mut self, root: &Hash) {
        self.root = HEXLOWER.encode(root);
    }

    pub(crate) fn problem(&mut self, idx: Option<u64>, what: What, detail: impl Into<String>) {
        self.holds = false;
        if self.problems.len() < MOST {
            let detail = detail.into();
            self.problems.push(Problem { idx, what, detail });
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.holds {
            write!(
                f,
                "the audit log holds: {} entries, {} of them signed, {} checkpoints, root {}",
                self.size, self.signed, self.checkpoints, self.root
            )?;
        } else {
            let problems = self.problems.len() as u64 + self.more;
            write!(
                f,
                "the audit log was TAMPERED WITH: {problems} problems in {} entries",
                self.size
            )?;
            for problem in &self.problems {
                write!(f, "\n  {problem}")?;
            }
            if self.more > 0 {
                write!(f, "\n  and {} more", self.more)?;
            }
        }
        if self.erased > 0 {
            write!(
                f,
                "\n  {} bodies were erased by the retention, their leaves are there",
                self.erased
            )?;
        }
        self.notes
            .iter()
            .try_for_each(|note| write!(f, "\n  note: {note}"))
    }
}
