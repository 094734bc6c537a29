//! NATS as it is spoken on the wire: what no client library would send, and every refusal that the server
//! answers, in order and without waiting for silence.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use aegis::config::Bus;
use aegis_nats::Service;
use anyhow::{Context, Result, bail, ensure};
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// How long the server may be silent when it owes an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The key that an installation keeps for `service`.
///
/// # Errors
///
/// When there is none.
pub fn seed(installation: &Path, bus: &Bus, service: &Service) -> Result<String> {
    let file = installation
        .join(&bus.keys_dir)
        .join(format!("{service}.seed"));
    let seed = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(seed.trim().to_owned())
}

/// What is published.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// Where.
    pub subject: &'a str,
    /// Where the answer shall go.
    pub reply: Option<&'a str>,
    /// Headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Bytes in the place of the headers, whatever they are.
    pub block: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// What arrived on a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its subject.
    pub subject: String,
    /// Where its sender wants the answer.
    pub reply: Option<String>,
    /// The body, without headers.
    pub body: Vec<u8>,
}

/// A connection.
pub struct Wire {
    stream: BufReader<TcpStream>,
    inbox: String,
    asked: u64,
    refusals: Vec<String>,
    arrived: Vec<Arrival>,
}

impl Wire {
    /// Signs in at the server of an installation with the key that it keeps for `service`.
    ///
    /// # Errors
    ///
    /// When there is no such key, or the server does not answer or refuses.
    pub async fn of(installation: &Path, bus: &Bus, service: &Service) -> Result<Self> {
        let (_, address) = bus.url.split_once("://").context("no URL")?;
        let seed = seed(installation, bus, service)?;
        Self::connect(address.parse()?, &seed, service.inbox()).await
    }

