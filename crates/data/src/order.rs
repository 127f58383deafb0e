//! The order of samples in an epoch.

use crate::random::{Purpose, generator, shuffle};

/// The order in which the `len` samples of a data set are visited in epoch `epoch`: a random permutation of `0..len`.
///
/// The order is a function of the arguments only: the same on every machine and for every number of threads.
///
/// ```
/// use spikegrad_data::epoch_order;
///
/// let order = epoch_order(5, 1, 0);
/// assert_eq!(order, epoch_order(5, 1, 0));
/// let mut sorted = order.clone();
/// sorted.sort();
/// assert_eq!(sorted, [0, 1, 2, 3, 4]);
/// ```
pub fn epoch_order(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    shuffle(&mut order, &mut generator(seed, Purpose::EpochOrder, epoch));
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_order_is_a_permutation(len in 0_usize..200, seed: u64, epoch: u64) {
            let mut order = epoch_order(len, seed, epoch);
            prop_assert_eq!(&order, &epoch_order(len, seed, epoch));
            order.sort();
            prop_assert!(order.into_iter().eq(0..len));
        }
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let orders = [epoch_order(50, 1, 0), epoch_order(50, 1, 1), epoch_order(50, 2, 0)];
        assert!(orders[0] != orders[1] && orders[0] != orders[2] && orders[1] != orders[2]);
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for epoch in 0..24_000 {
            *counts.entry(epoch_order(4, 3, epoch)).or_insert(0_i32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Five standard deviations of a count are 155.
        assert!(counts.values().all(|count| (count - 1000).abs() < 155), "{counts:?}");
    }

    #[test]
    fn the_order_does_not_change_between_releases() {
        assert_eq!(epoch_order(8, 1, 0), [0, 6, 5, 2, 1, 4, 3, 7]);
    }
}
