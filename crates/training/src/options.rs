//! How a program is trained, as data.

use std::fmt;

use spikegrad_adjoint::Memory;

use crate::{Checkpoint, Clip, DEFAULT_LANES, Error, LearningRate, Pull, Schedule, UpdateRule, Validation};

/// How a program is trained. `G` is how it refers to groups of its parameters
/// ([`Parametric::Group`](spikegrad_integrators::Parametric::Group)).
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingOptions<G> {
    /// Number of iterations. A training that has done fewer goes on from its checkpoint, also beyond what it was planned
    /// for: from then on, the schedule and the stages of the trials are those of the new number.
    pub iterations: usize,
    /// Trials in a batch.
    pub batch: usize,
    /// Trials that are made and kept at once; the gradients of a batch are accumulated over so many at a time. `None` for the whole
    /// batch. The result does not depend on it, to the bit.
    pub micro_batch: Option<usize>,
    /// Seed of the trials.
    pub seed: u64,
    /// The optimiser's rule.
    pub rule: UpdateRule,
    /// Learning rate of each group that is trained.
    pub rates: Vec<LearningRate<G>>,
    /// What part of the way back to its initial values a group goes in each iteration, times the schedule's factor.
    pub pulls: Vec<Pull<G>>,
    /// How learning rates change.
    pub schedule: Schedule,
    /// What is validated, and returned, has its parameters averaged over about so many iterations (equation (72)); 1 for the parameters
    /// as the last iteration left them.
    pub average: usize,
    /// Clipping of each trial's gradient by group; `None` for none.
    pub clip: Option<Clip>,
    /// Groups that are not clipped. The gradient of a linear readout is tame and would be biased by clipping.
    pub unclipped: Vec<G>,
    /// Lanes of a batch: at most so many threads work at once.
    pub lanes: usize,
    /// How much each lane keeps of the trial that it works on. Parameters do not depend on it.
    pub memory: Memory,
    /// Steering by held-out trials: levels of difficulty, the best parameters, the end. `None` for training at the last level
    /// for all iterations.
    pub validation: Option<Validation>,
    /// The file that keeps the training run and that a later run goes on from; `None` for no file. Whether it can be written is
    /// tried before the first iteration.
    pub checkpoint: Option<Checkpoint>,
}

impl<G> Default for TrainingOptions<G> {
    /// 1000 iterations of 20 trials by Adam, without clipping; no group has a learning rate yet.
    fn default() -> Self {
        Self {
            iterations: 1000,
            batch: 20,
            micro_batch: None,
            seed: 1,
            rule: UpdateRule::ADAM,
            rates: Vec::new(),
            pulls: Vec::new(),
            schedule: Schedule::Constant,
            average: 1,
            clip: None,
            unclipped: Vec::new(),
            lanes: DEFAULT_LANES,
            memory: Memory::Stored,
            validation: None,
            checkpoint: None,
        }
    }
}

impl<G: fmt::Debug + fmt::Display> TrainingOptions<G> {
    /// Refuses options that are out of their domain; learning rates and pulls are looked at by the optimiser.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(clip) = &self.clip {
            clip.check()?;
        }
        if let Some(validation) = &self.validation {
            validation.check()?;
        }
        self.schedule.check()?;
        let expected = "it must be at least 1; leave it out for the whole batch at once";
        Error::unless(self.micro_batch != Some(0), "micro_batch", 0.0, expected)?;
        if self.batch == 0 { Err(Error::EmptyBatch) } else { Ok(()) }
    }

    /// What must be the same for training to go on, option by option: all but how long it goes on, what ends it, where it is kept
    /// and how much memory it has.
    pub(crate) fn identity(&self) -> Vec<String> {
        let Self {
            iterations: _,
            batch,
            micro_batch: _,
            seed,
            rule,
            rates,
            pulls,
            schedule,
            average,
            clip,
            unclipped,
            lanes,
            memory: _,
            validation,
            checkpoint: _,
        } = self;
        let rates: Vec<_> = rates.iter().map(|r| format!("{} {}", r.group, r.rate)).collect();
        let pulls: Vec<_> = pulls.iter().map(|p| format!("{} {}", p.group, p.part)).collect();
        let unclipped: Vec<_> = unclipped.iter().map(ToString::to_string).collect();
        vec![
            format!("batch = {batch}"),
            format!("seed = {seed}"),
            format!("rule = {rule}"),
            format!("rates = {}", rates.join(", ")),
            format!("pulls = {}", pulls.join(", ")),
            format!("schedule = {schedule}"),
            format!("average = {average}"),
            format!("clip = {}", or_none(clip.as_ref())),
            format!("unclipped = {}", unclipped.join(", ")),
            format!("lanes = {lanes}"),
            format!("validation = {}", or_none(validation.as_ref())),
        ]
    }
}

/// What there is in words.
fn or_none(what: Option<&impl fmt::Display>) -> String {
    what.map_or_else(|| "none".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validations_that_train_otherwise_are_told_apart() {
        let keep_best = Validation::keep_best(10, 40, usize::MAX);
        let others = [
            Validation { slow: 0.5, ..keep_best },
            Validation { go_back: Some(0.1), ..keep_best },
            Validation { every: 11, ..keep_best },
            Validation { trials: 41, ..keep_best },
            Validation { patience: 9, ..keep_best },
            Validation { rise_at: 0.9, ..keep_best },
        ];
        let identity = |validation| {
            TrainingOptions::<&str> { validation: Some(validation), ..TrainingOptions::default() }.identity()
        };
        for other in others {
            assert_ne!(identity(other), identity(keep_best), "{other:?}");
        }
    }

    #[test]
    fn what_must_stay_the_same_is_told_in_words() {
        let options = TrainingOptions {
            rule: UpdateRule::Sgd { momentum: 0.9 },
            rates: vec![LearningRate { group: "weights", rate: 0.5 }],
            schedule: Schedule::HeldCosine { hold: 0.25, last: 0.1 },
            clip: Some(Clip { quantile: 0.9, factor: 2.0 }),
            unclipped: vec!["readout", "bias"],
            validation: Some(Validation::keep_best(10, 40, usize::MAX)),
            ..TrainingOptions::default()
        };
        let text = options.identity().join("\n");
        for line in [
            "rule = gradient descent, momentum 0.9",
            "rates = weights 0.5",
            "schedule = held at 1 for 0.25 of the training, then half a cosine down to 0.1",
            "clip = at 2 times the 0.9 quantile",
            "unclipped = readout, bias",
            "validation = 40 trials every 10 iterations",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        let none = TrainingOptions { clip: None, validation: None, ..options };
        assert!(none.identity().contains(&"clip = none".to_owned()));
        assert!(!text.contains(['{', '[']) && !text.contains("Some"), "{text}");
    }
}
