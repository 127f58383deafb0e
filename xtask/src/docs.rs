//! `docs`: whatever the documentation and the sources cite must exist, so that neither drifts away from the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::book;
use crate::cargo::{Outcome, root};
use crate::{figures, scan};

const ARCHITECTURE: &str = "docs/architecture.md";
const EQUATIONS: &str = "docs/equations.md";
const EXPERIMENTS: &str = "crates/reproduce/src/experiments/mod.rs";

/// Checks the architecture page, the equation numbers, links, blocks of code and figures of the reproduction, and that no file names a
/// path of one machine.
pub(crate) fn run() -> Outcome {
    let root = root();
    let files = files(&root)?;
    let text_of = |name: &str| std::fs::read_to_string(root.join(name));
    let mut found = Vec::new();

    match text_of(ARCHITECTURE) {
        Ok(page) => {
            let sources = files.iter().filter(|name| name.ends_with(".rs"));
            let functions: BTreeSet<String> = sources
                .filter_map(|name| text_of(name).ok())
                .flat_map(|text| scan::functions(&text))
                .collect();
            for (line, path) in scan::paths(&page) {
                if !root.join(&path).exists() {
                    found.push(format!(
                        "{ARCHITECTURE}:{line}: no such path: {path} (write paths out in full)"
                    ));
                }
            }
            for name in
                files.iter().filter(|name| has_a_place_on_the_page(name) && !page.contains(name.as_str()))
            {
                found.push(format!("{ARCHITECTURE}: {name} is in no table: say what it holds"));
            }
            for (line, name) in scan::tests(&page) {
                if !functions.contains(&name) {
                    found.push(format!(
                        "{ARCHITECTURE}:{line}: no such test: `fn {name}` is in no source file"
                    ));
                }
            }
        }
        Err(error) => found.push(format!("{ARCHITECTURE}: {error}")),
    }

    match text_of(EQUATIONS) {
        Ok(page) => {
            let numbers = scan::anchors(&page);
            for number in numbers.iter().collect::<BTreeSet<_>>() {
                if numbers.iter().filter(|other| *other == number).count() > 1 {
                    found.push(format!("{EQUATIONS}: equation ({number}) is there twice"));
                }
            }
            // The tests of this program cite equations that do not exist, on purpose.
            let citing = |name: &&String| {
                (name.ends_with(".rs") || name.ends_with(".md")) && !name.starts_with("xtask/")
            };
            for name in files.iter().filter(citing) {
                let Ok(text) = text_of(name) else { continue };
                for (line, number) in scan::equations(&text) {
                    if !numbers.contains(&number) {
                        found.push(format!("{name}:{line}: equation ({number}) is not in {EQUATIONS}"));
                    }
                }
            }
        }
        Err(error) => found.push(format!("{EQUATIONS}: {error}")),
    }

    let mut known = figures::Known::default();
    match text_of(EXPERIMENTS) {
        Ok(source) => known.experiments = figures::experiments(&source),
        Err(error) => found.push(format!("{EXPERIMENTS}: {error}")),
    }
    for file in files.iter().filter(|name| name.ends_with(".json")) {
        let Some(name) = file.strip_prefix(figures::FOLDER).and_then(|file| file.strip_prefix('/')) else {
            continue;
        };
        let name = name.trim_end_matches(".json");
        let run = text_of(file).map_err(|error| error.to_string());
        match run.and_then(|text| figures::Run::read(name, &text)) {
            Ok(run) => _ = known.runs.insert(name.to_owned(), run),
            Err(error) => found.push(format!("{file}: {error}")),
        }
    }
    let mut quoted = BTreeSet::new();

    for name in files.iter().filter(|name| name.ends_with(".md")) {
        let Ok(page) = text_of(name) else { continue };
        found.extend(figures::check(name, &page, &known));
        quoted.extend(figures::quoted(&page, &known));
        // What the changelog names was there once.
        for (line, path) in scan::paths(&page) {
            let is_source = path.starts_with("crates/") && name != "CHANGELOG.md" && name != ARCHITECTURE;
            if is_source && !root.join(&path).exists() {
                found.push(format!("{name}:{line}: no such path: {path}"));
            }
        }
        found.extend(links(&root, name, &page));
        if let Err(errors) = book::typeset(&page) {
            found.extend(errors.into_iter().map(|(line, message)| format!("{name}:{line}: {message}")));
        }
        for snippet in scan::snippets(&page) {
            let at = format!("{name}:{}", snippet.line);
            match &snippet.source {
                // Rustdoc compiles the pages of the crates.
                None if name.starts_with("crates/") => {}
                None => found.push(format!(
                    "{at}: nothing compiles this block of Rust: take it from an example and put `<!-- code: PATH#REGION \
                     -->` on the line before"
                )),
                Some((path, region)) => {
                    let text = text_of(path).unwrap_or_default();
                    let code = region.as_ref().map_or(Some(text.clone()), |region| scan::region(&text, region));
                    match (code, region) {
                        (Some(code), _) if code == snippet.code => {}
                        (Some(_), _) => found.push(format!("{at}: this block is not what {path} has: copy it anew")),
                        (None, region) => found.push(format!(
                            "{at}: {path} has no region `{}`",
                            region.as_deref().unwrap_or_default()
                        )),
                    }
                }
            }
        }
    }

    for name in known.runs.keys().filter(|name| !quoted.contains(*name)) {
        found.push(format!("{}/{name}.json: no page quotes this run: delete the file", figures::FOLDER));
    }

    let pages = |name: &&str| name.starts_with(&format!("{}/", book::FOLDER)) && name.ends_with(".md");
    let pages: Vec<&str> = files.iter().map(String::as_str).filter(pages).collect();
    match text_of(&format!("{}/SUMMARY.md", book::FOLDER)) {
        Ok(summary) => found.extend(book::summary(&summary, &pages)),
        Err(error) => found.push(format!("{}/SUMMARY.md: {error}", book::FOLDER)),
    }

    for name in &files {
        let Ok(bytes) = std::fs::read(root.join(name)) else { continue };
        for (line, path) in scan::machine_paths(&bytes) {
            found.push(format!(
                "{name}:{line}: {path} is a path of one machine: use one relative to the project"
            ));
        }
    }

    if found.is_empty() {
        println!(
            "paths, links, places in pages, pages of the book, equations, test names, blocks of code, figures of {} runs: all there ({} \
             files read)",
            known.runs.len(),
            files.len()
        );
        return Ok(());
    }
    Err(format!("the documentation and the code disagree\n  {}", found.join("\n  ")))
}

