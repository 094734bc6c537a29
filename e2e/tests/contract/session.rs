//! One case against one server: its namespace, its calls, its transcript.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::objects::text;
use crate::transcript::{Entry, Names, compared};

/// How long controllers may take to do what a case waits for.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// One case against one server.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) namespace: String,
    names: Names,
    transcript: Vec<Entry>,
}

impl Session {
    /// Begins in an empty namespace, which is named after the number of the case.
    pub(crate) async fn begin(cluster: Arc<Cluster>, number: usize) -> Result<Self> {
        let mut session = Self {
            cluster,
            namespace: format!("contract-{number}"),
            names: Names::default(),
            transcript: Vec::new(),
        };
        let namespace = json!({ "metadata": { "name": session.namespace } });
        session
            .made(Call::create("/api/v1/namespaces", &namespace))
            .await?;
        Ok(session)
    }

    /// What was asked and answered.
    pub(crate) fn end(self) -> Vec<Entry> {
        self.transcript
    }

    /// Makes a call that must be answered with `code`, and notes the answer: the fields at the pointers
    /// `shown`, all of it when there are none, of a refusal what it is and says.
    pub(crate) async fn expect(&mut self, code: u16, call: Call, shown: &[&str]) -> Result<Value> {
        let told = call.to_string();
        let (got, body) = self.send(call).await?;
        ensure!(got == code, "{told}: {got} instead of {code}: {body}");
        self.met(&body);
        let answer = compared(got, &body, shown);
        self.note(&told, &answer);
        Ok(body)
    }

    /// Adds what a case found out by itself to the transcript.
    pub(crate) fn note(&mut self, call: &str, answer: &Value) {
        let answer = self.names.normalise(answer);
        self.transcript.push(Entry {
            call: self.names.known(call),
            answer,
        });
    }

    /// Lets `name` stand for a generated text.
    pub(crate) fn generated(&mut self, text: &str, name: &str) {
        self.names.generated(text, name);
    }

    /// Knows an object from now on by its UID and its version. A list has none: its version is that of
    /// the whole cluster, which others write to.
    pub(crate) fn met(&mut self, object: &Value) {
        let metadata = |field: &str| text(object, &format!("/metadata/{field}"));
        if metadata("uid").is_empty() {
            return;
        }
        let name = format!("uid of {}", metadata("name"));
        self.names.generated(metadata("uid"), &name);
        self.names.version(metadata("resourceVersion"));
    }

    /// Makes a call of the preparation, which must succeed and is not part of the transcript.
    pub(crate) async fn made(&mut self, call: Call) -> Result<Value> {
        let told = call.to_string();
        let (code, body) = self.send(call).await?;
        ensure!(code < 300, "{told}: {code}: {body}");
        self.met(&body);
        Ok(body)
    }

    /// Reads `path` until `ready`.
    pub(crate) async fn until(
        &mut self,
        path: &str,
        ready: impl Fn(&Value) -> bool + Send,
    ) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, body) = self.send(Call::get(path)).await?;
            if code == 200 && ready(&body) {
                return Ok(body);
            }
            ensure!(Instant::now() < deadline, "`{path}` stays {code}: {body}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Watches until `events` events came or the server ends the watch; notes their types and what is
    /// `shown` of their objects. How many bookmarks follow each other is the server's own affair.
    pub(crate) async fn watched(
        &mut self,
        call: Call,
        events: usize,
        shown: &[&str],
    ) -> Result<Vec<Value>> {
        let asked = call.to_string();
        let seen = self.cluster.watch(call, &self.namespace, events).await;
        let mut seen: Vec<Value> = seen.with_context(|| asked.clone())?;
        seen.dedup_by(|next, last| last["type"] == "BOOKMARK" && next["type"] == "BOOKMARK");
        let told: Vec<Value> = seen
            .iter()
            .map(|event| {
                let code = if event["type"] == "ERROR" { 410 } else { 200 };
                json!({ "type": event["type"], "object": compared(code, &event["object"], shown) })
            })
            .collect();
        self.note(&asked, &told.into());
        Ok(seen)
    }

    async fn send(&self, call: Call) -> Result<(u16, Value)> {
        let told = call.to_string();
        let answer = self.cluster.send(call, &self.namespace).await;
        answer.context(told)
    }
}
