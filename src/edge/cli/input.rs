//! Input files: a path, or `-` for stdin.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::edge::problem::{Exit, Failure, Problem};

/// Opens a file, or stdin for `-`.
pub(crate) fn open(path: &Path) -> Result<BufReader<Box<dyn Read + Send>>, Failure> {
    let bytes: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| cannot_read(path, &error))?)
    };
    Ok(BufReader::with_capacity(1 << 16, bytes))
}

/// All bytes of a file, or of stdin for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(|error| cannot_read(path, &error))?;
    Ok(bytes)
}

/// The failure of a file that cannot be read.
pub(crate) fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    let problem = Problem::error("E0001", format!("cannot read {}: {error}", path.display()))
        .help("name a file that exists and that you may read, or `-` for stdin");
    Failure::new(Exit::Usage, problem)
}
