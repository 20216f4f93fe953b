//! The proxy does what its rules say: before a broker that only answers, and before a real one.

use super::super::cluster::{Listener, lent};
use super::super::plain;
use rdkafka::producer::Producer;

use super::*;

/// A request of so many bytes behind its header.
fn request(api: i16, correlation: i32, bytes: usize) -> Vec<u8> {
    let mut frame = i32::try_from(8 + bytes).expect("short").to_be_bytes().to_vec();
    frame.extend(api.to_be_bytes());
    frame.extend(3i16.to_be_bytes());
    frame.extend(correlation.to_be_bytes());
    frame.resize(12 + bytes, b'.');
    frame
}

/// A broker that answers every request at once with its correlation id alone.
fn answering() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a connection");
            std::thread::spawn(move || {
                while let Some(frame) = read_frame(&client, 8) {
                    let answer = [&4i32.to_be_bytes(), &frame[8..12]].concat();
                    if client.write_all(&answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// The correlation ids of the answers, until one is `last` or the connection is closed.
fn answers(client: &TcpStream, last: i32) -> Vec<i32> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last)
        && let Some(frame) = read_frame(client, 4)
    {
        seen.push(i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]));
    }
    seen
}

fn rule(on: On, api: Api, fault: Fault, skip: u32, times: u32) -> Rule {
    Rule { on, api, fault, times, skip }
}

const SHORT: Fault = Fault::Delay(Duration::from_millis(20));

#[test]
fn rules_choose_frames() {
    use On::{Request, Response};
    const PRODUCE: Api = Api::Produce;
    // Produce requests 1 to 4 are sent at once; which are answered, and how many reached the broker, were harmed.
    type Case<'a> = (&'a str, Vec<Rule>, &'a [i32], (On, u64));
    let cases: [Case<'_>; 12] = [
        ("no rule", vec![], &[1, 2, 3, 4], (Request, 0)),
        ("another kind", vec![rule(Request, Api::Fetch, Fault::Drop, 0, 9)], &[1, 2, 3, 4], (Request, 0)),
        ("used up", vec![rule(Request, PRODUCE, Fault::Drop, 0, 0)], &[1, 2, 3, 4], (Request, 0)),
        ("skips too many", vec![rule(Request, PRODUCE, Fault::Drop, 4, 1)], &[1, 2, 3, 4], (Request, 0)),
        ("delays keep the order", vec![rule(Request, PRODUCE, SHORT, 1, 2)], &[1, 2, 3, 4], (Request, 2)),
        ("late answers too", vec![rule(Response, PRODUCE, SHORT, 0, 9)], &[1, 2, 3, 4], (Response, 4)),
        ("a lost request", vec![rule(Request, PRODUCE, Fault::Drop, 1, 1)], &[1, 3, 4], (Request, 1)),
        ("lost answers", vec![rule(Response, PRODUCE, Fault::Drop, 0, 2)], &[3, 4], (Response, 2)),
        ("a cut at a request", vec![rule(Request, PRODUCE, Fault::Cut, 0, 1)], &[], (Request, 1)),
        ("a cut at an answer", vec![rule(Response, PRODUCE, Fault::Cut, 2, 1)], &[1, 2], (Response, 1)),
        ("a held request", vec![rule(Request, PRODUCE, Fault::Hold, 1, 1)], &[1, 3, 4], (Request, 1)),
        (
            "one rule after the other",
            vec![rule(Request, PRODUCE, Fault::Drop, 0, 1), rule(Request, PRODUCE, Fault::Drop, 1, 1)],
            &[2, 4],
            (Request, 2),
        ),
    ];
    let upstream = answering();
    for (name, rules, expected, (on, harmed)) in cases {
        let proxy = Proxy::start(upstream);
        proxy.set(&rules);
        let mut client = TcpStream::connect(proxy.address()).expect("a connection");
        let frames: Vec<u8> = (1..=4).flat_map(|correlation| request(0, correlation, 5_000)).collect();
        client.write_all(&frames).expect("room for them");
        assert_eq!(answers(&client, 4), expected, "{name}");
        assert_eq!(proxy.count(on, PRODUCE).harmed, harmed, "{name}");
    }
}

