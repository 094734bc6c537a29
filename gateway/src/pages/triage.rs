//! The list of incidents as people triage it: how much each rests on and since when, and whether it was
//! here before.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Deserialize;

use super::past::Moment;
use super::rows::Incident;
use super::words::span;
use crate::store::Reading;

/// Slots that a life is drawn in.
const SLOTS: usize = 20;
/// A slot's width, with the space after it.
const STEP: usize = 5;
const HEIGHT: usize = 18;

/// Of incidents, apart by spaces: the new events that each rests on by slot of its life, and the former one
/// of the same entity and kind that was over less than a day before, as far as known by a moment, or now. One
/// query for all rows of a page.
const TRAILS: &str = "SELECT s.incident, c.slots, f.incident AS former, f.updated_at AS former_over
    FROM unnest(string_to_array($1, ' ')) AS w(incident)
    JOIN LATERAL (
      SELECT * FROM views.incident_said i
      WHERE i.incident = w.incident AND i.updated_at <= coalesce($3::timestamptz, 'infinity')
      ORDER BY i.position DESC LIMIT 1) s ON true
    LEFT JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_array(slot, events)) AS slots FROM (
        SELECT least($2::int, greatest(1, width_bucket(extract(epoch FROM e.at)::float8,
            extract(epoch FROM s.opened_at)::float8,
            greatest(extract(epoch FROM s.updated_at), extract(epoch FROM s.opened_at) + 1)::float8,
            $2::int))) AS slot, count(*) AS events
        FROM views.incident_evidence e WHERE e.incident = s.incident AND e.idx <= s.idx GROUP BY 1) AS counted
      ) c ON true
    LEFT JOIN LATERAL (
      SELECT o.incident, o.updated_at FROM views.incident_said o
      WHERE o.entity = s.entity AND o.kind = s.kind AND o.state = 'resolved' AND o.incident <> s.incident
        AND o.updated_at <= s.opened_at AND o.updated_at > s.opened_at - interval '24 hours'
      ORDER BY o.updated_at DESC LIMIT 1) f ON true";

/// A row of the list.
pub(super) struct Row {
    pub(super) incident: Incident,
    trail: Trail,
}

/// What the history tells of an incident besides.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trail {
    incident: String,
    /// Slots from 1 that are not empty, with how many events.
    slots: Option<Vec<(usize, usize)>>,
    former: Option<String>,
    former_over: Option<Timestamp>,
}

/// An earlier incident of the same kind with the same entity.
pub(super) struct Former {
    pub(super) incident: String,
    /// How long it was away.
    pub(super) away: String,
}

/// These incidents with what their history tells.
pub(super) async fn rows(
    reading: &mut Reading,
    incidents: Vec<Incident>,
    moment: Moment,
) -> Result<Vec<Row>, sqlx::Error> {
    if incidents.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = incidents.iter().map(|it| it.incident.as_str()).collect();
    let limit = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let asked = [
        Some(ids.join(" ")),
        Some(SLOTS.to_string()),
        moment.filter(),
    ];
    let trails: Vec<Trail> = reading.read(TRAILS, &asked, limit).await?;
    let mut trails: BTreeMap<String, Trail> = trails
        .into_iter()
        .map(|trail| (trail.incident.clone(), trail))
        .collect();
    let row = |incident: Incident| Row {
        trail: trails.remove(&incident.incident).unwrap_or_default(),
        incident,
    };
    Ok(incidents.into_iter().map(row).collect())
}

impl Row {
    /// How many events it rests on.
    pub(super) fn events(&self) -> usize {
        let slots = self.trail.slots.iter().flatten();
        slots.map(|(_, events)| events).sum()
    }

    /// The incident that is back with it.
    pub(super) fn former(&self) -> Option<Former> {
        let (incident, over) = self.trail.former.clone().zip(self.trail.former_over)?;
        let away = span(over, self.incident.opened_at);
        Some(Former { incident, away })
    }

    /// New events over its life, as bars.
    pub(super) fn sparkline(&self) -> String {
        let mut counts = [0_usize; SLOTS];
        for (slot, events) in self.trail.slots.iter().flatten() {
            if let Some(count) = slot.checked_sub(1).and_then(|slot| counts.get_mut(slot)) {
                *count += events;
            }
        }
        let lasted = span(self.incident.opened_at, self.incident.updated_at);
        bars(&counts, &lasted)
    }
}

/// A bar for each count; the label says what the eye sees.
fn bars(counts: &[usize], lasted: &str) -> String {
    let most = counts.iter().copied().max().unwrap_or_default();
    let (all, width) = (counts.iter().sum::<usize>(), counts.len() * STEP);
    let newest = counts.iter().rposition(|count| *count > 0);
    let when = match newest {
        Some(slot) if slot + 1 == counts.len() => "new ones until the end",
        Some(slot) if slot * 2 < counts.len() => "none in its second half",
        Some(_) => "fewer at the end",
        None => "none",
    };
    let mut svg = format!(
        r#"<svg class="spark" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img" aria-label="{all} new events over {lasted}: {when}"><line x1="0" x2="{width}" y1="{0}" y2="{0}"/>"#,
        HEIGHT as f64 - 0.5,
    );
    for (slot, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        // What is there is seen, however much more there is elsewhere.
        let tall = (count * (HEIGHT - 1)).div_ceil(most).max(2);
        let _ = write!(
            svg,
            r#"<rect x="{}" y="{}" width="{}" height="{tall}"/>"#,
            slot * STEP,
            HEIGHT - 1 - tall,
            STEP - 1
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_tall_as_its_count_and_what_is_rare_is_still_seen() {
        let svg = bars(&[100, 0, 1, 50], "4 min 0 s");
        assert!(
            svg.contains(r#"aria-label="151 new events over 4 min 0 s: new ones until the end""#)
        );
        let heights: Vec<&str> = svg
            .split(r#"width="4" height=""#)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(heights, ["17", "2", "9"], "{svg}");
        for (counts, said) in [
            ([0, 0, 0, 0], "0 new events over 9 s: none"),
            (
                [3, 1, 0, 0],
                "4 new events over 9 s: none in its second half",
            ),
            ([3, 1, 2, 0], "6 new events over 9 s: fewer at the end"),
        ] {
            let svg = bars(&counts, "9 s");
            assert!(svg.contains(&format!(r#"aria-label="{said}""#)), "{svg}");
        }
    }
}
