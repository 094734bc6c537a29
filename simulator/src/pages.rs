//! What a world shows over HTTP while it runs: its metrics, now and before, its faults, and who wrote what.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::api::{Entry, Requests};
use crate::world::World;
use crate::{Error, metrics};

/// How often a world moves on in real time.
pub(crate) const PACE: Duration = Duration::from_millis(200);

/// A cluster with a world in it.
pub(crate) trait Inhabited: Send + 'static {
    fn world(&mut self) -> &mut World;

    /// The writes that the API server took.
    fn journal(&self) -> Vec<Entry>;

    /// How many requests each user made; nothing where the API server is not ours to ask.
    fn requests(&self) -> Requests {
        Requests::new()
    }

    /// Lets time pass until `now`.
    fn pass(&mut self, now: Timestamp) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Moves it on in real time and serves its pages until `stop`.
pub(crate) async fn run<T: Inhabited>(
    shared: Arc<Mutex<T>>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), Error> {
    let router = Router::new()
        .route("/metrics", get(page::<T>))
        .route("/api/v1/query_range", get(query_range::<T>))
        .route("/simulation", get(status::<T>))
        .route("/journal", get(journal::<T>))
        .route("/requests", get(requests::<T>))
        .with_state(shared.clone());
    let served =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let pages = async { served.await.map_err(Error::Serve) };
    tokio::try_join!(pages, move_on(shared, stop))?;
    Ok(())
}

async fn move_on<T: Inhabited>(
    shared: Arc<Mutex<T>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = pace.tick() => {}
        }
        shared.lock().await.pass(Timestamp::now()).await?;
    }
}

async fn page<T: Inhabited>(State(shared): State<Arc<Mutex<T>>>) -> Response {
    let samples = {
        let mut shared = shared.lock().await;
        let world = shared.world();
        // As of this moment: otherwise rates would show how often the cluster moves on.
        world.run_to(Timestamp::now());
        world.samples()
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, metrics::text(&samples)).into_response()
}

/// The parameters of `query_range`.
#[derive(Deserialize)]
struct Asked {
    query: String,
    start: f64,
    end: f64,
    step: f64,
}

async fn query_range<T: Inhabited>(
    State(shared): State<Arc<Mutex<T>>>,
    Query(asked): Query<Asked>,
) -> Response {
    let mut shared = shared.lock().await;
    let history = shared.world().history();
    match history.query_range(&asked.query, asked.start, asked.end, asked.step) {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(error) => {
            let body = json!({"status": "error", "errorType": "bad_data", "error": error});
            (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
        }
    }
}

async fn journal<T: Inhabited>(State(shared): State<Arc<Mutex<T>>>) -> axum::Json<Value> {
    axum::Json(json!(shared.lock().await.journal()))
}

async fn requests<T: Inhabited>(State(shared): State<Arc<Mutex<T>>>) -> axum::Json<Value> {
    axum::Json(json!(shared.lock().await.requests()))
}

async fn status<T: Inhabited>(State(shared): State<Arc<Mutex<T>>>) -> axum::Json<Value> {
    axum::Json(shared.lock().await.world().status())
}
