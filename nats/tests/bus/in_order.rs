//! Cores: nothing skipped, nothing said twice, whatever is stopped, killed or taken over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_nats::in_order::{Options, run};
use aegis_nats::kv::{ActsLeft, HealthBoard};
use aegis_nats::provision::provision;
use aegis_nats::testing::TestServer;
use aegis_nats::topology::{Durable, declaration};
use aegis_nats::{Bus, Error, Options as Connect, Service, pulse, retire};
use aegis_schemas::pipeline::{Core, Emitter, Input, Origin, Output};
use aegis_schemas::{Anomaly, AnomalyPhase, EpisodeId, Event, Stream, Subject, Timestamp};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Record, cluster, entity, number, send, until};

const POISON: i64 = 666;
const TOO_LARGE: i64 = 667;

/// Answers each heartbeat with the sum of all so far.
#[derive(Clone, Default)]
struct Sum(State);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    sum: i64,
    handled: Vec<i64>,
    now: Timestamp,
}

impl Core for Sum {
    type State = State;

    fn producer(&self) -> String {
        "scorer/demo".to_owned()
    }

    fn handle(&mut self, input: &Input) -> Vec<Output> {
        let Some(number) = number(&input.event) else {
            return Vec::new();
        };
        // What it says itself causes nothing.
        if input.origin.is_some() {
            return Vec::new();
        }
        assert!(input.time >= self.0.now, "time fell");
        self.0.now = input.time;
        self.0.sum += number;
        self.0.handled.push(number);
        assert!(number != POISON, "poison");
        let producer = self.producer();
        let mut emitter = Emitter::new(&producer, input);
        for part in 0..2 {
            let subject = Subject::anomaly(&entity());
            emitter
                .emit(subject, &anomaly(self.0.sum * 10 + part))
                .unwrap();
        }
        let mut outputs = emitter.finish();
        if number == TOO_LARGE {
            outputs[0].body = vec![0; 300_000];
        }
        outputs
    }

    fn state(&self) -> State {
        self.0.clone()
    }

    fn restore(&mut self, state: State) {
        self.0 = state;
    }
}

/// An anomaly that says `number`.
fn anomaly(number: i64) -> Event {
    Event::Anomaly(Anomaly {
        episode: EpisodeId::default(),
        entity: entity(),
        phase: AnomalyPhase::Opened,
        since: Timestamp::EPOCH,
        newest: Timestamp::EPOCH,
        score: number as f64,
        threshold: 0.0,
        blame: Vec::new(),
    })
}

/// A core in a runtime of its own, with a connection of its own: killing that is like killing a process.
struct Running {
    runtime: Option<Runtime>,
    stop: CancellationToken,
    task: Option<JoinHandle<Result<(), Error>>>,
    seen: Arc<Mutex<State>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Running {
    fn start(server: &TestServer, snapshot_every: Duration) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let stop = CancellationToken::new();
        let seen = Arc::new(Mutex::new(State::default()));
        let (token, state) = (stop.clone(), Arc::clone(&seen));
        let connect = server.options(Service::Detector).unwrap();
        let options = Options {
            snapshot_every,
            ..Options::new(Durable::incidents(&cluster()))
        };
        let task = runtime.spawn(async move {
            let bus = Bus::connect(connect).await?;
            let observe = move |core: &Sum, _: &Input, _: &[Output]| {
                *state.lock().unwrap() = core.0.clone();
            };
            run(&bus, Sum::default(), options, observe, token).await
        });
        Self {
            runtime: Some(runtime),
            stop,
            task: Some(task),
            seen,
        }
    }

    async fn until_handled(&self, number: i64) -> State {
        until(&format!("heartbeat {number}"), || {
            let state = self.seen.lock().unwrap().clone();
            state.handled.contains(&number).then_some(state)
        })
        .await
    }

    /// Does nothing for so long, as if the process were stopped: its one thread sleeps. Ends when it wakes.
    fn stand_still(&self, time: Duration) -> tokio::task::JoinHandle<()> {
        let runtime = self.runtime.as_ref().unwrap();
        runtime.spawn(async move { std::thread::sleep(time) })
    }

    async fn stop(mut self) {
        self.stop.cancel();
        self.ended().await.unwrap();
    }

    async fn ended(&mut self) -> Result<(), Error> {
        self.task.take().unwrap().await.unwrap()
    }

    /// What `kill -9` leaves: no last snapshot, the lease not given back.
    fn kill(self) {
        drop(self);
    }
}

const ANOMALIES: &str = "aegis.v1.anomaly";
const RARELY: Duration = Duration::from_secs(3600);

