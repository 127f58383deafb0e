//! The paper's adjoint equations (equations (6)-(9)), integrated backwards in time along a run of the split step: the
//! continuous adjoint, to look at and to compare with. Its gradient converges to the discrete one at first order as
//! `h -> 0`; for training use the discrete adjoint, which is exact at every `h`.

use spikegrad_integrators::{Decay, Step};
use spikegrad_models::{Locate, Reset};

use super::split::SplitRun;
use crate::placed::{block, block_mut};
use crate::populations::ParameterBar;
use crate::projections::TimeConstants;
use crate::{Error, Feature, Group, Parameters, Scalar, memory};

/// The continuous adjoint along a trial.
#[derive(Clone, Debug)]
pub struct Pontryagin<T> {
    /// The cost of the run.
    pub cost: T,
    /// Gradient of `W_k`, `U`, `I_o` and `O` (equation (8)); all other groups are zero.
    pub gradient: Parameters<T>,
    /// `p_v` at the grid points, `(steps + 1) x N`, one time after the other.
    pub p_v: Vec<T>,
    /// `p_s` of each projection at the grid points, `projections x (steps + 1) x N_pre`.
    pub p_s: Vec<Vec<T>>,
}

/// Integrates the adjoint equations backwards along `run`, with explicit Euler steps for `p_v`, exact decay for `p_s`,
/// right-end sums for the gradient and the jump of equation (32) at hard resets.
///
/// # Errors
/// If the run does not stay finite or does not fit into memory, a population has hard resets without a closed form or a
/// refractory time or releases [only what rises](Reset::Rectify), a projection has delays or weights of low rank, or the loss sees the run as a whole.
pub fn pontryagin<T: Scalar>(run: &SplitRun<'_, T>) -> Result<Pontryagin<T>, Error> {
    let (network, h) = (run.network(), run.h());
    network.check_goes_with(Feature::ContinuousAdjoint)?;
    if run.shared().over_run.is_some() {
        return Err(Error::RunLoss { scheme: "the continuous adjoint" });
    }
    let (size, wires, steps) = (network.neurons(), &network.wires, run.steps());
    let read = network.wires[network.read].traces();
    let (membrane, layout) = (network.membrane, network.parameters.layout());
    let len = membrane + network.latches;
    for (place, at) in run.places() {
        let reset = place.loops.of::<T>().reset(at, 0);
        if let Reset::Rectify = reset {
            let population = place.name.clone();
            return Err(Error::Rectified { population, scheme: "the continuous adjoint" });
        }
        let hard = matches!(reset, Reset::To { .. });
        if hard && (place.loops.of::<T>().locate() == Locate::DenseOutput || place.latches > 0) {
            return Err(Error::ContinuousReset { population: place.name.clone() });
        }
    }

    // Forward: the membrane, all synapses, the currents and who spiked.
    let what = "the run and the adjoint at its grid points";
    let numbers = (run.dim() + 2 * size + network.traces) as f64 * (steps as f64 + 1.0);
    memory::check(what, numbers * size_of::<T>() as f64, network.memory_limit)?;
    let (mut states, mut currents) =
        (memory::room(what, steps * run.dim())?, memory::room(what, steps * size)?);
    let mut spiked = Vec::new();
    let cost = run.watch(|_, x, tape| {
        states.extend_from_slice(x);
        currents.extend_from_slice(run.last_current(tape));
        let mut now = Vec::new();
        run.last_spikes(tape, |neuron, count| now.push((neuron, count)));
        spiked.push(now);
    })?;

    let mut gradient = network.parameters.zeros_like();
    let mut p_v = vec![T::zero(); (steps + 1) * size];
    let mut p_s: Vec<_> = wires.iter().map(|wire| vec![T::zero(); (steps + 1) * wire.pre.len()]).collect();
    let taus = |k| TimeConstants(network.parameters.group(Group::Tau(k)));
    let decays = wires.iter().enumerate();
    let decays: Vec<Vec<Decay<T>>> =
        decays.map(|(k, wire)| (0..wire.pre.len()).map(|i| Decay::new(taus(k).at(i), h)).collect()).collect();
    // p = [p_v | cotangents of the other membrane variables]
    let (mut p, mut p_next) = (vec![T::zero(); len], vec![T::zero(); len]);
    let (mut current_bar, mut g, mut slope) =
        (vec![T::zero(); size], vec![T::zero(); size], vec![T::zero(); size]);
    let (mut output, mut output_bar) =
        (vec![T::zero(); network.outputs()], vec![T::zero(); network.outputs()]);
    let mut s_bar = vec![T::zero(); network.traces];
    let (mut named, mut named_bar) =
        (vec![T::zero(); network.readouts.traces], vec![T::zero(); network.readouts.traces]);
    for n in (0..steps).rev() {
        let x = &states[n * run.dim()..][..run.dim()];
        let current = &currents[n * size..][..size];
        p_next.copy_from_slice(&p);
        s_bar.fill(T::zero());
        let s = &x[len..][read.clone()];
        let shared = run.shared();
        network.keep_traces(&x[len..][..network.traces], &mut named);
        shared.read_named(&named, x, &mut output);
        let read_out = shared.read(s, &mut output);
        let counts = shared.cost_vjp(
            n,
            s,
            &x[..membrane],
            T::one(),
            (read_out, &mut output_bar),
            &mut s_bar[read.clone()],
            &mut p_next[..membrane],
            gradient.values_mut(),
        );
        if counts {
            let bars = (&mut named_bar[..], &mut p_next[..]);
            shared.read_named_vjp((&named, x), &output_bar, bars, gradient.values_mut());
            network.keep_traces_vjp(&named_bar, &mut s_bar);
        }

        // h J^T p and d_I f p_v; spikes first, as time runs backwards through the end of the step.
        for (place, at) in run.places() {
            for &(neuron, count) in
                spiked[n].iter().filter(|(i, _)| (place.offset..place.offset + place.size).contains(i))
            {
                let factor = place.loops.of::<T>().jump(at, current[neuron], neuron - place.offset);
                let factor = factor.powi(i32::try_from(count).unwrap_or(i32::MAX));
                p[neuron] *= factor;
                p_next[neuron] *= factor;
            }
            let scaled: Vec<T> = p.iter().map(|&p| h * p).collect();
            place.loops.of::<T>().rhs_vjp(
                at,
                block(place, membrane, x),
                &current[place.offset..][..place.size],
                block(place, membrane, &scaled),
                block_mut(place, membrane, &mut p_next),
                &mut current_bar[place.offset..][..place.size],
                ParameterBar { neuron: None, width: None },
            );
            place.loops.of::<T>().density(
                at,
                block(place, membrane, x),
                &mut g[place.offset..][..place.size],
            );
        }
        // Equation (8); current_bar carries the step size.
        run.shared().current_vjp(n, &current_bar, gradient.values_mut());
        // Equation (7) for each projection, its slope for equation (6).
        slope.fill(T::zero());
        for (k, (wire, decays)) in wires.iter().zip(&decays).enumerate() {
            let (range, pre) = (layout.range(Group::Weight(k)), wire.pre.len());
            let w = &network.parameters.values()[range.clone()];
            let s = &x[len..][wire.traces()];
            let w_bar = &mut gradient.values_mut()[range];
            let current_bar = &current_bar[wire.post.clone()];
            let (earlier, later) = p_s[k].split_at_mut((n + 1) * pre);
            for i in 0..pre {
                wire.add_to_column(w_bar, i, s[i], current_bar);
                let xi = wire.column_dot(w, i, current_bar) / h + s_bar[wire.trace + i] / h;
                slope[wire.pre.start + i] += (later[i] - xi) / taus(k).at(i);
                let a = decays[i].a;
                earlier[n * pre + i] = a * later[i] + (T::one() - a) * xi;
            }
        }
        // Equation (6)
        for i in 0..size {
            p_next[i] -= h * g[i] * slope[i];
        }
        std::mem::swap(&mut p, &mut p_next);
        p_v[n * size..][..size].copy_from_slice(&p[..size]);
    }
    network.mask_gradient(gradient.values_mut());
    Ok(Pontryagin { cost, gradient, p_v, p_s })
}
