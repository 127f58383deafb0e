//! A network on a task, as a program that can be trained.

use std::path::Path;
use std::sync::Mutex;

use aligned_vec::AVec;
use rand_chacha::ChaCha8Rng;
use spikegrad_adjoint::{BoxError, Error as SweepError, Memory, Sweep};
use spikegrad_integrators::{EventCounts, EventLog, Method, ParameterGroup, Parametric};
use spikegrad_network::{
    Entry, Error as NetworkError, Event, Group, Network, Scalar, Spike, SplitStep, Trial,
};
use spikegrad_training::{
    BatchResult, CheckpointError, Counted, FirstBatch, GroupSize, Program, TrainingStage, TrialGradient,
    Validated, WholeBatch,
};

use crate::batch::{NetworkLane, OfNetwork};
use crate::lockstep::Together;
use crate::{Error, JUDGED_CROSSINGS, Task, TrainingOptions, network_file, origin};

/// A network that is trained on a task by the split step.
pub(crate) struct NetworkOnTask<'a, T: Scalar> {
    pub(crate) network: &'a mut Network<T>,
    pub(crate) task: &'a dyn Task<T>,
    h: f64,
    method: Option<Method>,
    short_crossings: f64,
    together: Mutex<Together<T>>,
}

impl<'a, T: Scalar> NetworkOnTask<'a, T> {
    pub(crate) fn new(
        network: &'a mut Network<T>,
        task: &'a dyn Task<T>,
        options: &TrainingOptions,
    ) -> Result<Self, Error> {
        let &TrainingOptions { h, method, short_crossings, .. } = options;
        let expected = "a share must lie in [0, 1]";
        let is_share = (0.0..=1.0).contains(&short_crossings);
        Error::unless(is_share, "short_crossings", short_crossings, expected)?;
        Ok(Self { network, task, h, method, short_crossings, together: Mutex::default() })
    }

    fn scheme(&self) -> Result<SplitStep<'_, T>, Error> {
        Ok(SplitStep::with_method(self.network, self.h, self.method)?)
    }

    /// Refuses a network that was never given weights: one with no gradient in anything that is trained, since nothing drives
    /// its neurons, or since they fire and nothing reads them. Weights that are zero where training can change that are a
    /// legitimate start.
    fn check_weights(&self, first: &FirstBatch<'_, T, Self>) -> Result<(), Error> {
        let network = &*self.network;
        let layout = network.parameters.layout();
        let is_zero = |values: &[T]| values.iter().all(|&x| x == T::zero());
        let trained = || first.trained.iter().copied();
        if trained().next().is_none() || trained().any(|group| !is_zero(&first.gradient[layout.range(group)]))
        {
            return Ok(());
        }
        let zero = |group| is_zero(network.parameters.group(group));
        let silent_class = |k| match layout.entry(Group::Left(k)) {
            Some(_) => zero(Group::Left(k)) || zero(Group::Right(k)),
            None => zero(Group::Weight(k)),
        };
        // Then no trial moves its neurons in another way than the first batch did.
        let injected = (0..first.count).any(|trial| !(first.trial)(trial).currents.is_empty());
        let undriven = !injected && zero(Group::Input) && (0..network.projections().len()).all(silent_class);
        let mut readouts = (0..network.readouts().count()).map(Group::Readout);
        let unread =
            network.outputs() > 0 && readouts.all(|readout| zero(readout) && trained().all(|g| g != readout));
        let fires = || -> Result<bool, Error> {
            let scheme = self.scheme()?;
            let (mut sweep, mut log) = (Sweep::new(), EventLog::default());
            for trial in (0..first.count).map(first.trial) {
                // A trial that became non-finite has been counted, and says nothing here.
                let _ = sweep.events(&scheme.run(&trial, self.task.loss())?, &mut log);
            }
            Ok(log.counts().spikes > 0)
        };
        if !(undriven || unread && fires()?) {
            return Ok(());
        }
        let weights = |e: &&Entry| {
            let weights = matches!(e.group, Group::Weight(_) | Group::Left(_) | Group::Right(_));
            weights || matches!(e.group, Group::Input | Group::Bias | Group::Readout(_))
        };
        let entries = layout.entries().iter().filter(weights);
        let named = entries.filter(|e| !e.range.is_empty() && zero(e.group)).map(|e| e.name.as_str());
        Err(Error::NoWeights { groups: named.collect::<Vec<_>>().join(", ") })
    }
}

impl<T: Scalar> Parametric<T> for NetworkOnTask<'_, T> {
    type Group = Group;

    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, Group>> {
        self.network.groups()
    }

    fn values(&self) -> &[T] {
        self.network.values()
    }

    fn values_mut(&mut self) -> &mut [T] {
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

/// A network's scheme on a task, ready for the trials of a batch.
pub(crate) struct Ready<'a, T: Scalar> {
    scheme: SplitStep<'a, T>,
    of: &'a NetworkOnTask<'a, T>,
}

