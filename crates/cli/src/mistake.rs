//! What is said about a mistake in a file of settings: its line and its key, what is expected, and the known name that comes nearest. The
//! reader of the file speaks of types; a user has numbers, texts, lists and tables. And which setting is the way out where data are refused.

use std::path::Path;

use spikegrad_data::{ArrayNames, Error as DataError};

use crate::Error;

/// The error of a mistake in a file of settings.
pub(crate) fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map(|span| span.start.min(text.len()));
    // Where something is missing at the end of a file, the last line is the place.
    let line = at.map_or(1, |at| 1 + text.get(..at).unwrap_or_default().matches('\n').count());
    let line = line.min(text.lines().count().max(1));
    let shown = text.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
    // What belongs to no table has an empty span at the start, where the first key is no part of it.
    let whole = error.span().is_some_and(|span| span == (0..0));
    let key = at.filter(|_| !whole).and_then(|at| key_at(text, at));
    Error::Settings { path: path.to_owned(), line, shown, why: in_words(error.message(), key.as_deref()) }
}

/// The error of a table, or a key outside of all tables, that is none of the known ones. The reader would miss the one that is meant first.
pub(crate) fn unknown_table(path: &Path, text: &str, table: &toml::Table, known: &[&str]) -> Option<Error> {
    let name = table.keys().find(|name| !known.contains(&name.as_str()))?;
    let begins = |line: &str| {
        let line = line.trim_start_matches('[').trim_start_matches('"');
        line.strip_prefix(name.as_str())
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let at = text.lines().position(|line| begins(line.trim())).unwrap_or_default();
    let quoted: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    Some(Error::Settings {
        path: path.to_owned(),
        line: at + 1,
        shown: text.lines().nth(at).unwrap_or_default().trim().to_owned(),
        why: unknown(&format!("unknown field `{name}`, expected one of {}", quoted.join(", ")), None),
    })
}

/// The message about a mistake in a setting of the command line.
pub(crate) fn in_set(error: &toml::de::Error) -> String {
    let told = error.to_string();
    // Without a text, the reader names the key on a line of its own.
    let key = told.lines().find_map(|line| line.trim().strip_prefix("in `")?.strip_suffix('`'));
    in_words(error.message(), key)
}

/// The error of a file that a setting names and that is not there.
pub(crate) fn no_file(path: &Path, text: &str, set: &[String], key: &str, file: &Path) -> Error {
    let why = format!("`{key}`: {}", not_there(file));
    let sets = |pair: &&String| pair.split_once('=').is_some_and(|(given, _)| given.trim() == key);
    if let Some(given) = set.iter().rfind(sets) {
        return Error::Set { given: given.clone(), why };
    }
    let mut at = 0;
    let line = text.lines().position(|line| {
        let start = at + line.len() - line.trim_start().len();
        at += line.len() + 1;
        !line.trim_start().starts_with(['#', '[']) && key_at(text, start).as_deref() == Some(key)
    });
    let line = line.unwrap_or_default();
    let shown = text.lines().nth(line).unwrap_or_default().trim().to_owned();
    Error::Settings { path: path.to_owned(), line: line + 1, shown, why }
}

/// What there is to say of a file that is not there: the nearest name in its folder.
pub(crate) fn not_there(file: &Path) -> String {
    let told = format!("there is no file or folder {}", file.display());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else {
        return format!("{told}, and no folder {} either", folder.display());
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let near = |known: &String| strsim::jaro_winkler(known, &name);
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.filter(|known| near(known) > 0.8).max_by(|a, b| near(a).total_cmp(&near(b)).then(b.cmp(a))) {
        Some(nearest) => format!("{told}; did you mean `{nearest}`?"),
        None => told,
    }
}

/// The setting that is the way out where data are refused, as the end of a message; nothing where there is none.
pub(crate) fn way_out(error: &DataError) -> String {
    let by = |key: &str, value: &str, meaning: &str| {
        format!(
            "\n  `data.read.{key} = {value}` in the settings, or `--set data.read.{key}={}`, {meaning}",
            value.trim_matches('"')
        )
    };
    match error {
        DataError::File { source, .. } | DataError::Sample { source, .. } => way_out(source),
        DataError::NonFinite { value, .. } if !value.is_nan() => String::new(),
        DataError::MissingValue { .. } | DataError::NonFinite { .. } => {
            by("missing", "\"hold\"", "takes the value before it;") + &missing_value()
        }
        DataError::AllMissing { .. } => missing_value(),
        DataError::NearColumn { found, name, option, needed } => {
            let key = format!("columns.{option}");
            let named = by(&key, &format!("\"{found}\""), &format!("takes it for `{name}`"));
            if *needed { named } else { named + ";" + &by(&key, "\"\"", "takes it for a channel") }
        }
        DataError::MissingColumn { name, .. } if name == "trial" => {
            by("columns.trial", "\"NAME\"", "takes the column NAME for it")
        }
        DataError::MissingArray { name, .. } => {
            let known = toml::Table::try_from(ArrayNames::default()).unwrap_or_default();
            match known.contains_key(name) {
                true => by(&format!("arrays.{name}"), "\"NAME\"", "takes the array NAME for it"),
                false => String::new(),
            }
        }
        DataError::UnknownKind { .. } => by("kind", "\"csv\"", "takes it for a table, and so on"),
        _ => String::new(),
    }
}

/// How to choose a number for missing values.
fn missing_value() -> String {
    "\n  `data.read.missing = { value = 0.0 }`, or `--set data.read.missing.value=0.0`, takes that number"
        .to_owned()
}

/// The dotted key of a place in a file: that of the last header before it, and the key to the left of it in its line.
fn key_at(text: &str, at: usize) -> Option<String> {
    let end = text.get(at..)?.find('\n').map_or(text.len(), |length| at + length);
    let start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let (mut header, mut seen) = (String::new(), Vec::<String>::new());
    for line in text.get(..end)?.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("[[").and_then(|line| line.split(']').next()) {
            let index = seen.iter().filter(|known| *known == name).count();
            seen.push(name.to_owned());
            header = format!("{name}.{index}");
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            header = name.to_owned();
        }
    }
    let line = text.get(start..end)?;
    if line.trim_start().starts_with('[') {
        return (!header.is_empty()).then_some(header);
    }
    let inner = keys_at(line, at - start);
    match (header.is_empty(), inner.is_empty()) {
        (true, true) => None,
        (true, false) => Some(inner),
        (false, true) => Some(header),
        (false, false) => Some(format!("{header}.{inner}")),
    }
}

/// The dotted key of a place in a line: of `between = { pre = 1 }`, `between.pre` at the 1.
fn keys_at(line: &str, at: usize) -> String {
    // The key of each open brace so far, and the text since the last sign.
    let (mut keys, mut token, mut quoted) = (vec![String::new()], String::new(), false);
    for c in line.get(..at).unwrap_or(line).chars() {
        quoted ^= c == '"';
        match c {
            '=' if !quoted => keys.last_mut().into_iter().for_each(|key| *key = token.trim().to_owned()),
            '{' if !quoted => keys.push(String::new()),
            ',' if !quoted => keys.last_mut().into_iter().for_each(String::clear),
            '}' if !quoted => _ = keys.pop(),
            c => {
                token.push(c);
                continue;
            }
        }
        token.clear();
    }
    // A place at a key, and not behind its sign.
    if let Some(last) = keys.last_mut().filter(|key| key.is_empty()) {
        let rest = token + line.get(at..).unwrap_or_default();
        let name = rest.split('=').next().unwrap_or_default().trim();
        if rest.contains('=') && is_key(name) {
            *last = name.to_owned();
        }
    }
    keys.retain(|key| !key.is_empty());
    keys.join(".")
}

/// Whether a text may be a key.
fn is_key(text: &str) -> bool {
    let text = text.trim_matches('"');
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
}

/// A message of the reader in the words of a user.
fn in_words(message: &str, key: Option<&str>) -> String {
    let message = message.trim();
    let first = message.lines().next().unwrap_or_default();
    let of_key = |text: String| match key {
        Some(key) => format!("`{key}`: {text}"),
        None => text,
    };
    if let Some(name) = quoted(first, "missing field `") {
        // The place of what is missing is the table in which it should be.
        return match key {
            Some(key) => format!("`{key}`: `{name}` is missing in it; add `{name} = ...`"),
            // What settings cannot do without at the top are tables.
            None => format!("`{name}` is missing; add a table `[{name}]`"),
        };
    }
    if first.starts_with("unknown field") || first.starts_with("unknown variant") {
        return unknown(first, key);
    }
    if let Some(name) = quoted(first, "duplicate field `").or_else(|| quoted(first, "duplicate key `")) {
        return of_key(format!("`{name}` is there twice; leave one of them out"));
    }
    if first == "duplicate key" {
        return of_key("it is there twice; leave one of them out".to_owned());
    }
    // The only setting that is a name or a table with a number.
    if key.is_some_and(|key| key.ends_with("read.missing")) {
        return of_key(
            "it must be \"refuse\", \"hold\", or { value = 0.0 } with the number that stands in".to_owned(),
        );
    }
    for start in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) =
            first.strip_prefix(start).and_then(|rest| rest.rsplit_once(", expected "))
        {
            let found = if start == "invalid length " { format!("{found} entries") } else { thing(found) };
            return of_key(format!("it must be {}, and is {found}", kind(expected)));
        }
    }
    if let Some(expected) = first.strip_prefix("wanted ") {
        return of_key(format!("it must be {}", kind(expected)));
    }
    if first.contains("did not match any") {
        return of_key("it has none of the forms that are known here".to_owned());
    }
    of_key(first.replace(", expected ", "; expected here: "))
}

