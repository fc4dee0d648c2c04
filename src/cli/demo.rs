//! `opspilot demo`.
