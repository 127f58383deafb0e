//! The paper's adjoint equations (equations (6)-(9)), integrated backwards in time along a run of the split step: the
//! continuous adjoint, to look at and to compare with. Its gradient converges to the discrete one at first order as
//! `h -> 0`; for training use the discrete adjoint, which is exact at every `h`.

use spikegrad_integrators::{Decay, Step};
use spikegrad_models::{Locate, Reset};

use super::split::SplitRun;
use crate::kernels::{axpy, dot};
use crate::placed::{block, block_mut};
use crate::populations::ParameterBar;
use crate::projections::TimeConstants;
use crate::{Error, Group, Parameters, Scalar, memory};

/// The continuous adjoint along a trial.
#[derive(Clone, Debug)]
pub struct Pontryagin<T> {
    /// The cost of the run.
    pub cost: T,
    /// Gradient of `W_k`, `U`, `I_o` and `O` (equation (8)); all other groups are zero.
    pub gradient: Parameters<T>,
    /// `p_v` at the grid points, `(steps + 1) x N`, one time after the other.
    pub p_v: Vec<T>,
    /// `p_s` of each synapse class at the grid points, `classes x (steps + 1) x N`.
    pub p_s: Vec<Vec<T>>,
}

/// Integrates the adjoint equations backwards along `run`, with explicit Euler steps for `p_v`, exact decay for `p_s`,
/// right-end sums for the gradient and the jump of equation (32) at hard resets.
///
/// # Errors
/// If the run does not stay finite or does not fit into memory, a population has hard resets without a closed form or a
/// refractory time, or a synapse class has delays.
pub fn pontryagin<T: Scalar>(run: &SplitRun<'_, T>) -> Result<Pontryagin<T>, Error> {
    let (network, h) = (run.network(), run.h());
    network.check_undelayed("the continuous adjoint")?;
    network.check_full_rank("the continuous adjoint")?;
    let (size, classes, steps) = (network.neurons(), network.classes().len(), run.steps());
    let (membrane, layout) = (network.membrane, network.parameters.layout());
    let len = membrane + network.latches;
    for (place, at) in run.places() {
        let hard = matches!(place.loops.of::<T>().reset(at, 0), Reset::To { .. });
        if hard && (place.loops.of::<T>().locate() == Locate::DenseOutput || place.latches > 0) {
            return Err(Error::ContinuousReset { population: place.name.clone() });
        }
    }

    // Forward: the membrane, all synapses, the currents and who spiked.
    let what = "the run and the adjoint at its grid points";
    let numbers = (run.dim() + (2 + classes) * size) as f64 * (steps as f64 + 1.0);
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
    let mut p_s = vec![vec![T::zero(); (steps + 1) * size]; classes];
    let taus = |k| TimeConstants(network.parameters.group(Group::Tau(k)));
    let decays: Vec<Vec<Decay<T>>> =
        (0..classes).map(|k| (0..size).map(|i| Decay::new(taus(k).at(i), h)).collect()).collect();
    // p = [p_v | cotangents of the other membrane variables]
    let (mut p, mut p_next) = (vec![T::zero(); len], vec![T::zero(); len]);
    let (mut current_bar, mut g, mut slope) =
        (vec![T::zero(); size], vec![T::zero(); size], vec![T::zero(); size]);
    let (mut output, mut output_bar) =
        (vec![T::zero(); network.outputs()], vec![T::zero(); network.outputs()]);
    let mut s_bar = vec![T::zero(); size];
    for n in (0..steps).rev() {
        let x = &states[n * run.dim()..][..run.dim()];
        let current = &currents[n * size..][..size];
        p_next.copy_from_slice(&p);
        s_bar.fill(T::zero());
        let read = run.shared().read(&x[len..][..size], &mut output);
        run.shared().cost_vjp(
            n,
            &x[len..][..size],
            &x[..membrane],
            T::one(),
            (read, &mut output_bar),
            &mut s_bar,
            &mut p_next[..membrane],
            gradient.values_mut(),
        );

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
        // Equation (7) for each class, its slope for equation (6).
        slope.fill(T::zero());
        for (k, decays) in decays.iter().enumerate() {
            let range = layout.range(Group::Recurrent(k));
            let w = &network.parameters.values()[range.clone()];
            let s = &x[len + k * size..][..size];
            let w_bar = &mut gradient.values_mut()[range];
            let (earlier, later) = p_s[k].split_at_mut((n + 1) * size);
            for i in 0..size {
                let column = i * size..(i + 1) * size;
                axpy(&mut w_bar[column.clone()], s[i], &current_bar);
                let mut xi = dot(&w[column], &current_bar) / h;
                if k == 0 {
                    xi += s_bar[i] / h;
                }
                slope[i] += (later[i] - xi) / taus(k).at(i);
                let a = decays[i].a;
                earlier[n * size + i] = a * later[i] + (T::one() - a) * xi;
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
