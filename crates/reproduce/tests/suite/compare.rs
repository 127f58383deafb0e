//! The stored problem from an independent system, met to rounding; damaged problems refused with words that help.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
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

    for (name, number) in [("b", f64::NAN), ("v_final", f64::INFINITY), ("grad_U", f64::NAN)] {
        let good = read(stored()).expect("readable");
        let (shape, entries): (&[u64], _) = match name {
            "b" => (&[8], 8),
            "grad_U" => (&[8, 2], 16),
            _ => (&[3, 8], good.trials.len() * 8),
        };
        let refused = read(edited(name, Some((shape, vec![number; entries])))).expect_err("refused");
        assert!(refused.contains(&format!("array `{name}`")) && refused.contains("at index 0"), "{refused}");
    }
}

#[test]
fn nothing_in_a_problem_is_passed_over() {
    // A renamed array would else count as not stored.
    for name in ["grad_w", "W_f", "notes"] {
        let refused = read(edited(name, Some((&[8, 8], vec![0.0; 64])))).expect_err("refused");
        assert!(refused.contains(&format!("`{name}.npy`, which is no array of a problem")), "{refused}");
        assert!(refused.contains("grad_Wf"), "{refused}");
    }
    // Voltages live on a circle, and 1e300 is nowhere on it.
    for v in [1e300, 1.0, -0.25] {
        let refused = read(edited("v0", Some((&[3, 8], vec![v; 24])))).expect_err("refused");
        assert!(refused.contains("lie in [0, 1)"), "{refused}");
    }
    let refused = read(edited("cost", Some((&[2], vec![1.0; 2])))).expect_err("refused");
    assert_eq!(refused, "array `cost` has shape [2], expected []");
    let refused = read(edited("x", Some((&[0, 3, 2], vec![])))).expect_err("refused");
    assert!(refused.contains("no entries"), "{refused}");
}

/// The archive with the bytes of array `name` changed. Checksums fit.
fn rewritten(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(stored())).expect("an archive");
    let mut bytes = Vec::new();
    archive
        .by_name(&format!("{name}.npy"))
        .expect("an entry")
        .read_to_end(&mut bytes)
        .expect("the bytes of an entry");
    change(&mut bytes);
    let mut out = zip::ZipWriter::new_append(Cursor::new(edited(name, None))).expect("an archive");
    let options = zip::write::SimpleFileOptions::default();
    out.start_file(format!("{name}.npy"), options).expect("started");
    out.write_all(&bytes).expect("written");
    out.finish().expect("closed").into_inner()
}

/// Replaces the only occurrence of `from` by `to`, which is as long.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect("there");
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
}

#[test]
fn arrays_that_lie_about_their_size_or_type_are_refused() {
    // `<f4` over float64 data reads half of the bytes, as other numbers.
    let narrow = rewritten("W", |bytes| replace(bytes, "<f8", "<f4"));
    let huge = rewritten("W", |bytes| {
        replace(bytes, "(8, 8), }                   ", "(4294967296, 4294967296), } ");
    });
    let trailing = rewritten("W", |bytes| bytes.push(0));
    for (file, reason) in [(narrow, "'<f4'"), (huge, "[4294967296, 4294967296]"), (trailing, "513 bytes")] {
        let refused = read(file).expect_err("refused");
        assert!(refused.contains("array `W` cannot be read") && refused.contains(reason), "{refused}");
    }
    assert!(read(rewritten("W", |_| ())).is_ok());
}

#[test]
fn an_archive_that_grows_without_measure_is_refused() {
    let grown = edited("W", Some((&[3000, 3000], vec![0.0; 9_000_000])));
    assert!(grown.len() < 1 << 20, "{}", grown.len());
    let refused = read(grown).expect_err("refused");
    assert!(refused.contains("would be unpacked to"), "{refused}");
}

#[test]
fn what_is_no_file_is_not_read_as_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let devices = cfg!(target_os = "linux").then(|| Path::new("/dev/zero"));
    for path in std::iter::once(directory.path()).chain(devices) {
        let refused = Problem::load(path).expect_err("refused").to_string();
        assert!(refused.contains("not a regular file"), "{refused}");
    }
}

/// Forged archives: changed as a whole, or one array of them under a checksum that fits.
#[test]
fn a_thousand_forged_problems_do_no_harm() {
    let rng = &mut ChaCha8Rng::seed_from_u64(18);
    let good = stored();
    let names = ["W", "Wf", "U", "b", "O", "v0", "x", "target", "cost", "v_final", "grad_W", "grad_b"];
    let (mut loaded, mut refused) = (0, 0);
    for case in 0..1_000 {
        let mut mutate = |bytes: &mut Vec<u8>| {
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len().min(if case % 4 == 1 { 128 } else { usize::MAX }));
                match rng.random_range(0..4) {
                    0 => bytes[at] ^= 1 << rng.random_range(0..8),
                    1 => bytes[at] = rng.random(),
                    2 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, rng.random()),
                }
            }
        };
        let forged = if case % 2 == 0 {
            let mut bytes = good.clone();
            mutate(&mut bytes);
            bytes
        } else {
            rewritten(names[case / 2 % names.len()], mutate)
        };
        match read(forged) {
            Ok(problem) => {
                loaded += 1;
                problem.network.validate().expect("a valid network");
                assert!(
                    problem.trials.iter().all(|t| t.initial.iter().all(|i| i.x.iter().all(|v| *v < 1.0)))
                );
            }
            Err(error) => {
                refused += 1;
                assert!(!error.is_empty());
            }
        }
    }
    assert!(loaded > 20 && refused > 500, "loaded {loaded}, refused {refused}");
}

#[test]
fn problems_without_results_are_run_all_the_same() {
    let problem = read(edited("grad_W", None)).expect("readable");
    let found = compare(&problem, &problem.network, &problem.trials, 2).expect("computed");
    assert!(found.relative_difference.contains(&("W", None)));
    assert!(found.seconds_min > 0.0 && found.seconds_min <= found.seconds_median);
    assert!((found.rate_hz - 15.0).abs() < 1e-9, "{}", found.rate_hz);
}
