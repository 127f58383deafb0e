//! Damaged files of every kind: a typed error or a valid data set, no panic, and no more memory than the file can stand for.

#![allow(clippy::expect_used, reason = "a failure in a helper fails the test that called it")]

mod npy;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use npy::npy;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use spikegrad_data::{Kind, Missing, ReadOptions, read};

/// Damaged files of each good one.
const FILES: u32 = 2000;

/// One way to damage a file.
#[derive(Clone, Debug)]
enum Damage {
    /// The end is lost.
    Truncate(Index),
    /// One byte becomes another.
    Byte(Index, u8),
    /// One bit is flipped.
    Bit(Index, u8),
    /// Four or eight bytes become a large or small number, as in a header with a wrong count.
    Number(Index, u64, usize),
    /// Two parts change places.
    Swap(Index, Index, usize),
    /// A part is there twice.
    Repeat(Index, usize),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Truncate(end) => bytes.truncate(end.index(length)),
            Self::Byte(at, byte) => bytes[at.index(length)] = *byte,
            Self::Bit(at, bit) => bytes[at.index(length)] ^= 1 << (bit % 8),
            Self::Number(at, number, width) => {
                let at = at.index(length);
                let end = (at + width).min(length);
                bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            }
            Self::Swap(a, b, width) => {
                let (a, b) = (a.index(length), b.index(length));
                for i in 0..*width {
                    if a + i < length && b + i < length {
                        bytes.swap(a + i, b + i);
                    }
                }
            }
            Self::Repeat(at, width) => {
                let at = at.index(length);
                let part = bytes[at..(at + width).min(length)].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let number = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        Just(1 << 40),
        Just(i64::MAX as u64),
        any::<u64>()
    ];
    let text = proptest::sample::select(b"0123456789.,:-+eE?@#\n\r\"'()[]{}<>|fiuOUS ".to_vec());
    prop_oneof![
        1 => any::<Index>().prop_map(Damage::Truncate),
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        3 => (any::<Index>(), text).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        3 => (any::<Index>(), number, proptest::sample::select(vec![2_usize, 4, 8]))
            .prop_map(|(at, number, width)| Damage::Number(at, number, width)),
        1 => (any::<Index>(), any::<Index>(), 1_usize..32).prop_map(|(a, b, width)| Damage::Swap(a, b, width)),
        1 => (any::<Index>(), 1_usize..64).prop_map(|(at, width)| Damage::Repeat(at, width)),
    ]
}

/// Reads damaged copies of a good file. Memory may be some times the file; compressed bytes may become a thousand times as many.
fn check(kind: Kind, good: &[u8], compressed: bool) {
    let options = ReadOptions { missing: Missing::Hold, ..ReadOptions::default() };
    let data = read(good, kind, &options).expect("the file is good");
    assert!(!data.to_string().is_empty());
    // A file of a few bytes may have some hundred bytes for each: names of up to 65536 classes are the most.
    let most =
        |length: usize| if compressed { 40_000 * length as u64 } else { 200 * length as u64 } + (8 << 20);
    let mut runner = TestRunner::new(Config { cases: FILES, failure_persistence: None, ..Config::default() });
    let damages = proptest::collection::vec(damage(), 1..4);
    let valid = std::cell::Cell::new(0);
    let result = runner.run(&damages, |damages| {
        let mut bytes = good.to_vec();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        let mut read_again = None;
        let memory = allocation_counter::measure(|| read_again = Some(read(&bytes, kind, &options)));
        prop_assert!(memory.bytes_max <= most(bytes.len()), "{} bytes of memory", memory.bytes_max);
        match read_again.expect("it was read") {
            Ok(data) => {
                valid.set(valid.get() + 1);
                prop_assert!(!data.is_empty() && data.channels() > 0);
                prop_assert_eq!(data.samples().count(), data.len());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        Ok(())
    });
    result.expect("no panic, and no huge memory");
    // Damage that is always noticed, or never, would test little.
    assert!((1..FILES).contains(&valid.get()), "{} of {FILES} were valid", valid.get());
}

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name))
    };
}

#[test]
fn npz() {
    check(Kind::Npz, fixture!("series.npz"), true);
}

#[test]
fn npz_compressed() {
    check(Kind::Npz, fixture!("fortran_big_endian.npz"), true);
}

#[test]
fn npz_spikes() {
    check(Kind::SpikesNpz, fixture!("spikes.npz"), true);
}

