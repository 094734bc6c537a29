//! A whole day in virtual time, with the very configuration of the stories: nothing is done to a healthy
//! cluster, nothing is said of its first day of a week, and each of six faults is healed. `AEGIS_DAY_SEEDS=1-20` tries more seeds than the first.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aegis::rehearse::{Report, rehearse, scenario};
use aegis_schemas::Mode;
use aegis_simulator::Scenario;
use tokio::task::JoinSet;

fn seeds() -> std::ops::RangeInclusive<u64> {
    let wanted = std::env::var("AEGIS_DAY_SEEDS").unwrap_or_else(|_| "1-1".to_owned());
    let (first, last) = wanted.split_once('-').unwrap();
    first.parse().unwrap()..=last.parse().unwrap()
}

async fn play(scenario: &Scenario) -> Vec<Report> {
    let mut running = JoinSet::new();
    for seed in seeds() {
        running.spawn(rehearse(scenario.clone(), seed, Mode::Act, None));
    }
    running
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_on_a_healthy_day() {
    for report in play(&scenario("healthy-day").unwrap()).await {
        assert!(report.acts.is_empty(), "{report:#?}");
        assert!(report.is_right(), "{report:#?}");
    }
}

/// A good deploy, the daily wave and a night's batch, with a scrape each 15 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_day_of_a_week_has_no_incident() {
    let mut day = scenario("healthy-week").unwrap();
    day.length = Duration::from_secs(86_400);
    for report in play(&day).await {
        assert!(report.incidents.is_empty(), "{report:#?}");
        assert!(report.is_right(), "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_six_faults_in_a_day_is_healed_and_nothing_else_is_done() {
    for report in play(&scenario("six-faults-day").unwrap()).await {
        assert!(report.is_right(), "{report:#?}");
    }
}
