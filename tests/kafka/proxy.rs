//! A proxy before one broker that knows just enough of the protocol to harm one kind of request or answer.
//!
//! Enters: rules, and the connections of clients whose broker advertises the proxy's address. Leaves: the frames that no
//! rule takes away, and counts of what came by. Always true:
//! - a frame is handed on whole or not at all, and frames of one direction keep their order, save held ones, which the
//!   later ones overtake;
//! - a held request goes to the broker when it is released, on the connection that it came on, even if its client is
//!   gone by then: what a network may do to a packet;
//! - connections, frames, requests without an answer and held frames are bounded; a connection that breaks a bound, or
//!   does not speak Kafka (TLS included), is cut.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

mod tests;

/// More connections are refused.
const LINKS_MAX: usize = 256;
/// Of one connection.
const UNANSWERED_MAX: usize = 4096;
/// Of one proxy; a rule cannot hold more.
const HELD_MAX: u32 = 64;
/// The longest frame: a fetch of `fetch.max.bytes` and one message over it.
const FRAME_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How long a test waits for something to come by.
const PATIENCE: Duration = Duration::from_secs(30);

/// The kinds of requests that can be chosen, by their key in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Api {
    Produce = 0,
    Fetch = 1,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    SyncGroup = 14,
    InitProducerId = 22,
    AddPartitionsToTxn = 24,
    AddOffsetsToTxn = 25,
    EndTxn = 26,
    TxnOffsetCommit = 28,
}

impl Api {
    const ALL: [Api; 14] = [
        Api::Produce,
        Api::Fetch,
        Api::Metadata,
        Api::OffsetCommit,
        Api::OffsetFetch,
        Api::FindCoordinator,
        Api::JoinGroup,
        Api::Heartbeat,
        Api::SyncGroup,
        Api::InitProducerId,
        Api::AddPartitionsToTxn,
        Api::AddOffsetsToTxn,
        Api::EndTxn,
        Api::TxnOffsetCommit,
    ];

    fn of(key: i16) -> Option<Api> {
        Api::ALL.into_iter().find(|api| *api as i16 == key)
    }
}

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum On {
    /// To the broker.
    Request,
    /// To the client.
    Response,
}

/// What is done to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It waits, and all that follows it on its connection.
    Delay(Duration),
    /// It is never seen again.
    Drop,
    /// It is kept until [`Proxy::release`].
    Hold,
    /// It is dropped, and its client's connection closed.
    Cut,
    /// A byte in its middle is changed.
    Flip,
}

/// The first rule that fits a frame and is not used up has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) on: On,
    pub(super) api: Api,
    pub(super) fault: Fault,
    /// How many frames it harms.
    pub(super) times: u32,
    /// How many it lets pass before.
    pub(super) skip: u32,
}

/// What came by, of one kind and direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// It reached the proxy.
    pub(super) seen: u64,
    /// It was handed on, released ones included.
    pub(super) passed: u64,
    /// A rule was applied to it.
    pub(super) harmed: u64,
}

/// Listens until it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    counts: BTreeMap<(On, Api), Count>,
    held: Vec<Held>,
    links: BTreeMap<u64, Arc<Link>>,
    links_ever: u64,
    is_closing: bool,
}

struct Held {
    on: On,
    api: Api,
    frame: Vec<u8>,
    link: Arc<Link>,
}

/// A client's connection and the one to the broker that was opened for it.
struct Link {
    client: TcpStream,
    upstream: TcpStream,
    /// Taken while a frame is written: the pump and a release may both have one.
    to_client: Mutex<()>,
    to_upstream: Mutex<()>,
    flow: Mutex<Flow>,
}

#[derive(Default)]
struct Flow {
    /// The kinds of the requests that were not answered yet, by correlation id.
    unanswered: BTreeMap<i32, Option<Api>>,
    /// Requests that are held.
    held: usize,
    is_client_gone: bool,
}

