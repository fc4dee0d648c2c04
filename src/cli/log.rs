//! `opspilot log`.
