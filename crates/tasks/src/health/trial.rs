//! What is measured of one trial: its cost, its gradient, and how these change with half the step, without inputs and without
//! readouts.

use std::ops::Range;

use spikegrad_adjoint::{Memory, Sweep};
use spikegrad_integrators::{Step, norm};
use spikegrad_network::{Loss, Network, Scalar, SplitRun, SplitStep, SplitTape, Trial};

use super::activity::Activity;
use super::cotangent;
use crate::Error;
use spikegrad_training::of_trial;

/// The schemes that a trial is run under.
pub(super) struct Schemes<'n, T: 'static> {
    pub(super) given: SplitStep<'n, T>,
    pub(super) halved: Option<SplitStep<'n, T>>,
    /// The network with all readouts zero, if there are readouts.
    pub(super) unread: Option<SplitStep<'n, T>>,
    pub(super) memory: Memory,
    /// Where the groups lie that are trained.
    pub(super) groups: Vec<Range<usize>>,
}

/// What was measured of one trial.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// `None` if the trial did not stay finite on the way forwards.
    pub(super) activity: Option<Activity>,
    /// Why there is no finite cost and gradient.
    pub(super) failure: Option<String>,
    pub(super) cost: Option<f64>,
    /// The cost with all readouts zero.
    pub(super) unread: Option<f64>,
    /// By what part the cost changes without inputs.
    pub(super) undriven: Option<f64>,
    /// Norms of the gradient by group; empty if the gradient is not finite.
    pub(super) norms: Vec<f64>,
    /// Growth of cotangents back in time, 1/ms.
    pub(super) growth: Option<f64>,
    /// The time from which on the cost depends on the voltages, ms.
    pub(super) reach: Option<f64>,
    /// The time of the first input that is not zero, ms.
    pub(super) first_input: Option<f64>,
    /// The trial's duration, ms.
    pub(super) duration: f64,
    pub(super) halved: Option<Halved>,
}

/// What half the step changes.
#[derive(Debug)]
pub(super) struct Halved {
    /// By what part the cost changes.
    pub(super) cost: f64,
    /// Cosine of both gradients of each group, and the ratio of their norms; `None` where both are zero.
    pub(super) groups: Vec<Option<(f64, f64)>>,
}

fn wide<T: Scalar>(x: T) -> f64 {
    x.to_subset_unchecked()
}

impl Figures {
    /// Runs a trial in every way.
    ///
    /// # Errors
    /// If the trial does not fit the network, or the memory does not suffice. A trial that does not stay finite is no error.
    pub(super) fn of<T: Scalar>(
        schemes: &Schemes<'_, T>,
        trial: &Trial<T>,
        loss: &dyn Loss<T>,
    ) -> Result<Self, Error> {
        let mut found =
            Self { first_input: first_input(trial), duration: trial.duration(), ..Self::default() };
        let run = schemes.given.run(trial, loss)?;
        match Activity::of(&run)? {
            Ok(activity) => found.activity = Some(activity),
            Err(why) => {
                found.failure = Some(why);
                return Ok(found);
            }
        }
        let mut sweep = Sweep::new().memory(schemes.memory);
        let mut gradient = schemes.given.network().parameters.zeros_like();
        let gradient = gradient.values_mut();
        // A gradient that overflows has a growth, which then is the cause.
        found.growth =
            cotangent::growth(&run, &mut sweep, gradient).or_else(|error| of_trial(error).map(|_| None))?;
        if let Err(error) = found.gradient(&run, &mut sweep, gradient) {
            found.failure = Some(in_words(of_trial(error)?, schemes.given.network()));
            return Ok(found);
        }
        found.norms = schemes.groups.iter().map(|range| wide(norm(&gradient[range.clone()]))).collect();
        let Some(cost) = found.cost else { return Ok(found) };
        let change = |other: f64| (other - cost).abs() / cost.abs();
        // A state that was handed on is that of one step alone.
        if let Some(scheme) = schemes.halved.as_ref().filter(|_| trial.state.is_none()) {
            let mut finer = vec![T::zero(); gradient.len()];
            match sweep.gradient(&scheme.run(trial, loss)?, &mut finer) {
                Ok(other) => {
                    let compare =
                        |range: &Range<usize>| compare(&gradient[range.clone()], &finer[range.clone()]);
                    let groups = schemes.groups.iter().map(compare).collect();
                    let cost = if cost == 0.0 { 0.0 } else { change(wide(other)) };
                    found.halved = Some(Halved { cost, groups });
                }
                Err(error) => drop(of_trial(error)?),
            }
        }
        if let Some(scheme) = &schemes.unread {
            found.unread = forwards(&mut sweep, &scheme.run(trial, loss)?)?;
        }
        if found.first_input.is_some() && cost != 0.0 {
            let mut silent = trial.clone();
            silent.inputs.fill(T::zero());
            silent.currents.clear();
            silent.events.clear();
            found.undriven = forwards(&mut sweep, &schemes.given.run(&silent, loss)?)?.map(change);
        }
        Ok(found)
    }

