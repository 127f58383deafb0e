//! The loops over neurons of a model: what it says of itself, its start, and what a step did to each neuron.

use std::any::TypeId;
use std::marker::PhantomData;

use spikegrad_integrators::EventLog;
use spikegrad_models::math::{floor, real};
use spikegrad_models::{Array, Integration, Locate, NeuronVjp, Parameter, Reset};

use super::block::{Block, BlockMut};
use super::charge::{add_threshold, add_width};
use super::closed_form::{affine, growth};
use super::dense_output::{self, is_on_dense_output};
use super::loops::{
    Context, EventLoops, Facts, Flow, FlowBar, GRAZING, ParameterBar, PopulationLoops, SplitLoops, StepLoops,
};
use super::neuron::{gate_of, hard_reset, keeps, latch_at, params_at};
use super::open::takes_conductances;
use super::step;
use crate::{Scalar, Spike};

/// The loops over neurons of model `N`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model<N>(pub(super) PhantomData<N>);

impl<N: NeuronVjp, T: Scalar> PopulationLoops<T> for Model<N> {}

impl<N: NeuronVjp, T: Scalar> StepLoops<T> for Model<N> {}

impl<N: NeuronVjp> Facts for Model<N> {
    fn model(&self) -> &'static str {
        N::NAME
    }

    fn dim(&self) -> usize {
        <N::State<f64> as Array<f64>>::LEN
    }

    fn parameters(&self) -> &'static [Parameter] {
        N::PARAMETERS
    }

    fn variables(&self) -> &'static [Parameter] {
        N::VARIABLES
    }

    fn current(&self) -> &'static str {
        N::CURRENT
    }

    fn rest(&self, parameters: &[f64]) -> Vec<f64> {
        let parameters = N::Params::<f64>::from_fn(|i| parameters.get(i).copied().unwrap_or_default());
        N::from_params(&parameters).rest().as_ref().to_vec()
    }

    fn id(&self) -> TypeId {
        TypeId::of::<N>()
    }

    fn integration(&self) -> Integration {
        N::METHOD
    }

    fn locate(&self) -> Locate {
        N::LOCATE
    }

    fn takes_conductances(&self) -> bool {
        takes_conductances::<N>()
    }
}

/// The parameters of neuron `i`, without the size of the population.
fn params_of<N: NeuronVjp, T: Scalar>(at: &Context<'_, T>, i: usize) -> N::Params<T> {
    // Per-neuron parameters are laid out in columns of the population's size.
    let size =
        if at.per_neuron { at.parameters.len().checked_div(N::PARAMETERS.len()).unwrap_or(1) } else { 1 };
    params_at::<N, T>(at, size, i)
}

impl<N: NeuronVjp, T: Scalar> SplitLoops<T> for Model<N> {
    fn growth(&self, at: &Context<'_, T>) -> Option<(T, T)> {
        (N::LOCATE == Locate::ClosedForm && !at.per_neuron)
            .then(|| growth::<N, T>(at, &params_at::<N, T>(at, 1, 0)))
    }

    fn keeps(&self, at: &Context<'_, T>) -> bool {
        keeps::<N, T>(&params_at::<N, T>(at, 1, 0))
    }

    fn reset(&self, at: &Context<'_, T>, i: usize) -> Reset<T> {
        N::reset(&params_of::<N, T>(at, i))
    }

    fn reset_vjp(
        &self,
        at: &Context<'_, T>,
        i: usize,
        (threshold_bar, value_bar): (T, T),
        params_bar: &mut [T],
    ) {
        let mut bar = N::Params::<T>::from_fn(|_| T::zero());
        N::reset_vjp(&params_of::<N, T>(at, i), threshold_bar, value_bar, &mut bar);
        params_bar.iter_mut().zip(bar.as_ref()).for_each(|(target, &bar)| *target += bar);
    }

    fn start(&self, at: &Context<'_, T>, x: BlockMut<'_, T>) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            match reset {
                Reset::Periodic => x.v[i] -= floor(x.v[i]),
                Reset::Latch { .. } => x.latch[i] = gate.charge(x.v[i]),
                Reset::Subtract | Reset::Rectify | Reset::Never => {}
                // No neuron starts refractory.
                Reset::To { .. } => {
                    if let Some(wait) = x.latch.get_mut(i) {
                        *wait = T::zero();
                    }
                }
            }
        }
    }

    fn start_vjp(
        &self,
        at: &Context<'_, T>,
        v: &[T],
        bar: BlockMut<'_, T>,
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = v.len();
        for i in 0..bar.latch.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            if !matches!(reset, Reset::Latch { .. }) {
                bar.latch[i] = T::zero();
                continue;
            }
            let slope = gate.density(v[i]) * bar.latch[i];
            bar.v[i] += slope;
            add_width(&mut parameters, &gate, v[i], bar.latch[i]);
            bar.latch[i] = T::zero();
            add_threshold::<N, T>(at, size, i, -slope, &mut parameters);
        }
    }

    fn forward(&self, at: &Context<'_, T>, flow: &mut Flow<'_, T>) {
        step::forward::<N, T>(at, flow);
    }

    fn backward(&self, at: &Context<'_, T>, flow: &mut FlowBar<'_, T>) {
        step::backward::<N, T>(at, flow);
    }
}

