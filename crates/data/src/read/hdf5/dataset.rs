//! Data sets: shape, type and storage, and their entries.

use super::chunks::{Chunk, Filters, tree};
use super::heap::Heap;
use super::object::Message;
use super::types::{Number, Type};
use super::{Bytes, File, ends_early, malformed, unsupported};
use crate::Error;

const DATASPACE: u64 = 0x01;
const DATATYPE: u64 = 0x03;
const LAYOUT: u64 = 0x08;
const FILTERS: u64 = 0x0b;

/// The kinds of messages without which a data set cannot be read.
pub(super) const NEEDED: [u64; 4] = [DATASPACE, DATATYPE, LAYOUT, FILTERS];

/// A data set of one dimension, or a single entry.
#[derive(Debug)]
pub(crate) struct Data<'a> {
    file: File<'a>,
    path: String,
    entries: u64,
    kind: Type,
    /// The bytes of an entry.
    width: usize,
    layout: Bytes<'a>,
    filters: Filters,
}

impl<'a> Data<'a> {
    pub(super) fn new(file: File<'a>, path: &str, messages: &[Message<'a>]) -> Result<Self, Error> {
        let find =
            |kind: u64| messages.iter().find(|message| message.kind == kind).map(|message| message.data);
        let missing = || Error::Array {
            name: path.to_owned(),
            found: "not a data set".to_owned(),
            expected: "a data set of one dimension".to_owned(),
        };
        let (Some(mut space), Some(mut kind), Some(layout)) = (find(DATASPACE), find(DATATYPE), find(LAYOUT))
        else {
            return Err(missing());
        };
        let entries = entries(&file, &mut space).ok_or_else(missing)?;
        let kind = Type::read(&mut kind)?;
        let width = match kind {
            Type::Number(number) => number.width,
            Type::Text(width) => width,
            Type::Sequence(_) | Type::Texts => 8 + file.offsets,
            Type::Other(_) => return Err(unsupported(format!("data set `{path}` with {}", kind.name()))),
        };
        let filters = match find(FILTERS) {
            Some(mut data) => Filters::read(&mut data)?,
            None => Filters::default(),
        };
        Ok(Self { file, path: path.to_owned(), entries, kind, width, layout, filters })
    }

    /// The whole numbers of all entries.
    pub(crate) fn i64s(&self) -> Result<Vec<i64>, Error> {
        match self.kind {
            Type::Number(number) if number.is_whole() => {
                Ok(self.bytes()?.chunks_exact(self.width).map(|entry| number.i64(entry)).collect())
            }
            _ => Err(self.unexpected("whole numbers")),
        }
    }

    /// The text of all entries.
    pub(crate) fn strings(&self) -> Result<Vec<String>, Error> {
        let bytes = self.bytes()?;
        let entries = bytes.chunks_exact(self.width);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned();
        let mut heap = Heap::default();
        match self.kind {
            Type::Text(_) => Ok(entries.map(text).collect()),
            Type::Texts => entries.map(|entry| heap.get(&self.file, entry, 1).map(text)).collect(),
            _ => Err(self.unexpected("text")),
        }
    }

    /// Calls `each` for every entry with the sort of its numbers and their bytes.
    fn sequences(&self, mut each: impl FnMut(Number, &[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let Type::Sequence(number) = self.kind else {
            return Err(self.unexpected("sequences of numbers of variable length"));
        };
        let mut heap = Heap::default();
        for entry in self.bytes()?.chunks_exact(self.width) {
            each(number, heap.get(&self.file, entry, number.width)?)?;
        }
        Ok(())
    }

    /// The sequences of numbers of all entries.
    pub(crate) fn f64_sequences(&self) -> Result<Vec<Vec<f64>>, Error> {
        let mut all = Vec::new();
        self.sequences(|number, bytes| {
            all.push(bytes.chunks_exact(number.width).map(|entry| number.f64(entry)).collect());
            Ok(())
        })?;
        Ok(all)
    }

    /// The sequences of whole numbers of all entries.
    pub(crate) fn i64_sequences(&self) -> Result<Vec<Vec<i64>>, Error> {
        let mut all = Vec::new();
        self.sequences(|number, bytes| {
            if !number.is_whole() {
                return Err(self.unexpected("sequences of whole numbers"));
            }
            all.push(bytes.chunks_exact(number.width).map(|entry| number.i64(entry)).collect());
            Ok(())
        })?;
        Ok(all)
    }

    fn unexpected(&self, expected: &str) -> Error {
        let found = format!("{} entries of {}", self.entries, self.kind.name());
        Error::Array { name: self.path.clone(), found, expected: expected.to_owned() }
    }

    /// The bytes of all entries.
    fn bytes(&self) -> Result<Vec<u8>, Error> {
        let too_large = || malformed("a data set has more entries than bytes could hold");
        let length = self.entries.checked_mul(self.width as u64).ok_or_else(too_large)?;
        let file = &self.file;
        let mut layout = self.layout;
        let (version, class) = layout.le(1).zip(layout.le(1)).ok_or_else(ends_early)?;
        if !(3..=4).contains(&version) {
            return Err(unsupported(format!("data set `{}` with a layout of version {version}", self.path)));
        }
        match class {
            0 => {
                let size = layout.le(2).ok_or_else(ends_early)?;
                let bytes = layout.take(size as usize).ok_or_else(ends_early)?;
                let bytes = usize::try_from(length).ok().and_then(|length| bytes.get(..length));
                Ok(bytes.ok_or_else(ends_early)?.to_vec())
            }
            1 if length == 0 => Ok(Vec::new()),
            1 => Ok(file.slice(layout.le(file.offsets).ok_or_else(ends_early)?, length)?.to_vec()),
            2 if length == 0 => Ok(Vec::new()),
            2 => {
                let (entries, chunks) =
                    if version == 3 { self.old_chunks(layout)? } else { self.new_chunks(layout)? };
                self.gather(length, entries, &chunks)
            }
            _ => Err(unsupported(format!("data set `{}` with a virtual layout", self.path))),
        }
    }

    /// Puts the chunks of `entries` entries together. All must be there.
    fn gather(&self, length: u64, entries: u64, chunks: &[Chunk]) -> Result<Vec<u8>, Error> {
        let missing = || malformed("a data set lacks chunks; it was not written to its end");
        let size = entries.checked_mul(self.width as u64).and_then(|size| usize::try_from(size).ok());
        let size = size.filter(|size| *size > 0).ok_or_else(missing)?;
        let length = usize::try_from(length).map_err(|_| missing())?;
        let mut sorted = chunks.to_vec();
        sorted.sort_by_key(|chunk| chunk.first);
        let mut bytes = Vec::new();
        for (i, chunk) in sorted.iter().enumerate() {
            if bytes.len() >= length {
                break;
            }
            if Some(chunk.first) != entries.checked_mul(i as u64) {
                return Err(missing());
            }
            bytes.extend(chunk.bytes(&self.file, &self.filters, size, self.width)?);
        }
        if bytes.len() < length {
            return Err(missing());
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    /// The entries of a chunk, and the chunks, of a layout of version 3: a tree.
    fn old_chunks(&self, mut layout: Bytes<'_>) -> Result<(u64, Vec<Chunk>), Error> {
        let mut read = || {
            let sides = layout.le(1)?;
            Some((sides, layout.le(self.file.offsets)?, layout.le(4)?))
        };
        let (sides, address, entries) = read().ok_or_else(ends_early)?;
        if sides != 2 || entries == 0 {
            return Err(malformed("the chunks of a data set have another dimension than the data set"));
        }
        let mut chunks = Vec::new();
        let most = self.entries.div_ceil(entries);
        if !self.file.undefined(address) {
            // A tree may keep chunks of entries that were cut off, but not many times as many.
            let most = usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(4).saturating_add(64);
            tree(&self.file, address, most, &mut 0, &mut chunks)?;
        }
        Ok((entries, chunks))
    }

    /// The entries of a chunk, and the chunks, of a layout of version 4 that has a single chunk.
    fn new_chunks(&self, mut layout: Bytes<'_>) -> Result<(u64, Vec<Chunk>), Error> {
        let file = &self.file;
        let mut read = || {
            let (flags, sides) = (layout.le(1)?, layout.le(1)?);
            let width = layout.le(1)?;
            let entries = layout.le(usize::try_from(width).ok().filter(|width| *width <= 8)?)?;
            layout.take(width as usize)?;
            Some((flags, sides, entries, layout.le(1)?))
        };
        let (flags, sides, entries, index) = read().ok_or_else(ends_early)?;
        if sides != 2 || index != 1 {
            return Err(unsupported(format!(
                "data set `{}` with an index of chunks of the newest sort",
                self.path
            )));
        }
        let filtered = flags & 2 != 0;
        let mut read = || {
            let (size, mask) = if filtered { (layout.le(file.lengths)?, layout.le(4)?) } else { (0, 0) };
            Some((size, mask, layout.le(file.offsets)?))
        };
        let (size, mask, address) = read().ok_or_else(ends_early)?;
        let whole = entries.checked_mul(self.width as u64).ok_or_else(ends_early)?;
        Ok((entries, vec![Chunk::single(address, if filtered { size } else { whole }, mask)]))
    }
}

/// The number of entries of a data set of one dimension at most.
fn entries(file: &File<'_>, space: &mut Bytes<'_>) -> Option<u64> {
    let (version, sides) = (space.le(1)?, space.le(1)?);
    space.take(if version == 1 { 6 } else { 2 })?;
    match sides {
        0 => Some(1),
        1 => space.le(file.lengths),
        _ => None,
    }
}
