//! Rises that end at the limit are foretold in time, whatever their pace and however samples come; what
//! only looks like one for a while is not.

use super::*;

const DAY: f64 = 86_400.0;
/// Far from zero, as times are.
const EPOCH: f64 = 1.7e9;
/// Seconds between two samples, and which part of it a sample may be late.
const SAMPLING: [(f64, f64); 6] = [
    (10.0, 0.0),
    (15.0, 0.0),
    (15.0, 0.8),
    (30.0, 0.8),
    (60.0, 0.0),
    (60.0, 0.8),
];

/// A draw between 0 and 1 that depends on both numbers alone (splitmix64).
fn draw(seed: u64, number: u64) -> f64 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(number.wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn between(seed: u64, number: u64, low: f64, high: f64) -> f64 {
    low + (high - low) * draw(seed, number)
}

/// About normal.
fn noise(seed: u64, at: f64) -> f64 {
    let sum: f64 = (0..4)
        .map(|part| draw(seed + 7, at as u64 * 4 + part))
        .sum();
    (sum - 2.0) * 3.0_f64.sqrt()
}

/// Looks until `end`; when the first forecast is made, and the forecast.
fn first(
    seed: u64,
    (step, late): (f64, f64),
    end: f64,
    value: impl Fn(f64) -> f64,
) -> Option<(f64, Forecast)> {
    let mut series = Exhaustion::default();
    let samples = (0..).map(|number| step * (number as f64 + late * draw(seed + 99, number)));
    samples.take_while(|at| *at < end).find_map(|at| {
        series.look(EPOCH + at, value(at));
        Some((at, series.forecast()?))
    })
}

#[test]
fn a_leak_of_any_pace_is_foretold_while_there_is_time_to_act() {
    let mut held = 0;
    let mut seen = 0;
    for sampling in SAMPLING {
        for seed in 0..20 {
            // Sixteen samples must fit into half of it.
            let shortest = 1_200.0_f64.max(40.0 * sampling.0);
            let length = shortest * 6.0_f64.powf(draw(seed, 1));
            let (base, spread) = (between(seed, 2, 0.2, 0.6), between(seed, 3, 0.0, 0.01));
            let onset = between(seed, 4, 7_200.0, 10_800.0);
            let leak = |at: f64| {
                let lost = (1.0 - base) * ((at - onset) / length).max(0.0);
                base + lost + spread * noise(seed, at)
            };
            let found = first(seed, sampling, onset + length, leak);
            let (at, forecast) = found.expect("it is foretold");
            let left = onset + length - at;
            let case = format!("{sampling:?} seed {seed}: {forecast:?}, true {left} of {length} s");
            assert!(at > onset && left > 0.15 * length, "{case}");
            assert!((forecast.seconds / left - 1.0).abs() < 0.25, "{case}");
            assert!(forecast.earliest < forecast.seconds && forecast.seconds < forecast.latest);
            assert!((0.5..=1.0).contains(&forecast.confidence), "{case}");
            seen += 1;
            held += usize::from((forecast.earliest..=forecast.latest).contains(&left));
        }
    }
    assert!(
        held * 10 >= seen * 9,
        "{held} of {seen} within what was said"
    );
}

#[test]
fn what_only_looks_like_a_leak_is_not_foretold() {
    type Family = fn(u64, f64) -> f64;
    let families: [(&str, Family); 6] = [
        ("noise", |seed, at| {
            between(seed, 1, 0.2, 0.95) + between(seed, 2, 0.0, 0.03) * noise(seed, at)
        }),
        ("a day's wave", |seed, at| {
            let (middle, height) = (between(seed, 1, 0.3, 0.55), between(seed, 2, 0.1, 0.4));
            let turn = (at / DAY + draw(seed, 3)) * std::f64::consts::TAU;
            middle + height * turn.cos() + 0.01 * noise(seed, at)
        }),
        ("steps", |seed, at| {
            let steps = (0..4).map(|step| {
                let up = (at - between(seed, 10 + step, 0.0, DAY))
                    / between(seed, 20 + step, 1.0, 300.0);
                between(seed, 30 + step, 0.0, 0.14) * up.clamp(0.0, 1.0)
            });
            0.3 + steps.sum::<f64>() + 0.01 * noise(seed, at)
        }),
        ("collected garbage", |seed, at| {
            let teeth = at / between(seed, 1, 60.0, 1_500.0);
            let top = between(seed, 2, 0.5, 0.93);
            0.3 + (top - 0.3) * teeth.fract() + 0.005 * noise(seed, at)
        }),
        ("a cache that fills", |seed, at| {
            let begun = between(seed, 3, 7_200.0, 20_000.0);
            let age = (at - begun) / between(seed, 1, 60.0, 10_000.0);
            let top = between(seed, 2, 0.4, 0.93);
            0.3 + (top - 0.3) * (1.0 - (-age.max(0.0)).exp()) + 0.005 * noise(seed, at)
        }),
        ("a deploy every few hours", |seed, at| {
            let age = at % between(seed, 1, 10_000.0, 30_000.0);
            let warm = 1.0 - (-age / between(seed, 2, 60.0, 3_600.0)).exp();
            0.3 + 0.3 * warm + 0.005 * noise(seed, at)
        }),
    ];
    for (name, family) in families {
        for sampling in SAMPLING {
            for seed in 0..4 {
                let said = first(seed, sampling, DAY, |at| family(seed, at));
                assert_eq!(said, None, "{name}, {sampling:?}, seed {seed}");
            }
        }
    }
}

fn leaked(until: f64) -> Exhaustion {
    let mut series = Exhaustion::default();
    for number in 0..=(until / 15.0) as u32 {
        let at = f64::from(number) * 15.0;
        series.look(at, 0.3 + (at - 7_200.0).max(0.0) / 3_600.0);
    }
    series
}

#[test]
fn a_forecast_ends_with_the_rise() {
    let mut series = leaked(9_000.0);
    let forecast = series.forecast().expect("half of it is gone");
    assert!((forecast.seconds - 720.0).abs() < 40.0, "{forecast:?}");
    // The pod was replaced.
    series.look(9_015.0, 0.3);
    assert_eq!(series.forecast(), None);
}

#[test]
fn what_ran_out_is_foretold_again() {
    let mut series = leaked(9_720.0);
    let again = (1..).map(|number| 15.0 * f64::from(number)).find(|later| {
        series.look(9_720.0 + later, 0.3 + (later - 1_800.0).max(0.0) / 3_600.0);
        series.forecast().is_some()
    });
    assert!(
        again.is_some_and(|later| later < 1_800.0 + 1_800.0),
        "{again:?}"
    );
}
