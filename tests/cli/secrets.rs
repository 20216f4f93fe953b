//! A canary among the secrets: whatever the binary is asked to do, it sings nowhere.

use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;

use super::{file, path};

/// Nothing of it may show, so each is one word.
const OF_ENVIRONMENT: &str = "canary-of-the-environment-7c1e";
const OF_FILE: &str = "canary-of-the-file-52d9";
const IN_CLEAR: &str = "canary-in-clear-90ab";

/// How long a command that waits for a broker is watched.
const WATCHED: Duration = Duration::from_secs(4);

/// All that a command wrote before it ended, or was ended.
fn said(environment: &[(&str, &str)], args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dockside"))
        .env_clear()
        .env("CANARY", OF_ENVIRONMENT)
        .envs(environment.iter().copied())
        .args(args)
        .timeout(WATCHED)
        .output()
        .expect("the binary runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn is_silent(what: &str, said: &str) {
    for canary in [OF_ENVIRONMENT, OF_FILE, IN_CLEAR] {
        assert!(!said.contains(canary), "{what}: {canary} is in\n{said}");
    }
}

fn secret_file() -> tempfile::NamedTempFile {
    file(&format!("{OF_FILE}\n"))
}

/// Every client property that the canaries sit in is one that the client also may log, like a user's name.
fn configuration(secret: &Path) -> String {
    format!(
        "[kafka]\nbootstrap_servers = \"127.0.0.1:1\"\n[kafka.properties]\n\"debug\" = \"all\"\n\
         \"client.rack\" = \"${{CANARY}}\"\n\"sasl.username\" = \"file:{}\"\n\"sasl.password\" = \"{IN_CLEAR}\"\n\
         \"ssl.key.password\" = \"${{CANARY}}\"\n",
        secret.display()
    )
}

#[test]
fn no_command_tells_a_secret() {
    let secret = secret_file();
    let config = file(&configuration(secret.path()));
    for args in [
        &["check", "--offline"][..],
        &["check", "--offline", "--format", "json"],
        &["check"],
        &["topics", "plan"],
        &["topics", "apply", "--format", "json"],
        &["run"],
        &["run", "--create-topics"],
    ] {
        for log in ["warn", "trace"] {
            let args = [args, &["-c", path(&config)]].concat();
            let said = said(&[("DOCKSIDE_LOG", log)], &args);
            is_silent(&format!("{args:?} with {log}"), &said);
            // A secret in clear is told as such.
            assert!(said.contains("E0111"), "{args:?}: {said}");
        }
    }
}

/// What the client logs is really passed on, or the silence would prove nothing.
#[test]
fn the_log_of_the_client_is_told_without_secrets() {
    let secret = secret_file();
    let config = file(&configuration(secret.path()));
    let said = said(&[("DOCKSIDE_LOG", "kafka=debug")], &["run", "-c", path(&config)]);
    assert!(said.contains("DEBUG kafka:") && said.contains("sasl.password"), "{said}");
    assert!(said.contains("client.rack = ***"), "a canary was there, and is covered:\n{said}");
    is_silent("run", &said);
}

/// Mistakes beside secrets: what is pointed at, and the lines around it, are shown.
#[test]
fn no_mistake_shows_a_secret() {
    let secret = secret_file();
    let in_file = format!("file:{}", secret.path().display());
    for mistake in [
        format!("[kafka.properties]\n\"sasl.password\" = \"{IN_CLEAR}\"\n\"linger.ms\" = \"soon\"\n"),
        format!("[kafka.properties]\n\"sasl.pasword\" = \"{IN_CLEAR}\"\n"),
        format!("[kafka.properties]\nsasl.password = \"{IN_CLEAR}\n"),
        format!("[kafka.properties]\n\"sasl.password\" = [\"{IN_CLEAR}\"]\n"),
        format!("[kafka]\nsasl_password = \"{IN_CLEAR}\"\n"),
        format!("[kafka.properties]\n\"sasl.jaas.config\" = \"x password='{IN_CLEAR}';\"\n"),
        format!("[kafka.properties]\n\"ssl.key.pem\" = '''\n{IN_CLEAR}\n'''\n\"acks\" = 1\n"),
        format!("[kafka.properties]\nproperties = {{ a = 1, \"ssl.key.password\" = \"{IN_CLEAR}\" }}\n"),
        "[kafka.properties]\n\"linger.ms\" = \"${CANARY}\"\n".to_owned(),
        "[kafka.properties]\n\"security.protocol\" = \"${CANARY}\"\n".to_owned(),
        "[kafka.properties]\n\"ssl.ca.location\" = \"/nowhere/${CANARY}\"\n\"security.protocol\" = \"ssl\"\n"
            .to_owned(),
        "[kafka.properties]\n\"ssl.key.location\" = \"/${CANARY}\"\n\"security.protocol\" = \"ssl\"\n"
            .to_owned(),
        format!("[kafka.producer.properties]\n\"acks\" = \"{in_file}\"\n"),
        format!("[kafka.properties]\n\"no.such.property\" = \"{in_file}\"\n"),
        format!("[kafka.properties]\n\"message.max.bytes\" = \"{in_file}\"\n"),
    ] {
        let config = file(&mistake);
        for format in ["text", "json"] {
            let said = said(&[], &["check", "--offline", "--format", format, "-c", path(&config)]);
            assert!(said.contains("E0"), "{mistake}\n{said}");
            is_silent(&mistake, &said);
        }
    }
    for set in
        ["kafka.properties.sasl.password=", "kafka.properties.sasl.pass=", "sasl.password:", "kafka.sasl="]
    {
        let set = format!("{set}{IN_CLEAR}");
        let said = said(&[], &["check", "--offline", "--set", &set, "--set", "kafka.properties.acks=1"]);
        assert!(said.contains("E0107"), "{said}");
        is_silent(&set, &said);
    }
}
