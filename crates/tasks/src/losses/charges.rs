//! The charges of a range of neurons in what a step released: what counts, spike trains and times of first spikes are made of.

use std::ops::Range;

use spikegrad_network::{Error, Release, Scalar};

/// Refuses a range of neurons that is empty, or that a network does not have.
pub(super) fn check_neurons(range: &Range<usize>, neurons: usize) -> Result<(), Error> {
    if range.start < range.end && range.end <= neurons {
        return Ok(());
    }
    let last = neurons.saturating_sub(1);
    let (what, name) = ("range of neurons for the loss", format!("{}..{}", range.start, range.end));
    Err(Error::Unknown { what, name, known: format!("those of 0 to {last}, at least one") })
}

/// Refuses labels with an entry below zero.
pub(super) fn check_not_negative<T: Scalar>(label: &[T], what: &str) -> Result<(), Error> {
    match label.iter().position(|&entry| entry < T::zero()) {
        None => Ok(()),
        Some(index) => {
            let found: f64 = label[index].to_subset_unchecked();
            Err(Error::Label { index, why: format!("is {found}: it must be {what}, which is not negative") })
        }
    }
}

/// The charges of some neurons in a release, and the number of each among these neurons.
fn counted<'r, T>(
    range: &Range<usize>,
    release: &Release<'r, T>,
) -> (Range<usize>, impl Iterator<Item = usize> + use<'r, T>) {
    let below = |end: usize| release.neurons.partition_point(|&neuron| (neuron as usize) < end);
    let (part, start) = (below(range.start)..below(range.end), range.start);
    (part.clone(), release.neurons[part].iter().map(move |&neuron| neuron as usize - start))
}

/// `c' = c + w q`.
pub(super) fn count<T: Scalar>(range: &Range<usize>, weight: T, release: &Release<'_, T>, counts: &mut [T]) {
    let (part, neurons) = counted(range, release);
    for (neuron, &charge) in neurons.zip(&release.charge[part]) {
        counts[neuron] += weight * charge;
    }
}

/// The transpose of [`count`]. The cotangents of the counts stay as they are.
pub(super) fn count_vjp<T: Scalar>(
    range: &Range<usize>,
    weight: T,
    release: &Release<'_, T>,
    counts_bar: &[T],
    charge_bar: &mut [T],
) {
    let (part, neurons) = counted(range, release);
    for (neuron, bar) in neurons.zip(&mut charge_bar[part]) {
        *bar += weight * counts_bar[neuron];
    }
}

/// The charge of every neuron of a range, in order, and the place of the neuron in the release, if it is there.
pub(super) fn every_charge<'r, T: Scalar>(
    range: &Range<usize>,
    release: &Release<'r, T>,
) -> impl Iterator<Item = (Option<usize>, T)> + use<'r, T> {
    let (neurons, charge) = (release.neurons, release.charge);
    let mut at = neurons.partition_point(|&neuron| (neuron as usize) < range.start);
    range.clone().map(move |neuron| match neurons.get(at) {
        Some(&next) if next as usize == neuron => {
            at += 1;
            (Some(at - 1), charge[at - 1])
        }
        _ => (None, T::zero()),
    })
}

/// The number of target spikes of every neuron of a range in this step, in order.
pub(super) fn every_target<'r, T: Scalar>(
    range: &Range<usize>,
    release: &Release<'r, T>,
) -> impl Iterator<Item = T> + use<'r, T> {
    let spikes = release.target_spikes;
    // A step has few of them, in order of time: the next neuron is looked for among all.
    let next_from =
        move |first: usize| spikes.iter().map(|spike| spike.neuron).filter(|&neuron| neuron >= first).min();
    let mut next = next_from(range.start);
    range.clone().map(move |neuron| {
        if next != Some(neuron) {
            return T::zero();
        }
        next = next_from(neuron + 1);
        let own = spikes.iter().filter(|spike| spike.neuron == neuron);
        T::from_subset(&own.map(|spike| spike.count as f64).sum::<f64>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikegrad_network::Spike;

    #[test]
    fn every_neuron_of_a_range_has_its_charge_and_its_target_spikes() {
        let spike = |neuron, count| Spike { neuron, time: 0.0, count };
        let release = Release {
            h: 0.5,
            neurons: &[1, 3, 4, 7],
            charge: &[0.1, 0.3, 0.4, 0.7],
            target_spikes: &[spike(5, 1), spike(3, 2), spike(0, 1), spike(5, 1)],
        };
        let charges: Vec<_> = every_charge(&(2..6), &release).collect();
        assert_eq!(charges, [(None, 0.0), (Some(1), 0.3), (Some(2), 0.4), (None, 0.0)]);
        let targets: Vec<f64> = every_target(&(2..6), &release).collect();
        assert_eq!(targets, [0.0, 2.0, 0.0, 2.0]);
        let mut counts = [1.0; 4];
        count(&(2..6), 2.0, &release, &mut counts);
        assert_eq!(counts, [1.0, 1.6, 1.8, 1.0]);
    }
}
