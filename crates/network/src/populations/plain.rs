//! A model's part of the plain field and of the adjoint equations.

use spikegrad_integrators::EventLog;
use spikegrad_models::{NeuronVjp, Reset};

use super::block::{Block, BlockMut};
use super::charge::{add_threshold, add_width, total};
use super::closed_form::affine;
use super::loops::{Context, ParameterBar, PlainLoops, SplitLoops};
use super::model::Model;
use super::neuron::{add_params, gate_of, latch_at, params_at, put_state, rhs_vjp, state_at, zeros};
use crate::Scalar;

impl<N: NeuronVjp, T: Scalar> PlainLoops<T> for Model<N> {
    fn rhs(&self, at: &Context<'_, T>, x: Block<'_, T>, current: &[T], f: BlockMut<'_, T>) {
        let size = x.v.len();
        for (i, &current) in current.iter().enumerate().take(size) {
            let p = params_at::<N, T>(at, size, i);
            let value = N::rhs(&p, &state_at::<N, T>(x.v, x.rest, i), current);
            put_state::<N, T>(&value, f.v, f.rest, i);
        }
        f.latch.fill(T::zero());
    }

    fn rhs_vjp(
        &self,
        at: &Context<'_, T>,
        x: Block<'_, T>,
        current: &[T],
        f_bar: Block<'_, T>,
        bar: BlockMut<'_, T>,
        current_bar: &mut [T],
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = x.v.len();
        for i in 0..size {
            let p = params_at::<N, T>(at, size, i);
            let f_bar = state_at::<N, T>(f_bar.v, f_bar.rest, i);
            let mut x_bar = state_at::<N, T>(bar.v, bar.rest, i);
            let mut params_bar = zeros::<T, N::Params<T>>();
            let x = state_at::<N, T>(x.v, x.rest, i);
            let train = parameters.neuron.is_some();
            current_bar[i] = rhs_vjp::<N, T>(train, &p, &x, current[i], &f_bar, &mut x_bar, &mut params_bar);
            put_state::<N, T>(&x_bar, bar.v, bar.rest, i);
            if let Some(target) = &mut parameters.neuron {
                add_params::<N, T>(at, size, i, &params_bar, target);
            }
        }
    }

    fn charge(&self, at: &Context<'_, T>, x: Block<'_, T>, charge: &mut [T]) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            charge[i] = total(&gate, &reset, x.v[i], latch_at(x.latch, i)).0;
        }
    }

    fn charge_vjp(
        &self,
        at: &Context<'_, T>,
        x: Block<'_, T>,
        total_bar: &[T],
        bar: BlockMut<'_, T>,
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let (charge, whole) = total(&gate, &reset, x.v[i], latch_at(x.latch, i));
            if !x.latch.is_empty() && !(charge > x.latch[i]) {
                bar.latch[i] += total_bar[i];
                continue;
            }
            let v = x.v[i] - whole;
            let slope = gate.density(v) * total_bar[i];
            bar.v[i] += slope;
            add_width(&mut parameters, &gate, v, total_bar[i]);
            add_threshold::<N, T>(at, size, i, -slope, &mut parameters);
        }
    }

    fn settle(&self, at: &Context<'_, T>, x: BlockMut<'_, T>, shift: &mut [T]) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let (charge, whole) = total(&gate, &reset, x.v[i], latch_at(x.latch, i));
            if let Reset::Latch { .. } = reset {
                let restart = !(x.v[i] > gate.lower());
                (x.latch[i], shift[i]) = if restart { (T::zero(), charge) } else { (charge, T::zero()) };
            } else {
                x.v[i] -= whole;
                shift[i] = whole;
            }
        }
    }

    fn settle_vjp(
        &self,
        at: &Context<'_, T>,
        x: Block<'_, T>,
        shift_bar: &[T],
        bar: BlockMut<'_, T>,
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = x.v.len();
        for i in 0..x.latch.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let (charge, _) = total(&gate, &reset, x.v[i], x.latch[i]);
            let charge_bar = if !(x.v[i] > gate.lower()) { shift_bar[i] } else { bar.latch[i] };
            if charge > x.latch[i] {
                let slope = gate.density(x.v[i]) * charge_bar;
                bar.v[i] += slope;
                add_width(&mut parameters, &gate, x.v[i], charge_bar);
                add_threshold::<N, T>(at, size, i, -slope, &mut parameters);
                bar.latch[i] = T::zero();
            } else {
                bar.latch[i] = charge_bar;
            }
        }
    }

    fn pieces(&self, at: &Context<'_, T>, x: Block<'_, T>, log: &mut EventLog) {
        for i in 0..x.v.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, x.v.len(), i));
            let (charge, whole) = total(&gate, &reset, x.v[i], latch_at(x.latch, i));
            let piece = u64::from(gate.shape.piece(gate.position(x.v[i] - whole)));
            let latched = matches!(reset, Reset::Latch { .. }) && !(charge > x.latch[i]);
            let whole: f64 = whole.to_subset_unchecked();
            log.piece(piece | u64::from(latched) << 2 | ((whole as i64) << 3) as u64);
        }
    }

    fn plain_events(
        &self,
        at: &Context<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        offset: usize,
        log: &mut EventLog,
    ) {
        for i in 0..before.v.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, before.v.len(), i));
            let latch = latch_at(before.latch, i);
            let (old, _) = total(&gate, &reset, before.v[i], latch);
            let (new, whole) = total(&gate, &reset, after.v[i], latch);
            let spikes: f64 = whole.to_subset_unchecked();
            let spikes = if before.latch.is_empty() {
                spikes.max(0.0) as u64
            } else {
                u64::from(new >= T::one() && latch < T::one())
            };
            log.zone(offset + i, spikes > 0 || (new != old && after.v[i] > gate.lower()), spikes);
        }
    }

    fn density(&self, at: &Context<'_, T>, x: Block<'_, T>, g: &mut [T]) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let held = matches!(reset, Reset::Latch { .. }) && gate.charge(x.v[i]) < x.latch[i];
            g[i] = if held { T::zero() } else { gate.density(x.v[i]) };
        }
    }

    fn jump(&self, at: &Context<'_, T>, current: T, i: usize) -> T {
        match SplitLoops::<T>::reset(self, at, i) {
            Reset::To { threshold, value } => {
                let size = if at.per_neuron { at.parameters.len() / N::PARAMETERS.len().max(1) } else { 1 };
                let flow = affine::<N, T>(&params_at::<N, T>(at, size, i), current);
                flow.rhs(value) / flow.rhs(threshold)
            }
            _ => T::one(),
        }
    }
}
