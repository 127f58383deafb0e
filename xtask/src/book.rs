//! `book`: the pages of `docs/` as a book. mdBook lays it out; what it lacks is done here to each page on its way: equations become
//! MathML, which browsers draw without a script or a font from elsewhere, and links out of `docs/` lead to the repository.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Component, Path};
use std::process::Command;

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Parser, Storage, push_mathml};
use serde_json::Value;

use crate::cargo::{self, Outcome, root};

/// The folder of the book.
pub(crate) const FOLDER: &str = "docs";
/// Where sources are shown.
pub(crate) const REPOSITORY: &str = "https://github.com/spikegrad/spikegrad";

/// `book` builds into `target/book`, with further arguments of `mdbook build`; `book preprocess` is what mdBook calls.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    match args {
        [word] if word == "preprocess" => preprocess(),
        // mdBook asks whether the pages of a renderer are wanted here.
        [word, ..] if word == "preprocess" => Ok(()),
        _ => build(args),
    }
}

fn build(args: &[OsString]) -> Outcome {
    let missing = || {
        "mdbook is not installed; install it by `cargo install mdbook --locked --no-default-features --features search` (two \
         minutes), and run this again. `cargo xtask docs` checks the pages without it"
            .to_owned()
    };
    if !Command::new("mdbook").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Err(missing());
    }
    let mut command = Command::new("mdbook");
    command.arg("build").arg(FOLDER).args(args).current_dir(root());
    cargo::run(&mut command)?;
    println!("target/book/index.html");
    Ok(())
}

/// Reads the book as mdBook hands it over, `[context, book]` in JSON, and writes the changed book.
fn preprocess() -> Outcome {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| format!("no book to read: {error}"))?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| format!("not a book: {error}"))?;
    let mut book =
        value.get_mut(1).map(Value::take).ok_or("not a book: there is nothing behind its context")?;
    let mut found = Vec::new();
    change(&mut book, &mut found);
    if !found.is_empty() {
        return Err(found.join("\n"));
    }
    println!("{book}");
    Ok(())
}

/// Changes the content of every chapter, wherever it lies in the book.
fn change(value: &mut Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, found)),
        Value::Object(fields) => {
            let path = fields.get("source_path").and_then(Value::as_str).map(str::to_owned);
            if let (Some(path), Some(content)) = (path, fields.get_mut("content"))
                && let Some(page) = content.as_str()
            {
                let at = format!("{FOLDER}/{path}");
                match typeset(page) {
                    Ok(page) => *content = Value::String(outward_links(&page, &at)),
                    Err(errors) => found
                        .extend(errors.into_iter().map(|(line, message)| format!("{at}:{line}: {message}"))),
                }
            }
            fields.values_mut().for_each(|field| change(field, found));
        }
        _ => {}
    }
}

/// A page with its equations as MathML: blocks that are fenced as `math`, and what stands between dollar signs outside of code.
/// What is no equation is told with its line.
pub(crate) fn typeset(page: &str) -> Result<String, Vec<(usize, String)>> {
    let (mut out, mut errors) = (String::new(), Vec::new());
    let mut lines = page.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let fence = line.trim_start();
        if fence.starts_with("```") {
            let inside: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| !line.trim_start().starts_with("```"))
                .collect();
            if fence.trim_end() == "```math" {
                match mathml(&inside.join("\n"), DisplayMode::Block) {
                    Ok(math) => out.push_str(&format!("<div class=\"equation\">{math}</div>\n")),
                    Err(error) => errors.push((index + 1, error)),
                }
            } else {
                for line in [line].into_iter().chain(inside).chain(["```"]) {
                    out.push_str(line);
                    out.push('\n');
                }
            }
            continue;
        }
        // An equation may go on in the next line of its paragraph.
        let mut paragraph = line.to_owned();
        while dollars(&paragraph) % 2 == 1
            && lines
                .peek()
                .is_some_and(|(_, next)| !next.trim().is_empty() && !next.trim_start().starts_with("```"))
        {
            if let Some((_, next)) = lines.next() {
                paragraph.push('\n');
                paragraph.push_str(next);
            }
        }
        inline(&paragraph, index + 1, &mut out, &mut errors);
        out.push('\n');
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// How many dollar signs stand outside of code.
fn dollars(text: &str) -> usize {
    text.split('`').step_by(2).map(|plain| plain.matches('$').count()).sum()
}