/// Links of a page that lead nowhere: no such file, or no such place in it.
fn links(root: &Path, name: &str, page: &str) -> Vec<String> {
    let relative = scan::links(page).into_iter().map(|link| {
        let path = if link.path.is_empty() { name.to_owned() } else { book::resolve(name, &link.path) };
        scan::Link { path, ..link }
    });
    let links = relative.chain(scan::repository_links(page, book::REPOSITORY));
    let mut found = Vec::new();
    for scan::Link { line, path, anchor } in links {
        if !root.join(&path).exists() {
            found.push(format!("{name}:{line}: no such file: {path}"));
        } else if let Some(anchor) = anchor.filter(|_| path.ends_with(".md")) {
            let places = std::fs::read_to_string(root.join(&path)).map(|page| scan::places(&page));
            if !places.is_ok_and(|places| places.contains(&anchor)) {
                found.push(format!("{name}:{line}: {path} has no place `#{anchor}`"));
            }
        }
    }
    found
}

/// Whether the page of the architecture says what is in a file: in all sources of a library that is published, but for those that
/// only name others.
fn has_a_place_on_the_page(name: &str) -> bool {
    let Some((library, file)) = name.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/")) else {
        return false;
    };
    let is_told_elsewhere = file.ends_with("mod.rs") || file.ends_with("tests.rs") || file == "lib.rs";
    library != "reproduce" && file.ends_with(".rs") && !is_told_elsewhere
}

/// The files of the project, relative to its root and with forward slashes: what git tracks, or without git everything
/// that is neither hidden nor built.
fn files(root: &Path) -> Result<Vec<String>, String> {
    let git = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    if let Some(output) = git.ok().filter(|output| output.status.success()) {
        let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        return Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect());
    }
    let mut names = Vec::new();
    walk(root, PathBuf::new(), &mut names).map_err(|error| format!("cannot list the files: {error}"))?;
    Ok(names)
}

fn walk(root: &Path, folder: PathBuf, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(&folder))? {
        let entry = entry?;
        let name = entry.file_name();
        let path = folder.join(&name);
        if entry.file_type()?.is_dir() {
            if name != "target" && name != ".git" {
                walk(root, path, names)?;
            }
        } else {
            names.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_libraries_have_a_place_on_the_page() {
        assert!(has_a_place_on_the_page("crates/network/src/schemes/run.rs"));
        for other in ["crates/network/src/lib.rs", "crates/network/src/schemes/mod.rs", "xtask/src/docs.rs"] {
            assert!(!has_a_place_on_the_page(other), "{other}");
        }
    }

    #[test]
    fn files_have_forward_slashes_and_leave_builds_out() {
        let mut names = Vec::new();
        walk(&root().join("xtask"), PathBuf::new(), &mut names).unwrap();
        assert!(names.contains(&"src/docs.rs".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("target/")), "{names:?}");
        let tracked = files(&root()).unwrap();
        assert!(tracked.contains(&"xtask/src/main.rs".to_owned()), "{tracked:?}");
    }
}
