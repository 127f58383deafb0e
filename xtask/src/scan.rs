//! The scanners of `docs`: plain functions from a text to what it cites, each with the line where it does.

/// Folders of the project that a page may point into.
const FOLDERS: [&str; 4] = ["crates/", "docs/", "xtask/", "benches/"];

/// Top-level directories in which people and programs keep checkouts and scratch files.
const MACHINE: [&str; 10] = ["Users", "farm", "home", "mnt", "opt", "root", "srv", "tmp", "var", "work"];

/// Paths into the project that a page mentions, links included.
pub(crate) fn paths(page: &str) -> Vec<(usize, String)> {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || "_-./{}*".contains(c));
    let mut found = Vec::new();
    for (index, line) in page.lines().enumerate() {
        for mut word in line.split(outside) {
            while let Some(rest) = word.strip_prefix("../").or_else(|| word.strip_prefix("./")) {
                word = rest;
            }
            let path = word.trim_end_matches('.');
            if FOLDERS.iter().any(|folder| path.starts_with(folder)) {
                found.push((index + 1, path.to_owned()));
            }
        }
    }
    found
}

/// Names of tests that a page mentions as `` `test: name` ``, several separated by commas, modules left out.
pub(crate) fn tests(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (start, opening) in page.match_indices("`test:") {
        let line = page[..start].matches('\n').count() + 1;
        let names = page[start + opening.len()..].split('`').next().unwrap_or_default();
        for name in names.split(',') {
            let name = name.trim().rsplit("::").next().unwrap_or_default();
            found.push((line, name.to_owned()));
        }
    }
    found
}

/// Names of the functions that a source file defines.
pub(crate) fn functions(source: &str) -> Vec<String> {
    let identifier = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (start, keyword) in source.match_indices("fn ") {
        let name: String = source[start + keyword.len()..].chars().take_while(|c| identifier(*c)).collect();
        if !name.is_empty() && !source[..start].ends_with(identifier) {
            found.push(name);
        }
    }
    found
}

/// Numbers of the equations on the page of equations, where one looks like `<a id="eq12"></a>**(12)**`.
pub(crate) fn anchors(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in page.split("<a id=\"eq").skip(1) {
        if let Some((number, rest)) = part.split_once("\"></a>")
            && rest.starts_with(&format!("**({number})**"))
        {
            found.push(number.to_owned());
        }
    }
    found
}

/// Numbers of equations that a text cites: `equation (3)`, `equations (3), (4) and (5)`, `eq. (3)`, also across the lines
/// of a comment, and links to `equations.md#eq3`.
pub(crate) fn equations(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start().trim_start_matches(['/', '!']);
        words.extend(line.split_whitespace().map(|word| (index + 1, word)));
        for link in line.split("equations.md#eq").skip(1) {
            let number = link.chars().take_while(char::is_ascii_alphanumeric).collect();
            found.push((index + 1, number));
        }
    }
    for (at, (_, word)) in words.iter().enumerate() {
        let word = word.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if !["equation", "equations", "eq.", "eqs.", "eq", "eqs"].contains(&word.as_str()) {
            continue;
        }
        let mut rest = words[at + 1..].iter().peekable();
        while let Some((line, word)) = rest.next() {
            let (numbers, comma) = numbers(word);
            let any = !numbers.is_empty();
            found.extend(numbers.into_iter().map(|number| (*line, number)));
            let joined = rest.next_if(|(_, next)| ["and", "or", "to", "&", "-"].contains(next)).is_some();
            if !(any && (comma || joined)) {
                break;
            }
        }
    }
    found
}

/// The numbers at the head of a word like `(3)`, `(3),` or `(3)-(5).`, and whether a comma after them continues the list.
fn numbers(word: &str) -> (Vec<String>, bool) {
    let mut found = Vec::new();
    let mut rest = word;
    while let Some((number, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
        let digits = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        found.push(number.to_owned());
        rest = after;
        if let Some(next) = after.strip_prefix([',', '-', '/', '\u{2013}'])
            && next.starts_with('(')
        {
            rest = next;
        }
    }
    (found, rest == ",")
}

/// A block of code on a page, with the source that it must be equal to: the whole file, or a region of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// Line of the block's opening fence.
    pub(crate) line: usize,
    /// What the line before it says, `<!-- code: PATH -->` or `<!-- code: PATH#REGION -->`.
    pub(crate) source: Option<(String, Option<String>)>,
    /// The block.
    pub(crate) code: String,
}

/// The blocks of Rust on a page.
pub(crate) fn snippets(page: &str) -> Vec<Snippet> {
    let mut found = Vec::new();
    let (mut before, mut lines) = ("", page.lines().enumerate());
    while let Some((index, line)) = lines.next() {
        if line.trim() == "```rust" {
            let code = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
            let code = code.flat_map(|line| [line, "\n"]).collect();
            let marker = before.trim().strip_prefix("<!-- code: ").and_then(|rest| rest.strip_suffix(" -->"));
            let source = marker.map(|marker| match marker.split_once('#') {
                Some((path, region)) => (path.to_owned(), Some(region.to_owned())),
                None => (marker.to_owned(), None),
            });
            found.push(Snippet { line: index + 1, source, code });
        }
        before = line;
    }
    found
}

