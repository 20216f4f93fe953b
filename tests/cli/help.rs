//! Help is a tour: every command shows an example, and fits on a screen.

use super::dockside;

const COMMANDS: &[&[&str]] = &[
    &["demo"],
    &["generate"],
    &["replay"],
    &["decode"],
    &["tracking"],
    &["tracking", "check"],
    &["carriers"],
    &["check"],
    &["topics"],
    &["topics", "plan"],
    &["topics", "apply"],
    &["run"],
    &["upload"],
    &["verify"],
    #[cfg(feature = "bench")]
    &["bench"],
];

#[test]
fn every_command_shows_an_example() {
    for command in COMMANDS {
        for flag in ["-h", "--help"] {
            let ran = dockside(&[command, &[flag][..]].concat(), "");
            assert_eq!(ran.code, 0, "{command:?}: {}", ran.stderr);
            assert!(ran.stdout.contains("Example:\n  dockside "), "{command:?} {flag}:\n{}", ran.stdout);
            let lines = ran.stdout.lines().count();
            assert!(flag == "--help" || lines <= 50, "{command:?}: {lines} lines do not fit on a screen");
        }
    }
}

#[test]
fn the_help_lists_every_command() {
    let ran = dockside(&["--help"], "");
    assert_eq!(ran.code, 0);
    for command in COMMANDS {
        assert!(ran.stdout.contains(&format!("\n  {} ", command[0])), "{command:?}:\n{}", ran.stdout);
    }
}

#[test]
fn what_makes_no_sense_is_usage() {
    for (args, word) in [
        (&["demmo"][..], "demo"),
        (&["decode"], "FILE"),
        (&["check", "--offlin"], "--offline"),
        (&["decode", "--at", "yesterday", "-"], "RFC 3339"),
        (&["tracking", "check", "--format", "xml"], "ndjson"),
        (&[], "Usage"),
    ] {
        let ran = dockside(args, "");
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.stderr.contains(word), "{args:?}: {word} is not in\n{}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn the_version_is_that_of_the_manifest() {
    let ran = dockside(&["--version"], "");
    assert_eq!((ran.code, ran.stdout), (0, format!("dockside {}\n", env!("CARGO_PKG_VERSION"))));
}
