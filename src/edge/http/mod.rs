//! The service's HTTP side: probes, metrics, and lookups.
//!
//! Enters: requests of people, probes and other instances. Leaves: what the workers' desks show, and what the workers
//! answer. Always true:
//! - it runs on a thread of its own and waits for no worker beyond a deadline; the workers never wait for it;
//! - connections, headers, requests at a time and answers have bounds;
//! - what is reachable from elsewhere needs a token under `/api`, and what is not, a `Host` that means this machine.

mod client;
mod guard;
mod lookups;
mod metrics;
mod outlook;
mod probes;
mod serve;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub use self::client::ask_here;
pub use self::outlook::{Outlook, Owners};
use super::clock::elapsed_us;
use super::config::HttpSettings;
use super::desk::Desk;
use super::kafka::Signs;
use super::secret::Secret;
use super::signals::Ending;
use crate::stations::Rules;

/// Lookups at a time.
const LOOKUPS_MAX: usize = 64;

/// An address that listens and does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    settings: HttpSettings,
}

impl Bound {
    /// Takes the address, if one is set.
    pub fn take(settings: &HttpSettings) -> io::Result<Option<Bound>> {
        let Some(listen) = settings.listen else { return Ok(None) };
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Some(Bound { listener, address, settings: settings.clone() }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where other instances find it; none: nowhere.
    pub fn advertised(&self) -> Option<String> {
        let own = (!self.address.ip().is_unspecified()).then(|| self.address.to_string());
        self.settings.advertise.clone().or(own)
    }

    /// Starts to answer, on a thread of its own, until the process ends.
    pub fn serve(self, told: Told) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener.try_clone()?)?
        };
        let site = Site {
            guard: guard::Guard::new(&self),
            advertised: self.advertised(),
            token: self.settings.token,
            lookups: Semaphore::new(LOOKUPS_MAX),
            since_us: elapsed_us(),
            has_started: AtomicBool::new(false),
            told,
        };
        let router = router(Arc::new(site));
        std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || runtime.block_on(serve::connections(listener, router)))?;
        Ok(())
    }
}

/// What there is to tell of.
#[derive(Debug)]
pub struct Told {
    /// The workers.
    pub desks: Vec<Arc<Desk>>,
    /// The log, seen from outside.
    pub outlook: Arc<Outlook>,
    /// What the workers judge by.
    pub rules: Arc<Rules>,
    /// Partitions of every topic.
    pub partitions: u32,
    /// What the Kafka workers show of themselves: rebuilt producers, the age of their copies, how far states are read back.
    pub signs: Option<Arc<Signs>>,
    /// Whether the end was asked for.
    pub ending: Ending,
}

/// What the handlers share.
#[derive(Debug)]
struct Site {
    told: Told,
    guard: guard::Guard,
    advertised: Option<String>,
    token: Option<Secret>,
    lookups: Semaphore,
    since_us: u64,
    /// Whether the first assignment was taken up.
    has_started: AtomicBool,
}

impl Site {
    /// For how long the log has not answered anybody.
    fn silent_us(&self) -> u64 {
        let desks = self.told.desks.iter().map(|desk| desk.silent_us());
        desks.chain([self.told.outlook.silent_us()]).min().unwrap_or_default()
    }
}

fn router(site: Arc<Site>) -> Router {
    let api = Router::new()
        .route("/api/v1/tracking/{number}", get(lookups::tracking))
        .route("/api/v1/shipments/{id}", get(lookups::shipment))
        .route_layer(from_fn_with_state(Arc::clone(&site), guard::token));
    Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/startupz", get(probes::startupz))
        .route("/metrics", get(metrics::metrics))
        .merge(api)
        .fallback(|| async {
            refusal(StatusCode::NOT_FOUND, "NO_SUCH_PATH", "there is nothing at this path")
        })
        .layer(from_fn_with_state(Arc::clone(&site), guard::host))
        .with_state(site)
}

/// A JSON answer.
fn answer(status: StatusCode, body: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, json, body.to_string()).into_response()
}

/// Why a request is not answered.
fn refusal(status: StatusCode, code: &str, why: &str) -> Response {
    let mut response = answer(status, &json!({ "error": { "code": code, "message": why } }));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
