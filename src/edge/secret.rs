//! Secrets: values that reach the Kafka client and nobody else.
//!
//! Enters: values of properties, and text that is about to be shown. Leaves: the same text without any secret that was
//! met. Always true: `Debug` and `Display` of a [`Secret`] show no part of it; a text that went through [`hidden`] holds
//! none that is registered, which is the last line of defence for log lines, errors and panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::{PoisonError, RwLock};

use serde::Deserialize;

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// The shortest text that is looked for: shorter ones are parts of ordinary words.
const LOOKED_FOR_BYTES_MIN: usize = 4;

/// What must not be shown. As many as the configuration of this process has.
static REGISTERED: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// A value that may be a secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value for the client. Never print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// From now on [`hidden`] takes it out of every text.
    pub fn register(&self) {
        let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
        let escaped = self.0.escape_debug().to_string();
        // A key in PEM is shown line by line, if it is shown at all.
        let parts = self.0.lines().map(str::trim).chain([self.0.as_str(), escaped.as_str()]);
        registered.extend(parts.filter(|part| part.len() >= LOOKED_FOR_BYTES_MIN).map(str::to_owned));
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(value: T) -> Secret {
        Secret(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// The text without any registered secret.
pub fn hidden(text: &str) -> Cow<'_, str> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let mut found: Vec<&String> = registered.iter().filter(|secret| text.contains(*secret)).collect();
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    // A secret may be a part of another: the longest goes first, so that nothing of it is left.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    Cow::Owned(found.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN)))
}

/// Lets panics be told without secrets; and end the process, whichever thread they are in, but for those of a guarded reader.
pub fn guard_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // A closed stderr leaves nobody to tell.
        let _ = std::io::stderr().write_all(told(panic).as_bytes());
        if !crate::decode::guard::is_reading() {
            std::process::abort();
        }
    }));
}

/// A panic as it is told.
fn told(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let mut text = format!("thread '{}' {panic}\n", thread.name().unwrap_or("?"));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        text.push_str(&format!("{trace}\n"));
    }
    hidden(&text).into_owned()
}

/// Properties of the client whose values are secrets.
const SECRETS: [&str; 8] = [
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Whether the property of this name is a secret, however its value is written.
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Words of names whose values are not shown: a misspelt or misplaced secret is one, too.
const TELLING: [&str; 8] =
    ["pass", "pwd", "secret", "credential", "jaas", "token", "pem", "oauthbearer.config"];

/// Ends of names below `sasl.` and `ssl.` that are no secrets.
const HARMLESS: [&str; 8] =
    ["username", "location", "mechanism", "mechanisms", "algorithm", "verification", "type", ".service.name"];

fn may_be_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    let is_security = name.rsplit(['{', ',', ' ']).next().is_some_and(|last| {
        let last = last.trim_start_matches(['"', '\'']);
        last.starts_with("sasl.")
            || last.starts_with("ssl.")
            || last.contains(".sasl.")
            || last.contains(".ssl.")
    });
    TELLING.iter().any(|word| name.contains(word))
        || (is_security && !HARMLESS.iter().any(|end| name.ends_with(end)))
}

/// A text of `name = value` lines as it may be shown: of the same length in bytes, with values that may be secrets
/// covered. References (`${NAME}`, `file:/path`) stay. It need not be TOML: a mistake of TOML is shown, too.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // Inside a text over several lines: what ends it.
    let mut ends_with: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let value_start = match ends_with {
            Some(_) => 0,
            None => match line.match_indices('=').find(|(at, _)| may_be_secret(&line[..*at])) {
                Some((at, _)) => at + 1,
                None => {
                    shown.push_str(line);
                    continue;
                }
            },
        };
        let (name, value) = line.split_at(value_start);
        shown.push_str(name);
        if ends_with.is_none() && is_reference(value) {
            shown.push_str(value);
            continue;
        }
        for c in value.chars() {
            match c {
                '\n' | '\r' | ' ' | '"' | '\'' => shown.push(c),
                other => shown.extend(std::iter::repeat_n('*', other.len_utf8())),
            }
        }
        ends_with = match ends_with {
            Some(end) => (!value.contains(end)).then_some(end),
            None => ["\"\"\"", "'''"].into_iter().find(|quotes| value.matches(quotes).count() == 1),
        };
    }
    shown
}

/// Whether a value, with what stands around it, says where the secret is instead of what it is.
fn is_reference(value: &str) -> bool {
    let value = value.split('#').next().unwrap_or(value).trim();
    let value = value.trim_matches(|c| c == '"' || c == '\'');
    let named = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    named.is_some_and(is_name) || (value.starts_with("file:") && !value.contains(['=', ' ']))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn no_text_shows_a_secret() {
        let secret = Secret::from("kept-to-ourselves");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.expose(), "kept-to-ourselves");
        for (value, text, shown) in [
            ("kept-to-ourselves", "a kept-to-ourselves b kept-to-ourselves", "a *** b ***"),
            ("kept-to-ourselves-too", "kept-to-ourselves-too", "***"),
            ("-----BEGIN\nline-of-a-key\n", "at line-of-a-key", "at ***"),
            ("with\"quotes\"", r#"Some("with\"quotes\"")"#, r#"Some("***")"#),
            ("abc", "abc is too short to look for", "abc is too short to look for"),
        ] {
            Secret::from(value).register();
            assert_eq!(hidden(text), shown);
        }
    }

    #[test]
    fn a_panic_is_told_without_secrets() {
        static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let canary = Secret::from("canary-of-a-panic");
        canary.register();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|panic| HEARD.lock().expect("whole").push(told(panic))));
        let ended = std::thread::spawn(move || panic!("it said {}", canary.expose())).join();
        std::panic::set_hook(before);
        assert!(ended.is_err());
        let heard = HEARD.lock().expect("whole").concat();
        assert!(heard.contains("it said ***") && !heard.contains("canary"), "{heard}");
    }

    #[test]
    fn values_that_may_be_secrets_are_covered() {
        for (text, shown) in [
            (
                "a = 1\n\"sasl.password\" = \"hush hé\"\nb = 2",
                "a = 1\n\"sasl.password\" = \"**** ***\"\nb = 2",
            ),
            ("sasl.password = \"${HUSH}\" # why", "sasl.password = \"${HUSH}\" # why"),
            ("sasl.password = \"file:/run/secrets/p\"", "sasl.password = \"file:/run/secrets/p\""),
            ("sasl.password = \"${A}hush${B}\"", "sasl.password = \"************\""),
            ("sasl.pasword = \"hush", "sasl.pasword = \"****"),
            (
                "p = { linger.ms = 5, \"sasl.pasword\" = \"hush\" }",
                "p = { linger.ms = 5, \"sasl.pasword\" = \"****\" *",
            ),
            (
                "\"ssl.key.pem\" = \"\"\"\nline\n\"\"\"\na = 1",
                "\"ssl.key.pem\" = \"\"\"\n****\n\"\"\"\na = 1",
            ),
            (
                "sasl.username = \"me\"\nsecurity.protocol = \"SSL\"",
                "sasl.username = \"me\"\nsecurity.protocol = \"SSL\"",
            ),
            ("kafka.properties.sasl.password=hush", "kafka.properties.sasl.password=****"),
            ("bootstrap_servers = \"a:9092\"", "bootstrap_servers = \"a:9092\""),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }
}
