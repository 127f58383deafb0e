//! The published experiments, reproduced and judged.
fn main() {}
