//! What the doctor says of an installation, and of one that somebody changed.

use std::time::Duration;

use aegis_e2e::bounds::Bounds;
use aegis_e2e::until;
use aegis_executor::doctor::{Finding, Verdict, Watcher, examine};
use aegis_ingest::ObjectKind;
use serde_json::{Value, json};

/// How long the API server may take to heed a change of its roles and policies.
const SOON: Duration = Duration::from_secs(30);
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const BINDINGS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/aegis-executor";

/// What the doctor finds on that control plane.
async fn examined(bounds: &Bounds) -> Vec<Finding> {
    let executor = aegis_executor::Config {
        kubeconfig: Some(bounds.plane().kubeconfig("aegis-executor")),
        ..aegis_executor::Config::default()
    };
    let kinds = ObjectKind::ALL.map(|kind| (kind.resource().0, kind.resource().3));
    let watcher = Watcher {
        kubeconfig: Some(bounds.plane().kubeconfig("aegis-ingest")),
        kinds: kinds.to_vec(),
    };
    examine(&executor, &watcher).await.unwrap()
}

/// Waits until the doctor says so about it, and with these words.
async fn tells(bounds: &Bounds, about: &str, verdict: Verdict, words: &str) {
    let what = format!("{about}: {verdict:?}");
    let said = || async {
        let findings = examined(bounds).await;
        let mut about = findings.iter().filter(|finding| finding.about == about);
        about.any(|finding| finding.verdict == verdict && finding.advice.contains(words))
    };
    until(&what, SOON, said).await.unwrap();
}

fn bound(role: &str, account: &str) -> Value {
    json!({
        "metadata": {"name": "by-somebody"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "aegis"}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_what_is_missing_and_what_is_too_wide() {
    let Some(bounds) = Bounds::start().await.unwrap() else {
        return;
    };
    let wrong = |findings: Vec<Finding>| {
        let wrong = findings.into_iter().filter(Finding::is_wrong);
        wrong.collect::<Vec<_>>()
    };
    assert_eq!(wrong(examined(&bounds).await), []);
    tells(&bounds, "executor in shop: rollback", Verdict::Ok, "").await;
    tells(
        &bounds,
        "executor in small: rollback",
        Verdict::LeftOut,
        "kubectl apply",
    )
    .await;

    let admin = bounds.admin().unwrap();
    for policy in ["requests", "workloads", "pods", "evictions"] {
        admin.delete(&format!("{BINDINGS}-{policy}")).unwrap();
        let about = format!("policy aegis-executor-{policy}");
        tells(&bounds, &about, Verdict::Missing, "admission.yaml").await;
    }
    let small = format!("{RBAC}/namespaces/small/rolebindings");
    admin
        .delete(&format!("{small}/aegis-executor-base"))
        .unwrap();
    let about = "executor in small: look and note";
    tells(&bounds, about, Verdict::Missing, "create events").await;
    let shop = format!("{RBAC}/namespaces/shop/rolebindings");
    admin
        .create(&shop, &bound("edit", "aegis-executor"))
        .unwrap();
    let about = "executor in shop: no more than that";
    tells(&bounds, about, Verdict::TooWide, "get secrets").await;
    let everywhere = format!("{RBAC}/clusterrolebindings");
    admin
        .create(&everywhere, &bound("view", "aegis-ingest"))
        .unwrap();
    let about = "ingest in kube-system: no more than that";
    tells(&bounds, about, Verdict::TooWide, "get pods/log").await;
    admin
        .delete(&format!("{RBAC}/clusterrolebindings/aegis-ingest"))
        .unwrap();
    let about = "ingest: list and watch";
    tells(&bounds, about, Verdict::Missing, "watch nodes").await;
}
