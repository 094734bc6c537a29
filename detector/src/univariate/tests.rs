use super::Univariate;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Four weeks of a daily wave, a sample every half hour, with a little that looks like noise.
fn wave() -> Vec<(i64, f64)> {
    (0..48 * 28)
        .map(|row| {
            let at = row * HOUR / 2;
            let angle = at as f64 / DAY as f64 * std::f64::consts::TAU;
            let noise = (row as f64 * 0.618_033_988_75).fract() - 0.5;
            (at, 100.0 + 20.0 * angle.sin() + noise)
        })
        .collect()
}

fn scores(rows: &[(i64, f64)]) -> Vec<f64> {
    let mut metric = Univariate::default();
    rows.iter()
        .map(|(at, value)| metric.look(*at, Some(*value)).score)
        .collect()
}

/// The row with the highest score.
fn oddest(scores: &[f64]) -> usize {
    (0..scores.len())
        .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
        .expect("rows")
}

#[test]
fn what_would_be_usual_at_noon_is_odd_at_night() {
    let mut rows = wave();
    // Three in the morning of the 22nd day; 120 is what 06:00 has.
    let row = 48 * 21 + 36;
    rows[row].1 = 119.0;
    let mut metric = Univariate::default();
    let judged: Vec<_> = rows
        .iter()
        .map(|(at, value)| metric.look(*at, Some(*value)))
        .collect();
    let scores: Vec<_> = judged.iter().map(|judgement| judgement.score).collect();
    assert_eq!(oddest(&scores), row);
    assert!(judged[row].anomaly);
    let alarms = judged.iter().filter(|judgement| judgement.anomaly);
    assert!(alarms.count() <= 3);
}

#[test]
fn unit_and_offset_do_not_matter() {
    let rows = wave();
    for (factor, shift) in [(1e-6, 0.0), (1e6, -3e8), (0.3, 1e4)] {
        let other: Vec<_> = rows
            .iter()
            .map(|(at, value)| (*at, value * factor + shift))
            .collect();
        let far = scores(&rows)
            .iter()
            .zip(scores(&other))
            .filter(|(a, b)| (**a - b).abs() > 0.1)
            .count();
        // A value on the edge between two bins may fall to either side.
        assert!(far * 50 < rows.len(), "{factor} {shift}: {far} rows differ");
    }
}

#[test]
fn missing_values_are_not_odd_and_teach_nothing() {
    let mut metric = Univariate::default();
    for (at, value) in wave() {
        metric.look(at, Some(value));
    }
    let before = metric.clone();
    for missing in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let judgement = metric.look(28 * DAY, missing);
        assert!(judgement.score == 0.0 && !judgement.anomaly);
    }
    assert_eq!(metric, before);
}

#[test]
fn a_snapshot_goes_on_where_it_was_taken_and_is_small() {
    let rows = wave();
    let mut metric = Univariate::default();
    for four_weeks in 0..4 {
        for (at, value) in &rows {
            metric.look(at + four_weeks * 28 * DAY, Some(*value));
        }
    }
    let bytes = rmp_serde::to_vec(&metric).expect("it serializes");
    assert!(bytes.len() < 4096, "{} bytes", bytes.len());
    let mut restored: Univariate = rmp_serde::from_slice(&bytes).expect("its own bytes");
    for (at, value) in &rows {
        let at = at + 4 * 28 * DAY;
        let (a, b) = (
            metric.look(at, Some(*value)),
            restored.look(at, Some(*value)),
        );
        assert_eq!(a, b);
    }
}

#[test]
fn the_smallest_and_the_largest_numbers_are_scored_too() {
    let mut metric = Univariate::default();
    for row in 0..500 {
        let value = [0.0, 5e-324, -1e-300, 1.0, 1e30, -1e30][row as usize * 7 % 6];
        assert!(metric.look(row, Some(value)).score.is_finite());
    }
}

proptest::proptest! {
    #[test]
    fn scores_are_finite_and_never_negative(
        values in proptest::collection::vec(proptest::num::f64::ANY, 1..300),
        step in 1..DAY,
    ) {
        let mut metric = Univariate::default();
        for (row, value) in values.iter().enumerate() {
            let score = metric.look(row as i64 * step, Some(*value)).score;
            assert!(score.is_finite() && score >= 0.0, "{score}");
        }
    }
}
