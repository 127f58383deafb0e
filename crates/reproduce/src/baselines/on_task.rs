//! A baseline on delayed XOR, as a program that the trainer of the gated networks trains.

use rand_chacha::ChaCha8Rng;
use spikegrad::adjoint::{Error as SweepError, Memory, Sweep};
use spikegrad::integrators::{EventCounts, ParameterGroup, Parametric};
use spikegrad::network::Trial;
use spikegrad::tasks::delayed_xor::DelayedXor;
use spikegrad::tasks::{Task, TrainingStage, Validated};
use spikegrad::training::{Error, Program, TrialGradient};

use super::Model;

/// A network that is trained on a task.
pub(crate) struct OnTask<'a, M> {
    /// The network.
    pub(crate) model: &'a mut M,
    /// The task.
    pub(crate) task: &'a DelayedXor<f32>,
}

impl<M: Model> Parametric<f32> for OnTask<'_, M> {
    type Group = &'static str;

    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
        self.model.groups().into_iter().map(|group| ParameterGroup {
            group: group.name,
            name: group.name,
            range: group.range,
            is_positive: false,
            is_trainable: true,
        })
    }

    fn values(&self) -> &[f32] {
        self.model.parameters()
    }

    fn values_mut(&mut self) -> &mut [f32] {
        self.model.parameters_mut()
    }
}

impl<M: Model> TrialGradient<f32> for OnTask<'_, M> {
    type Trial = Trial<f32>;
    type Lane = Sweep<f32, M::Tape>;
    type Error = Error;

    fn lane(&self, memory: Memory) -> Self::Lane {
        Sweep::new().memory(memory)
    }

    fn gradient(
        &self,
        trial: &Trial<f32>,
        lane: &mut Self::Lane,
        gradient: &mut [f32],
        _: Option<&mut EventCounts>,
    ) -> Result<Result<f32, SweepError>, Error> {
        Ok(lane.gradient(&self.model.run(trial), gradient))
    }
}

impl<M: Model> Program<f32> for OnTask<'_, M> {
    type Trial = Trial<f32>;
    type Lane = Sweep<f32, M::Tape>;
    type Error = Error;
    type Ready<'r>
        = &'r Self
    where
        Self: 'r;

    fn ready(&self) -> Result<&Self, Error> {
        Ok(self)
    }

    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f32> {
        self.task.trial(stage, rng)
    }

    /// Part of the cues that are answered rightly, and mean squared error.
    fn judge(
        &self,
        _: &&Self,
        trial: &Trial<f32>,
        _: Memory,
    ) -> Result<Result<(Validated, EventCounts), SweepError>, Error> {
        let output = match self.model.respond(trial) {
            Ok((output, _)) => output,
            Err(why) => return Ok(Err(why.into())),
        };
        let answers = self.task.answers(trial, &output);
        let right = answers.iter().filter(|(answered, right)| answered == right).count();
        let square = |(o, d): (&f32, &f32)| f64::from((o - d) * (o - d));
        let error: f64 = output.iter().zip(&trial.targets).map(square).sum();
        let (score, cost) = (right as f64 / answers.len() as f64, error / output.len() as f64);
        Ok(Ok((Validated { score, cost }, EventCounts::default())))
    }

    fn identity(&self) -> Vec<String> {
        vec![self.model.describe()]
    }

    fn fingerprint(&self, first: &Trial<f32>) -> u32 {
        let numbers = first.inputs.iter().chain(&first.targets).chain(&first.weights);
        spikegrad::training::fingerprint(numbers.map(|&x| f64::from(x)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::rate::{RateNetwork, RateStart};
    use spikegrad::tasks::{LearningRate, Validation};
    use spikegrad::training::{TrainingOptions, train};

    #[test]
    fn training_lowers_the_cost_and_has_the_same_bits_on_any_number_of_threads() {
        let start = RateStart { identity: 1.0, recurrent: 0.3, input: 0.5 };
        let task = DelayedXor { gap: 20.0..30.0, delay: 20.0..30.0, ..DelayedXor::default() };
        let run = |threads, micro_batch| {
            let mut model = RateNetwork::new(12, 2, (20.0, 20.0), start, 1).to_f32();
            let rates = ["W", "U", "b", "O"].into_iter().zip([1e-3, 1e-2, 1e-3, 3e-2]);
            let options = TrainingOptions {
                iterations: 25,
                batch: 10,
                micro_batch,
                rates: rates.map(|(group, rate)| LearningRate { group, rate }).collect(),
                clip: Some(crate::baselines::CLIP),
                unclipped: vec!["O"],
                validation: Some(Validation::keep_best(10, 5, 9)),
                ..TrainingOptions::default()
            };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut program = OnTask { model: &mut model, task: &task };
            let history = pool.install(|| train(&mut program, &options, &mut ())).unwrap();
            (model.parameters().to_vec(), history)
        };
        let (parameters, history) = run(1, None);
        assert_eq!((parameters.clone(), history.clone()), run(2, None));
        for micro_batch in [1, 3, 7] {
            assert_eq!((parameters.clone(), history.clone()), run(2, Some(micro_batch)));
        }
        let mean = |part: std::ops::Range<usize>| {
            let costs = &history[part];
            costs.iter().map(|done| done.cost).sum::<f64>() / costs.len() as f64
        };
        assert!(mean(20..25) < 0.8 * mean(0..5), "{history:?}");
        assert!(history.iter().all(|done| done.skipped == 0));
        assert_eq!(history.iter().filter(|done| done.validation.is_some()).count(), 2);
    }
}
