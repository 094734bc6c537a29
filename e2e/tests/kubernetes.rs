//! The real control plane: what becomes of pods and nodes there is what `kubectl get` would show of a
//! cluster in trouble.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use aegis_e2e::ControlPlane;
use aegis_xtask::kubernetes::{Client, Options, Programs, Standing};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(90);
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Ready, status, and how many restarts at least.
type Row = (&'static str, &'static str, u32);

/// One control plane for the tests that run at the same time; `None` where there can be none.
fn control_plane() -> Option<Arc<ControlPlane>> {
    static RUNNING: Mutex<Weak<ControlPlane>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap();
    if let Some(found) = running.upgrade() {
        return Some(found);
    }
    let options = Options::default().nodes(2).user("somebody", &["people"]);
    let started = Arc::new(ControlPlane::start(&options).unwrap()?);
    *running = Arc::downgrade(&started);
    Some(started)
}

/// Waits until `look` finds what it looks for.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} took longer than {SOON:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn pod(name: &str, tag: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "app", "image": format!("example.org/web:{tag}")}]},
    })
}

/// Ready, status and restarts as `kubectl get pods` prints them; restarts without their age.
fn shown(admin: &Client, name: &str) -> Option<(String, String, u32)> {
    let rows = admin.table(PODS).unwrap();
    let row = rows.into_iter().find(|row| row[0] == name)?;
    let restarts = row[3].split(' ').next()?.parse().ok()?;
    Some((row[1].clone(), row[2].clone(), restarts))
}

#[test]
fn each_fate_of_a_pod_shows_as_kubectl_would_show_it() {
    let Some(plane) = control_plane() else { return };
    let admin = plane.client("admin").unwrap();
    // The tag of the image, and what is shown one after the other, restarts at least.
    let fates: [(&str, &[Row]); 5] = [
        ("1", &[("1/1", "Running", 0)]),
        (
            "slow-start",
            &[("0/1", "Running", 0), ("1/1", "Running", 0)],
        ),
        (
            "image-pull",
            &[("0/1", "ErrImagePull", 0), ("0/1", "ImagePullBackOff", 0)],
        ),
        (
            "crash-loop",
            &[
                ("0/1", "CrashLoopBackOff", 0),
                ("0/1", "CrashLoopBackOff", 1),
            ],
        ),
        (
            "oom-kill",
            &[
                ("1/1", "Running", 0),
                ("0/1", "CrashLoopBackOff", 0),
                ("1/1", "Running", 1),
            ],
        ),
    ];
    for (tag, _) in fates {
        admin
            .create(PODS, &pod(&format!("fate-{tag}"), tag))
            .unwrap();
    }
    let mut seen = [0; 5];
    until("a fate", || {
        for ((tag, steps), seen) in fates.iter().zip(&mut seen) {
            let Some((ready, status, least)) = steps.get(*seen) else {
                continue;
            };
            let now = shown(&admin, &format!("fate-{tag}"))?;
            if now.0 == *ready && now.1 == *status && now.2 >= *least {
                *seen += 1;
            }
        }
        fates
            .iter()
            .zip(seen)
            .all(|((_, steps), seen)| seen == steps.len())
            .then_some(())
    });
    for (tag, reason, code) in [("crash-loop", "Error", 1), ("oom-kill", "OOMKilled", 137)] {
        let pod = admin.get(&format!("{PODS}/fate-{tag}")).unwrap();
        let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
        assert_eq!(
            (&last["reason"], &last["exitCode"]),
            (&json!(reason), &json!(code)),
            "{pod:#}"
        );
    }
    for (tag, _) in fates {
        admin.delete(&format!("{PODS}/fate-{tag}")).unwrap();
    }
}

#[test]
fn a_label_takes_a_pod_that_runs_into_a_crash_loop_and_out_of_it() {
    let Some(plane) = control_plane() else { return };
    let admin = plane.client("admin").unwrap();
    admin.create(PODS, &pod("labelled", "1")).unwrap();
    let path = format!("{PODS}/labelled");
    let is = |ready: &str, status: &str| {
        until(status, || {
            shown(&admin, "labelled").filter(|now| now.0 == ready && now.1 == status)
        })
    };
    is("1/1", "Running");
    let label = |fate: Value| json!({"metadata": {"labels": {"aegis.dev/fate": fate}}});
    admin.patch(&path, &label(json!("crash-loop"))).unwrap();
    is("0/1", "CrashLoopBackOff");
    admin.patch(&path, &label(Value::Null)).unwrap();
    let (.., restarts) = is("1/1", "Running");
    assert!(restarts > 0, "the container was started again");
    admin.delete(&path).unwrap();
}

