//! The whole pipeline on real servers: nats-server, PostgreSQL, a simulated cluster behind real HTTP, and
//! every role a process of its own. Tests put metrics and objects in and read the audit log.

mod binary;
mod control_plane;
mod people;
mod stack;
mod watch;

pub use control_plane::ControlPlane;
pub use people::Person;
pub use stack::{Options, ROLES, Stack};
pub use watch::{Entry, Watch};
