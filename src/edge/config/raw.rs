//! The configuration as it was written: each key with the place of its value.
//!
//! Enters: layers of text (the defaults, a file, environment variables, `--set` arguments). Leaves: for each known key
//! the value that wins, and where it stands. Always true: the known keys are exactly those of `config/dockside.toml`;
//! every error of every layer is found, not only the first.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::edge::problem::{Problem, Source};
use crate::edge::secret::masked;

/// Below these, every key is let through: it is the Kafka client's.
pub(crate) const FREE: [&str; 3] =
    ["kafka.properties", "kafka.consumer.properties", "kafka.producer.properties"];

/// The list of tables that is no key.
pub(crate) const FEEDS: &str = "feeds";

/// A value that a key can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
}

impl Value {
    /// What it is called in messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "text in quotes",
            Value::Integer(_) => "a whole number",
            Value::Boolean(_) => "true or false",
        }
    }
}

/// A value, and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) source: Arc<Source>,
    pub(crate) key_span: Range<usize>,
    pub(crate) value_span: Range<usize>,
}

/// Dotted keys and the values that win.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// Reads a TOML text. Without known keys every key is welcome: that is how the defaults define them.
pub(crate) fn read_toml(
    name: &str,
    text: &str,
    known: Option<&Entries>,
    problems: &mut Vec<Problem>,
) -> Entries {
    let source = Arc::new(Source { name: name.to_owned(), text: masked(text) });
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let problem = Problem::error("E0102", format!("this is not TOML: {}", error.message()))
            .help("text stands in quotes; a section is [name]; a key stands once");
        problems.push(match error.span() {
            Some(span) => problem.at(&source, span, "here"),
            None => problem,
        });
    }
    let mut walk = Walk { source: &source, known, entries: Entries::new(), problems };
    walk.table("", table.get_ref());
    walk.entries
}

struct Walk<'a> {
    source: &'a Arc<Source>,
    known: Option<&'a Entries>,
    entries: Entries,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            // Feeds are a list, and no environment variable speaks of one: they are read where they are used.
            if section.is_empty() && key.get_ref() == FEEDS && value.get_ref().is_array() {
                continue;
            }
            let path = if section.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{section}.{}", key.get_ref())
            };
            let inner = value.get_ref();
            if let Some(known) = self.known
                && !is_known(known, &path, inner.is_table())
            {
                self.problems.push(unknown_key(known, &path, section).at(
                    self.source,
                    key.span(),
                    match section {
                        "" => "no such section".to_owned(),
                        _ => format!("not a key of [{section}]"),
                    },
                ));
                continue;
            }
            let value = match inner {
                DeValue::Table(table) => {
                    self.table(&path, table);
                    continue;
                }
                DeValue::String(text) => Value::Text(text.to_string()),
                DeValue::Boolean(yes) => Value::Boolean(*yes),
                DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Integer(number),
                    Err(_) => {
                        self.wrong_kind(value.span(), &path, "a number beyond 64 bits");
                        continue;
                    }
                },
                other => {
                    self.wrong_kind(value.span(), &path, other.type_str());
                    continue;
                }
            };
            let (key_span, value_span) = (key.span(), table[key].span());
            self.entries.insert(path, Entry { value, source: Arc::clone(self.source), key_span, value_span });
        }
    }

    fn wrong_kind(&mut self, span: Range<usize>, path: &str, found: &str) {
        let wanted = self.known.and_then(|known| known.get(path)).map(|entry| entry.value.kind());
        let wanted = wanted.unwrap_or("text, a whole number, true or false");
        self.problems.push(Problem::error("E0104", format!("`{path}` is {wanted}, and this is {found}")).at(
            self.source,
            span,
            format!("expected {wanted}"),
        ));
    }
}

/// Whether the path names a key, or (for a table) leads to one.
fn is_known(known: &Entries, path: &str, is_table: bool) -> bool {
    let leads_to = |longer: &str| longer.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    let is_free = FREE.iter().any(|free| path.strip_prefix(free).is_some_and(|rest| rest.starts_with('.')));
    if is_free || (!is_table && known.contains_key(path)) {
        return true;
    }
    is_table
        && (FREE.contains(&path)
            || known.keys().any(|key| leads_to(key))
            || FREE.iter().any(|free| leads_to(free)))
}

