//! `package`: what would go to the registry, complete and able to be built.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cargo::{self, Outcome};
use crate::metadata;

/// Packages every published crate, unpacks the packages and checks that each compiles against the other ones: no other check sees a
/// file which a crate uses but its package lacks.
///
/// Cargo would build them to the end, without the dependencies that are checked already, which takes some minutes.
pub(crate) fn run(allow_dirty: bool) -> Outcome {
    let workspace = metadata::read()?;
    // A directory of its own for each run, which keeps yesterday's code out.
    let folder = workspace.target.join("ci").join("package");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let folder = folder.join(since.as_millis().to_string());
    let mut command = cargo::cargo("package");
    command.args(["--workspace", "--no-verify", "--color", "never", "--target-dir"]).arg(&folder);
    for package in workspace.packages.iter().filter(|package| !package.published) {
        command.args(["--exclude", &package.name]);
    }
    if allow_dirty {
        command.arg("--allow-dirty");
    }
    let hint = if allow_dirty { "" } else { "; uncommitted changes need `--allow-dirty`" };
    without_warnings(&mut command).map_err(|error| format!("{error}{hint}"))?;

    let packages = folder.join("package");
    let sources = folder.join("sources");
    let mut names = Vec::new();
    let unreadable = |path: &Path, error| format!("cannot read {}: {error}", path.display());
    for entry in fs::read_dir(&packages).map_err(|error| unreadable(&packages, error))? {
        let path = entry.map_err(|error| unreadable(&packages, error))?.path();
        if path.extension().is_some_and(|extension| extension == "crate") {
            let file = File::open(&path).map_err(|error| unreadable(&path, error))?;
            let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(BufReader::new(file)));
            archive.unpack(&sources).map_err(|error| unreadable(&path, error))?;
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    let published: Vec<_> = workspace.packages.iter().filter(|package| package.published).collect();
    if names.len() != published.len() {
        return Err(format!("{} packages for {} published crates: {names:?}", names.len(), published.len()));
    }
    let write = |name: &str, text: String| {
        let path = sources.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    write("Cargo.toml", manifest(&names))?;
    // The versions that everything else is built with.
    let lock = cargo::root().join("Cargo.lock");
    write("Cargo.lock", fs::read_to_string(&lock).map_err(|error| unreadable(&lock, error))?)?;
    for package in published {
        // One by one, as the layers are, so that their dependencies need not be checked again.
        let mut command = cargo::cargo("check");
        command.args(["--quiet", "--offline", "--color", "never", "--package", &package.name]);
        command.arg("--target-dir").arg(&workspace.target).current_dir(&sources);
        without_warnings(&mut command)?;
        println!("{}: its package compiles", package.name);
    }
    println!("the packages lie in {}", packages.display());
    Ok(())
}

/// A workspace of unpacked packages, which stand for themselves where others ask the registry for them.
fn manifest(names: &[String]) -> String {
    let mut text = format!("[workspace]\nresolver = \"3\"\nmembers = {names:?}\n\n[patch.crates-io]\n");
    for name in names {
        // `name-version`; neither the names nor the versions of the workspace contain a dash before a digit.
        let crate_name = name.rsplit_once("-").map_or(name.as_str(), |(crate_name, _)| crate_name);
        text += &format!("{crate_name} = {{ path = {name:?} }}\n");
    }
    // As in the manifest of this workspace, so that what was checked for it serves here.
    text + "\n[profile.dev]\nopt-level = 2\ndebug = \"line-tables-only\"\noverflow-checks = true\n"
}

/// Runs a command of cargo's to its end and shows what it says; a warning is a failure.
fn without_warnings(command: &mut Command) -> Outcome {
    let line = cargo::line(command);
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    let mut warnings = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            if is_warning(&line) {
                warnings.push(line);
            }
        }
    }
    let status = child.wait().map_err(|error| format!("`{line}` got lost: {error}"))?;
    if !status.success() {
        return Err(format!("`{line}` failed with {status}"));
    }
    if !warnings.is_empty() {
        return Err(format!("packages must be clean of warnings\n  {}", warnings.join("\n  ")));
    }
    Ok(())
}

/// Whether a line of cargo's is a warning about the packages; a slow network is none.
fn is_warning(line: &str) -> bool {
    line.trim_start().starts_with("warning:") && !line.contains("spurious network error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_about_packages_count() {
        assert!(is_warning("warning: manifest has no description, license, license-file"));
        assert!(!is_warning("    Finished `dev` profile [unoptimized + debuginfo] target(s) in 1.00s"));
        assert!(!is_warning("warning: spurious network error (3 tries remaining): timed out"));
    }

    #[test]
    fn packages_stand_for_themselves() {
        let text = manifest(&["spikegrad-0.1.0".to_owned(), "spikegrad-models-0.1.0".to_owned()]);
        assert!(text.contains("members = [\"spikegrad-0.1.0\", \"spikegrad-models-0.1.0\"]"), "{text}");
        assert!(text.contains("\nspikegrad-models = { path = \"spikegrad-models-0.1.0\" }\n"), "{text}");
        assert!(text.contains("\nspikegrad = { path = \"spikegrad-0.1.0\" }\n"), "{text}");
    }
}
