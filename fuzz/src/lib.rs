//! What the targets for SSH sessions share: a bastion that is spoken to in memory and in the clear, a target behind it, and the
//! packets of who speaks.

pub mod bastion;
pub mod host;
pub mod wire;
