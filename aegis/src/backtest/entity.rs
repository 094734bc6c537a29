//! The detector of one recorded entity: the one place that chooses a core by the number of metrics.

use aegis_detector::univariate::Univariate;
use aegis_detector::vector::{Judgement, Vector};

use super::table::Row;

/// The detector of one entity.
pub(super) struct Entity {
    core: Core,
    blamed: Vec<usize>,
}

enum Core {
    /// Of one metric.
    One(Box<Univariate>),
    /// Of any other number of them.
    Many(Box<Vector>),
}

impl Entity {
    /// One of so many metrics, of which nothing is known.
    pub(super) fn new(metrics: usize) -> Self {
        let core = match metrics {
            1 => Core::One(Box::default()),
            _ => Core::Many(Box::new(Vector::new(metrics))),
        };
        Self {
            core,
            blamed: Vec::with_capacity(metrics),
        }
    }

    /// Judges a row by all before it, then learns it.
    pub(super) fn look(&mut self, row: &Row<'_>) -> Judgement {
        let at = row.at.as_second();
        self.blamed.clear();
        match &mut self.core {
            Core::One(metric) => {
                let value = row.values.first().copied().filter(|value| !value.is_nan());
                self.blamed.extend(value.map(|_| 0));
                metric.look(at, value)
            }
            Core::Many(vector) => vector.look(at, row.values),
        }
    }

    /// The metrics that are to blame for the newest row, the most blamed first.
    pub(super) fn blame(&mut self) -> &[usize] {
        if let Core::Many(vector) = &self.core {
            vector.blame(&mut self.blamed);
        }
        &self.blamed
    }
}

#[cfg(test)]
mod tests {
    use super::{Entity, Row};

    #[test]
    fn one_metric_is_judged_by_the_time_of_day_and_blamed_where_it_has_a_value() {
        let mut entity = Entity::new(1);
        let mut look = |row: i64, value: f64| {
            let at = jiff::Timestamp::from_second(1800 * row).expect("a time");
            let values = [value];
            let row = Row {
                stamp: "",
                at,
                values: &values,
            };
            let judged = entity.look(&row);
            (judged.score, entity.blame().to_vec())
        };
        // Busy from noon to midnight, half an hour a row, for three weeks.
        let usual = |row: i64| f64::from(u8::from(row % 48 >= 24)) + (row % 7) as f64 / 50.0;
        for row in 0..48 * 21 {
            look(row, usual(row));
        }
        let (calm, _) = look(48 * 21, usual(0));
        let (busy, blamed) = look(48 * 21 + 1, usual(24));
        assert!(busy > calm + 1.0, "{calm} {busy}");
        assert_eq!(blamed, [0]);
        assert_eq!(look(48 * 21 + 2, f64::NAN), (0.0, vec![]));
    }
}
