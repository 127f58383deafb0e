//! Firing rates.

use crate::SpikeEvents;

/// The firing rate of each channel, spikes per second: its spikes divided by the duration.
///
/// ```
/// use spikegrad_data::{SpikeEvents, metrics::firing_rates};
///
/// let events = SpikeEvents::new(2, 500.0, vec![1.0, 2.0, 3.0], vec![1, 1, 1])?;
/// assert_eq!(firing_rates(&events), [0.0, 6.0]);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
pub fn firing_rates(events: &SpikeEvents) -> Vec<f64> {
    let mut counts = vec![0_u64; events.channels()];
    events.units().iter().for_each(|&unit| counts[unit as usize] += 1);
    counts.into_iter().map(|count| 1000.0 * count as f64 / events.duration()).collect()
}
