//! The exact gradient beside spikes: how much of it lies near postsynaptic spikes, and what a presynaptic spike changes by the time to the
//! nearest postsynaptic one.

use super::factors::Factors;

/// Times from a postsynaptic spike within which the gradient is counted, ms.
pub(super) const NEAR: [f64; 5] = [1.0, 2.0, 5.0, 10.0, 20.0];
/// The bins of the window, ms: width, and reach to both sides.
pub(super) const BIN: f64 = 2.0;
pub(super) const REACH: f64 = 40.0;
/// Charge belongs to a spike within this time, ms; charge of voltages that enter the zone and leave it belongs to none.
const OWN: f64 = 10.0;

/// The time from the nearest of some times to this one, negative before it; none where there are no times.
pub(super) fn from_nearest(times: &[f64], time: f64) -> Option<f64> {
    let later = times.partition_point(|&t| t < time);
    let candidates = [later.checked_sub(1).map(|at| times[at]), times.get(later).copied()];
    let from = candidates.into_iter().flatten().map(|t| time - t);
    from.min_by(|a, b| a.abs().total_cmp(&b.abs()))
}

/// Sums over trials of what lies within each time of [`NEAR`].
#[derive(Clone, Debug)]
pub(super) struct Near {
    /// Sums of the sizes of the products of three factors, and of time alone.
    magnitude: [f64; NEAR.len()],
    time: [f64; NEAR.len()],
    all_magnitude: f64,
    all_time: f64,
    /// Sums of the products themselves near spikes, `N x N`, and of all products.
    sums: Vec<Vec<f64>>,
    whole: Vec<f64>,
}

impl Near {
    pub(super) fn new(n: usize) -> Self {
        let zeros = [0.0; NEAR.len()];
        Self {
            magnitude: zeros,
            time: zeros,
            all_magnitude: 0.0,
            all_time: 0.0,
            sums: vec![vec![0.0; n * n]; NEAR.len()],
            whole: vec![0.0; n * n],
        }
    }

    /// Adds a trial, whose gradient counts `weight` times. `exists` says which weights there are.
    pub(super) fn add(&mut self, factors: &Factors, weight: f64, exists: &[bool]) {
        let n = factors.n;
        // The distances of all neurons and steps, once.
        let mut distance = vec![f64::INFINITY; n * factors.steps];
        for step in 0..factors.steps {
            let traces = &factors.trace[step * n..][..n];
            for i in 0..n {
                // In the middle of the step.
                let time = factors.time(step) - 0.5 * factors.h;
                let away = from_nearest(&factors.spikes[i], time).map_or(f64::INFINITY, f64::abs);
                distance[step * n + i] = away;
                let traces: f64 = (0..n).filter(|j| exists[j * n + i]).map(|j| traces[j]).sum();
                let size = weight * factors.current_bar[step * n + i].abs() * traces;
                (self.all_magnitude, self.all_time) = (self.all_magnitude + size, self.all_time + 1.0);
                for k in (0..NEAR.len()).filter(|&k| away <= NEAR[k]) {
                    self.magnitude[k] += size;
                    self.time[k] += 1.0;
                }
            }
        }
        let add = |sum: &mut [f64], part: Vec<f64>| {
            let all = sum.iter_mut().zip(part).zip(exists).filter(|(_, exists)| **exists);
            all.for_each(|((sum, part), _)| *sum += weight * part);
        };
        for (sum, near) in self.sums.iter_mut().zip(NEAR) {
            add(sum, factors.sum(|i, step| f64::from(u8::from(distance[step * n + i] <= near))));
        }
        add(&mut self.whole, factors.sum(|_, _| 1.0));
    }

