//! Encrypted and authenticated: epochs over TLS and SASL, and what a wrong CA or password looks like.
//!
//! One secured broker serves these tests.

use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use dockside::edge::kafka::{KafkaBroker, KafkaConfig, Properties, check_topics, create_topics};
use dockside::engine::log::{Broker, Committed, Epoch, Log, LogError};

use super::cluster::{Cluster, Listener, PASSWORD, Setup, USER};
use super::world::{crew, drain};
use super::{assigned, outputs, shipments_soon};
use crate::conformance;

/// A start must fail within this, with its reason.
const FAILS_WITHIN: Duration = Duration::from_secs(30);
const WRONG: &str = "open-barley-0815";

fn secured() -> Option<&'static Cluster> {
    static SECURED: OnceLock<Option<Cluster>> = OnceLock::new();
    SECURED.get_or_init(|| Cluster::start(Setup { nodes: 1, is_proxied: false, is_secured: true })).as_ref()
}

/// What a user sets for a way to the broker.
fn secured_config(cluster: &Cluster, name: &str, listener: Listener, set: &[(&str, &str)]) -> KafkaConfig {
    KafkaConfig {
        bootstrap_servers: cluster.servers(listener),
        topic_prefix: format!("{name}."),
        group_id: name.to_owned(),
        instance: format!("{name}-test"),
        partitions: 1,
        properties: Properties::from_iter(set.iter().copied()),
        retention: super::FOREVER,
        ..KafkaConfig::default()
    }
}

#[test]
fn epochs_are_committed_over_tls_and_sasl() {
    let Some(cluster) = secured() else { return };
    let ca = &cluster.certificate("ca.pem");
    let user = |protocol, mechanism| {
        [
            ("security.protocol", protocol),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", USER),
            ("sasl.password", PASSWORD),
        ]
    };
    let cases = [
        ("tls", Listener::Ssl, vec![("security.protocol", "SSL"), ("ssl.ca.location", ca)]),
        ("plain", Listener::SaslPlain, user("SASL_PLAINTEXT", "PLAIN").to_vec()),
        ("scram", Listener::SaslPlain, user("SASL_PLAINTEXT", "SCRAM-SHA-512").to_vec()),
        (
            "both",
            Listener::SaslSsl,
            [&user("SASL_SSL", "SCRAM-SHA-512")[..], &[("ssl.ca.location", ca)]].concat(),
        ),
    ];
    for (name, listener, set) in cases {
        let config = secured_config(cluster, name, listener, &set);
        create_topics(&config).unwrap_or_else(|error| panic!("{name}: {error}"));
        let broker = KafkaBroker::open(&config).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut member = broker.join("a").expect("a member");
        let positions = assigned(&mut member);
        let epoch = outputs(&[name]);
        let committed = member.commit(Epoch { outputs: &epoch, positions: &positions }).expect("a commit");
        assert_eq!(committed, Committed::Done, "{name}");
        assert_eq!(shipments_soon(&broker, 1), [name]);
    }
}

#[test]
fn a_wrong_ca_or_password_is_named_and_no_secret_is() {
    let Some(cluster) = secured() else { return };
    let stranger = &cluster.certificate("stranger.pem");
    let ca = &cluster.certificate("ca.pem");
    let wrong = |mechanism| {
        let protocol = ("security.protocol", "SASL_PLAINTEXT");
        vec![protocol, ("sasl.mechanisms", mechanism), ("sasl.username", USER), ("sasl.password", WRONG)]
    };
    let cases = [
        (
            "another CA",
            Listener::Ssl,
            vec![("security.protocol", "SSL"), ("ssl.ca.location", stranger)],
            "certificate verify failed",
        ),
        (
            "a certificate of another host",
            Listener::Ssl,
            vec![("security.protocol", "SSL"), ("ssl.ca.location", ca)],
            "certificate verify failed",
        ),
        ("a wrong password, PLAIN", Listener::SaslPlain, wrong("PLAIN"), "Authentication failed"),
        ("a wrong password, SCRAM", Listener::SaslPlain, wrong("SCRAM-SHA-512"), "Authentication failed"),
    ];
    type Start = fn(&KafkaConfig) -> Result<(), LogError>;
    let starts: [(&str, Start); 3] = [
        ("create", |config| create_topics(config).map(drop)),
        ("check", check_topics),
        ("open", |config| KafkaBroker::open(config).map(drop)),
    ];
    let (sender, outcomes) = mpsc::channel();
    let mut open = Vec::new();
    for (case, listener, set, expected) in &cases {
        for (start, run) in starts {
            let name = format!("{case}: {start}");
            let mut config = secured_config(cluster, "wrong", *listener, set);
            if case.contains("host") {
                config.bootstrap_servers = config.bootstrap_servers.replace("127.0.0.1", "localhost");
            }
            let (sender, outcome_of) = (sender.clone(), name.clone());
            // Not joined: one that hangs must not hang the test.
            std::thread::spawn(move || sender.send(Some((outcome_of, run(&config)))));
            open.push((name, *expected));
        }
    }
    std::thread::spawn(move || {
        std::thread::sleep(FAILS_WITHIN);
        sender.send(None)
    });
    while !open.is_empty() {
        let Some((name, outcome)) = outcomes.recv().expect("one of them sends") else {
            panic!("no answer in time: {open:?}");
        };
        let place = open.iter().position(|(waiting, _)| *waiting == name).expect("each answers once");
        let (_, expected) = open.swap_remove(place);
        let error = outcome.expect_err(&name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!error.contains(WRONG) && !error.contains(PASSWORD), "{name} tells a secret: {error}");
    }
}

#[test]
fn a_password_that_is_changed_ends_the_worker_with_its_reason() {
    let Some(mut cluster) = Cluster::start(Setup { nodes: 1, is_proxied: false, is_secured: true }) else {
        return;
    };
    let protocol = ("security.protocol", "SASL_PLAINTEXT");
    let set = [protocol, ("sasl.mechanisms", "PLAIN"), ("sasl.username", USER), ("sasl.password", PASSWORD)];
    let config = secured_config(&cluster, "rotated", Listener::SaslPlain, &set);
    create_topics(&config).expect("topics");
    let broker = KafkaBroker::open(&config).expect("a broker");
    let hands = crew(&broker, 1);
    broker.append(&conformance::scans([(0, 1)])).expect("an append");
    drain(&hands, &broker);

    cluster.change_password(1, WRONG);
    let ends_by = (0..1_200).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        hands.has_failed()
    });
    assert!(ends_by, "the worker ends");
    let error = hands.stop().expect_err("it ended");
    let text = error.to_string();
    assert!(!error.refused && text.contains("Authentication"), "{text}");
    assert!(!text.contains(WRONG) && !text.contains(PASSWORD), "it tells a secret: {text}");
}
