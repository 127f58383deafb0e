//! Projections between some of a network's neurons, with a matrix of weights: the same loops over columns as those of projections
//! from all neurons to all, one projection at a time.

use super::sparse::{BlockBackward, Bursts, Columns};
use super::step::{ProjectionBar, ProjectionParts, ProjectionStep};
use super::waiting::Waiting;
use crate::Scalar;
use crate::kernels::scale;

/// Equations (19), (20).
pub(super) fn step<T: Scalar>(
    loops: &dyn Columns<T>,
    parts: &ProjectionParts<T>,
    step: ProjectionStep<'_, T>,
) {
    let ProjectionStep { parameters, released: (neurons, charges), s, j, .. } = step;
    let decay = parts.decays[0];
    scale(s, decay.a);
    scale(j, decay.a);
    for (&neuron, &charge) in neurons.iter().zip(charges) {
        s[neuron as usize] += decay.b * charge;
    }
    // One neuron that is postsynaptic to all: `J += gain W q`.
    let to_all = [(0, neurons.len() as u32)];
    let charges = Bursts { neurons: &to_all, steps: neurons, charges };
    loops.add_outer(j.len(), &parameters[parts.weights.clone()], decay.b, charges, j);
}

/// The transpose of [`step`], equations (22), (23), (26). Gradients of weights wait for further steps where there is room for that.
pub(super) fn step_vjp<T: Scalar>(
    loops: &dyn Columns<T>,
    parts: &ProjectionParts<T>,
    bar: ProjectionBar<'_, T>,
) {
    let ProjectionBar { parameters, parameters_bar, released: (neurons, charges), s_bar, j_bar, .. } = bar;
    let (decay, waits) = (parts.decays[0], parts.trains_weights && bar.waiting.is_used());
    let products = &mut bar.scratch.products;
    products.clear();
    products.resize(neurons.len(), T::zero());
    let weights = parts.weights.clone();
    let gain_bar = loops.block_backward(BlockBackward {
        gain: decay.b,
        w: &parameters[weights.clone()],
        s_bar,
        j_bar,
        w_bar: (parts.trains_weights && !waits).then(|| &mut parameters_bar[weights]),
        neurons,
        charges,
        charge_bar: products,
    });
    for (charge_bar, &product) in bar.charge_bar.iter_mut().zip(&*products) {
        *charge_bar += product;
    }
    if waits {
        bar.waiting.keep(0, j_bar);
        if !bar.waiting.goes_on(neurons, charges) || bar.is_last {
            finish(loops, parts, bar.waiting, j_bar.len(), parameters_bar);
        }
    }
    if parts.trains_tau {
        parts.tau_vjp(bar.kept, (s_bar, j_bar), gain_bar, parameters_bar);
    }
}

/// Adds what waited to the gradient of the weights.
fn finish<T: Scalar>(
    loops: &dyn Columns<T>,
    parts: &ProjectionParts<T>,
    waiting: &mut Waiting<T>,
    post: usize,
    parameters_bar: &mut [T],
) {
    waiting.sort();
    let w_bar = &mut parameters_bar[parts.weights.clone()];
    loops.add_outer(post, waiting.rows(0), parts.decays[0].b, waiting.bursts(), w_bar);
    waiting.done();
}
