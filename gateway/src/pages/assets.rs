//! The style sheet, the script and the icon, part of the program. Their names carry their digest, so that
//! browsers keep them for ever and never use an old one.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "app.css",
        kind: "text/css; charset=utf-8",
        content: include_str!("../../assets/app.css"),
    },
    Asset {
        name: "app.js",
        kind: "text/javascript; charset=utf-8",
        content: include_str!("../../assets/app.js"),
    },
    Asset {
        name: "icon.svg",
        kind: "image/svg+xml",
        content: include_str!("../../assets/icon.svg"),
    },
];

/// The names with their digests.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let named = |asset: &Asset| {
        let digest = HEXLOWER.encode(&Sha256::digest(asset.content)[..6]);
        format!("{digest}-{}", asset.name)
    };
    ASSETS.iter().map(named).collect()
});

/// Where an asset is.
///
/// # Panics
///
/// When there is none of that name.
pub(super) fn path(name: &str) -> String {
    let known = NAMES
        .iter()
        .zip(&ASSETS)
        .find(|(_, asset)| asset.name == name);
    let (named, _) = known.expect("every asset that a page names is in the list");
    format!("/assets/{named}")
}

pub(super) async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    let (_, asset) = NAMES
        .iter()
        .zip(&ASSETS)
        .find(|(named, _)| **named == name)
        .ok_or_else(|| Problem::not_found("file"))?;
    let mut response = asset.content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, forever);
    Ok(response)
}
