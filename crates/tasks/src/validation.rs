//! Validation: held-out trials that steer training. The level of difficulty rises with the score, the best network is
//! kept, and training ends when nothing gets better.

use nalgebra::RealField;
use spikegrad_network::Network;

use crate::Error;

/// How training is steered by trials that it is not trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// Iterations between two validations.
    pub every: usize,
    /// Number of trials; they are the same ones every time, at the last level of difficulty.
    pub trials: usize,
    /// Mean score from which on the level rises.
    pub score: f64,
    /// By how much the level rises, on the way from the first, 0, to the last, 1.
    pub rise: f64,
    /// Training ends after so many validations at the last level without a better one.
    pub patience: usize,
}

impl Validation {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let count = |option, value: usize| match value {
            0 => Err(Error::Option { option, value: 0.0, expected: "it must be at least 1" }),
            _ => Ok(()),
        };
        count("validation.every", self.every)?;
        count("validation.trials", self.trials)?;
        count("validation.patience", self.patience)?;
        if !(self.rise > 0.0 && self.rise <= 1.0) {
            let expected = "the rise of the level must lie in (0, 1]";
            return Err(Error::Option { option: "validation.rise", value: self.rise, expected });
        }
        if !self.score.is_finite() {
            let expected = "the score must be finite";
            return Err(Error::Option { option: "validation.score", value: self.score, expected });
        }
        Ok(())
    }
}

/// What a validation found.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validated {
    /// Mean score over the validation trials.
    pub score: f64,
    /// Their mean cost.
    pub cost: f64,
}

impl Validated {
    /// Whether this is at least as good: a higher score, or the same one at no higher cost.
    fn beats(&self, other: &Self) -> bool {
        self.score > other.score || (self.score == other.score && self.cost <= other.cost)
    }
}

/// How far validation has brought a training run.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Course {
    /// How often the level rose.
    raised: usize,
    /// The best validation at the last level, and the parameters that it was of.
    best: Option<(Validated, Vec<f64>)>,
    /// Validations at the last level since then.
    waited: usize,
}

impl Course {
    /// The level of difficulty; the last one, 1, if nothing is validated.
    pub(crate) fn level(&self, validation: Option<&Validation>) -> f64 {
        validation.map_or(1.0, |v| (self.raised as f64 * v.rise).min(1.0))
    }

    /// Takes note of a validation of `network`; `false` if training has nothing more to gain.
    pub(crate) fn take<T: RealField + Copy>(
        &mut self,
        validation: &Validation,
        found: Validated,
        network: &Network<T>,
    ) -> bool {
        if self.level(Some(validation)) < 1.0 {
            self.raised += usize::from(found.score >= validation.score);
            return true;
        }
        if self.best.as_ref().is_none_or(|(best, _)| found.beats(best)) {
            let values = network.parameters.values().iter().map(|x| x.to_subset_unchecked());
            self.best = Some((found, values.collect()));
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        self.goes_on(Some(validation))
    }

    /// Whether training has not ended yet.
    pub(crate) fn goes_on(&self, validation: Option<&Validation>) -> bool {
        validation.is_none_or(|v| self.waited < v.patience)
    }

    /// Gives `network` the best parameters that were seen at the last level, if there were any.
    pub(crate) fn apply_best<T: RealField + Copy>(&self, network: &mut Network<T>) {
        if let Some((_, values)) = &self.best {
            for (target, value) in network.parameters.values_mut().iter_mut().zip(values) {
                *target = T::from_subset(value);
            }
        }
    }

    /// Whether the kept parameters are those of such a network.
    pub(crate) fn fits<T: RealField + Copy>(&self, network: &Network<T>) -> bool {
        self.best.as_ref().is_none_or(|(_, values)| values.len() == network.parameters.values().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikegrad_models::{GateShape, Theta};
    use spikegrad_network::{Group, Population};

    #[test]
    fn level_rises_with_the_score_then_the_best_is_kept_and_patience_ends() {
        let population = Population::new("theta", Theta::default(), 2, GateShape::RaisedCosine, 0.3);
        let mut network =
            Network::builder().population(population).synapse("slow", 20.0).build().expect("a network");
        let validation = Validation { every: 1, trials: 1, score: 0.9, rise: 0.1, patience: 2 };
        let (mut course, good) = (Course::default(), Validated { score: 0.9, cost: 1.0 });
        assert!(course.take(&validation, Validated { score: 0.89, cost: 0.0 }, &network));
        assert_eq!(course.level(Some(&validation)), 0.0);
        (0..10).for_each(|_| assert!(course.take(&validation, good, &network)));
        assert_eq!(course.level(Some(&validation)), 1.0);
        let mut see = |bias: f64, score, cost| {
            network.parameters.bias_mut().fill(bias);
            course.take(&validation, Validated { score, cost }, &network)
        };
        assert!(see(1.0, 0.8, 1.0));
        assert!(see(2.0, 0.8, 0.5));
        assert!(see(3.0, 0.8, 0.6));
        assert!(!see(4.0, 0.7, 0.1));
        course.apply_best(&mut network);
        assert_eq!(network.parameters.group(Group::Bias), [2.0, 2.0]);
    }
}
