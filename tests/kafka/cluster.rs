//! Brokers of a test's own, for harm: kill, pause, restart, a proxy before each, TLS and SASL.
//!
//! Enters: a [`Setup`]. Leaves: nodes on loopback, with ports and data that outlast a restart. Always true: they end when
//! the cluster is dropped, and with this process, however it ends.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;

use super::proxy::Proxy;
use super::shared::{Running, create_topic_with};

mod tests;

/// What a cluster is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// 1, or 3 with three replicas of everything, of which two must be in sync.
    pub(super) nodes: u32,
    /// A proxy before each node.
    pub(super) is_proxied: bool,
    /// Listeners for TLS and SASL beside the plain one.
    pub(super) is_secured: bool,
}

/// The user that a secured cluster knows, for PLAIN and SCRAM-SHA-512.
pub(super) const USER: &str = "dock";
/// Its password.
pub(super) const PASSWORD: &str = "sesame-4711";

/// A way to a node, each with a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    Plain,
    /// Advertises the proxy.
    Proxied,
    Ssl,
    SaslPlain,
    SaslSsl,
}

impl Listener {
    const ALL: [Listener; 5] =
        [Listener::Plain, Listener::Proxied, Listener::Ssl, Listener::SaslPlain, Listener::SaslSsl];

    /// Its name, and the protocol that is spoken there.
    fn name_and_protocol(self) -> (&'static str, &'static str) {
        match self {
            Listener::Plain => ("PLAINTEXT", "PLAINTEXT"),
            Listener::Proxied => ("PROXIED", "PLAINTEXT"),
            Listener::Ssl => ("SSL", "SSL"),
            Listener::SaslPlain => ("SASL_PLAINTEXT", "SASL_PLAINTEXT"),
            Listener::SaslSsl => ("SASL_SSL", "SASL_SSL"),
        }
    }
}

