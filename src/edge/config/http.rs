//! Section `[http]`: where the service answers, and to whom.
//!
//! Enters: the entries of the section. Leaves: [`HttpSettings`]. Always true: an address that others can reach comes
//! with a token; the token is a registered secret and in no message.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Reader, Value, properties};
use crate::edge::problem::Problem;
use crate::edge::secret::Secret;

/// Section `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where to listen; none: nowhere.
    pub listen: Option<SocketAddr>,
    /// Whether `listen` is what it is without a configuration.
    pub is_default: bool,
    /// `host:port` under which other instances reach this one.
    pub advertise: Option<String>,
    /// What a client of `/api` sends.
    pub token: Option<Secret>,
}

impl Reader<'_> {
    pub(super) fn http(&mut self, environment: &BTreeMap<String, String>) -> HttpSettings {
        let good = |text: &str| text.is_empty() || address(text).is_some();
        let listen = self.text("http.listen", good, "IP:port or localhost:port, or nothing");
        let good = |text: &str| text.is_empty() || is_host_and_port(text);
        let advertise = self.text("http.advertise", good, "host:port, or nothing");
        let settings = HttpSettings {
            listen: address(&listen),
            is_default: self.entries["http.listen"].value == self.known["http.listen"].value,
            advertise: (!advertise.is_empty()).then_some(advertise),
            token: self.token(environment),
        };
        let is_open = settings.listen.is_some_and(|listen| !listen.ip().is_loopback());
        if is_open && settings.token.is_none() {
            let entry = self.entries["http.listen"].clone();
            let what = "`http.listen` is reachable from elsewhere, and `http.token` is empty".to_owned();
            self.refuse(&entry, "E0105", what, "set http.token, or listen on 127.0.0.1");
        }
        settings
    }

    fn token(&mut self, environment: &BTreeMap<String, String>) -> Option<Secret> {
        let entry = self.entry("http.token");
        let Value::Text(written) = &entry.value else { unreachable!("`entry` gives the key's kind") };
        // A variable is a safe place for it; only its own text must not be shown.
        let is_variable = entry.source.name.starts_with('$');
        let resolved = properties::resolve(written, environment);
        let Ok(value) = resolved else {
            let why = resolved.err().unwrap_or_default();
            let problem = Problem::error("E0106", format!("the secret of `http.token` is not there: {why}"))
                .help("`${NAME}` is an environment variable, `file:/path` a file with the value alone");
            self.problems.push(problem);
            return None;
        };
        if value.is_empty() {
            return None;
        }
        let token = Secret::from(value.as_str());
        token.register();
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = "`http.token` has blanks or characters that no header holds";
            self.problems.push(Problem::error("E0105", what).help("letters, digits and signs of ASCII"));
        }
        if value == *written && !is_variable {
            let what = "the secret of `http.token` stands in the configuration";
            let problem =
                Problem::warning("E0111", what).at(&entry.source, entry.key_span.clone(), "in clear");
            self.problems
                .push(problem.help("write `${NAME}` (an environment variable) or `file:/path` instead"));
        }
        Some(token)
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    // It travels in the client's ID, whose length has a bound.
    !host.is_empty()
        && host.len() <= 200
        && host.chars().all(is_name)
        && port.parse().is_ok_and(|port: u16| port > 0)
}
