//! Images in the IDX format of MNIST and its relatives, and their labels.
//!
//! A file has four bytes `0, 0, type, dimensions`, a 32-bit length for each dimension, and the numbers, all big-endian. It may be
//! compressed (`.gz`). Images of unsigned bytes are scaled to `[0, 1]`; other numbers stay as they are.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::bytes::{Bytes, most_inflated, unsigned};
use super::labels;
use super::options::{Pixels, ReadOptions};
use crate::{Dataset, Error, Inputs, Series, Targets};

/// The first bytes of compressed files.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An array of a file.
struct Array {
    shape: Vec<usize>,
    kind: u8,
    data: Vec<u8>,
}

/// Reads images of two dimensions, `samples x rows x columns`, or vectors, `samples x channels`, with `labels` if there are any.
pub(super) fn read(images: &[u8], labels: Option<&[u8]>, options: &ReadOptions) -> Result<Dataset, Error> {
    let array = Array::read(images)?;
    let (samples, rows, columns) = match array.shape[..] {
        [samples, rows, columns] if options.pixels == Pixels::Rows => (samples, rows, columns),
        [samples, rows, columns] => (samples, 1, rows * columns),
        [samples, channels] => (samples, 1, channels),
        _ => return Err(array.unexpected("images: samples x rows x columns, or samples x channels")),
    };
    if array.data.is_empty() {
        return Err(array.unexpected("at least one pixel"));
    }
    let width = array.width();
    let mut inputs = Vec::with_capacity(samples);
    for sample in array.data.chunks_exact(rows * columns * width) {
        let values = sample.chunks_exact(width).map(|number| array.number(number)).collect();
        inputs.push(Series::new(columns, values)?);
    }
    let targets = match labels {
        Some(labels) => read_labels(labels, samples, options)?,
        None => Targets::None,
    };
    Dataset::new(Inputs::Series(inputs), targets)
}

fn read_labels(bytes: &[u8], samples: usize, options: &ReadOptions) -> Result<Targets, Error> {
    let array = Array::read(bytes)?;
    if array.shape != [samples] || !array.is_whole() {
        return Err(array.unexpected(&format!("{samples} whole numbers, one label for each image")));
    }
    let width = array.width();
    let labels: Vec<i64> = array.data.chunks_exact(width).map(|number| array.whole(number)).collect();
    labels::from_numbers(&labels, options.classes.as_deref())
}

impl Array {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        if !bytes.starts_with(&GZIP) {
            return Self::parse(bytes, bytes.len());
        }
        let mut inflated = Vec::new();
        let most = most_inflated(bytes.len());
        let read = MultiGzDecoder::new(bytes).take(most as u64).read_to_end(&mut inflated);
        read.map_err(|error| malformed(&format!("it cannot be decompressed: {error}")))?;
        if inflated.starts_with(b"\x89HDF") {
            let (what, change) = ("a compressed HDF5 file".to_owned(), "unpack it first".to_owned());
            return Err(Error::Unsupported { what, change });
        }
        Self::parse(&inflated, inflated.len())
    }

    fn parse(bytes: &[u8], length: usize) -> Result<Self, Error> {
        let mut bytes = Bytes::new(bytes);
        let start = || malformed("it does not begin with the bytes 0, 0, a type and a number of dimensions");
        let Some(&[0, 0, kind, dimensions]) = bytes.take(4) else { return Err(start()) };
        let Some(width) = width(kind) else { return Err(start()) };
        let shape =
            (0..dimensions).map(|_| bytes.be(4).map(|side| side as usize)).collect::<Option<Vec<_>>>();
        let shape = shape.ok_or_else(|| malformed("it ends within its lengths"))?;
        let needed = shape.iter().try_fold(width, |all, &side| all.checked_mul(side));
        let data = bytes.rest();
        if needed != Some(data.len()) {
            let reason = format!("its lengths {shape:?} stand for other than its {length} bytes");
            return Err(malformed(&reason));
        }
        Ok(Self { shape, kind, data: data.to_vec() })
    }

    fn width(&self) -> usize {
        width(self.kind).unwrap_or(1)
    }

    fn is_whole(&self) -> bool {
        matches!(self.kind, 0x08 | 0x09 | 0x0b | 0x0c)
    }

    fn whole(&self, number: &[u8]) -> i64 {
        let bits = unsigned(number, true);
        match self.kind {
            0x09 => i64::from(bits as i8),
            0x0b => i64::from(bits as i16),
            0x0c => i64::from(bits as i32),
            _ => bits as i64,
        }
    }

    fn number(&self, number: &[u8]) -> f32 {
        match self.kind {
            0x08 => self.whole(number) as f32 / 255.0,
            0x0d => f32::from_bits(unsigned(number, true) as u32),
            0x0e => f64::from_bits(unsigned(number, true)) as f32,
            _ => self.whole(number) as f32,
        }
    }

    fn unexpected(&self, expected: &str) -> Error {
        let numbers = if self.is_whole() { "whole numbers" } else { "floating-point numbers" };
        let found = format!("of lengths {:?} with {numbers}", self.shape);
        Error::Array { name: "idx".to_owned(), found, expected: expected.to_owned() }
    }
}