/// The name between two marks behind a start.
fn quoted<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.split('`').next()
}

/// A message about an unknown name, with the nearest known one.
fn unknown(message: &str, key: Option<&str>) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let name = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let place = match key.map(|key| key.strip_suffix(&format!(".{name}")).unwrap_or(key)) {
        Some(key) if key != name => format!("`{key}`: "),
        _ => String::new(),
    };
    let near = |known: &str| strsim::jaro_winkler(known, name);
    let nearest = known.iter().copied().max_by(|a, b| near(a).total_cmp(&near(b)));
    let all = known.join(", ");
    match nearest {
        Some(nearest) if near(nearest) > 0.7 => {
            format!("{place}`{name}` is not known here; did you mean `{nearest}`? Known are {all}")
        }
        Some(_) => format!("{place}`{name}` is not known here; known are {all}"),
        None => format!("{place}`{name}` is not known here"),
    }
}

/// What was found, in words.
fn thing(found: &str) -> String {
    let inner = found.split('`').nth(1);
    match (found.split_whitespace().next().unwrap_or_default(), inner) {
        ("integer" | "floating", Some(number)) => format!("the number {number}"),
        ("boolean", Some(value)) => value.to_owned(),
        ("string", _) => format!("the text {}", found.trim_start_matches("string ")),
        ("map", _) => "a table of keys".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        ("unit" | "Option" | "newtype" | "tuple" | "struct" | "enum", _) => "of another form".to_owned(),
        _ => found.to_owned(),
    }
}

