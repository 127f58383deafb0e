//! What this machine can do at most, on one thread: bytes copied per second at three sizes, and multiplications with
//! additions per second.

use spikegrad::network::Scalar;
use std::hint::black_box;

use cpu_time::ThreadTime;

/// A size of working set, the name of where it lies, and the bytes that can be moved there in a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bandwidth {
    pub(super) name: &'static str,
    pub(super) working_set: usize,
    pub(super) bytes_per_second: f64,
}

/// Working sets that lie in a second-level cache, in a third-level one and in memory on most machines of today.
const WORKING_SETS: [(&str, usize); 3] = [("L2", 512 << 10), ("L3", 8 << 20), ("memory", 256 << 20)];

/// The largest rate of several goes.
fn best(goes: usize, mut rate: impl FnMut() -> f64) -> f64 {
    (0..goes).map(|_| rate()).fold(0.0, f64::max)
}

/// Copies between the halves of each working set; a byte that is read and written counts twice.
pub(super) fn bandwidths(goes: usize) -> Vec<Bandwidth> {
    let measure = |(name, working_set): (&'static str, usize)| {
        let (from, mut to) = (vec![1_u8; working_set / 2], vec![0_u8; working_set / 2]);
        let times = ((256 << 20) / working_set).max(1);
        let bytes_per_second = best(goes, || {
            let start = ThreadTime::now();
            for _ in 0..times {
                black_box(&mut to).copy_from_slice(black_box(&from));
            }
            (times * working_set) as f64 / start.elapsed().as_secs_f64()
        });
        Bandwidth { name, working_set, bytes_per_second }
    };
    WORKING_SETS.into_iter().map(measure).collect()
}

/// Multiplications and additions per second, not fused, as everywhere in this project: independent sums that stay in
/// registers.
pub(super) fn multiply_add_rate<T: Scalar>(goes: usize) -> f64 {
    const SUMS: usize = 128;
    const TIMES: usize = 1_000_000;
    best(goes, || {
        let (factor, term) = (black_box(T::from_subset(&0.999)), black_box(T::from_subset(&0.001)));
        let start = ThreadTime::now();
        let sums = pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let mut sums = [T::one(); SUMS];
                for _ in 0..TIMES {
                    for sum in &mut sums {
                        *sum = *sum * factor + term;
                    }
                }
                sums
            },
        );
        black_box(sums);
        (2 * SUMS * TIMES) as f64 / start.elapsed().as_secs_f64()
    })
}
