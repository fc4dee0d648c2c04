//! The opspilot binary.

fn main() {}