/// The expected kind of value, in words.
fn kind(expected: &str) -> String {
    let known = [
        ("f64", "a number"),
        ("f32", "a number"),
        ("a floating point", "a number"),
        ("floating point", "a number"),
        ("usize", "a whole number from 0 on"),
        ("u64", "a whole number from 0 on"),
        ("u32", "a whole number from 0 on"),
        ("u8", "a whole number from 0 to 255"),
        ("i64", "a whole number"),
        ("an integer", "a whole number"),
        ("integer", "a whole number"),
        ("a boolean", "true or false"),
        ("boolean", "true or false"),
        ("a string or table", "a name in quotes, or a table such as { name = { ... } }"),
        ("string or table", "a name in quotes, or a table such as { name = { ... } }"),
        ("a string", "a text in quotes"),
        ("string", "a text in quotes"),
        ("path string", "a path in quotes"),
        ("a sequence", "a list in square brackets"),
        ("sequence", "a list in square brackets"),
        ("a map", "a table of keys, such as { key = 1.0 }"),
        ("map", "a table of keys, such as { key = 1.0 }"),
        ("internally tagged enum", "a table with the key that names its form"),
        ("adjacently tagged enum", "a table with the key that names its form"),
        ("struct variant", "a table of keys, such as { key = 1.0 }"),
        ("tuple variant", "a list in square brackets"),
        ("newtype variant", "a single value"),
        ("unit variant", "a name in quotes alone"),
        ("variant identifier", "one of the known names"),
        ("field identifier", "one of the known keys"),
        ("enum", "a name in quotes, or a table such as { name = { ... } }"),
        ("struct", "a table of keys, such as { key = 1.0 }"),
        ("tuple", "a list in square brackets"),
        ("exactly 1 element", "a table with one key"),
        ("unit", "a name in quotes alone"),
        ("option", "a single value"),
    ];
    let fits = |start: &str| {
        expected.strip_prefix(start).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    };
    let found = known.iter().find(|(start, _)| fits(start));
    found.map_or_else(|| expected.to_owned(), |(_, words)| (*words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_place() {
        let text = "seed = 1\n[data]\nfile = \"a\"\n\n[[network.populations]]\nname = \"a\"\n[[network.populations]]\n\
                    size = \"b\"\ngate = { shape = \"box\", width = \"c\" }\n\n[training.rates]\n\"slow.weight\" = true\n";
        let key = |what: &str| key_at(text, text.find(what).expect("it is there"));
        for (what, expected) in [
            ("1\n[data", Some("seed")),
            ("\"a\"\n\n", Some("data.file")),
            ("\"b\"", Some("network.populations.1.size")),
            ("\"c\"", Some("network.populations.1.gate.width")),
            ("true", Some("training.rates.\"slow.weight\"")),
            ("[data]", Some("data")),
            ("size", Some("network.populations.1.size")),
        ] {
            assert_eq!(key(what).as_deref(), expected, "{what}");
        }
    }

    #[test]
    fn types_become_words() {
        let said = |message: &str| in_words(message, Some("training.h"));
        assert_eq!(
            said("invalid type: string \"fast\", expected f64"),
            "`training.h`: it must be a number, and is the text \"fast\""
        );
        assert_eq!(
            said("invalid value: integer `-1`, expected usize"),
            "`training.h`: it must be a whole number from 0 on, and is the number -1"
        );
        assert_eq!(
            said("unknown field `hh`, expected one of `h`, `epochs`"),
            "`training.h`: `hh` is not known here; did you mean `h`? Known are h, epochs"
        );
        assert_eq!(
            in_words("missing field `batch`", Some("training")),
            "`training`: `batch` is missing in it; add `batch = ...`"
        );
    }
}
