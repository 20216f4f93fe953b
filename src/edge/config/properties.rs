//! Properties of the Kafka client, and the secrets among them.
//!
//! Enters: the entries below a section. Leaves: properties under the client's names, secrets resolved and registered.
//! Always true: a secret's value is in no message; each property was judged on its own without connecting: an unknown
//! name, a bad value, one that exactly-once forbids, one that is unsafe.

use std::collections::BTreeMap;

use super::raw::{Entries, Entry, Value, nearest};
use crate::edge::kafka::{Properties, known_names, objection, refusal, risk, translated};
use crate::edge::problem::Problem;
use crate::edge::secret::{Secret, is_secret};

/// Reads the properties below `section`.
pub(crate) fn read(
    section: &str,
    entries: &Entries,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Properties {
    let mut properties = Properties::default();
    for (path, entry) in entries {
        let Some(written_name) = path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        let name = translated(written_name);
        let written = match &entry.value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(yes) => yes.to_string(),
        };
        let value = match resolve(&written, environment) {
            Ok(value) => value,
            Err(why) => {
                problems.push(
                    Problem::error("E0106", format!("the secret of `{name}` is not there: {why}"))
                        .at(&entry.source, entry.value_span.clone(), "named here")
                        .help(
                            "`${NAME}` is an environment variable, `file:/path` a file with the value alone",
                        ),
                );
                continue;
            }
        };
        let secret = Secret::from(value.as_str());
        let is_named = value != written;
        if is_secret(name) {
            secret.register();
        }
        if name != written_name && entries.contains_key(&format!("{section}.{name}")) {
            let what = format!("`{written_name}` is Java's name of `{name}`, which is set, too");
            problems.push(at_name(Problem::error("E0107", what), entry, "twice").help("keep one of the two"));
        } else if let Some(problem) = refused(name, &value, is_named || is_secret(name), entry) {
            problems.push(problem);
        } else {
            if let Some(why) = risk(name, &value) {
                let place = (&entry.source, entry.value_span.clone());
                problems.push(Problem::warning("E0108", why).at(place.0, place.1, "unsafe"));
            }
            if is_secret(name) && !is_named {
                let what = format!("the secret of `{name}` stands in the configuration");
                problems.push(
                    at_name(Problem::warning("E0111", what), entry, "in clear")
                        .help("write `${NAME}` (an environment variable) or `file:/path` instead"),
                );
            }
            properties.set(name, secret);
        }
    }
    properties
}

/// Why the client must not have a property, at its line.
fn refused(name: &str, value: &str, hide: bool, entry: &Entry) -> Option<Problem> {
    let refusal = refusal(name, value)?;
    let problem = Problem::error("E0107", refusal.why);
    if !refusal.is_name {
        let said = if hide { None } else { objection(name, value) };
        let problem = problem.at(&entry.source, entry.value_span.clone(), "refused");
        return Some(match refusal.instead.or(said.map(|said| format!("the client says: {said}"))) {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
    let problem = at_name(problem, entry, "refused");
    let near = || nearest(name, known_names()).map(|near| format!("did you mean `{near}`?"));
    Some(match refusal.instead.or_else(near) {
        Some(help) if known_names().all(|known| known != name) => problem.help(help),
        _ => problem,
    })
}

fn at_name(problem: Problem, entry: &Entry, label: &str) -> Problem {
    problem.at(&entry.source, entry.key_span.clone(), label)
}

/// Puts secrets in, and registers them: `${NAME}` anywhere, or the whole value as `file:/path`.
pub(super) fn resolve(written: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    if let Some(path) = written.strip_prefix("file:") {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let value = text.trim_end_matches(['\r', '\n']);
        Secret::from(value).register();
        return Ok(value.to_owned());
    }
    let mut value = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` has no `}`")?;
        value.push_str(before);
        let part = environment.get(name).ok_or_else(|| format!("${name} is not set"))?;
        Secret::from(part.as_str()).register();
        value.push_str(part);
        rest = after;
    }
    value.push_str(rest);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_resolved() {
        let environment = BTreeMap::from([("P".to_owned(), "hush".to_owned())]);
        assert_eq!(resolve("a${P}b${P}", &environment), Ok("ahushbhush".to_owned()));
        assert_eq!(resolve("plain", &environment), Ok("plain".to_owned()));
        assert_eq!(resolve("${Q}", &environment), Err("$Q is not set".to_owned()));
        assert_eq!(resolve("${P", &environment), Err("`${` has no `}`".to_owned()));
        assert!(resolve("file:/does/not/exist", &environment).is_err());
    }
}
