//! The global heap: sequences of variable length.

use std::collections::HashMap;

use super::{Bytes, File, ends_early, malformed};
use crate::Error;

/// The collections of the heap that were visited: for each, the places of its objects in the file.
#[derive(Debug, Default)]
pub(super) struct Heap {
    collections: HashMap<u64, HashMap<u64, (u64, u64)>>,
    /// Bytes that were handed out. No object is read twice from a whole file, so that more than the file has are refused.
    read: u64,
}

impl Heap {
    /// The bytes of `count` entries of `width` bytes that a reference in a data set stands for.
    pub(super) fn get<'a>(
        &mut self,
        file: &File<'a>,
        reference: &[u8],
        width: usize,
    ) -> Result<&'a [u8], Error> {
        let mut reference = Bytes::new(reference);
        let mut parts = || Some((reference.le(4)?, reference.le(file.offsets)?, reference.le(4)?));
        let (count, address, index) = parts().ok_or_else(ends_early)?;
        // An empty sequence has no object.
        if count == 0 {
            return Ok(&[]);
        }
        let objects = match self.collections.entry(address) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(collection(file, address)?),
        };
        let &(place, size) = objects.get(&index).ok_or_else(|| malformed("a sequence is missing"))?;
        let needed = count.checked_mul(width as u64).filter(|needed| *needed <= size);
        let needed = needed.ok_or_else(|| malformed("a sequence is shorter than its length"))?;
        self.read += needed;
        if self.read > file.bytes.len() as u64 {
            return Err(malformed("its sequences overlap"));
        }
        file.slice(place, needed)
    }
}

/// The addresses and sizes of the objects of the collection at `address`.
fn collection(file: &File<'_>, address: u64) -> Result<HashMap<u64, (u64, u64)>, Error> {
    let mut head = file.at(address)?;
    let mut read = || {
        let signature = head.take(4)?;
        head.take(4)?;
        Some((signature, head.le(file.lengths)?))
    };
    let (signature, size) = read().ok_or_else(ends_early)?;
    if signature != b"GCOL" {
        return Err(malformed("a sequence is not in a heap"));
    }
    let whole = file.slice(address, size)?;
    let mut rest = Bytes::new(whole);
    rest.take(8 + file.lengths).ok_or_else(ends_early)?;
    let mut objects = HashMap::new();
    loop {
        let mut read = || {
            let index = rest.le(2)?;
            rest.take(6)?;
            Some((index, rest.le(file.lengths)?))
        };
        // Object 0 is the free space at the end; without any, the collection ends.
        let (index, size) = match read() {
            None | Some((0, _)) => return Ok(objects),
            Some(object) => object,
        };
        let place = address + (whole.len() - rest.rest().len()) as u64;
        let padded = usize::try_from(size).ok().and_then(|size| size.checked_next_multiple_of(8));
        padded.and_then(|padded| rest.take(padded)).ok_or_else(ends_early)?;
        objects.insert(index, (place, size));
    }
}
