//! Each process dies once at each step between receiving a message and acknowledging it.
//!
//! By default at one step each, the executor where it matters most; `AEGIS_DEATHS=4` is every step, in
//! four rounds of one fault each.

use std::time::Duration;

use aegis_e2e::{Options, Stack, Witness, oracles};
use aegis_nats::failpoint::Point;

use crate::{SCENARIO, healed, number};

/// How long a process may take to get to the place where it dies.
const DIES_WITHIN: Duration = Duration::from_secs(90);

/// Who dies where while one fault is healed. The executor comes to its places once for each act.
const DEATHS: [&[(&str, Point)]; 4] = [
    &[
        ("audit-sink", Point::Stored),
        ("ingest", Point::Stored),
        ("detector", Point::Handled),
        ("policy", Point::Stored),
        ("executor", Point::Written),
    ],
    &[
        ("audit-sink", Point::Received),
        ("ingest", Point::Handled),
        ("detector", Point::Stored),
        ("policy", Point::Handled),
        ("executor", Point::Claimed),
    ],
    &[
        ("detector", Point::Received),
        ("policy", Point::Received),
        ("executor", Point::Stored),
    ],
    &[("executor", Point::Received)],
];

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_process_dies_the_story_ends_healed_and_on_record_once() {
    let faults = usize::try_from(number("AEGIS_DEATHS", 1)).unwrap();
    // The others start as those who die while the first fault is healed.
    let options = Options::scenario(SCENARIO).roles(&["gateway"]);
    let mut stack = Stack::start(options).await.unwrap();
    let witness = Witness::begin(&stack).await.unwrap();
    for (before, deaths) in DEATHS[..faults].iter().enumerate() {
        for (role, point) in *deaths {
            if before > 0 {
                stack.kill(role).await.unwrap();
            }
            stack.start_to_die(role, *point).unwrap();
        }
        for (role, point) in *deaths {
            let died = stack.restart_dead(role, DIES_WITHIN).await;
            died.unwrap_or_else(|error| panic!("{role} at {}: {error:#}", point.as_str()));
            println!("{role} died at {}", point.as_str());
        }
        healed(&stack, before + 1).await;
    }
    let accepted = witness.end().await.unwrap();
    let figures = oracles::hold(&stack, &accepted).await.unwrap();
    assert!(figures.writes >= faults, "{figures:?}");
    println!("{}", serde_json::to_string(&figures).unwrap());
    stack.stop().await;
}