fn inline(text: &str, line: usize, out: &mut String, errors: &mut Vec<(usize, String)>) {
    for (number, part) in text.split('`').enumerate() {
        if number > 0 {
            out.push('`');
        }
        if number % 2 == 1 || dollars(part) % 2 == 1 {
            out.push_str(part);
            continue;
        }
        for (number, piece) in part.split('$').enumerate() {
            if number % 2 == 0 {
                out.push_str(piece);
                continue;
            }
            match mathml(piece, DisplayMode::Inline) {
                Ok(math) => out.push_str(&math),
                Err(error) => errors.push((line, error)),
            }
        }
    }
}

/// An equation as one line of MathML in which Markdown finds nothing to change.
fn mathml(latex: &str, display_mode: DisplayMode) -> Result<String, String> {
    let storage = Storage::new();
    if let Some(error) = Parser::new(latex, &storage).find_map(Result::err) {
        let message = error.to_string();
        return Err(format!("`{latex}` is no equation: {}", message.lines().next().unwrap_or_default()));
    }
    let storage = Storage::new();
    let mut math = String::new();
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    push_mathml(&mut math, Parser::new(latex, &storage), config).map_err(|error| error.to_string())?;
    // The names of spaces come escaped, and would be shown as letters.
    let math = math.replace("&amp;nbsp;", "\u{a0}").replace("&nbsp;", "\u{a0}");
    // Two signs that are one.
    let math = math.replace("<mo>+</mo><mo>=</mo>", "<mo>+=</mo>");
    let math = math.replace("<mo>-</mo><mo>=</mo>", "<mo>\u{2212}=</mo>");
    let (mut out, mut in_tag) = (String::new(), false);
    let mut characters = math.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            // The signs of an equation are written as they are: only what a name or a slash follows is a tag.
            '<' if characters.peek().is_some_and(|next| next.is_ascii_alphabetic() || *next == '/') => {
                in_tag = true
            }
            '>' if in_tag => in_tag = false,
            '<' | '>' => {
                out.push_str(if c == '<' { "&lt;" } else { "&gt;" });
                continue;
            }
            '\n' => continue,
            '*' | '_' | '|' | '`' | '[' | ']' | '\\' | '~' | '!' if !in_tag => {
                out.push_str(&format!("&#{};", u32::from(c)));
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    Ok(out)
}

/// A page whose links out of the book lead to the repository. `at` is the page's own path.
fn outward_links(page: &str, at: &str) -> String {
    let mut parts = page.split("](");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("](");
        let end = part.find([')', ' ']).unwrap_or(part.len());
        let (target, rest) = part.split_at(end);
        match outward(target, at) {
            Some(address) => out.push_str(&address),
            None => out.push_str(target),
        }
        out.push_str(rest);
    }
    out
}

