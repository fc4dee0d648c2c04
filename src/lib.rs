//! opspilot: a transparent SSH bastion that scores every command, asks before the dangerous ones, and records their whole life.
//!
//! ARCHITECTURE.md has the map. A room uses only rooms on lower floors; `tests/integration/floors.rs` holds that.

#![forbid(unsafe_code)]

pub mod cli;
pub mod command;
pub mod config;
pub mod context;
pub mod control;
pub mod domain;
pub mod gate;
pub mod gateway;
pub mod helper;
pub mod http;
pub mod learning;
pub mod policy;
pub mod recording;
pub mod risk;
pub mod sandbox;
pub mod sftp;
pub mod shipping;
pub mod store;
pub mod terminal;
