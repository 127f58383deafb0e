//! Files of every kind, small ones that other programs wrote, against what is in them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure in a helper fails the test that called it")]

mod npy;

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use npy::npy;
use spikegrad_data::{
    ColumnNames, Dataset, Input, Kind, Missing, Pixels, ReadOptions, Target, TimeUnit, open, read,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open_default(name: &str) -> Dataset {
    open(fixture(name), &ReadOptions::default()).unwrap()
}

fn values(data: &Dataset, sample: usize) -> Vec<f32> {
    let Some(Input::Series(series)) = data.sample(sample).map(|sample| sample.input) else {
        panic!("no series")
    };
    series.values().to_vec()
}

fn spikes(data: &Dataset, sample: usize) -> (Vec<f64>, Vec<u32>) {
    let Some(Input::Spikes(events)) = data.sample(sample).map(|sample| sample.input) else {
        panic!("no spikes")
    };
    (events.times().to_vec(), events.units().to_vec())
}

fn csv(text: &str, options: &ReadOptions) -> Result<Dataset, String> {
    read(text.as_bytes(), Kind::Csv, options).map_err(|error| error.to_string())
}

fn message(text: &str) -> String {
    csv(text, &ReadOptions::default()).unwrap_err()
}

#[test]
fn numpy_series() {
    // `series.npz` has 24 numbers k / 8 in 3 samples of 4 time points and 2 channels, of which 4, 2 and 3 time points are real.
    let data = open_default("series.npz");
    assert_eq!((data.len(), data.channels(), data.interval()), (3, 2, Some(2.0)));
    assert_eq!(data.labels(), Some(&[0, 2, 1][..]));
    assert_eq!(values(&data, 1), [1.0, 1.125, 1.25, 1.375]);
    assert_eq!(values(&data, 2).len(), 6);
    let other = open_default("fortran_big_endian.npz");
    assert_eq!(values(&other, 0), values(&data, 0));
    assert_eq!(values(&other, 2)[..6], values(&data, 2));
    assert_eq!((other.labels(), other.interval()), (Some(&[1, 0, 1][..]), None));
    assert_eq!(other.class_names(), Some(&["a".to_owned(), "b".to_owned()][..]));
}

#[test]
fn numpy_errors_say_what_to_change() {
    let options = |x: &str| {
        let mut options = ReadOptions::default();
        options.arrays.x = x.to_owned();
        options
    };
    let error = open(fixture("series.npz"), &options("inputs")).unwrap_err().to_string();
    assert!(
        error.contains("series.npz: there is no array `inputs`; the file has interval, lengths, x, y"),
        "{error}"
    );
    let error = open(fixture("objects.npz"), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("array `x` of Python objects") && error.contains("`lengths`"), "{error}");
    let error = open(fixture("series.npz"), &options("y")).unwrap_err().to_string();
    assert!(error.contains("array `y` is of shape [3]"), "{error}");
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, array) in arrays {
        zip.start_file(format!("{name}.npy"), stored).unwrap();
        zip.write_all(array).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn singles(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn missing_values_in_arrays_need_a_choice() {
    // Two samples; the last time point of the second one is filling, and does not count.
    let x = npy("<f4", "(2, 3)", &singles(&[1.0, 2.0, 3.0, 4.0, f32::NAN, f32::NAN]));
    let file = npz(&[("x", x), ("lengths", npy("|u1", "(2,)", &[3, 2]))]);
    let error = read(&file, Kind::Npz, &ReadOptions::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("sample 1: channel 0, time point 1: NaN") && error.contains("`missing`"),
        "{error}"
    );
    let options = ReadOptions { missing: Missing::Hold, ..ReadOptions::default() };
    assert_eq!(values(&read(&file, Kind::Npz, &options).unwrap(), 1), [4.0, 4.0]);
}

#[test]
fn targets_in_arrays_are_values_series_or_names() {
    let file = |y: Vec<u8>| {
        let x = npy("|u1", "(2, 3)", &[0; 6]);
        npz(&[("x", x), ("lengths", npy("|u1", "(2,)", &[3, 2])), ("y", y)])
    };
    let read = |y: Vec<u8>| read(&file(y), Kind::Npz, &ReadOptions::default());
    let target = |data: &Dataset| format!("{:?}", data.sample(1).unwrap().target);
    assert_eq!(target(&read(npy("<f4", "(2,)", &singles(&[1.0, 2.5]))).unwrap()), "Values([2.5])");
    assert_eq!(target(&read(npy("|i1", "(2, 2)", &[1, 2, 3, 255])).unwrap()), "Values([3.0, -1.0])");
    let series = read(npy("|u1", "(2, 3, 1)", &[1, 2, 3, 4, 5, 6])).unwrap();
    assert_eq!(target(&series), "Series(Series { channels: 1, values: [4.0, 5.0] })");
    let names = read(npy("|S2", "(2,)", b"upno")).unwrap();
    assert_eq!((names.labels(), target(&names)), (Some(&[1, 0][..]), "Class(0)".to_owned()));
    for bad in [npy("|u1", "(3,)", &[0; 3]), npy("|i1", "(2,)", &[0, 255]), npy("|u1", "(2, 0)", &[])] {
        assert!(read(bad).is_err());
    }
}

#[test]
fn spikes_without_labels_tell_the_number_of_samples() {
    let spikes = |trial: &[u8]| {
        let [times, units] = [npy("|u1", "(2,)", &[1, 2]), npy("|u1", "(2,)", &[0, 0])];
        npz(&[("times", times), ("units", units), ("trial", npy("|u1", "(2,)", trial))])
    };
    let data = read(&spikes(&[1, 0]), Kind::SpikesNpz, &ReadOptions::default()).unwrap();
    assert_eq!((data.len(), data.outputs()), (2, 0));
    let error = read(&spikes(&[0, 200]), Kind::SpikesNpz, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("array `trial` is up to 200") && error.contains("save `labels`"), "{error}");
}

#[test]
fn numpy_spikes_in_seconds_and_in_milliseconds() {
    let data = open_default("spikes.npz");
    assert_eq!((data.len(), data.channels()), (3, 3));
    let (times, units) = spikes(&data, 0);
    assert_eq!((times, units), (vec![5.0, 10.0, 30.0], vec![2, 0, 1]));
    assert_eq!(spikes(&data, 1).0.len(), 0);
    assert_eq!(data.class_names(), Some(&["no".to_owned(), "yes".to_owned()][..]));
    let options =
        ReadOptions { time_unit: TimeUnit::Milliseconds, channels: Some(8), ..ReadOptions::default() };
    let data = open(fixture("spikes.npz"), &options).unwrap();
    assert_eq!((spikes(&data, 2).0, data.channels()), (vec![0.02], 8));
    let Some(Input::Spikes(events)) = data.sample(1).map(|sample| sample.input) else { panic!("no spikes") };
    assert_eq!(events.duration(), 0.05);
    let options = ReadOptions { duration: Some(20.0), ..ReadOptions::default() };
    let error = open(fixture("spikes.npz"), &options).unwrap_err().to_string();
    assert!(error.contains("sample 0: spike 2 in channel 1 is at 30 ms"), "{error}");
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_spikes() {
    // `shd.h5` has times in 16 bits and contiguous storage, `shd_chunked.h5` times in 32 bits, chunks, compression and a checksum.
    for name in ["shd.h5", "shd_chunked.h5"] {
        let data = open_default(name);
        assert_eq!((data.len(), data.channels()), (3, 700));
        assert_eq!(spikes(&data, 0), (vec![0.0, 250.0, 500.0], vec![3, 0, 699]));
        assert_eq!(spikes(&data, 1).0.len(), 0);
        assert_eq!(spikes(&data, 2), (vec![125.0, 1000.0], vec![5, 5]));
        assert_eq!(data.labels(), Some(&[0, 1, 1][..]));
        assert_eq!(data.class_names(), Some(&["zero".to_owned(), "one".to_owned()][..]));
    }
}

/// Numbers of 64 bits.
fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The times and outputs of the target spikes of a sample.
fn target(data: &Dataset, sample: usize) -> (Vec<f64>, Vec<u32>, f64) {
    let Some(Target::Spikes(events)) = data.sample(sample).map(|sample| sample.target) else {
        panic!("no target spikes")
    };
    (events.times().to_vec(), events.units().to_vec(), events.duration())
}

/// Series of 3 and 2 time points that are 10 ms apart, and three target spikes in any order.
fn series_with_target_spikes(change: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
    let mut arrays = vec![
        ("x", npy("|u1", "(2, 3)", &[0; 6])),
        ("lengths", npy("|u1", "(2,)", &[3, 2])),
        ("interval", npy("<f8", "()", &doubles(&[0.01]))),
        ("target_times", npy("<f8", "(3,)", &doubles(&[0.02, 0.0125, 0.005]))),
        ("target_units", npy("|u1", "(3,)", &[0, 1, 0])),
        ("target_trial", npy("|u1", "(3,)", &[1, 0, 0])),
    ];
    for (name, array) in change {
        arrays.retain(|(known, _)| known != name);
        if !array.is_empty() {
            arrays.push((name, array.clone()));
        }
    }
    npz(&arrays)
}

#[test]
fn target_spikes_beside_series() {
    let usual = ReadOptions::default();
    let data = read(&series_with_target_spikes(&[]), Kind::Npz, &usual).unwrap();
    assert_eq!(data.outputs(), 2);
    assert_eq!(target(&data, 0), (vec![5.0, 12.5], vec![0, 1], 30.0));
    assert_eq!(target(&data, 1), (vec![20.0], vec![0], 20.0));
    let more = ReadOptions { outputs: Some(5), ..ReadOptions::default() };
    assert_eq!(read(&series_with_target_spikes(&[]), Kind::Npz, &more).unwrap().outputs(), 5);
    // The interval of the options comes before that of the file.
    let twice = ReadOptions { interval: Some(20.0), ..ReadOptions::default() };
    assert_eq!(target(&read(&series_with_target_spikes(&[]), Kind::Npz, &twice).unwrap(), 0).2, 60.0);
}

#[test]
fn wrong_target_spikes_are_named() {
    let message = |change: &[(&'static str, Vec<u8>)]| {
        let file = series_with_target_spikes(change);
        read(&file, Kind::Npz, &ReadOptions::default()).unwrap_err().to_string()
    };
    let late = npy("<f8", "(3,)", &doubles(&[0.0201, 0.0, 0.0]));
    assert_eq!(
        message(&[("target_times", late)]),
        "sample 1: target: spike 0 in channel 0 is at 20.1 ms, expected a time from 0 to the duration of 20 ms"
    );
    let nan = npy("<f8", "(3,)", &doubles(&[0.0, 0.0, f64::NAN]));
    assert!(message(&[("target_times", nan)]).starts_with("sample 0: target: channel 0, time point 1: NaN"));
    let found = message(&[("target_trial", npy("|i1", "(3,)", &[1, 2, 0]))]);
    assert!(
        found.contains("`target_trial` is 2 at spike 1, expected a sample of the 2 that there are"),
        "{found}"
    );
    let found = message(&[("target_units", npy("|i1", "(3,)", &[0, 255, 0]))]);
    assert!(found.starts_with("sample 0: target: array `target_units` is -1 at spike 0"), "{found}");
    let found = message(&[("target_units", npy("|u1", "(2,)", &[0, 1]))]);
    assert!(found.contains("`target_units`") && found.contains("3 entries, one for each time"), "{found}");
    let found = message(&[("target_trial", Vec::new())]);
    assert!(found.starts_with("there is no array `target_trial`; the file has interval"), "{found}");
    let found = message(&[("interval", Vec::new())]);
    assert_eq!(found, "the interval between time points is not known: give it as `interval`, in ms");
    let found = message(&[("y", npy("|u1", "(2,)", &[0, 1]))]);
    assert!(found.contains("target spike trains (`target_times`) and other targets"), "{found}");
}

#[test]
fn target_spikes_beside_spike_events() {
    let arrays = |trial: &[u8]| {
        npz(&[
            ("times", npy("<f8", "(2,)", &doubles(&[0.25, 0.5]))),
            ("units", npy("|u1", "(2,)", &[4, 0])),
            ("trial", npy("|u1", "(2,)", &[0, 1])),
            ("duration", npy("<f8", "(3,)", &doubles(&[1.0, 2.0, 3.0]))),
            ("target_times", npy("<f8", "(2,)", &doubles(&[2.5, 0.75]))),
            ("target_units", npy("|u1", "(2,)", &[2, 1])),
            ("target_trial", npy("|u1", "(2,)", trial)),
        ])
    };
    // Durations say that there is a third sample, although it has no spike.
    let data = read(&arrays(&[2, 0]), Kind::SpikesNpz, &ReadOptions::default()).unwrap();
    assert_eq!((data.len(), data.channels(), data.outputs()), (3, 5, 3));
    assert_eq!(target(&data, 0), (vec![750.0], vec![1], 1000.0));
    assert_eq!(target(&data, 1), (Vec::new(), Vec::new(), 2000.0));
    assert_eq!(target(&data, 2), (vec![2500.0], vec![2], 3000.0));
    let late = read(&arrays(&[1, 0]), Kind::SpikesNpz, &ReadOptions::default()).unwrap_err().to_string();
    assert!(late.starts_with("sample 1: target: spike 0 in channel 2 is at 2500 ms"), "{late}");
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_target_spikes() {
    let data = open_default("spike_targets.h5");
    assert_eq!((data.len(), data.channels(), data.outputs()), (2, 4, 2));
    let (times, units, duration) = target(&data, 0);
    assert!(
        (times[0] - 15.0).abs() < 1e-5 && (times[1] - 40.0).abs() < 1e-5 && (duration - 50.0).abs() < 1e-5
    );
    assert_eq!((units, target(&data, 1).0.len()), (vec![1, 0], 0));
    let few = ReadOptions { outputs: Some(1), ..ReadOptions::default() };
    let error = open(fixture("spike_targets.h5"), &few).unwrap_err().to_string();
    assert!(error.contains("sample 0: target: spike 0 is in channel 1, but there are 1 channels"), "{error}");
}

#[test]
fn tables_in_long_form() {
    // Rows of samples are mixed; the times are in seconds.
    let text = "\u{feff}trial,time,label,v,w\nb,0.0,hit,1,2\na,0.5,miss,5,6\nb,0.001,hit,3,4\n";
    let data = csv(text, &ReadOptions::default()).unwrap();
    assert_eq!((data.len(), data.channels(), data.interval()), (2, 2, Some(1.0)));
    assert_eq!((values(&data, 0), values(&data, 1)), (vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0]));
    assert_eq!(data.labels(), Some(&[0, 1][..]));
    let columns = ColumnNames { targets: vec!["w".to_owned()], ..ColumnNames::default() };
    let data = csv(text, &ReadOptions { columns, ..ReadOptions::default() }).unwrap();
    let Some(Target::Series(target)) = data.sample(0).map(|sample| sample.target) else {
        panic!("no series")
    };
    assert_eq!((target.values(), data.channels()), (&[2.0, 4.0][..], 1));
}

#[test]
fn errors_of_tables_name_line_and_column() {
    for (text, expected) in [
        (
            "trial,v\n0,1\n0,x\n",
            "line 3, column v: found `x`, expected a finite number; only the columns `trial` and `label` may hold text",
        ),
        ("trial,tiem,v\n0,1,2\n", "column `tiem` may be a misspelt `time`, and there is no column `time`"),
        ("trial,lable,v\n0,a,2\n", "column `lable` may be a misspelt `label`"),
        ("trail,v\n0,1\n", "column `trail` may be a misspelt `trial`"),
        ("trial,Time,v\n0,1,2\n", "give its name in the options as `columns.time`; if it is a channel"),
        ("trial,v\n0,1\n0,inf\n", "line 3, column v: found `inf`"),
        ("trial,v\n0,1\n0\n", "line 3: found `1 entries`, expected 2"),
        ("v\n1\n", "there is no column `trial`; the header has v"),
        ("trial,v,v\n", "line 1, column v: found `v`"),
        ("0,1\n0,2\n", "a header with the names of the columns"),
        ("trial\n0\n", "no columns of channels"),
        ("trial,v\n", "no samples"),
        ("trial,time,v\n0,1,0\n0,1,0\n", "line 3, column time: found `1`, expected a time above 1"),
        ("trial,time,v\n0,0,0\n0,1,0\n0,5,0\n", "line 2, column time: found `time 1 in row 1"),
        (
            "trial,time,v\n0,0,0\n0,1,0\n1,0,0\n1,2,0\n",
            "line 4: found `interval of 2000 ms`, expected 1000 ms",
        ),
        ("trial,label,v\n0,a,0\n0,b,0\n", "line 3, column label: found `b`, expected `a`"),
        ("trial,v\n0,?\n", "choose what stands in for missing values"),
        ("trial,v\n0,\"a\nb\",c\n", "line 2"),
    ] {
        assert!(message(text).contains(expected), "{text}: {}", message(text));
    }
    let options = ReadOptions { missing: Missing::Hold, ..ReadOptions::default() };
    assert_eq!(values(&csv("trial,v\n0,\n0,2\n0,?\n", &options).unwrap(), 0), [2.0, 2.0, 2.0]);
    assert!(
        csv("trial,v\n0,1\n1,nan\n", &options)
            .unwrap_err()
            .contains("sample 1: channel 0 has missing values")
    );
}

#[test]
fn channels_of_tables_keep_their_names() {
    let text = "trial,times,label,v\n0,3,a,1\n1,4,b,2\n";
    let names = |time: &str| {
        let columns = ColumnNames { time: time.to_owned(), ..ColumnNames::default() };
        csv(text, &ReadOptions { columns, ..ReadOptions::default() })
    };
    assert!(names("time").unwrap_err().contains("`times` may be a misspelt `time`"));
    assert_eq!(names("times").unwrap().channel_names(), Some(&["v".to_owned()][..]));
    let data = names("").unwrap();
    assert_eq!(data.to_string().lines().next(), Some("samples: 2, channels: 2 (times, v)"));
    assert_eq!(data.subset(&[1]).unwrap().channel_names(), data.channel_names());
    // A column that is named nearly as one that is there is a channel.
    let both = csv("trial,time,timer,v\n0,0,3,1\n0,1,4,2\n", &ReadOptions::default()).unwrap();
    assert_eq!(both.channels(), 2);
    let wide: String = (0..15).map(|i| format!(",c{i}")).collect();
    let data = csv(&format!("trial{wide}\n0{}\n", ",1".repeat(15)), &ReadOptions::default()).unwrap();
    assert!(
        data.to_string().contains("channels: 15 (c0, c1") && data.to_string().contains("c11 and 3 more)")
    );
}

#[test]
fn folders_of_tables() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let open_folder = || open(folder.path(), &ReadOptions::default()).map_err(|error| error.to_string());
    assert!(open_folder().unwrap_err().contains("no files with the extension .csv"));
    // Labels are the names of sub-folders.
    for (name, text) in [("up/2.csv", "v\n3\n"), ("up/1.csv", "v\n1\n2\n"), ("down/9.csv", "v\n0\n")] {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), text).unwrap();
    }
    let data = open_folder().unwrap();
    assert_eq!(data.labels(), Some(&[0, 1, 1][..]));
    assert_eq!((values(&data, 1), values(&data, 2)), (vec![1.0, 2.0], vec![3.0]));
    // Labels are in a table, in its order; sub-folders do not count then.
    fs::write(at("b.csv"), "time,v\n0,1\n0.5,2\n").unwrap();
    fs::write(at("a.csv"), "time,v\n7,5\n7.5,6\n").unwrap();
    assert_eq!(open_folder().unwrap().labels(), None);
    fs::write(at("labels.csv"), "file,label\nb.csv,x\n").unwrap();
    assert!(open_folder().unwrap_err().contains("has no row for it"));
    fs::write(at("labels.csv"), "file,label\nb.csv,x\na.csv,y\n").unwrap();
    let data = open_folder().unwrap();
    assert_eq!((data.labels(), data.interval()), (Some(&[0, 1][..]), Some(500.0)));
    assert_eq!(values(&data, 1), [5.0, 6.0]);
    fs::write(at("a.csv"), "time,w\n7,5\n").unwrap();
    let error = open_folder().unwrap_err();
    assert!(error.contains("a.csv: line 1: found `time,w`, expected time,v"), "{error}");
    fs::write(at("labels.csv"), "file,label\n../b.csv,x\n").unwrap();
    assert!(open_folder().unwrap_err().contains("labels.csv: line 2, column file"));
}

#[test]
fn images_find_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("t10k-images-idx3-ubyte"), [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 51, 0])
        .unwrap();
    let images = at("t10k-images-idx3-ubyte");
    assert_eq!(open(&images, &ReadOptions::default()).unwrap().outputs(), 0);
    fs::write(at("t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 1, 0]).unwrap();
    let options = ReadOptions { pixels: Pixels::Channels, ..ReadOptions::default() };
    let data = open(&images, &options).unwrap();
    assert_eq!((data.labels(), values(&data, 1)), (Some(&[1, 0][..]), vec![0.2, 0.0]));
    let options = ReadOptions { labels: Some(at("none")), ..options };
    assert!(open(&images, &options).unwrap_err().to_string().contains("none: cannot read"));
}

#[test]
fn what_is_no_data_set_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.txt");
    fs::write(&path, "hello").unwrap();
    let error = open(&path, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("data.txt: cannot tell") && error.contains("npz, spikes-npz, csv"), "{error}");
    assert!(open(folder.path().join("none"), &ReadOptions::default()).is_err());
    let options = ReadOptions { kind: Some(Kind::Npz), ..ReadOptions::default() };
    assert!(open(folder.path(), &options).unwrap_err().to_string().contains("not of a folder"));
    assert!(open(&path, &options).unwrap_err().to_string().contains("not a valid npz file"));
    assert!(read(b"", Kind::CsvFolder, &options).is_err());
    if cfg!(target_os = "linux") {
        assert!(open("/dev/zero", &options).unwrap_err().to_string().contains("not a regular file"));
    }
}

#[test]
fn an_interval_of_the_options_comes_before_that_of_the_file() {
    let options = ReadOptions { interval: Some(5.0), ..ReadOptions::default() };
    assert_eq!(open(fixture("series.npz"), &options).unwrap().interval(), Some(5.0));
}
