//! Why a network does not learn: [`Health`], a report on a network and its data that runs some trials with their exact gradients and
//! says what to change.

mod activity;
mod cotangent;
mod data;
mod gradients;
mod judge;
mod learning;
mod quantiles;
mod report;
mod thresholds;
mod trial;

#[cfg(test)]
mod tests;

pub use activity::PopulationHealth;
pub use data::{ConstantTarget, DataHealth, NonFinite};
pub use gradients::{Clipped, GroupHealth};
pub use learning::{Fit, LearningHealth, Update};
pub use quantiles::Quantiles;
pub use thresholds::*;

use rayon::prelude::*;
use spikegrad_adjoint::Sweep;
use spikegrad_integrators::EventCounts;
use spikegrad_network::{Group, Loss, Network, Scalar, SplitStep, Trial};

use crate::{Error, Finding, Task, TrainingOptions};
use crate::{Purpose, TrainingStage, generator};
use activity::Activity;
use learning::Lesson;
use quantiles::median;
use trial::{Figures, Schemes, forwards};

/// How a network is examined.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthOptions {
    /// How the network is to be trained: step, method, rule, learning rates, clip. Examine a network with the options that it is
    /// trained with.
    pub training: TrainingOptions,
    /// Trials that are run at most, and held-out ones. All trials are looked at as data.
    pub trials: usize,
    /// Whether the trials are run with half of the step as well, which takes twice as long as everything else that is done to them.
    pub halve: bool,
    /// Trials of the test of learning.
    pub fit_trials: usize,
    /// Steps of the test of learning at most; 0 to leave the test out.
    pub steps: usize,
}

impl Default for HealthOptions {
    /// [`TrainingOptions`] by default, eight trials, half of the step, and 30 steps on four trials.
    fn default() -> Self {
        Self::of(TrainingOptions::default())
    }
}

impl HealthOptions {
    /// Eight trials, half of the step, and 30 steps on four trials, for a network that is to be trained so.
    pub fn of(training: TrainingOptions) -> Self {
        Self { training, trials: 8, halve: true, fit_trials: 4, steps: 30 }
    }
}

/// What is known of a network and its data: figures, and the [`findings`](Self::findings) that follow from them. It prints as a report.
///
/// ```
/// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::{Initialisation, Network, Population, Trial};
/// use spikegrad_tasks::{Finding, Health, HealthOptions, QuadraticLoss};
///
/// let mut network = Network::builder()
///     .population(Population::new("hidden", Theta::default(), 10, GateShape::RaisedCosine, 0.3))
///     .synapse("slow", 20.0)
///     .inputs(1)
///     .outputs(1)
///     .build()?;
/// network.initialise(&Initialisation::default(), &mut ChaCha8Rng::seed_from_u64(1))?;
/// network.parameters.bias_mut().fill(-0.1);
/// let mut trial = Trial::silent(100, 1.0, 1);
/// trial.inputs = (0..100).map(|m| f64::from(m % 20) / 20.0).collect();
/// trial.targets = trial.inputs.clone();
/// let loss = QuadraticLoss { lambda: 0.0 };
/// let health = Health::examine(&network, &[trial], &[], &loss, &HealthOptions::default())?;
/// let findings = health.findings();
/// assert!(findings.contains(&Finding::Silence { trials: 1 }), "{health}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The step, ms.
    pub h: f64,
    /// Iterations that training is to take.
    pub iterations: usize,
    /// Trials that were run.
    pub trials: usize,
    /// Trials of these without a finite cost and gradient.
    pub diverged: usize,
    /// What happened in the first of them.
    pub failure: Option<String>,
    /// What the trials consist of.
    pub data: DataHealth,
    /// Names of the readouts' weights that are all zero.
    pub zero_readouts: Vec<String>,
    /// The cost, and what it is compared with; `None` if no trial has a finite one.
    pub cost: Option<CostHealth>,
    /// Spikes, crossings of the active zone and how well they are resolved.
    pub events: EventCounts,
    /// Trials without a spike.
    pub silent_trials: usize,
    /// What the neurons do, population by population.
    pub populations: Vec<PopulationHealth>,
    /// The gradients of the groups that are trained.
    pub groups: Vec<GroupHealth>,
    /// How cotangents go back in time.
    pub cotangents: CotangentHealth,
    /// Whether the gradient brings the cost of a handful of trials down; `None` if that was not tried.
    pub learning: Option<LearningHealth>,
}

