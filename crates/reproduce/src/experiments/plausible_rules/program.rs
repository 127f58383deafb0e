//! A network that is trained by an approximate direction, for the trainer of all programs, which needs no more than a direction.

use rand_chacha::ChaCha8Rng;
use spikegrad::adjoint::{Error as SweepError, Memory};
use spikegrad::integrators::{EventCounts, ParameterGroup, Parametric};
use spikegrad::network::{
    ApproximateAdjoint, ApproximateWork, BackwardParts, Error as NetworkError, Group, Network, SplitStep,
    Trial,
};
use spikegrad::tasks::{Error, Task};
use spikegrad::training::{Program, TrainingStage, TrialGradient};

/// A trial whose direction is approximate: no program with an exact gradient takes it for one of its own.
pub(super) struct ApproximateTrial(pub(super) Trial<f64>);

/// A network on a task with a backward pass of which some parts are replaced.
pub(super) struct ApproximatelyTrained<'a> {
    pub(super) network: &'a mut Network<f64>,
    pub(super) task: &'a dyn Task<f64>,
    /// The step, ms.
    pub(super) h: f64,
    pub(super) parts: &'a BackwardParts<f64>,
    /// What the parts are called.
    pub(super) rule: &'static str,
}

/// The network as it is during a batch.
pub(super) struct Approximation<'a> {
    scheme: SplitStep<'a, f64>,
    of: &'a ApproximatelyTrained<'a>,
}

impl Parametric<f64> for ApproximatelyTrained<'_> {
    type Group = Group;

    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, Group>> {
        self.network.groups()
    }

    fn values(&self) -> &[f64] {
        self.network.values()
    }

    fn values_mut(&mut self) -> &mut [f64] {
        self.network.values_mut()
    }

    fn untrained(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.network.untrained()
    }

    fn project(&mut self) {
        self.network.project();
    }

    fn check_values(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.network.check_values()
    }
}

/// The direction of a trial, which is added to `direction`, and its cost; or why the trial has none.
pub(super) fn direction_of(
    scheme: &SplitStep<'_, f64>,
    task: &dyn Task<f64>,
    parts: &BackwardParts<f64>,
    trial: &Trial<f64>,
    work: &mut ApproximateWork<f64>,
    direction: &mut [f64],
) -> Result<Result<f64, SweepError>, NetworkError> {
    let adjoint = ApproximateAdjoint::new(scheme.run(trial, task.loss())?, parts)?;
    match adjoint.approximate_gradient(work, direction) {
        Ok(cost) => Ok(Ok(cost)),
        Err(NetworkError::Diverged(why)) => Ok(Err(why.into())),
        Err(NetworkError::NonFiniteGradient { .. }) => {
            let parameter = direction.iter().position(|x| !x.is_finite()).unwrap_or_default();
            Ok(Err(SweepError::NonFiniteGradient { parameter }))
        }
        Err(error) => Err(error),
    }
}

impl TrialGradient<f64> for Approximation<'_> {
    type Trial = ApproximateTrial;
    type Lane = ApproximateWork<f64>;
    type Error = Error;

    fn lane(&self, _: Memory) -> ApproximateWork<f64> {
        ApproximateWork::default()
    }

    fn gradient(
        &self,
        trial: &ApproximateTrial,
        lane: &mut ApproximateWork<f64>,
        direction: &mut [f64],
        _: Option<&mut EventCounts>,
    ) -> Result<Result<f64, SweepError>, Error> {
        let ApproximatelyTrained { task, parts, .. } = self.of;
        Ok(direction_of(&self.scheme, *task, parts, &trial.0, lane, direction)?)
    }
}

impl<'p> Program<f64> for ApproximatelyTrained<'p> {
    type Trial = ApproximateTrial;
    type Lane = ApproximateWork<f64>;
    type Error = Error;
    type Ready<'r>
        = Approximation<'r>
    where
        Self: 'r;

    fn ready(&self) -> Result<Approximation<'_>, Error> {
        Ok(Approximation { scheme: SplitStep::new(self.network, self.h)?, of: self })
    }

    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> ApproximateTrial {
        ApproximateTrial(self.task.trial(stage, rng))
    }

    fn check(&self) -> Result<(), Error> {
        self.task.check()
    }

    fn identity(&self) -> Vec<String> {
        vec![format!("h = {}", self.h), format!("rule = {}", self.rule)]
    }
}
