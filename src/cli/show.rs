//! `opspilot show`.
