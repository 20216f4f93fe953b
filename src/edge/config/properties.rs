//! Properties of the Kafka client: which may be set, how other clients spell them, and secrets.
//!
//! Always true: a secret's value is in no message, and `Debug` hides it. What exactly-once rests on cannot be changed.

use std::collections::BTreeMap;
use std::fmt;

use super::raw::{Entries, Entry, Value};
use crate::edge::problem::Problem;

/// One property's value, with secrets resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    value: String,
    secret: bool,
}

impl Property {
    /// The value for the client. Never print it.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secret { "***" } else { &self.value })
    }
}

/// Properties by name.
pub type Properties = BTreeMap<String, Property>;

/// Names that hide their value even when it was written in clear.
const SENSITIVE: [&str; 6] =
    ["password", "secret", "sasl.jaas", "ssl.key.pem", "oauthbearer.config", "token"];

/// Properties that dockside sets itself, and why.
const OURS: [(&str, &str); 13] = [
    ("bootstrap.servers", "set kafka.bootstrap_servers"),
    ("metadata.broker.list", "set kafka.bootstrap_servers"),
    ("group.id", "set kafka.group_id"),
    ("group.instance.id", "set kafka.instance"),
    (
        "transactional.id",
        "set kafka.instance; it must be stable, so that a restart ends its predecessor's transaction",
    ),
    ("enable.auto.commit", "positions are committed inside the transaction"),
    ("enable.auto.offset.store", "positions are committed inside the transaction"),
    ("enable.idempotence", "transactions need it"),
    ("isolation.level", "only committed records are read"),
    ("auto.offset.reset", "positions are always explicit; a hidden reset would skip or repeat records"),
    (
        "partition.assignment.strategy",
        "partition p of every topic must have one owner, which only `range` gives",
    ),
    ("group.protocol", "only the classic protocol gives the `range` assignment"),
    ("partitioner", "every record is given its partition"),
];

/// Spellings of the Java client, and what they are here.
const JAVA: [(&str, &str); 13] = [
    ("ssl.truststore.location", "`ssl.ca.location` takes a PEM file; export the trust store to PEM"),
    ("ssl.truststore.password", "a PEM file (`ssl.ca.location`) has no password"),
    ("ssl.truststore.type", "`ssl.ca.location` takes PEM"),
    ("ssl.keystore.type", "`ssl.keystore.location` takes PKCS#12; PEM goes to `ssl.certificate.location`"),
    ("ssl.truststore.certificates", "`ssl.ca.pem`"),
    ("ssl.keystore.key", "`ssl.key.pem`"),
    ("ssl.keystore.certificate.chain", "`ssl.certificate.pem`"),
    ("sasl.jaas.config", "`sasl.username` and `sasl.password`"),
    ("sasl.client.callback.handler.class", "librdkafka takes no Java classes; see `sasl.oauthbearer.method`"),
    ("max.poll.records", "`engine.epoch_records_max` bounds an epoch"),
    ("key.serializer", "keys and values are bytes; leave it out"),
    ("value.serializer", "keys and values are bytes; leave it out"),
    ("acks.all", "`acks`"),
];

/// Reads the properties below `section`.
pub(crate) fn read(
    section: &str,
    entries: &Entries,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Properties {
    let mut properties = Properties::new();
    for (path, entry) in entries {
        let Some(name) = path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) else { continue };
        if let Some(problem) = refused(name, entry) {
            problems.push(problem);
            continue;
        }
        let written = match &entry.value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(yes) => yes.to_string(),
        };
        match resolve(&written, environment) {
            Ok(value) => {
                let sensitive = SENSITIVE.iter().any(|word| name.contains(word));
                properties.insert(name.to_owned(), Property { secret: sensitive || value != written, value });
            }
            Err(why) => problems.push(
                Problem::error("E0106", format!("the secret of `{name}` is not there: {why}"))
                    .at(&entry.source, entry.value_span.clone(), "named here")
                    .help("`${NAME}` is an environment variable, `file:/path` a file with the value alone"),
            ),
        }
    }
    properties
}

fn refused(name: &str, entry: &Entry) -> Option<Problem> {
    if let Some((_, why)) = OURS.iter().find(|(ours, _)| *ours == name) {
        let problem = Problem::error("E0107", format!("`{name}` is set by dockside"))
            .at(&entry.source, entry.key_span.clone(), "cannot be set here")
            .help(*why);
        return Some(problem);
    }
    let (_, here) = JAVA.iter().find(|(java, _)| *java == name)?;
    let problem =
        Problem::error("E0108", format!("`{name}` is the Java client's spelling; this is librdkafka"))
            .at(&entry.source, entry.key_span.clone(), "not a property of librdkafka")
            .help(*here);
    Some(problem)
}

/// Puts secrets in: `${NAME}` anywhere, or the whole value as `file:/path`.
fn resolve(written: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    if let Some(path) = written.strip_prefix("file:") {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    let mut value = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` has no `}`")?;
        value.push_str(before);
        value.push_str(environment.get(name).ok_or_else(|| format!("${name} is not set"))?);
        rest = after;
    }
    value.push_str(rest);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_resolved_and_hidden() {
        let environment = BTreeMap::from([("P".to_owned(), "hush".to_owned())]);
        assert_eq!(resolve("a${P}b${P}", &environment), Ok("ahushbhush".to_owned()));
        assert_eq!(resolve("plain", &environment), Ok("plain".to_owned()));
        assert_eq!(resolve("${Q}", &environment), Err("$Q is not set".to_owned()));
        assert_eq!(resolve("${P", &environment), Err("`${` has no `}`".to_owned()));
        assert!(resolve("file:/does/not/exist", &environment).is_err());
        let property = Property { value: "hush".into(), secret: true };
        assert_eq!(format!("{property:?}"), "***");
        assert_eq!(property.expose(), "hush");
    }
}
