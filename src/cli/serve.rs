//! `opspilot serve`.