/// What lies between the comments `region: NAME` and `endregion` of a source or a page, without its indentation, without
/// fences, and without blank lines at the ends.
pub(crate) fn region(source: &str, name: &str) -> Option<String> {
    let comment = |line: &str| {
        let line = line.trim();
        let rest = line.strip_prefix("//").or_else(|| line.strip_prefix("<!--"))?;
        Some(rest.trim_end_matches("-->").trim().to_owned())
    };
    let opening = format!("region: {name}");
    let mut lines = source.lines().skip_while(|line| comment(line).as_ref() != Some(&opening));
    lines.next()?;
    let inside: Vec<&str> = lines
        .take_while(|line| comment(line).is_none_or(|comment| comment != "endregion"))
        .filter(|line| !line.trim_start().starts_with("```"))
        .collect();
    let blank = |line: &&str| line.trim().is_empty();
    let indentation =
        inside.iter().filter(|line| !blank(line)).map(|line| line.len() - line.trim_start().len()).min()?;
    let start = inside.iter().position(|line| !blank(line))?;
    let end = inside.iter().rposition(|line| !blank(line))?;
    let outdented = inside[start..=end].iter().map(|line| line.get(indentation..).unwrap_or_default());
    Some(outdented.flat_map(|line| [line, "\n"]).collect())
}

/// A link of a page to a place in the project.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The line of the link, counted from 1.
    pub(crate) line: usize,
    /// The file relative to the page; empty for the page itself.
    pub(crate) path: String,
    /// The place in the file.
    pub(crate) anchor: Option<String>,
}

/// Links of a page to places in the project. Code is not searched.
pub(crate) fn links(page: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (line, text) in prose(page) {
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains(':') {
                continue;
            }
            let (path, anchor) = target.split_once('#').map_or((target, None), |(path, at)| (path, Some(at)));
            found.push(Link { line, path: path.to_owned(), anchor: anchor.map(str::to_owned) });
        }
    }
    found
}

/// What links into the repository by its address lead to: paths from the root of the project, and places in them.
pub(crate) fn repository_links(page: &str, repository: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (line, text) in prose(page) {
        for rest in text.split(&format!("{repository}/")).skip(1) {
            let target = rest.split([')', ' ', '"', '>', '`', ']']).next().unwrap_or_default();
            let path = ["blob/main/", "tree/main/"].iter().find_map(|kind| target.strip_prefix(kind));
            let Some(path) = path else { continue };
            let (path, anchor) = path.split_once('#').map_or((path, None), |(path, at)| (path, Some(at)));
            found.push(Link { line, path: path.to_owned(), anchor: anchor.map(str::to_owned) });
        }
    }
    found
}

/// The places of a page that a link may lead to: its headings, as GitHub and mdBook name them, and its own anchors.
pub(crate) fn places(page: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line) in prose(page) {
        for anchor in line.split("<a id=\"").skip(1) {
            found.extend(anchor.split('"').next().map(str::to_owned));
        }
        let heading = line.trim_start_matches('#');
        if heading.len() < line.len() && heading.starts_with(' ') {
            let slug: String = heading
                .trim()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
                    _ => None,
                })
                .collect();
            let same = found.iter().filter(|other| **other == slug).count();
            found.push(if same == 0 { slug } else { format!("{slug}-{same}") });
        }
    }
    found
}

/// The lines of a page that lie in no block of code, with their numbers.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    page.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!in_code && !fence).then_some((index + 1, line))
    })
}

