//! Feed profiles: `tests/data/profiles/NAME.PROFILE.json` is what a feed sends, `NAME.PROFILE.out.ndjson` beside it what
//! `decode --profile PROFILE` makes of it. All of our own writing, in the shapes that carriers describe.
//!
//! `DOCKSIDE_REWRITE=1` writes the expected files; their diff is for a person to read.

use std::path::{Path, PathBuf};

use crate::cli::{dockside, file, path};

/// All records are read at this time.
const AT: &str = "2026-11-05T16:00:00Z";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/profiles")
}

#[test]
fn every_fixture_decodes_as_expected() {
    let mut inputs: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 30, "{} fixtures", inputs.len());
    let (mut wrong, mut good, mut bad) = (Vec::new(), 0, 0);
    for input in &inputs {
        let stem = input.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let (_, profile) = stem.split_once('.').expect("NAME.PROFILE.json");
        let ran = dockside(&["decode", "--profile", profile, "--at", AT, input.to_str().expect("UTF-8")], "");
        let rejected = ran.json_lines().iter().filter(|part| part["error"].is_object()).count();
        assert_eq!(ran.code, i32::from(rejected > 0), "{stem}: {}", ran.stderr);
        if rejected > 0 {
            bad += 1
        } else {
            good += 1
        }
        let expected = input.with_extension("out.ndjson");
        if std::env::var_os("DOCKSIDE_REWRITE").is_some() {
            std::fs::write(&expected, &ran.stdout).expect("written");
        }
        if std::fs::read_to_string(&expected).ok().as_ref() != Some(&ran.stdout) {
            wrong.push(format!("{stem}:\n{}", ran.stdout));
        }
    }
    assert!(wrong.is_empty(), "otherwise than expected:\n{}", wrong.join("\n"));
    assert!(good >= 15 && bad >= 15, "{good} good, {bad} bad");
}

/// Each profile file: the line and the word of its first complaint.
#[test]
fn what_is_wrong_with_a_profile_is_shown_where_it_stands() {
    let good = "name = \"acme\"\neach = \"events[*]\"\n[fields]\ncarrier = { const = \"UPS\" }\n\
                tracking_id = \"number\"\nevent_time = \"events[*].at\"\ncode = \"events[*].code\"\n";
    for (what, from, to, line, word) in [
        ("an unknown key", "each =", "every =", 2, "`every` is none of"),
        ("no list", "events[*]\"\n[", "events\"\n[", 2, "ends in `[*]`"),
        ("an unknown field", "code =", "status =", 7, "`status` is no field"),
        ("another list", "events[*].code", "other[*].code", 7, "none of `each`"),
        ("a path that is none", "events[*].code", "events[x].code", 7, "expected `[*]`"),
        (
            "a layout of no time",
            "\"events[*].code\"",
            "{ path = \"a\", layout = \"YYYYMMDD\" }",
            7,
            "is no time",
        ),
        (
            "a layout that is none",
            "\"events[*].at\"",
            "{ path = \"a\", layout = \"hhmm\" }",
            6,
            "YYYY, MM and DD",
        ),
        ("two origins", "{ const = \"UPS\" }", "{ const = \"UPS\", path = \"a\" }", 4, "exactly one of"),
        ("a number for a path", "\"number\"", "7", 5, "a path, a table"),
        ("no effect", "[fields]", "[codes]\nSOLD = [\"1\"]\n[fields]", 4, "not a milestone"),
        (
            "a code twice",
            "[fields]",
            "[codes]\nHELD = [\"1\"]\nLOST = [\"1\"]\n[fields]",
            5,
            "has an effect already",
        ),
        ("no such zone", "[fields]", "time_zone = \"Mars\"\n[fields]", 3, "no IANA time zone"),
        ("no rule for the time", "event_time =", "eta =", 3, "no rule for `event_time`"),
    ] {
        let text = good.replacen(from, to, 1);
        let written = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
        std::fs::write(written.path(), text).expect("written");
        let ran = dockside(&["decode", "--profile", path(&written), "-"], "{}");
        assert_eq!(ran.code, 3, "{what}: {}", ran.stderr);
        let place = format!("{}:{line}:", path(&written));
        for part in ["error[E0113]", word, place.as_str()] {
            assert!(ran.stderr.contains(part), "{what}: {part} is missing in\n{}", ran.stderr);
        }
    }
}

#[test]
fn a_profile_that_is_not_there_is_told_with_those_that_are() {
    let ran = dockside(&["decode", "--profile", "upss", "-"], "{}");
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("there is no profile `upss`") && ran.stderr.contains("17track"),
        "{}",
        ran.stderr
    );
}

