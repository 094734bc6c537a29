//! Whether the server is what was declared; every difference is one sentence.

use std::collections::BTreeSet;

use aegis_schemas::Stream;
use async_nats::HeaderMap;
use async_nats::jetstream::stream;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::topology::{Bucket, Durable, Permissions, Settings, declaration, permissions};
use crate::{Bus, Service};

/// Where the server tells its configuration. The configuration hands it to the doctor, who is no
/// system user otherwise.
pub const SERVER_CONFIGURATION: &str = "$SYS.REQ.SERVER.PING.JSZ";

/// Compares everything that this user may see with its declaration. The doctor sees all of it.
///
/// # Errors
///
/// A sentence for every difference.
pub async fn check(bus: &Bus, settings: &Settings) -> Result<(), Vec<String>> {
    let mut differences = Vec::new();
    let may = permissions(bus.service(), settings);
    let info = bus.client().server_info();
    if !bus.client().is_server_compatible(2, 15, 1) {
        differences.push(format!(
            "nats-server is {}, it must be 2.15.1 or later",
            info.version
        ));
    }
    for stream in Stream::ALL {
        let config = declaration(stream, settings, 0);
        check_stream(bus, &may, &config, &mut differences).await;
    }
    for bucket in Bucket::ALL {
        let config = bucket.declaration(settings);
        check_stream(bus, &may, &config, &mut differences).await;
    }
    for durable in Durable::all(settings) {
        check_consumer(bus, &may, &durable, &mut differences).await;
    }
    if *bus.service() == Service::Doctor {
        check_nothing_else(bus, settings, &mut differences).await;
        check_durability(bus, &mut differences).await;
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences)
    }
}

/// A stream's declaration as the server writes it: what is not said is not compared.
pub(crate) fn declared(config: &stream::Config) -> Value {
    let mut value = serde_json::to_value(config).expect("a configuration is plain data");
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

async fn check_stream(
    bus: &Bus,
    may: &Permissions,
    config: &stream::Config,
    differences: &mut Vec<String>,
) {
    let endpoint = format!("STREAM.INFO.{}", config.name);
    let what = format!("stream {}", config.name);
    ask(bus, may, &endpoint, &what, declared(config), differences).await;
}

async fn check_consumer(
    bus: &Bus,
    may: &Permissions,
    durable: &Durable,
    differences: &mut Vec<String>,
) {
    let endpoint = format!("CONSUMER.INFO.{}.{}", durable.stream, durable.name);
    let what = format!("consumer {} of {}", durable.name, durable.stream);
    ask(
        bus,
        may,
        &endpoint,
        &what,
        durable.declaration(),
        differences,
    )
    .await;
}

async fn ask(
    bus: &Bus,
    may: &Permissions,
    endpoint: &str,
    what: &str,
    declared: Value,
    differences: &mut Vec<String>,
) {
    if !may.may_publish(&format!("$JS.API.{endpoint}")) {
        return;
    }
    match bus.call::<Value>(endpoint, &json!({})).await {
        Ok(info) => compare(what, &declared, &info["config"], differences),
        Err(error) => differences.push(format!("{what} cannot be read: {error}")),
    }
}

fn compare(what: &str, declared: &Value, actual: &Value, differences: &mut Vec<String>) {
    for (field, expected) in declared.as_object().into_iter().flatten() {
        // The epoch differs by design.
        if field == "metadata" {
            continue;
        }
        let found = &actual[field];
        if found != expected {
            differences.push(format!(
                "{what}: `{field}` is {found}, declared is {expected}"
            ));
        }
    }
    for field in UNWANTED {
        let wanted = declared.get(field).is_some();
        if !wanted && actual[field] != Value::Null && actual[field] != Value::Bool(false) {
            differences.push(format!(
                "{what}: `{field}` is {}, it must not be set",
                actual[field]
            ));
        }
    }
}

/// What would undermine a stream or a consumer and is never declared.
const UNWANTED: [&str; 12] = [
    "allow_rollup_hdrs",
    "allow_msg_ttl",
    "allow_msg_schedules",
    "allow_msg_counter",
    "allow_direct",
    "mirror",
    "sources",
    "republish",
    "subject_transform",
    "sealed",
    "no_ack",
    "backoff",
];

async fn check_nothing_else(bus: &Bus, settings: &Settings, differences: &mut Vec<String>) {
    let streams: BTreeSet<String> = Stream::ALL
        .into_iter()
        .map(|stream| stream.name().to_owned())
        .chain(Bucket::ALL.into_iter().map(Bucket::stream))
        .collect();
    match names(bus, "STREAM.NAMES", "streams").await {
        Ok(found) => differences.extend(
            found
                .difference(&streams)
                .map(|name| format!("stream {name} is not declared")),
        ),
        Err(reason) => differences.push(reason),
    }
    let all = Durable::all(settings);
    for stream in Stream::ALL {
        let own: BTreeSet<String> = all
            .iter()
            .filter(|durable| durable.stream == stream)
            .map(|durable| durable.name.clone())
            .collect();
        match names(bus, &format!("CONSUMER.NAMES.{stream}"), "consumers").await {
            Ok(found) => differences.extend(
                found
                    .difference(&own)
                    .map(|name| format!("consumer {name} of {stream} is not declared")),
            ),
            Err(reason) => differences.push(reason),
        }
    }
}

async fn names(bus: &Bus, endpoint: &str, field: &str) -> Result<BTreeSet<String>, String> {
    let mut all = BTreeSet::new();
    loop {
        let body = json!({ "offset": all.len() });
        let answer: Value = bus
            .call(endpoint, &body)
            .await
            .map_err(|error| format!("the list of {field} cannot be read: {error}"))?;
        let page: Vec<_> = answer[field]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let total = answer["total"].as_u64().unwrap_or(0);
        let before = all.len();
        all.extend(page);
        if all.len() == before || all.len() as u64 >= total {
            return Ok(all);
        }
    }
}

async fn check_durability(bus: &Bus, differences: &mut Vec<String>) {
    let body = Bytes::from_static(br#"{"config":true}"#);
    let answer = bus
        .request(SERVER_CONFIGURATION, HeaderMap::new(), body)
        .await;
    let config = answer
        .map_err(|error| error.to_string())
        .and_then(|answer| {
            serde_json::from_slice::<Value>(&answer.payload).map_err(|error| error.to_string())
        })
        .map(|answer| answer["data"]["config"].clone());
    match config {
        Ok(config) if config["sync_always"] == Value::Bool(true) => {}
        Ok(_) => differences.push(
            "nats-server acknowledges before it is on disk: `jetstream.sync_interval` must be `always`"
                .to_owned(),
        ),
        Err(reason) => differences.push(format!(
            "the server's configuration cannot be read: {reason}"
        )),
    }
}