    /// Adds what another one has.
    pub(super) fn merge(&mut self, other: &Self) {
        let add = |mine: &mut [f64], other: &[f64]| mine.iter_mut().zip(other).for_each(|(x, y)| *x += y);
        add(&mut self.magnitude, &other.magnitude);
        add(&mut self.time, &other.time);
        self.all_magnitude += other.all_magnitude;
        self.all_time += other.all_time;
        self.sums.iter_mut().zip(&other.sums).for_each(|(mine, other)| add(mine, other));
        add(&mut self.whole, &other.whole);
    }

    /// For each time of [`NEAR`]: the share of the sizes, of the gradient in its own direction, and of time.
    pub(super) fn shares(&self) -> [[f64; 3]; NEAR.len()] {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let square = dot(&self.whole, &self.whole);
        std::array::from_fn(|k| {
            [
                self.magnitude[k] / self.all_magnitude,
                dot(&self.sums[k], &self.whole) / square,
                self.time[k] / self.all_time,
            ]
        })
    }
}

/// The mean change of a weight by a presynaptic spike, by the time from there to the nearest postsynaptic spike, apart by the sign of the error
/// there: positive where a unit of charge more would add to the squared error.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Sums, sums of squares and counts, by sign (negative first) and bin.
    sums: [Vec<[f64; 3]>; 2],
    /// Charge that belongs to spikes, and all.
    charge: [f64; 2],
}

/// How many bins there are.
pub(super) fn bins() -> usize {
    (2.0 * REACH / BIN).round() as usize
}

/// The middle of a bin, ms.
pub(super) fn middle(bin: usize) -> f64 {
    (bin as f64 + 0.5) * BIN - REACH
}

impl Window {
    pub(super) fn new() -> Self {
        Self { sums: [vec![[0.0; 3]; bins()], vec![[0.0; 3]; bins()]], charge: [0.0; 2] }
    }

    /// Adds a trial, whose gradient counts `weight` times.
    pub(super) fn add(&mut self, factors: &Factors, weight: f64, exists: &[bool]) {
        let n = factors.n;
        for j in 0..n {
            let spikes = &factors.spikes[j];
            // What each presynaptic spike changes, for all postsynaptic neurons.
            let mut changes = vec![vec![0.0; n]; spikes.len()];
            for step in 0..factors.steps {
                let q = factors.charge[step * n + j];
                if q == 0.0 {
                    continue;
                }
                self.charge[1] += q.abs();
                let time = factors.time(step);
                let Some(from) = from_nearest(spikes, time).filter(|from| from.abs() <= OWN) else {
                    continue;
                };
                self.charge[0] += q.abs();
                let at = spikes.partition_point(|&t| t < time - from - 1e-9).min(spikes.len() - 1);
                let arrival_bar = &factors.arrival_bar[step * n..][..n];
                // Against the gradient, as a step of learning goes.
                changes[at].iter_mut().zip(arrival_bar).for_each(|(change, bar)| *change -= weight * q * bar);
            }
            for (&time, changes) in spikes.iter().zip(&changes) {
                for i in (0..n).filter(|&i| i != j && exists[j * n + i]) {
                    let Some(from) = from_nearest(&factors.spikes[i], time) else { continue };
                    // From the presynaptic spike to the postsynaptic one.
                    let bin = ((REACH - from) / BIN).floor();
                    if !(bin >= 0.0 && bin < bins() as f64) {
                        continue;
                    }
                    let sign = usize::from(factors.error_at(i, time - from) > 0.0);
                    let [sum, square, count] = &mut self.sums[sign][bin as usize];
                    (*sum, *square, *count) =
                        (*sum + changes[i], *square + changes[i] * changes[i], *count + 1.0);
                }
            }
        }
    }

