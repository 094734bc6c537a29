//! The scenarios that come with the simulator.

macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../scenarios/", $name, ".toml")))),*]
    };
}

/// The scenarios that come with the simulator: their names and their text.
pub const SCENARIOS: &[(&str, &str)] = scenarios![
    "demo",
    "bad-rollout",
    "memory-leak",
    "load-spike",
    "flapping",
    "healthy-day",
    "healthy-week",
    "corrupt-pod",
    "neighbour",
    "six-faults-day",
];