impl<T: Scalar> Ready<'_, T> {
    fn gradient_of(&self) -> OfNetwork<'_, '_, T> {
        let (loss, together) = (self.of.task.loss(), &self.of.together);
        OfNetwork { scheme: &self.scheme, loss, together, side_by_side: true }
    }
}

impl<T: Scalar> TrialGradient<T> for Ready<'_, T> {
    type Trial = Trial<T>;
    type Lane = NetworkLane<T>;
    type Error = Error;

    fn lane(&self, memory: Memory) -> NetworkLane<T> {
        self.gradient_of().lane(memory)
    }

    fn gradient(
        &self,
        trial: &Trial<T>,
        lane: &mut NetworkLane<T>,
        gradient: &mut [T],
        events: Option<&mut EventCounts>,
    ) -> Result<Result<T, SweepError>, Error> {
        self.gradient_of().gradient(trial, lane, gradient, events)
    }

    fn group_size(&self) -> Option<GroupSize> {
        self.gradient_of().group_size()
    }

    fn gradients(
        &self,
        trials: &[&Trial<T>],
        lane: &mut NetworkLane<T>,
        gradients: &mut [AVec<T>],
        events: Counted<'_>,
    ) -> Result<Vec<Result<T, SweepError>>, Error> {
        self.gradient_of().gradients(trials, lane, gradients, events)
    }

    fn norm(&self, group: usize, gradient: &[T]) -> T {
        self.gradient_of().norm(group, gradient)
    }

    fn batch_at_once(
        &self,
        batch: &WholeBatch<'_, T, Trial<T>>,
        gradient: &mut [T],
    ) -> Result<Option<BatchResult<T>>, Error> {
        self.gradient_of().batch_at_once(batch, gradient)
    }
}

impl<T: Scalar> Program<T> for NetworkOnTask<'_, T> {
    type Trial = Trial<T>;
    type Lane = NetworkLane<T>;
    type Error = Error;
    type Ready<'r>
        = Ready<'r, T>
    where
        Self: 'r;

    fn ready(&self) -> Result<Ready<'_, T>, Error> {
        Ok(Ready { scheme: self.scheme()?, of: self })
    }

    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<T> {
        self.task.trial(stage, rng)
    }

    fn judge(
        &self,
        ready: &Ready<'_, T>,
        trial: &Trial<T>,
        _: Memory,
    ) -> Result<Result<(Validated, EventCounts), SweepError>, Error> {
        match ready.scheme.run(trial, self.task.loss())?.record() {
            Ok(recording) => {
                let (score, cost) =
                    (self.task.score(trial, &recording), recording.cost.to_subset_unchecked());
                Ok(Ok((Validated { score, cost }, recording.events)))
            }
            Err(NetworkError::Diverged(why)) => Ok(Err(why.into())),
            Err(error) => Err(error.into()),
        }
    }

    fn stays_finite(
        &self,
        ready: &Ready<'_, T>,
        trial: &Trial<T>,
        _: Memory,
    ) -> Result<Result<(), SweepError>, Error> {
        Ok(Sweep::new().cost(&ready.scheme.run(trial, self.task.loss())?).map(drop))
    }

    fn check(&self) -> Result<(), Error> {
        self.task.check()
    }

    fn check_first(&self, first: &FirstBatch<'_, T, Self>) -> Result<(), Error> {
        let (crossings, share) = (first.events.crossings, first.events.short_crossing_share());
        if crossings >= JUDGED_CROSSINGS && share > self.short_crossings {
            let (h, allowed) = (self.h, self.short_crossings);
            return Err(Error::ShortCrossings { h, crossings, share, allowed });
        }
        self.check_weights(first)
    }

    fn identity(&self) -> Vec<String> {
        let method = self.method.map_or("that of each model", |method| method.name());
        vec![format!("h = {}", self.h), format!("method = {method}")]
    }

    fn fingerprint(&self, first: &Trial<T>) -> u32 {
        origin::fingerprint_of(self.network, self.task, first)
    }

    fn trial_bytes(&self, trial: &Trial<T>) -> usize {
        let initial = trial.initial.as_ref().map_or(0, |initial| initial.x.len() + initial.s.len());
        let state = trial.state.as_ref().map_or(0, |state| state.values().len());
        let given = trial.inputs.len()
            + trial.targets.len()
            + trial.weights.len()
            + trial.currents.len()
            + trial.label.len();
        let numbers = (given + initial + state) * size_of::<T>();
        let events =
            trial.events.len() * size_of::<Event<T>>() + trial.target_spikes.len() * size_of::<Spike>();
        size_of::<Trial<T>>() + numbers + events
    }

    fn check_kept(&self) -> Result<(), BoxError> {
        self.network.validate()?;
        Ok(self.network.check_signs()?)
    }

    fn encode(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
        network_file::encode(path, self.network)
    }

    fn decode(&mut self, path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
        *self.network = network_file::like(self.network, path, bytes)?;
        Ok(())
    }
}