#[test]
fn a_rollout_to_a_bad_image_stalls_with_the_old_pods_and_goes_on_when_it_is_taken_back() {
    let Some(plane) = control_plane() else { return };
    let admin = plane.client("admin").unwrap();
    let template = |tag: &str| {
        json!({"metadata": {"labels": {"app": "shop"}},
            "spec": {"containers": [{"name": "app", "image": format!("example.org/shop:{tag}")}]}})
    };
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
        "spec": {"replicas": 3, "progressDeadlineSeconds": 5,
            "selector": {"matchLabels": {"app": "shop"}}, "template": template("1")},
    });
    admin.create(DEPLOYMENTS, &deployment).unwrap();
    let path = format!("{DEPLOYMENTS}/shop");
    // Ready, up to date, available: as `kubectl get deployments` prints them.
    let is = |wanted: [&str; 3]| {
        until(&format!("{wanted:?}"), || {
            let rows = admin.table(DEPLOYMENTS).unwrap();
            rows.into_iter()
                .find(|row| row[0] == "shop" && row[1..4] == wanted)
        })
    };
    is(["3/3", "3", "3"]);

    admin
        .patch(
            &path,
            &json!({"spec": {"template": template("image-pull")}}),
        )
        .unwrap();
    let stalled = until("the deadline", || {
        let found = admin.get(&path).unwrap();
        let conditions = found["status"]["conditions"].as_array()?;
        let late = conditions
            .iter()
            .any(|one| one["reason"] == "ProgressDeadlineExceeded");
        late.then_some(found)
    });
    assert_eq!(stalled["status"]["availableReplicas"], 3, "{stalled:#}");
    is(["3/3", "1", "3"]);

    admin
        .patch(&path, &json!({"spec": {"template": template("2")}}))
        .unwrap();
    // The row alone would do with two new pods, a third that starts, and one of the old.
    until("only pods of the new image", || {
        let pods = admin
            .get(&format!("{PODS}?labelSelector=app%3Dshop"))
            .unwrap();
        let pods = pods["items"].as_array()?.iter();
        let mut left = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        left.all(|pod| pod["spec"]["containers"][0]["image"] == "example.org/shop:2")
            .then_some(())
    });
    is(["3/3", "3", "3"]);
    admin.delete(&path).unwrap();
}

#[test]
fn a_node_that_is_not_ready_is_tainted_and_comes_back() {
    let Some(plane) = control_plane() else { return };
    let admin = plane.client("admin").unwrap();
    // Nothing of another test comes here.
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "frail"},
        "spec": {"unschedulable": true},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10"}},
    });
    admin.create("/api/v1/nodes", &node).unwrap();
    let is = |wanted: &str| {
        until(wanted, || {
            let rows = admin.table("/api/v1/nodes").unwrap();
            rows.into_iter()
                .find(|row| row[0] == "frail" && row[1] == wanted)
        })
    };
    is("Ready,SchedulingDisabled");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/frail";
    until("its lease", || admin.get(lease).ok());

    let label = |fate: Value| json!({"metadata": {"labels": {"aegis.dev/fate": fate}}});
    let path = "/api/v1/nodes/frail";
    admin.patch(path, &label(json!("not-ready"))).unwrap();
    is("NotReady,SchedulingDisabled");
    // With this taint its pods are driven out, after the time that each tolerates.
    let driven_out = || {
        let node = admin.get(path).unwrap();
        let mut taints = node["spec"]["taints"].as_array().into_iter().flatten();
        taints.any(|taint| {
            taint["key"] == "node.kubernetes.io/not-ready" && taint["effect"] == "NoExecute"
        })
    };
    until("the taint", || driven_out().then_some(()));
    admin.patch(path, &label(Value::Null)).unwrap();
    is("Ready,SchedulingDisabled");
    until("no taint", || (!driven_out()).then_some(()));
    admin.delete(path).unwrap();
}

#[test]
fn who_has_no_role_is_refused_and_every_write_is_on_record() {
    let Some(plane) = control_plane() else { return };
    let body = pod("recorded", "1");
    for (user, code) in [("somebody", 403), ("admin", 201)] {
        let client = plane.client(user).unwrap();
        let answer = client
            .send("POST", PODS, "application/json", Some(&body))
            .unwrap();
        assert_eq!(answer.code, code, "{user}: {answer:?}");
    }
    let record = std::fs::read_to_string(plane.audit_log()).unwrap();
    let events: Vec<Value> = record
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found = |user: &str, code: u16| {
        events.iter().find(|event| {
            event["user"]["username"] == user
                && event["verb"] == "create"
                && event["objectRef"]["resource"] == "pods"
                && event["responseStatus"]["code"] == code
                // What is refused at the door is not read.
                && (code == 403 || event["requestObject"]["metadata"]["name"] == "recorded")
        })
    };
    assert!(found("somebody", 403).is_some() && found("admin", 201).is_some());
}

#[test]
fn one_that_stands_is_left_alone_and_goes_down_whole() {
    let Some(programs) = Programs::obtain().unwrap() else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let standing = Standing::new(home.path().join("kubernetes"));
    assert!(standing.status().unwrap().is_none());
    let kubeconfig = standing.up(&programs, 1).unwrap();
    let first = standing.status().unwrap().unwrap();
    assert!(first.is_whole(), "{first:?}");
    assert_eq!(standing.up(&programs, 1).unwrap(), kubeconfig);
    let second = standing.status().unwrap().unwrap();
    assert_eq!(second.servers, first.servers, "nothing was started twice");
    assert!(standing.down().unwrap());
    assert!(standing.status().unwrap().is_none() && !home.path().join("kubernetes").exists());
    for (name, id, _) in first.servers {
        let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let ours = home.path().display().to_string();
        assert!(
            !String::from_utf8_lossy(&command).contains(&ours),
            "{name} is still there"
        );
    }
}
