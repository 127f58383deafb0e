//! Networks on held-out trials.

use spikegrad_integrators::Divergence;
use spikegrad_network::{Error as NetworkError, Network, Recording, Scalar, SplitStep, Trial};

use spikegrad_training::{Purpose, TrainingStage, generator};

use crate::{Error, Task, TrainingOptions};

/// Runs the first `trials` trials of a purpose and returns what `look` makes of each, in order. Trials of [`Purpose::Test`] judge a
/// result: nothing was trained on them, and nothing was chosen by them.
///
/// # Errors
/// If a trial does not fit the network, or [`Error::HeldOut`] for the first trial that does not stay finite.
pub fn evaluate<T: Scalar, R: Send>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &TrainingOptions,
    purpose: Purpose,
    trials: usize,
    look: impl Fn(&Trial<T>, &Recording<T>) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let looks = run_held_out(network, task, options, purpose, trials, look)?;
    let finite =
        |(trial, look): (usize, Result<R, Divergence>)| look.map_err(|why| Error::HeldOut { trial, why });
    looks.into_iter().enumerate().map(finite).collect()
}

/// What `look` makes of each trial that stays finite.
fn run_held_out<T: Scalar, R: Send>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &TrainingOptions,
    purpose: Purpose,
    trials: usize,
    look: impl Fn(&Trial<T>, &Recording<T>) -> R + Sync,
) -> Result<Vec<Result<R, Divergence>>, Error> {
    use rayon::prelude::*;
    task.check()?;
    let scheme = SplitStep::with_method(network, options.h, options.method)?;
    (0..trials)
        .into_par_iter()
        .map(|index| {
            let rng = &mut generator(options.seed, purpose, index as u64);
            let trial = task.trial(TrainingStage::held_out(purpose, index), rng);
            match scheme.run(&trial, task.loss())?.record() {
                Ok(recording) => Ok(Ok(look(&trial, &recording))),
                Err(NetworkError::Diverged(why)) => Ok(Err(why)),
                Err(error) => Err(error.into()),
            }
        })
        .collect()
}