    /// Signs in with the user's `seed`. Answers to [`Wire::ask`] come to `inbox`.
    ///
    /// # Errors
    ///
    /// When the server does not answer or refuses.
    pub async fn connect(server: SocketAddr, seed: &str, inbox: String) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        let mut wire = Self {
            stream: BufReader::new(stream),
            inbox,
            asked: 0,
            refusals: Vec::new(),
            arrived: Vec::new(),
        };
        let line = wire.line().await?;
        let info: Value = serde_json::from_str(line.trim_start_matches("INFO "))
            .context("the server does not greet")?;
        let nonce = info["nonce"]
            .as_str()
            .context("the server sends no nonce")?;
        let key = KeyPair::from_seed(seed)?;
        let connect = json!({
            "nkey": key.public_key(),
            "sig": BASE64URL_NOPAD.encode(&key.sign(nonce.as_bytes())?),
            "headers": true,
            "no_responders": true,
            "verbose": false,
            "pedantic": false,
            "protocol": 1,
            "lang": "rust",
            "version": "0",
        });
        wire.send(format!("CONNECT {connect}\r\n").as_bytes())
            .await?;
        let refused = wire.settle().await?;
        ensure!(refused.is_empty(), "refused: {refused:?}");
        let inbox = format!("{}.>", wire.inbox);
        wire.subscribe(&inbox, None).await?;
        let refused = wire.settle().await?;
        ensure!(refused.is_empty(), "its own inbox is refused: {refused:?}");
        Ok(wire)
    }

    /// Where answers to this user come.
    #[must_use]
    pub fn inbox(&self) -> &str {
        &self.inbox
    }

    /// Publishes. Whether it was allowed is told by [`Wire::settle`].
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn publish(&mut self, message: Message<'_>) -> Result<()> {
        let headers = match message.block {
            Some(block) => block.to_vec(),
            None => written(message.headers).into_bytes(),
        };
        let verb = if headers.is_empty() { "PUB" } else { "HPUB" };
        let mut text = format!("{verb} {}", message.subject);
        if let Some(reply) = message.reply {
            let _ = write!(text, " {reply}");
        }
        if !headers.is_empty() {
            let _ = write!(text, " {}", headers.len());
        }
        let _ = write!(text, " {}\r\n", headers.len() + message.body.len());
        self.send(text.as_bytes()).await?;
        self.send(&headers).await?;
        self.send(message.body).await?;
        self.send(b"\r\n").await
    }

    /// Subscribes, as one of a `queue` if there is one. Whether it was allowed is told by [`Wire::settle`].
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn subscribe(&mut self, subject: &str, queue: Option<&str>) -> Result<()> {
        self.asked += 1;
        let queue = queue.map_or_else(String::new, |queue| format!(" {queue}"));
        let text = format!("SUB {subject}{queue} {}\r\n", self.asked);
        self.send(text.as_bytes()).await
    }

    /// Waits until the server has taken everything that was sent; answers what it refused since the last
    /// time, in its words and in order.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn settle(&mut self) -> Result<Vec<String>> {
        self.send(b"PING\r\n").await?;
        self.stream.get_mut().flush().await?;
        while self.read().await? != "PONG" {}
        Ok(std::mem::take(&mut self.refusals))
    }

    /// What arrived since the last time.
    #[must_use]
    pub fn arrived(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrived)
    }

    /// Sends a request and waits for its answer, which is JSON.
    ///
    /// # Errors
    ///
    /// When it is not allowed, or nobody answers.
    pub async fn ask(&mut self, subject: &str, body: &Value) -> Result<Value> {
        self.send_and_hear(Message {
            subject,
            body: body.to_string().as_bytes(),
            ..Message::default()
        })
        .await
    }

    /// Sends any message and waits for the answer to it, which is JSON and comes to this user's inbox.
    ///
    /// # Errors
    ///
    /// As [`Wire::ask`].
    pub async fn send_and_hear(&mut self, message: Message<'_>) -> Result<Value> {
        let subject = message.subject;
        self.asked += 1;
        let reply = format!("{}.{}", self.inbox, self.asked);
        self.publish(Message {
            reply: Some(&reply),
            ..message
        })
        .await?;
        let refused = self.settle().await?;
        ensure!(refused.is_empty(), "`{subject}` is refused: {refused:?}");
        loop {
            let found = self.arrived.iter().position(|one| one.subject == reply);
            if let Some(place) = found {
                let answer = self.arrived.swap_remove(place);
                return serde_json::from_slice(&answer.body)
                    .with_context(|| format!("the answer to `{subject}` is not JSON"));
            }
            self.read()
                .await
                .with_context(|| format!("no answer to `{subject}`"))?;
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).await?;
        Ok(())
    }

    /// One thing that the server says: kept if it is a message or a refusal, answered if it is a question.
    async fn read(&mut self) -> Result<String> {
        let line = self.line().await?;
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb {
            "PING" => self.send(b"PONG\r\n").await?,
            "-ERR" => self.refusals.push(rest.trim_matches('\'').to_owned()),
            "MSG" | "HMSG" => self.message(verb == "HMSG", rest).await?,
            _ => {}
        }
        Ok(verb.to_owned())
    }

    /// `<subject> <sid> [reply] [header bytes] <bytes>`.
    async fn message(&mut self, with_headers: bool, line: &str) -> Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let sizes = if with_headers { 2 } else { 1 };
        ensure!(words.len() >= 2 + sizes, "unreadable message line `{line}`");
        let (names, sizes) = words.split_at(words.len() - sizes);
        let header = if with_headers { sizes[0].parse()? } else { 0 };
        let total: usize = sizes[sizes.len() - 1].parse()?;
        let mut bytes = vec![0; total + 2];
        self.stream.read_exact(&mut bytes).await?;
        bytes.truncate(total);
        self.arrived.push(Arrival {
            subject: names[0].to_owned(),
            reply: names.get(2).map(ToString::to_string),
            body: bytes.split_off(header),
        });
        Ok(())
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line)).await;
        match read.context("the server is silent")?? {
            0 => bail!("the server closed the connection after {:?}", self.refusals),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

fn written(headers: &[(&str, &str)]) -> String {
    if headers.is_empty() {
        return String::new();
    }
    let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
    let lines: String = headers.iter().map(line).collect();
    format!("NATS/1.0\r\n{lines}\r\n")
}
