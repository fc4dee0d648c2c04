//! `opspilot init`.
