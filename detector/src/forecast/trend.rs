//! A robust line through a few equidistant points: the median of all slopes between two of them, what
//! it may be, and how monotone the points are.
//!
//! P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968): the slope and
//! its interval from the ranks of the pairwise slopes. H. B. Mann, "Nonparametric Tests Against Trend",
//! Econometrica 13 (1945): the share of rising pairs less that of falling ones. A third of the points may be
//! anything without moving the slope far.

/// How many deviations of Kendall's statistic the interval is wide: 95 % if points were independent.
const WIDTH: f64 = 1.96;

/// The trend of some points, in units of the value for each step from a point to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    /// The median slope.
    pub(super) slope: f64,
    /// The least slope that it may be.
    pub(super) low: f64,
    /// The largest slope that it may be.
    pub(super) high: f64,
    /// Rising pairs less falling ones, of all: -1 to 1.
    pub(super) tau: f64,
    /// Where the line is at the last point.
    pub(super) level: f64,
    /// The share of pairs that rise at least half as fast as the line.
    pub(super) agreement: f64,
}

impl Trend {
    /// Of points in the order of time; none for fewer than four.
    pub(super) fn of(points: &[f32]) -> Option<Self> {
        let count = points.len();
        if count < 4 {
            return None;
        }
        let mut slopes = Vec::with_capacity(count * (count - 1) / 2);
        let mut balance = 0.0;
        for (at, from) in points.iter().enumerate() {
            for (further, to) in points[at + 1..].iter().enumerate() {
                let rise = f64::from(*to) - f64::from(*from);
                balance += f64::from(i8::from(rise > 0.0) - i8::from(rise < 0.0));
                slopes.push(rise / (further + 1) as f64);
            }
        }
        slopes.sort_by(f64::total_cmp);
        let pairs = slopes.len() as f64;
        let n = count as f64;
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let half = WIDTH * deviation / 2.0;
        let rank = |at: f64| slopes[(at.max(0.0) as usize).min(slopes.len() - 1)];
        let slope = rank(pairs / 2.0);
        let mut levels: Vec<f64> = points
            .iter()
            .enumerate()
            .map(|(at, value)| slope.mul_add((count - 1 - at) as f64, f64::from(*value)))
            .collect();
        levels.sort_by(f64::total_cmp);
        let agreeing = slopes.len() - slopes.partition_point(|one| *one < slope / 2.0);
        Some(Self {
            slope,
            low: rank(pairs / 2.0 - half),
            high: rank(pairs / 2.0 + half),
            tau: balance / pairs,
            level: levels[count / 2],
            agreement: agreeing as f64 / pairs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_under_wild_points() {
        let mut points: Vec<f32> = (0..20).map(|n| 0.3 + 0.01 * n as f32).collect();
        for wild in [3, 8, 9, 15] {
            points[wild] = 0.9;
        }
        let trend = Trend::of(&points).expect("enough points");
        assert!((trend.slope - 0.01).abs() < 0.001, "{trend:?}");
        assert!(trend.low <= trend.slope && trend.slope <= trend.high);
        assert!((trend.level - 0.49).abs() < 0.02, "{trend:?}");
    }

    #[test]
    fn a_step_is_less_monotone_than_a_line() {
        let step: Vec<f32> = (0..20).map(|n| if n < 10 { 0.3 } else { 0.5 }).collect();
        let line: Vec<f32> = (0..20).map(|n| n as f32).collect();
        let tau = |points: &[f32]| Trend::of(points).map_or(0.0, |trend| trend.tau);
        assert!(tau(&step) < 0.6, "{}", tau(&step));
        assert!((tau(&line) - 1.0).abs() < 1e-12);
        assert_eq!(Trend::of(&line[..3]), None);
    }
}
