//! The acts: what is read, what is written, in one request each.

mod api_server;
mod change;
mod live;
mod note;
mod pod;
mod stuck;
mod template;

pub(crate) use api_server::{Answer, ApiServer, How, Trouble, resource};
pub(crate) use change::{Change, change, marks, patch};
pub use live::Live;
pub(crate) use note::{note, note_freed};
pub(crate) use pod::check as check_pod;
pub(crate) use stuck::{Progress, progress};
pub(crate) use template::of_revision;

/// The annotation with the decision that wrote an object last.
pub const DECISION_ID: &str = "aegis.dev/decision-id";
/// The annotation with the fence of that decision; the API server lets it rise only.
pub const FENCE: &str = "aegis.dev/fence";
/// The annotation with the incident that it was for.
pub const INCIDENT: &str = "aegis.dev/incident";
/// The annotation that halts every act when it is `true` on Aegis's own namespace.
pub const HALT: &str = "aegis.dev/halt";
/// The field manager of every write.
pub const MANAGER: &str = "aegis-executor";
