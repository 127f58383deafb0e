//! The part of `cargo metadata` that the checks read.

use std::path::PathBuf;

use serde_json::Value;

use crate::cargo;

/// A workspace as `cargo metadata --no-deps` describes it.
pub(crate) struct Workspace {
    /// The members.
    pub(crate) packages: Vec<Package>,
    /// Where builds go.
    pub(crate) target: PathBuf,
}

/// A member of the workspace.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Whether it has a library.
    pub(crate) library: bool,
    /// Whether it may be published.
    pub(crate) published: bool,
    /// What it depends on, whether optional, for one target only, renamed, or not.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency as the manifest declares it.
pub(crate) struct Dependency {
    /// The name of the package that it is, not the one that the code calls it by.
    pub(crate) name: String,
    /// The table of the manifest that declares it: `dependencies`, `dev-dependencies` or `build-dependencies`.
    pub(crate) table: &'static str,
}

/// Asks cargo for the workspace.
pub(crate) fn read() -> Result<Workspace, String> {
    let mut command = cargo::cargo("metadata");
    command.args(["--no-deps", "--format-version", "1"]);
    let output = command.output().map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    parse(&output.stdout)
}

/// Reads the JSON that `cargo metadata --no-deps` prints.
pub(crate) fn parse(json: &[u8]) -> Result<Workspace, String> {
    let unreadable = |what: &str| format!("`cargo metadata` printed something else than expected: {what}");
    let value: Value = serde_json::from_slice(json).map_err(|error| unreadable(&error.to_string()))?;
    let packages = value["packages"].as_array().ok_or_else(|| unreadable("no packages"))?;
    let packages = packages.iter().map(package).collect::<Option<_>>();
    Ok(Workspace {
        packages: packages.ok_or_else(|| unreadable("a package without a name or dependencies"))?,
        target: value["target_directory"].as_str().unwrap_or("target").into(),
    })
}

fn package(value: &Value) -> Option<Package> {
    let kinds =
        value["targets"].as_array().into_iter().flatten().filter_map(|target| target["kind"].as_array());
    Some(Package {
        name: value["name"].as_str()?.to_owned(),
        library: kinds.flatten().any(|kind| kind == "lib"),
        published: value["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
        dependencies: value["dependencies"].as_array()?.iter().map(dependency).collect::<Option<_>>()?,
    })
}

fn dependency(value: &Value) -> Option<Dependency> {
    let table = match value["kind"].as_str() {
        None => "dependencies",
        Some("dev") => "dev-dependencies",
        Some("build") => "build-dependencies",
        Some(_) => return None,
    };
    Some(Dependency { name: value["name"].as_str()?.to_owned(), table })
}
