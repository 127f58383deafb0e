//! Files, whole and in memory.

use std::fs;
use std::path::Path;

use crate::Error;

/// The bytes of a regular file. Devices and pipes, which may have no end, are refused.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    if !fs::metadata(path).map_err(io("read"))?.is_file() {
        return Err(Error::NotAFile);
    }
    fs::read(path).map_err(io("read"))
}

/// An error of the system.
pub(super) fn io(action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io { action, source }
}