#[test]
fn what_is_held_comes_when_it_is_released() {
    let proxy = Proxy::start(answering());
    let count = |on| {
        let Count { seen, passed, .. } = proxy.count(on, Api::EndTxn);
        (seen, passed)
    };
    for on in [On::Request, On::Response] {
        proxy.set(&[rule(on, Api::EndTxn, Fault::Hold, 0, 1)]);
        let mut client = TcpStream::connect(proxy.address()).expect("a connection");
        client.write_all(&[request(26, 1, 0), request(0, 2, 0)].concat()).expect("room for them");
        assert_eq!(answers(&client, 2), [2], "later ones overtake it");
        proxy.wait_held(1);
        assert_eq!(count(on), (1, 0));
        assert_eq!(proxy.release(), 1);
        assert_eq!(answers(&client, 1), [1]);
        assert_eq!((count(On::Request), count(On::Response)), ((1, 1), (1, 1)));
    }
}

#[test]
fn a_held_request_outlives_its_client() {
    let proxy = Proxy::start(answering());
    proxy.set(&[rule(On::Request, Api::EndTxn, Fault::Hold, 0, 1)]);
    let mut client = TcpStream::connect(proxy.address()).expect("a connection");
    client.write_all(&request(26, 1, 0)).expect("room for it");
    proxy.wait_held(1);
    assert_eq!(proxy.cut_held(), 1);
    assert_eq!(answers(&client, 1), Vec::<i32>::new(), "the connection is closed");
    assert_eq!(proxy.release(), 1);
    proxy.wait_seen(On::Response, Api::EndTxn, 1);
    assert_eq!(proxy.count(On::Response, Api::EndTxn).passed, 0, "nobody is there to take it");
}

#[test]
fn what_is_no_frame_is_cut() {
    let proxy = Proxy::start(answering());
    let tls_hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01];
    let cases: [(&str, &[u8]); 4] = [
        ("a length below zero", &[0xff; 16]),
        ("too short for a header", &[0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0]),
        ("too long", &[0x10, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]),
        ("TLS", &tls_hello),
    ];
    for (name, bytes) in cases {
        let mut client = TcpStream::connect(proxy.address()).expect("a connection");
        client.write_all(bytes).expect("room for it");
        assert_eq!(answers(&client, 1), Vec::<i32>::new(), "{name}");
    }
}

