//! How a network is trained, as data.

use spikegrad_adjoint::Memory;
use spikegrad_integrators::Method;
use spikegrad_network::Group;

use spikegrad_training::{
    Checkpoint, Clip, DEFAULT_LANES, LearningRate, Pull, Schedule, UpdateRule, Validation,
};

/// Crossings of the active zone in the first batch from which on [`TrainingOptions::short_crossings`] is asked.
pub const JUDGED_CROSSINGS: u64 = 20;

/// How a network is trained: what [`spikegrad_training::TrainingOptions`] holds for any program, and the numbers of the scheme.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingOptions {
    /// Step size of the split step, ms.
    pub h: f64,
    /// One method for all neurons without a closed form; `None` for that which each model names
    /// ([`Neuron::METHOD`](spikegrad_models::Neuron::METHOD)).
    pub method: Option<Method>,
    /// Number of iterations. A training that has done fewer goes on from its checkpoint, also beyond what it was planned
    /// for: from then on, the schedule and the stages of the task are those of the new number.
    pub iterations: usize,
    /// Trials in a batch.
    pub batch: usize,
    /// Trials that are made and kept at once; the gradients of a batch are accumulated over so many at a time. `None` for the whole
    /// batch. Weights do not depend on it, to the bit; trials of large networks take their steps together only in whole batches.
    pub micro_batch: Option<usize>,
    /// Seed of the trials.
    pub seed: u64,
    /// The optimiser's rule.
    pub rule: UpdateRule,
    /// Learning rate of each group that is trained.
    pub rates: Vec<LearningRate<Group>>,
    /// What part of the way back to its initial values a group goes in each iteration, times the schedule's factor.
    pub pulls: Vec<Pull<Group>>,
    /// How learning rates change.
    pub schedule: Schedule,
    /// The network that is validated, and returned, has its parameters averaged over about so many iterations (equation
    /// (72)); 1 for the network as the last iteration left it.
    pub average: usize,
    /// Clipping of each trial's gradient by group; `None` for none.
    pub clip: Option<Clip>,
    /// Groups that are not clipped. A readout's gradient is tame and would be biased by clipping.
    pub unclipped: Vec<Group>,
    /// Lanes of a batch: at most so many threads work at once.
    pub lanes: usize,
    /// The largest share of crossings of the active zone that may take too few steps in the first batch
    /// ([`EventCounts::short_crossing_share`](spikegrad_integrators::EventCounts::short_crossing_share)). Where that batch counts at least
    /// [`JUDGED_CROSSINGS`] and the share is larger, the step is too coarse for the gate, the gradient is not that of the equations,
    /// and training ends with an error; 1 to train the program as it is. Later batches are reported only
    /// ([`Iteration::findings`](crate::Iteration::findings)): a network may run away for some iterations and come back.
    pub short_crossings: f64,
    /// How much each lane keeps of the trial that it works on. Weights do not depend on it.
    pub memory: Memory,
    /// Steering by held-out trials: levels of difficulty, the best network, the end. `None` for training at the last level
    /// for all iterations.
    pub validation: Option<Validation>,
    /// The file that keeps the training run and that a later run goes on from; `None` for no file. Whether it can be written is
    /// tried before the first iteration.
    pub checkpoint: Option<Checkpoint>,
}

impl Default for TrainingOptions {
    /// Adam at 1e-3 for weights, tonic currents and readout of one projection, 1000 iterations of 20 trials, `h` 1 ms.
    fn default() -> Self {
        let groups = [Group::Weight(0), Group::Input, Group::Bias, Group::Readout(0)];
        Self {
            h: 1.0,
            method: None,
            iterations: 1000,
            batch: 20,
            micro_batch: None,
            seed: 1,
            rule: UpdateRule::ADAM,
            rates: groups.map(|group| LearningRate { group, rate: 1e-3 }).to_vec(),
            pulls: Vec::new(),
            schedule: Schedule::Constant,
            average: 1,
            clip: Some(Clip { quantile: 0.6, factor: 1.0 }),
            unclipped: vec![Group::Readout(0)],
            lanes: DEFAULT_LANES,
            short_crossings: 0.5,
            memory: Memory::Stored,
            validation: None,
            checkpoint: None,
        }
    }
}

impl TrainingOptions {
    /// The options without those of the scheme.
    pub(crate) fn of_any_program(&self) -> spikegrad_training::TrainingOptions<Group> {
        spikegrad_training::TrainingOptions {
            iterations: self.iterations,
            batch: self.batch,
            micro_batch: self.micro_batch,
            seed: self.seed,
            rule: self.rule,
            rates: self.rates.clone(),
            pulls: self.pulls.clone(),
            schedule: self.schedule,
            average: self.average,
            clip: self.clip,
            unclipped: self.unclipped.clone(),
            lanes: self.lanes,
            memory: self.memory,
            validation: self.validation,
            checkpoint: self.checkpoint.clone(),
        }
    }
}
