//! The command as its users type it, on small data.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use npyz::WriterBuilder as _;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A folder with data in it: two classes, told by which of two channels rises.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self::with(0.1)
    }

    /// With so much of what tells no class.
    fn with(noise: f64) -> Self {
        let bench = Self(tempfile::tempdir().expect("a folder"));
        let (trials, time) = (80, 20);
        let value = |trial: usize, t: usize, channel: usize| {
            let rises = if channel == trial % 2 { t as f64 / time as f64 } else { 0.0 };
            // No two trials are the same.
            rises + noise * (7.0 * (trial * (channel + 1)) as f64 + 0.9 * t as f64).sin()
        };
        let x: Vec<f64> = (0..trials)
            .flat_map(|i| (0..time).flat_map(move |t| (0..2).map(move |c| (i, t, c))))
            .map(|(i, t, c)| value(i, t, c))
            .collect();
        let y: Vec<i64> = (0..trials as i64).map(|i| i % 2).collect();
        let mut file = ZipWriter::new(Cursor::new(Vec::new()));
        file.start_file("x.npy", SimpleFileOptions::default()).expect("an entry");
        let shape = [trials as u64, time as u64, 2];
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut file).begin_nd().expect("x");
        writer.extend(x).expect("x");
        writer.finish().expect("x");
        file.start_file("y.npy", SimpleFileOptions::default()).expect("an entry");
        let shape = [trials as u64];
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut file).begin_nd().expect("y");
        writer.extend(y).expect("y");
        writer.finish().expect("y");
        let bytes = file.finish().expect("an archive").into_inner();
        fs::write(bench.path("two.npz"), bytes).expect("the data");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
        command.current_dir(self.0.path()).args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("the command runs")
    }

    /// What a command says that is to succeed.
    fn says(&self, line: &str) -> String {
        let output = self.run(line);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// What a command says that is to be refused.
    fn refuses(&self, line: &str) -> String {
        let output = self.run(line);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}\n{text}");
        assert!(!text.contains("panicked"), "{text}");
        text
    }

    /// A training that takes no time.
    fn settings(&self) {
        self.says("new two --data two.npz --neurons 12");
    }
}

/// A short training of the settings.
const SHORT: &str = "--quiet --set training.epochs=3 --set training.h=1";

#[test]
fn a_new_file_of_settings_trains_as_it_stands() {
    let bench = Bench::new();
    let text = bench.says("new two --data two.npz --neurons 12");
    assert!(text.contains("samples: 80, channels: 2") && text.contains("spikegrad train two.toml"), "{text}");
    assert!(bench.refuses("new two --data two.npz").contains("--force"));
    let text = bench.says("train two.toml --quiet --set training.epochs=40");
    assert!(text.contains("accuracy 100.00 %"), "{text}");
    for file in ["training.spikegrad", "network.safetensors", "report.html", "settings.toml"] {
        assert!(bench.path("two").join(file).is_file(), "{file}");
    }
    let page = fs::read_to_string(bench.path("two").join("report.html")).expect("a page");
    assert!(
        page.contains("100.00 % right") && page.contains("spikegrad train two.toml") && page.contains("<svg")
    );

    // What was trained is there for the other commands.
    let json = bench.says("eval two.toml --json --set training.epochs=40");
    let judged: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&judged["part"], &judged["accuracy"]), (&"test".into(), &1.0.into()), "{json}");
    let text = bench.says("inspect two.toml");
    assert!(text.contains("slow.weight") && text.contains("12 x 12"), "{text}");
    let text = bench.says("inspect two/training.spikegrad");
    assert!(text.contains("[[populations]]") && text.contains("iteration        cost  validation"), "{text}");
}

