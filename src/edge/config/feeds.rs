//! Profiles and `[[feeds]]`: whose messages are read how.
//!
//! Enters: `profiles.dir`, and the feeds of the configuration file. Leaves: profiles by name and [`Feeds`], or problems that
//! point at the line. Always true: a feed's name is unique, its profile exists, and at most one feed is the topic's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw::{FEEDS, nearest};
use super::{Reader, read_toml_files};
use crate::decode::{Feed, Feeds, Profile};
use crate::edge::problem::{Problem, Source};

/// Profiles by name.
pub type Profiles = BTreeMap<String, Arc<Profile>>;

/// Reads the text of a profile file; every problem points into it.
pub(crate) fn read_profile(name: &str, text: &str) -> Result<Profile, Vec<Problem>> {
    Profile::parse(text).map_err(|errors| {
        let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
        let told = errors.into_iter().map(|error| {
            let problem = Problem::error("E0113", format!("the profile file is wrong: {}", error.message))
                .help("docs/profiles.md describes every key");
            match error.span {
                Some(span) => problem.at(&source, span, "here"),
                None => problem.at(&source, 0..0, "in this file"),
            }
        });
        told.collect()
    })
}

/// The tables of `[[feeds]]`, while they are read.
struct FeedTables<'a> {
    source: Arc<Source>,
    profiles: &'a Profiles,
    problems: &'a mut Vec<Problem>,
    feeds: Vec<Feed>,
    of_topic: Option<usize>,
}

impl Reader<'_> {
    pub(super) fn profiles(&mut self) -> Profiles {
        let mut profiles: Profiles =
            Profile::embedded().map(|profile| (profile.name().to_owned(), Arc::new(profile))).collect();
        let Some(dir) = self.path("profiles.dir") else { return profiles };
        let files = match read_toml_files(&dir) {
            Ok(files) => files,
            Err(error) => {
                let entry = self.entries["profiles.dir"].clone();
                let what = format!("cannot read the profile files in {}: {error}", dir.display());
                self.refuse(&entry, "E0113", what, "named here");
                return profiles;
            }
        };
        let mut own: BTreeMap<String, String> = BTreeMap::new();
        for (file, text) in files {
            match read_profile(&file, &text) {
                Err(problems) => self.problems.extend(problems),
                Ok(profile) => {
                    let name = profile.name().to_owned();
                    if let Some(other) = own.insert(name.clone(), file.clone()) {
                        let file = Path::new(&file).display();
                        let what = format!("{file} and {other} both describe the profile `{name}`");
                        self.problems
                            .push(Problem::error("E0113", what).help("give one of them another name"));
                    }
                    profiles.insert(name, Arc::new(profile));
                }
            }
        }
        profiles
    }

    pub(super) fn feeds(&mut self, file: Option<&(String, String)>, profiles: &Profiles) -> Feeds {
        let Some((name, text)) = file else { return Feeds::default() };
        // What is wrong with the file as TOML was told when it was read for its keys.
        let (table, _) = DeTable::parse_recoverable(text);
        let tables = table.get_ref().get(FEEDS).and_then(|value| value.get_ref().as_array());
        let source = Arc::new(Source { name: name.clone(), text: crate::edge::secret::masked(text) });
        let problems = &mut self.problems;
        let mut reader = FeedTables { source, profiles, problems, feeds: Vec::new(), of_topic: None };
        for value in tables.into_iter().flatten() {
            reader.feed(value);
        }
        Feeds::new(reader.feeds, reader.of_topic)
    }
}

impl FeedTables<'_> {
    fn problem(&mut self, value: &Spanned<DeValue<'_>>, what: String, label: &str, help: Option<String>) {
        let problem = Problem::error("E0114", what).at(&self.source, value.span(), label);
        self.problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    fn feed(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.problem(value, "a feed is a table: [[feeds]]".to_owned(), "expected a table", None);
        };
        let (mut name, mut profile, mut is_of_topic) = (None, None, false);
        for (key, value) in table {
            let Some(text) = value.get_ref().as_str() else {
                self.problem(
                    value,
                    format!("`{}` of a feed is text in quotes", key.get_ref()),
                    "expected text",
                    None,
                );
                continue;
            };
            match key.get_ref().as_ref() {
                "name" => name = self.name(value, text),
                "profile" => profile = self.profile(value, text),
                "topic" => is_of_topic = self.is_of_topic(value, text),
                other => {
                    let near = nearest(other, ["name", "profile", "topic"].into_iter());
                    let help = near.map(|near| format!("did you mean `{near}`?"));
                    let what = format!("unknown key `{other}` in [[feeds]]");
                    let problem =
                        Problem::error("E0103", what).at(&self.source, key.span(), "not a key of a feed");
                    self.problems
                        .push(problem.help(help.unwrap_or("a feed has name, profile and topic".to_owned())));
                }
            }
        }
        for key in ["name", "profile"] {
            if !table.contains_key(key) {
                self.problem(value, format!("a feed has no `{key}`"), "this feed", None);
            }
        }
        let (Some(name), Some(profile)) = (name, profile) else { return };
        if self.feeds.len() == Feeds::MAX {
            return self.problem(
                value,
                format!("there are at most {} feeds", Feeds::MAX),
                "one too many",
                None,
            );
        }
        if is_of_topic {
            self.of_topic = Some(self.feeds.len());
        }
        self.feeds.push(Feed { name, profile });
    }

    fn name(&mut self, value: &Spanned<DeValue<'_>>, text: &str) -> Option<String> {
        if !Feeds::is_name(text) {
            let what = format!("`{text}` cannot be the name of a feed");
            self.problem(value, what, "expected 1-64 letters, digits and `. _ -`, and not `canonical`", None);
            return None;
        }
        if self.feeds.iter().any(|feed| feed.name == text) {
            self.problem(value, format!("two feeds are called `{text}`"), "the second one", None);
            return None;
        }
        Some(text.to_owned())
    }

    fn profile(&mut self, value: &Spanned<DeValue<'_>>, text: &str) -> Option<Arc<Profile>> {
        let profile = self.profiles.get(text).cloned();
        if profile.is_none() {
            let names = self.profiles.keys().map(String::as_str);
            let help = match nearest(text, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("there are {}; more go into profiles.dir", names.collect::<Vec<_>>().join(", "))
                }
            };
            self.problem(value, format!("there is no profile `{text}`"), "no such profile", Some(help));
        }
        profile
    }

    fn is_of_topic(&mut self, value: &Spanned<DeValue<'_>>, text: &str) -> bool {
        if text != "scans" {
            let what = format!("feeds are not read from a topic `{text}`");
            let help = "other feeds share the topic, and their records say so in the header `dockside-feed`";
            self.problem(value, what, "expected \"scans\"", Some(help.to_owned()));
            return false;
        }
        if self.of_topic.is_some() {
            let what = "two feeds want the topic's records without a header".to_owned();
            self.problem(value, what, "the second one", None);
            return false;
        }
        true
    }
}
