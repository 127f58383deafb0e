//! Object headers: the messages that describe a group or a data set.

use super::{Bytes, File, ends_early, malformed};
use crate::Error;

/// A message of an object header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u64,
    pub(super) data: Bytes<'a>,
}

/// More blocks than this are a circle.
const MOST_BLOCKS: usize = 4096;
/// The kind of a message that says where the header goes on.
const CONTINUATION: u64 = 0x10;
/// The flag of a message that is stored elsewhere.
const SHARED: u64 = 2;

/// The messages of the object at `address`.
pub(super) fn messages<'a>(file: &File<'a>, address: u64) -> Result<Vec<Message<'a>>, Error> {
    let mut start = file.at(address)?;
    let (first, new) = if start.rest().starts_with(b"OHDR") {
        (new_header(&mut start).ok_or_else(ends_early)?, true)
    } else {
        let version = start.le(1).ok_or_else(ends_early)?;
        if version != 1 {
            return Err(malformed("an object header has an unknown version"));
        }
        let old = |start: &mut Bytes<'a>| {
            // A reserved byte, the number of messages, and that of references.
            start.take(7)?;
            let size = start.le(4)?;
            start.take(4)?;
            start.take(size as usize)
        };
        ((old(&mut start).ok_or_else(ends_early)?, 0), false)
    };
    let (first, order) = first;
    let mut blocks = vec![first];
    let (mut messages, mut next) = (Vec::new(), 0);
    while next < blocks.len() {
        let mut block = Bytes::new(blocks[next]);
        next += 1;
        // What is too short for a message is a gap.
        while let Some(message) = message(&mut block, new, order)? {
            if message.kind == CONTINUATION {
                let mut data = message.data;
                let place = data.le(file.offsets).zip(data.le(file.lengths)).ok_or_else(ends_early)?;
                let mut block = file.slice(place.0, place.1)?;
                if new {
                    // Between a signature and a checksum.
                    block = block
                        .strip_prefix(b"OCHK")
                        .ok_or_else(|| malformed("an object header is damaged"))?;
                    block = block
                        .split_at_checked(block.len().saturating_sub(4))
                        .map_or(block, |(block, _)| block);
                }
                blocks.push(block);
            } else {
                messages.push(message);
            }
        }
        if blocks.len() > MOST_BLOCKS {
            return Err(malformed("an object header goes round in a circle"));
        }
    }
    Ok(messages)
}

/// The first block of messages of a header of version 2, and the bytes of a message's creation order.
fn new_header<'a>(start: &mut Bytes<'a>) -> Option<(&'a [u8], usize)> {
    // Signature and version.
    start.take(5)?;
    let flags = start.le(1)?;
    let times = if flags & 0x20 != 0 { 16 } else { 0 };
    let phases = if flags & 0x10 != 0 { 4 } else { 0 };
    start.take(times + phases)?;
    let size = start.le(1 << (flags & 3))?;
    let block = start.take(usize::try_from(size).ok()?)?;
    Some((block, if flags & 4 != 0 { 2 } else { 0 }))
}

/// The next message of a block, if there is one.
fn message<'a>(block: &mut Bytes<'a>, new: bool, order: usize) -> Result<Option<Message<'a>>, Error> {
    let (before, after) = if new { (1, order) } else { (2, 3) };
    if block.rest().len() < before + 3 + after {
        return Ok(None);
    }
    let mut read = || {
        let kind = block.le(before)?;
        let size = block.le(2)?;
        let flags = block.le(1)?;
        block.take(after)?;
        Some((Message { kind, data: Bytes::new(block.take(size as usize)?) }, flags))
    };
    let (message, flags) = read().ok_or_else(ends_early)?;
    if flags & SHARED != 0 && super::dataset::NEEDED.contains(&message.kind) {
        return Err(super::unsupported("a data set with a named type"));
    }
    Ok(Some(message))
}