/// Whether a pump goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pump {
    On,
    Ends,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens on a free port. The broker need not run yet: it is looked for anew for every client.
    pub(super) fn start(upstream: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { upstream, state: Mutex::default(), changed: Condvar::new() });
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.accept(&listener))
        };
        Proxy { address, shared, accepting: Some(accepting) }
    }

    /// What the broker must advertise.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these rules are kept, and counting begins at zero. What is held stays held.
    pub(super) fn set(&self, rules: &[Rule]) {
        let holds = rules.iter().filter(|rule| rule.fault == Fault::Hold);
        assert!(holds.map(|rule| rule.times).sum::<u32>() <= HELD_MAX, "more than {HELD_MAX} held frames");
        let mut state = self.shared.state();
        state.rules = rules.to_vec();
        state.counts.clear();
    }

    /// What came by since the rules were set.
    pub(super) fn count(&self, on: On, api: Api) -> Count {
        self.shared.state().counts.get(&(on, api)).copied().unwrap_or_default()
    }

    /// Waits until so many of a kind came by.
    pub(super) fn wait_seen(&self, on: On, api: Api, seen: u64) {
        self.wait(&format!("{seen} × {on:?} {api:?}"), |state| {
            state.counts.get(&(on, api)).is_some_and(|count| count.seen >= seen)
        });
    }

    /// Waits until so many frames are held.
    pub(super) fn wait_held(&self, held: usize) {
        self.wait(&format!("{held} held frames"), |state| state.held.len() >= held);
    }

    fn wait(&self, what: &str, happened: impl Fn(&State) -> bool) {
        let state = self.shared.state();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !happened(state))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(happened(&state), "waited too long for {what}: {:?}", state.counts);
    }

    /// Hands on what is held, in the order in which it came; returns how many frames.
    pub(super) fn release(&self) -> usize {
        let held = std::mem::take(&mut self.shared.state().held);
        for Held { on, api, frame, link } in &held {
            // Before the request is written: its answer may be here at once, and ends a connection without a client.
            if *on == On::Request {
                link.flow().held -= 1;
            }
            self.shared.hand_on(*on, Some(*api), frame, link);
        }
        held.len()
    }

    /// Cuts the connections of the clients whose requests are held; returns how many.
    pub(super) fn cut_held(&self) -> usize {
        let links: Vec<Arc<Link>> = self.shared.state().links.values().map(Arc::clone).collect();
        links.iter().filter(|link| link.flow().held > 0).map(|link| link.lose_client()).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let links = {
            let mut state = self.shared.state();
            state.is_closing = true;
            state.held.clear();
            std::mem::take(&mut state.links)
        };
        for link in links.values() {
            link.close();
        }
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn accept(self: &Arc<Shared>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.state().is_closing {
                return;
            }
            // A client that finds no broker finds a closed connection.
            let Ok(link) = client.and_then(|client| Link::open(client, self.upstream)) else { continue };
            let link = Arc::new(link);
            let number = {
                let mut state = self.state();
                if state.is_closing || state.links.len() >= LINKS_MAX {
                    continue;
                }
                state.links_ever += 1;
                let number = state.links_ever;
                state.links.insert(number, Arc::clone(&link));
                number
            };
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                std::thread::scope(|scope| {
                    scope.spawn(|| shared.pump_requests(&link));
                    shared.pump_responses(&link);
                });
                shared.state().links.remove(&number);
            });
        }
    }

    /// Until the client is gone.
    fn pump_requests(&self, link: &Arc<Link>) {
        while let Some(frame) = read_frame(&link.client, 8) {
            // Length, key, version, correlation id.
            let api = Api::of(i16::from_be_bytes([frame[4], frame[5]]));
            let correlation = i32::from_be_bytes([frame[8], frame[9], frame[10], frame[11]]);
            {
                let mut flow = link.flow();
                if flow.unanswered.len() >= UNANSWERED_MAX {
                    break;
                }
                flow.unanswered.insert(correlation, api);
            }
            if self.judge(On::Request, api, correlation, frame, link) == Pump::Ends {
                break;
            }
        }
        link.lose_client();
    }

    /// Until the broker is gone, or nobody waits for it any more.
    fn pump_responses(&self, link: &Arc<Link>) {
        while let Some(frame) = read_frame(&link.upstream, 4) {
            let correlation = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
            let api = link.flow().unanswered.remove(&correlation).flatten();
            if self.judge(On::Response, api, correlation, frame, link) == Pump::Ends {
                link.lose_client();
            }
            if link.is_useless() {
                break;
            }
        }
        link.close();
    }

    /// Counts a frame and does to it what the rules say.
    fn judge(
        &self,
        on: On,
        api: Option<Api>,
        correlation: i32,
        mut frame: Vec<u8>,
        link: &Arc<Link>,
    ) -> Pump {
        let fault = api.and_then(|api| {
            let mut state = self.state();
            let fault = state.fault(on, api);
            if let (Some(Fault::Hold), false) = (fault, state.is_closing) {
                if on == On::Request {
                    link.flow().held += 1;
                }
                state.held.push(Held { on, api, frame: frame.clone(), link: Arc::clone(link) });
            }
            fault
        });
        self.changed.notify_all();
        match fault {
            None => {}
            Some(Fault::Delay(span)) => std::thread::sleep(span),
            Some(Fault::Flip) => {
                let middle = frame.len() / 2;
                frame[middle] ^= 1;
            }
            Some(Fault::Hold) => return Pump::On,
            Some(Fault::Drop | Fault::Cut) => {
                if on == On::Request {
                    link.flow().unanswered.remove(&correlation);
                }
                return if fault == Some(Fault::Cut) { Pump::Ends } else { Pump::On };
            }
        }
        self.hand_on(on, api, &frame, link);
        Pump::On
    }

    /// A side that is gone takes nothing; its pump notices by itself.
    fn hand_on(&self, on: On, api: Option<Api>, frame: &[u8], link: &Link) {
        let (lock, mut stream) = match on {
            On::Request => (&link.to_upstream, &link.upstream),
            On::Response if link.flow().is_client_gone => return,
            On::Response => (&link.to_client, &link.client),
        };
        // Counted before: whoever sees an effect of the frame also sees its count.
        if let Some(api) = api {
            self.state().counts.entry((on, api)).or_default().passed += 1;
            self.changed.notify_all();
        }
        let _whole = locked(lock);
        let _ = stream.write_all(frame);
    }
}

