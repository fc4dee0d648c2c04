//! What the binary carries, so that `init` and `demo` need no other file.

use std::path::Path;

use super::keys::{KeyFileError, write_new};

/// The files that [`write`] makes, by their names.
pub(crate) const FILES: [&str; 3] = ["rules.toml", "risk.onnx", "risk.json"];

/// The shipped risk rules.
pub(crate) const RULES: &str = include_str!("../../config/rules.toml");

/// The shipped forest.
const MODEL: &[u8] = include_bytes!("../../models/risk.onnx");

/// The forest's card.
const CARD: &[u8] = include_bytes!("../../models/risk.json");

/// `risk.model` for a configuration beside the files that [`write`] made.
pub(crate) const MODEL_SETTING: &str = FILES[1];

/// Writes rules and forest into `dir`, where they must not exist yet.
pub(crate) fn write(dir: &Path) -> Result<(), KeyFileError> {
    let [rules, onnx, card] = FILES.map(|name| dir.join(name));
    write_new(&rules, RULES.as_bytes(), 0o644)?;
    write_new(&onnx, MODEL, 0o644)?;
    write_new(&card, CARD, 0o644)
}
