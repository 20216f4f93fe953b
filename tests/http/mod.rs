//! The HTTP side of `run`: probes, metrics, lookups, and who may ask.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::cli::{dockside, dockside_with};

/// Longer than anything here takes: a test that hangs ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running service, ended with the value.
pub(crate) struct Served {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: Option<BufReader<ChildStderr>>,
    pub(crate) port: u16,
}

impl Served {
    /// Starts `run` with these arguments and waits until it says where it answers.
    pub(crate) fn start(environment: &[(&str, &str)], args: &[&str]) -> Served {
        Served::start_by(Command::new(env!("CARGO_BIN_EXE_dockside")).env_clear(), environment, args)
            .unheard()
    }

    /// The same, by whatever leads to the binary; what it says waits to be read.
    pub(crate) fn start_by(command: &mut Command, environment: &[(&str, &str)], args: &[&str]) -> Served {
        let mut child = command
            .envs(environment.iter().copied())
            .arg("run")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stdin = child.stdin.take();
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        let port = loop {
            let from = said.len();
            assert!(stderr.read_line(&mut said).expect("text") > 0, "it ended: {said}");
            if let Some(address) = said[from..].trim().strip_prefix("answering on http://") {
                break address.parse::<SocketAddr>().expect("an address").port();
            }
        };
        Served { child, stdin, stderr: Some(stderr), port }
    }

    /// What it says from now on must not fill the pipe.
    fn unheard(mut self) -> Served {
        drop(self.listen());
        self
    }

