//! Field paths: `trackResponse.shipment[*].package[0].date`.
//!
//! A path starts at the element. `.name` goes to a member, `[n]` to the n-th item of a list (from 0), `[*]` to each item.
//! A name with other characters than letters, digits, `_`, `-`, `@`, `#`, `:` or `$` stands in double quotes.
//! Always true: a path has at most [`STEPS_MAX`] steps, as nothing deeper is read.

use std::fmt;

use crate::decode::LEVELS_MAX;

/// Steps of the longest path.
const STEPS_MAX: usize = LEVELS_MAX;
/// The largest `n` of `[n]`.
const NTH_MAX: usize = 9_999;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To a member of an object.
    Member(String),
    /// To one item of a list.
    Nth(usize),
    /// To every item of a list.
    Each,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) => {
                    f.write_str(if at > 0 { "." } else { "" })?;
                    if name.is_empty() || !name.chars().all(is_plain) {
                        write!(f, "\"{name}\"")?;
                    } else {
                        f.write_str(name)?;
                    }
                }
                Step::Nth(n) => write!(f, "[{n}]")?,
                Step::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "_-@#:$".contains(c)
}

impl Path {
    /// Reads a path, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Path, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() || steps.is_empty() {
            let (step, after) = if let Some(inner) = rest.strip_prefix('[') {
                bracket(inner)?
            } else {
                let name = match (rest.strip_prefix('.'), steps.is_empty()) {
                    (Some(name), false) => name,
                    (None, true) => rest,
                    _ => {
                        return Err(format!(
                            "`{rest}`: a name follows after a dot, `[n]` or `[*]` without one"
                        ));
                    }
                };
                member(name)?
            };
            steps.push(step);
            rest = after;
            if steps.len() > STEPS_MAX {
                return Err(format!("a path has at most {STEPS_MAX} steps"));
            }
        }
        Ok(Path(steps))
    }
}

fn bracket(inner: &str) -> Result<(Step, &str), String> {
    let Some((what, after)) = inner.split_once(']') else {
        return Err(format!("`[{inner}` is not closed by `]`"));
    };
    let step = match what {
        "*" => Some(Step::Each),
        _ if what.bytes().all(|b| b.is_ascii_digit()) => {
            what.parse().ok().filter(|n| *n <= NTH_MAX).map(Step::Nth)
        }
        _ => None,
    };
    step.map(|step| (step, after))
        .ok_or_else(|| format!("`[{what}]`: expected `[*]` or `[0]` to `[{NTH_MAX}]`"))
}

fn member(text: &str) -> Result<(Step, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let Some((name, after)) = quoted.split_once('"') else {
            return Err(format!("`{text}` is not closed by a quote"));
        };
        return Ok((Step::Member(name.to_owned()), after));
    }
    let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    if end == 0 {
        return Err("a name is missing, for example `shipment.events[*].date`".to_owned());
    }
    Ok((Step::Member(text[..end].to_owned()), &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written_alike() {
        for text in ["a", "a.b", "a[*].b[0].c", "[*].a", "a[*][*]", "\"a b\".c", "a.\"\".b", "$type.@id"] {
            assert_eq!(Path::parse(text).map(|path| path.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_path_is_told() {
        for (text, why) in [
            ("", "a name is missing"),
            ("a.", "a name is missing"),
            ("a..b", "a name is missing"),
            ("a b", "a name follows"),
            (".a", "a name follows"),
            ("a[", "not closed"),
            ("a[x]", "expected `[*]`"),
            ("a[]", "expected `[*]`"),
            ("a[10000]", "expected `[*]`"),
            ("\"a", "not closed by a quote"),
            (&"a.".repeat(33), "at most 32 steps"),
        ] {
            let error = Path::parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
