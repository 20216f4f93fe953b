//! Connections: accepted, counted, and ended when they take too long.
//!
//! Enters: a listener. Leaves: requests for the router, HTTP/1 only. Always true: a connection that sends its headers too
//! slowly is cut; there are at most so many connections, in all and of one address; none lives for ever.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use crate::edge::clock::elapsed_us;
use crate::edge::process::locked;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 512;
/// Connections of one address.
const CONNECTIONS_OF_ONE_MAX: usize = 128;
/// How long a client may take for the headers of a request, and between two requests.
const HEADERS: Duration = Duration::from_secs(5);
/// How much of a request's head is read.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a connection may be used.
const LIFE: Duration = Duration::from_secs(300);
/// How long the last answer of a connection may take from then on.
const LAST_ANSWER: Duration = Duration::from_secs(30);
/// After a failure to accept (no file handles, for example).
const BREATH: Duration = Duration::from_millis(100);
/// How often that is told while it lasts.
const REMIND_US: u64 = 10_000_000;

/// Open connections by address.
type Open = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// A place among the open connections.
struct Seat {
    open: Open,
    address: IpAddr,
}

impl Seat {
    fn take(open: &Open, address: IpAddr) -> Option<Seat> {
        let mut places = locked(open);
        let own = places.get(&address).copied().unwrap_or_default();
        if own >= CONNECTIONS_OF_ONE_MAX || places.values().sum::<usize>() >= CONNECTIONS_MAX {
            return None;
        }
        places.insert(address, own + 1);
        Some(Seat { open: Arc::clone(open), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut places = locked(&self.open);
        if let Some(own) = places.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                places.remove(&self.address);
            }
        }
    }
}

/// Accepts connections for ever.
pub(super) async fn connections(listener: TcpListener, router: Router) {
    let open = Open::default();
    let mut told_us: Option<u64> = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without a place the connection is closed at once.
                if let Some(seat) = Seat::take(&open, peer.ip()) {
                    tokio::spawn(connection(stream, router.clone(), seat));
                }
            }
            Err(error) => {
                let now_us = elapsed_us();
                if told_us.is_none_or(|told_us| now_us - told_us >= REMIND_US) {
                    tracing::warn!("cannot accept connections: {error}");
                    told_us = Some(now_us);
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, _seat: Seat) {
    let mut http = http1::Builder::new();
    // Without a timer the header timeout does nothing.
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEAD_BYTES_MAX);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = match tokio::time::timeout(LIFE, connection.as_mut()).await {
        Ok(ended) => Some(ended),
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_ANSWER, connection).await.ok()
        }
    };
    if let Some(Err(error)) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_by_address_and_in_all() {
        let open = Open::default();
        let address = |n: usize| IpAddr::from([10, 0, 0, u8::try_from(n).expect("few")]);
        let mut seats = Vec::new();
        for host in 0..CONNECTIONS_MAX / CONNECTIONS_OF_ONE_MAX {
            seats.extend((0..CONNECTIONS_OF_ONE_MAX).filter_map(|_| Seat::take(&open, address(host))));
            assert!(Seat::take(&open, address(host)).is_none());
        }
        assert_eq!(seats.len(), CONNECTIONS_MAX);
        assert!(Seat::take(&open, address(99)).is_none());
        seats.pop();
        assert!(Seat::take(&open, address(99)).is_some());
        seats.clear();
        assert!(open.lock().expect("whole").is_empty());
    }
}
