//! Arrays in NumPy's `.npy` format, of all types of numbers, and of text.
//!
//! The shape in a header is held against the bytes that follow before memory is taken. The crate `npyz` multiplies the sides of a
//! shape without a check, so that sides of 2^32 panic or come to nothing.

use std::io::Read;

use super::bytes::{half, unsigned};
use crate::Error;

/// The first bytes of every such file.
const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// NumPy itself refuses longer headers.
const LONGEST_HEADER: usize = 10_000;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Entry {
    Float,
    Signed,
    Unsigned,
    Bool,
    /// Text of one byte a character.
    Bytes,
    /// Text of four bytes a character.
    Unicode,
}

/// An array, still in the bytes of the file.
#[derive(Debug)]
pub(super) struct Array {
    name: String,
    pub(super) shape: Vec<usize>,
    entry: Entry,
    width: usize,
    big_endian: bool,
    fortran: bool,
    bytes: Vec<u8>,
}

struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Array {
    /// Reads an array, named `name` in messages, of at most `most` bytes.
    pub(super) fn read(name: &str, mut reader: impl Read, most: usize) -> Result<Self, Error> {
        let header = header(&mut reader).map_err(|reason| malformed(name, &reason))?;
        let (entry, width, big_endian) =
            entry(&header.descr).ok_or_else(|| wrong_type(name, &header.descr))?;
        let entries = header.shape.iter().try_fold(1_usize, |all, &side| all.checked_mul(side));
        let needed = entries.and_then(|entries| entries.checked_mul(width)).filter(|needed| *needed <= most);
        let lie =
            || malformed(name, &format!("its shape {:?} stands for more bytes than there are", header.shape));
        let needed = needed.ok_or_else(lie)?;
        let mut bytes = Vec::new();
        // One byte more shows whether the array ends where its shape says; an archive compares its checksum at the end.
        let limit = needed as u64 + 1;
        let read = reader.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| malformed(name, &error.to_string()))?;
        if bytes.len() != needed {
            let reason = format!("its shape {:?} stands for {needed} bytes, and it has others", header.shape);
            return Err(malformed(name, &reason));
        }
        let Header { fortran, shape, .. } = header;
        Ok(Self { name: name.to_owned(), shape, entry, width, big_endian, fortran, bytes })
    }

    /// An error that the array is of another shape or type than `expected`.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let sort = match self.entry {
            Entry::Float => "floating-point numbers",
            Entry::Signed | Entry::Unsigned => "whole numbers",
            Entry::Bool => "booleans",
            Entry::Bytes | Entry::Unicode => "text",
        };
        let found = format!("of shape {:?} with {sort}", self.shape);
        Error::Array { name: self.name.clone(), found, expected: expected.to_owned() }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.entry, Entry::Bytes | Entry::Unicode)
    }

    /// Whether the entries are whole numbers or booleans.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.entry, Entry::Signed | Entry::Unsigned | Entry::Bool)
    }

    /// The numbers in C order.
    pub(super) fn f32s(&self) -> Result<Vec<f32>, Error> {
        self.map(|entry| self.number(entry) as f32)
    }

    /// The numbers in C order.
    pub(super) fn f64s(&self) -> Result<Vec<f64>, Error> {
        self.map(|entry| self.number(entry))
    }

    /// The whole numbers in C order.
    pub(super) fn i64s(&self) -> Result<Vec<i64>, Error> {
        if !self.is_whole() {
            return Err(self.unexpected("whole numbers"));
        }
        // Whole numbers beyond those of i64 are no labels, lengths or channels in any case.
        self.map(|entry| i64::try_from(self.whole(entry)).unwrap_or(i64::MAX))
    }

    /// The single number of an array of any shape.
    pub(super) fn scalar(&self) -> Result<f64, Error> {
        match self.f64s()?[..] {
            [number] => Ok(number),
            _ => Err(self.unexpected("a single number")),
        }
    }

    /// The strings in C order.
    pub(super) fn strings(&self) -> Result<Vec<String>, Error> {
        if !self.is_text() {
            return Err(self.unexpected("text"));
        }
        let big_endian = self.big_endian;
        let decode = |entry: &[u8]| match self.entry {
            Entry::Unicode => {
                let characters = entry.chunks_exact(4).map(|code| unsigned(code, big_endian) as u32);
                characters
                    .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect::<String>()
            }
            _ => String::from_utf8_lossy(entry).into_owned(),
        };
        Ok(self.in_c_order(|entry| decode(entry).trim_end_matches('\0').to_owned()))
    }

    fn map<T>(&self, convert: impl Fn(&[u8]) -> T) -> Result<Vec<T>, Error> {
        if self.is_text() { Err(self.unexpected("numbers")) } else { Ok(self.in_c_order(convert)) }
    }

    fn in_c_order<T>(&self, convert: impl Fn(&[u8]) -> T) -> Vec<T> {
        // Text may have entries of no bytes.
        let width = self.width;
        let entries: usize = self.shape.iter().product();
        let entry = |index: usize| convert(&self.bytes[index * width..(index + 1) * width]);
        if !self.fortran || self.shape.len() < 2 {
            return (0..entries).map(entry).collect();
        }
        // In Fortran order the first index goes fastest. `at` counts through the indices in C order.
        let mut strides = vec![1; self.shape.len()];
        for side in 1..self.shape.len() {
            strides[side] = strides[side - 1] * self.shape[side - 1];
        }
        let mut at = vec![0; self.shape.len()];
        let mut converted = Vec::with_capacity(entries);
        for _ in 0..entries {
            converted.push(entry(at.iter().zip(&strides).map(|(index, stride)| index * stride).sum()));
            for side in (0..at.len()).rev() {
                at[side] += 1;
                if at[side] < self.shape[side] {
                    break;
                }
                at[side] = 0;
            }
        }
        converted
    }

    fn whole(&self, entry: &[u8]) -> i128 {
        let bits = unsigned(entry, self.big_endian);
        match self.entry {
            // The sign is the highest bit of the entry.
            Entry::Signed => {
                let unused = 64 - 8 * self.width as u32;
                i128::from(((bits << unused) as i64) >> unused)
            }
            Entry::Bool => i128::from(bits != 0),
            _ => i128::from(bits),
        }
    }

    fn number(&self, entry: &[u8]) -> f64 {
        let bits = unsigned(entry, self.big_endian);
        match (self.entry, self.width) {
            (Entry::Float, 2) => half(bits as u16),
            (Entry::Float, 4) => f32::from_bits(bits as u32).into(),
            (Entry::Float, _) => f64::from_bits(bits),
            _ => self.whole(entry) as f64,
        }
    }
}

