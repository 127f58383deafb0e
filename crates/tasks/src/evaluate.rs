//! Networks on held-out trials.

use spikegrad_integrators::{Divergence, EventCounts};
use spikegrad_network::{Error as NetworkError, Network, Recording, Scalar, SplitStep, Trial};

use crate::task::{Purpose, TrainingStage, generator};
use crate::{Error, Task, TrainingOptions, Validated};

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
    let looks = run_held_out(network, task, options, purpose, trials, 1.0, look)?;
    let finite =
        |(trial, look): (usize, Result<R, Divergence>)| look.map_err(|why| Error::HeldOut { trial, why });
    looks.into_iter().enumerate().map(finite).collect()
}

pub(crate) fn validate<T: Scalar>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &TrainingOptions,
    trials: usize,
    level: f64,
) -> Result<(Validated, EventCounts), Error> {
    let look = |trial: &Trial<T>, recording: &Recording<T>| {
        let cost: f64 = recording.cost.to_subset_unchecked();
        (task.score(trial, recording), cost, recording.events)
    };
    let found = run_held_out(network, task, options, Purpose::Validation, trials, level, look)?;
    // A network that diverges on a trial has no score, which is the worst one.
    let found: Vec<_> = found
        .into_iter()
        .map(|found| found.unwrap_or((f64::NAN, f64::NAN, EventCounts::default())))
        .collect();
    let mean = |sum: f64| sum / trials as f64;
    let validated = Validated {
        score: mean(found.iter().map(|f| f.0).sum()),
        cost: mean(found.iter().map(|f| f.1).sum()),
    };
    Ok((validated, found.iter().map(|f| f.2).sum()))
}

/// What `look` makes of each trial that stays finite.
fn run_held_out<T: Scalar, R: Send>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &TrainingOptions,
    purpose: Purpose,
    trials: usize,
    level: f64,
    look: impl Fn(&Trial<T>, &Recording<T>) -> R + Sync,
) -> Result<Vec<Result<R, Divergence>>, Error> {
    use rayon::prelude::*;
    task.check()?;
    let scheme = SplitStep::with_method(network, options.h, options.method)?;
    (0..trials)
        .into_par_iter()
        .map(|index| {
            let rng = &mut generator(options.seed, purpose, index as u64);
            let stage = TrainingStage { level, ..TrainingStage::held_out(purpose, index) };
            let trial = task.trial(stage, rng);
            match scheme.run(&trial, task.loss())?.record() {
                Ok(recording) => Ok(Ok(look(&trial, &recording))),
                Err(NetworkError::Diverged(why)) => Ok(Err(why)),
                Err(error) => Err(error.into()),
            }
        })
        .collect()
}