#[test]
fn a_run_is_written_with_everything_in_it() {
    let bench = Bench::new();
    bench.settings();
    let text = bench.says("run two.toml --part training --trial 3 --to run.npz");
    assert!(text.contains("run.npz written"), "{text}");
    let mut archive =
        zip::ZipArchive::new(fs::File::open(bench.path("run.npz")).expect("a file")).expect("an archive");
    let names: Vec<String> = archive.file_names().map(|name| name.expect("a name").into_owned()).collect();
    for name in ["time", "v", "output", "spike_time", "spike_neuron", "input", "slow.trace", "slow.current"] {
        assert!(names.contains(&format!("{name}.npy")), "{name} in {names:?}");
    }
    let voltages = npyz::NpyFile::new(archive.by_name("v.npy").expect("voltages")).expect("an array");
    assert_eq!(voltages.shape(), [400, 12]);
    bench.says("run two.toml --to run.csv");
    let table = fs::read_to_string(bench.path("run.csv")).expect("a table");
    assert!(table.starts_with("time,output_0,output_1,v_0,"), "{}", &table[..60]);
    assert_eq!(table.lines().count(), 401);
    assert!(
        fs::read_to_string(bench.path("run.spikes.csv")).expect("spikes").starts_with("time,neuron,count\n")
    );
    assert!(bench.refuses("run two.toml --to run.mat").contains(".npz or .csv"));
    assert!(bench.refuses("run two.toml --trial 99 --to run.npz").contains("no trial 99 in the test part"));
}

#[test]
fn the_gradient_of_this_network_on_this_data_is_checked() {
    let bench = Bench::new();
    bench.settings();
    let text = bench.says("check two.toml --trials 2");
    assert!(text.contains("slow.weight") && text.contains("discarded"), "{text}");
}

#[test]
fn a_stopped_training_goes_on_to_the_same_bits() {
    let bench = Bench::new();
    bench.settings();
    let whole = "train two.toml --out whole --quiet --set training.epochs=60";
    bench.says(whole);
    let line = "train two.toml --out parts --quiet --set training.epochs=60";
    let child = bench.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child");
    // Not before there is something to keep.
    let start = Instant::now();
    while !bench.path("parts/training.spikegrad").exists() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(cfg!(not(unix)) || killed.is_ok_and(|status| status.success()));
    let output = child.wait_with_output().expect("the end");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // On a fast machine it may have been through already.
    if text.contains("stopped after") {
        assert!(output.status.success() && text.contains("go on with\n  spikegrad train two.toml"), "{text}");
        let text = bench.says(line);
        assert!(text.contains("going on from"), "{text}");
    }
    let file = |folder: &str| fs::read(bench.path(folder).join("network.safetensors")).expect("a network");
    assert!(file("whole") == file("parts"), "another network");
}

#[test]
fn other_settings_do_not_ruin_a_training() {
    let bench = Bench::new();
    bench.settings();
    bench.says(&format!("train two.toml {SHORT}"));
    let before = fs::read(bench.path("two/training.spikegrad")).expect("a checkpoint");
    let text = bench.refuses(&format!("train two.toml {SHORT} --set training.batch=2"));
    assert!(text.contains("training.batch") && text.contains("--fresh"), "{text}");
    assert_eq!(fs::read(bench.path("two/training.spikegrad")).expect("a checkpoint"), before);
    bench.says(&format!("train two.toml {SHORT} --set training.batch=2 --fresh"));
}

#[test]
fn what_was_trained_is_judged_by_its_own_settings_and_data() {
    let bench = Bench::new();
    bench.settings();
    let settings = "two.toml --set training.h=1 --set training.epochs=12";
    bench.says(&format!("train {settings} --quiet"));
    // Every part is judged by its own labels: what was learned is learned on the training part too.
    for part in ["training", "validation", "test"] {
        let json = bench.says(&format!("eval {settings} --part {part} --json"));
        let judged: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert!(judged["accuracy"].as_f64() > Some(0.9), "{part}: {json}");
        // Odd samples of the file are of class 1.
        let number = |key: &str, i: usize| judged[key][i].as_u64().expect("a number");
        let trials = judged["trials"].as_u64().expect("a number") as usize;
        assert!((0..trials).all(|i| number("samples", i) % 2 == number("labels", i)), "{json}");
    }
    for other in ["seed=2", "data.test=0.2", "training.h=0.5", "loss.score=\"last\""] {
        let said = bench.refuses(&format!("eval {settings} --set {other}"));
        let key = other.split('=').next().expect("a key");
        assert!(said.contains(&format!("{key} = ")) && said.contains("same settings"), "{other}: {said}");
    }
    // To go on, the loss and the rates have to be the same as well, and the data.
    let said = bench.refuses(&format!("train {settings} --quiet --set loss.activity=0.1"));
    assert!(said.contains("loss.activity = 0.0") && said.contains("--fresh"), "{said}");
    let data = bench.path("two.npz");
    let before = fs::read(&data).expect("data");
    let others = Bench::with(1.0);
    fs::copy(others.path("two.npz"), &data).expect("other data");
    assert!(bench.refuses(&format!("train {settings} --quiet")).contains("other data"));
    assert!(bench.refuses(&format!("eval {settings}")).contains("other data"));
    fs::write(&data, before).expect("data");
    // A training that is refused loses nothing.
    let kept = fs::read(bench.path("two/training.spikegrad")).expect("a checkpoint");
    bench.refuses(&format!("train {settings} --quiet --fresh --set training.rates.bias=1e300"));
    assert_eq!(fs::read(bench.path("two/training.spikegrad")).expect("a checkpoint"), kept);
    bench.says(&format!("eval {settings}"));
    // Without a test part the next best one judges.
    let said = bench.says(
        "train two.toml --out none --quiet --set training.h=1 --set training.epochs=1 --set data.test=0.0",
    );
    assert!(said.contains("validation: "), "{said}");
}

