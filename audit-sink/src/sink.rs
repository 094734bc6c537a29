//! Messages of every stream into the log, for ever: what cannot be stored now is stored later, and only
//! what is committed is acknowledged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aegis_nats::retry::Backoff;
use aegis_nats::topology::Durable;
use aegis_nats::{Bus, Delivery, batch};
use aegis_schemas::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::SigningKey;
use crate::damage::{self, Damage};
use crate::health::{self, Progress};
use crate::loki::{self, Follower};
use crate::sequencer::{Head, Newest, Sequencer};
use crate::signer::Signer;
use crate::{Config, Error, Record, database, metrics};

/// How often a sink that stands by looks whether it is its turn.
const STAND_BY: Duration = Duration::from_secs(1);
/// How often the lock is asked for again before somebody else is believed to write the log.
const TRIES: u32 = 5;

/// Writes the log until `stop`. Of several only one writes; the others stand by.
///
/// # Errors
///
/// When the configuration or the key is wrong. What fails later is tried again.
pub async fn run(bus: Bus, config: Config, stop: CancellationToken) -> Result<(), Error> {
    metrics::describe();
    let key = read_key(&config)?;
    database::read_url(&config.database_url_file)?;
    let loki = loki::Client::new(&config.loki)?;
    while let Some(sequencer) = take_turn(&config.database_url_file, &stop).await {
        metrics::sequencing(true);
        tracing::info!(size = sequencer.head().size, "writing the audit log");
        serve(&bus, &config, &key, loki.as_ref(), sequencer, &stop).await?;
        metrics::sequencing(false);
    }
    Ok(())
}

fn read_key(config: &Config) -> Result<SigningKey, Error> {
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(Error::Configuration(faults.join("; ")));
    }
    let key = SigningKey::read(&config.signing_key_file)?;
    if key.name() != config.origin {
        return Err(Error::Key(format!(
            "`{}` is the key of `{}`, but `origin` is `{}`",
            config.signing_key_file.display(),
            key.name(),
            config.origin
        )));
    }
    Ok(key)
}