#[test]
fn delayed_writes_are_only_slow() {
    let Some(cluster) = lent() else { return };
    cluster.create_topic("delayed", 1);
    let proxy = cluster.proxy(1);
    let delay = Fault::Delay(Duration::from_millis(300));
    let producer = plain::producer(&cluster.servers(Listener::Proxied), "delayed");
    proxy.set(&[rule(On::Request, Api::Produce, delay, 1, 3)]);
    plain::transact(&producer, "delayed", &["1", "2", "3", "4", "5"]).expect("a commit");
    let Count { seen, passed, harmed } = proxy.count(On::Request, Api::Produce);
    assert_eq!((seen, passed, harmed), (5, 5, 3), "nothing was asked twice");
    let servers = cluster.servers(Listener::Plain);
    assert_eq!(plain::committed_soon(&servers, "delayed", 5), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_commit_whose_answer_is_lost_is_asked_for_again() {
    let Some(cluster) = lent() else { return };
    cluster.create_topic("unanswered", 1);
    let proxy = cluster.proxy(1);
    let producer = plain::producer(&cluster.servers(Listener::Proxied), "unanswered");
    proxy.set(&[rule(On::Response, Api::EndTxn, Fault::Drop, 0, 1)]);
    plain::transact(&producer, "unanswered", &["once"]).expect("a commit");
    assert_eq!(proxy.count(On::Response, Api::EndTxn).harmed, 1);
    assert!(proxy.count(On::Request, Api::EndTxn).passed > 1, "it was asked again");
    let servers = cluster.servers(Listener::Plain);
    assert_eq!(plain::committed_soon(&servers, "unanswered", 1), ["once"]);
    assert_eq!(plain::committed(&servers, "unanswered"), ["once"]);
}

#[test]
fn a_reader_goes_on_after_a_cut() {
    let Some(cluster) = lent() else { return };
    cluster.create_topic("cut", 1);
    let values: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let producer = plain::producer(&cluster.servers(Listener::Plain), "cut");
    plain::transact(&producer, "cut", &values[..10]).expect("a commit");

    let proxy = cluster.proxy(1);
    proxy.set(&[
        rule(On::Response, Api::Fetch, Fault::Cut, 0, 2),
        rule(On::Request, Api::Fetch, Fault::Cut, 2, 1),
    ]);
    let reader = plain::reader(&cluster.servers(Listener::Proxied), "cut", "cut");
    assert_eq!(plain::read(&reader, 10), values[..10]);
    plain::transact(&producer, "cut", &values[10..]).expect("a commit");
    assert_eq!(plain::read(&reader, 10), values[10..]);
    let harmed = [On::Request, On::Response].map(|on| proxy.count(on, Api::Fetch).harmed);
    assert_eq!(harmed, [1, 2]);
}

#[test]
fn a_held_commit_shows_nothing_before_it_is_released() {
    let Some(cluster) = lent() else { return };
    cluster.create_topic("held", 1);
    let (proxy, servers) = (cluster.proxy(1), cluster.servers(Listener::Plain));
    let producer = plain::producer(&cluster.servers(Listener::Proxied), "held");
    proxy.set(&[rule(On::Request, Api::EndTxn, Fault::Hold, 0, 1)]);
    producer.begin_transaction().expect("a transaction");
    plain::send(&producer, "held", &["1"]).expect("a record");
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| plain::commit(&producer));
        proxy.wait_held(1);
        assert_eq!(proxy.count(On::Request, Api::EndTxn), Count { seen: 1, passed: 0, harmed: 1 });
        assert_eq!(plain::committed(&servers, "held"), Vec::<String>::new());
        proxy.release();
        commit.join().expect("it does not panic").expect("a commit");
    });
    assert_eq!(proxy.count(On::Request, Api::EndTxn).passed, 1);
    assert_eq!(proxy.count(On::Response, Api::EndTxn).passed, 1);
    assert_eq!(plain::committed_soon(&servers, "held", 1), ["1"]);
}

/// KAFKA-17754: what a client that keeps its producer after a lost connection is open to.
#[test]
fn a_late_commit_ends_the_next_transaction() {
    let Some(cluster) = lent() else { return };
    cluster.create_topic("late", 1);
    let (proxy, servers) = (cluster.proxy(1), cluster.servers(Listener::Plain));
    let producer = plain::producer(&cluster.servers(Listener::Proxied), "late");
    proxy.set(&[rule(On::Request, Api::EndTxn, Fault::Hold, 0, 1)]);
    producer.begin_transaction().expect("a transaction");
    plain::send(&producer, "late", &["first"]).expect("a record");
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| plain::commit(&producer));
        proxy.wait_held(1);
        assert_eq!(proxy.cut_held(), 1);
        commit.join().expect("it does not panic").expect("a commit, asked for on another connection");
    });
    producer.begin_transaction().expect("a transaction");
    plain::send(&producer, "late", &["second"]).expect("a record");
    assert_eq!(plain::committed_soon(&servers, "late", 1), ["first"]);

    proxy.set(&[]);
    assert_eq!(proxy.release(), 1);
    proxy.wait_seen(On::Response, Api::EndTxn, 1);
    assert_eq!(plain::committed_soon(&servers, "late", 2), ["first", "second"], "and nobody committed it");
}
