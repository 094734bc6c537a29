//! A gateway with somebody of each role, spoken to as a program does.

use aegis_e2e::{PASSWORD, Stack, Watch};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

/// Somebody of each role.
pub(crate) const PEOPLE: [(&str, &str); 4] = [
    ("eve", "auditor"),
    ("olga", "operator"),
    ("sam", "service"),
    ("ada", "admin"),
];

pub(crate) struct Site<'a> {
    pub(crate) stack: &'a Stack,
    client: Client,
    url: String,
}

impl<'a> Site<'a> {
    pub(crate) async fn with_people(stack: &'a Stack) -> Self {
        stack.person("root", &["admin"]).await.unwrap();
        let site = Self {
            stack,
            client: Client::new(),
            url: stack.gateway(),
        };
        let root = site.access_token("root").await;
        for (name, role) in PEOPLE {
            let body = json!({"name": name, "password": PASSWORD, "roles": [role]});
            let added = site.post("/users", &root, &body).await;
            assert_eq!(added.status(), StatusCode::CREATED);
        }
        site
    }

    /// A request for a path of the API.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/api/v1{path}", self.url))
    }

    /// A page outside of the API.
    pub(crate) async fn page(&self, path: &str) -> Response {
        let asked = self.client.get(format!("{}{path}", self.url));
        asked.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        let asked = self.ask(Method::GET, path).bearer_auth(token);
        asked.send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        let asked = self.ask(Method::POST, path).bearer_auth(token).json(body);
        asked.send().await.unwrap()
    }

    /// A request without a token.
    pub(crate) async fn post_openly(&self, path: &str, body: &Value) -> Response {
        let asked = self.ask(Method::POST, path).json(body);
        asked.send().await.unwrap()
    }

    pub(crate) async fn sign_in(&self, name: &str) -> Value {
        let body = json!({"name": name, "password": PASSWORD});
        let answer = self.post_openly("/session", &body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        json_of(answer).await
    }

    pub(crate) async fn access_token(&self, name: &str) -> String {
        text(&self.sign_in(name).await, "access_token").to_owned()
    }

    pub(crate) async fn watch(&self) -> Watch {
        self.stack.watch().await.unwrap()
    }
}

pub(crate) async fn json_of(answer: Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}
