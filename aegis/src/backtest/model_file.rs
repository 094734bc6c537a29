//! A model in a file: a line that says what it is and the SHA-256 of what follows, then the model. A file
//! that was changed or cut is refused.

use std::path::Path;

use aegis_detector::ModelFile;
use aegis_detector::diagnosis::Model;
use aegis_detector::incidents::Learnt;
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

/// The model that the configuration names, if it names one.
///
/// # Errors
///
/// When the file cannot be read, or holds another model than the configuration says.
pub fn learnt(named: Option<&ModelFile>) -> Result<Option<Learnt>> {
    let Some(ModelFile { file, sha256 }) = named else {
        return Ok(None);
    };
    let (model, digest) = open(file).context("`detector.model` cannot be used")?;
    ensure!(
        digest == *sha256,
        "`detector.model`: `{}` is {digest}, not {sha256}",
        file.display()
    );
    Ok(Some(Learnt::new(model, digest)))
}

/// Reads the model.
///
/// # Errors
///
/// When the file cannot be read or holds something else.
pub fn read(file: &Path) -> Result<Model> {
    open(file).map(|(model, _)| model)
}

/// Reads the model with its digest.
///
/// # Errors
///
/// When the file cannot be read or holds something else.
pub fn read_learnt(file: &Path) -> Result<Learnt> {
    open(file).map(|(model, digest)| Learnt::new(model, digest))
}

fn open(file: &Path) -> Result<(Model, Digest)> {
    let name = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{name}`"))?;
    let body = bytes
        .strip_prefix(FORM.as_bytes())
        .and_then(|rest| rest.split_at_checked(64))
        .and_then(|(digest, rest)| Some((digest, rest.strip_prefix(b"\n")?)));
    let (digest, body) = body.with_context(|| format!("`{name}` is no model of `aegis train`"))?;
    let is = Digest::of(body);
    ensure!(
        digest == is.to_string().as_bytes(),
        "`{name}` was changed: its content is {is}, not what it says"
    );
    let model: Model =
        rmp_serde::from_slice(body).with_context(|| format!("`{name}` is of another version"))?;
    ensure!(model.is_sound(), "`{name}` holds trees that lead nowhere");
    Ok((model, is))
}

#[cfg(test)]
mod tests {
    use aegis_detector::diagnosis::{Case, Labelled, Usual};
    use aegis_detector::forest::Settings;

    use super::*;

    #[test]
    fn only_the_model_that_the_configuration_names_is_taken() -> Result<()> {
        let usual = Usual {
            level: 0.1,
            scale: 0.01,
        };
        let mut case = Case::default();
        case.note("cart", "cpu", usual, 0.9);
        let known = Labelled {
            case,
            kind: "cpu_saturation".to_owned(),
            root: "cart".to_owned(),
        };
        let settings = Settings { trees: 1, seed: 1 };
        let model = Model::learn(&[known], settings).context("a model")?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("kinds.model");
        let sha256 = write(&file, &model)?;
        let mut named = ModelFile { file, sha256 };
        assert!(learnt(Some(&named))?.is_some());
        assert!(learnt(None)?.is_none());
        named.sha256 = Digest::of(b"another");
        let refused = learnt(Some(&named)).err().context("another is refused")?;
        let said = refused.to_string();
        assert!(said.contains(&sha256.to_string()), "{said}");
        Ok(())
    }
}