/// The cost of the trials, and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct CostHealth {
    /// The mean cost.
    pub mean: f64,
    /// The mean cost with all readouts zero: for a cross-entropy of `K` classes `ln K`, for a squared error that of an output of
    /// zero. `None` if the cost does not depend on readouts.
    pub guessing: Option<f64>,
    /// The mean cost of the held-out trials.
    pub held_out: Option<f64>,
    /// The cost of the held-out trials with all readouts zero.
    pub held_out_guessing: Option<f64>,
    /// The median part by which the cost of a trial changes without inputs.
    pub without_inputs: Option<f64>,
    /// The median part by which the cost of a trial changes with half the step.
    pub halved: Option<f64>,
}

/// How cotangents of the voltages go back in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct CotangentHealth {
    /// Growth of a cotangent that sees no cost, 1/ms: the largest Lyapunov exponent of each trial's run. Negative for decay.
    pub growth: Option<Quantiles>,
    /// The median time from which on the cost depends on the voltages, ms.
    pub reach: Option<f64>,
    /// The median time of the first input that is not zero, ms.
    pub first_input: Option<f64>,
    /// The median duration of a trial, ms.
    pub duration: f64,
}

impl Health {
    /// Runs some of `trials`, and of `held_out` ones if there are any, and examines what the network does. The network stays as it is:
    /// what is trained are copies. A trial with numbers that are not finite is named and not run.
    ///
    /// # Errors
    /// If there is no trial, a trial does not fit the network, the loss or the step, or the memory does not suffice; if an option of the
    /// training, such as the learning rate of a group that the network does not have, is out of its domain.
    pub fn examine<T: Scalar>(
        network: &Network<T>,
        trials: &[Trial<T>],
        held_out: &[Trial<T>],
        loss: &dyn Loss<T>,
        options: &HealthOptions,
    ) -> Result<Self, Error> {
        if trials.is_empty() {
            return Err(spikegrad_training::Error::EmptyBatch.into());
        }
        let training = &options.training;
        if let Some(clip) = &training.clip {
            clip.check()?;
        }
        let data = DataHealth::of(network, trials, loss);
        let finite = trials.iter().enumerate().filter(|(trial, _)| data.is_finite(*trial));
        let chosen: Vec<&Trial<T>> = finite.map(|(_, trial)| trial).take(options.trials.max(1)).collect();

        let readouts: Vec<Group> = (0..network.readouts().count()).map(Group::Readout).collect();
        let is_zero = |group: &Group| {
            let weights = network.parameters.group(*group);
            !weights.is_empty() && weights.iter().all(|&weight| weight == T::zero())
        };
        let zero_readouts: Vec<Group> = readouts.iter().copied().filter(is_zero).collect();
        let mut unread = network.clone();
        readouts.iter().for_each(|&readout| unread.parameters.group_mut(readout).fill(T::zero()));
        let entries: Vec<_> = network.parameters.layout().entries().iter().collect();
        let trained: Vec<_> =
            entries.into_iter().filter(|e| network.is_trainable(e.group) && !e.range.is_empty()).collect();
        let scheme = |network, h| SplitStep::with_method(network, h, training.method);
        let schemes = Schemes {
            given: scheme(network, training.h)?,
            halved: options.halve.then(|| scheme(network, training.h / 2.0)).transpose()?,
            unread: (network.outputs() > 0).then(|| scheme(&unread, training.h)).transpose()?,
            memory: training.memory,
            groups: trained.iter().map(|entry| entry.range.clone()).collect(),
        };
        let figures: Vec<Figures> =
            chosen.par_iter().map(|trial| Figures::of(&schemes, trial, loss)).collect::<Result<_, _>>()?;

        let mut activity = Activity::default();
        figures.iter().filter_map(|trial| trial.activity.as_ref()).for_each(|trial| activity += trial);
        let groups = trained.iter().enumerate().map(|(g, entry)| {
            let clip = training.clip.filter(|_| !training.unclipped.contains(&entry.group));
            GroupHealth::of((g, &entry.name, entry.range.len()), &figures, clip)
        });
        let held_out = examine_held_out(&schemes, held_out, loss, options.trials.max(1))?;
        let all_zero = zero_readouts.len() == readouts.len();
        let failures = || figures.iter().filter_map(|trial| trial.failure.as_ref());
        Ok(Self {
            h: training.h,
            iterations: training.iterations,
            trials: figures.len(),
            diverged: failures().count(),
            failure: failures().next().cloned(),
            zero_readouts: zero_readouts
                .iter()
                .map(|&group| network.parameters.layout().name(group))
                .collect(),
            cost: CostHealth::of(&figures, held_out, all_zero),
            events: activity.events,
            silent_trials: activity.silent,
            populations: activity.by_population(network, training.h),
            groups: groups.collect::<Result<_, _>>()?,
            cotangents: CotangentHealth::of(&figures),
            learning: learning(network, &chosen, &figures, loss, options)?,
            data,
        })
    }