impl State {
    /// Counts a frame; what is to be done to it.
    fn fault(&mut self, on: On, api: Api) -> Option<Fault> {
        let count = self.counts.entry((on, api)).or_default();
        count.seen += 1;
        let rule = self.rules.iter_mut().find(|rule| (rule.on, rule.api) == (on, api) && rule.times > 0)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        count.harmed += 1;
        Some(rule.fault)
    }
}

impl Link {
    fn open(client: TcpStream, upstream: SocketAddr) -> io::Result<Link> {
        let upstream = TcpStream::connect(upstream)?;
        client.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        Ok(Link {
            client,
            upstream,
            to_client: Mutex::default(),
            to_upstream: Mutex::default(),
            flow: Mutex::default(),
        })
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        locked(&self.flow)
    }

    /// The broker's side stays open if a request is held: then its answer closes it.
    fn lose_client(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let mut flow = self.flow();
        if !flow.is_client_gone && flow.held == 0 {
            let _ = self.upstream.shutdown(Shutdown::Both);
        }
        flow.is_client_gone = true;
    }

    /// The client is gone, and the last request of it was answered.
    fn is_useless(&self) -> bool {
        let flow = self.flow();
        flow.is_client_gone && flow.held == 0 && flow.unanswered.is_empty()
    }

    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.upstream.shutdown(Shutdown::Both);
    }
}

/// A frame with its length in front, at least so many bytes without it; none at the end, or if it is no frame.
fn read_frame(mut stream: &TcpStream, least: usize) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let bytes = usize::try_from(i32::from_be_bytes(length)).ok()?;
    if !(least..=FRAME_BYTES_MAX).contains(&bytes) {
        return None;
    }
    let mut frame = vec![0; 4 + bytes];
    frame[..4].copy_from_slice(&length);
    stream.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}
