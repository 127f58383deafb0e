//! Types of entries.

use super::{Bytes, ends_early, malformed};
use crate::Error;
use crate::read::bytes::{half, unsigned};

/// The type of an entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Number(Number),
    /// Text of a fixed number of bytes.
    Text(usize),
    /// A sequence of variable length.
    Sequence(Number),
    /// Text of variable length.
    Texts,
    /// A type that is not read, by the number of its class.
    Other(u64),
}

/// A sort of number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    pub(super) width: usize,
    big_endian: bool,
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sort {
    Float,
    Signed,
    Unsigned,
}

impl Type {
    /// Reads the message of a type.
    pub(super) fn read(data: &mut Bytes<'_>) -> Result<Self, Error> {
        let mut head = || {
            let class = data.le(1)? & 15;
            Some((class, data.le(3)?, data.le(4)? as usize))
        };
        let (class, bits, size) = head().ok_or_else(ends_early)?;
        match class {
            0 | 1 => Ok(number(class, bits, size, data)?.map_or(Self::Other(class), Self::Number)),
            3 if size > 0 => Ok(Self::Text(size)),
            // The members of an enumeration, such as h5py's booleans, are numbers of its base.
            8 => Ok(match Self::read_base(data)? {
                Some(number) => Self::Number(number),
                None => Self::Other(class),
            }),
            9 if bits & 15 == 1 => Ok(Self::Texts),
            9 => Ok(Self::read_base(data)?.map_or(Self::Other(class), Self::Sequence)),
            class => Ok(Self::Other(class)),
        }
    }

    /// The number that another type is made of, if it is a number.
    fn read_base(data: &mut Bytes<'_>) -> Result<Option<Number>, Error> {
        let mut head = || {
            let class = data.le(1)? & 15;
            Some((class, data.le(3)?, data.le(4)? as usize))
        };
        let (class, bits, size) = head().ok_or_else(ends_early)?;
        if class > 1 { Ok(None) } else { number(class, bits, size, data) }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Number(Number { sort: Sort::Float, .. }) => "floating-point numbers".to_owned(),
            Self::Number(_) => "whole numbers".to_owned(),
            Self::Text(_) | Self::Texts => "text".to_owned(),
            Self::Sequence(_) => "sequences of numbers".to_owned(),
            Self::Other(class) => format!("a type of class {class}"),
        }
    }
}

/// Reads the properties of a number; nothing if it is of an unusual format.
fn number(class: u64, bits: u64, width: usize, data: &mut Bytes<'_>) -> Result<Option<Number>, Error> {
    let big_endian = bits & 1 == 1;
    if class == 0 {
        let sort = if bits & 8 != 0 { Sort::Signed } else { Sort::Unsigned };
        return Ok([1, 2, 4, 8].contains(&width).then_some(Number { width, big_endian, sort }));
    }
    let mut exponent = || {
        // Offset and precision, and the place of the exponent.
        data.take(5)?;
        data.le(1)
    };
    let exponent = exponent().ok_or_else(|| malformed("a type is damaged"))?;
    // The formats of IEEE 754; the bit 0x40 is the order of bytes of a VAX.
    let usual = matches!((width, exponent), (2, 5) | (4, 8) | (8, 11)) && bits & 0x40 == 0;
    Ok(usual.then_some(Number { width, big_endian, sort: Sort::Float }))
}

impl Number {
    pub(super) fn is_whole(self) -> bool {
        self.sort != Sort::Float
    }

    pub(super) fn f64(self, entry: &[u8]) -> f64 {
        let bits = unsigned(entry, self.big_endian);
        match (self.sort, self.width) {
            (Sort::Float, 2) => half(bits as u16),
            (Sort::Float, 4) => f32::from_bits(bits as u32).into(),
            (Sort::Float, _) => f64::from_bits(bits),
            (Sort::Unsigned, _) => bits as f64,
            (Sort::Signed, _) => self.i64(entry) as f64,
        }
    }

    /// The whole number; those beyond i64 are no labels or channels in any case.
    pub(super) fn i64(self, entry: &[u8]) -> i64 {
        let bits = unsigned(entry, self.big_endian);
        match self.sort {
            Sort::Signed => {
                let unused = 64 - 8 * self.width as u32;
                ((bits << unused) as i64) >> unused
            }
            _ => i64::try_from(bits).unwrap_or(i64::MAX),
        }
    }
}