/// Waits until nobody else writes the log; `None` on `stop`.
async fn take_turn(url_file: &Path, stop: &CancellationToken) -> Option<Sequencer> {
    let mut backoff = Backoff::standard();
    let mut standing_by = false;
    while !stop.is_cancelled() {
        let wait = match open(url_file).await {
            Ok(Some(sequencer)) => return Some(sequencer),
            Ok(None) => {
                if !standing_by {
                    tracing::info!("another process writes the audit log, standing by");
                    standing_by = true;
                }
                STAND_BY
            }
            Err(error) => {
                report(&error);
                backoff.delay()
            }
        };
        let _ = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
    None
}

async fn open(url_file: &Path) -> Result<Option<Sequencer>, Error> {
    Sequencer::open(&database::read_url(url_file)?).await
}

fn report(error: &Error) {
    match error {
        Error::Tampered(_) | Error::NotDurable { .. } => {
            tracing::error!(%error, "the audit log cannot be written");
        }
        _ => tracing::warn!(%error, "cannot write the audit log, trying again"),
    }
}

/// Reads, stores, signs and tells, until `stop` or until somebody else took the log.
async fn serve(
    bus: &Bus,
    config: &Config,
    key: &SigningKey,
    loki: Option<&loki::Client>,
    mut sequencer: Sequencer,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let progress = Arc::new(Progress::default());
    if let Err(error) = learn(&mut sequencer, &progress).await {
        report(&error);
        return Ok(());
    }
    let (head, heads) = watch::channel(sequencer.head());
    let turn = stop.child_token();
    let sink = Sink {
        bus: bus.clone(),
        url_file: config.database_url_file.clone(),
        sequencer: Some(sequencer),
        epochs: BTreeMap::new(),
        head,
        progress: progress.clone(),
        turn: turn.clone(),
        refused: 0,
    };
    let signer = Signer {
        key,
        database_url_file: config.database_url_file.clone(),
        every: config.checkpoint_every,
        heads: heads.clone(),
    };
    let follower = loki.map(|client| Follower {
        client,
        log: &config.origin,
        database_url_file: &config.database_url_file,
        heads,
    });
    let durables = Stream::ALL.into_iter().map(Durable::audit_sink).collect();
    let ending = CancellationToken::new();
    let writing = async {
        let ended = batch::run(bus, durables, config.batch, config.linger, sink, turn).await;
        ending.cancel();
        ended
    };
    let (ended, (), (), (), ()) = tokio::join!(
        writing,
        copy(follower, ending.clone()),
        damage::scrub(bus, &progress, ending.clone()),
        signer.run(ending.clone()),
        health::run(bus, &progress, config.health_every, ending.clone()),
    );
    ended.map_err(|error| Error::Configuration(error.to_string()))
}

/// Follows the log with a copy, if there is to be one.
async fn copy(follower: Option<Follower<'_>>, stop: CancellationToken) {
    if let Some(follower) = follower {
        follower.run(stop).await;
    }
}

/// What the log says of the streams.
async fn learn(sequencer: &mut Sequencer, progress: &Progress) -> Result<(), Error> {
    for newest in sequencer.newest().await? {
        progress.note(newest);
    }
    note_reused(sequencer, progress).await
}

async fn note_reused(sequencer: &mut Sequencer, progress: &Progress) -> Result<(), Error> {
    for (stream, epoch) in sequencer.reused().await? {
        progress.note_damage(stream, epoch, Damage::Reused);
    }
    Ok(())
}

struct Sink {
    bus: Bus,
    url_file: PathBuf,
    /// Thrown away after an error.
    sequencer: Option<Sequencer>,
    epochs: BTreeMap<Stream, u16>,
    head: watch::Sender<Head>,
    progress: Arc<Progress>,
    turn: CancellationToken,
    refused: u32,
}

impl batch::Sink for Sink {
    async fn store(
        &mut self,
        batch: &[Delivery],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.learn_epochs(batch).await?;
        let records: Vec<Record> = batch.iter().map(|delivery| self.record(delivery)).collect();
        let mut sequencer = match self.sequencer.take() {
            Some(sequencer) => sequencer,
            None => self.reopen().await?,
        };
        let appended = sequencer.append(&records).await.inspect_err(report)?;
        if appended.quarantined > 0 {
            note_reused(&mut sequencer, &self.progress).await?;
            tracing::error!(
                messages = appended.quarantined,
                "put into audit_quarantine: nobody can read them, or their positions held other bytes"
            );
        }
        self.sequencer = Some(sequencer);
        self.head.send_replace(appended.head);
        for record in &records {
            self.progress.note(Newest {
                stream: record.stream,
                epoch: record.epoch,
                seq: record.seq,
                time: record.time,
            });
        }
        Ok(())
    }

    async fn rest(&mut self) {
        let Some(sequencer) = &mut self.sequencer else {
            return;
        };
        if let Err(error) = sequencer.show_life().await {
            report(&error);
            self.sequencer = None;
        }
    }
}

impl Sink {
    fn record(&self, delivery: &Delivery) -> Record {
        Record {
            stream: delivery.stream,
            epoch: self.epochs.get(&delivery.stream).copied().unwrap_or(0),
            seq: delivery.seq,
            time: delivery.time,
            subject: delivery.subject.clone(),
            headers: delivery.headers.clone(),
            body: delivery.body.clone(),
        }
    }

    /// What is not above what is stored may be of a stream that was made anew; its first delivery may be lost.
    async fn learn_epochs(&mut self, batch: &[Delivery]) -> Result<(), aegis_nats::Error> {
        let mut doubtful: Vec<Stream> = batch
            .iter()
            .filter(|delivery| {
                let stored = self
                    .progress
                    .of(delivery.stream)
                    .map_or(0, |newest| newest.seq);
                delivery.seq <= stored || !self.epochs.contains_key(&delivery.stream)
            })
            .map(|delivery| delivery.stream)
            .collect();
        doubtful.sort_unstable();
        doubtful.dedup();
        for stream in doubtful {
            let info = self.bus.stream_info(stream).await?;
            self.epochs.insert(stream, info.epoch);
        }
        Ok(())
    }

    async fn reopen(&mut self) -> Result<Sequencer, Error> {
        match open(&self.url_file).await? {
            Some(sequencer) => {
                self.refused = 0;
                Ok(sequencer)
            }
            None => {
                self.refused += 1;
                if self.refused >= TRIES {
                    // What is in hand comes to whoever writes the log now.
                    self.turn.cancel();
                }
                Err(Error::Moved)
            }
        }
    }
}
