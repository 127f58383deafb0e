//! Files of settings with a mistake: what the command says names the line and the key, says what is expected, and has no word of the
//! reader's own.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Words that a user of the command has no reason to know.
const FOREIGN: [&str; 17] = [
    "struct",
    "variant",
    "enum",
    "untagged",
    "serde",
    "f64",
    "f32",
    "usize",
    "u64",
    "i64",
    "newtype",
    "sequence",
    "invalid type",
    "invalid value",
    "deserial",
    "did not match",
    "missing field",
];

/// A change of the good file, and what the message must have besides the number of the changed line.
type Mistake = (&'static str, &'static str, &'static [&'static str]);

const MISTAKES: [Mistake; 38] = [
    // Types.
    ("seed = 1", "seed = \"one\"", &["`seed`", "a whole number from 0 on", "the text \"one\""]),
    ("seed = 1", "seed = -1", &["`seed`", "a whole number from 0 on", "-1"]),
    ("seed = 1", "seed = 1.5", &["`seed`", "a whole number from 0 on", "the number 1.5"]),
    ("interval = 10", "interval = \"10 ms\"", &["`data.interval`", "a number", "\"10 ms\""]),
    ("standardise = true", "standardise = \"yes\"", &["`data.standardise`", "true or false"]),
    ("standardise = true", "standardise = 1", &["`data.standardise`", "true or false", "the number 1"]),
    ("file = \"two.npz\"", "file = 7", &["`data.file`", "in quotes", "the number 7"]),
    ("validation = 0.15", "validation = [0.15]", &["`data.validation`", "a number", "a list"]),
    ("size = 12", "size = 12.5", &["`network.populations.0.size`", "a whole number", "12.5"]),
    ("size = 12", "size = -12", &["`network.populations.0.size`", "a whole number from 0 on"]),
    ("name = \"hidden\"", "name = 1", &["`network.populations.0.name`", "a text in quotes"]),
    ("tau = 20.0", "tau = \"slow\"", &["`network.projections.0.tau`", "a number"]),
    ("h = 0.5", "h = true", &["`training.h`", "a number", "true"]),
    ("epochs = ", "epochs = {} #", &["`training.epochs`", "a number", "a table"]),
    ("batch = ", "batch = 0.5 #", &["`training.batch`", "a whole number"]),
    ("rate = ", "rate = \"a\" #", &["`initialise.rate`", "a number"]),
    ("\"slow.weight\" = ", "\"slow.weight\" = \"0.1\" #", &["slow.weight", "a number", "\"0.1\""]),
    (
        "between = { pre = \"hidden\"",
        "between = { pre = 3",
        &["network.projections.0.between", "a text in quotes"],
    ),
    (
        "between = { pre = \"hidden\", post = \"hidden\" }",
        "between = \"hidden\"",
        &["`network.projections.0.between`", "a table"],
    ),
    ("width = 0.5", "width = \"half\"", &["network.populations.0.gate", "a number"]),
    ("parameters = {", "parameters = 3 #", &["`network.populations.0.parameters`", "numbers by name"]),
    // Names.
    ("[training]", "[trianing]", &["`trianing` is not known here", "did you mean `training`"]),
    ("epochs = ", "epoch = ", &["`epoch` is not known here", "did you mean `epochs`"]),
    ("standardise = true", "standardize = true", &["`standardize`", "did you mean `standardise`"]),
    (
        "kind = \"cross-entropy\"",
        "kind = \"cross_entropy\"",
        &["`cross_entropy`", "did you mean `cross-entropy`"],
    ),
    ("score = \"mean\"", "score = \"median\"", &["`loss.score`", "`median`", "mean, last, maximum"]),
    ("optimiser = \"adam\"", "optimiser = \"adamw\"", &["`adamw`", "did you mean `adam-w`"]),
    ("width = 0.5", "widht = 0.5", &["`widht`", "did you mean `width`"]),
    ("gain = ", "gian = ", &["`gian`", "did you mean `gain`"]),
    ("name = \"slow\"", "name = \"slow\"\ndealy = { axonal = 1.5 }", &["`dealy`", "did you mean `delay`"]),
    (
        "warm_up = 0.0",
        "warm_up = 0.0\nencoder = { kind = \"latancy\" }",
        &["`latancy`", "did you mean `latency`"],
    ),
    ("warm_up = 0.0", "warm_up = 0.0\nencoder = \"latency\"", &["`data.encoder`", "a table"]),
    ("warm_up = 0.0", "warm_up = 0.0\nread = { kind = \"xlsx\" }", &["`xlsx`", "npz, spikes-npz, csv"]),
    (
        "warm_up = 0.0",
        "warm_up = 0.0\nread = { missing = { valeu = 1.0 } }",
        &["`valeu`", "did you mean `value`"],
    ),
    // Keys that are missing or there twice.
    ("batch = ", "# batch = ", &["`training`", "`batch` is missing"]),
    ("seed = 1", "seed = 1\nseed = 2", &["twice"]),
    // Text that is no TOML.
    ("h = 0.5", "h = half", &["quote"]),
    ("[loss]", "[loss", &["]"]),
];