impl<N: NeuronVjp, T: Scalar> EventLoops<T> for Model<N> {
    fn spikes(
        &self,
        at: &Context<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        i: usize,
        charge: T,
    ) -> u64 {
        let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, before.v.len(), i));
        if let Reset::Never = reset {
            return 0;
        }
        if let Reset::Rectify = reset
            && !(charge > T::zero())
        {
            // A fall is not a spike, however far it goes.
            return 0;
        }
        let spikes: f64 = if let Reset::Latch { .. } = reset {
            let full = |latch: T| f64::from(latch >= T::one());
            if charge > T::zero() { full(after.latch[i]) - full(before.latch[i]) } else { 0.0 }
        } else if charge < real(0.5) && after.v[i] >= before.v[i] {
            // A spike that does not leave the voltage lower has released at least 1.
            return 0;
        } else {
            (charge - gate.charge(after.v[i]) + gate.charge(before.v[i])).to_subset_unchecked()
        };
        spikes.round().max(0.0) as u64
    }

    fn spike_times(
        &self,
        at: &Context<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: T,
        i: usize,
        count: u64,
        visit: &mut dyn FnMut(T),
    ) {
        if const { is_on_dense_output::<N>() } {
            return dense_output::spike_times::<N, T>(at, before, current, i, visit);
        }
        let p = params_at::<N, T>(at, before.v.len(), i);
        let (start, end) = (before.v[i], after.v[i]);
        let (first, next) = match N::reset(&p) {
            Reset::To { .. } => {
                let refractory = N::refractory(&p).unwrap_or_else(T::zero);
                let (reset, from) = (hard_reset::<N, T>(&p), (start, latch_at(before.latch, i)));
                let times = affine::<N, T>(&p, current).spike_times(reset, refractory, from, at.h);
                times.unwrap_or((at.h, T::zero()))
            }
            Reset::Latch { threshold } => (at.h * (threshold - start) / (end - start), T::zero()),
            Reset::Never => return,
            Reset::Periodic | Reset::Subtract | Reset::Rectify => {
                let turn = at.h / (end + real(count as f64) - start);
                (turn * (T::one() - start), turn)
            }
        };
        for k in 0..count.min(Spike::EACH) {
            visit(first + next * real(k as f64));
        }
    }

    fn log_crossing(
        &self,
        at: &Context<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: T,
        (offset, i): (usize, usize),
        charge: T,
        log: &mut EventLog,
    ) -> u64 {
        let p = params_at::<N, T>(at, before.v.len(), i);
        let (gate, reset) = gate_of::<N, T>(at, &p);
        let spikes = self.spikes(at, before, after, i, charge);
        let mut touched = spikes > 0 || charge != T::zero();
        match reset {
            Reset::Latch { .. } | Reset::Never => {}
            Reset::To { threshold, value } => {
                touched |= after.v[i] > gate.lower() && after.v[i] < gate.threshold;
                let speed = affine::<N, T>(&p, current).rhs(threshold).abs() * at.h;
                if spikes > 0 && is_on_dense_output::<N>() {
                    dense_output::log_spike::<N, T>(at, before, current, i, log);
                } else if spikes > 0 && speed < real::<T>(GRAZING) * (threshold - value) {
                    log.grazing();
                }
            }
            // A step that leaves the zone downwards has left it.
            Reset::Periodic | Reset::Subtract | Reset::Rectify => {
                touched &= spikes > 0 || after.v[i] > gate.lower()
            }
        }
        log.zone(offset + i, touched, spikes);
        spikes
    }

    fn events(
        &self,
        at: &Context<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: &[T],
        offset: usize,
        charge_of: &dyn Fn(usize) -> T,
        log: &mut EventLog,
    ) {
        for i in 0..before.v.len() {
            let p = params_at::<N, T>(at, before.v.len(), i);
            let (gate, reset) = gate_of::<N, T>(at, &p);
            let charge = charge_of(offset + i);
            let mut piece = u64::from(gate.shape.piece(gate.position(after.v[i])));
            match reset {
                Reset::Latch { .. } => {
                    // Which branch of the maximum was taken, and whether the latch was restarted.
                    piece |= u64::from(charge > T::zero()) << 2 | u64::from(after.latch[i] == T::zero()) << 3;
                }
                // Whether the neuron is refractory at the end.
                Reset::To { .. } => piece |= u64::from(latch_at(after.latch, i) > T::zero()) << 2,
                // Whether the voltage rose, and whether it stands on the floor.
                Reset::Rectify => {
                    piece |= u64::from(charge > T::zero()) << 2 | u64::from(after.v[i] == T::zero()) << 3;
                }
                Reset::Periodic | Reset::Subtract | Reset::Never => {}
            }
            let spikes = self.log_crossing(at, before, after, current[i], (offset, i), charge, log);
            log.piece(piece | spikes << 4);
        }
    }
}
