//! `kill -9` of every role, nats-server and PostgreSQL at seeded moments.
//!
//! `AEGIS_KILLS` is how often each service is killed, `AEGIS_SEED` where the moments come from.

use std::time::Duration;

use aegis_e2e::oracles::{self, Figures};
use aegis_e2e::{NATS, Options, POSTGRES, ROLES, Stack, Witness};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use tokio::time::Instant;

use crate::{FAULTS, SCENARIO, healed, number};

/// As often each service is killed unless it is said otherwise.
const KILLS: u64 = 20;
/// As often in one story: it has no more to heal than takes so long.
const KILLS_PER_STORY: u64 = 20;
/// So many services at most are killed at the same moment: all of them.
const AT_ONCE: usize = 8;
/// The longest time between two moments.
const PAUSE: Duration = Duration::from_millis(1_500);

/// Everything together, for whoever compares runs.
#[derive(Debug, Default, Serialize)]
struct Total {
    seed: u64,
    stories: u64,
    kills: usize,
    messages: usize,
    accepted: usize,
    decisions: usize,
    writes: usize,
    worst_restart_s: f64,
    worst_steady_s: f64,
    worst_rest_s: f64,
}

impl Total {
    fn add(&mut self, killed: &Killed, figures: &Figures) {
        self.stories += 1;
        self.kills += killed.services;
        self.messages += figures.messages;
        self.accepted += figures.accepted;
        self.decisions += figures.decisions;
        self.writes += figures.writes;
        self.worst_restart_s = self.worst_restart_s.max(killed.worst_restart.as_secs_f64());
        self.worst_steady_s = self.worst_steady_s.max(figures.steady_s);
        self.worst_rest_s = self.worst_rest_s.max(figures.rest_s);
    }
}

/// What was killed in one story.
#[derive(Default)]
struct Killed {
    services: usize,
    worst_restart: Duration,
}

/// Who is killed at each moment: every service so often, in an order that the draws make.
fn moments(draws: &mut StdRng, times: u64) -> Vec<Vec<&'static str>> {
    let services = ROLES.into_iter().chain([NATS, POSTGRES]);
    let mut left: Vec<&str> = services
        .flat_map(|service| (0..times).map(move |_| service))
        .collect();
    left.shuffle(draws);
    let mut moments: Vec<Vec<&str>> = Vec::new();
    let mut room = 0;
    for service in left {
        match moments.last_mut() {
            // Nobody dies twice at the same moment.
            Some(last) if room > 0 && !last.contains(&service) => last.push(service),
            _ => {
                moments.push(vec![service]);
                room = draws.random_range(1..=AT_ONCE);
            }
        }
        room -= 1;
    }
    moments
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_the_story_ends_healed_and_on_record_once() {
    let (mut kills, mut seed) = (number("AEGIS_KILLS", KILLS), number("AEGIS_SEED", 1));
    let mut total = Total {
        seed,
        ..Total::default()
    };
    while kills > 0 {
        let times = kills.min(KILLS_PER_STORY);
        println!("seed {seed}: {times} kills of each service");
        let (killed, figures) = story(seed, times).await;
        total.add(&killed, &figures);
        println!("{}", serde_json::to_string(&figures).unwrap());
        kills -= times;
        seed += 1;
    }
    println!("{}", serde_json::to_string(&total).unwrap());
}

/// One story with that many kills of each service.
async fn story(seed: u64, times: u64) -> (Killed, Figures) {
    let mut stack = Stack::start(Options::scenario(SCENARIO).seed(seed))
        .await
        .unwrap();
    let witness = Witness::begin(&stack).await.unwrap();
    let killed = kill(&mut stack, seed, times).await;
    healed(&stack, FAULTS).await;
    let accepted = witness.end().await.unwrap();
    let figures = oracles::hold(&stack, &accepted).await.unwrap();
    assert!(!accepted.is_empty() && figures.writes > 0, "{figures:?}");
    stack.stop().await;
    (killed, figures)
}

/// Kills at seeded moments.
async fn kill(stack: &mut Stack, seed: u64, times: u64) -> Killed {
    let mut draws = StdRng::seed_from_u64(seed);
    let mut killed = Killed::default();
    for services in moments(&mut draws, times) {
        tokio::time::sleep(PAUSE.mul_f64(draws.random())).await;
        let begun = Instant::now();
        stack.crash(&services).await.unwrap();
        let took = begun.elapsed();
        killed.services += services.len();
        killed.worst_restart = killed.worst_restart.max(took);
        println!("{:5.1} s  {}", took.as_secs_f64(), services.join(", "));
    }
    killed
}
