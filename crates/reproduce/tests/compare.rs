//! The stored problem from an independent system, met to rounding; damaged problems refused with words that help.

#![allow(clippy::expect_used, reason = "a step that fails fails the test")]

use std::io::{Cursor, Read};
use std::path::Path;

use spikegrad_reproduce::compare::compare;
use spikegrad_reproduce::problem::Problem;

fn stored() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("data").join("w1_tiny.npz");
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).expect("the stored problem");
    bytes
}

fn read(bytes: Vec<u8>) -> Result<Problem, String> {
    Problem::read(Cursor::new(bytes), "problem.npz").map_err(|e| e.to_string())
}

/// The archive with array `name` replaced by `with`, or left out.
fn edited(name: &str, with: Option<(&[u64], Vec<f64>)>) -> Vec<u8> {
    use npyz::WriterBuilder;
    let mut archive = zip::ZipArchive::new(Cursor::new(stored())).expect("an archive");
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for i in 0..archive.len() {
        let file = archive.by_index_raw(i).expect("an entry");
        if file.name().expect("a name") == format!("{name}.npy").as_str() {
            continue;
        }
        out.raw_copy_file(file).expect("copied");
    }
    if let Some((shape, data)) = with {
        out.start_file(format!("{name}.npy"), options).expect("started");
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .writer(&mut out)
            .begin_nd()
            .expect("a header");
        writer.extend(data).expect("written");
        writer.finish().expect("finished");
    }
    out.finish().expect("closed").into_inner()
}

#[test]
fn independent_oracle_is_met_in_double_precision() {
    let problem = read(stored()).expect("readable");
    let found = compare(&problem, &problem.network, &problem.trials, 1).expect("computed");
    assert!((found.cost / 7.981_693_477_773_598 - 1.0).abs() < 1e-12, "{}", found.cost);
    assert_eq!(found.relative_difference.len(), 7);
    for (name, difference) in &found.relative_difference {
        let tolerance = if *name == "cost" { 1e-12 } else { 1e-9 };
        let difference = difference.expect("stored");
        assert!(difference < tolerance, "{name}: {difference:e}");
    }
    let norms = [63.929855808976, 72.765314733536, 815.686449871282, 1752.209522100373, 1.484202278039];
    for ((name, norm), expected) in found.grad_norms.iter().zip(norms) {
        assert!((norm / expected - 1.0).abs() < 1e-9, "{name}: {norm}");
    }
}

#[test]
fn single_precision_is_within_a_percent() {
    let problem = read(stored()).expect("readable");
    let trials: Vec<_> = problem.trials.iter().map(|t| t.map(|x| x as f32)).collect();
    let found = compare(&problem, &problem.network.to_f32(), &trials, 1).expect("computed");
    for (name, difference) in &found.relative_difference {
        let difference = difference.expect("stored");
        assert!(difference > 0.0 && difference < 1e-2, "{name}: {difference:e}");
    }
}

#[test]
fn damaged_problems_are_refused_with_words_that_help() {
    let mut cut = stored();
    cut.truncate(cut.len() / 2);
    assert!(read(cut).is_err_and(|e| e.contains("problem.npz is not a readable .npz archive")));

    let mut flipped = stored();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    assert!(read(flipped).is_err(), "a flipped byte goes unnoticed");

    assert!(read(b"not an archive".to_vec()).is_err_and(|e| e.contains("write it again with numpy.savez")));
    assert!(read(edited("Wf", None)).is_err_and(|e| e.starts_with("array `Wf` is missing")));
    let wide = read(edited("W", Some((&[8, 9], vec![0.0; 72]))));
    assert_eq!(wide.err().as_deref(), Some("array `W` has shape [8, 9], expected [8, 8]"));

    let nan = read(edited("b", Some((&[8], vec![f64::NAN; 8])))).expect("readable");
    let refused = compare(&nan, &nan.network, &nan.trials, 1).err().map(|e| e.to_string());
    assert!(refused.is_some_and(|e| e.contains("I_o has a non-finite value at index 0")));
}

#[test]
fn problems_without_results_are_run_all_the_same() {
    let problem = read(edited("grad_W", None)).expect("readable");
    let found = compare(&problem, &problem.network, &problem.trials, 2).expect("computed");
    assert!(found.relative_difference.contains(&("W", None)));
    assert!(found.seconds_min > 0.0 && found.seconds_min <= found.seconds_median);
    assert!((found.rate_hz - 15.0).abs() < 1e-9, "{}", found.rate_hz);
}
