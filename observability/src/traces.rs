//! Spans out by OTLP over HTTP. A span that carries `trace_id` and `span_id` is exported under these ids,
//! which follow from the messages: so the spans of several processes fit together, and a message that is
//! handled twice has the same ids twice. All other spans are for the logs alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// How long the last spans may take to be sent when a process ends.
const LAST: Duration = Duration::from_secs(3);
/// The variables that OpenTelemetry's exporters read their endpoint from.
const VARIABLES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// Which attribute a field is.
const ATTRIBUTES: [(&str, &str); 9] = [
    ("stage", "aegis.stage"),
    ("incident", "aegis.incident"),
    ("decision", "aegis.decision"),
    ("subject", "messaging.destination.name"),
    ("message", "messaging.message.id"),
    ("consumer", "messaging.consumer.group.name"),
    ("cluster", "k8s.cluster.name"),
    ("namespace", "k8s.namespace.name"),
    ("error", "error.message"),
];

/// Spans that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("cannot send traces: {0}")]
pub struct Failed(String);

/// Collects this process' spans and sends them.
#[derive(Clone, Debug)]
pub struct Traces(Arc<BatchSpanProcessor>);

impl Traces {
    /// Sends spans as `service` to the collector at `endpoint`, such as `http://127.0.0.1:4318`, or to the
    /// one that OpenTelemetry's variables name. `None` when nobody names one: nothing is collected then.
    ///
    /// # Errors
    ///
    /// When the endpoint is not a URL.
    pub fn open(endpoint: Option<&str>, service: &str) -> Result<Option<Self>, Failed> {
        let mut exporter = SpanExporter::builder().with_http();
        match endpoint {
            Some(endpoint) => {
                let base = endpoint.trim_end_matches('/');
                exporter = exporter.with_endpoint(format!("{base}/v1/traces"));
            }
            None if VARIABLES
                .iter()
                .any(|name| std::env::var_os(name).is_some()) => {}
            None => return Ok(None),
        }
        let exporter = exporter
            .build()
            .map_err(|error| Failed(error.to_string()))?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        processor.set_resource(&resource);
        Ok(Some(Self(Arc::new(processor))))
    }

    /// Sends what is collected and ends; blocks for some seconds at most.
    pub fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }

    /// What takes the spans of a subscriber.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        Export(Arc::clone(&self.0)).with_filter(filter_fn(is_exported))
    }
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    let fields = metadata.fields();
    metadata.is_span() && fields.field("trace_id").is_some() && fields.field("span_id").is_some()
}

struct Export(Arc<BatchSpanProcessor>);

/// A span that has not ended.
struct Open {
    fields: Fields,
    begun: SystemTime,
}

