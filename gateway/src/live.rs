//! What happens, as it happens: server-sent events from the views (WHATWG HTML, section 9.2).
//!
//! One task reads what is new when the audit sink says so and hands it to every listener. An event's id is
//! its audit index, so a listener that comes back with `Last-Event-ID` misses nothing: what it missed is
//! read from the views. What changed twice meanwhile is said once, as it is now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Principal;
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::Sought;
use crate::store::Store;

/// Events that a slow listener may be behind; then it begins again at what it has seen.
const BEHIND: usize = 1_024;
/// A notification may get lost with its connection, so nobody waits longer than this for one.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is asked whether a listener still may.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// Rows that are read at once.
const PAGE: i64 = 1_000;
/// A comment this often keeps proxies from closing a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The kinds of events, and the rows that they are: one row for an entry of the log.
const NEWS: &str = "
    SELECT idx, 'incident' AS kind, incident, to_jsonb(i) AS row FROM views.incident i WHERE idx > $1::bigint
    UNION ALL SELECT idx, 'decision', incident, to_jsonb(d) FROM views.decision d WHERE idx > $1::bigint AND verdict <> 'standing'
    UNION ALL SELECT idx, 'outcome', incident, to_jsonb(o) FROM views.outcome o WHERE idx > $1::bigint
    UNION ALL SELECT idx, 'assessment', incident, to_jsonb(a) FROM views.assessment a WHERE idx > $1::bigint
    UNION ALL SELECT idx, 'answer', NULL, to_jsonb(w) FROM views.answer w WHERE idx > $1::bigint
    UNION ALL SELECT idx, 'standing', NULL, to_jsonb(s) FROM views.standing s WHERE idx > $1::bigint
    ORDER BY 1";

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct News {
    idx: i64,
    kind: String,
    incident: Option<String>,
    row: serde_json::Value,
}

/// Hands news to listeners.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    sender: broadcast::Sender<Arc<News>>,
    /// How many listen, by person.
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BEHIND),
            taken: Arc::default(),
        }
    }
}

impl Live {
    /// Reads what is new and hands it out until `stop`. The database may be away meanwhile.
    pub(crate) async fn run(self, store: Store, stop: CancellationToken) {
        let follow = async {
            let mut seen = None;
            loop {
                if let Err(error) = self.follow(&store, &mut seen).await {
                    tracing::warn!(%error, "cannot follow the audit log");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        };
        let _ = stop.run_until_cancelled(follow).await;
    }

    async fn follow(&self, store: &Store, seen: &mut Option<i64>) -> Result<(), sqlx::Error> {
        let mut listener = store.news().await?;
        // What comes between reading the head and listening is read at the first look.
        let mut last = match *seen {
            Some(last) => last,
            None => store.head().await?,
        };
        loop {
            loop {
                let news: Vec<News> = news(store, last).await?;
                let full = i64::try_from(news.len()).unwrap_or(PAGE) >= PAGE;
                for one in news {
                    last = last.max(one.idx);
                    // Nobody may be listening.
                    let _ = self.sender.send(Arc::new(one));
                }
                *seen = Some(last);
                if !full {
                    break;
                }
            }
            if let Ok(lost) = tokio::time::timeout(LOOK_EVERY, listener.recv()).await {
                lost?;
            }
        }
    }

    /// A place for one more listener of `name`, of at most so many.
    fn take_place(&self, name: &str, most: usize) -> Result<Place, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(name.to_owned()).or_default();
        if *count >= most {
            return Err(Problem::too_many(KEEP_ALIVE));
        }
        *count += 1;
        Ok(Place {
            taken: Arc::clone(&self.taken),
            name: name.to_owned(),
        })
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }
}

/// Rows above an audit index.
async fn news(store: &Store, after: i64) -> Result<Vec<News>, sqlx::Error> {
    store.read(NEWS, &[Some(after.to_string())], PAGE).await
}

/// What a listener wants.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only these kinds, with commas between: `incident`, `decision`, `outcome`, `assessment`, `answer`,
    /// `standing`.
    kinds: Option<String>,
    /// Only what is about this incident.
    incident: Option<String>,
}

impl Wanted {
    fn wants(&self, news: &News) -> bool {
        let kind = self
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.split(',').any(|kind| kind.trim() == news.kind));
        kind && (self.incident.is_none() || self.incident == news.incident)
    }
}

/// What happens, as it happens, as server-sent events. Each has its audit index as its id: with the header
/// `Last-Event-ID` a listener that comes back misses nothing.
#[utoipa::path(
    get, path = "/events", operation_id = "stream_events", tag = "incidents",
    params(Wanted, ("Last-Event-ID" = Option<i64>, Header, description = "The last id that was seen.")),
    responses((status = 200, description = "Events, without end.", body = shape::StreamedEvent, content_type = "text/event-stream"))
)]
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    who: Principal,
    Sought(wanted): Sought<Wanted>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    stream_of(&app, who, wanted, last_event(&headers)?, true)
}

/// What tells an open page that something changed.
pub(crate) async fn for_pages(
    State(app): State<Arc<App>>,
    visitor: crate::pages::Visitor,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    visitor.who.demand(&app, "stream_events")?;
    // What a page missed it reads anew.
    stream_of(&app, visitor.who, Wanted::default(), None, false)
}

fn last_event(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(last) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let last = last.to_str().ok().and_then(|text| text.parse().ok());
    let wrong =
        "`Last-Event-ID` is the id of an event; leave it out to hear what happens from now on";
    last.map_or_else(|| Err(Problem::unprocessable(wrong)), |last| Ok(Some(last)))
}