/// An archive is mostly checksums, which notice damage before the readers of arrays do. This one is written anew around each
/// damaged array.
#[test]
fn npz_with_valid_checksums() {
    let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 2), }";
    let mut good =
        [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    (0..12_u8).for_each(|k| good.extend(f32::from(k).to_le_bytes()));
    let archive = |array: &[u8]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, array) in [("x.npy", array), ("lengths.npy", &lengths()[..])] {
            zip.start_file(name, stored).expect("a file");
            zip.write_all(array).expect("written");
        }
        zip.finish().expect("an archive").into_inner()
    };
    fn lengths() -> Vec<u8> {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
        [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), &[3, 1]]
            .concat()
    }
    let options = ReadOptions::default();
    assert_eq!(read(&archive(&good), Kind::Npz, &options).expect("good").channels(), 2);
    let mut runner = TestRunner::new(Config { cases: FILES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&proptest::collection::vec(damage(), 1..4), |damages| {
        let mut bytes = good.clone();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        let archive = archive(&bytes);
        let memory = allocation_counter::measure(|| drop(read(&archive, Kind::Npz, &options)));
        prop_assert!(memory.bytes_max < 8 << 20, "{} bytes of memory", memory.bytes_max);
        Ok(())
    });
    result.expect("no panic, and no huge memory");
}

/// Target spikes beside series, or beside spike events: one array after the other is damaged, and the archive around it is valid.
fn target_spikes(kind: Kind, inputs: &[(&'static str, Vec<u8>)]) {
    let times: Vec<u8> = [0.5_f64, 0.25, 1.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let targets = [
        ("target_times.npy", npy("<f8", "(3,)", &times)),
        ("target_units.npy", npy("|i1", "(3,)", &[1, 0, 3])),
        ("target_trial.npy", npy("|i1", "(3,)", &[0, 0, 1])),
    ];
    let good = [inputs, &targets].concat();
    let archive = |arrays: &[(&'static str, Vec<u8>)]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, array) in arrays {
            zip.start_file(*name, stored).expect("a file");
            zip.write_all(array).expect("written");
        }
        zip.finish().expect("an archive").into_inner()
    };
    let options = ReadOptions::default();
    assert_eq!(read(&archive(&good), kind, &options).expect("good").outputs(), 4);
    let valid = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: FILES, failure_persistence: None, ..Config::default() });
    let damages = (any::<Index>(), proptest::collection::vec(damage(), 1..4));
    let result = runner.run(&damages, |(which, damages)| {
        let mut arrays = good.clone();
        let which = inputs.len() + which.index(targets.len());
        damages.iter().for_each(|damage| damage.apply(&mut arrays[which].1));
        let archive = archive(&arrays);
        let mut found = None;
        let memory = allocation_counter::measure(|| found = Some(read(&archive, kind, &options)));
        prop_assert!(memory.bytes_max < 8 << 20, "{} bytes of memory", memory.bytes_max);
        match found.expect("it was read") {
            Ok(data) => {
                valid.set(valid.get() + 1);
                prop_assert!(data.outputs() > 0 && data.samples().count() == data.len());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        Ok(())
    });
    result.expect("no panic, and no huge memory");
    assert!((1..FILES).contains(&valid.get()), "{} of {FILES} were valid", valid.get());
}

#[test]
fn target_spikes_beside_series() {
    let interval: Vec<u8> = 1.0_f64.to_le_bytes().to_vec();
    let inputs =
        [("x.npy", npy("|u1", "(2, 3)", &[1, 2, 3, 4, 5, 6])), ("interval.npy", npy("<f8", "()", &interval))];
    target_spikes(Kind::Npz, &inputs);
}

#[test]
fn target_spikes_beside_spike_events() {
    let numbers = |values: &[f64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let inputs = [
        ("times.npy", npy("<f8", "(2,)", &numbers(&[0.5, 1.0]))),
        ("units.npy", npy("|u1", "(2,)", &[0, 2])),
        ("trial.npy", npy("|u1", "(2,)", &[0, 1])),
        ("duration.npy", npy("<f8", "(2,)", &numbers(&[2.0, 3.0]))),
    ];
    target_spikes(Kind::SpikesNpz, &inputs);
}

#[test]
fn csv() {
    let text = "trial,time,label,v,w\n0,0.0,a,1.5,2\n0,0.1,a,3,\n1,0,b,\"5\",?\n1,0.1,b,6,7e3\n";
    check(Kind::Csv, text.as_bytes(), false);
}

#[test]
fn ts() {
    let text = "# comment\n@problemName Fuzz\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength false\n\
                @classLabel true one two\n@data\n1,2,3:4,?,6:one\n7.5,8:-9e1,0:two\n";
    check(Kind::Ts, text.as_bytes(), false);
    let text =
        "@univariate true\n@targetLabel true\n@equalLength true\n@seriesLength 2\n@data\n1,2:0.5\n3,4:1.5\n";
    check(Kind::Ts, text.as_bytes(), false);
}

#[test]
fn idx() {
    let mut images = vec![0, 0, 0x0d, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 4];
    (0..24_u8).for_each(|pixel| images.extend(f32::from(pixel).to_be_bytes()));
    check(Kind::Idx, &images, false);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&images).expect("written");
    check(Kind::Idx, &encoder.finish().expect("compressed"), true);
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5() {
    check(Kind::Hdf5, fixture!("shd.h5"), false);
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_chunked() {
    check(Kind::Hdf5, fixture!("shd_chunked.h5"), true);
}

#[cfg(feature = "hdf5")]
#[test]
fn hdf5_target_spikes() {
    check(Kind::Hdf5, fixture!("spike_targets.h5"), false);
}
