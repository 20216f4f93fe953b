//! The broker that all tests of this process share.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// Holds the pipe whose end is the broker's end: it closes with this process.
struct Running {
    bootstrap_servers: String,
    _shell: Child,
    _stdin: ChildStdin,
}

/// Where the broker listens. Without Java or Maven: a failure where `CI=true`, else a skip with its reason.
pub(super) fn bootstrap_servers() -> Option<String> {
    static BROKER: OnceLock<Option<Running>> = OnceLock::new();
    BROKER.get_or_init(start).as_ref().map(|running| running.bootstrap_servers.clone())
}

fn start() -> Option<Running> {
    // What the clients say shows beside a failure.
    let _ = tracing_subscriber::fmt()
        .with_test_writer()
        .with_ansi(false)
        .with_max_level(tracing::Level::WARN)
        .try_init();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker.sh");
    let mut shell = Command::new("bash")
        .arg(script)
        .arg("run")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash is there");
    let stdin = shell.stdin.take().expect("its stdin is a pipe");
    let stdout = shell.stdout.take().expect("its stdout is a pipe");
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port).expect("a line from the script");
    if let Ok(port) = port.trim().parse::<u16>() {
        let bootstrap_servers = format!("127.0.0.1:{port}");
        return Some(Running { bootstrap_servers, _shell: shell, _stdin: stdin });
    }
    let status = shell.wait().expect("the script ended");
    let missing = status.code() == Some(3);
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(missing && !in_ci, "no broker for the tests ({status}); its reason is printed above");
    skip();
    None
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skip() {
    eprintln!("skipped: no broker without Java and Maven: apt-get install -y openjdk-17-jdk-headless maven");
}

/// Creates a topic past the program's own rules.
pub(super) fn create_topic(bootstrap_servers: &str, name: &str, partitions: u32) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::config::ClientConfig;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap_servers).create().expect("an admin client");
    let topic = NewTopic::new(name, i32::try_from(partitions).expect("few"), TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let created = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()));
    assert!(created.expect("an answer").iter().all(Result::is_ok), "{name} was created");
    let listed = || {
        let metadata =
            admin.inner().fetch_metadata(None, std::time::Duration::from_secs(10)).expect("metadata");
        metadata.topics().iter().any(|topic| topic.name() == name)
    };
    while !listed() {}
}
