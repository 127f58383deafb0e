//! Files of reports and of what an interrupted run keeps.

use std::fs;
use std::path::{Path, PathBuf};

use spikegrad::tasks::{CheckpointError, write_whole};

use crate::Error;

/// Writes `contents` to `path`, whole or not at all.
pub(crate) fn write(path: &Path, contents: &str) -> Result<(), Error> {
    write_whole(path, &[contents.as_bytes()]).map_err(|error| match error {
        CheckpointError::Io { action, path, source } => Error::Io { action, path, source },
        other => Error::Io { action: "write", path: path.to_owned(), source: std::io::Error::other(other) },
    })
}

/// Creates a directory and those above it.
pub(crate) fn create_dir(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::Io { action: "create", path: path.to_owned(), source })
}

/// Removes a file if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes a directory and all that is in it, if it is there.
pub(crate) fn remove_dir(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Reads what [`write`] wrote as JSON; none if it is not there or something else.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    if !path.is_file() {
        return None;
    }
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Writes `value`, a table, as TOML, which has names for numbers that are not finite.
pub(crate) fn write_toml(path: &Path, value: &impl serde::Serialize) -> Result<(), Error> {
    let text = toml::to_string(value).map_err(|error| Error::Io {
        action: "write",
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })?;
    write(path, &text)
}

/// Reads what [`write_toml`] wrote; none if it is not there or something else.
pub(crate) fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    toml::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// `name` as a file name that every system accepts: lower-case letters, digits, `-`, `_` and `.`.
pub(crate) fn safe_name(name: &str) -> String {
    let clean: String = name
        .trim()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let clean = clean.trim_start_matches('.');
    if clean.is_empty() { "unnamed".to_owned() } else { clean.to_owned() }
}

/// The paths directly below `dir`, sorted; empty if there is no such directory.
pub(crate) fn children(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let error = |source| Error::Io { action: "read", path: dir.to_owned(), source };
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(error)? {
        paths.push(entry.map_err(error)?.path());
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(children(dir.path()).unwrap(), [path]);
    }

    #[test]
    fn a_write_into_nowhere_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(&dir.path().join("absent").join("a.txt"), "one").unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
    }

    #[test]
    fn names_cannot_leave_their_directory() {
        assert_eq!(safe_name("../../W_f against U.svg"), "-..-w_f-against-u.svg");
        assert_eq!(safe_name(".."), "unnamed");
    }
}
