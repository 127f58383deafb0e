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

const MISTAKES: [Mistake; 40] = [
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
    (
        "warm_up = 0.0",
        "warm_up = 0.0\nread = { missing = \"value\" }",
        &["`data.read.missing`", "{ value = 0.0 }"],
    ),
    (
        "warm_up = 0.0",
        "warm_up = 0.0\nread.missing = 0.0",
        &["`data.read.missing`", "\"hold\", or { value = 0.0 }"],
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

/// A folder, and what the command says in it: its code, and both of its outputs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("a file");
    }

    fn says(&self, line: &str) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
        let output = command.current_dir(self.0.path()).args(line.split_whitespace()).output();
        let output = output.expect("the command runs");
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), text.concat())
    }

    /// What the command says has all parts, and its code is the expected one.
    fn expect(&self, line: &str, code: i32, parts: &[&str]) {
        let (found, text) = self.says(line);
        assert_eq!(found, Some(code), "{line}\n{text}");
        for part in parts {
            assert!(text.contains(part), "{line}: no {part} in\n{text}");
        }
    }
}

/// Twenty trials of two classes, of 20 time points of a channel, which begin with the lines `first`.
fn table(header: &str, first: &str) -> String {
    let rows: String = (0..20)
        .flat_map(|trial| {
            (0..20).map(move |t| format!("{trial},{t},{},{}\n", ["a", "b"][trial % 2], trial * t))
        })
        .collect();
    format!("{header}\n{first}{rows}")
}

#[test]
fn a_misspelt_column_is_no_channel() {
    let folder = Folder::new();
    folder.write("good.csv", &table("trial,time,label,v", ""));
    folder.expect("new good --data good.csv", 0, &["channels: 1 (v)"]);
    for (header, found, name) in [
        ("trial,tiem,label,v", "tiem", "time"),
        ("trial,time,lable,v", "lable", "label"),
        ("trail,time,label,v", "trail", "trial"),
    ] {
        folder.write("bad.csv", &table(header, ""));
        let told = format!("column `{found}` may be a misspelt `{name}`");
        let way = format!("--set data.read.columns.{name}={found}");
        folder.expect("new bad --data bad.csv --force", 2, &[&told, "rename it", &way]);
        folder.expect(&format!("new bad --data bad.csv --force {}", &way), 0, &["channels: 1 (v)"]);
        folder.expect("train bad.toml --quiet --fresh --set training.epochs=1", 0, &["accuracy"]);
    }
    folder.write("timer.csv", &table("trial,timer,label,v", ""));
    folder.expect("new timer --data timer.csv", 2, &["`--set data.read.columns.time=`"]);
    let line = "new timer --data timer.csv --set data.read.columns.time=";
    folder.expect(line, 0, &["channels: 2 (timer, v)"]);
    folder.write("text.csv", &table("trial,time,label,v", "0,-1,a,fast\n"));
    let parts = ["line 2, column v: found `fast`", "only the columns `trial` and `label` may hold text"];
    folder.expect("new text --data text.csv", 2, &parts);
}

#[test]
fn missing_values_have_a_way_out() {
    let folder = Folder::new();
    folder.write("gap.csv", &table("trial,time,label,v", "").replacen("0,3,a,0", "0,3,a,?", 1));
    let parts =
        ["line 5, column v", "`data.read.missing = \"hold\"`", "`data.read.missing = { value = 0.0 }`"];
    folder.expect("new gap --data gap.csv", 2, &parts);
    let series = "@dimensions 2\n@classLabel true a b\n@data\n1,?:3,4:a\n5,6:7,8:b\n";
    folder.write("gap.ts", series);
    folder.expect(
        "new ts --data gap.ts",
        2,
        &["line 4, dimension 1, value 2", "`--set data.read.missing=hold`"],
    );
    for set in ["data.read.missing=hold", "data.read.missing.value=0.0"] {
        folder.expect(&format!("new gap --force --data gap.csv --set {set}"), 0, &["gap.toml written"]);
        folder.expect("train gap.toml --quiet --fresh --set training.epochs=1", 0, &["accuracy"]);
        folder.expect(&format!("new ts --force --data gap.ts --set {set}"), 0, &["channels: 2"]);
    }
    for (set, part) in [
        ("data.read.missing=value", "{ value = 0.0 }"),
        ("data.read.mising=hold", "did you mean `missing`"),
        ("training.h=1", "change others in the file of settings"),
        ("data.read.missing", "write it as key=value"),
    ] {
        folder.expect(&format!("new other --data gap.csv --set {set}"), 2, &[part]);
    }
}

