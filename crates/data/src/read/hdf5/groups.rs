//! Groups: names and the addresses of what they name.

use super::object::Message;
use super::{Bytes, File, ends_early, malformed, unsupported};
use crate::Error;

/// More members than this are a circle.
const MOST_MEMBERS: usize = 1 << 16;

/// The names in a group with the addresses of their object headers.
pub(super) fn members(file: &File<'_>, messages: &[Message<'_>]) -> Result<Vec<(String, u64)>, Error> {
    let mut members = Vec::new();
    for message in messages {
        let mut data = message.data;
        match message.kind {
            // Link info: where the links are if they are many.
            0x02 => {
                let mut read = || {
                    data.take(1)?;
                    let flags = data.le(1)?;
                    data.take(if flags & 1 != 0 { 8 } else { 0 })?;
                    data.le(file.offsets)
                };
                if !file.undefined(read().ok_or_else(ends_early)?) {
                    return Err(unsupported("a group with links in a dense heap"));
                }
            }
            0x06 => members.extend(link(file, &mut data).ok_or_else(ends_early)?),
            // Symbol table.
            0x11 => {
                let tree = data.le(file.offsets).ok_or_else(ends_early)?;
                let heap = data.le(file.offsets).ok_or_else(ends_early)?;
                let heap = names(file, heap)?;
                let mut levels = 0;
                table(file, tree, heap, &mut levels, &mut members)?;
            }
            _ => {}
        }
    }
    Ok(members)
}

/// A link; nothing if it is a soft or external one.
fn link(file: &File<'_>, data: &mut Bytes<'_>) -> Option<Option<(String, u64)>> {
    data.take(1)?;
    let flags = data.le(1)?;
    let kind = if flags & 8 != 0 { data.le(1)? } else { 0 };
    data.take(if flags & 4 != 0 { 8 } else { 0 })?;
    data.take(if flags & 0x10 != 0 { 1 } else { 0 })?;
    let length = data.le(1 << (flags & 3))?;
    let name = data.take(usize::try_from(length).ok()?)?;
    if kind != 0 {
        return Some(None);
    }
    Some(Some((String::from_utf8_lossy(name).into_owned(), data.le(file.offsets)?)))
}

/// The names of a local heap.
fn names<'a>(file: &File<'a>, address: u64) -> Result<&'a [u8], Error> {
    let mut heap = file.at(address)?;
    let mut read = || {
        let signature = heap.take(4)?;
        heap.take(4)?;
        let size = heap.le(file.lengths)?;
        heap.take(file.lengths)?;
        Some((signature, size, heap.le(file.offsets)?))
    };
    match read().ok_or_else(ends_early)? {
        (b"HEAP", size, address) => file.slice(address, size),
        _ => Err(malformed("a group has no names")),
    }
}

/// The members below a node of a tree of symbols.
fn table(
    file: &File<'_>,
    address: u64,
    names: &[u8],
    visited: &mut usize,
    members: &mut Vec<(String, u64)>,
) -> Result<(), Error> {
    *visited += 1;
    if *visited > MOST_MEMBERS || members.len() > MOST_MEMBERS {
        return Err(malformed("a group goes round in a circle"));
    }
    let mut node = file.at(address)?;
    match node.take(4).ok_or_else(ends_early)? {
        b"TREE" => {
            let mut read = || {
                let (kind, level) = (node.le(1)?, node.le(1)?);
                let count = node.le(2)?;
                node.take(2 * file.offsets)?;
                let mut children = Vec::new();
                for _ in 0..count {
                    node.take(file.lengths)?;
                    children.push(node.le(file.offsets)?);
                }
                Some((kind, level, children))
            };
            let (kind, level, children) = read().ok_or_else(ends_early)?;
            // A node of level 0 has leaves, the others have nodes of the level below.
            if kind != 0 || level > 8 {
                return Err(malformed("a group has a damaged tree"));
            }
            for child in children {
                let is_leaf = file.at(child)?.rest().starts_with(b"SNOD");
                let child_level = file.at(child)?.rest().get(5).map(|level| u64::from(*level));
                if is_leaf != (level == 0) || (!is_leaf && child_level.is_none_or(|below| below + 1 != level))
                {
                    return Err(malformed("a group has a damaged tree"));
                }
                table(file, child, names, visited, members)?;
            }
            Ok(())
        }
        b"SNOD" => {
            node.take(2).ok_or_else(ends_early)?;
            for _ in 0..node.le(2).ok_or_else(ends_early)? {
                let mut read = || {
                    let name = node.le(file.offsets)?;
                    let address = node.le(file.offsets)?;
                    node.take(24)?;
                    let name = names.get(usize::try_from(name).ok()?..)?;
                    let name = name.split(|byte| *byte == 0).next()?;
                    Some((String::from_utf8_lossy(name).into_owned(), address))
                };
                members.push(read().ok_or_else(ends_early)?);
            }
            Ok(())
        }
        _ => Err(malformed("a group has no tree")),
    }
}