/// Each `[[feeds]]`: the exit of `check`, and a word of what it says.
#[test]
fn check_knows_feeds() {
    let feed = "[[feeds]]\nname = \"ups\"\nprofile = \"ups-track\"\n";
    for (what, text, code, word) in [
        ("good", format!("{feed}topic = \"scans\"\n"), 0, "the configuration is good"),
        (
            "two",
            format!("{feed}[[feeds]]\nname = \"fx\"\nprofile = \"fedex-track\"\n"),
            0,
            "the configuration is good",
        ),
        ("no profile", "[[feeds]]\nname = \"ups\"\n".to_owned(), 3, "a feed has no `profile`"),
        ("an unknown profile", feed.replace("ups-track", "ups-trick"), 3, "did you mean `ups-track`?"),
        ("a name twice", format!("{feed}{feed}"), 3, "two feeds are called `ups`"),
        ("a reserved name", feed.replace("\"ups\"", "\"canonical\""), 3, "cannot be the name of a feed"),
        ("another topic", format!("{feed}topic = \"orders\"\n"), 3, "not read from a topic `orders`"),
        (
            "two for the topic",
            format!("{feed}topic = \"scans\"\n{}topic = \"scans\"\n", feed.replace("\"ups\"", "\"b\"")),
            3,
            "without a header",
        ),
        ("an unknown key", format!("{feed}profil = \"x\"\n"), 3, "did you mean `profile`?"),
        ("no text", feed.replace("\"ups\"", "7"), 3, "is text in quotes"),
    ] {
        let config = file(&text);
        let ran = dockside(&["check", "--offline", "-c", path(&config)], "");
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, code, "{what}: {told}");
        assert!(told.contains(word), "{what}: {told}");
    }
}

#[test]
fn replay_reads_a_feed_by_its_header_or_its_topic() {
    let line = |headers: &str, value: &str| {
        format!("{{\"topic\":\"scans\",\"timestamp\":\"{AT}\",\"key\":null,\"value\":{value}{headers}}}\n")
    };
    let alert = r#"{"trackingNumber":"","activityStatus":{"code":"FS"}}"#;
    let canonical = r#"{"carrier":"UPS"}"#;
    let config = file("[[feeds]]\nname = \"ups\"\nprofile = \"ups-alert\"\n");
    let of_topic = file("[[feeds]]\nname = \"ups\"\nprofile = \"ups-alert\"\ntopic = \"scans\"\n");
    let by = |name: &str| format!(",\"headers\":{{\"dockside-feed\":\"{name}\"}}");
    let (profile, own) = (
        "`tracking_id`, `event_time` missing",
        "`carrier`, `tracking_id`, `event_time`, `code` or `milestone` missing",
    );
    for (what, config, headers, value, reason, detail) in [
        ("by header", &config, by("ups"), alert, "MISSING_FIELD", profile),
        ("without", &config, String::new(), alert, "MISSING_FIELD", own),
        ("by topic", &of_topic, String::new(), alert, "MISSING_FIELD", profile),
        (
            "canonical",
            &of_topic,
            by("canonical"),
            canonical,
            "MISSING_FIELD",
            "`code` or `milestone` missing",
        ),
        (
            "an unknown feed",
            &of_topic,
            by("dhl"),
            canonical,
            "UNKNOWN_FORMAT",
            "names \"dhl\", and no [[feeds]]",
        ),
    ] {
        let ran = dockside(&["replay", "-c", path(config), "-"], line(&headers, value));
        let letters = ran.json_lines();
        assert_eq!(letters.len(), 1, "{what}: {}{}", ran.stdout, ran.stderr);
        let headers = &letters[0]["headers"];
        assert_eq!(headers["dockside.reason"], reason, "{what}");
        let told = headers["dockside.detail"].as_str().expect("text");
        assert!(told.contains(detail), "{what}: {told}");
    }
}

/// The example of the docs, as a profile of a directory.
#[test]
fn profiles_of_a_directory_are_known() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/profiles.md");
    let page = std::fs::read_to_string(page).expect("a page");
    let mut blocks = page.split("```");
    let acme = blocks.find_map(|block| block.strip_prefix("toml\nname = ")).expect("an example");
    let dir = tempfile::tempdir().expect("a directory");
    let write = |text: &str| std::fs::write(dir.path().join("acme.toml"), text).expect("written");
    let feed = "[[feeds]]\nname = \"a\"\nprofile = \"acme\"\n";
    let config = file(&format!("{feed}[profiles]\ndir = \"{}\"\n", dir.path().display()));
    write(&format!("name = {acme}"));
    let ran = dockside(&["check", "--offline", "-c", path(&config)], "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let message = r#"{"shipments":[{"number":"1Z5R89390357567127","events":[{"date":"20261105","time":"151200","status":"DLV","city":"Wichita"},{"at":"2026-11-05T09:13:00-06:00","status":"?","phase":"done"}]}]}"#;
    let ran = dockside(&["decode", "-c", path(&config), "--profile", "acme", "--at", AT, "-"], message);
    let told: Vec<String> = ran
        .json_lines()
        .iter()
        .map(|scan| format!("{} {} {}", scan["milestone"], scan["event_time"], scan["location"]["city"]))
        .collect();
    assert_eq!(
        told,
        [r#""DELIVERED" "2026-11-05T15:12:00Z" "Wichita""#, r#""DELIVERED" "2026-11-05T15:13:00Z" null"#]
    );
    write(&format!("name = {}", acme.replacen("each", "every", 1)));
    let ran = dockside(&["check", "--offline", "-c", path(&config)], "");
    assert_eq!(ran.code, 3);
    for part in ["error[E0113]", "acme.toml:2:1", "`every` is none of"] {
        assert!(ran.stderr.contains(part), "{part} is missing in\n{}", ran.stderr);
    }
}
