//! A cluster in a process: a Kubernetes API that real clients talk to, workloads that call each other
//! under load, their metrics, and faults from a file.
//!
//! Everything comes from a seed and a clock that is handed in, so a day can pass in seconds and twice
//! the same. What runs in the pods is seen and told through a Kubernetes client alone.

pub mod api;
mod builtin;
mod draw;
mod error;
mod faults;
mod guest;
mod history;
mod kubelet;
pub mod labelled;
mod metrics;
mod model;
mod pages;
mod quantity;
mod rest;
pub mod scenario;
mod simulation;
mod world;

pub use builtin::SCENARIOS;
pub use error::Error;
pub use guest::Guest;
pub use labelled::Labelled;
pub use metrics::Sample;
pub use scenario::Scenario;
pub use simulation::Simulation;
pub use world::{Act, World};
