//! Streams that are made anew: while Aegis runs, by the command that the manual names.

use std::collections::BTreeMap;

use aegis_e2e::{Entry, Options, PERSON, Stack, oracles};
use aegis_nats::Service;
use aegis_schemas::{ActionKind, AssessmentVerdict, Mode, Stream, Verdict, Warrant};
use serde_json::json;

use crate::SOON;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/anew.toml");
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/payments";

/// The workload bears the fence of a write long ago in the old stream: the API server takes the rollback only
/// if its fence is above that one, although the stream counts from 1 again.
#[tokio::test(flavor = "multi_thread")]
async fn streams_are_made_anew_while_aegis_runs_and_the_next_incident_heals() {
    let stack = Stack::start(Options::scenario(SCENARIO)).await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    let first = watch
        .until("a decision", SOON, Entry::warrant)
        .await
        .unwrap();
    healed(&mut watch).await;
    let before = ends(&stack).await;
    let long_ago = Warrant::fence(before[&Stream::Events].0, 1_000_000);
    let fence = json!({"metadata": {"annotations": {"aegis.dev/fence": long_ago.to_string()}}});
    stack.patch_as(PERSON, DEPLOYMENT, fence).await.unwrap();

    let metrics = ["provision", "--new-epoch", "AEGIS_METRICS"];
    stack.aegis(&metrics).await.unwrap();
    let events = ["provision", "--new-epoch", "AEGIS_EVENTS"];
    stack.aegis(&events).await.unwrap();
    let after = ends(&stack).await;
    let raised = |stream: Stream| after[&stream].0 > before[&stream].0;
    let anew: Vec<_> = Stream::ALL
        .into_iter()
        .filter(|stream| raised(*stream))
        .collect();
    assert_eq!(
        anew,
        [Stream::Metrics, Stream::Events],
        "{before:?} {after:?}"
    );
    let (epoch, _) = after[&Stream::Events];
    // What stood before stands again.
    watch
        .until("the mode in the new stream", SOON, |entry| {
            let orders = entry.decision(Verdict::Standing)?.standing.as_ref()?;
            let acts = orders.modes.iter().any(|(_, mode)| *mode == Mode::Act);
            (entry.record.epoch == epoch && acts).then_some(())
        })
        .await
        .unwrap();

    let second = watch
        .until("a decision", SOON, Entry::warrant)
        .await
        .unwrap();
    healed(&mut watch).await;
    assert_eq!(second.action.kind(), ActionKind::Rollback);
    assert!(second.fence > Warrant::fence(epoch, 0), "{second:?}");
    assert!(
        first.fence < long_ago && long_ago < second.fence,
        "{first:?} {second:?}"
    );
    let figures = oracles::hold(&stack, &[]).await.unwrap();
    assert_eq!((figures.decisions, figures.writes), (2, 2), "{figures:?}");
    whole(&stack, &before).await;
    stack.stop().await;
}

async fn healed(watch: &mut aegis_e2e::Watch) {
    let verdict = watch
        .until("the act is judged", SOON, |entry| {
            Some(entry.assessment()?.verdict)
        })
        .await
        .unwrap();
    assert_eq!(verdict, AssessmentVerdict::Verified);
}

/// The epoch of each stream and the sequence at which it ends now.
async fn ends(stack: &Stack) -> BTreeMap<Stream, (u16, u64)> {
    let bus = stack.bus(Service::Doctor).await.unwrap();
    let mut ends = BTreeMap::new();
    for stream in Stream::ALL {
        let info = bus.stream_info(stream).await.unwrap();
        ends.insert(stream, (info.epoch, info.last_seq));
    }
    ends
}

/// Whatever the streams held at `before` is on record: the oracles have checked that there are no gaps.
async fn whole(stack: &Stack, before: &BTreeMap<Stream, (u16, u64)>) {
    let reader = stack.reader().await.unwrap();
    for (stream, (epoch, last)) in before {
        let recorded = reader.last_of(*stream, *epoch).await.unwrap();
        let recorded = recorded.unwrap_or(0);
        assert!(recorded >= *last, "{stream}: {recorded} of {last}");
    }
}