    /// Reads what it says from now on; in the end, how many bytes that were.
    pub(crate) fn listen(&mut self) -> JoinHandle<u64> {
        let mut stderr = self.stderr.take().expect("nobody else has it");
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()).expect("bytes"))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.get_with(path, &[("Host", "localhost")])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let (status, body) = self.text(path, headers);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    pub(crate) fn text(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
        let answer = self.exchange(&(request + "\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("our child").code()
    }

    /// Sends these bytes, and reads until the other side closes.
    fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // Whoever does not read all of a request closes like this.
            Err(error) if error.kind() != ErrorKind::ConnectionReset => {
                panic!("an answer, or an end: {error}")
            }
            _ => String::from_utf8(answer).expect("UTF-8"),
        }
    }

    /// Asks until the answer is as wanted.
    pub(crate) fn until<T>(&self, ask: impl FnMut(&Served) -> Option<T>) -> T {
        self.sought(ask).expect("it comes to that")
    }

    /// The same; none if it does not come to that.
    pub(crate) fn sought<T>(&self, mut ask: impl FnMut(&Served) -> Option<T>) -> Option<T> {
        (0..PATIENCE.as_millis() / 50).find_map(|_| {
            let found = ask(self);
            if found.is_none() {
                std::thread::sleep(Duration::from_millis(50));
            }
            found
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The current documents of `DIR/out/shipments.ndjson`, by key.
fn documents(dir: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(dir.join("out/shipments.ndjson")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut documents = BTreeMap::new();
    for line in whole.lines() {
        let line: Value = serde_json::from_str(line).expect("a whole line");
        let key = line["key"].as_str().expect("a key").to_owned();
        match &line["value"] {
            Value::Null => drop(documents.remove(&key)),
            value => drop(documents.insert(key, value.clone())),
        }
    }
    documents
}

/// The tracking number of a box.
fn number_of(document: &Value) -> Option<&str> {
    document["boxes"].as_array()?.iter().find_map(|boxed| boxed["tracking_id"].as_str())
}

/// The names and the labels' names of `deploy/metrics.txt`.
fn metrics_that_may_be() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/metrics.txt"));
    let text = text.expect("a file");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let words = lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.map(|words| (words[0].clone(), words[1..].to_vec())).collect()
}

#[test]
fn a_service_is_probed_measured_and_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let feed = dockside(&["generate", "--scans", "600", "--seed", "5"], "").stdout;
    let mut served = Served::start(
        &[],
        &[
            "--local",
            dir.path().to_str().expect("UTF-8"),
            "--input",
            "-",
            "--workers",
            "2",
            "--set",
            "engine.clock=input",
            "--set",
            "engine.partitions=4",
            "--set",
            "rules.shipments_conflation_ms=0",
            "--set",
            "http.listen=127.0.0.1:0",
        ],
    );
    // The input stays open: the service goes on when all of it is read.
    let mut stdin = served.stdin.take().expect("a pipe");
    stdin.write_all(feed.as_bytes()).expect("it reads");
    stdin.flush().expect("it reads");

    for probe in ["/livez", "/startupz", "/readyz"] {
        let body = served.until(|served| match served.get(probe) {
            (200, body) => Some(body),
            (status, body) => {
                assert_eq!(status, 503, "{probe}: {body}");
                None
            }
        });
        assert_eq!((&body["reasons"], body["partitions"].is_u64()), (&serde_json::json!([]), true), "{body}");
    }

    let listen = format!("http.listen=127.0.0.1:{}", served.port);
    for (question, says) in
        [("ready", "\"ready\":true"), ("live", "\"live\":true"), ("started", "\"started\":true")]
    {
        let ran = dockside(&["probe", question, "--set", &listen], "");
        assert!(ran.code == 0 && ran.stdout.contains(says), "{question}: {}{}", ran.stdout, ran.stderr);
    }

    // A shipment as its document says, in the end.
    let mut shipment = Value::Null;
    served.until(|served| {
        let documents = documents(dir.path());
        // One that is not over, if there is one, with a number.
        let tracked =
            documents.iter().filter(|(id, document)| !id.contains('|') && number_of(document).is_some());
        let (id, document) = tracked.min_by_key(|(_, document)| document["status"] == "CLOSED")?;
        let (status, found) = served.get(&format!("/api/v1/shipments/{id}"));
        shipment = document.clone();
        (status == 200 && found["pages"] == serde_json::json!([document])).then(|| {
            assert!(found["age_ms"].is_u64() && found["shipment_id"] == **id, "{found}");
        })
    });

    // One of its numbers, with and without its carrier.
    let number = number_of(&shipment).expect("it has one").to_owned();
    let carrier = shipment["carrier"].as_str().expect("a carrier").to_owned();
    for path in [
        format!("/api/v1/tracking/{number}?carrier={carrier}"),
        format!("/api/v1/tracking/%20{number}?carrier={carrier}"),
        format!("/api/v1/tracking/{number}"),
    ] {
        let (status, found) = served.get(&path);
        assert_eq!((status, &found["canonical"]), (200, &Value::from(number.as_str())), "{path}: {found}");
        let at_carrier =
            found["numbers"].as_array().expect("a list").iter().find(|n| n["carrier"] == *carrier);
        let at_carrier = at_carrier.unwrap_or_else(|| panic!("{path}: {found}"));
        assert!(at_carrier["progress"]["milestones"].is_array(), "{found}");
        let registrations = at_carrier["registrations"].as_array().expect("a list");
        assert!(registrations.iter().any(|r| r["shipment_id"] == shipment["shipment_id"]), "{found}");
    }

    for (path, status, code) in [
        ("/api/v1/shipments/FBA0NOSUCH", 404, "NOT_FOUND"),
        ("/api/v1/tracking/1Z5R89390357567127?carrier=UPS", 404, "NOT_FOUND"),
        ("/api/v1/tracking/1Z5R89390357567127?carrier=NOBODY", 400, "UNKNOWN_CARRIER"),
        ("/api/v1/tracking/%00?carrier=UPS", 400, "BAD_NUMBER"),
        ("/api/v1/shipments/%0a", 400, "BAD_SHIPMENT_ID"),
        ("/api/v1/nothing", 404, "NO_SUCH_PATH"),
        ("/", 404, "NO_SUCH_PATH"),
    ] {
        let (found, body) = served.get(path);
        assert_eq!((found, &body["error"]["code"]), (status, &Value::from(code)), "{path}: {body}");
    }

    for (headers, status) in [
        (&[("Host", "localhost")][..], 200),
        (&[("Host", "127.0.0.1:1")], 200),
        (&[("Host", "rebound.example")], 421),
        (&[("Host", "localhost"), ("Host", "rebound.example")], 421),
    ] {
        assert_eq!(served.get_with("/livez", headers).0, status, "{headers:?}");
    }

    the_metrics_are_those_of_the_list(&served);
    // Whoever begins a request and does not end it is cut off.
    served.exchange("GET /livez HTTP/1.1\r\nHo");
    drop(stdin);
}

fn the_metrics_are_those_of_the_list(served: &Served) {
    let (status, text) = served.text("/metrics", &[("Host", "localhost")]);
    assert_eq!(status, 200);
    let known = metrics_that_may_be();
    let mut values = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').expect("a name and a type");
            assert_eq!(known.get(name).map(|words| words[0].as_str()), Some(kind), "{line}");
            family = name.to_owned();
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        let value: f64 = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let rest = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("not of {family}: {line}"));
        assert!(["", "_bucket", "_sum", "_count"].contains(&rest), "{line}");
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let names: Vec<&str> = labels.map(|label| label.split_once('=').expect("a label").0).collect();
        let wanted: Vec<&str> = match rest {
            "_bucket" => vec!["le"],
            _ => known[&family][1..].iter().map(|label| label.split('=').next().expect("a name")).collect(),
        };
        assert_eq!(names, wanted, "{line}");
        assert!(values.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }
    for (series, least) in [
        ("dockside_ready", 1.0),
        ("dockside_partitions_owned", 4.0),
        ("dockside_records_total{lane=\"scans\"}", 1.0),
        ("dockside_scans_total{outcome=\"applied\"}", 1.0),
        ("dockside_epochs_total", 1.0),
        ("dockside_commit_seconds_count", 1.0),
        ("dockside_shipments", 1.0),
        ("dockside_numbers", 1.0),
        ("dockside_index_extra_lines", 0.0),
        ("dockside_learned_elements_total{form=\"own\",outcome=\"hit\"}", 1.0),
        ("dockside_learned_steps_total{change=\"learned\",form=\"own\"}", 1.0),
        ("dockside_clock_off_seconds", 0.0),
        ("dockside_lag_records{lane=\"hops\",partition=\"3\"}", 0.0),
        ("dockside_resident_bytes", 1.0),
    ] {
        assert!(
            values.get(series).is_some_and(|value| *value >= least),
            "{series}: {:?}",
            values.get(series)
        );
    }
}

/// A service on an empty directory.
const QUIET: [&str; 4] = ["--workers", "1", "--set", "http.listen=127.0.0.1:0"];

#[test]
fn what_is_no_plain_question_is_turned_away() {
    let dir = tempfile::tempdir().expect("a directory");
    let local = ["--local", dir.path().to_str().expect("UTF-8")];
    let served = Served::start(&[], &[&local[..], &QUIET].concat());
    served.until(|served| (served.get("/readyz").0 == 200).then_some(()));
    let head = "Host: localhost\r\nConnection: close\r\n";
    let long = "x".repeat(20 * 1024);
    for (name, request, status) in [
        ("a huge body", format!("POST /livez HTTP/1.1\r\n{head}Content-Length: 9999999999\r\n\r\n"), "405"),
        (
            "an endless body",
            format!("PUT /api/v1/shipments/A HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n"),
            "405",
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        ("no HTTP", "\x16\x03\x01\x02\r\n\r\n".to_owned(), "400"),
        ("a long header", format!("GET /livez HTTP/1.1\r\n{head}X: {long}\r\n\r\n"), ""),
        ("a long path", format!("GET /{long} HTTP/1.1\r\n{head}\r\n"), ""),
        ("a way up", format!("GET /../../etc/passwd HTTP/1.1\r\n{head}\r\n"), "404"),
        ("an escaped way up", format!("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n{head}\r\n"), "404"),
        (
            "a way up as an ID",
            format!("GET /api/v1/shipments/..%2f..%2fetc%2fpasswd HTTP/1.1\r\n{head}\r\n"),
            "404",
        ),
        ("somebody else's page", format!("GET http://other.example/ HTTP/1.1\r\n{head}\r\n"), "4"),
    ] {
        let answer = served.exchange(&request);
        match status {
            "" => assert!(!answer.starts_with("HTTP/1.1 2"), "{name}: {answer}"),
            status => assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}"),
        }
    }
    assert_eq!(served.get("/livez").0, 200);
}

#[test]
fn without_file_handles_and_readers_of_its_log_it_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let local = ["--local", dir.path().to_str().expect("UTF-8")];
    let mut few = Command::new("/bin/sh");
    few.env_clear().args(["-c", "ulimit -n 80; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_dockside")]);
    let mut served = Served::start_by(&mut few, &[], &[&local[..], &QUIET].concat());
    drop(served.stderr.take());
    served.until(|served| (served.get("/readyz").0 == 200).then_some(()));
    let connect = |_| TcpStream::connect(("127.0.0.1", served.port)).expect("the system has room");
    let idle: Vec<TcpStream> = (0..100).map(connect).collect();
    drop(idle);
    // Asked meanwhile, it answers when there are handles again.
    assert_eq!(served.get("/livez").0, 200);
    served.terminate();
    assert_eq!(served.exit_code(), Some(0));
}