    /// The gradient, and how far back the cost depends on the voltages.
    fn gradient<T: Scalar>(
        &mut self,
        run: &SplitRun<'_, T>,
        sweep: &mut Sweep<T, SplitTape<T>>,
        gradient: &mut [T],
    ) -> Result<(), spikegrad_adjoint::Error> {
        let neurons = run.network().neurons();
        let mut sizes = Vec::with_capacity(run.steps());
        gradient.fill(T::zero());
        let cost = sweep.cotangents(run, (T::one(), &[]), gradient, |n, x_bar| {
            sizes.push((n, wide(norm(&x_bar[..neurons]))));
        })?;
        self.cost = Some(wide(cost));
        self.reach = cotangent::reach(run, &sizes);
        Ok(())
    }
}

/// What kept a trial from having a gradient, with the parameter's name.
fn in_words<T: Scalar>(error: spikegrad_adjoint::Error, network: &Network<T>) -> String {
    let spikegrad_adjoint::Error::NonFiniteGradient { parameter } = error else { return error.to_string() };
    let names = network.parameters.layout().names();
    let name = names
        .iter()
        .find(|named| named.range.contains(&parameter))
        .map_or("a parameter", |named| &named.name);
    format!(
        "the gradient of {name} is not finite although the states are: it overflowed; lower the recurrent weights, shorten the trials, \
         or use f64"
    )
}

/// The cost of a run; `None` if it is not finite.
pub(super) fn forwards<T: Scalar>(
    sweep: &mut Sweep<T, SplitTape<T>>,
    run: &SplitRun<'_, T>,
) -> Result<Option<f64>, Error> {
    match sweep.cost(run) {
        Ok(cost) => Ok(Some(wide(cost))),
        Err(error) => Ok(of_trial(error).map(|_| None)?),
    }
}

/// The time of the first input, injected current or event, ms.
fn first_input<T: Scalar>(trial: &Trial<T>) -> Option<f64> {
    let first = |values: &[T]| {
        let width = (values.len() / trial.samples.max(1)).max(1);
        values.iter().position(|&value| value != T::zero()).map(|at| (at / width) as f64 * trial.interval)
    };
    let event = trial.events.first().map(|event| event.time);
    [first(&trial.inputs), first(&trial.currents), event].into_iter().flatten().reduce(f64::min)
}

/// The cosine of two gradients, and the norm of the second over that of the first; `None` if both are zero.
fn compare<T: Scalar>(a: &[T], b: &[T]) -> Option<(f64, f64)> {
    let (of_a, of_b) = (norm(a), norm(b));
    if of_a == T::zero() && of_b == T::zero() {
        return None;
    }
    if of_a == T::zero() || of_b == T::zero() {
        return Some((0.0, if of_b == T::zero() { 0.0 } else { f64::INFINITY }));
    }
    let cosine = a.iter().zip(b).map(|(&a, &b)| wide(a / of_a) * wide(b / of_b)).sum();
    Some((cosine, wide(of_b) / wide(of_a)))
}
