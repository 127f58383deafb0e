//! Short-term plasticity (equations (80) to (82)): of the charges of a step a projection releases what its presynaptic neurons still
//! have, and what they have recovers. The state is one number a variable and presynaptic neuron, variable by variable.

use std::fmt::Debug;
use std::ops::Range;

use spikegrad_integrators::Decay;
use spikegrad_models::{Array, ShortTermPlasticity};

use super::synapses::ShortTermModel;
use crate::{Group, Parameters, Scalar};

/// What a step takes of a projection's short-term state.
pub(crate) struct Released<'a, T> {
    /// The presynaptic neurons and the charges that come to the synapse.
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    /// The charges that it releases, to be appended to.
    pub(crate) released: &'a mut Vec<T>,
}

/// The transpose of [`Released`].
pub(crate) struct ReleasedBar<'a, T> {
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    pub(crate) released_bar: &'a [T],
    /// Cotangents of the charges that come, to be added to.
    pub(crate) charge_bar: &'a mut [T],
    pub(crate) params_bar: &'a mut [T],
    /// Work space: the state, and what every charge found.
    pub(crate) work: &'a mut Vec<T>,
}

/// The loops over the charges of a step, behind which the type of the model disappears.
pub(crate) trait ShortTermLoops<T>: Debug + Send + Sync {
    fn release(&self, params: &[T], state: &mut [T], released: Released<'_, T>);

    /// For the state at the start, and cotangents of the state after the release, which become those of the state before it.
    fn release_vjp(&self, params: &[T], start: &[T], state_bar: &mut [T], bar: ReleasedBar<'_, T>);
}

/// Variable `c` of neuron `i` among those of so many neurons.
#[inline(always)]
fn state_of<T: Scalar, P: ShortTermPlasticity>(state: &[T], i: usize) -> P::State<T> {
    let neurons = state.len() / P::REST.len();
    P::State::from_fn(|c| state[c * neurons + i])
}

#[inline(always)]
fn put<T: Scalar, P: ShortTermPlasticity>(state: &mut [T], i: usize, values: &P::State<T>) {
    let neurons = state.len() / P::REST.len();
    for (c, &value) in values.as_ref().iter().enumerate() {
        state[c * neurons + i] = value;
    }
}

/// Channels of event sources may release several charges in a step, which find what those before them left.
pub(super) fn release<T: Scalar, P: ShortTermPlasticity>(params: &[T], state: &mut [T], of: Released<'_, T>) {
    let params = P::Params::from_fn(|i| params[i]);
    for (&neuron, &charge) in of.neurons.iter().zip(of.charges) {
        let (released, after) = P::release(&params, &state_of::<T, P>(state, neuron as usize), charge);
        put::<T, P>(state, neuron as usize, &after);
        of.released.push(released);
    }
}

pub(super) fn release_vjp<T: Scalar, P: ShortTermPlasticity>(
    params: &[T],
    start: &[T],
    state_bar: &mut [T],
    bar: ReleasedBar<'_, T>,
) {
    let params = P::Params::from_fn(|i| params[i]);
    let mut params_bar = P::Params::from_fn(|_| T::zero());
    let variables = P::REST.len();
    // What every charge found, behind the state.
    bar.work.clear();
    bar.work.extend_from_slice(start);
    bar.work.resize(start.len() + variables * bar.neurons.len(), T::zero());
    let (state, found) = bar.work.split_at_mut(start.len());
    let charges = || bar.neurons.iter().map(|&neuron| neuron as usize).zip(bar.charges);
    for ((neuron, &charge), found) in charges().zip(found.chunks_exact_mut(variables)) {
        let before = state_of::<T, P>(state, neuron);
        found.copy_from_slice(before.as_ref());
        put::<T, P>(state, neuron, &P::release(&params, &before, charge).1);
    }
    let bars = bar.released_bar.iter().zip(bar.charge_bar);
    for (((neuron, &charge), (&released_bar, charge_bar)), found) in
        charges().zip(bars).zip(found.chunks_exact(variables)).rev()
    {
        let before = P::State::from_fn(|c| found[c]);
        let after_bar = state_of::<T, P>(state_bar, neuron);
        let mut before_bar = P::State::from_fn(|_| T::zero());
        let bars = (released_bar, &after_bar);
        *charge_bar += P::release_vjp(&params, &before, charge, bars, &mut before_bar, &mut params_bar);
        put::<T, P>(state_bar, neuron, &before_bar);
    }
    for (to, &bar) in bar.params_bar.iter_mut().zip(params_bar.as_ref()) {
        *to += bar;
    }
}

/// A projection's short-term plasticity under steps of one size.
#[derive(Clone, Debug)]
pub(crate) struct ShortTermStep<T: 'static> {
    model: ShortTermModel,
    loops: &'static dyn ShortTermLoops<T>,
    /// How each variable recovers.
    decays: Vec<Decay<T>>,
    /// Where the parameters lie in the flat vector.
    params: Range<usize>,
    /// Where the state lies in the part of the network's state that is on its way.
    state: Range<usize>,
}

impl<T: Scalar> ShortTermStep<T> {
    /// For projection `k`, whose parameters begin with number `first` of those behind `tau`, and the state at `start`.
    pub(super) fn new(
        model: ShortTermModel,
        parameters: &Parameters<T>,
        (k, first): (usize, usize),
        h: T,
        start: usize,
        pre: usize,
    ) -> Self {
        let of = |parameter: usize| {
            parameters.layout().range(Group::Synapse { projection: k, parameter: first + parameter }).start
        };
        let params = of(0)..of(0) + model.parameters.len();
        let decays = model
            .recovery
            .iter()
            .map(|&parameter| Decay::new(parameters.values()[params.start + parameter], h));
        Self {
            loops: model.of::<T>(),
            decays: decays.collect(),
            params,
            state: start..start + model.rest.len() * pre,
            model,
        }
    }