    /// Examines a network on the first training trials and validation trials of a task, as many as the options say, at the last level of
    /// difficulty.
    ///
    /// # Errors
    /// As [`examine`](Self::examine), and if the task's own numbers are out of their domain.
    pub fn of_task<T: Scalar>(
        network: &Network<T>,
        task: &dyn Task<T>,
        options: &HealthOptions,
    ) -> Result<Self, Error> {
        task.check()?;
        let trials = |purpose| -> Vec<Trial<T>> {
            let rng = |index| generator(options.training.seed, purpose, index as u64);
            (0..options.trials.max(1))
                .map(|index| task.trial(TrainingStage::held_out(purpose, index), &mut rng(index)))
                .collect()
        };
        let (given, held_out) = (trials(Purpose::Training), trials(Purpose::Validation));
        Self::examine(network, &given, &held_out, task.loss(), options)
    }

    /// What is wrong and what to change, causes before what follows from them; empty for a network that should learn.
    pub fn findings(&self) -> Vec<Finding> {
        judge::judge(self)
    }
}

/// The mean cost of held-out trials, and that with all readouts zero. A cost that is not finite is left out.
fn examine_held_out<T: Scalar>(
    schemes: &Schemes<'_, T>,
    trials: &[Trial<T>],
    loss: &dyn Loss<T>,
    most: usize,
) -> Result<[Option<f64>; 2], Error> {
    let data = DataHealth::of(schemes.given.network(), trials, loss);
    let finite = trials.iter().enumerate().filter(|(trial, _)| data.is_finite(*trial)).take(most);
    let chosen: Vec<&Trial<T>> = finite.map(|(_, trial)| trial).collect();
    let costs = |scheme: &SplitStep<'_, T>| -> Result<Option<f64>, Error> {
        let run = |trial: &&Trial<T>| forwards(&mut Sweep::new(), &scheme.run(trial, loss)?);
        let costs = chosen.par_iter().map(run).collect::<Result<Vec<_>, Error>>()?;
        Ok(mean(costs.into_iter().flatten()))
    };
    Ok([costs(&schemes.given)?, schemes.unread.as_ref().map(costs).transpose()?.flatten()])
}

/// The test of learning, unless it is left out or no trial has a gradient.
fn learning<T: Scalar>(
    network: &Network<T>,
    chosen: &[&Trial<T>],
    figures: &[Figures],
    loss: &dyn Loss<T>,
    options: &HealthOptions,
) -> Result<Option<LearningHealth>, Error> {
    let finite = chosen.iter().zip(figures).filter(|(_, found)| found.failure.is_none());
    let trials: Vec<Trial<T>> =
        finite.map(|(trial, _)| Trial::clone(trial)).take(options.fit_trials).collect();
    if options.steps == 0 || trials.is_empty() || options.training.rates.is_empty() {
        return Ok(None);
    }
    Lesson { trials: &trials, loss, training: &options.training }.learn(network, options.steps)
}

impl CostHealth {
    /// The costs of the trials that stayed finite. Where all readouts are zero, the network is a guess itself.
    fn of(
        figures: &[Figures],
        [held_out, held_out_guessing]: [Option<f64>; 2],
        all_zero: bool,
    ) -> Option<Self> {
        let both = || figures.iter().filter_map(|trial| trial.cost.zip(trial.unread));
        let depends = all_zero || both().any(|(cost, unread)| cost != unread);
        Some(Self {
            mean: mean(figures.iter().filter_map(|trial| trial.cost))?,
            guessing: mean(both().map(|(_, unread)| unread)).filter(|_| depends),
            held_out,
            held_out_guessing: held_out_guessing.filter(|_| depends),
            without_inputs: median(figures.iter().filter_map(|trial| trial.undriven)),
            halved: median(figures.iter().filter_map(|trial| Some(trial.halved.as_ref()?.cost))),
        })
    }
}

impl CotangentHealth {
    fn of(figures: &[Figures]) -> Self {
        Self {
            growth: Quantiles::of(figures.iter().filter_map(|trial| trial.growth)),
            reach: median(figures.iter().filter_map(|trial| trial.reach)),
            first_input: median(figures.iter().filter_map(|trial| trial.first_input)),
            duration: median(figures.iter().map(|trial| trial.duration)).unwrap_or(0.0),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
