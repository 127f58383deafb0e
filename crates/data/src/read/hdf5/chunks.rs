//! Chunked storage: the index of the chunks, and their filters.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::{Bytes, File, ends_early, malformed, unsupported};
use crate::Error;
use crate::read::bytes::most_inflated;

/// A filter that chunks went through when they were written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Filter {
    Deflate,
    /// The first bytes of all entries, then the second ones, and so on.
    Shuffle,
    Checksum,
}

/// The filters of a data set, in the order of writing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filters(Vec<Filter>);

/// A chunk in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    /// The index of the chunk's first entry.
    pub(super) first: u64,
    address: u64,
    size: u64,
    /// A set bit is a filter that was left out.
    mask: u64,
}

impl Filters {
    /// Reads the message of the filters.
    pub(super) fn read(data: &mut Bytes<'_>) -> Result<Self, Error> {
        let version = data.le(1).ok_or_else(ends_early)?;
        let count = data.le(1).ok_or_else(ends_early)?;
        if version == 1 {
            data.take(6).ok_or_else(ends_early)?;
        }
        let mut filters = Vec::new();
        for _ in 0..count {
            let mut read = || {
                let id = data.le(2)?;
                let name = if version == 1 || id >= 256 { data.le(2)? } else { 0 };
                data.take(2)?;
                let values = data.le(2)?;
                data.take(name as usize)?;
                // Version 1 fills an odd number of values up to an even one.
                let filled = if version == 1 { values.next_multiple_of(2) } else { values };
                data.take(4 * filled as usize)?;
                Some(id)
            };
            filters.push(match read().ok_or_else(ends_early)? {
                1 => Filter::Deflate,
                2 => Filter::Shuffle,
                3 => Filter::Checksum,
                id => {
                    return Err(unsupported(format!(
                        "a data set with filter {id} (read are gzip, shuffle and fletcher32)"
                    )));
                }
            });
        }
        Ok(Self(filters))
    }

    /// The most bytes that `size` bytes in the file can become.
    fn most(&self, size: usize) -> usize {
        let deflated = self.0.iter().filter(|filter| **filter == Filter::Deflate).count();
        (0..deflated).fold(size, |size, _| most_inflated(size))
    }

    /// The `length` bytes of a chunk, whose entries have `width` bytes.
    fn undo(&self, chunk: &[u8], mask: u64, length: usize, width: usize) -> Result<Vec<u8>, Error> {
        if self.most(chunk.len()) < length {
            return Err(malformed("a chunk is shorter than its entries"));
        }
        let mut bytes = chunk.to_vec();
        for (i, filter) in self.0.iter().enumerate().rev() {
            if mask >> i.min(63) & 1 == 1 {
                continue;
            }
            match filter {
                Filter::Checksum => bytes.truncate(bytes.len().saturating_sub(4)),
                Filter::Deflate => {
                    let mut inflated = Vec::new();
                    // A checksum of four bytes may follow.
                    let read =
                        ZlibDecoder::new(bytes.as_slice()).take(length as u64 + 4).read_to_end(&mut inflated);
                    read.map_err(|error| malformed(&format!("a chunk cannot be decompressed: {error}")))?;
                    bytes = inflated;
                }
                Filter::Shuffle => {
                    let entries = bytes.len() / width;
                    // Bytes that are no whole entry are left at the end.
                    let mut sorted = bytes.clone();
                    for entry in 0..entries {
                        for byte in 0..width {
                            sorted[entry * width + byte] = bytes[byte * entries + entry];
                        }
                    }
                    bytes = sorted;
                }
            }
        }
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(malformed("a chunk is not as long as its entries"))
        }
    }
}

impl Chunk {
    /// A chunk that is the whole data set.
    pub(super) fn single(address: u64, size: u64, mask: u64) -> Self {
        Self { first: 0, address, size, mask }
    }

    /// The bytes of the chunk.
    pub(super) fn bytes(
        &self,
        file: &File<'_>,
        filters: &Filters,
        length: usize,
        width: usize,
    ) -> Result<Vec<u8>, Error> {
        filters.undo(file.slice(self.address, self.size)?, self.mask, length, width)
    }
}

/// The chunks below a node of a tree of chunks of one dimension.
pub(super) fn tree(
    file: &File<'_>,
    address: u64,
    most: usize,
    visited: &mut usize,
    chunks: &mut Vec<Chunk>,
) -> Result<(), Error> {
    /// A node has some dozens of children; one that is visited through many parents makes the numbers explode.
    const MOST_NODES: usize = 1 << 16;
    *visited += 1;
    if *visited > MOST_NODES {
        return Err(malformed("a data set has a damaged tree"));
    }
    let (level, children) = node(file, address)?;
    if level > 8 {
        return Err(malformed("a data set has a damaged tree"));
    }
    for child in children {
        if level == 0 {
            chunks.push(child);
        } else {
            // Levels go down, so that there is no circle.
            let (below, _) = node(file, child.address)?;
            if below + 1 != level {
                return Err(malformed("a data set has a damaged tree"));
            }
            tree(file, child.address, most, visited, chunks)?;
        }
        if chunks.len() > most {
            return Err(malformed("a data set has more chunks than entries"));
        }
    }
    Ok(())
}

/// The level of a node and its children.
fn node(file: &File<'_>, address: u64) -> Result<(u64, Vec<Chunk>), Error> {
    let mut node = file.at(address)?;
    let mut read = || {
        let (signature, kind, level, count) = (node.take(4)?, node.le(1)?, node.le(1)?, node.le(2)?);
        node.take(2 * file.offsets)?;
        let mut children = Vec::new();
        for _ in 0..count {
            let (size, mask) = (node.le(4)?, node.le(4)?);
            let first = node.le(8)?;
            // The place within an entry, always 0.
            node.take(8)?;
            children.push(Chunk { first, address: node.le(file.offsets)?, size, mask });
        }
        Some((signature, kind, level, children))
    };
    match read().ok_or_else(ends_early)? {
        (b"TREE", 1, level, children) => Ok((level, children)),
        _ => Err(malformed("a data set has no tree of chunks")),
    }
}
