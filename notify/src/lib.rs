//! Events in, people told: incidents, what Aegis did about them and whether it helped, what it asks, and
//! its own silence, out to Slack, PagerDuty and webhooks.
//!
//! The core says from events what is known ([`case`]), from that what a person is told ([`notice`]), whom
//! ([`route`]) and which request is due ([`channel`]): the difference between what a receiver has and what
//! it should have, so that an event handled twice, late or by another replica sends nothing twice. What was
//! sent is kept in the bucket `aegis_notify`, by compare and swap. A receiver that does not answer is tried
//! until it does, and holds back nobody else.

pub mod alarm;
pub mod case;
pub mod channel;
mod config;
mod desk;
mod error;
pub mod flapping;
pub mod ledger;
mod metrics;
pub mod notice;
pub mod route;
mod secret;
mod service;
mod station;
mod trial;
mod watch;

pub use config::{Alertmanager, Config, DeadMan, PagerDuty, Receiver, Slack, Webhook};
pub use error::Error;
pub use service::run;
pub use trial::{Tried, try_out};