    /// Adds what another one has.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, others) in self.sums.iter_mut().flatten().zip(other.sums.iter().flatten()) {
            mine.iter_mut().zip(others).for_each(|(mine, other)| *mine += other);
        }
        self.charge.iter_mut().zip(other.charge).for_each(|(mine, other)| *mine += other);
    }

    /// The root mean square of all changes.
    fn scale(&self) -> f64 {
        let (square, count) = self
            .sums
            .iter()
            .flatten()
            .fold((0.0, 0.0), |(square, count), at| (square + at[1], count + at[2]));
        (square / count).sqrt()
    }

    /// For one sign of the error: bins with at least so many pairs, their mean change over the root mean square of all, and its standard error.
    pub(super) fn means(&self, sign: usize, least: f64) -> Vec<[f64; 3]> {
        let scale = self.scale();
        let bins = self.sums[sign].iter().enumerate().filter(|(_, at)| at[2] >= least.max(2.0));
        bins.map(|(bin, &[sum, square, count])| {
            let mean = sum / count;
            let variance = (square / count - mean * mean).max(0.0);
            [middle(bin), mean / scale, (variance / count).sqrt() / scale]
        })
        .collect()
    }

    /// The mean change over the root mean square of all, for one sign of the error and a range of times from pre- to postsynaptic spike.
    pub(super) fn mean(&self, sign: usize, from: f64, to: f64) -> f64 {
        let all = self.sums[sign].iter().enumerate().filter(|(bin, _)| (from..to).contains(&middle(*bin)));
        let (sum, count) = all.fold((0.0, 0.0), |(sum, count), (_, at)| (sum + at[0], count + at[2]));
        sum / count / self.scale()
    }

    /// The share of charge that belongs to spikes.
    pub(super) fn by_spikes(&self) -> f64 {
        self.charge[0] / self.charge[1]
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::small_tasks::SmallTask;
    use super::super::factors::tests::problem;
    use super::*;

    #[test]
    fn the_nearest_time_is_found() {
        let times = [1.0, 4.0, 9.0];
        assert_eq!(from_nearest(&times, 2.0), Some(1.0));
        assert_eq!(from_nearest(&times, 3.0), Some(-1.0));
        assert_eq!(from_nearest(&times, 20.0), Some(11.0));
        assert_eq!((from_nearest(&times, 4.0), from_nearest(&[], 4.0)), (Some(0.0), None));
    }

    #[test]
    fn shares_grow_with_time_and_a_reach_beyond_the_trial_has_all() {
        let small = SmallTask::autoencoding();
        let (network, trial) = problem(&small, 1);
        let mut factors = Factors::of(&network, small.task(), 1, small.h(), &trial).unwrap().unwrap();
        let exists = vec![true; factors.n * factors.n];
        let mut near = Near::new(factors.n);
        near.add(&factors, 1.0, &exists);
        let shares = near.shares();
        assert!(
            shares.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]),
            "{shares:?}"
        );
        assert!(shares[0][2] > 0.0 && shares[4][0] <= 1.0);
        // Neurons that fire all the time are never far from a spike.
        factors.spikes = vec![(0..factors.steps).map(|n| factors.time(n)).collect(); factors.n];
        let mut all = Near::new(factors.n);
        all.add(&factors, 2.0, &exists);
        assert!(all.shares().iter().flatten().all(|share| (share - 1.0).abs() < 1e-9), "{:?}", all.shares());
    }

    #[test]
    fn the_window_has_no_pair_twice() {
        let small = SmallTask::xor();
        let (network, trial) = problem(&small, 2);
        let factors = Factors::of(&network, small.task(), 0, small.h(), &trial).unwrap().unwrap();
        let n = factors.n;
        let exists = vec![true; n * n];
        let mut window = Window::new();
        window.add(&factors, 1.0, &exists);
        let count: f64 = window.sums.iter().flatten().map(|at| at[2]).sum();
        let fires = factors.spikes.iter().filter(|spikes| !spikes.is_empty()).count();
        let spikes: usize = factors.spikes.iter().map(Vec::len).sum();
        assert!(count > 0.0 && count <= (spikes * (fires - 1)) as f64, "{count}");
        assert!(window.by_spikes() > 0.5 && window.by_spikes() <= 1.0);
        assert!(window.scale() > 0.0);
    }
}
