//! Arrays in NumPy's file format, of the kind that a stored problem is made of: C order, float64 or float32, little-endian.
//!
//! A header says how many numbers follow. That is checked against the size of the file before any memory is taken, and
//! what the file has besides the numbers is refused. The crate `npyz` multiplies the sides of a shape without a check, so
//! that sides of 2^32 panic or come to nothing; it writes the arrays that this reader is tested with.

use std::io::{self, Read};

/// The first bytes of every such file.
const MAGIC: [u8; 6] = *b"\x93NUMPY";
/// No header is longer; NumPy itself refuses longer ones.
const LONGEST_HEADER: usize = 10_000;

/// Why an array could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// The system or the archive refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is not in NumPy's format.
    #[error("it has no header of the .npy format")]
    Header,
    /// Another type than the two that are read.
    #[error("its type is {found}, not little-endian float64 ('<f8') or float32 ('<f4')")]
    Type {
        /// The type's description.
        found: String,
    },
    /// Columns first.
    #[error("it is in Fortran order, not C order")]
    Fortran,
    /// A shape that does not fit the bytes.
    #[error("its shape {shape:?} and type {kind} stand for other than the {bytes} bytes that it has")]
    Size {
        /// The shape.
        shape: Vec<usize>,
        /// The type.
        kind: &'static str,
        /// How many bytes of numbers there are.
        bytes: u64,
    },
    /// A shape with a side of length 0, whose other sides could be of any length.
    #[error("its shape {shape:?} has no entries")]
    Empty {
        /// The shape.
        shape: Vec<usize>,
    },
    /// NaN or an infinity.
    #[error("its value at index {index} is {value}, not a finite number")]
    NonFinite {
        /// The index of the number, in C order.
        index: usize,
        /// The value.
        value: f64,
    },
}

/// An array of finite numbers.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

impl Array {
    /// Reads a file of `size` bytes to its end.
    pub(crate) fn read(mut reader: impl Read, size: u64) -> Result<Self, ArrayError> {
        let (header, before) = header(&mut reader)?;
        if header.shape.contains(&0) {
            return Err(ArrayError::Empty { shape: header.shape });
        }
        let (kind, width) = if header.single { ("'<f4'", 4) } else { ("'<f8'", 8) };
        let bytes = size.saturating_sub(before as u64);
        let entries = header.shape.iter().try_fold(1_usize, |all, &side| all.checked_mul(side));
        let needed = entries.and_then(|entries| entries.checked_mul(width));
        let wrong = |bytes| ArrayError::Size { shape: header.shape.clone(), kind, bytes };
        let Some(needed) = needed.filter(|&needed| needed as u64 == bytes) else { return Err(wrong(bytes)) };
        let mut data = Vec::new();
        data.try_reserve_exact(needed / width).map_err(io::Error::other)?;
        let mut number = [0; 8];
        for _ in 0..needed / width {
            reader.read_exact(&mut number[..width])?;
            let [a, b, c, d, ..] = number;
            let single = f32::from_le_bytes([a, b, c, d]);
            data.push(if header.single { f64::from(single) } else { f64::from_le_bytes(number) });
        }
        // The end is read too: an archive compares its checksum there.
        if reader.read(&mut number)? > 0 {
            return Err(wrong(bytes + 1));
        }
        if let Some(index) = data.iter().position(|x| !x.is_finite()) {
            return Err(ArrayError::NonFinite { index, value: data[index] });
        }
        Ok(Self { shape: header.shape, data })
    }
}

struct Header {
    single: bool,
    shape: Vec<usize>,
}

/// The header, and the number of bytes up to its end.
fn header(reader: &mut impl Read) -> Result<(Header, usize), ArrayError> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|_| ArrayError::Header)?;
    // The length has two bytes in version 1 and four in later ones.
    let bytes = if start[6] == 1 { 2 } else { 4 };
    let mut length = [0; 4];
    reader.read_exact(&mut length[..bytes]).map_err(|_| ArrayError::Header)?;
    let length = u32::from_le_bytes(length) as usize;
    if start[..6] != MAGIC || !(1..=3).contains(&start[6]) || length > LONGEST_HEADER {
        return Err(ArrayError::Header);
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(|_| ArrayError::Header)?;
    let text = str::from_utf8(&text).map_err(|_| ArrayError::Header)?;
    Ok((parse(text)?, start.len() + bytes + length))
}

