//! A robust line through a few points: the median of all slopes between two of them, what it may be, and
//! how monotone the points are.
//!
//! P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63 (1968): the slope and
//! its interval from the ranks of the pairwise slopes. H. B. Mann, "Nonparametric Tests Against Trend",
//! Econometrica 13 (1945): the share of rising pairs less that of falling ones. A quarter of the points may
//! be anything without moving the slope far.

/// How many deviations of Kendall's statistic the interval is wide: 95 % if points were independent.
const WIDTH: f64 = 1.96;

/// The trend of some points, in units of the value for each unit of time.
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
    /// Where the line is at time 0.
    pub(super) level: f64,
}

impl Trend {
    /// Of points (time, value) whose times rise; none for fewer than four.
    pub(super) fn of(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len();
        if count < 4 {
            return None;
        }
        let mut slopes = Vec::with_capacity(count * (count - 1) / 2);
        for (at, from) in points.iter().enumerate() {
            for to in &points[at + 1..] {
                slopes.push((to.1 - from.1) / (to.0 - from.0));
            }
        }
        slopes.sort_by(f64::total_cmp);
        let falling = slopes.partition_point(|slope| *slope < 0.0);
        let level = slopes.partition_point(|slope| *slope <= 0.0);
        let rising = slopes.len() - level;
        let pairs = slopes.len() as f64;
        let n = count as f64;
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let half = WIDTH * deviation / 2.0;
        let rank = |at: f64| slopes[(at.max(0.0) as usize).min(slopes.len() - 1)];
        let slope = median(&slopes);
        let mut levels: Vec<f64> = points
            .iter()
            .map(|(time, value)| value - slope * time)
            .collect();
        levels.sort_by(f64::total_cmp);
        Some(Self {
            slope,
            low: rank(pairs / 2.0 - half),
            high: rank(pairs / 2.0 + half),
            tau: (rising as f64 - falling as f64) / pairs,
            level: median(&levels),
        })
    }
}

/// Of sorted values, at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_under_wild_points_however_far_apart() {
        let times = (0..20).map(|n| f64::from(n) * 15.0 + f64::from(n % 3) * 4.0);
        let mut points: Vec<(f64, f64)> = times.map(|at| (at, 0.3 + 0.001 * at)).collect();
        for wild in [3, 8, 9, 15] {
            points[wild].1 = 0.9;
        }
        let trend = Trend::of(&points).expect("enough points");
        assert!((trend.slope - 0.001).abs() < 1e-4, "{trend:?}");
        assert!(trend.low <= trend.slope && trend.slope <= trend.high);
        assert!((trend.level - 0.3).abs() < 0.02, "{trend:?}");
    }

    #[test]
    fn a_step_is_less_monotone_than_a_line() {
        let tau = |value: fn(f64) -> f64| {
            let points: Vec<_> = (0..20).map(f64::from).map(|n| (n, value(n))).collect();
            Trend::of(&points).map_or(0.0, |trend| trend.tau)
        };
        let step = tau(|n| if n < 10.0 { 0.3 } else { 0.5 });
        assert!(step < 0.6, "{step}");
        assert!((tau(|n| n) - 1.0).abs() < 1e-12);
        assert_eq!(Trend::of(&[(0.0, 0.1); 3]), None);
    }
}
