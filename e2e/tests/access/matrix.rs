//! Every operation of the served document for every kind of caller.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use aegis_schemas::{AccessOutcome, Event};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::schema::simplest;
use crate::site::{PEOPLE, Site, json_of};
use crate::tokens::Forge;

const SOON: Duration = Duration::from_secs(60);

/// Somebody who asks.
struct Caller {
    /// Who they are to the gateway.
    name: Option<&'static str>,
    role: &'static str,
    token: String,
}

/// An operation of the document.
struct Operation<'a> {
    document: &'a Value,
    method: Method,
    path: &'a str,
    about: &'a Value,
}

impl Operation<'_> {
    fn is_public(&self) -> bool {
        self.about["security"].is_array()
    }

    fn takes(&self, role: &str) -> bool {
        let roles = self.about["x-aegis-roles"].as_array().unwrap();
        roles.iter().any(|one| one == role)
    }

    fn documents(&self, status: StatusCode) -> bool {
        self.about["responses"].get(status.as_str()).is_some()
    }

    /// Asks with the simplest request that fits the document.
    async fn ask(&self, site: &Site<'_>, token: &str) -> Response {
        let route = self.path.strip_prefix("/api/v1").unwrap();
        let filled = route.split('/').map(|part| match part.strip_prefix('{') {
            Some(_) => self.parameter(part.trim_matches(['{', '}'])),
            None => part.to_owned(),
        });
        let path = filled.collect::<Vec<_>>().join("/");
        let mut asked = site.ask(self.method.clone(), &path);
        if !token.is_empty() {
            asked = asked.bearer_auth(token);
        }
        let body = &self.about["requestBody"]["content"]["application/json"]["schema"];
        if !body.is_null() {
            asked = asked.json(&simplest(self.document, body));
        }
        asked.send().await.unwrap()
    }

    fn parameter(&self, name: &str) -> String {
        let parameters = self.about["parameters"].as_array().unwrap();
        let parameter = parameters.iter().find(|one| one["name"] == name).unwrap();
        match simplest(self.document, &parameter["schema"]) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

pub(crate) async fn each_operation_for_each_caller(site: &Site<'_>) {
    let document = json_of(site.get("/openapi.json", "").await).await;
    let callers = callers(site).await;
    let mut refused = BTreeSet::new();
    let mut asked = 0;
    let operations = operations(&document);
    // Signing out comes last: it ends what the others need.
    let (last, first): (Vec<_>, Vec<_>) = operations
        .iter()
        .partition(|operation| operation.about["operationId"] == "sign_out");
    for operation in first.into_iter().chain(last) {
        for caller in &callers {
            let answer = operation.ask(site, &caller.token).await;
            let status = answer.status();
            let case = format!("{} {} as {}", operation.method, operation.path, caller.role);
            assert!(
                operation.documents(status),
                "{case}: {status} is not documented"
            );
            asked += 1;
            if operation.is_public() {
                continue;
            }
            let expected = match caller.name {
                None => Some(StatusCode::UNAUTHORIZED),
                Some(_) if !operation.takes(caller.role) => Some(StatusCode::FORBIDDEN),
                Some(_) => None,
            };
            let Some(expected) = expected else {
                let let_in = ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
                assert!(let_in && !status.is_server_error(), "{case}: {status}");
                continue;
            };
            assert_eq!(status, expected, "{case}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let named = format!("{} {}", operation.method, operation.path);
            refused.insert((caller.name.map(str::to_owned), named));
        }
    }
    println!(
        "{} operations, {asked} requests, {} refused",
        operations.len(),
        refused.len()
    );
    on_record(site, refused).await;
}

async fn callers(site: &Site<'_>) -> Vec<Caller> {
    let mut callers = vec![
        Caller {
            name: None,
            role: "nobody",
            token: String::new(),
        },
        Caller {
            name: None,
            role: "somebody too late",
            token: Forge::of(site, "ada").await.expired(),
        },
    ];
    for (name, role) in PEOPLE {
        callers.push(Caller {
            name: Some(name),
            role,
            token: site.access_token(name).await,
        });
    }
    callers
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, about)| Operation {
            document,
            method: method.to_uppercase().parse().unwrap(),
            path,
            about,
        })
    });
    each.collect()
}

/// Whoever was refused is in the audit log, with what they asked.
async fn on_record(site: &Site<'_>, refused: BTreeSet<(Option<String>, String)>) {
    let refused = RefCell::new(refused);
    let noted = [AccessOutcome::Unauthenticated, AccessOutcome::Forbidden];
    site.watch()
        .await
        .until("every refusal is on record", SOON, |entry| {
            if let Event::Access(access) = &entry.event
                && noted.contains(&access.outcome)
            {
                let who_and_what = (access.actor.clone(), access.operation.clone());
                refused.borrow_mut().remove(&who_and_what);
            }
            refused.borrow().is_empty().then_some(())
        })
        .await
        .unwrap();
}
