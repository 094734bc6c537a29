//! A model as text: what `aegis train` writes, and what a command puts on the log. A line that says what it is,
//! then the model, packed (zstd, with a checksum) and written in base 64 (RFC 4648).

use std::io::Read as _;

use data_encoding::BASE64;

use super::Model;

/// The first line: the form of the second.
const FORM: &str = "aegis model 3";
/// The most bytes that are unpacked: a few packed ones may stand for any number.
const MAX_BYTES: u64 = 8 << 20;
/// Packed once, read often.
const LEVEL: i32 = 19;

/// A text that is no model.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The first line does not say so.
    #[error("it is no model of `aegis train`, or one of another version")]
    Form,
    /// The rest was changed, or is too large.
    #[error("it was changed or cut, or is larger than {} MiB", MAX_BYTES >> 20)]
    Packing,
    /// What is packed is no model.
    #[error("what is in it cannot be read: {0}")]
    Content(#[from] rmp_serde::decode::Error),
    /// Its trees or its known failures do not fit its kinds and metrics, or are too many.
    #[error(
        "it holds trees that lead nowhere, distances that are none, or more than any model needs"
    )]
    Unsound,
}

impl Model {
    /// The model as text; the same model is the same text.
    ///
    /// # Errors
    ///
    /// When it cannot be packed, or is larger than is read back.
    pub fn to_text(&self) -> std::io::Result<String> {
        let body = rmp_serde::to_vec_named(self).map_err(std::io::Error::other)?;
        if body.len() as u64 > MAX_BYTES {
            let most = MAX_BYTES >> 20;
            let told = format!(
                "it is larger than {most} MiB: fewer trees or fewer incidents make it smaller"
            );
            return Err(std::io::Error::other(told));
        }
        let mut packed = zstd::Encoder::new(Vec::new(), LEVEL)?;
        packed.include_checksum(true)?;
        std::io::Write::write_all(&mut packed, &body)?;
        Ok(format!("{FORM}\n{}\n", BASE64.encode(&packed.finish()?)))
    }

    /// Reads it back.
    ///
    /// # Errors
    ///
    /// When the text is no model, was changed, or is larger than any model.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let packed = text
            .strip_prefix(FORM)
            .and_then(|rest| rest.strip_prefix('\n'))
            .ok_or(Unreadable::Form)?;
        let packed = packed.strip_suffix('\n').unwrap_or(packed);
        let packed = BASE64.decode(packed.as_bytes());
        let packed = packed.map_err(|_| Unreadable::Packing)?;
        let body = unpacked(&packed).ok_or(Unreadable::Packing)?;
        let model: Self = rmp_serde::from_slice(&body)?;
        model.is_sound().then_some(model).ok_or(Unreadable::Unsound)
    }
}

fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let decoder = zstd::Decoder::new(packed).ok()?;
    let mut body = Vec::new();
    let read = decoder.take(MAX_BYTES + 1).read_to_end(&mut body).ok()?;
    (read as u64 <= MAX_BYTES).then_some(body)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::diagnosis::{Case, Labelled, Usual};
    use crate::forest::Settings;

    /// Packed once: that takes longer than all else here.
    static TEXT: LazyLock<String> = LazyLock::new(|| model().to_text().expect("a text"));

    fn model() -> Model {
        let usual = Usual {
            level: 0.1,
            scale: 0.01,
        };
        let known = ["cpu_saturation", "memory_leak"].map(|kind| {
            let mut case = Case::default();
            case.note("cart", kind, usual, 0.9);
            Labelled {
                case,
                kind: kind.to_owned(),
                root: "cart".to_owned(),
            }
        });
        Model::learn(&known, Settings { trees: 3, seed: 1 }).expect("roots with metrics")
    }

    #[test]
    fn a_model_is_read_back_as_it_was_written() {
        assert_eq!(model().to_text().expect("a text"), *TEXT);
        assert_eq!(Model::parse(&TEXT).expect("a model"), model());
    }

    #[test]
    fn what_unpacks_to_more_than_any_model_is_refused() {
        let zeros = std::io::repeat(0).take(MAX_BYTES + 1);
        let bomb = zstd::encode_all(zeros, 1).expect("packed");
        assert!(bomb.len() < 1 << 20);
        let text = format!("{FORM}\n{}\n", BASE64.encode(&bomb));
        assert!(matches!(Model::parse(&text), Err(Unreadable::Packing)));
    }

    proptest! {
        #[test]
        fn a_changed_text_is_refused_or_means_the_same(place in any::<prop::sample::Index>(), to in "[A-Za-z0-9+/]") {
            let at = place.index(TEXT.trim_end().len());
            let mut changed = TEXT.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != *TEXT);
            prop_assert!(Model::parse(&changed).map_or(true, |read| read == model()));
        }
    }
}
