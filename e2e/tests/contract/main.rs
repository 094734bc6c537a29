//! The simulator's API answers as a real kube-apiserver does.
//!
//! One table of cases makes the calls that Aegis makes, once against each, and the transcripts must be
//! equal. Every call also names the code that it must be answered with, so that equal but wrong fails.
//! The real half needs the control plane of `cargo xtask kubernetes`; without it the table runs against
//! the simulator alone, and says so.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod call;
mod cluster;
mod objects;
mod session;
mod transcript;

mod deletes;
mod evictions;
mod patches;
mod reads;
mod refusals;
mod revisions;
mod watches;
mod writes;

use std::pin::Pin;
use std::sync::Arc;

use aegis_e2e::ControlPlane;
use aegis_xtask::kubernetes::Options;
use anyhow::Result;
use futures::{StreamExt, stream};
use serde_json::Value;

use cluster::{Cluster, EXECUTOR};
use session::Session;
use transcript::{Entry, differences};

/// How many cases run at a time against one server.
const AT_ONCE: usize = 8;

type Work<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A few calls in a namespace of their own.
struct Case {
    name: &'static str,
    run: for<'a> fn(&'a mut Session) -> Work<'a>,
}

macro_rules! cases {
    ($($topic:ident: $($case:ident),+ $(,)?;)+) => {
        [$($(Case {
            name: concat!(stringify!($topic), "::", stringify!($case)),
            run: |session| Box::pin($topic::$case(session)),
        }),+),+]
    };
}

static CASES: &[Case] = &cases! {
    reads:
        a_workload_with_its_defaults,
        a_list_of_each_kind_that_is_watched,
        an_object_that_is_not_there,
        the_annotations_of_a_namespace,
        label_selectors,
        field_selectors,
        a_selector_across_namespaces,
        selectors_that_cannot_be_read,
        pages,
        pages_of_a_selection,
        a_page_token_that_is_none,
        a_list_from_the_cache,
        metadata_alone,
        the_scale_of_a_workload,
        ;
    watches:
        everything_after_a_list,
        what_exists_comes_first,
        on_from_what_was_seen_last,
        in_and_out_of_a_selection,
        one_object_by_its_name,
        across_namespaces,
        metadata_alone,
        a_deletion_that_waits,
        a_bookmark_before_the_end,
        no_bookmark_that_was_not_asked_for,
        a_version_that_is_none,
        ;
    patches:
        an_act,
        an_act_done_twice,
        a_dry_run,
        another_object_of_that_name,
        another_version,
        nothing_of_that_name,
        which_generations_count_annotations,
        what_is_so_already_changes_nothing,
        a_restart_of_a_template_without_annotations,
        a_template_replaced_as_a_whole,
        an_annotation_removed,
        operations_that_cannot_be,
        values_that_are_refused,
        what_no_patch_may_change,
        a_merge_patch,
        a_strategic_patch,
        the_status_of_an_object,
        a_patch_of_another_kind,
        a_patch_that_cannot_be_read,
        replaced_by_an_older_state,
        ;
    writes:
        the_event_of_an_act,
        the_digits_of_an_event_time,
        a_name_that_is_taken,
        a_dry_run_leaves_nothing,
        a_generated_name,
        names_that_are_refused,
        objects_that_are_refused,
        objects_for_another_place,
        identity_is_not_the_clients_to_choose,
        into_a_namespace_that_goes,
        ;
    deletes:
        what_was_meant,
        another_of_that_name,
        another_version,
        a_dry_run,
        a_pod_with_its_time_to_stop,
        what_something_holds,
        many_at_once,
        ;
    evictions:
        a_pod_that_may_go,
        a_pod_that_a_budget_needs,
        another_pod_of_that_name,
        a_pod_that_is_not_there,
        a_pod_under_another_name,
        a_pod_of_two_budgets,
        ;
    refusals:
        a_token_that_nobody_has,
        a_body_that_cannot_be_read,
        a_body_of_another_kind,
        a_body_that_is_too_large,
        what_is_not_served,
        what_is_not_done_there,
        ;
    revisions:
        of_a_deployment,
        of_a_stateful_set,
        of_a_daemon_set,
        ;
};

/// Cases that disturb others: they run alone, after them.
static ALONE: &[Case] = &cases! {
    watches: after_the_history_was_forgotten;
};

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_answers_as_a_real_api_server_does() {
    let simulator = Cluster::simulated().await.unwrap();
    let options = Options::default()
        .nodes(2)
        .user(EXECUTOR, &["system:masters"]);
    let plane = tokio::task::spawn_blocking(move || ControlPlane::start(&options));
    let (simulated, plane) = tokio::join!(transcripts(&simulator), plane);
    let mut wrong = failures("the simulator", &simulated);
    if let Some(plane) = plane.unwrap().unwrap() {
        let real = transcripts(&Cluster::real(&plane).unwrap()).await;
        wrong.extend(failures("the real API server", &real));
        for ((name, simulated), (_, real)) in simulated.iter().zip(&real) {
            if let (Ok(simulated), Ok(real)) = (simulated, real) {
                wrong.extend(disagreements(name, simulated, real));
            }
        }
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} faults\n{}", wrong.join("\n"));
}

/// The cases that did not go as they say.
fn failures(server: &str, told: &[(&str, Result<Vec<Entry>>)]) -> Vec<String> {
    let failed = told
        .iter()
        .filter_map(|(name, told)| Some((name, told.as_ref().err()?)));
    failed
        .map(|(name, error)| format!("{name}: {server}: {error:#}"))
        .collect()
}

/// Where two transcripts of one case differ.
fn disagreements(name: &str, simulated: &[Entry], real: &[Entry]) -> Vec<String> {
    let mut found = Vec::new();
    if simulated.len() != real.len() {
        found.push(format!(
            "{name}: {} calls, {} really",
            simulated.len(),
            real.len()
        ));
    }
    for (simulated, real) in simulated.iter().zip(real) {
        let calls = [simulated, real].map(|entry| Value::from(entry.call.as_str()));
        let mut here = Vec::new();
        differences("call ", &calls[0], &calls[1], &mut here);
        differences("", &simulated.answer, &real.answer, &mut here);
        found.extend(
            here.iter()
                .map(|at| format!("{name}: {}: {at}", simulated.call)),
        );
    }
    found
}

/// The transcript of each case, by its name.
async fn transcripts(cluster: &Arc<Cluster>) -> Vec<(&'static str, Result<Vec<Entry>>)> {
    let transcript = |(number, case): (usize, &'static Case)| async move {
        let told = async {
            let mut session = Session::begin(Arc::clone(cluster), number).await?;
            (case.run)(&mut session).await?;
            Ok(session.end())
        };
        (case.name, told.await)
    };
    let cases = CASES.iter().enumerate();
    let mut told: Vec<_> = stream::iter(cases)
        .map(transcript)
        .buffered(AT_ONCE)
        .collect()
        .await;
    for (number, case) in ALONE.iter().enumerate() {
        told.push(transcript((CASES.len() + number, case)).await);
    }
    told
}
