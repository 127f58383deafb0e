//! `ci`: every check that a change must pass, the quick ones first, stopping at the first failure.

use std::time::Instant;

use clap::ValueEnum;

use crate::cargo::{Outcome, cargo, run as spawn};
use crate::{docs, layers, metadata, package, python, reproduce, test};

/// One step. Clippy, rustdoc, the crates alone and packages share the checked dependencies, the reproduction what was built for the tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting
    Fmt,
    /// Links, places, pages of the book, equations, test names and code that pages cite
    Docs,
    /// Clippy on all targets, warnings denied
    Clippy,
    /// Documentation, warnings denied
    Rustdoc,
    /// Dependency edges
    Layers,
    /// Each crate built alone
    Alone,
    /// Packages of the published crates
    Package,
    /// All tests
    Test,
    /// The Python package, where there is a Python
    Python,
    /// All experiments in short
    Reproduce,
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, allow_dirty: bool) -> Outcome {
        match self {
            Step::Fmt => spawn(cargo("fmt").args(["--all", "--check"])),
            Step::Docs => docs::run(),
            Step::Clippy => {
                spawn(cargo("clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]))
            }
            Step::Rustdoc => {
                spawn(cargo("doc").args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
            }
            Step::Layers => layers::run(),
            Step::Alone => layers::alone(),
            Step::Package => package::run(allow_dirty),
            Step::Test => spawn(&mut test::command(&[])),
            Step::Python if python::interpreter().is_none() => {
                println!("skipped: there is no Python here, which only the Python package needs");
                Ok(())
            }
            Step::Python => python::run(&[], false),
            Step::Reproduce => {
                let out = metadata::read()?.target.join("ci").join("reproduce");
                let args = ["--quick".into(), "--out".into(), out.into_os_string()];
                // In the profile of the tests, which is optimised and checks for overflow: there is nothing left to build.
                spawn(&mut reproduce::with_tests("reproduce", &args)?)
            }
        }
    }
}

/// Runs the steps named, all if none is, in the order in which they are declared.
pub(crate) fn run(only: &[Step], allow_dirty: bool) -> Outcome {
    let chosen = |step: &Step| only.is_empty() || only.contains(step);
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(chosen).collect();
    let flag = if allow_dirty { " --allow-dirty" } else { "" };
    let mut table = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let name = step.name();
        println!("\n=== {}/{} {name}", index + 1, steps.len());
        let start = Instant::now();
        let outcome = step.run(allow_dirty);
        let seconds = start.elapsed().as_secs_f64();
        outcome.map_err(|message| {
            format!(
                "{message}\n\n=== {name}: failed after {seconds:.1} s; alone: cargo xtask ci {name}{flag}"
            )
        })?;
        println!("=== {name}: passed in {seconds:.1} s");
        table.push((name, seconds));
    }
    let total = table.iter().map(|(_, seconds)| seconds).sum();
    table.push(("total".to_owned(), total));
    println!("\n{:<10} {:>8}", "step", "seconds");
    for (name, seconds) in table {
        println!("{name:<10} {seconds:>8.1}");
    }
    Ok(())
}
