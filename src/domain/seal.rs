//! The digest of what a file begins with.

use serde::{Deserialize, Serialize};

/// What a file begins with, or all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// So many bytes of it.
    pub bytes: u64,
    /// Their SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}
