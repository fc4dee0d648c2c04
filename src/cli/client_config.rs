//! `opspilot client-config`.
