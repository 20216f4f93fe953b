//! The binary as a person or a script meets it: data on stdout, talk on stderr, exit codes.

#[cfg(feature = "bench")]
mod bench;
mod check;
mod decode;
mod engine;
mod help;
mod image;
mod secrets;
mod tracking;
mod upload;
mod verify;

use assert_cmd::Command;

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The lines of stdout, each a JSON value.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// Runs the binary with an empty environment.
pub(crate) fn dockside(args: &[&str], stdin: impl Into<Vec<u8>>) -> Ran {
    dockside_with(&[], args, stdin)
}

/// Runs the binary with these environment variables only.
pub(crate) fn dockside_with(environment: &[(&str, &str)], args: &[&str], stdin: impl Into<Vec<u8>>) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_dockside"))
        .env_clear()
        .envs(environment.iter().copied())
        .args(args)
        .write_stdin(stdin)
        .output()
        .expect("the binary runs");
    Ran {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A file with this text that lives as long as the value.
pub(crate) fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    file
}

/// Its path as an argument.
pub(crate) fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("UTF-8")
}
