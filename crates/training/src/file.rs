//! Files that are either whole or absent: written beside their place, synced, then renamed into it. What a killed writer
//! left beside the place is removed by the next one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::CheckpointError;

/// Number of random characters at the end of a temporary file's name.
const RANDOM: usize = 6;

/// Writes a file whole or not at all: whatever happens, the old contents or the new ones are there. `parts` follow each
/// other in the file.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("figures.txt");
/// spikegrad_training::write_whole(&path, &[b"cost: ", b"0.25\n"])?;
/// assert_eq!(std::fs::read_to_string(&path)?, "cost: 0.25\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the path is a directory or a device, or the file cannot be written; an older one then stays as it was.
pub fn write_whole(path: &Path, parts: &[&[u8]]) -> Result<(), CheckpointError> {
    let mut file = temporary(path)?;
    for part in parts {
        file.write_all(part).map_err(io("write", path))?;
    }
    file.as_file().sync_all().map_err(io("sync", path))?;
    file.persist(path).map_err(|e| io("replace", path)(e.error))?;
    Ok(())
}

/// Finds out whether `path` can be written, and removes what killed writers left beside it.
///
/// # Errors
/// If it cannot be written.
pub fn prepare(path: &Path) -> Result<(), CheckpointError> {
    temporary(path).map(drop)
}

/// Opens a file with its size in bytes. Devices and pipes, which may have no end, are refused.
///
/// # Errors
/// If the file cannot be read, or is none.
pub fn open(path: &Path) -> Result<(File, u64), CheckpointError> {
    // A pipe is not even opened: that would wait for somebody who writes.
    let refuse = |metadata: fs::Metadata| match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(CheckpointError::NotAFile { path: path.to_owned() }),
    };
    refuse(fs::metadata(path).map_err(io("read", path))?)?;
    let file = File::open(path).map_err(io("read", path))?;
    let size = refuse(file.metadata().map_err(io("read", path))?)?;
    Ok((file, size))
}

/// An error of the system on `path`.
pub fn io(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> CheckpointError {
    move |source| CheckpointError::Io { action, path: path.to_owned(), source }
}

/// A new file beside `path` that is removed unless it is renamed. As long as it is open it is locked, so that other writers
/// of the same path see that it is in use.
fn temporary(path: &Path) -> Result<NamedTempFile, CheckpointError> {
    let Some(name) = path.file_name() else {
        return Err(CheckpointError::NotAFile { path: path.to_owned() });
    };
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(CheckpointError::NotAFile { path: path.to_owned() });
    }
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".tmp-");
    for leftover in leftovers(directory, &prefix) {
        // The file of a writer that lives is locked, and this lock is held until the file is gone. One that cannot be removed
        // does no harm.
        if let Ok(file) = File::open(&leftover)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&leftover);
        }
    }
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(RANDOM);
        // Others may read it, as any file that a program writes: temporary files are private unless this is said.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(directory).map_err(io("create a file beside", path))?;
        // Before it is locked, another writer may take the file for one that was left behind.
        let taken = matches!(file.as_file().try_lock(), Err(fs::TryLockError::WouldBlock));
        if !taken && file.path().exists() {
            return Ok(file);
        }
    }
}

/// The temporary files below `directory` whose names begin with `prefix`.
fn leftovers(directory: &Path, prefix: &OsString) -> Vec<PathBuf> {
    let is_temporary = |name: OsString| {
        let random = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        random.is_some_and(|r| r.len() == RANDOM && r.iter().all(u8::is_ascii_alphanumeric))
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|e| is_temporary(e.file_name())).map(|e| e.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory").flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_killed_writers_left_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run");
        // A writer of this path that was killed, others that only look like one, and one of another path.
        for name in
            [".run.tmp-aB3xYz", ".run.tmp-notes", ".run.tmp-copy.a", "run.tmp-aB3xYz", ".run-2.tmp-aB3xYz"]
        {
            fs::write(directory.path().join(name), "half").expect("written");
        }
        let living = temporary(&path).expect("a file");
        write_whole(&path, &[b"whole"]).expect("written");
        let mut expected =
            [".run-2.tmp-aB3xYz", ".run.tmp-copy.a", ".run.tmp-notes", "run", "run.tmp-aB3xYz"]
                .map(String::from)
                .to_vec();
        let name = living.path().file_name().expect("a name").to_string_lossy().into_owned();
        expected.push(name);
        expected.sort();
        assert_eq!(names(directory.path()), expected);
        living.persist(&path).expect("the writer that lives is not disturbed");
        prepare(&path).expect("writable");
        assert_eq!(names(directory.path()).len(), 5);
    }

    #[test]
    fn what_is_no_file_is_neither_read_nor_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut paths = vec![directory.path().to_owned()];
        if cfg!(target_os = "linux") {
            paths.extend(["/dev/full", "/dev/zero", "/dev/null"].map(PathBuf::from));
        }
        for path in paths {
            for error in [open(&path).map(|_| ()), write_whole(&path, &[b"x"]), prepare(&path)] {
                assert!(matches!(error, Err(CheckpointError::NotAFile { .. })), "{error:?}");
            }
        }
    }

    #[test]
    fn writers_of_one_path_do_not_disturb_each_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run");
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..25 {
                        write_whole(path, &[&[writer; 1000]]).expect("written");
                    }
                });
            }
        });
        let bytes = fs::read(&path).expect("a file");
        assert!(bytes.len() == 1000 && bytes.iter().all(|b| *b == bytes[0]));
        assert_eq!(names(directory.path()), ["run"]);
    }
}
