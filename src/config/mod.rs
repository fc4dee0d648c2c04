//! TOML to typed settings: what an admin wrote, parsed once, with file, line, key and remedy for every fault.

mod settings;

pub use settings::{
    Address, Config, Confirm, HostKeys, OnFailure, Policy, ProbeMode, Risk, Server, ShellGate, StoreSettings, Target,
    User, UserKind,
};
