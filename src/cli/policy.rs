//! `opspilot policy`.