/// The sums that the stream holds, each with its id.
fn said(record: &Record) -> Vec<(i64, String)> {
    let said = record.on(ANOMALIES);
    said.iter()
        .map(|delivery| {
            let meta = delivery.meta().unwrap();
            let Ok(Event::Anomaly(anomaly)) = delivery.event() else {
                panic!("not an anomaly: {delivery:?}");
            };
            (anomaly.score as i64, meta.id.to_string())
        })
        .collect()
}

/// What a core that was never disturbed says.
fn expected(numbers: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let sums = numbers.into_iter().scan(0, |sum, number| {
        *sum += number;
        Some(*sum)
    });
    sums.flat_map(|sum| [sum * 10, sum * 10 + 1]).collect()
}

fn numbers(said: &[(i64, String)]) -> Vec<i64> {
    said.iter().map(|(number, _)| *number).collect()
}

#[tokio::test]
async fn a_core_goes_on_from_its_snapshot_and_says_everything_once() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let record = Record::of(&server, Stream::Events).await;

    send(&ingest, 1..=20).await;
    let first = Running::start(&server, RARELY);
    first.until_handled(20).await;
    first.stop().await;

    send(&ingest, 21..=40).await;
    let second = Running::start(&server, RARELY);
    let state = second.until_handled(40).await;
    assert_eq!(state.handled, (1..=40).collect::<Vec<_>>());
    record.wait(ANOMALIES, 80).await;
    assert_eq!(numbers(&said(&record)), expected(1..=40));
    second.stop().await;
}

#[tokio::test]
async fn a_killed_core_is_replayed_to_the_same_ids_and_nothing_is_stored_twice() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let record = Record::of(&server, Stream::Events).await;

    send(&ingest, 1..=30).await;
    let first = Running::start(&server, Duration::from_millis(200));
    first.until_handled(10).await;
    first.kill();
    let before = said(&record);

    let second = Running::start(&server, RARELY);
    let state = second.until_handled(30).await;
    assert_eq!(state.handled, (1..=30).collect::<Vec<_>>());
    record.wait(ANOMALIES, 60).await;
    let after = said(&record);
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(numbers(&after), expected(1..=30));
    second.stop().await;
}

#[tokio::test]
async fn poison_goes_to_the_dead_letters_and_the_line_moves_on_as_if_it_had_never_been() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let events = Record::of(&server, Stream::Events).await;
    let core = Running::start(&server, RARELY);
    send(&ingest, [1, 2, POISON, 3, TOO_LARGE, 4]).await;
    let (subject, meta, _) = crate::support::message(5);
    let publisher = ingest.publisher();
    publisher
        .publish(&subject, &meta, "not MessagePack".into(), None)
        .await
        .unwrap();
    // A name of a core on what no core says: believed, it would silence that core for ever.
    let (subject, mut meta, body) = crate::support::message(7);
    meta.origin = Some(Origin {
        producer: "scorer/demo".to_owned(),
        epoch: None,
        cause_seq: u64::MAX,
        ordinal: 0,
    });
    publisher
        .publish(&subject, &meta, body, None)
        .await
        .unwrap();
    send(&ingest, [6]).await;

    let state = core.until_handled(6).await;
    assert_eq!((state.sum, state.handled), (16, vec![1, 2, 3, 4, 6]));
    events.wait(ANOMALIES, 10).await;
    assert_eq!(numbers(&said(&events)), expected([1, 2, 3, 4, 6]));
    core.stop().await;
    drop(events);

    let gateway = server.bus(Service::Gateway).await.unwrap();
    assert_eq!(gateway.stream_info(Stream::Dlq).await.unwrap().messages, 4);
    let letters = Record::of(&server, Stream::Dlq).await;
    let reasons: Vec<_> = letters
        .wait("aegis.v1.dlq.detector.aegis_events", 4)
        .await
        .iter()
        .map(|letter| match letter.event() {
            Ok(Event::DeadLetter(letter)) => letter.reason,
            other => panic!("not a dead letter: {other:?}"),
        })
        .collect();
    assert_eq!(reasons[0], "the core panicked: poison");
    assert_eq!(reasons[1], "an output of 300000 bytes is too large");
    assert!(reasons[2].contains("malformed"), "{reasons:?}");
    assert!(reasons[3].contains("may not say where"), "{reasons:?}");
}

#[tokio::test]
async fn the_second_holder_waits_and_takes_over_when_the_first_dies() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let record = Record::of(&server, Stream::Events).await;
    let first = Running::start(&server, RARELY);
    send(&ingest, 1..=10).await;
    first.until_handled(10).await;
    let second = Running::start(&server, RARELY);
    // Longer than a lease lives unrenewed: it is held because it is renewed.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    assert_eq!(second.seen.lock().unwrap().handled, Vec::<i64>::new());

    send(&ingest, 11..=20).await;
    first.until_handled(12).await;
    first.kill();
    send(&ingest, 21..=30).await;
    let state = second.until_handled(30).await;
    assert_eq!(state.handled, (1..=30).collect::<Vec<_>>());
    record.wait(ANOMALIES, 60).await;
    assert_eq!(numbers(&said(&record)), expected(1..=30));
    second.stop().await;
}