/// Absolute paths of a developer's machine in a file, text or not.
pub(crate) fn machine_paths(bytes: &[u8]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut line = 1;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            line += 1;
        }
        // After any of these the slash is inside a path that is relative, or inside an address.
        let inside = |before: &u8| before.is_ascii_alphanumeric() || b"_-.~})]>*%$".contains(before);
        if *byte != b'/' || at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(inside) {
            continue;
        }
        let rest = &bytes[at + 1..];
        for name in MACHINE {
            if rest.starts_with(name.as_bytes()) && rest.get(name.len()) == Some(&b'/') {
                found.push((line, format!("/{name}/")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Vec<(usize, String)>, expected: &[(usize, &str)]) {
        let found: Vec<(usize, &str)> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_are_found_in_prose_code_and_links() {
        check(
            paths("The map.\nSee `crates/models/src/theta.rs`, or docs/equations.md."),
            &[(2, "crates/models/src/theta.rs"), (2, "docs/equations.md")],
        );
        check(
            paths("[x](../crates/models/src/lib.rs#L3) and xtask/src/"),
            &[(1, "crates/models/src/lib.rs"), (1, "xtask/src/")],
        );
    }

    #[test]
    fn addresses_and_other_folders_are_no_paths() {
        check(paths("https://example.org/docs/x, target/docs/x, docs.rs/spikegrad, crates"), &[]);
    }

    #[test]
    fn a_pattern_is_kept_and_will_not_exist() {
        check(paths("`crates/*/README.md`"), &[(1, "crates/*/README.md")]);
    }

    #[test]
    fn tests_are_found() {
        check(
            tests("a\nb `test: charge_is_one` c\n`test: gates::unit_integral, two`"),
            &[(2, "charge_is_one"), (3, "unit_integral"), (3, "two")],
        );
        check(tests("`test: first`"), &[(1, "first")]);
        check(tests("the test: not_code, and `tests: other`"), &[]);
    }

    #[test]
    fn functions_are_found() {
        assert_eq!(functions("fn a() {}\npub(crate) const fn b_2<T>() {}\n// xfn c() fn (\n"), ["a", "b_2"]);
    }

    #[test]
    fn anchors_need_their_visible_number() {
        let page = "<a id=\"eq1\"></a>**(1)** x\n<a id=\"eq2\"></a>**(3)** y\n<a id=\"eq12b\"></a>**(12b)**";
        assert_eq!(anchors(page), ["1", "12b"]);
    }

    #[test]
    fn single_equations_are_found() {
        check(
            equations("/// See equation (12).\n/// And (equation (3a)) or Eq. (4)!"),
            &[(1, "12"), (2, "3a"), (2, "4")],
        );
        check(equations("//! The split step, equation\n    //! (7), is exact"), &[(2, "7")]);
    }

    #[test]
    fn lists_of_equations_are_found() {
        check(equations("equations (1), (2) and (3), which (4)"), &[(1, "1"), (1, "2"), (1, "3")]);
        check(equations("equations (5)-(6) or (7)"), &[(1, "5"), (1, "6"), (1, "7")]);
        check(equations("equations (5),(6) to\n/// (8)."), &[(1, "5"), (1, "6"), (2, "8")]);
    }

    #[test]
    fn links_to_equations_are_found() {
        check(equations("[it](../../docs/equations.md#eq9) and docs/equations.md"), &[(1, "9")]);
    }

    #[test]
    fn other_brackets_are_no_equations() {
        check(equations("the equation (of motion), the equations, f(3), (4), Huh (2018)"), &[]);
    }

    #[test]
    fn snippets_know_their_source() {
        let page = "a\n<!-- code: x/a.rs#b -->\n```rust\nlet x;\n\n  y\n```\n<!-- code: c.rs -->\n```rust\n```\n```rust\nz\n```\n```text\n```\n";
        let snippet = |line, source, code: &str| Snippet { line, source, code: code.to_owned() };
        let source = |path: &str, region: Option<&str>| Some((path.to_owned(), region.map(str::to_owned)));
        assert_eq!(
            snippets(page),
            [
                snippet(3, source("x/a.rs", Some("b")), "let x;\n\n  y\n"),
                snippet(9, source("c.rs", None), ""),
                snippet(11, None, "z\n"),
            ]
        );
    }

    #[test]
    fn regions_lose_indentation_fences_and_blank_ends() {
        let source = "fn f() {\n    // region: b\n\n    let x = {\n        1\n\n    };\n\n    // endregion\n}\n// region: c\n";
        assert_eq!(region(source, "b").as_deref(), Some("let x = {\n    1\n\n};\n"));
        assert_eq!(region(source, "c"), None);
        assert_eq!(region(source, "d"), None);
        let page = "<!-- region: b -->\n\n```rust\nx\n```\n\n<!-- endregion -->\ny\n";
        assert_eq!(region(page, "b").as_deref(), Some("x\n"));
    }

    #[test]
    fn links_into_the_project_are_found() {
        let page =
            "[a](docs/a.md#b) and [b](#c)\n[c](https://example.org) [d](../d.rs \"title\")\n```\n[e](f)\n```";
        let link = |line, path: &str, anchor: Option<&str>| Link {
            line,
            path: path.to_owned(),
            anchor: anchor.map(str::to_owned),
        };
        assert_eq!(
            links(page),
            [link(1, "docs/a.md", Some("b")), link(1, "", Some("c")), link(2, "../d.rs", None)]
        );
        let page = "[a](https://x.org/y/blob/main/docs/a.md#b), <https://x.org/y>";
        assert_eq!(repository_links(page, "https://x.org/y"), [link(1, "docs/a.md", Some("b"))]);
    }

    #[test]
    fn headings_are_places_as_they_are_named_in_links() {
        let page = "# Why `f32`?\n```\n# no heading\n```\n## Why f32\n<a id=\"eq1\"></a>**(1)**\n#[derive]\n";
        assert_eq!(places(page), ["why-f32", "why-f32-1", "eq1"]);
    }

    #[test]
    fn machine_paths_are_caught() {
        for name in MACHINE {
            let text = format!("one\nlet p = \"/{name}/file\";");
            check(machine_paths(text.as_bytes()), &[(2, &format!("/{name}/"))]);
        }
    }

    #[test]
    fn relative_paths_and_addresses_pass() {
        for name in MACHINE {
            let relative = format!("https://example.org/{name}/x a/{name}/b ../{name}/x {{dir}}/{name}/x");
            let text = format!("{relative} #!/usr/bin/env /{name}file /{name}");
            check(machine_paths(text.as_bytes()), &[]);
        }
        check(machine_paths(&[0xff, b'/', 0x00, b't']), &[]);
    }
}
