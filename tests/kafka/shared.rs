//! Brokers that end with this process, and the one that most tests share.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use super::plain;

/// A run of `broker.sh`. It holds the pipe whose end is the brokers' end: it closes with this process.
pub(super) struct Running {
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    shell: Child,
}

impl Running {
    /// Starts the script; also returns its first line, which comes when the brokers listen. Without Java or Maven: a
    /// failure where `CI=true`, else a skip with its reason.
    pub(super) fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Option<(Running, String)> {
        // What the clients say shows beside a failure.
        let _ = tracing_subscriber::fmt()
            .with_test_writer()
            .with_ansi(false)
            .with_max_level(tracing::Level::WARN)
            .try_init();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker.sh");
        let mut shell = Command::new("bash")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is there");
        let stdin = shell.stdin.take();
        let stdout = BufReader::new(shell.stdout.take().expect("its stdout is a pipe"));
        let mut running = Running { stdin, stdout, shell };
        let first = running.line();
        if !first.is_empty() {
            return Some((running, first));
        }
        let status = running.shell.wait().expect("the script ended");
        let missing = status.code() == Some(3);
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(missing && !in_ci, "no broker for the tests ({status}); its reason is printed above");
        skip();
        None
    }

    /// Gives an order to `broker.sh nodes`, and waits until it is carried out.
    pub(super) fn order(&mut self, order: &str) {
        let stdin = self.stdin.as_mut().expect("it is closed only in the end");
        writeln!(stdin, "{order}").expect("the script reads orders");
        assert_eq!(self.line(), "done", "{order}");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text from the script");
        line.trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.shell.wait();
    }
}

/// Where the shared broker listens; none where there is no Java.
pub(super) fn bootstrap_servers() -> Option<String> {
    static BROKER: OnceLock<Option<(Running, String)>> = OnceLock::new();
    let running = BROKER.get_or_init(|| {
        let (running, port) = Running::start(["run"])?;
        Some((running, format!("127.0.0.1:{port}")))
    });
    running.as_ref().map(|(_, servers)| servers.clone())
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skip() {
    eprintln!("skipped: no broker without Java and Maven: apt-get install -y openjdk-17-jdk-headless maven");
}

/// Creates a topic past the program's own rules.
pub(super) fn create_topic(bootstrap_servers: &str, name: &str, partitions: u32) {
    create_topic_with(bootstrap_servers, name, partitions, 1, &[]);
}

/// The same, with replicas and properties.
pub(super) fn create_topic_with(
    bootstrap_servers: &str,
    name: &str,
    partitions: u32,
    replicas: i32,
    properties: &[(&str, &str)],
) {
    use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
    let admin = plain::admin(bootstrap_servers);
    let topic =
        NewTopic::new(name, i32::try_from(partitions).expect("few"), TopicReplication::Fixed(replicas));
    let topic = properties.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let created = plain::asked(admin.create_topics([&topic], &AdminOptions::new()));
    assert!(created.expect("an answer").iter().all(Result::is_ok), "{name} was created");
    let listed = || {
        let metadata =
            admin.inner().fetch_metadata(None, std::time::Duration::from_secs(10)).expect("metadata");
        metadata.topics().iter().any(|topic| topic.name() == name)
    };
    while !listed() {}
}
