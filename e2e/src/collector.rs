//! An OpenTelemetry collector: takes spans by OTLP over HTTP and keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Router, serve};
use data_encoding::HEXLOWER;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Span {
    /// The process that sent it: its `service.name`.
    pub service: String,
    /// Its trace, hexadecimal.
    pub trace: String,
    /// Its id, hexadecimal.
    pub id: String,
    /// The span that it is within, hexadecimal; empty without one.
    pub parent: String,
    /// The spans that it is linked to: trace and id.
    pub links: Vec<(String, String)>,
    /// Its name.
    pub name: String,
    /// Its attributes that are texts.
    pub attributes: BTreeMap<String, String>,
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// A collector that listens until this value is dropped.
pub struct Collector {
    url: String,
    spans: Spans,
    server: JoinHandle<()>,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let spans = Spans::default();
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&spans));
        let server = tokio::spawn(async move {
            // Ends with the test.
            let _ = serve(listener, routes).await;
        });
        Ok(Self { url, spans, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What arrived of a trace.
    #[must_use]
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let of = spans.iter().filter(|span| span.trace == trace);
        of.cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = spans.lock().unwrap_or_else(PoisonError::into_inner);
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes);
        let mut attributes = texts(attributes.unwrap_or_default());
        let service = attributes.remove("service.name").unwrap_or_default();
        let arrived = resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans);
        kept.extend(arrived.map(|span| read(&service, span)));
    }
    StatusCode::OK
}

fn read(service: &str, span: otlp::Span) -> Span {
    let link = |link: otlp::span::Link| {
        (
            HEXLOWER.encode(&link.trace_id),
            HEXLOWER.encode(&link.span_id),
        )
    };
    Span {
        service: service.to_owned(),
        trace: HEXLOWER.encode(&span.trace_id),
        id: HEXLOWER.encode(&span.span_id),
        parent: HEXLOWER.encode(&span.parent_span_id),
        links: span.links.into_iter().map(link).collect(),
        name: span.name,
        attributes: texts(span.attributes),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value?.value? {
        any_value::Value::StringValue(text) => Some((attribute.key, text)),
        _ => None,
    };
    attributes.into_iter().filter_map(text).collect()
}
