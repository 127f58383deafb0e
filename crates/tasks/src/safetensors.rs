//! Arrays under names in one file, in the format `safetensors`, which libraries of many languages read: eight bytes with the length of
//! a header, the header in JSON, and the arrays' numbers, little-endian and row-major, one behind the other. This file knows the
//! container and nothing of networks.
//!
//! A file is judged before it is believed: no length that it names is given memory, every byte belongs to one array, and nothing is
//! there twice. What is written depends on the contents alone, so that two files of one network are equal.
//!
//! The crate `safetensors` has a reader and a writer, too, by which the tests read and write: what a file says of itself is a hash map
//! there, written in an order that differs from run to run and read with names that occur twice, and lengths are added without a check
//! (`0..2^64 - 8` overflows).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The longest header that readers of this format accept.
const LONGEST_HEADER: usize = 100_000_000;
/// The name in the header that is no array's.
const METADATA: &str = "__metadata__";

/// What the entries of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Dtype {
    /// 0 or 1 in a byte.
    #[serde(rename = "BOOL")]
    Bool,
    /// A byte with a sign.
    I8,
    /// 32 bits without a sign.
    U32,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Dtype {
    /// Bytes of one entry.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 => 1,
            Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The float type with so many bytes.
    pub(crate) const fn float(bytes: usize) -> Option<Self> {
        match bytes {
            4 => Some(Self::F32),
            8 => Some(Self::F64),
            _ => None,
        }
    }

    /// The name that Rust has for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::U32 => "u32",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

/// An array: its numbers are row-major and little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tensor<'a> {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Cow<'a, [u8]>,
}

/// The contents of a file: arrays and texts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Container<'a> {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, Tensor<'a>>,
}

/// An array as the header describes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Info {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// A map in which every name is there once.
struct Once<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Once<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for All<V> {
            type Value = Once<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once<V>, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if all.contains_key(&name) {
                        return Err(A::Error::custom("a name twice"));
                    }
                    all.insert(name, map.next_value()?);
                }
                Ok(Once(all))
            }
        }
        from.deserialize_map(All(std::marker::PhantomData))
    }
}

/// The header: the metadata and what is said of each array.
struct Header {
    metadata: BTreeMap<String, String>,
    infos: BTreeMap<String, Info>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("arrays by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut metadata, mut infos) = (None, BTreeMap::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA && metadata.is_none() {
                        let Once(texts) = map.next_value()?;
                        metadata = Some(texts);
                    } else if name == METADATA || infos.contains_key(&name) {
                        return Err(A::Error::custom("a name twice"));
                    } else {
                        infos.insert(name, map.next_value()?);
                    }
                }
                Ok(Header { metadata: metadata.unwrap_or_default(), infos })
            }
        }
        from.deserialize_map(All)
    }
}