    /// Length of the state, which is also what the transpose needs of a step.
    pub(super) fn len(&self) -> usize {
        self.state.len()
    }

    /// The neuron, counted from the first presynaptic one, that a number of what is on its way belongs to.
    pub(super) fn neuron(&self, component: usize) -> Option<usize> {
        let pre = self.neurons();
        self.state.contains(&component).then(|| (component - self.state.start) % pre)
    }

    /// What each variable has at the start of a trial.
    pub(super) fn start(&self, way: &mut [T]) {
        for (variable, rest) in self.variables(&mut way[self.state.clone()]).zip(self.model.rest) {
            variable.fill(T::from_subset(rest));
        }
    }

    /// The number of presynaptic neurons.
    fn neurons(&self) -> usize {
        self.len() / self.model.rest.len()
    }

    /// The numbers of each variable.
    fn variables<'s>(&self, state: &'s mut [T]) -> impl Iterator<Item = &'s mut [T]> {
        state.chunks_exact_mut(self.neurons().max(1))
    }

    /// Releases, then recovers for the whole step; keeps the state at its start.
    pub(super) fn step(&self, parameters: &[T], way: &mut [T], rows: &mut Vec<T>, of: Released<'_, T>) {
        let state = &mut way[self.state.clone()];
        rows.extend_from_slice(state);
        self.loops.release(&parameters[self.params.clone()], state, of);
        for ((variable, decay), rest) in self.variables(state).zip(&self.decays).zip(self.model.rest) {
            let rest = T::from_subset(rest);
            variable.iter_mut().for_each(|x| *x = rest + decay.a * (*x - rest));
        }
    }

    /// Finds again what a step that began with the state `start` released, and the state between release and recovery.
    pub(super) fn release_again(
        &self,
        parameters: &[T],
        start: &[T],
        (neurons, charges): (&[u32], &[T]),
        scratch: &mut ShortTermScratch<T>,
    ) {
        let ShortTermScratch { released, released_bar, after, .. } = scratch;
        released.clear();
        after.clear();
        after.extend_from_slice(start);
        self.loops.release(&parameters[self.params.clone()], after, Released { neurons, charges, released });
        released_bar.clear();
        released_bar.resize(neurons.len(), T::zero());
    }

    /// The transpose of [`step`](Self::step), for the state at its start, after [`release_again`](Self::release_again).
    pub(super) fn step_vjp(
        &self,
        (parameters, parameters_bar): (&[T], &mut [T]),
        start: &[T],
        way_bar: &mut [T],
        (neurons, charges, charge_bar): (&[u32], &[T], &mut [T]),
        scratch: &mut ShortTermScratch<T>,
    ) {
        let state_bar = &mut way_bar[self.state.clone()];
        let params_bar = &mut parameters_bar[self.params.clone()];
        let pre = self.neurons().max(1);
        let variables = state_bar.chunks_exact_mut(pre).zip(scratch.after.chunks_exact(pre));
        let models = self.decays.iter().zip(self.model.rest).zip(self.model.recovery);
        for ((bars, values), ((decay, rest), &parameter)) in variables.zip(models) {
            let rest = T::from_subset(rest);
            let by_a = bars.iter().zip(values).fold(T::zero(), |sum, (&bar, &x)| sum + bar * (x - rest));
            params_bar[parameter] += decay.a_by_tau * by_a;
            bars.iter_mut().for_each(|bar| *bar *= decay.a);
        }
        let (released_bar, work) = (&scratch.released_bar, &mut scratch.work);
        let bar = ReleasedBar { neurons, charges, released_bar, charge_bar, params_bar, work };
        self.loops.release_vjp(&parameters[self.params.clone()], start, state_bar, bar);
    }
}

/// Work space, kept from step to step.
#[derive(Clone, Debug)]
pub(crate) struct ShortTermScratch<T> {
    /// The charges that are released, and their cotangents.
    pub(super) released: Vec<T>,
    pub(super) released_bar: Vec<T>,
    /// The state between release and recovery.
    after: Vec<T>,
    work: Vec<T>,
}

impl<T> Default for ShortTermScratch<T> {
    fn default() -> Self {
        Self { released: Vec::new(), released_bar: Vec::new(), after: Vec::new(), work: Vec::new() }
    }
}