#[tokio::test]
async fn a_core_outlasts_a_crash_of_the_server() {
    let mut server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let core = Running::start(&server, Duration::from_millis(300));
    send(&ingest, 1..=10).await;
    core.until_handled(5).await;
    server.crash().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.resume().await.unwrap();
    send(&ingest, 11..=20).await;
    let state = core.until_handled(20).await;
    assert_eq!(state.handled, (1..=20).collect::<Vec<_>>());
    let record = Record::of(&server, Stream::Events).await;
    record.wait(ANOMALIES, 40).await;
    assert_eq!(numbers(&said(&record)), expected(1..=20));
    core.stop().await;
}

/// Inputs up to `published_through` change the state and publish nothing, however short the stream's
/// memory of ids is.
#[tokio::test]
async fn a_catch_up_without_a_snapshot_says_nothing_again() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let record = Record::of(&server, Stream::Events).await;
    send(&ingest, 1..=20).await;
    let first = Running::start(&server, RARELY);
    first.until_handled(20).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    first.kill();
    forget_ids(&server).await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let second = Running::start(&server, RARELY);
    let state = second.until_handled(20).await;
    assert_eq!(state.handled, (1..=20).collect::<Vec<_>>());
    send(&ingest, [21]).await;
    second.until_handled(21).await;
    record.wait(ANOMALIES, 42).await;
    assert_eq!(numbers(&said(&record)), expected(1..=21));
    second.stop().await;
}

/// The stream takes what is said twice for two messages.
async fn forget_ids(server: &TestServer) {
    let mut config = declaration(Stream::Events, server.settings(), 1);
    config.duplicate_window = Duration::from_millis(100);
    let Connect { url, seed, .. } = server.options(Service::Provisioner).unwrap();
    let client = async_nats::ConnectOptions::new()
        .nkey(seed.to_string())
        .custom_inbox_prefix(Service::Provisioner.inbox())
        .connect(url)
        .await
        .unwrap();
    let jetstream = async_nats::jetstream::new(client);
    jetstream.update_stream(config).await.unwrap();
}

/// Whoever stands still keeps an open pull, finds messages in it on waking up, and a snapshot that is due.
#[tokio::test]
async fn a_holder_that_stood_still_says_and_keeps_nothing() {
    let server = TestServer::start().await.unwrap();
    forget_ids(&server).await;
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let record = Record::of(&server, Stream::Events).await;
    let first = Running::start(&server, Duration::from_secs(4));
    send(&ingest, 1..=10).await;
    first.until_handled(10).await;
    let second = Running::start(&server, RARELY);
    // Until it is written down how far outputs are published.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let awake = first.stand_still(Duration::from_secs(6));
    send(&ingest, 11..=30).await;
    second.until_handled(30).await;
    awake.await.unwrap();
    send(&ingest, 31..=40).await;
    second.until_handled(40).await;
    // Its last snapshot is kept only if nobody kept another one since it took over.
    second.stop().await;
    send(&ingest, 41..=50).await;
    let state = first.until_handled(50).await;
    assert_eq!(state.handled, (1..=50).collect::<Vec<_>>());
    record.wait(ANOMALIES, 100).await;
    first.stop().await;
    assert_eq!(numbers(&said(&record)), expected(1..=50));
}

/// A former holder's open pull takes messages; the core must notice and fetch them anyway.
#[tokio::test]
async fn messages_that_somebody_else_pulled_are_not_skipped() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let core = Running::start(&server, RARELY);
    send(&ingest, 1..=5).await;
    core.until_handled(5).await;

    let Connect { url, seed, .. } = server.options(Service::Detector).unwrap();
    let client = async_nats::ConnectOptions::new()
        .nkey(seed.to_string())
        .custom_inbox_prefix(Service::Detector.inbox())
        .connect(url)
        .await
        .unwrap();
    let inbox = client.new_inbox();
    let mut stolen = client.subscribe(inbox.clone()).await.unwrap();
    let next = "$JS.API.CONSUMER.MSG.NEXT.AEGIS_EVENTS.incidents-demo";
    let pull = r#"{"batch":4,"expires":20000000000}"#;
    client
        .publish_with_reply(next, inbox, pull.into())
        .await
        .unwrap();
    client.flush().await.unwrap();
    send(&ingest, 6..=30).await;

    let state = core.until_handled(30).await;
    assert_eq!(state.handled, (1..=30).collect::<Vec<_>>());
    let first = tokio::time::timeout(Duration::from_secs(5), stolen.next()).await;
    assert!(first.unwrap().is_some(), "the other pull took nothing");
    core.stop().await;
}

