//! So much goes wrong at once that Aegis does nothing without a yes.

use std::time::Duration;

use aegis_e2e::{Entry, Options, Stack, Visitor, until};
use aegis_schemas::{Digest, Verdict};

use crate::SOON;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/storm.toml");
/// How long it is watched that nothing is done.
const STILL: Duration = Duration::from_secs(15);

/// A question that policy asks because of a storm: where it is on record, and for what.
fn asked(entry: &Entry) -> Option<(u64, Digest)> {
    let decision = entry.decision(Verdict::Ask)?;
    let mut reasons = decision.reasons.iter();
    let storm = reasons.find(|reason| reason.policy == "storm")?;
    let counted = storm.text.contains("of 14 workloads fell sick");
    assert!(counted, "{}", storm.text);
    Some((entry.idx, decision.proposal.as_ref()?.digest))
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_storm_nothing_is_done_without_a_yes() {
    // What was done before it was a storm is no reason to refuse what people want.
    let options = Options::scenario(SCENARIO)
        .fault_at(25)
        .policy("acts_per_cluster = 5", "acts_per_cluster = 20");
    let stack = Stack::start(options).await.unwrap();
    let ann = stack.person("ann", &["operator"]).await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    let (began, _) = watch.until("a storm", SOON, asked).await.unwrap();
    let visitor = Visitor::sign_in(&stack.gateway(), "ann").await.unwrap();
    let said = || async {
        let overview = visitor.page("/").await.unwrap();
        overview.contains("Storm: Aegis does nothing by itself")
    };
    until("Overview to say so", SOON, said).await.unwrap();

    tokio::time::sleep(STILL).await;
    let entries = watch.all().await.unwrap();
    let by_itself = |entry: &&Entry| {
        let act = entry.warrant();
        entry.idx > began && act.is_some_and(|act| act.undo_of.is_none())
    };
    let done: Vec<_> = entries.iter().filter(by_itself).collect();
    assert!(done.is_empty(), "{done:#?}");
    let (_, newest) = entries.iter().rev().find_map(asked).unwrap();

    let digest = newest.to_string();
    ann.aegis(&["approvals", "approve", &digest, "--reason", "I know why"])
        .await
        .unwrap();
    watch.rewind();
    let approved = |entry: &Entry| entry.warrant().filter(|act| !act.approvals.is_empty());
    let act = watch.until("her act", SOON, approved).await.unwrap();
    assert_eq!(act.approvals[0].by, "ann");
    stack.stop().await;
}