#[test]
fn numbers_that_mean_nothing_are_refused_by_their_keys() {
    let bench = Bench::new();
    bench.settings();
    for set in [
        "data.after=-1.0",
        "initialise.spread=-1.0",
        "loss.activity=-1.0",
        "loss.activity=nan",
        "loss.label_smoothing=1.0",
        "loss.rates={weight=-1.0,low=1.0,high=5.0}",
        "training.h=0.0",
        "training.epochs=1e300",
        "training.clip=2.0",
        "training.clip=nan",
        "training.last_rate=2.0",
        "training.patience=0",
        "training.rates={}",
        "training.rates.bias=-1.0",
    ] {
        let said = bench.refuses(&format!("train two.toml --quiet --set {set}"));
        let key = set.split('=').next().expect("a key").trim_end_matches(".bias");
        assert!(said.contains(key), "{set}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let bench = Bench::new();
    bench.settings();
    let mut child = bench
        .command("inspect two.toml")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn networks_go_into_other_formats_and_back() {
    let bench = Bench::new();
    bench.settings();
    assert!(bench.refuses("eval two.toml").contains("spikegrad train two.toml"));
    bench.says(&format!("train two.toml {SHORT}"));
    for to in ["a.safetensors", "a.npz", "a.toml", "a.json"] {
        bench.says(&format!("convert two/training.spikegrad {to}"));
        assert!(bench.refuses(&format!("convert two/training.spikegrad {to}")).contains("--force"));
    }
    let bytes = |name: &str| fs::read(bench.path(name)).expect("a file");
    assert_eq!(bytes("a.safetensors"), bytes("two/network.safetensors"));
    let mut archive =
        zip::ZipArchive::new(fs::File::open(bench.path("a.npz")).expect("a file")).expect("an archive");
    let weights = npyz::NpyFile::new(archive.by_name("slow.weight.npy").expect("weights")).expect("an array");
    assert_eq!(weights.shape(), [12, 12]);
    assert!(
        bench
            .refuses("convert two/training.spikegrad a.mat")
            .contains(".safetensors, .npz, .toml, .json or .nir")
    );
    assert!(bench.refuses("convert two.npz b.npz").contains("--like"));
}

#[test]
fn parameters_go_out_as_arrays_and_come_back() {
    let bench = Bench::new();
    bench.settings();
    bench.says(&format!("train two.toml {SHORT}"));
    bench.says("convert two/network.safetensors weights.npz");
    bench.says("convert weights.npz back.safetensors --like two/network.safetensors");
    let read = |name: &str| fs::read(bench.path(name)).expect("a file");
    assert!(read("two/network.safetensors") == read("back.safetensors"), "a parameter has changed");

    assert!(bench.refuses("convert weights.npz other.safetensors").contains("--like network.safetensors"));
    let text =
        bench.refuses("convert two/network.safetensors other.safetensors --like two/network.safetensors");
    assert!(text.contains("is for an archive of arrays"), "{text}");
    let text = bench.refuses("convert two.npz other.safetensors --like two/network.safetensors");
    assert!(
        text.contains("x: is no parameter of the network; it has") && text.contains("slow.weight"),
        "{text}"
    );
    // Another network has other shapes.
    bench.says("new small --data two.npz --neurons 5");
    bench.says(&format!("train small.toml {SHORT}"));
    let text = bench.refuses("convert weights.npz other.safetensors --like small/network.safetensors");
    assert!(text.contains("the network needs [5"), "{text}");
    assert!(!bench.path("other.safetensors").exists());
}

#[test]
fn networks_become_graphs_of_nir_and_come_back() {
    let bench = Bench::new();
    bench.settings();
    bench.says(&format!("train two.toml {SHORT}"));
    let text = bench.says("convert two/network.safetensors two.nir --measure two.npz --interval 10 --h 1");
    let measured = "hard spikes change the outputs of 80 trials by";
    assert!(
        text.contains("a neuron of NIR spikes at its threshold at once") && text.contains(measured),
        "{text}"
    );
    bench.says("convert two.nir back.safetensors --gate-width 0.5");
    let weights = |network: &str| -> Vec<f64> {
        bench.says(&format!("convert {network} {network}.npz --force"));
        let file = fs::File::open(bench.path(&format!("{network}.npz"))).expect("a file");
        let mut archive = zip::ZipArchive::new(file).expect("an archive");
        let array = archive.by_name("slow.weight.npy").expect("weights");
        npyz::NpyFile::new(array).expect("an array").into_vec().expect("numbers")
    };
    let (ours, back) = (weights("two/network.safetensors"), weights("back.safetensors"));
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * a.abs();
    assert!(ours.len() == 144 && ours.iter().zip(&back).all(near), "{ours:?} {back:?}");
    assert!(bench.refuses("convert two.npz two.nir --force").contains("--like"));
}

#[test]
fn every_model_is_listed_with_its_parameters() {
    let bench = Bench::new();
    let text = bench.says("models");
    for found in ["model = \"LIF\"", "model = \"Hodgkin-Huxley\"", "tau_v"] {
        assert!(text.contains(found), "{found}\n{text}");
    }
    let one = bench.says("models LIF");
    assert!(one.starts_with("model = \"LIF\"\n") && !one.contains("theta\""), "{one}");
    assert!(bench.refuses("models liff").contains("there are NIF, theta, LIF"));
}

#[test]
fn mistakes_are_told_by_line_key_and_nearest_key() {
    let bench = Bench::new();
    bench.settings();
    let text = fs::read_to_string(bench.path("two.toml")).expect("settings");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(bench.path("wrong.toml"), text.replace(from, to)).expect("settings");
        bench.refuses("train wrong.toml --quiet")
    };
    let line = 1 + text[..text.find("epochs").expect("epochs")].matches('\n').count();
    let said = with("epochs = ", "epoch = ");
    assert!(said.contains(&format!("line {line}")) && said.contains("did you mean `epochs`?"), "{said}");
    let said = with("kind = \"cross-entropy\"", "kind = \"crossentropy\"");
    assert!(said.contains("did you mean `cross-entropy`?"), "{said}");
    let said = with("\"slow.weight\" = ", "\"slow.wieght\" = ");
    assert!(said.contains("slow.wieght") && said.contains("slow.weight"), "{said}");
    let said = with("model = \"LIF\"", "model = \"LIV\"");
    assert!(said.contains("LIV") && said.contains("theta"), "{said}");
    let said = with("inputs = 2", "inputs = 3");
    assert!(said.contains("network.inputs") && said.contains("set it to 2"), "{said}");
    let said = with("kind = \"cross-entropy\"", "kind = \"squared-error\"");
    assert!(said.contains("the data have classes"), "{said}");
    let said = with("seed = 1", "seed = ");
    assert!(said.contains("line"), "{said}");
    let said = with("two.npz", "three.npz");
    assert!(said.contains("three.npz"), "{said}");
    let said = bench.refuses("train two.toml --set training.epoch=3");
    assert!(said.contains("did you mean `epochs`?"), "{said}");
    let said = bench.refuses("train two.toml --set training.h");
    assert!(said.contains("key=value"), "{said}");
    let said = bench.refuses("train nothing.toml");
    assert!(said.contains("nothing.toml"), "{said}");
    let said = bench.refuses("train two.npz");
    assert!(said.contains("two.npz"), "{said}");
    // A setting of one population.
    bench.says(&format!(
        "train two.toml {SHORT} --set network.populations.0.size=5 --set training.rates.bias=0.001"
    ));
}

#[test]
fn damaged_data_are_refused_by_name() {
    let bench = Bench::new();
    bench.settings();
    let path: &Path = &bench.path("two.npz");
    let bytes = fs::read(path).expect("data");
    let mut file = fs::File::create(path).expect("data");
    file.write_all(&bytes[..bytes.len() / 2]).expect("half of it");
    let said = bench.refuses("train two.toml");
    assert!(said.contains("two.npz"), "{said}");
}
