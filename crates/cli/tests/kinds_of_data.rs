//! Data of other kinds than series with classes, as a user brings them: target spike trains, values in a unit of their own, and series
//! that become spikes.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{Cursor, Write as _};
use std::process::Command;

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An archive of arrays of 64 bits: of whole numbers where the name says units or trials.
fn npz(arrays: &[(&str, &str, &[f64])]) -> Vec<u8> {
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, shape, values) in arrays {
        file.start_file(format!("{name}.npy"), SimpleFileOptions::default()).expect("an entry");
        let whole = name.ends_with("units") || name.ends_with("trial");
        let descr = if whole { "<i8" } else { "<f8" };
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        let number = |x: &f64| if whole { (*x as i64).to_le_bytes() } else { x.to_le_bytes() };
        values.iter().for_each(|x| bytes.extend(number(x)));
        file.write_all(&bytes).expect("an array");
    }
    file.finish().expect("an archive").into_inner()
}

fn run(folder: &TempDir, line: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
    let output = command.current_dir(folder.path()).args(line.split_whitespace()).output();
    let output = output.expect("the command runs");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), said)
}

/// What a command says that is to succeed.
fn says(folder: &TempDir, line: &str) -> String {
    let (success, said) = run(folder, line);
    assert!(success, "{line}\n{said}");
    said
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

/// Trials of 100 time points, 1 ms apart, with a bump in one of two channels; a spike is wanted 12 ms after it, from the neuron of the channel.
fn bumps() -> Vec<u8> {
    let (trials, points) = (40, 100);
    let middle = |trial: usize| 20.0 + (trial * 37 % 50) as f64;
    let value = |trial: usize, t: usize, channel: usize| {
        let height = if trial % 2 == channel { 1.0 } else { 0.0 };
        height * (-0.5 * ((t as f64 - middle(trial)) / 4.0).powi(2)).exp()
    };
    let x: Vec<f64> =
        (0..trials * points * 2).map(|k| value(k / (2 * points), k / 2 % points, k % 2)).collect();
    let times: Vec<f64> = (0..trials).map(|trial| 1e-3 * (middle(trial) + 12.0)).collect();
    let units: Vec<f64> = (0..trials).map(|trial| (trial % 2) as f64).collect();
    let samples: Vec<f64> = (0..trials).map(|trial| trial as f64).collect();
    let shape = format!("({trials}, {points}, 2)");
    npz(&[
        ("x", &shape, &x),
        ("interval", "()", &[1e-3]),
        ("target_times", "(40,)", &times),
        ("target_units", "(40,)", &units),
        ("target_trial", "(40,)", &samples),
    ])
}

#[test]
fn target_spike_trains_are_learned() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bumps.npz"), bumps()).expect("the data");
    let said = says(&folder, "new bumps --data bumps.npz --neurons 20");
    assert!(said.contains("spike trains of 2 outputs") && said.contains("1 ms apart"), "{said}");
    let settings = fs::read_to_string(folder.path().join("bumps.toml")).expect("settings");
    assert!(settings.contains("kind = \"van-rossum\"") && settings.contains("interval = 1\n"), "{settings}");
    let cost = |epochs: usize| {
        let set = format!("bumps.toml --out after{epochs} --set training.epochs={epochs} --set training.h=1");
        let said = says(&folder, &format!("train {set} --quiet"));
        assert!(said.contains("spikes that coincide within 5 ms"), "{said}");
        let judged = json(&says(&folder, &format!("eval {set} --json")));
        assert_eq!(judged["coincidence"].as_array().map(Vec::len), Some(2), "{judged}");
        judged["cost"].as_f64().expect("a cost")
    };
    let (early, late) = (cost(1), cost(40));
    assert!(late < 0.8 * early, "{early} {late}");
    let page = fs::read_to_string(folder.path().join("after40/report.html")).expect("a page");
    assert!(page.contains("Spike trains") && page.contains("target 1") && page.contains("network 1"));
    let (success, said) = run(&folder, "train bumps.toml --set network.populations.1.size=3");
    assert!(!success && said.contains("`out` has 3 neurons, the data 2 target spike trains"), "{said}");
}

