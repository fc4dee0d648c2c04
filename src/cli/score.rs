//! `opspilot score`.
