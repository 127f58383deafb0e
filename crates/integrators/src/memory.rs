//! Whether there is memory, asked before much of it is taken.

/// Whether the system has so many bytes: they are asked for and given back untouched. A system that promises more than it has
/// may say yes to too much, but not to more than all of its memory.
pub fn is_granted(bytes: f64) -> bool {
    let mut room = Vec::<u8>::new();
    let granted = bytes < isize::MAX as f64 && room.try_reserve_exact(bytes as usize).is_ok();
    // A compiler may leave out memory that nobody looks at, and then it is always granted.
    std::hint::black_box(&room);
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_any_system_has_is_not_granted() {
        assert!(is_granted(0.0) && is_granted(1e6));
        assert!(!is_granted(9e18) && !is_granted(1e30) && !is_granted(f64::NAN));
    }
}