/// The address in the repository of what a relative link leads to, if that is no part of the book.
fn outward(target: &str, at: &str) -> Option<String> {
    if target.contains(':') || target.starts_with('#') {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = resolve(at, path);
    if path.starts_with(&format!("{FOLDER}/")) {
        return None;
    }
    let kind = if root().join(&path).is_dir() { "tree" } else { "blob" };
    let anchor = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
    Some(format!("{REPOSITORY}/{kind}/main/{path}{anchor}"))
}

/// The path from the root of the project of a link on the page `at`.
pub(crate) fn resolve(at: &str, link: &str) -> String {
    let folder = Path::new(at).parent().unwrap_or_else(|| Path::new(""));
    let mut parts: Vec<String> = Vec::new();
    for component in folder.join(link).components() {
        match component {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

/// What is wrong with the list of pages: a page that is not in it, one that is in it twice, an entry without a page.
pub(crate) fn summary(summary: &str, pages: &[&str]) -> Vec<String> {
    let at = format!("{FOLDER}/SUMMARY.md");
    let entries: Vec<(usize, String)> =
        crate::scan::links(summary).into_iter().map(|link| (link.line, resolve(&at, &link.path))).collect();
    let mut found = Vec::new();
    for (number, (line, entry)) in entries.iter().enumerate() {
        if !pages.contains(&entry.as_str()) {
            found.push(format!("{at}:{line}: no such page: {entry}"));
        }
        if entries[..number].iter().any(|(_, other)| other == entry) {
            found.push(format!("{at}:{line}: {entry} is in the book twice"));
        }
    }
    let in_book = |page: &&&str| entries.iter().any(|(_, entry)| entry == **page);
    let missing = pages.iter().filter(|page| ***page != at && !in_book(page));
    found.extend(
        missing.map(|page| format!("{page}: is not in {at}: add a line where a reader looks for it")),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_become_mathml_and_code_stays() {
        let page = "The trace $s_k$ of `$x`.\n\n```math\na^2 + b \\le c\n```\n\n```sh\necho $HOME $x\n```\n";
        let out = typeset(page).unwrap();
        assert!(out.starts_with("The trace <math") && out.contains("</math> of `$x`."), "{out}");
        assert!(out.contains("<div class=\"equation\"><math display=\"block\""), "{out}");
        assert!(out.contains("```sh\necho $HOME $x\n```\n") && !out.contains("\\le"), "{out}");
    }

    #[test]
    fn an_equation_may_cross_a_line_and_stands_in_a_table() {
        let out = typeset("so $a\n+ b$ is\n| $|x|$ | y |\n").unwrap();
        assert_eq!(out.matches("<math").count(), 2, "{out}");
        // The bars of the cell and none of the equation's.
        assert_eq!(out.lines().last().unwrap().matches('|').count(), 3, "{out}");
    }

    #[test]
    fn signs_are_no_tags() {
        let out = typeset("$a \\lt b < c > d$").unwrap();
        assert_eq!(
            (out.matches("<mo>&lt;</mo>").count(), out.matches("<mo>&gt;</mo>").count()),
            (2, 1),
            "{out}"
        );
    }

    #[test]
    fn signs_of_addition_in_place_are_one() {
        let out = typeset("$a \\mathrel{+}= b$, $a \\mathrel{-}= b$, $a = b + c$").unwrap();
        for (sign, times) in [("+=", 1), ("\u{2212}=", 1), ("=", 1), ("+", 1), ("-", 0)] {
            assert_eq!(out.matches(&format!("<mo>{sign}</mo>")).count(), times, "{sign}\n{out}");
        }
    }

    #[test]
    fn spaces_are_written_out() {
        let out = typeset("$a ,\\ b$ and $\\sum_{k\\ \\text{currents}} c$").unwrap();
        assert!(out.matches('\u{a0}').count() == 2 && !out.contains("nbsp"), "{out}");
    }

    #[test]
    fn what_is_no_equation_is_told_with_its_line() {
        let errors = typeset("a\n$x$ and $\\frac{1}{$\n").unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].0, 2);
    }

    #[test]
    fn links_out_of_the_book_lead_to_the_repository() {
        let page = "[a](../equations.md#eq1) [b](../../crates/models/src/lib.rs#L1) [c](#d) [e](https://x.org) \
                    [f](../../crates/models)";
        let out = outward_links(page, "docs/how-to/a.md");
        let expected = format!(
            "[a](../equations.md#eq1) [b]({REPOSITORY}/blob/main/crates/models/src/lib.rs#L1) [c](#d) [e](https://x.org) \
             [f]({REPOSITORY}/tree/main/crates/models)"
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn a_book_of_either_form_is_changed_in_every_chapter() {
        let text = r#"{"items":[{"Chapter":{"content":"$x$","source_path":"a.md","sub_items":
            [{"Chapter":{"content":"[l](../b.rs)","source_path":"t/c.md","sub_items":[]}}]}},"Separator"]}"#;
        let mut book: Value = serde_json::from_str(text).unwrap();
        let mut found = Vec::new();
        change(&mut book, &mut found);
        assert!(found.is_empty(), "{found:?}");
        let chapter = &book["items"][0]["Chapter"];
        assert!(chapter["content"].as_str().unwrap().contains("<math"));
        // One folder up from docs/t is still in the book.
        assert_eq!(chapter["sub_items"][0]["Chapter"]["content"], "[l](../b.rs)\n");
    }

    #[test]
    fn pages_and_their_list_are_the_same() {
        let list = "- [A](a.md)\n- [B](t/b.md)\n- [A](a.md)\n- [C](c.md)\n";
        let found = summary(list, &["docs/a.md", "docs/t/b.md", "docs/d.md", "docs/SUMMARY.md"]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains(":3: docs/a.md is in the book twice"));
        assert!(found[1].contains("no such page: docs/c.md"));
        assert!(found[2].starts_with("docs/d.md: is not in"));
    }
}