#[derive(Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl<S> Layer<S> for Export
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            let begun = SystemTime::now();
            span.extensions_mut().insert(Open { fields, begun });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(open) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        let outer = span.parent();
        let outer = outer.as_ref().map(|outer| outer.extensions());
        let outer = outer.as_ref().and_then(|outer| outer.get::<Open>());
        if let Some(data) = span_data(span.name(), &open, outer.map(|outer| &outer.fields)) {
            self.0.on_end(data);
        }
    }
}

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn context(&self, span: &str) -> Option<SpanContext> {
        let trace = TraceId::from_hex(self.get("trace_id")?).ok()?;
        let span = SpanId::from_hex(self.get(span)?).ok()?;
        let state = TraceState::default();
        Some(SpanContext::new(
            trace,
            span,
            TraceFlags::SAMPLED,
            true,
            state,
        ))
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// A span as OpenTelemetry knows it; it is within `outer` if that belongs to the same trace. What it
/// answers is a link, not a parent: a stage may take it up much later, and more than one does.
fn span_data(verb: &'static str, open: &Open, outer: Option<&Fields>) -> Option<SpanData> {
    let fields = &open.fields;
    let context = fields.context("span_id")?;
    let outer = outer
        .and_then(|outer| outer.context("span_id"))
        .filter(|outer| outer.trace_id() == context.trace_id());
    let mut links = SpanLinks::default();
    links
        .links
        .extend(fields.context("linked_span_id").map(Link::with_context));
    let status = fields
        .get("error")
        .map_or(Status::Unset, |error| Status::error(error.to_owned()));
    Some(SpanData {
        span_context: context,
        parent_span_id: outer.map_or(SpanId::INVALID, |outer| outer.span_id()),
        parent_span_is_remote: false,
        span_kind: kind(verb),
        name: name(verb, fields),
        start_time: open.begun,
        end_time: SystemTime::now(),
        attributes: attributes(verb, fields),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status,
        instrumentation_scope: InstrumentationScope::builder("aegis").build(),
    })
}

fn kind(verb: &str) -> SpanKind {
    match verb {
        "publish" => SpanKind::Producer,
        "process" => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

/// The verb and, of the subject, what is the same for all messages of a kind: `publish aegis.v1.decision`.
fn name(verb: &'static str, fields: &Fields) -> Cow<'static, str> {
    let Some(subject) = fields.get("subject") else {
        return Cow::Borrowed(verb);
    };
    let tokens: Vec<&str> = subject.split('.').take(3).collect();
    Cow::Owned(format!("{verb} {}", tokens.join(".")))
}

fn attributes(verb: &'static str, fields: &Fields) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("messaging.system", "nats"),
        KeyValue::new("messaging.operation.name", verb),
    ];
    for (field, attribute) in ATTRIBUTES {
        let value = fields.get(field).map(str::to_owned);
        attributes.extend(value.map(|value| KeyValue::new(attribute, value)));
    }
    attributes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn fields(pairs: &[(&'static str, &str)]) -> Fields {
        let owned = pairs
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Fields(owned.collect())
    }

    fn open(pairs: &[(&'static str, &str)]) -> Open {
        Open {
            fields: fields(pairs),
            begun: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_span_keeps_the_ids_of_its_message_and_is_linked_to_what_it_answers() {
        let process = open(&[
            ("trace_id", TRACE),
            ("span_id", "00f067aa0ba902b7"),
            ("linked_span_id", "00f067aa0ba902b8"),
            ("subject", "aegis.v1.decision.allow.demo.shop.cart"),
            ("incident", "abc"),
            ("error", "too late"),
        ]);
        let data = span_data("process", &process, None).unwrap();
        assert_eq!(data.name, "process aegis.v1.decision");
        assert_eq!(data.span_kind, SpanKind::Consumer);
        assert_eq!(data.span_context.trace_id().to_string(), TRACE);
        assert_eq!(data.parent_span_id, SpanId::INVALID);
        let linked = &data.links.links[0].span_context;
        assert_eq!(linked.span_id().to_string(), "00f067aa0ba902b8");
        assert_eq!(data.status, Status::error("too late"));
        for (name, value) in [
            ("messaging.system", "nats"),
            ("aegis.incident", "abc"),
            (
                "messaging.destination.name",
                "aegis.v1.decision.allow.demo.shop.cart",
            ),
        ] {
            let expected = KeyValue::new(name, value.to_owned());
            assert!(data.attributes.contains(&expected), "{name}");
        }
    }

    #[test]
    fn a_span_is_within_another_one_of_its_own_trace_only() {
        let publish = open(&[("trace_id", TRACE), ("span_id", "00f067aa0ba902b7")]);
        let other = TRACE.replace('4', "5");
        for (trace, within) in [(TRACE, true), (other.as_str(), false)] {
            let outer = fields(&[("trace_id", trace), ("span_id", "00f067aa0ba902b9")]);
            let data = span_data("publish", &publish, Some(&outer)).unwrap();
            assert_eq!(data.parent_span_id != SpanId::INVALID, within, "{trace}");
        }
    }

    #[test]
    fn what_has_no_ids_is_no_span() {
        assert!(span_data("process", &open(&[("trace_id", TRACE)]), None).is_none());
        assert!(
            span_data(
                "process",
                &open(&[("trace_id", "x"), ("span_id", "y")]),
                None
            )
            .is_none()
        );
    }
}
