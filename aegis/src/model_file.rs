//! A model in a file.

use std::path::Path;

use aegis_detector::diagnosis::Model;
use aegis_schemas::Digest;
use anyhow::{Context, Result};

/// Writes the model; the same model is the same bytes. Returns the file's SHA-256.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(file: &Path, model: &Model) -> Result<Digest> {
    let text = model.to_text()?;
    std::fs::write(file, &text).with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(Digest::of(text.as_bytes()))
}

/// Reads the model, and the text that it is written as.
///
/// # Errors
///
/// When the file cannot be read or holds something else.
pub fn read(file: &Path) -> Result<(Model, String)> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{name}`"))?;
    let model = Model::parse(&text).with_context(|| format!("`{name}` cannot be used"))?;
    Ok((model, text))
}
