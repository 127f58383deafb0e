//! Losses (equations (5), (44)). A pair of losses is their sum. No loss is asked about a sample of weight 0.

use spikegrad_network::{Error, Loss, Release, RunEnd, RunLoss, Sample, SampleBar, Scalar};

/// The quadratic loss `l = (w |o - o_d|^2 + lambda |s|^2) / 2`, `w` the sample's weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuadraticLoss<T> {
    /// Weight `lambda` of the synaptic activity.
    pub lambda: T,
}

impl<T: Scalar> Loss<T> for QuadraticLoss<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        let sum = at.output.iter().zip(at.target).fold(T::zero(), |sum, (&o, &d)| sum + (o - d) * (o - d));
        (at.weight * sum + self.lambda * at.square) * T::from_subset(&0.5)
    }

    fn needs_targets(&self) -> bool {
        true
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        let weight = value_bar * at.weight;
        for ((bar, &o), &d) in bar.output.iter_mut().zip(at.output).zip(at.target) {
            *bar += weight * (o - d);
        }
        *bar.square += value_bar * self.lambda * T::from_subset(&0.5);
    }
}

/// A floor under the voltages, `l = weight sum_i max(-v_i, 0)^2 / 2`: a neuron without a leak that nothing drives would
/// otherwise drift away and be lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoltageFloor<T> {
    /// The weight.
    pub weight: T,
}

impl<T: Scalar> Loss<T> for VoltageFloor<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        let square = |v: T| if v < T::zero() { v * v } else { T::zero() };
        self.weight
            * at.x[..at.neurons].iter().fold(T::zero(), |sum, &v| sum + square(v))
            * T::from_subset(&0.5)
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        for (bar, &v) in bar.x.iter_mut().zip(&at.x[..at.neurons]) {
            if v < T::zero() {
                *bar += value_bar * self.weight * v;
            }
        }
    }
}

/// The sum of two losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumOfLosses<A, B>(pub A, pub B);

impl<T: Scalar, A: Loss<T>, B: Loss<T>> Loss<T> for SumOfLosses<A, B> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.0.value(at) + self.1.value(at)
    }

    fn needs_targets(&self) -> bool {
        self.0.needs_targets() || self.1.needs_targets()
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        self.0.vjp(at, value_bar, bar);
        self.1.vjp(at, value_bar, bar);
    }

    fn over_run(&self) -> Option<&dyn RunLoss<T>> {
        let [first, second] = self.parts::<T>();
        if first.is_some() || second.is_some() { Some(self) } else { None }
    }
}

impl<A, B> SumOfLosses<A, B> {
    /// The parts of both losses that see the run as a whole.
    fn parts<T: Scalar>(&self) -> [Option<&dyn RunLoss<T>>; 2]
    where
        A: Loss<T>,
        B: Loss<T>,
    {
        [self.0.over_run(), self.1.over_run()]
    }

    /// How many numbers the first loss accumulates, which stand before those of the second one.
    fn split<T: Scalar>(&self, outputs: usize) -> usize
    where
        A: Loss<T>,
        B: Loss<T>,
    {
        self.0.over_run().map_or(0, |first| first.accumulators(outputs))
    }
}

/// What a sum of losses has of a run, for each of them.
fn ends<'r, T>(run: &RunEnd<'r, T>, at: usize) -> [RunEnd<'r, T>; 2] {
    let (first, second) = run.m.split_at(at);
    let of = |m| RunEnd { m, label: run.label, outputs: run.outputs };
    [of(first), of(second)]
}

/// Both losses see the same label.
impl<T: Scalar, A: Loss<T>, B: Loss<T>> RunLoss<T> for SumOfLosses<A, B> {
    fn accumulators(&self, outputs: usize) -> usize {
        self.parts::<T>().into_iter().flatten().map(|part| part.accumulators(outputs)).sum()
    }

    fn labels(&self, outputs: usize) -> usize {
        self.parts::<T>().into_iter().flatten().map(|part| part.labels(outputs)).max().unwrap_or(0)
    }

    fn check(&self, neurons: usize, outputs: usize) -> Result<(), Error> {
        self.parts::<T>().into_iter().flatten().try_for_each(|part| part.check(neurons, outputs))
    }

    fn check_label(&self, label: &[T]) -> Result<(), Error> {
        self.parts::<T>().into_iter().flatten().try_for_each(|part| part.check_label(label))
    }

    fn start(&self, outputs: usize, m: &mut [T]) {
        let (first, second) = m.split_at_mut(self.split::<T>(outputs));
        for (part, m) in self.parts::<T>().into_iter().zip([first, second]) {
            if let Some(part) = part {
                part.start(outputs, m);
            }
        }
    }

    fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
        let (first, second) = m.split_at_mut(self.split::<T>(at.output.len()));
        for (part, m) in self.parts::<T>().into_iter().zip([first, second]) {
            if let Some(part) = part {
                part.accumulate(at, release, m);
            }
        }
    }

    fn looks_back(&self) -> bool {
        self.parts::<T>().into_iter().flatten().any(|part| part.looks_back())
    }

    fn accumulate_vjp(
        &self,
        at: &Sample<'_, T>,
        release: &Release<'_, T>,
        m: &[T],
        m_bar: &mut [T],
        bar: &mut SampleBar<'_, T>,
        charge_bar: &mut [T],
    ) {
        let split = self.split::<T>(at.output.len());
        let (first, second) = m.split_at(split.min(m.len()));
        let (first_bar, second_bar) = m_bar.split_at_mut(split);
        for (part, (m, m_bar)) in
            self.parts::<T>().into_iter().zip([(first, first_bar), (second, second_bar)])
        {
            if let Some(part) = part {
                part.accumulate_vjp(at, release, m, m_bar, bar, charge_bar);
            }
        }
    }

    fn end(&self, run: &RunEnd<'_, T>) -> T {
        let parts = self.parts::<T>().into_iter().zip(ends(run, self.split::<T>(run.outputs)));
        parts.fold(T::zero(), |sum, (part, run)| sum + part.map_or_else(T::zero, |part| part.end(&run)))
    }

    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
        let split = self.split::<T>(run.outputs);
        let (first, second) = m_bar.split_at_mut(split);
        for ((part, run), m_bar) in self.parts::<T>().into_iter().zip(ends(run, split)).zip([first, second]) {
            if let Some(part) = part {
                part.end_vjp(&run, value_bar, m_bar);
            }
        }
    }

    fn pieces(&self, run: &RunEnd<'_, T>, piece: &mut dyn FnMut(u64)) {
        for (part, run) in self.parts::<T>().into_iter().zip(ends(run, self.split::<T>(run.outputs))) {
            if let Some(part) = part {
                part.pieces(&run, piece);
            }
        }
    }
}