/// Bytes of a number of the type `kind`.
fn width(kind: u8) -> Option<usize> {
    match kind {
        0x08 | 0x09 => Some(1),
        0x0b => Some(2),
        0x0c | 0x0d => Some(4),
        0x0e => Some(8),
        _ => None,
    }
}

fn malformed(reason: &str) -> Error {
    Error::malformed("idx", reason)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::Input;

    fn file(kind: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, shape.len() as u8];
        shape.iter().for_each(|side| bytes.extend(side.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn values(images: &[u8], pixels: Pixels) -> (usize, Vec<f32>) {
        let options = ReadOptions { pixels, ..ReadOptions::default() };
        let data = read(images, None, &options).unwrap();
        let Some(Input::Series(series)) = data.sample(0).map(|sample| sample.input) else { panic!() };
        (series.channels(), series.values().to_vec())
    }

    #[test]
    fn images_are_rows_or_channels() {
        let images = file(8, &[1, 2, 3], &[0, 51, 102, 153, 204, 255]);
        let expected = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
        assert_eq!(values(&images, Pixels::Rows), (3, expected.to_vec()));
        assert_eq!(values(&images, Pixels::Channels), (6, expected.to_vec()));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&images).unwrap();
        assert_eq!(values(&encoder.finish().unwrap(), Pixels::Rows), (3, expected.to_vec()));
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let one = |kind: u8, bytes: &[u8]| values(&file(kind, &[1, 1], bytes), Pixels::Rows).1[0];
        assert_eq!(one(0x09, &[0xfe]), -2.0);
        assert_eq!(one(0x0b, &(-300_i16).to_be_bytes()), -300.0);
        assert_eq!(one(0x0c, &(-70_000_i32).to_be_bytes()), -70_000.0);
        assert_eq!(one(0x0d, &0.25_f32.to_be_bytes()), 0.25);
        assert_eq!(one(0x0e, &(-0.5_f64).to_be_bytes()), -0.5);
    }

    #[test]
    fn labels_are_classes() {
        let images = file(8, &[2, 1], &[0, 255]);
        let options = ReadOptions::default();
        let labels = |bytes: &[u8]| read(&images, Some(bytes), &options);
        assert_eq!(labels(&file(8, &[2], &[3, 1])).unwrap().labels(), Some(&[3, 1][..]));
        assert_eq!(labels(&file(0x0b, &[2], &[0, 3, 0, 1])).unwrap().outputs(), 4);
        let error = labels(&file(8, &[1], &[3])).unwrap_err().to_string();
        assert!(error.contains("expected 2 whole numbers"), "{error}");
        assert!(labels(&file(0x0d, &[2], &[0; 8])).is_err());
    }

    #[test]
    fn lengths_are_held_against_the_bytes() {
        for bad in [
            file(8, &[u32::MAX, u32::MAX, u32::MAX], &[0]),
            file(8, &[1, 2, 2], &[0; 3]),
            file(8, &[1, 2, 2], &[0; 5]),
            file(8, &[0, 2, 2], &[]),
            file(8, &[1], &[0]),
            file(7, &[1, 1], &[0]),
            file(8, &[1, 1], &[0])[..7].to_vec(),
            vec![],
            GZIP.to_vec(),
        ] {
            assert!(read(&bad, None, &ReadOptions::default()).is_err(), "{bad:?}");
        }
    }
}