/// Reads a dictionary such as `{'descr': '<f8', 'fortran_order': False, 'shape': (8, 2), }`, as NumPy writes it.
fn parse(text: &str) -> Result<Header, ArrayError> {
    let fields = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let mut rest = fields.ok_or(ArrayError::Header)?.trim();
    let (mut kind, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or(ArrayError::Header)?;
        let after = after.trim_start();
        // A shape has commas of its own.
        let end = if after.starts_with('(') { after.find(')').map(|end| end + 1) } else { after.find(',') };
        let (value, after) = after.split_at(end.unwrap_or(after.len()));
        let known = match key.trim() {
            "'descr'" => kind.replace(value.trim()).is_none(),
            "'fortran_order'" => fortran.replace(value.trim()).is_none(),
            "'shape'" => shape.replace(value.trim()).is_none(),
            _ => false,
        };
        let after = after.trim_start();
        if !known || !(after.is_empty() || after.starts_with(',')) {
            return Err(ArrayError::Header);
        }
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    let (Some(kind), Some(fortran), Some(shape)) = (kind, fortran, shape) else {
        return Err(ArrayError::Header);
    };
    let single = match kind {
        "'<f8'" => false,
        "'<f4'" => true,
        found => return Err(ArrayError::Type { found: found.to_owned() }),
    };
    let sides = shape.strip_prefix('(').and_then(|s| s.strip_suffix(')')).ok_or(ArrayError::Header)?;
    // A tuple of one has a comma at its end.
    let sides = sides.trim();
    let sides = sides.strip_suffix(',').unwrap_or(sides);
    let side = |side: &str| side.trim().parse().map_err(|_| ArrayError::Header);
    let shape: Vec<usize> = match sides {
        "" => Vec::new(),
        sides => sides.split(',').map(side).collect::<Result<_, _>>()?,
    };
    match fortran {
        "False" => {}
        // Both orders are the same for a vector.
        "True" if shape.len() < 2 => {}
        "True" => return Err(ArrayError::Fortran),
        _ => return Err(ArrayError::Header),
    }
    Ok(Header { single, shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [&MAGIC[..], &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn read(header: &str, data: &[u8]) -> Result<Array, String> {
        let bytes = file(header, data);
        Array::read(bytes.as_slice(), bytes.len() as u64).map_err(|error| error.to_string())
    }

    fn dict(kind: &str, shape: &str) -> String {
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}  \n")
    }

    #[test]
    fn arrays_of_both_types_are_read() {
        let doubles: Vec<u8> = [1.5_f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for (shape, expected) in [("(2,)", vec![2]), ("(1, 2)", vec![1, 2]), ("(2, 1, 1)", vec![2, 1, 1])] {
            let array = read(&dict("<f8", shape), &doubles).unwrap();
            assert_eq!((array.shape, array.data), (expected, vec![1.5, -2.0]));
        }
        let array = read(&dict("<f4", "()"), &0.25_f32.to_le_bytes()).unwrap();
        assert_eq!((array.shape, array.data), (vec![], vec![0.25]));
        assert!(read(&dict("<f8", "(0, 1099511627776)"), &[]).unwrap_err().contains("has no entries"));
        let turned = "{'shape': (2,), 'fortran_order': True, 'descr': '<f8'}";
        assert_eq!(read(turned, &doubles).unwrap().shape, [2]);
    }

    #[test]
    fn a_shape_is_held_against_the_bytes_before_it_is_believed() {
        let eight = [0; 8];
        for (kind, shape, data) in [
            ("<f8", "(4294967296, 4294967296)", &eight[..]),
            ("<f8", "(18446744073709551615,)", &eight[..]),
            ("<f8", "(1099511627776,)", &eight[..]),
            ("<f8", "(2,)", &eight[..]),
            ("<f4", "(1,)", &eight[..]),
            ("<f8", "(1,)", &[0; 9][..]),
            ("<f8", "()", &[][..]),
        ] {
            let error = read(&dict(kind, shape), data).unwrap_err();
            assert!(error.contains("stand for other than the") && error.contains(kind), "{error}");
        }
        // A size that is itself a lie.
        let bytes = file(&dict("<f8", "(3,)"), &eight);
        assert!(Array::read(bytes.as_slice(), bytes.len() as u64 + 16).is_err());
        let bytes = file(&dict("<f8", "(1,)"), &[0; 16]);
        assert!(Array::read(bytes.as_slice(), bytes.len() as u64 - 8).is_err());
    }

    #[test]
    fn what_is_no_such_array_is_refused() {
        let eight = [0; 8];
        for kind in [">f8", "<i8", "<c8", "|O", "<f2"] {
            assert!(read(&dict(kind, "(1,)"), &eight).unwrap_err().contains(kind));
        }
        let fortran = "{'descr': '<f8', 'fortran_order': True, 'shape': (1, 1), }";
        assert!(read(fortran, &eight).unwrap_err().contains("Fortran"));
        for header in [
            "",
            "{}",
            "{'descr': '<f8', 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1, }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': ((1,),), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,) 1, }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'more': 1, }",
        ] {
            assert!(read(header, &eight).unwrap_err().contains("no header"), "{header}");
        }
        assert!(read(&" ".repeat(20_000), &eight).is_err());
        for number in [f64::NAN, f64::INFINITY] {
            assert!(read(&dict("<f8", "(1,)"), &number.to_le_bytes()).unwrap_err().contains("at index 0"));
        }
    }
}