#[test]
fn a_file_that_is_not_there_is_told_by_its_line() {
    let folder = Folder::new();
    folder.write("motions.csv", &table("trial,time,label,v", ""));
    folder.expect(
        "new good --data motion.csv",
        2,
        &["--data: there is no file or folder motion.csv; did you mean `motions.csv`?"],
    );
    folder.expect("new good --data motions.csv --test motions.csv", 0, &[]);
    let good = fs::read_to_string(folder.0.path().join("good.toml")).expect("settings");
    for (key, from, to) in [
        ("data.file", "file = \"motions.csv\"", "file = \"motoins.csv\""),
        ("data.test_file", "test_file = \"motions.csv\"", "test_file = \"motion.csv\""),
    ] {
        let at = good.find(&format!("\n{from}")).expect("the key");
        let line = good[..=at].matches('\n').count() + 1;
        folder.write("bad.toml", &good.replacen(&format!("\n{from}"), &format!("\n{to}"), 1));
        let place = format!("bad.toml, line {line}: `{key}`: there is no file or folder ");
        folder.expect(
            "train bad.toml",
            2,
            &[&place, "did you mean `motions.csv`?", &format!("{line} | {to}")],
        );
    }
    let set = "train good.toml --set data.file=gone/motions.csv";
    folder.expect(set, 2, &["--set data.file=gone/motions.csv: `data.file`: there is no", "and no folder"]);
}

#[test]
fn a_step_that_does_not_fit_is_told_with_two_that_do() {
    let folder = Folder::new();
    folder.write("two.csv", &table("trial,at,label,v", ""));
    folder.expect("new two --data two.csv --neurons 12 --set data.read.columns.time=", 0, &["(at, v)"]);
    let told = "training.h = 0.7: the step must divide the 10 ms between two time points (`data.interval`), as 0.625 and 1 do";
    folder.expect("inspect two.toml --set training.h=0.7", 2, &[told]);
    folder.expect("inspect two.toml --set training.h=15", 2, &["training.h = 15", "as 10 and 5 do"]);
    for h in ["0.625", "1", "10", "5"] {
        folder.expect(
            &format!("train two.toml --quiet --fresh --set training.epochs=1 --set training.h={h}"),
            0,
            &["accuracy"],
        );
    }
}

#[test]
fn new_settings_explain_themselves() {
    let folder = Folder::new();
    folder.write("two.csv", &table("trial,at,label,v", ""));
    folder.expect("new two --data two.csv", 0, &[]);
    let text = fs::read_to_string(folder.0.path().join("two.toml")).expect("settings");
    assert!(text.contains("chosen so that a trial lasts about 200 ms"), "{text}");
    for score in ["`mean`", "`last`", "`maximum`", "`counts`", "`first-spike`"] {
        assert!(text.contains(score), "{score}");
    }
    let lines: Vec<&str> = text.lines().collect();
    for key in ["interval", "model", "gate", "tau", "epochs", "batch", "score", "h"] {
        let at = lines.iter().position(|line| line.starts_with(&format!("{key} = "))).expect("a key");
        assert!(lines[at - 1].starts_with("# "), "{key} has no comment");
    }
}
