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
/// Cargo by itself would build them to the end and all that they depend on once more, which takes minutes.
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
    let mut folders = Vec::new();
    let unreadable = |path: &Path, error| format!("cannot read {}: {error}", path.display());
    for entry in fs::read_dir(&packages).map_err(|error| unreadable(&packages, error))? {
        let path = entry.map_err(|error| unreadable(&packages, error))?.path();
        if path.extension().is_some_and(|extension| extension == "crate") {
            let file = File::open(&path).map_err(|error| unreadable(&path, error))?;
            let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(BufReader::new(file)));
            archive.unpack(&sources).map_err(|error| unreadable(&path, error))?;
            folders.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    let mut members = Vec::new();
    for package in workspace.packages.iter().filter(|package| package.published) {
        let folder = folders.iter().find(|folder| is_of(folder, &package.name));
        let folder =
            folder.ok_or_else(|| format!("cargo made no package of {}: {folders:?}", package.name))?;
        members.push((package.name.as_str(), folder.as_str()));
    }
    let write = |name: &str, text: String| {
        let path = sources.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    // The profile and the versions that everything else is built with.
    let read = |name: &str| {
        let path = cargo::root().join(name);
        fs::read_to_string(&path).map_err(|error| unreadable(&path, error))
    };
    write("Cargo.toml", manifest(&members, &read("Cargo.toml")?))?;
    write("Cargo.lock", read("Cargo.lock")?)?;
    for (name, _) in members {
        // One by one, as the layers are, so that their dependencies need not be checked again.
        let mut command = cargo::cargo("check");
        command.args(["--quiet", "--offline", "--color", "never", "--package", name]);
        command.arg("--target-dir").arg(&workspace.target).current_dir(&sources);
        without_warnings(&mut command)?;
        println!("{name}: its package compiles");
    }
    println!("the packages lie in {}", packages.display());
    Ok(())
}

/// Whether a folder is that of a package: its name and a version, which begins with a digit.
fn is_of(folder: &str, name: &str) -> bool {
    let version = folder.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

/// A workspace of unpacked packages by name and folder, which stand for themselves where others ask the registry for them. The
/// profiles are those of the workspace that they come from, but for packages that are not there, so that what was checked for it
/// serves here.
fn manifest(members: &[(&str, &str)], original: &str) -> String {
    let folders: Vec<_> = members.iter().map(|(_, folder)| folder).collect();
    let mut text = format!("[workspace]\nresolver = \"3\"\nmembers = {folders:?}\n\n[patch.crates-io]\n");
    for (name, folder) in members {
        text += &format!("{name} = {{ path = {folder:?} }}\n");
    }
    let is_here = |name: &str| name == "*" || members.iter().any(|(member, _)| *member == name);
    let is_profile = |line: &str| match line.strip_prefix("[profile.dev") {
        Some("]") => true,
        Some(rest) => {
            let name = rest.strip_prefix(".package.").and_then(|name| name.strip_suffix(']'));
            name.is_some_and(|name| is_here(name.trim_matches('"')))
        }
        None => false,
    };
    for paragraph in original.split("\n\n").filter(|paragraph| paragraph.lines().any(is_profile)) {
        text += &format!("\n{}\n", paragraph.trim_end());
    }
    text
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
        let members = [("spikegrad", "spikegrad-0.1.0-rc.1"), ("spikegrad-models", "spikegrad-models-0.1.0")];
        let original = "[profile.dev]\nopt-level = 2\n\n# Others.\n[profile.dev.package.\"*\"]\nopt-level = 1\n\n\
                        [profile.dev.package.spikegrad-reproduce]\nopt-level = 1\n\n\
                        [profile.dev.package.spikegrad]\nopt-level = 1\n\n[profile.release]\nlto = true\n";
        let text = manifest(&members, original);
        assert!(text.contains("members = [\"spikegrad-0.1.0-rc.1\", \"spikegrad-models-0.1.0\"]"), "{text}");
        assert!(text.contains("\nspikegrad-models = { path = \"spikegrad-models-0.1.0\" }\n"), "{text}");
        assert!(text.contains("\nspikegrad = { path = \"spikegrad-0.1.0-rc.1\" }\n"), "{text}");
        assert!(text.contains("\n[profile.dev]\nopt-level = 2\n"), "{text}");
        assert!(text.contains("\n[profile.dev.package.\"*\"]\nopt-level = 1\n"), "{text}");
        assert!(text.ends_with("\n[profile.dev.package.spikegrad]\nopt-level = 1\n"), "{text}");
        assert!(!text.contains("reproduce") && !text.contains("release"), "{text}");
        assert!(is_of("spikegrad-0.1.0-rc.1", "spikegrad") && !is_of("spikegrad-models-0.1.0", "spikegrad"));
    }
}