#[test]
fn elsewhere_a_token_is_needed() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(
        &[("DOCKSIDE_HTTP_TOKEN", "let-me-look"), ("DOCKSIDE_HTTP_LISTEN", "0.0.0.0:0")],
        &["--local", dir.path().to_str().expect("UTF-8"), "--workers", "1"],
    );
    let shipment = "/api/v1/shipments/FBA0NOSUCH";
    served.until(|served| (served.get("/readyz").0 == 200).then_some(()));
    for (path, token, status) in [
        (shipment, "Bearer let-me-look", 404),
        (shipment, "Bearer let-me-loo", 401),
        (shipment, "Basic let-me-look", 401),
        (shipment, "", 401),
        ("/livez", "", 200),
        ("/metrics", "", 200),
    ] {
        let headers = [("Host", "dock.example"), ("Authorization", token)];
        assert_eq!(served.get_with(path, &headers).0, status, "{path} {token}");
    }
}

#[test]
fn what_is_set_is_judged() {
    for (environment, args, word) in [
        (&[][..], &["--set", "http.listen=0.0.0.0:8080"][..], "`http.token` is empty"),
        (&[], &["--set", "http.listen=nowhere"], "IP:port or localhost:port"),
        (&[], &["--set", "http.advertise=a b:1"], "host:port"),
        (&[], &["--set", "http.token=${NOT_THERE}"], "$NOT_THERE is not set"),
        (&[("DOCKSIDE_HTTP_TOKEN", "canary of a token")], &[], "no header holds"),
    ] {
        let ran = dockside_with(environment, &[&["check", "--offline"], args].concat(), "");
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
    }
    let ran = dockside(&["check", "--offline", "--set", "http.token=canary-token"], "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("stands in the configuration") && !ran.stderr.contains("canary"),
        "{}",
        ran.stderr
    );
}
