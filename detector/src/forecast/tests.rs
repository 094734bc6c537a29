//! Rises that end at the limit are foretold in time, whatever their pace; what only looks like one
//! for a while is not.

use super::*;

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

/// Looks every `step` seconds until `end`; when the first forecast is made, and the forecast.
fn first(step: f64, end: f64, value: impl Fn(f64) -> f64) -> Option<(f64, Forecast)> {
    let mut series = Exhaustion::default();
    let mut at = 0.0;
    while at < end {
        series.look(at, value(at).clamp(0.0, 1.0));
        if let Some(forecast) = series.forecast() {
            return Some((at, forecast));
        }
        at += step;
    }
    None
}

#[test]
fn a_leak_of_any_pace_is_foretold_while_there_is_time_to_act() {
    for seed in 0..24 {
        let length = 600.0 * 24.0_f64.powf(draw(seed, 1));
        let (base, spread) = (between(seed, 2, 0.2, 0.6), between(seed, 3, 0.0, 0.01));
        let onset = between(seed, 4, 7_200.0, 10_800.0);
        let leak = |at: f64| {
            let lost = (1.0 - base) * ((at - onset) / length).max(0.0);
            base + lost + spread * noise(seed, at)
        };
        let (at, forecast) = first(15.0, onset + length, leak).expect("it is foretold");
        let left = onset + length - at;
        assert!(at > onset, "seed {seed}: before it began");
        assert!(
            left > 0.2 * length,
            "seed {seed}: {left} s of {length} s left"
        );
        let off = (forecast.seconds - left).abs() / left;
        assert!(off < 0.35, "seed {seed}: {forecast:?}, true {left} s");
        assert!(forecast.earliest <= forecast.seconds && forecast.seconds <= forecast.latest);
        assert!((0.5..=1.0).contains(&forecast.confidence));
    }
}

#[test]
fn what_only_looks_like_a_leak_is_not_foretold() {
    const DAY: f64 = 86_400.0;
    type Family = fn(u64, f64) -> f64;
    let families: [(&str, Family); 5] = [
        ("noise", |seed, at| {
            between(seed, 1, 0.2, 0.95) + between(seed, 2, 0.0, 0.03) * noise(seed, at)
        }),
        ("a day's wave", |seed, at| {
            let (middle, height) = (between(seed, 1, 0.3, 0.5), between(seed, 2, 0.1, 0.4));
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
            let top = between(seed, 2, 0.5, 0.9);
            0.3 + (top - 0.3) * teeth.fract() + 0.005 * noise(seed, at)
        }),
        ("a cache that fills", |seed, at| {
            let age = (at - 10_000.0) / between(seed, 1, 120.0, 10_000.0);
            let top = between(seed, 2, 0.4, 0.8);
            0.3 + (top - 0.3) * (1.0 - (-age.max(0.0)).exp()) + 0.005 * noise(seed, at)
        }),
    ];
    for (name, family) in families {
        for seed in 0..5 {
            let said = first(30.0, DAY, |at| family(seed, at));
            assert_eq!(said, None, "{name}, seed {seed}");
        }
    }
}

#[test]
fn a_forecast_ends_with_the_rise() {
    let leak = |at: f64| 0.3 + (at - 7_200.0).max(0.0) / 3_600.0;
    let (at, _) = first(15.0, 10_000.0, leak).expect("it is foretold");
    let mut series = Exhaustion::default();
    for number in 0..=(at / 15.0) as u32 {
        let now = f64::from(number) * 15.0;
        series.look(now, leak(now));
    }
    assert!(series.forecast().is_some());
    // The pod was replaced.
    series.look(at + 15.0, 0.3);
    assert_eq!(series.forecast(), None);
}