#[test]
fn mistakes_are_told_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
        let output = command.current_dir(folder.path()).args(line.split_whitespace()).output();
        let output = output.expect("the command runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let data: String = (0..20)
        .flat_map(|trial| (0..20).map(move |t| format!("{trial},{},{}\n", ["a", "b"][trial % 2], trial * t)))
        .collect();
    fs::write(folder.path().join("two.csv"), format!("trial,label,v\n{data}")).expect("the data");
    assert_eq!(said("new two --data two.csv --neurons 12").0, Some(0));
    let good = fs::read_to_string(folder.path().join("two.toml")).expect("settings");
    let good = good.replace("two.csv", "two.npz");
    let write = |text: &str| fs::write(folder.path().join("bad.toml"), text).expect("settings");
    let mut all = String::new();
    for (from, to, expected) in MISTAKES {
        let at = good.find(&format!("\n{from}")).map(|at| at + 1).or_else(|| good.find(from));
        let at = at.unwrap_or_else(|| unreachable!("{from} is not in the settings:\n{good}"));
        write(&format!("{}{to}{}", &good[..at], &good[at + from.len()..]));
        let (code, text) = said("inspect bad.toml");
        all += &format!("{to}\n  {text}\n");
        let line = good[..at].matches('\n').count() + 1;
        let message = text.lines().next().unwrap_or_default();
        assert_eq!(code, Some(2), "{to}\n{text}");
        for word in FOREIGN {
            assert!(!message.contains(word), "{word} in\n{text}");
        }
        for part in expected {
            assert!(text.contains(part), "{to}: no {part} in\n{text}");
        }
        // A missing key is told at its table; a key that is there twice or begins a new line, at the second line.
        let told = (line.saturating_sub(if to.starts_with('#') { 20 } else { 0 })..=line + 1)
            .any(|line| message.contains(&format!("line {line}:")));
        assert!(told, "line {line}\n{text}");
    }
    // A table that is missing.
    let start = good.find("\n[loss]").expect("a table") + 1;
    let end = good[start..].find("\n[").map_or(good.len(), |at| start + at + 1);
    let without = format!("{}{}", &good[..start], &good[end..]);
    // Whatever the file begins with: a comment, a key or a table.
    for begin in ["# ", "seed = 1", "[data]"] {
        let at = without.find(begin).unwrap_or_else(|| unreachable!("{begin} is not in\n{without}"));
        write(&without[at..]);
        let (code, text) = said("inspect bad.toml");
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(": `loss` is missing; add a table `[loss]`"), "{begin}\n{text}");
    }
    // A key that is missing in the table that the file begins with.
    let at = good.find("[data]").expect("a table");
    write(&good[at..].replace("file = \"two.npz\"\n", ""));
    let (code, text) = said("inspect bad.toml");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("`data`: `file` is missing in it"), "{text}");
    if std::env::var_os("SPIKEGRAD_SHOW").is_some() {
        assert!(fs::write(Path::new("messages.txt"), all).is_ok());
    }
}

#[test]
fn mistakes_on_the_command_line_are_told_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let data: String = (0..20)
        .flat_map(|trial| (0..20).map(move |t| format!("{trial},{},{}\n", ["a", "b"][trial % 2], trial * t)))
        .collect();
    fs::write(folder.path().join("two.csv"), format!("trial,label,v\n{data}")).expect("the data");
    let said = |line: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
        let output = command.current_dir(folder.path()).args(line).output().expect("the command runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(said(&["new", "two", "--data", "two.csv"]).0, Some(0));
    for (set, expected) in [
        ("training.h=fast", &["training.h", "a number", "\"fast\""][..]),
        ("training.hh=1", &["`hh` is not known here", "did you mean `h`"]),
        ("network.populations.0.size=-1", &["size", "a whole number from 0 on"]),
        ("loss.kind=crossentropy", &["did you mean `cross-entropy`"]),
        ("loss.kind=none", &["loss.kind", "classes"]),
    ] {
        let (code, text) = said(&["inspect", "two.toml", "--set", set]);
        assert_eq!(code, Some(2), "{set}\n{text}");
        for part in expected {
            assert!(text.contains(part), "{set}: no {part} in\n{text}");
        }
        assert!(!FOREIGN.iter().any(|word| text.contains(word)), "{set}\n{text}");
    }
}
