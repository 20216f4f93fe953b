//! Properties of the Kafka client, and the secrets among them.
//!
//! Always true: a secret's value is in no message, and `Debug` hides it. Each property was judged by the client itself
//! ([`KafkaConfig::problems`]) without connecting: an unknown name, a bad value, or one that exactly-once forbids.

use std::collections::BTreeMap;
use std::fmt;

use super::raw::{Entries, Value};
use crate::edge::kafka::{self, KafkaConfig};
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
        let written = match &entry.value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(yes) => yes.to_string(),
        };
        match resolve(&written, environment) {
            Ok(value) => {
                if let Some(why) = judge(section, name, &value) {
                    let problem = Problem::error("E0107", why);
                    problems.push(problem.at(&entry.source, entry.key_span.clone(), "refused"));
                    continue;
                }
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

/// What the client says about a property on its own. Its answers never hold a value.
fn judge(section: &str, name: &str, value: &str) -> Option<String> {
    let alone = kafka::Properties::from_iter([(name, value)]);
    let mut config = KafkaConfig::default();
    match section {
        "kafka.consumer.properties" => config.consumer_properties = alone,
        "kafka.producer.properties" => config.producer_properties = alone,
        _ => config.properties = alone,
    }
    let problem = config.problems().into_iter().next()?;
    // The section is shown by the line that is pointed at.
    Some(problem.split_once("`: ").map_or(problem.clone(), |(_, rest)| rest.to_owned()))
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