/// Values of some hundred degrees: the mean of a channel, scaled.
fn degrees() -> Vec<u8> {
    let (trials, points) = (60, 20);
    let level = |trial: usize| (trial * 29 % 60) as f64 / 60.0;
    let x: Vec<f64> =
        (0..trials * points).map(|k| level(k / points) + 0.05 * (0.7 * k as f64).sin()).collect();
    let y: Vec<f64> = (0..trials).map(|trial| 300.0 + 100.0 * level(trial)).collect();
    npz(&[("x", "(60, 20, 1)", &x), ("y", "(60,)", &y)])
}

#[test]
fn values_are_learned_in_one_unit_and_judged_in_another() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("degrees.npz"), degrees()).expect("the data");
    says(&folder, "new degrees --data degrees.npz --neurons 20");
    let settings = fs::read_to_string(folder.path().join("degrees.toml")).expect("settings");
    assert!(settings.contains("standardise_targets = true"), "{settings}");
    let set = "degrees.toml --set training.epochs=40 --set training.h=1";
    let said = says(&folder, &format!("train {set} --quiet"));
    assert!(!said.contains("note:"), "{said}");
    let judged = json(&says(&folder, &format!("eval {set} --json")));
    let numbers = |key: &str| -> Vec<f64> {
        let all = judged[key][0].as_array().expect("numbers");
        all.iter().map(|x| x.as_f64().expect("a number")).collect()
    };
    let (targets, outputs) = (numbers("targets"), numbers("outputs"));
    assert!(targets.iter().all(|target| (299.9..=400.1).contains(target)), "{targets:?}");
    let squares = targets.iter().zip(&outputs).map(|(y, x)| (y - x).powi(2)).sum::<f64>();
    let told = judged["mean_squared_error"].as_f64().expect("an error");
    assert!((squares / targets.len() as f64 / told - 1.0).abs() < 1e-6, "{judged}");
    // The deviation of the targets is 29 degrees.
    assert!(told < 200.0, "{judged}");
    says(&folder, "run degrees.toml --set training.epochs=40 --set training.h=1 --to run.csv");
    let table = fs::read_to_string(folder.path().join("run.csv")).expect("a table");
    let output = |line: &str| line.split(',').nth(1).and_then(|x| x.parse::<f64>().ok());
    let mean: Vec<f64> = table.lines().skip(1).filter_map(output).collect();
    assert!((200.0..500.0).contains(&(mean.iter().sum::<f64>() / mean.len() as f64)), "{}", &table[..200]);
    // Without it, the command says what to set.
    let plain = says(&folder, &format!("inspect {set} --set data.standardise_targets=false --out none"));
    assert!(plain.contains("set data.standardise_targets = true"), "{plain}");
}

#[test]
fn every_encoder_is_offered_and_trains() {
    let folder = tempfile::tempdir().expect("a folder");
    let row = |trial: usize, t: usize| {
        format!("{trial},{},{}\n", ["a", "b"][trial % 2], (trial % 2 * t) as f64 / 9.0)
    };
    let rows = |points: usize| -> String {
        (0..40)
            .flat_map(|trial| (0..points).map(move |t| (trial, t)))
            .map(|(trial, t)| row(trial, t + 1))
            .collect()
    };
    for (name, points) in [("long", 10), ("short", 1)] {
        let text = format!("trial,label,v\n{}", rows(points));
        fs::write(folder.path().join(format!("{name}.csv")), text).expect("the data");
    }
    for (data, encoder, channels) in
        [("long", "rate", 1), ("long", "level-crossing", 2), ("short", "latency", 1), ("long", "current", 0)]
    {
        says(&folder, &format!("new {encoder} --data {data}.csv --neurons 8 --encoder {encoder}"));
        let settings = fs::read_to_string(folder.path().join(format!("{encoder}.toml"))).expect("settings");
        assert!(settings.contains(&format!("kind = \"{encoder}\"")), "{settings}");
        let sources = format!("channels = {channels}");
        assert_eq!(settings.contains(&sources), channels > 0, "{settings}");
        let said = says(&folder, &format!("train {encoder}.toml --quiet --set training.epochs=2"));
        assert!(said.contains("accuracy"), "{said}");
    }
    let (success, said) = run(&folder, "new wrong --data long.csv --encoder latency");
    assert!(!success && said.contains("--encoder") && said.contains("time point"), "{said}");
    says(&folder, "new plain --data long.csv");
    let plain = fs::read_to_string(folder.path().join("plain.toml")).expect("settings");
    assert!(plain.contains("--encoder rate"), "{plain}");
}
