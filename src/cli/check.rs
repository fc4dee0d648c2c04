//! `opspilot check`.