/// The problem of a key that does not exist, with the nearest one that does.
fn unknown_key(known: &Entries, path: &str, section: &str) -> Problem {
    let names = known.keys().map(String::as_str).chain(FREE);
    let last = path.rsplit('.').next().unwrap_or(path);
    let what = match section {
        "" => Problem::error("E0103", format!("unknown section `{last}`")),
        _ => Problem::error("E0103", format!("unknown key `{last}` in [{section}]")),
    };
    let candidates: Vec<&str> = if section.is_empty() {
        names.clone().filter_map(|name| name.split('.').next()).collect()
    } else {
        names.clone().filter_map(|name| name.strip_prefix(section)?.strip_prefix('.')).collect()
    };
    if let Some(near) = nearest(last, candidates.into_iter()) {
        return what.help(format!("did you mean `{near}`?"));
    }
    // The right name in the wrong section is the commonest of the other mistakes.
    match names.clone().find(|name| name.rsplit('.').next() == Some(last)) {
        Some(elsewhere) => {
            let home = elsewhere.rsplit_once('.').map_or("", |(home, _)| home);
            what.help(format!("`{last}` is a key of [{home}]"))
        }
        None => what.help("every key is in config/dockside.toml, with its unit and its reason"),
    }
}

/// The candidate that is most like the word, if one is.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

/// A value that stands alone as text (an environment variable, `--set`): its kind is that of the key's default.
pub(crate) fn read_loose(
    key: &str,
    text: &str,
    source: &Arc<Source>,
    value_span: Range<usize>,
    known: &Entries,
    problems: &mut Vec<Problem>,
) -> Option<Entry> {
    let value = match known.get(key).map(|entry| &entry.value) {
        None | Some(Value::Text(_)) => Some(Value::Text(text.to_owned())),
        Some(Value::Integer(_)) => text.trim().replace('_', "").parse().ok().map(Value::Integer),
        Some(Value::Boolean(_)) => text.trim().parse().ok().map(Value::Boolean),
    };
    let Some(value) = value else {
        let wanted = known[key].value.kind();
        problems.push(
            Problem::error("E0104", format!("`{key}` is {wanted}, and {} is not", source.name)).at(
                source,
                value_span,
                format!("expected {wanted}"),
            ),
        );
        return None;
    };
    Some(Entry { value, source: Arc::clone(source), key_span: value_span.clone(), value_span })
}

/// Reads `--set KEY=VALUE`.
pub(crate) fn read_set(
    argument: &str,
    known: &Entries,
    problems: &mut Vec<Problem>,
) -> Option<(String, Entry)> {
    let source = |text| Arc::new(Source { name: "--set".to_owned(), text });
    let Some((key, text)) = argument.split_once('=') else {
        // What stands behind a key, with another sign between, may be a secret.
        let key: String =
            argument.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
        problems.push(
            Problem::error("E0105", format!("`{key}` sets nothing"))
                .at(&source(key.clone()), 0..key.len(), "expected KEY=VALUE")
                .help("for example --set engine.epoch_ms=50"),
        );
        return None;
    };
    if !is_known(known, key, false) {
        // The value of a misspelt key may be a secret.
        let source = source(key.to_owned());
        let near = nearest(key, known.keys().map(String::as_str));
        let problem = Problem::error("E0103", format!("unknown key `{key}`"))
            .at(&source, 0..key.len(), "no such key")
            .help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a key has its section in front, for example engine.epoch_ms".to_owned(),
            });
        problems.push(problem);
        return None;
    }
    let source = source(masked(argument));
    let entry = read_loose(key, text, &source, key.len() + 1..argument.len(), known, problems)?;
    Some((key.to_owned(), entry))
}

/// Reads the variables that name a key. Others are left alone: orchestrators make some that begin like ours.
pub(crate) fn read_environment(
    variables: &BTreeMap<String, String>,
    known: &Entries,
    problems: &mut Vec<Problem>,
) -> Entries {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for key in known.keys() {
        let upper = |key: &str| format!("DOCKSIDE_{}", key.replace('.', "_").to_uppercase());
        names.insert(upper(key), key);
        if let Some(short) = key.strip_prefix("kafka.") {
            names.insert(upper(short), key);
        }
    }
    let mut entries = Entries::new();
    for (name, text) in variables {
        let Some(key) = names.get(name) else { continue };
        let source = Arc::new(Source { name: format!("${name}"), text: text.clone() });
        if let Some(entry) = read_loose(key, text, &source, 0..text.len(), known, problems) {
            entries.insert((*key).to_owned(), entry);
        }
    }
    entries
}