/// Events from where the listener was, or from now on.
fn stream_of(
    app: &Arc<App>,
    who: Principal,
    wanted: Wanted,
    from: Option<i64>,
    with_rows: bool,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
    let place = app
        .live
        .take_place(&who.name, app.config.streams_per_user)?;
    let receiver = app.live.sender.subscribe();
    let listener = Listener {
        store: app.store.clone(),
        receiver,
        missed: Vec::new().into_iter(),
        behind: from.is_some(),
        seen: from.unwrap_or(-1),
        _place: place,
    };
    // A page's session is asked again all the time; a token says itself when it ends.
    let longest = with_rows.then_some(app.config.access_lifetime);
    let over = over(Arc::clone(app), who, longest);
    let events = stream::unfold(listener, |mut listener| async {
        listener.next().await.map(|news| (news, listener))
    })
    .take_until(over)
    .filter(move |news| std::future::ready(wanted.wants(news)))
    .map(move |news| {
        let event = Event::default().id(news.idx.to_string()).event(&news.kind);
        let data = if with_rows {
            news.row.to_string()
        } else {
            news.incident.clone().unwrap_or_default()
        };
        Ok(event.data(data))
    });
    // Something at once, so that whoever connects knows that it did.
    let hello = stream::once(std::future::ready(Ok(Event::default().comment("ready"))));
    Ok(Sse::new(hello.chain(events)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Ends when the listener may not listen any more, after `longest`, or when everything stops.
async fn over(app: Arc<App>, who: Principal, longest: Option<Duration>) {
    let until = longest.map(|longest| tokio::time::Instant::now() + longest);
    while until.is_none_or(|until| tokio::time::Instant::now() < until) {
        let pause = tokio::time::sleep(LOOK_AGAIN);
        if app.stopping.run_until_cancelled(pause).await.is_none() {
            return;
        }
        // A key has no sign-in to end; it is looked at when its program comes back.
        if who.scopes.is_some() {
            continue;
        }
        match app.store.standing(&who.name, &who.family).await {
            Ok(Some(standing)) if standing.roles == who.roles => {}
            // With other roles they may hear other things: they come back and are asked again.
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "cannot ask whether a listener still may"),
        }
    }
}

/// A listener's place among those of one person; given back when it is dropped.
#[derive(Debug)]
struct Place {
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
    name: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

/// One who listens.
struct Listener {
    store: Store,
    receiver: broadcast::Receiver<Arc<News>>,
    /// What was read because it was missed, and is not said yet.
    missed: std::vec::IntoIter<News>,
    behind: bool,
    seen: i64,
    /// It is given back when the stream is dropped.
    _place: Place,
}

impl Listener {
    async fn next(&mut self) -> Option<Arc<News>> {
        loop {
            if let Some(news) = self.missed.next() {
                self.seen = self.seen.max(news.idx);
                return Some(Arc::new(news));
            }
            if self.behind {
                match news(&self.store, self.seen).await {
                    Ok(rows) => {
                        self.behind = i64::try_from(rows.len()).unwrap_or(0) >= PAGE;
                        self.missed = rows.into_iter();
                    }
                    // It comes back by itself and says where it was.
                    Err(error) => {
                        tracing::warn!(%error, "a listener cannot catch up");
                        return None;
                    }
                }
                continue;
            }
            match self.receiver.recv().await {
                // Said already, out of what was missed.
                Ok(news) if news.idx <= self.seen => {}
                Ok(news) => {
                    self.seen = news.idx;
                    return Some(news);
                }
                Err(broadcast::error::RecvError::Lagged(_)) if self.seen >= 0 => self.behind = true,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_hears_what_it_asked_for() {
        let news = |kind: &str, incident: Option<&str>| News {
            idx: 1,
            kind: kind.to_owned(),
            incident: incident.map(str::to_owned),
            row: serde_json::Value::Null,
        };
        let of = |kinds: Option<&str>, incident: Option<&str>| Wanted {
            kinds: kinds.map(str::to_owned),
            incident: incident.map(str::to_owned),
        };
        for (wanted, said, heard) in [
            (of(None, None), news("incident", Some("a")), true),
            (
                of(Some("decision, outcome"), None),
                news("outcome", None),
                true,
            ),
            (of(Some("decision"), None), news("outcome", None), false),
            (of(None, Some("a")), news("decision", Some("a")), true),
            (of(None, Some("a")), news("decision", Some("b")), false),
            (of(None, Some("a")), news("standing", None), false),
        ] {
            assert_eq!(wanted.wants(&said), heard, "{wanted:?}");
        }
    }

    #[test]
    fn nobody_takes_more_places_than_they_may_and_each_comes_back() {
        let live = Live::default();
        let places = [0, 1].map(|_| live.take_place("ann", 2).expect("free"));
        assert!(live.take_place("ann", 2).is_err());
        assert!(live.take_place("bob", 2).is_ok());
        drop(places);
        assert!(live.take_place("ann", 2).is_ok());
        assert!(live.taken.lock().expect("whole").is_empty());
    }

    #[tokio::test]
    async fn news_reach_everybody_who_listens() {
        let live = Live::default();
        let mut ears: Vec<_> = (0..1_000).map(|_| live.sender.subscribe()).collect();
        assert_eq!(live.listeners(), 1_000);
        let news = News {
            idx: 7,
            kind: "incident".to_owned(),
            incident: None,
            row: serde_json::Value::Null,
        };
        live.sender
            .send(Arc::new(news.clone()))
            .expect("they listen");
        for ear in &mut ears {
            assert_eq!(*ear.recv().await.expect("sent"), news);
        }
    }
}
