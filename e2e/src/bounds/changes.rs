//! What the executor must not write, though its roles let it patch, delete and evict.

use reqwest::Method;
use serde_json::{Value, json};

use super::acts::{add, eviction, marks, next};
use super::case::{Case, EXECUTOR};
use super::objects::{HIDDEN, SMALL, STORE, WEB, WILD, decision};
use super::{Bounds, Rights, templates};

pub(super) fn cases(bounds: &Bounds) -> Vec<Case> {
    let mut cases = of_decisions();
    cases.extend(of_places());
    cases.extend(of_objects());
    cases.extend(of_replicas());
    cases.extend(templates::cases());
    cases.extend(of_pods(bounds));
    // Somebody who may do all may also do each act everywhere.
    if bounds.rights == Rights::Deployed {
        cases.extend(of_capabilities());
    }
    cases
}

fn replicas(count: i32) -> Vec<Value> {
    vec![add("/spec/replicas", count)]
}

fn of_decisions() -> Vec<Case> {
    let marked = |tried, decision: &str, fence: &str, words| {
        let mut operations = replicas(5);
        operations.extend(marks(decision, fence));
        Case::patch(tried, WEB, operations).refused(words)
    };
    let (there, next) = (&decision(1), &decision(2));
    let no_decision = "names no decision of its own";
    let unfenced = vec![
        add("/spec/replicas", 5),
        add(
            "/metadata/annotations/aegis.dev~1decision-id",
            next.as_str(),
        ),
    ];
    vec![
        Case::patch("scale without a decision", WEB, replicas(5)).refused(no_decision),
        marked(
            "scale by the decision that is there",
            there,
            "8",
            no_decision,
        ),
        marked("scale by a decision that is none", "me", "8", no_decision),
        marked("scale with a lower fence", next, "6", "stale fence"),
        marked("scale with the same fence", next, "7", "stale fence"),
        Case::patch("scale without another fence", WEB, unfenced).refused("stale fence"),
        marked(
            "scale with a fence that is none",
            next,
            "many",
            "stale fence",
        ),
        marked("scale with a negative fence", next, "-1", "stale fence"),
    ]
}

fn of_places() -> [Case; 2] {
    [
        Case::patch("scale what is not managed", WILD, next(replicas(5)))
            .refused("not labelled aegis.dev/managed=true"),
        Case::patch(
            "scale in a namespace that is not enabled",
            HIDDEN,
            next(replicas(5)),
        )
        .refused("not labelled aegis.dev/enabled=true"),
    ]
}

/// What no act changes at all.
fn of_objects() -> Vec<Case> {
    let more = "more changes than the replicas or the template";
    let change = |tried, path: &str, value: Value, words| {
        Case::patch(tried, WEB, next(vec![add(path, value)])).refused(words)
    };
    let both = vec![
        add("/spec/replicas", 5),
        add(
            "/spec/template/spec/containers/0/image",
            "registry.example.org:5000/shop/web:v1",
        ),
    ];
    let labels = "labels, owners or finalizers change";
    let annotations = "other annotations than the marks";
    vec![
        change(
            "another strategy",
            "/spec/strategy",
            json!({"type": "Recreate"}),
            more,
        ),
        change(
            "another surge",
            "/spec/strategy/rollingUpdate/maxSurge",
            json!(3),
            more,
        ),
        change("pause a rollout", "/spec/paused", json!(true), more),
        change(
            "fewer revisions",
            "/spec/revisionHistoryLimit",
            json!(0),
            more,
        ),
        Case::patch("replicas and template at once", WEB, next(both)).refused(more),
        change(
            "another label",
            "/metadata/labels/team",
            json!("mine"),
            labels,
        ),
        change(
            "no longer managed",
            "/metadata/labels/aegis.dev~1managed",
            json!("no"),
            labels,
        ),
        change(
            "a finalizer",
            "/metadata/finalizers",
            json!(["aegis.dev/hold"]),
            labels,
        ),
        change(
            "another annotation",
            "/metadata/annotations/team",
            json!("mine"),
            annotations,
        ),
        change(
            "no more opted out",
            "/metadata/annotations/aegis.dev~1ignore",
            json!("false"),
            annotations,
        ),
    ]
}

fn of_replicas() -> Vec<Case> {
    let bounds = "the replicas are not between 1 and";
    let step = "the replicas change by more than";
    let to =
        |tried, path, count, words| Case::patch(tried, path, next(replicas(count))).refused(words);
    vec![
        to("scale to nothing", WEB, 0, bounds),
        to("scale beyond all bounds", WEB, 101, bounds),
        to("scale by too much at once", WEB, 55, step),
        to("scale beyond the namespace's bounds", SMALL, 7, bounds),
        to(
            "scale down by more than the namespace lets it",
            SMALL,
            1,
            step,
        ),
    ]
}

fn of_pods(bounds: &Bounds) -> Vec<Case> {
    let (path, name, uid) = bounds.pod();
    let named = json!({"preconditions": {"uid": uid}});
    let at_once = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}});
    let delete = |tried, path: &str, options: &Value| {
        Case::of(EXECUTOR, tried, Method::DELETE, path).body(options.clone())
    };
    let evict = |tried, name: &str, body| {
        let path = format!("/api/v1/namespaces/shop/pods/{name}/eviction");
        Case::of(EXECUTOR, tried, Method::POST, path).body(body)
    };
    let mut unmarked = eviction(name, &named);
    unmarked["metadata"]["annotations"] = json!({});
    let bare = "/api/v1/namespaces/shop/pods/bare";
    let alone = "the pod has no controller";
    let unnamed = "does not name the uid of the pod";
    vec![
        delete("delete a pod without a controller", bare, &json!({})).refused(alone),
        delete("delete whatever has that name", &path, &json!({})).refused(unnamed),
        delete("kill a pod", &path, &at_once).refused("the pod gets no time to stop"),
        evict(
            "evict a pod without a controller",
            "bare",
            eviction("bare", &named),
        )
        .refused(alone),
        evict(
            "evict whatever has that name",
            name,
            eviction(name, &json!({})),
        )
        .refused(unnamed),
        evict("evict and kill", name, eviction(name, &at_once)).refused("the time to stop"),
        evict("evict without a decision", name, unmarked).refused("names no decision of its own"),
    ]
}

/// What the namespace does not let it do.
fn of_capabilities() -> [Case; 3] {
    let restart = json!({"kubectl.kubernetes.io/restartedAt": "now"});
    let restart = next(vec![add("/spec/template/metadata/annotations", restart)]);
    let env = json!([{"name": "MODE", "value": "slow"}]);
    let rollback = next(vec![add("/spec/template/spec/containers/0/env", env)]);
    [
        Case::patch("restart where it may only scale", SMALL, restart)
            .refused("not bound to aegis-executor-restart here"),
        Case::patch("roll back where it may only scale", SMALL, rollback)
            .refused("not bound to aegis-executor-rollback here"),
        Case::patch(
            "scale a StatefulSet by its scale",
            &format!("{STORE}/scale"),
            replicas(5),
        )
        .refused("cannot patch resource"),
    ]
}
