//! A reader of the part of the HDF5 format that data sets of spikes use: groups of the old and of the compact new kind, data sets
//! of one dimension with numbers, text, or sequences of variable length, in contiguous, compact or chunked storage, with the filters
//! shuffle, deflate and Fletcher's checksum.
//!
//! Every address and length of a file is checked against its bytes before memory is taken. Names and numbers of messages are those of
//! the HDF5 File Format Specification, version 3.0.

mod chunks;
mod dataset;
mod groups;
mod heap;
mod object;
mod types;

pub(super) use dataset::Data;

use super::bytes::Bytes;
use crate::Error;

/// The first bytes of a file, or of a later block of 512, 1024, ... bytes if the file begins with something else.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// A file in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    /// The bytes from the base address on.
    bytes: &'a [u8],
    /// Bytes of an address.
    offsets: usize,
    /// Bytes of a length.
    lengths: usize,
    /// Address of the root group's object header.
    root: u64,
}

impl<'a> File<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let starts = [0, 512].into_iter().chain((10..).map(|power| 1_usize << power)).take(30);
        let mut starts = starts.take_while(|start| *start < bytes.len());
        let start = starts.find(|start| bytes[*start..].starts_with(&SIGNATURE));
        let start = start.ok_or_else(|| malformed("it has no signature"))?;
        Self::superblock(&bytes[start..])
            .ok_or_else(|| malformed("its superblock is damaged, or of a version above 3"))
    }

    fn superblock(bytes: &'a [u8]) -> Option<Self> {
        let mut block = Bytes::new(bytes.get(SIGNATURE.len()..)?);
        let version = block.le(1)?;
        if version > 3 {
            return None;
        }
        if version < 2 {
            // Versions of parts, all 0.
            block.take(4)?;
        }
        let (offsets, lengths) = (block.le(1)? as usize, block.le(1)? as usize);
        if ![2, 4, 8].contains(&offsets) || ![2, 4, 8].contains(&lengths) {
            return None;
        }
        // The base address is that of the superblock, which the bytes begin with. Only the root's address is needed.
        if version < 2 {
            // A reserved byte, the ranks of two sorts of trees, flags, and in version 1 the rank of a third sort.
            block.take(if version == 0 { 9 } else { 13 })?;
            // Addresses of the base, of free space, of the end, of a driver, and of the root group's name.
            block.take(5 * offsets)?;
        } else {
            // Flags, and the addresses of the base, of an extension, and of the end.
            block.take(1 + 3 * offsets)?;
        }
        let root = block.le(offsets)?;
        Some(Self { bytes, offsets, lengths, root })
    }

    /// The bytes from `address` on.
    fn at(&self, address: u64) -> Result<Bytes<'a>, Error> {
        let rest = usize::try_from(address).ok().and_then(|address| self.bytes.get(address..));
        rest.map(Bytes::new).ok_or_else(|| malformed("an address lies beyond its end"))
    }

    /// The `length` bytes from `address` on.
    fn slice(&self, address: u64, length: u64) -> Result<&'a [u8], Error> {
        let length = usize::try_from(length).ok();
        length.and_then(|length| self.at(address).ok()?.take(length)).ok_or_else(ends_early)
    }

    /// Whether an address stands for none: all its bits are set.
    fn undefined(&self, address: u64) -> bool {
        address == u64::MAX >> (64 - 8 * self.offsets)
    }

    /// The data set at a path such as `spikes/times`, if there is one.
    pub(super) fn find(&self, path: &str) -> Result<Option<Data<'a>>, Error> {
        let mut address = self.root;
        for name in path.split('/') {
            let messages = object::messages(self, address)?;
            match groups::members(self, &messages)?.into_iter().find(|(member, _)| member == name) {
                Some((_, member)) => address = member,
                None => return Ok(None),
            }
        }
        Data::new(*self, path, &object::messages(self, address)?).map(Some)
    }

    /// The names in the root group.
    pub(super) fn names(&self) -> Result<Vec<String>, Error> {
        let messages = object::messages(self, self.root)?;
        Ok(groups::members(self, &messages)?.into_iter().map(|(name, _)| name).collect())
    }
}

fn malformed(reason: &str) -> Error {
    Error::malformed("hdf5", reason)
}

fn ends_early() -> Error {
    malformed("a part of it reaches beyond its end")
}

/// The error of a part of the format that is not read.
fn unsupported(what: impl Into<String>) -> Error {
    let change = "write the file again with h5py's defaults".to_owned();
    Error::Unsupported { what: what.into(), change }
}
