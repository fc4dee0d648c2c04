//! The HTTP API: what programs ask and tell the bastion. No logic of its own: it calls the gate, the store and their like.
//!
//! Nobody runs a command over HTTP. Every request but `/healthz` and `/openapi.json` shows a token, which belongs to a configured
//! user and may do what its scopes say and that user may do. Connections, requests, bodies and times are bounded.

mod analytics;
mod api;
mod ask;
mod auth;
mod body;
mod commands;
mod error;
mod export;
mod extract;
mod feedback;
mod json;
mod listen;
mod metrics;
mod rate;
mod readers;
mod secret;
mod server;
mod sessions;
mod stall;
mod status;
mod tls;
mod train;

pub use api::document;
pub use secret::{Secret, new_secret};
pub use server::{Control, HttpError, Server};
pub use tls::{TlsError, load as load_tls};
