//! Input files: a path, or `-` for stdin.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::edge::problem::{Exit, Failure, Problem};

/// Opens a file, or stdin for `-`.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, std::io::stdin())));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::with_capacity(1 << 16, file))),
        Err(error) => Err(cannot_read(path, &error)),
    }
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