fn malformed(name: &str, reason: &str) -> Error {
    Error::malformed("npz", format!("array `{name}`: {reason}"))
}

/// The error of a type that is not read.
fn wrong_type(name: &str, descr: &str) -> Error {
    let change = if descr.contains('O') {
        "save it as numbers, `numpy.asarray(a, dtype='float32')`; for samples of unequal lengths, fill them up to one length and save the \
         real ones as `lengths`"
    } else {
        "save it as `a.astype('float32')` or `a.astype('int64')`"
    };
    let what = match descr.contains('O') {
        true => format!("array `{name}` of Python objects"),
        false => format!("array `{name}` of type {descr}"),
    };
    Error::Unsupported { what, change: change.to_owned() }
}

/// What `'<f4'` stands for: the sort of entry, its bytes, and whether they are big-endian.
fn entry(descr: &str) -> Option<(Entry, usize, bool)> {
    let inner = descr.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))?;
    let mut characters = inner.chars();
    let big_endian = match characters.next()? {
        '<' | '|' => false,
        '>' => true,
        '=' => cfg!(target_endian = "big"),
        _ => return None,
    };
    let code = characters.next()?;
    let width: usize = characters.as_str().parse().ok()?;
    let (entry, width) = match (code, width) {
        ('f', 2 | 4 | 8) => (Entry::Float, width),
        ('i', 1 | 2 | 4 | 8) => (Entry::Signed, width),
        ('u', 1 | 2 | 4 | 8) => (Entry::Unsigned, width),
        ('b', 1) => (Entry::Bool, 1),
        // Without bytes, any number of entries would take none.
        ('S', 1..) => (Entry::Bytes, width),
        ('U', 1..) => (Entry::Unicode, width.checked_mul(4)?),
        _ => return None,
    };
    Some((entry, width, big_endian))
}

