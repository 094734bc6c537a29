//! The record: search it, read an entry as it was received, have it proven.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde::Deserialize;

use super::frame::Frame;
use super::visitor::Visitor;
use super::words::{When, thousands};
use super::{Page, encoded, show};
use crate::app::App;
use crate::problem::Problem;
use crate::record::{Entry, Proven, Unavailable};

const PAGE: usize = 60;
/// Entries before one, of a kind.
const LIST: &str = "SELECT e.idx, e.event_id, e.kind, e.stream, e.stream_seq, e.stream_time
    FROM audit.audit_entry e
    WHERE ($1::text IS NULL OR e.idx < $1::bigint) AND ($2::text IS NULL OR e.kind = $2)
    ORDER BY e.idx DESC";
/// As [`LIST`], of what names an event, an incident, a decision, an actor or a workload: the places are found
/// first, so that the log is not read through.
const SEARCH: &str = "SELECT e.idx, e.event_id, e.kind, e.stream, e.stream_seq, e.stream_time
    FROM audit.audit_entry e
    WHERE ($1::text IS NULL OR e.idx < $1::bigint) AND ($2::text IS NULL OR e.kind = $2)
      AND e.idx IN (
        SELECT idx FROM audit.audit_key WHERE event_id = $3
        UNION SELECT $3::bigint WHERE $3 ~ '^[0-9]{1,18}$'
        UNION SELECT idx FROM views.incident_entry WHERE incident = $3
        UNION SELECT idx FROM views.decision WHERE decision = $3 OR proposal = $3 OR actor = $3 OR strpos(entity, $3) > 0
        UNION SELECT idx FROM views.answer WHERE actor = $3
        UNION SELECT idx FROM views.access WHERE actor = $3
        UNION SELECT w.idx FROM views.incident_entry w JOIN views.incident i USING (incident) WHERE strpos(i.entity, $3) > 0)
    ORDER BY e.idx DESC";

/// What is looked for; it stands in the URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    q: String,
    kind: String,
    before: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Found {
    idx: i64,
    event_id: Option<String>,
    kind: String,
    stream: String,
    stream_seq: i64,
    stream_time: Timestamp,
}

impl Found {
    fn at(&self) -> When {
        When(self.stream_time)
    }
}

/// Kinds that can be chosen.
const KINDS: [&str; 12] = [
    "aegis.incident.v1",
    "aegis.warrant.v1",
    "aegis.decision.v1",
    "aegis.outcome.v1",
    "aegis.assessment.v1",
    "aegis.command.v1",
    "aegis.access.v1",
    "aegis.anomaly.v1",
    "aegis.signal.v1",
    "aegis.metric.v1",
    "aegis.dead_letter.v1",
    "advisory",
];

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    frame: Frame,
    wanted: Wanted,
    found: Vec<Found>,
    next: Option<String>,
    entries: String,
    kinds: &'static [&'static str],
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Page {
    visitor.who.demand(&app, "search_audit")?;
    let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let mut filters = vec![
        wanted.before.map(|before| before.to_string()),
        some(&wanted.kind),
    ];
    let query = match some(&wanted.q) {
        Some(q) => {
            filters.push(Some(q));
            SEARCH
        }
        None => LIST,
    };
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX) + 1;
    let mut found: Vec<Found> = app.store.read(query, &filters, limit).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| {
        let (q, kind) = (encoded(&wanted.q), encoded(&wanted.kind));
        format!("/audit?q={q}&kind={kind}&before={}", last.idx)
    });
    let frame = Frame::around(&app, &visitor, "audit", "Audit").await?;
    show(&Audit {
        entries: thousands(frame.entries),
        frame,
        wanted,
        found,
        next,
        kinds: &KINDS,
    })
}

/// Whether the proof is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Verify {
    verify: Option<String>,
}

#[derive(Template)]
#[template(path = "entry.html")]
struct One {
    frame: Frame,
    entry: Entry,
    json: Option<String>,
    raw: String,
    proven: Option<Proven>,
    broken: Option<String>,
}

impl One {
    fn at(&self) -> When {
        When(self.entry.time)
    }

    fn size(&self) -> String {
        thousands(i64::try_from(self.entry.body.len()).unwrap_or(i64::MAX))
    }
}

pub(super) async fn entry(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(idx): Path<u64>,
    Query(wanted): Query<Verify>,
) -> Page {
    visitor.who.demand(&app, "get_proof")?;
    let entry = app.cores.entry(idx).await.map_err(problem)?;
    let (mut proven, mut broken) = (None, None);
    if wanted.verify.is_some() {
        match app.cores.proof_of(idx).await {
            Ok(found) => proven = Some(found),
            // That is the very thing to show.
            Err(Unavailable::Tampered(why)) => broken = Some(why),
            Err(error) => return Err(problem(error).into()),
        }
    }
    show(&One {
        frame: Frame::around(&app, &visitor, "audit", format!("Entry {idx}")).await?,
        json: entry
            .event_json
            .as_ref()
            .and_then(|json| serde_json::to_string_pretty(json).ok()),
        raw: dump(&entry.body),
        entry,
        proven,
        broken,
    })
}

fn problem(error: Unavailable) -> Problem {
    match error {
        Unavailable::NotFound(what) => Problem::not_found(what),
        other => Problem::unavailable(other.to_string()),
    }
}

/// Bytes as hexadecimal and text, sixteen a line; the first few thousand.
fn dump(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    const SHOWN: usize = 4_096;
    let mut text = String::new();
    for (line, some) in bytes[..bytes.len().min(SHOWN)].chunks(16).enumerate() {
        let _ = write!(text, "{:06x}  ", line * 16);
        for byte in some {
            let _ = write!(text, "{byte:02x} ");
        }
        for _ in some.len()..16 {
            text.push_str("   ");
        }
        text.push(' ');
        text.extend(some.iter().map(|byte| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '·',
        }));
        text.push('\n');
    }
    if bytes.len() > SHOWN {
        let _ = writeln!(text, "… {} more bytes", bytes.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_shown_as_they_are() {
        let dumped = super::dump(b"aegis\0\xff");
        assert!(
            dumped.starts_with("000000  61 65 67 69 73 00 ff "),
            "{dumped}"
        );
        assert!(dumped.ends_with("aegis··\n"), "{dumped}");
    }
}
