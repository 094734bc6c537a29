//! The whole pipeline on real servers: nats-server, PostgreSQL, a simulated cluster behind real HTTP, and
//! every role a process of its own. Tests put metrics and objects in and read the audit log.

mod api;
pub mod attack;
mod binary;
pub mod bounds;
pub mod broker;
mod browser;
mod clock;
mod collector;
mod control_plane;
pub mod forge;
mod ground;
mod loki;
pub mod oracles;
mod people;
mod policy;
mod proxy;
mod stack;
mod watch;
mod witness;

pub use api::{Api, Visitor};
pub use browser::{Browser, Look};
pub use clock::Clock;
pub use collector::{Collector, Span};
pub use control_plane::ControlPlane;
pub use ground::Ground;
pub use loki::{Line, Loki};
pub use people::Person;
pub use policy::{Policy, now};
pub use proxy::{Proxy, Weather};
pub use stack::{NATS, Options, PASSWORD, PERSON, POSTGRES, ROLES, Stack, until};
pub use watch::{Entry, Watch};
pub use witness::{Accepted, Witness};
