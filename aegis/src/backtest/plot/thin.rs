//! Rows, thinned to about a thousand pixel columns while they come, in memory that does not grow with them.

/// A picture is at most this many columns wide, and at least half of that if there are enough rows.
const MOST: usize = 2_000;

/// What the rows of one pixel column hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// Time of its first row, in seconds.
    pub(super) at: i64,
    /// The least and the most of each metric; none if no row had a value.
    pub(super) metrics: Vec<Option<(f64, f64)>>,
    /// The highest score.
    pub(super) score: f64,
}

/// The picture so far.
#[derive(Clone, Debug)]
pub(super) struct Thin {
    metrics: usize,
    /// Rows of a column, and rows in the last one.
    rows: usize,
    filled: usize,
    columns: Vec<Column>,
}

impl Thin {
    pub(super) const fn new(metrics: usize) -> Self {
        Self {
            metrics,
            rows: 1,
            filled: 0,
            columns: Vec::new(),
        }
    }

    /// Draws one more row.
    pub(super) fn add(&mut self, at: i64, values: &[f64], score: f64) {
        if self.filled == self.rows && self.columns.len() == MOST {
            self.halve();
        }
        if self.filled == self.rows || self.columns.is_empty() {
            self.filled = 0;
            self.columns.push(Column {
                at,
                metrics: vec![None; self.metrics],
                score: 0.0,
            });
        }
        self.filled += 1;
        let Some(column) = self.columns.last_mut() else {
            return;
        };
        column.score = column.score.max(score);
        for (span, value) in column.metrics.iter_mut().zip(values) {
            if !value.is_nan() {
                *span = join(*span, Some((*value, *value)));
            }
        }
    }

    /// The columns, in time.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Makes one column of each two; all are full and their number is even, so those that are made are full.
    fn halve(&mut self) {
        self.columns = self
            .columns
            .chunks(2)
            .map(|pair| {
                let mut joined = pair[0].clone();
                for other in &pair[1..] {
                    joined.score = joined.score.max(other.score);
                    for (span, more) in joined.metrics.iter_mut().zip(&other.metrics) {
                        *span = join(*span, *more);
                    }
                }
                joined
            })
            .collect();
        self.rows *= 2;
        self.filled = self.rows;
    }
}

/// The span that holds both.
fn join(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some((low, high)), Some((least, most))) => Some((low.min(least), high.max(most))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Thin};

    #[test]
    fn no_extreme_is_lost_however_long_the_series() {
        let mut thin = Thin::new(1);
        for row in 0..9 * MOST as i64 + 5 {
            let value = if row == 7_777 { -9.0 } else { 1.0 };
            thin.add(row, &[value], if row == 12_345 { 6.0 } else { 0.5 });
        }
        let columns = thin.columns();
        assert!(
            (MOST / 2..=MOST).contains(&columns.len()),
            "{}",
            columns.len()
        );
        let holds = |row: i64| columns.iter().rfind(|column| column.at <= row);
        assert_eq!(
            holds(7_777).and_then(|column| column.metrics[0]),
            Some((-9.0, 1.0))
        );
        assert_eq!(holds(12_345).map(|column| column.score), Some(6.0));
        let low = columns
            .iter()
            .filter(|column| column.metrics[0] != Some((1.0, 1.0)));
        assert_eq!(low.count(), 1);
    }
}
