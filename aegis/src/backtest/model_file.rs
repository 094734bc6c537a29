//! A model in a file: a line that says what it is and the SHA-256 of what follows, then the model. A file
//! that was changed or cut is refused.

use std::path::Path;

use aegis_detector::diagnosis::Model;
use aegis_schemas::Digest;
use anyhow::{Context, Result, ensure};

/// What the first line begins with: the form of the rest.
const FORM: &str = "aegis model 1 sha256:";

/// Writes the model; the same model is the same bytes. Returns the digest.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(file: &Path, model: &Model) -> Result<Digest> {
    let body = rmp_serde::to_vec_named(model)?;
    let digest = Digest::of(&body);
    let mut bytes = format!("{FORM}{digest}\n").into_bytes();
    bytes.extend(body);
    std::fs::write(file, bytes).with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(digest)
}

/// Reads the model.
///
/// # Errors
///
/// When the file cannot be read or holds something else.
pub fn read(file: &Path) -> Result<Model> {
    let name = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{name}`"))?;
    let body = bytes
        .strip_prefix(FORM.as_bytes())
        .and_then(|rest| rest.split_at_checked(64))
        .and_then(|(digest, rest)| Some((digest, rest.strip_prefix(b"\n")?)));
    let (digest, body) = body.with_context(|| format!("`{name}` is no model of `aegis train`"))?;
    let is = Digest::of(body).to_string();
    ensure!(
        digest == is.as_bytes(),
        "`{name}` was changed: its content is {is}, not what it says"
    );
    let model: Model =
        rmp_serde::from_slice(body).with_context(|| format!("`{name}` is of another version"))?;
    ensure!(model.is_sound(), "`{name}` holds trees that lead nowhere");
    Ok(model)
}
