//! The incident core: signals and anomalies in, incidents and assessments out.
//!
//! It reads AEGIS_EVENTS of one cluster in stream order, keeps what is known of every object
//! ([`world`]), says what is wrong with each workload ([`symptom`]), groups what has one cause
//! ([`group`], [`node`], and [`regroup`] for what people say of that), names the failure ([`classify`], and [`opinion`] where rules are not sure), ranks
//! causes ([`causes`]), recommends acts ([`recommend`]), judges every act afterwards ([`assess`]) and weighs
//! the next ones by what became of the last ([`experience`]). It judges from signals and anomalies
//! alone: what the executor or policy think of an act plays no part.

mod acts;
mod assess;
mod causes;
mod classify;
mod config;
mod core;
mod describe;
mod experience;
mod foretold;
mod group;
mod lifecycle;
mod logs;
mod node;
mod objects;
mod open;
mod opinion;
mod recommend;
mod regroup;
mod seen;
mod severity;
mod symptom;
mod world;

pub use self::config::{Config, Invalid, Materiality};
pub use self::core::{Core, State, Stats};