fn header(reader: &mut impl Read) -> Result<Header, String> {
    let none = |_| "it has no header of the .npy format".to_owned();
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(none)?;
    // The length has two bytes in version 1 and four in later ones.
    let bytes = if start[6] == 1 { 2 } else { 4 };
    let mut length = [0; 4];
    reader.read_exact(&mut length[..bytes]).map_err(none)?;
    let length = u32::from_le_bytes(length) as usize;
    if start[..6] != MAGIC || !(1..=3).contains(&start[6]) || length > LONGEST_HEADER {
        return Err("it has no header of the .npy format".to_owned());
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(none)?;
    let text = String::from_utf8_lossy(&text);
    parse(&text)
        .ok_or_else(|| format!("its header is damaged: {}", text.trim().chars().take(80).collect::<String>()))
}

/// Reads a dictionary such as `{'descr': '<f8', 'fortran_order': False, 'shape': (8, 2), }`, as NumPy writes it.
fn parse(text: &str) -> Option<Header> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':')?;
        let after = after.trim_start();
        // A shape, and the fields of a structure, have commas of their own.
        let end = match after.chars().next()? {
            '(' => after.find(')').map(|end| end + 1),
            '[' => after.rfind(']').map(|end| end + 1),
            _ => after.find(','),
        };
        let (value, after) = after.split_at(end.unwrap_or(after.len()));
        let value = value.trim();
        let slot = match key.trim() {
            "'descr'" => &mut descr,
            "'fortran_order'" => &mut fortran,
            "'shape'" => &mut shape,
            _ => return None,
        };
        let after = after.trim_start();
        if slot.replace(value).is_some() || !(after.is_empty() || after.starts_with(',')) {
            return None;
        }
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    let fortran = match fortran? {
        "True" => true,
        "False" => false,
        _ => return None,
    };
    let sides = shape?.strip_prefix('(')?.strip_suffix(')')?.trim();
    // A tuple of one has a comma at its end.
    let sides = sides.strip_suffix(',').unwrap_or(sides);
    let shape = match sides {
        "" => Vec::new(),
        sides => sides.split(',').map(|side| side.trim().parse().ok()).collect::<Option<Vec<usize>>>()?,
    };
    Some(Header { descr: descr?.to_owned(), fortran, shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}  \n");
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        [&MAGIC[..], &[1, 0], &length, text.as_bytes(), data].concat()
    }

    fn read(descr: &str, shape: &str, data: &[u8]) -> Result<Array, Error> {
        let bytes = file(descr, "False", shape, data);
        Array::read("a", bytes.as_slice(), bytes.len())
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let f64s = |descr: &str, data: &[u8]| read(descr, "(1,)", data).unwrap().f64s().unwrap();
        assert_eq!(f64s("'<f8'", &1.5_f64.to_le_bytes()), [1.5]);
        assert_eq!(f64s("'>f8'", &1.5_f64.to_be_bytes()), [1.5]);
        assert_eq!(f64s("'>f4'", &(-0.25_f32).to_be_bytes()), [-0.25]);
        assert_eq!(f64s("'<f2'", &[0x00, 0xbe]), [-1.5]);
        assert_eq!(f64s("'|i1'", &[0xfe]), [-2.0]);
        assert_eq!(f64s("'|u1'", &[0xfe]), [254.0]);
        assert_eq!(f64s("'>i2'", &(-300_i16).to_be_bytes()), [-300.0]);
        assert_eq!(f64s("'<i4'", &(-70_000_i32).to_le_bytes()), [-70_000.0]);
        assert_eq!(f64s("'<i8'", &(-5_i64).to_le_bytes()), [-5.0]);
        assert_eq!(f64s("'<u8'", &u64::MAX.to_le_bytes()), [u64::MAX as f64]);
        assert_eq!(f64s("'|b1'", &[1]), [1.0]);
        assert_eq!(read("'<u8'", "(1,)", &[0xff; 8]).unwrap().i64s().unwrap(), [i64::MAX]);
    }

    #[test]
    fn text_is_read_without_its_filling() {
        let wide: Vec<u8> = ['a', 'ö', '\0'].iter().flat_map(|c| (*c as u32).to_le_bytes()).collect();
        assert_eq!(read("'<U3'", "(1,)", &wide).unwrap().strings().unwrap(), ["aö"]);
        assert_eq!(read("'|S3'", "(2,)", b"ab\0c\0\0").unwrap().strings().unwrap(), ["ab", "c"]);
        assert!(read("'|S1'", "(1,)", b"1").unwrap().f64s().is_err());
        assert!(read("'|u1'", "(1,)", b"1").unwrap().strings().is_err());
    }

    #[test]
    fn fortran_order_is_turned_into_c_order() {
        // Entry (i, j, k) of the array is 100 i + 10 j + k.
        let mut bytes = Vec::new();
        for k in 0..2_u8 {
            for j in 0..3 {
                for i in 0..2 {
                    bytes.push(100 * i + 10 * j + k);
                }
            }
        }
        let bytes = file("'|u1'", "True", "(2, 3, 2)", &bytes);
        let array = Array::read("a", bytes.as_slice(), bytes.len()).unwrap();
        let expected = [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121];
        assert_eq!(array.i64s().unwrap(), expected);
    }

    #[test]
    fn a_shape_is_held_against_the_bytes() {
        for (shape, bytes) in [
            ("(4294967296, 4294967296)", 8),
            ("(18446744073709551615,)", 8),
            ("(1099511627776,)", 8),
            ("(2,)", 8),
            ("(1,)", 9),
            ("(0, 1099511627776)", 1),
        ] {
            let error = read("'<f8'", shape, &vec![0; bytes]).unwrap_err().to_string();
            assert!(error.contains("array `a`: its shape"), "{error}");
        }
        assert_eq!(read("'<f8'", "(0,)", &[]).unwrap().f64s().unwrap(), [0.0; 0]);
    }

    #[test]
    fn other_types_say_what_to_do() {
        let error = read("'|O'", "(1,)", &[0; 8]).unwrap_err().to_string();
        assert!(error.contains("of Python objects") && error.contains("dtype='float32'"), "{error}");
        for descr in ["'<c8'", "'<f16'", "'<M8[ns]'", "[('a', '<f4'), ('b', '<f4')]", "'|S0'", "'<V4'"] {
            let error = read(descr, "(1,)", &[0; 8]).unwrap_err().to_string();
            assert!(error.contains("astype"), "{error}");
        }
    }

    #[test]
    fn damaged_headers_are_refused() {
        for (descr, fortran, shape) in [
            ("'<f8'", "0", "(1,)"),
            ("'<f8'", "False", "(-1,)"),
            ("'<f8'", "False", "(1"),
            ("'<f8'", "False", "1"),
        ] {
            let bytes = file(descr, fortran, shape, &[0; 8]);
            let error = Array::read("a", bytes.as_slice(), bytes.len()).unwrap_err().to_string();
            assert!(error.contains("header"), "{error}");
        }
        assert!(Array::read("a", &b"PK"[..], 9).is_err());
    }
}