/// Who is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coordinator<'a> {
    /// Of the group of this name.
    Group(&'a str),
    /// Of the transactional id.
    Transaction(&'a str),
}

struct Node {
    controller: u16,
    ports: Vec<(Listener, u16)>,
    proxy: Option<Proxy>,
}

pub(super) struct Cluster {
    /// By number, from 1.
    nodes: Vec<Node>,
    dir: PathBuf,
    running: Running,
}

impl Cluster {
    /// Starts the nodes, and waits until they know each other. None where there is no Java.
    pub(super) fn start(setup: Setup) -> Option<Cluster> {
        assert!(matches!(setup.nodes, 1 | 3), "one node or three");
        let nodes: Vec<Node> = (0..setup.nodes).map(|_| Node::planned(setup)).collect();
        // The script removes it in the end.
        let dir = tempfile::tempdir().expect("a directory").keep();
        let mut arguments = vec!["nodes".into(), dir.clone().into_os_string()];
        if setup.is_secured {
            // The script fills it.
            std::fs::create_dir(certificates(&dir)).expect("a directory in ours");
            arguments.push("--add-scram".into());
            arguments.push(format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]").into());
        }
        for number in 1..=setup.nodes {
            let path = dir.join(format!("{number}.properties"));
            std::fs::write(path, properties(number, &nodes, &dir)).expect("a file in a directory of ours");
        }
        let (running, _ready) = Running::start(arguments)?;
        let cluster = Cluster { nodes, dir, running };
        cluster.metadata(None, "all nodes", |metadata| metadata.brokers().len() == setup.nodes as usize);
        Some(cluster)
    }

    /// All nodes, by that way.
    pub(super) fn servers(&self, listener: Listener) -> String {
        self.nodes.iter().map(|node| node.address(listener).to_string()).collect::<Vec<_>>().join(",")
    }

    /// What stands before a node.
    pub(super) fn proxy(&self, node: u32) -> &Proxy {
        self.nodes[node as usize - 1].proxy.as_ref().expect("a proxied cluster")
    }

    /// A file that `certificates.sh` made.
    pub(super) fn certificate(&self, name: &str) -> String {
        certificates(&self.dir).join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self, node: u32) {
        self.running.order(&format!("kill {node}"));
    }

    /// It keeps its connections, and does nothing.
    pub(super) fn pause(&mut self, node: u32) {
        self.running.order(&format!("pause {node}"));
    }

    /// It goes on as if no time had passed.
    pub(super) fn resume(&mut self, node: u32) {
        self.running.order(&format!("resume {node}"));
    }

    /// Starts a killed node again, with its ports and data.
    pub(super) fn restart(&mut self, node: u32) {
        self.running.order(&format!("start {node}"));
    }

    /// Starts a node anew that knows [`USER`] by another password, of PLAIN.
    pub(super) fn change_password(&mut self, node: u32, password: &str) {
        self.kill(node);
        let path = self.dir.join(format!("{node}.properties"));
        let before = std::fs::read_to_string(&path).expect("a file of ours");
        let after = before.replace(PASSWORD, password);
        assert_ne!(before, after, "a secured node knows a password");
        std::fs::write(path, after).expect("a file of ours");
        self.restart(node);
    }

    /// Creates a topic with a replica on every node.
    pub(super) fn create_topic(&self, name: &str, partitions: u32) {
        let replicas = i32::try_from(self.nodes.len()).expect("few");
        // A world's times may be those to come.
        let properties = [("message.timestamp.after.max.ms", "9223372036854775807")];
        create_topic_with(&self.servers(Listener::Plain), name, partitions, replicas, &properties);
    }

    /// The node that leads a partition; waits until there is one.
    pub(super) fn leader(&self, topic: &str, partition: i32) -> u32 {
        let mut leader = None;
        self.metadata(Some(topic), "a leader", |metadata| {
            let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            leader = partitions
                .filter(|of| of.id() == partition && of.error().is_none())
                .find_map(|of| u32::try_from(of.leader()).ok());
            leader.is_some()
        });
        leader.expect("it was waited for")
    }

    /// The node that coordinates; somebody must have asked for it before, so that its topic is there.
    pub(super) fn coordinator(&self, of: Coordinator<'_>) -> u32 {
        let (topic, name) = match of {
            Coordinator::Group(name) => ("__consumer_offsets", name),
            Coordinator::Transaction(name) => ("__transaction_state", name),
        };
        let mut partitions = 0;
        self.metadata(Some(topic), "the coordinators' topic", |metadata| {
            partitions = metadata.topics().iter().map(|topic| topic.partitions().len()).sum();
            partitions > 0
        });
        // Java's hash of a string; brokers take its absolute value.
        let hash =
            name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        let partition = (hash & 0x7fff_ffff) % u32::try_from(partitions).expect("few");
        self.leader(topic, i32::try_from(partition).expect("few"))
    }

    /// Waits until every node has every partition.
    pub(super) fn wait_in_sync(&self) {
        self.metadata(None, "replicas in sync", |metadata| {
            let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            partitions.all(|of| of.leader() >= 0 && of.isr().len() == of.replicas().len())
        });
    }

    /// Asks until the answer fits.
    fn metadata(&self, topic: Option<&str>, what: &str, mut fits: impl FnMut(&Metadata) -> bool) {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.servers(Listener::Plain))
            .set("allow.auto.create.topics", "false")
            .create()
            .expect("a client");
        for _ in 0..600 {
            if client.fetch_metadata(topic, Duration::from_secs(2)).is_ok_and(|answer| fits(&answer)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited too long for {what}");
    }
}

/// One proxied node that a test has for itself, after the tests before it and without their rules. None where there is
/// no Java.
pub(super) fn lent() -> Option<MutexGuard<'static, Cluster>> {
    static LENT: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    let setup = Setup { nodes: 1, is_proxied: true, is_secured: false };
    let cluster = LENT.get_or_init(|| Cluster::start(setup).map(Mutex::new)).as_ref()?;
    let cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    cluster.proxy(1).set(&[]);
    cluster.proxy(1).release();
    Some(cluster)
}

impl Node {
    fn planned(setup: Setup) -> Node {
        let has = |listener: &Listener| match listener {
            Listener::Plain => true,
            Listener::Proxied => setup.is_proxied,
            Listener::Ssl | Listener::SaslPlain | Listener::SaslSsl => setup.is_secured,
        };
        let ports: Vec<_> =
            Listener::ALL.into_iter().filter(has).map(|listener| (listener, free_port())).collect();
        let proxied = ports.iter().find(|(listener, _)| *listener == Listener::Proxied);
        let proxy = proxied.map(|(_, port)| Proxy::start((Ipv4Addr::LOCALHOST, *port).into()));
        Node { controller: free_port(), ports, proxy }
    }

    fn port(&self, listener: Listener) -> u16 {
        self.ports.iter().find(|(with, _)| *with == listener).expect("the setup has it").1
    }

    /// Where clients connect.
    fn address(&self, listener: Listener) -> SocketAddr {
        match &self.proxy {
            Some(proxy) if listener == Listener::Proxied => proxy.address(),
            _ => (Ipv4Addr::LOCALHOST, self.port(listener)).into(),
        }
    }
}

/// A port that nobody listens on and no client gets, since it is below the range of these.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    for _ in 0..1000 {
        let place = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + place % 12_000).expect("below 32000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

fn certificates(dir: &Path) -> PathBuf {
    dir.join("certificates")
}

/// A node's properties: those of the shared broker, and over them what differs.
fn properties(number: u32, nodes: &[Node], dir: &Path) -> String {
    let node = &nodes[number as usize - 1];
    let mut text = include_str!("server.properties")
        .replace("@PORT@", &node.port(Listener::Plain).to_string())
        .replace("@CONTROLLER@", &node.controller.to_string())
        .replace("@DIR@", dir.join(format!("{number}-data")).to_str().expect("a path in UTF-8"));
    let mut set = |key: &str, value: &str| writeln!(text, "{key}={value}").expect("a string grows");

    let each = |form: &dyn Fn(Listener, u16) -> String| {
        node.ports.iter().map(|&(listener, port)| form(listener, port)).collect::<Vec<_>>().join(",")
    };
    let name = |listener: Listener| listener.name_and_protocol().0;
    let listeners = each(&|listener, port| format!("{}://127.0.0.1:{port}", name(listener)));
    let advertised = each(&|listener, _| format!("{}://{}", name(listener), node.address(listener)));
    let protocols = each(&|listener, _| format!("{}:{}", name(listener), listener.name_and_protocol().1));
    let voters = (1..).zip(nodes).map(|(id, node)| format!("{id}@127.0.0.1:{}", node.controller));
    set("node.id", &number.to_string());
    set("controller.quorum.voters", &voters.collect::<Vec<_>>().join(","));
    set("listeners", &format!("{listeners},CONTROLLER://127.0.0.1:{}", node.controller));
    set("advertised.listeners", &advertised);
    set("listener.security.protocol.map", &format!("{protocols},CONTROLLER:PLAINTEXT"));
    set("inter.broker.listener.name", "PLAINTEXT");

    if nodes.len() > 1 {
        for replicas in [
            "default.replication.factor",
            "offsets.topic.replication.factor",
            "transaction.state.log.replication.factor",
        ] {
            set(replicas, "3");
        }
        set("min.insync.replicas", "2");
        set("transaction.state.log.min.isr", "2");
        // A dead node is missed soon.
        set("broker.heartbeat.interval.ms", "500");
        set("broker.session.timeout.ms", "4000");
    }
    if node.ports.iter().any(|(listener, _)| *listener == Listener::Ssl) {
        let keys = certificates(dir).join("server.pem");
        set("ssl.keystore.type", "PEM");
        set("ssl.keystore.location", keys.to_str().expect("a path in UTF-8"));
        set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512");
        let module = "org.apache.kafka.common.security";
        let plain = format!("{module}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";");
        let scram = format!("{module}.scram.ScramLoginModule required;");
        for listener in ["sasl_plaintext", "sasl_ssl"] {
            set(&format!("listener.name.{listener}.plain.sasl.jaas.config"), &plain);
            set(&format!("listener.name.{listener}.scram-sha-512.sasl.jaas.config"), &scram);
        }
    }
    text
}