/// Of before the stream was made anew nothing is used: neither the state nor how far outputs are published.
#[tokio::test]
async fn a_core_begins_anew_on_a_stream_that_was_made_anew_whether_it_runs_or_starts() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let core = Running::start(&server, RARELY);
    send(&ingest, 1..=5).await;
    core.until_handled(5).await;

    anew(&server, 2).await;
    send(&ingest, 11..=12).await;
    assert_eq!(core.until_handled(12).await.handled, [11, 12]);
    core.stop().await;

    anew(&server, 3).await;
    send(&ingest, 21..=22).await;
    let core = Running::start(&server, RARELY);
    assert_eq!(core.until_handled(22).await.handled, [21, 22]);
    core.stop().await;

    let record = Record::of(&server, Stream::Events).await;
    record.wait(ANOMALIES, 4).await;
    assert_eq!(numbers(&said(&record)), expected([21, 22]));
    let epochs: Vec<_> = record
        .wait(ANOMALIES, 4)
        .await
        .iter()
        .map(|delivery| delivery.meta().unwrap().origin.unwrap().epoch)
        .collect();
    assert_eq!(epochs, [Some(3); 4]);
}

/// Deletes AEGIS_EVENTS as the command does, but for the audit sink that nobody runs here, and makes it in
/// that epoch.
async fn anew(server: &TestServer, epoch: u16) {
    assert_eq!(end(server).await, Some(epoch - 1));
    let provisioner = server.bus(Service::Provisioner).await.unwrap();
    let made = provision(&provisioner, server.settings(), epoch)
        .await
        .unwrap();
    assert_eq!(made.events_epoch, epoch);
}

/// Reads AEGIS_EVENTS as the audit sink does and deletes it. Who reads is gone before there is another one,
/// or it would take a message of that one and keep it.
async fn end(server: &TestServer) -> Option<u16> {
    let provisioner = server.bus(Service::Provisioner).await.unwrap();
    let _read = Record::of(server, Stream::Events).await;
    let soon = Duration::from_secs(30);
    let ended = retire(&provisioner, server.settings(), &[Stream::Events], soon);
    ended.await.unwrap()
}

/// A stream under the same epoch that ends before what the state contains, or one of an earlier epoch.
#[tokio::test]
async fn a_core_refuses_a_stream_that_lost_messages_or_is_an_older_copy() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    anew(&server, 2).await;
    let core = Running::start(&server, RARELY);
    send(&ingest, 1..=5).await;
    core.until_handled(5).await;
    core.stop().await;
    let provisioner = server.bus(Service::Provisioner).await.unwrap();
    for (epoch, why) in [(2, "lost messages"), (1, "an older copy")] {
        end(&server).await;
        provision(&provisioner, server.settings(), epoch)
            .await
            .unwrap();
        let mut core = Running::start(&server, RARELY);
        let refused = core.ended().await.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        let command = "`aegis provision --new-epoch AEGIS_EVENTS`";
        assert!(refused.contains(command), "{refused}");
    }
}

/// A process with a core and a pulse; at work it says that so many acts are left.
async fn beating(server: &TestServer, left: u32, stop: &CancellationToken) {
    let bus = server.bus(Service::Detector).await.unwrap();
    let (beats, settings, until) = (bus.clone(), server.settings().clone(), stop.clone());
    tokio::spawn(async move { pulse::run(&beats, &settings, BEAT, until).await });
    let (says, until) = (bus.clone(), stop.clone());
    tokio::spawn(async move {
        let observe = move |_: &Sum, _: &Input, _: &[Output]| {
            says.say_acts_left(ActsLeft {
                rate: (left, left),
                ..ActsLeft::default()
            });
        };
        let options = Options::new(Durable::incidents(&cluster()));
        run(&bus, Sum::default(), options, observe, until).await
    });
}

const BEAT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn who_stands_by_hides_nothing_of_what_is_said_at_work() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let board = HealthBoard::new(&server.bus(Service::Gateway).await.unwrap());
    let said = async || {
        let seen = board.of(&Service::Detector).await.unwrap();
        seen.and_then(|seen| seen.health.acts_left)
            .map(|left| left.rate.0)
    };
    let until_said = async |wanted: u32| {
        for _ in 0..500 {
            if said().await == Some(wanted) {
                return;
            }
            tokio::time::sleep(BEAT).await;
        }
        panic!("{wanted} is not said, but {:?}", said().await);
    };
    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    beating(&server, 1, &first).await;
    send(&ingest, 1..2).await;
    until_said(1).await;
    beating(&server, 2, &second).await;
    for _ in 0..50 {
        assert_eq!(said().await, Some(1));
        tokio::time::sleep(BEAT / 2).await;
    }
    first.cancel();
    send(&ingest, 2..3).await;
    until_said(2).await;
    second.cancel();
}
