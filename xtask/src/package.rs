//! `package`: what would go to the registry, complete and able to be built.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cargo::{self, Outcome};
use crate::metadata;

/// Packages every published crate and builds each package against the other packages.
///
/// The build takes a minute or two, though it is not optimised and the packages share their dependencies. It is worth it: no other
/// check sees a file which a crate uses but its package lacks.
pub(crate) fn run(allow_dirty: bool) -> Outcome {
    let workspace = metadata::read()?;
    // Cargo unpacks the packages for one another's builds from a registry that it knows by its directory, and takes a package
    // of an unchanged version there for unchanged: a directory of its own for each run keeps yesterday's code out.
    let folder = workspace.target.join("ci").join("package");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let folder = folder.join(since.as_millis().to_string());
    let mut command = cargo::cargo("package");
    command.args(["--workspace", "--color", "never", "--target-dir"]).arg(&folder);
    for package in workspace.packages.iter().filter(|package| !package.published) {
        command.args(["--exclude", &package.name]);
    }
    if allow_dirty {
        command.arg("--allow-dirty");
    }
    let not_started = |error| format!("`cargo package` could not be started: {error}");
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(not_started)?;
    let mut warnings = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            if is_warning(&line) {
                warnings.push(line);
            }
        }
    }
    let status = child.wait().map_err(|error| format!("`cargo package` got lost: {error}"))?;
    if !status.success() {
        let hint = if allow_dirty { "" } else { "; uncommitted changes need `--allow-dirty`" };
        return Err(format!("`{}` failed with {status}{hint}", cargo::line(&command)));
    }
    if !warnings.is_empty() {
        return Err(format!("packages must be clean of warnings\n  {}", warnings.join("\n  ")));
    }
    println!("the packages lie in {}", folder.join("package").display());
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
}