impl<'a> Container<'a> {
    /// The contents of the bytes of a whole file.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let (length, rest) = bytes.split_first_chunk().ok_or("fewer than eight bytes")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| "the length of its header")?;
        if length > rest.len().min(LONGEST_HEADER) {
            return Err("the length of its header");
        }
        let (header, data) = rest.split_at(length);
        let Header { metadata, infos } = serde_json::from_slice(header).map_err(|_| "its header")?;
        let mut in_order: Vec<_> = infos.into_iter().collect();
        in_order.sort_by_key(|(_, info)| info.data_offsets);
        let (mut tensors, mut at) = (BTreeMap::new(), 0);
        for (name, Info { dtype, shape, data_offsets: (start, end) }) in in_order {
            let size = shape.iter().try_fold(dtype.bytes(), |size, &side| size.checked_mul(side));
            if start != at || size.and_then(|size| start.checked_add(size)) != Some(end) {
                return Err("the place or the size of an array");
            }
            let data = Cow::Borrowed(data.get(start..end).ok_or("the place or the size of an array")?);
            at = end;
            tensors.insert(name, Tensor { dtype, shape, data });
        }
        if at != data.len() { Err("bytes that no array has") } else { Ok(Self { metadata, tensors }) }
    }

    /// The bytes of a file with these contents, or nothing where the header is longer than readers accept.
    pub(crate) fn write(&self) -> Option<Vec<u8>> {
        // The widest entries first, so that all are aligned; then by name.
        let mut in_order: Vec<_> = self.tensors.iter().collect();
        in_order.sort_by_key(|(name, tensor)| (std::cmp::Reverse(tensor.dtype), *name));
        let mut header = serde_json::Map::new();
        let texts = serde_json::to_value(&self.metadata).ok()?;
        header.insert(METADATA.to_owned(), texts);
        let mut text = serde_json::to_string(&header).ok()?;
        text.pop();
        let mut at = 0;
        for (name, tensor) in &in_order {
            let end = at + tensor.data.len();
            let info = Info { dtype: tensor.dtype, shape: tensor.shape.clone(), data_offsets: (at, end) };
            text.push(',');
            text.push_str(&serde_json::to_string(name).ok()?);
            text.push(':');
            text.push_str(&serde_json::to_string(&info).ok()?);
            at = end;
        }
        text.push('}');
        while text.len() % 8 != 0 {
            text.push(' ');
        }
        if text.len() > LONGEST_HEADER {
            return None;
        }
        let mut bytes = Vec::with_capacity(8 + text.len() + at);
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
        in_order.iter().for_each(|(_, tensor)| bytes.extend(tensor.data.iter()));
        Some(bytes)
    }

    /// A checksum of all arrays and of all texts but that of `except`.
    pub(crate) fn checksum(&self, except: &str) -> u32 {
        let mut hash = crc32fast::Hasher::new();
        let mut part = |bytes: &[u8]| {
            // With the lengths, no two contents are one row of bytes.
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for (name, text) in self.metadata.iter().filter(|(name, _)| *name != except) {
            part(name.as_bytes());
            part(text.as_bytes());
        }
        for (name, tensor) in &self.tensors {
            part(name.as_bytes());
            part(tensor.dtype.name().as_bytes());
            tensor.shape.iter().for_each(|&side| part(&(side as u64).to_le_bytes()));
            part(&tensor.data);
        }
        hash.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container<'static> {
        let tensor = |dtype: Dtype, shape: &[usize]| {
            let size = shape.iter().product::<usize>() * dtype.bytes();
            Tensor { dtype, shape: shape.to_vec(), data: (0..size).map(|i| i as u8).collect() }
        };
        let tensors = [
            ("b", tensor(Dtype::Bool, &[3])),
            ("a", tensor(Dtype::F32, &[2, 3])),
            ("signs", tensor(Dtype::I8, &[1])),
            ("none", tensor(Dtype::F64, &[0, 2])),
            ("pairs", tensor(Dtype::U32, &[1, 2])),
        ];
        Container {
            metadata: [("k\"ey", "te\u{e9}xt\n"), ("other", "")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
            tensors: tensors.map(|(name, tensor)| (name.to_owned(), tensor)).into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = container().write().expect("bytes");
        assert_eq!(Container::read(&bytes), Ok(container()));
        assert_eq!(container().write().expect("bytes"), bytes);
        let empty = Container::default();
        assert_eq!(Container::read(&empty.write().expect("bytes")), Ok(empty));
    }

    /// The library that other languages use reads what is written here, and writes what is read here.
    #[test]
    fn the_format_is_that_of_the_other_readers() {
        use ::safetensors::tensor::{SafeTensors, TensorView, serialize};
        let ours = container();
        let bytes = ours.write().expect("bytes");
        let theirs = SafeTensors::deserialize(&bytes).expect("read");
        assert_eq!(theirs.len(), ours.tensors.len());
        for (name, tensor) in &ours.tensors {
            let view = theirs.tensor(name).expect("an array");
            assert_eq!((view.shape(), view.data()), (&tensor.shape[..], &*tensor.data));
        }
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a header");
        let texts = metadata.metadata().clone().expect("metadata");
        assert_eq!(texts.into_iter().collect::<BTreeMap<_, _>>(), ours.metadata);
        let views = theirs.tensors();
        let views = views.iter().map(|(name, view)| {
            let view = TensorView::new(view.dtype(), view.shape().to_vec(), view.data()).expect("a view");
            (name, view)
        });
        let written = serialize(views, metadata.metadata().clone()).expect("bytes");
        assert_eq!(Container::read(&written), Ok(ours));
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let file = |header: &str, data: usize| {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.resize(bytes.len() + data, 0);
            bytes
        };
        let array = |shape: &str, from: u64, to: u64| {
            format!(r#"{{"dtype":"F64","shape":{shape},"data_offsets":[{from},{to}]}}"#)
        };
        let one = array("[1]", 0, 8);
        let huge = array("[2305843009213693951]", 0, u64::MAX - 7);
        assert!(Container::read(&file(&format!(r#"{{"a":{one}}}"#), 8)).is_ok());
        for bytes in [
            Vec::new(),
            vec![0; 7],
            u64::MAX.to_le_bytes().to_vec(),
            file("", 0),
            file("[]", 0),
            file("{} {}", 0),
            file(&format!(r#"{{"a":{one},"a":{one}}}"#), 8),
            file(&format!(r#"{{"a":{one},"b":{one}}}"#), 8),
            file(r#"{"__metadata__":{"a":"1","a":"2"}}"#, 0),
            file(r#"{"__metadata__":{},"__metadata__":{}}"#, 0),
            file(r#"{"__metadata__":{"a":1}}"#, 0),
            file(&format!(r#"{{"a":{one}}}"#), 7),
            file(&format!(r#"{{"a":{one}}}"#), 9),
            file(&format!(r#"{{"a":{}}}"#, array("[1]", 8, 16)), 16),
            file(&format!(r#"{{"a":{}}}"#, array("[2]", 0, 8)), 8),
            file(&format!(r#"{{"a":{}}}"#, array("[4294967296,4294967296,2]", 0, 0)), 0),
            file(&format!(r#"{{"a":{huge}}}"#), 0),
            file(&format!(r#"{{"a":{huge},"b":{}}}"#, array("[1]", u64::MAX - 7, 0)), 8),
            file(r#"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8],"more":1}}"#, 8),
            file(r#"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#, 8),
            file(r#"{"a":{"dtype":"F64","shape":[-1],"data_offsets":[0,8]}}"#, 8),
        ] {
            assert!(Container::read(&bytes).is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
