//! The binary as a library: the command line, the wiring of the services, the demo.
//!
//! A command is a module; `cli.rs` lists them. Nothing here decides anything: stages are connected to the
//! bus, to their configuration and to one supervisor, and people to the gateway and to the record.

pub mod audit;
pub mod backtest;
pub mod bench;
mod cli;
mod completions;
pub mod config;
mod cores;
pub mod demo;
pub mod doctor;
pub mod exit;
pub mod init;
pub mod keys;
pub mod local;
pub mod model_file;
pub mod notify;
pub mod people;
pub mod provision;
mod record;
pub mod rehearse;
pub mod replay;
pub mod run;
pub mod session;
pub mod settings;
pub mod simulate;
pub mod train;
pub mod users;

pub use cli::main;
