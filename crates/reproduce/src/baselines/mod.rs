//! Other networks on the same task, to compare with: a [network of rate units](rate), and [integrate-and-fire
//! neurons](lif) with a surrogate gradient. Both are programs with a transpose like the gated network, are swept by the same
//! discrete adjoint, and are trained by the same [trainer](spikegrad::training::train).

mod kernels;
pub(crate) mod layered;
pub(crate) mod lif;
pub(crate) mod limits;
mod on_task;
mod program;
pub(crate) mod rate;

use std::ops::Range;

use spikegrad::integrators::{Divergence, Step};
use spikegrad::network::Scalar;
use spikegrad::network::Trial;
use spikegrad::tasks::Clip;

pub(crate) use on_task::OnTask;
pub(crate) use program::{Passes, Program};

/// Where gradients of a trial are clipped, but for those by the readout, whose gradient is tame.
pub(crate) const CLIP: Clip = Clip { quantile: 0.6, factor: 1.0 };

/// A named group of parameters.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The name of the group.
    pub(crate) name: &'static str,
    /// The place of the group among all parameters.
    pub(crate) range: Range<usize>,
}

/// A network that can be trained: a program for each trial.
pub(crate) trait Model: Clone + Send + Sync {
    /// What its transpose needs to know of the steps.
    type Tape: Default + Send + Sync;
    /// The network on a trial.
    type Run<'a>: Passes<f32, Tape = Self::Tape>
    where
        Self: 'a;

    /// The network on a trial.
    fn run<'a>(&'a self, trial: &'a Trial<f32>) -> Program<Self::Run<'a>>;
    /// The groups of its parameters; the last one is the readout.
    fn groups(&self) -> Vec<Group>;
    /// All parameters.
    fn parameters(&self) -> &[f32];
    /// All parameters.
    fn parameters_mut(&mut self) -> &mut [f32];
    /// Number of units.
    fn units(&self) -> usize;
    /// What does not learn.
    fn describe(&self) -> String;
    /// Output and number of spikes of the last step on the tape.
    fn last(&self, tape: &Self::Tape) -> (f32, usize);

    /// The output at every sample of a trial, and the number of spikes; or where the run diverged.
    fn respond(&self, trial: &Trial<f32>) -> Result<(Vec<f32>, usize), Divergence> {
        let (program, mut tape) = (self.run(trial), Self::Tape::default());
        let mut x = vec![0.0; program.dim()];
        let (mut output, mut spikes, mut cost) = (Vec::with_capacity(program.steps()), 0, 0.0);
        program.start(&mut x);
        for n in 0..program.steps() {
            program.rewind(&x, &mut tape);
            cost += program.step(n, &mut x, &mut tape);
            Divergence::check(&program, n, &x, cost)?;
            let (o, count) = self.last(&tape);
            output.push(o);
            spikes += count;
        }
        Ok((output, spikes))
    }
}

/// What an output costs at a sample, and the derivative by the output: the quadratic loss, weighted as the trial says,
/// equation (21).
#[inline(always)]
fn judge<T: Scalar>(trial: &Trial<T>, m: usize, output: T) -> (T, T) {
    let weight = trial.weights.get(m).copied().unwrap_or_else(T::one);
    let error = output - trial.targets[m];
    let bar = weight * error * T::from_subset(&(trial.interval / trial.scale));
    (bar * error * T::from_subset(&0.5), bar)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::RngExt as _;
    use spikegrad::adjoint::{BoxError, CheckedGroup, Error, Objective};
    use spikegrad::integrators::EventLog;
    use spikegrad::tasks::{Purpose, generator};

    /// A program as an objective of the gradient check: `run` returns the cost and, where asked, adds the gradient.
    pub(crate) struct Check<F> {
        pub(crate) groups: Vec<(String, Range<usize>)>,
        pub(crate) parameters: Vec<f64>,
        pub(crate) run: F,
    }

    impl<F> Objective for Check<F>
    where
        F: FnMut(&[f64], &mut EventLog, Option<&mut [f64]>) -> Result<f64, Error>,
    {
        fn groups(&self) -> Vec<CheckedGroup> {
            let group = |(name, range): &(String, Range<usize>)| CheckedGroup {
                name: name.clone(),
                range: range.clone(),
            };
            self.groups.iter().map(group).collect()
        }

        fn parameters(&self) -> Vec<f64> {
            self.parameters.clone()
        }

        fn cost(&mut self, parameters: &[f64], log: &mut EventLog) -> Result<f64, BoxError> {
            Ok((self.run)(parameters, log, None)?)
        }

        fn gradient(&mut self, parameters: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
            Ok((self.run)(parameters, &mut EventLog::default(), Some(gradient))?)
        }
    }

    /// Numbers between -1 and 1.
    pub(crate) fn random(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = generator(seed, Purpose::Test, 0);
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// A trial with two inputs, one target and weights.
    pub(crate) fn random_trial(samples: usize, seed: u64) -> Trial<f64> {
        let mut trial = Trial::silent(samples, 1.0, 2);
        let held = |seed| random(samples / 10 + 1, seed);
        let (one, two) = (held(seed), held(seed + 1));
        trial.inputs = (0..samples).flat_map(|m| [one[m / 10], two[m / 10]]).collect();
        trial.targets = random(samples, seed + 2);
        trial.weights = random(samples, seed + 3).iter().map(|x| x.abs()).collect();
        trial.scale = trial.duration();
        trial
    }
}
