//! `layers`: which crate may depend on which; `alone`: whether each can be built alone.
//!
//! Code that two layers share moves down a layer; it never turns an edge round. That is what keeps `spikegrad-models` and
//! `spikegrad-integrators` usable by themselves.

use crate::cargo::{Outcome, cargo, run as spawn};
use crate::metadata::{self, Package};

/// Every package of the workspace, and the packages of the workspace that it may depend on, be it for the library, the
/// tests or the build script.
const ALLOWED: &[(&str, &[&str])] = &[
    ("spikegrad-models", &[]),
    ("spikegrad-integrators", &[]),
    ("spikegrad-data", &[]),
    ("spikegrad-report", &[]),
    ("spikegrad-adjoint", &["spikegrad-integrators"]),
    ("spikegrad-training", &["spikegrad-adjoint", "spikegrad-integrators"]),
    ("spikegrad-network", &["spikegrad-models", "spikegrad-integrators"]),
    ("spikegrad-nir", &["spikegrad-models", "spikegrad-network"]),
    (
        "spikegrad-tasks",
        &[
            "spikegrad-network",
            "spikegrad-training",
            "spikegrad-adjoint",
            "spikegrad-models",
            "spikegrad-integrators",
            "spikegrad-data",
        ],
    ),
    (
        "spikegrad",
        &[
            "spikegrad-models",
            "spikegrad-integrators",
            "spikegrad-adjoint",
            "spikegrad-network",
            "spikegrad-training",
            "spikegrad-tasks",
            "spikegrad-data",
        ],
    ),
    ("spikegrad-cli", &["spikegrad", "spikegrad-data", "spikegrad-nir", "spikegrad-report"]),
    ("spikegrad-python", &["spikegrad", "spikegrad-nir"]),
    // The report of the benches runs on the problems of the benches.
    ("spikegrad-reproduce", &["spikegrad", "spikegrad-report", "spikegrad-benches"]),
    ("spikegrad-benches", &["spikegrad"]),
    ("xtask", &[]),
];

/// Checks the edges.
pub(crate) fn run() -> Outcome {
    let violations = violations(&metadata::read()?.packages);
    if !violations.is_empty() {
        return Err(format!("the layers of the workspace are broken\n  {}", violations.join("\n  ")));
    }
    println!("dependency edges: as the table in xtask/src/layers.rs allows");
    Ok(())
}

/// Builds each library crate by itself: in a build of the whole workspace a crate may live on features that another one has asked for.
pub(crate) fn alone() -> Outcome {
    for package in metadata::read()?.packages.iter().filter(|package| package.library && package.published) {
        for features in [&[][..], &["--no-default-features"], &["--all-features"]] {
            spawn(cargo("check").args(["--quiet", "--package", &package.name]).args(features))?;
        }
        println!("{}: builds alone", package.name);
    }
    Ok(())
}

/// Everything that contradicts [`ALLOWED`], each with the place to look at.
fn violations(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            found.push(format!(
                "{} is not in the table: add it to ALLOWED in xtask/src/layers.rs and to docs/architecture.md",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let member = packages.iter().any(|other| other.name == dependency.name);
            if member && !allowed.contains(&dependency.name.as_str()) {
                found.push(format!(
                    "{} -> {} is not allowed: take it out of [{}] in the Cargo.toml of {}; if the design is to change, \
                     change ALLOWED in xtask/src/layers.rs and docs/architecture.md first",
                    package.name, dependency.name, dependency.table, package.name
                ));
            }
        }
    }
    for (name, _) in ALLOWED {
        if !packages.iter().any(|package| package.name == *name) {
            found.push(format!(
                "{name} is in the table but not in the workspace: take it out of ALLOWED in xtask/src/layers.rs"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The workspace of the table, every allowed edge present, with some more edges: from, to, kind.
    fn workspace(more: &[(&str, &str, Option<&str>)]) -> Vec<Package> {
        let edge = |name: &str, kind: Option<&str>| json!({"name": name, "kind": kind, "optional": false});
        let packages: Vec<Value> = ALLOWED
            .iter()
            .map(|(name, allowed)| {
                let mut edges: Vec<Value> = allowed.iter().map(|to| edge(to, None)).collect();
                edges.push(edge("serde", None));
                edges.extend(
                    more.iter().filter(|(from, ..)| from == name).map(|(_, to, kind)| edge(to, *kind)),
                );
                json!({"name": name, "targets": [{"kind": ["lib"]}], "publish": null, "dependencies": edges})
            })
            .collect();
        let json = json!({"packages": packages, "target_directory": "target"}).to_string();
        metadata::parse(json.as_bytes()).unwrap().packages
    }

    /// One edge too many is one violation, which names both ends and the table of the manifest.
    fn check_caught(from: &str, to: &str, kind: Option<&str>, table: &str) {
        let found = violations(&workspace(&[(from, to, kind)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!("{from} -> {to} ")), "{found:?}");
        assert!(found[0].contains(&format!("[{table}]")), "{found:?}");
    }

    #[test]
    fn allowed_edges_and_foreign_crates_pass() {
        assert!(violations(&workspace(&[])).is_empty());
        assert!(violations(&workspace(&[("spikegrad-network", "spikegrad-models", Some("dev"))])).is_empty());
    }

    #[test]
    fn forbidden_normal_edge_is_caught() {
        check_caught("spikegrad-models", "spikegrad-integrators", None, "dependencies");
        check_caught("spikegrad-integrators", "spikegrad-models", None, "dependencies");
        check_caught("spikegrad-adjoint", "spikegrad-network", None, "dependencies");
        check_caught("spikegrad-reproduce", "spikegrad-network", None, "dependencies");
        check_caught("spikegrad-report", "spikegrad-models", None, "dependencies");
        check_caught("xtask", "spikegrad", None, "dependencies");
    }

    #[test]
    fn forbidden_dev_edge_is_caught() {
        check_caught("spikegrad-integrators", "spikegrad-models", Some("dev"), "dev-dependencies");
        check_caught("spikegrad-adjoint", "spikegrad-models", Some("dev"), "dev-dependencies");
        check_caught("spikegrad-benches", "spikegrad-tasks", Some("dev"), "dev-dependencies");
    }

    #[test]
    fn forbidden_build_edge_is_caught() {
        check_caught("spikegrad-tasks", "spikegrad", Some("build"), "build-dependencies");
    }

    #[test]
    fn packages_and_table_must_match() {
        let mut packages = workspace(&[]);
        packages[0].name = "spikegrad-newcomer".to_owned();
        let found = violations(&packages);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("spikegrad-newcomer is not in the table"), "{found:?}");
        assert!(
            found[1].starts_with("spikegrad-models is in the table but not in the workspace"),
            "{found:?}"
        );
    }

    #[test]
    fn unpublished_packages_are_recognised() {
        let json = br#"{"packages": [{"name": "a", "publish": [], "targets": [{"kind": ["bin"]}], "dependencies": []}]}"#;
        let package = &metadata::parse(json).unwrap().packages[0];
        assert!(!package.published && !package.library);
    }
}
