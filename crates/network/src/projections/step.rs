//! What a step gives to a projection and what it gets from one, whatever its kind.

use std::ops::Range;

use spikegrad_integrators::Decay;

use super::short_term::ShortTermScratch;
use super::waiting::Waiting;
use crate::Scalar;
use crate::kernels::{LANES, dot};

/// What all kinds of projections have: their time constants under a step, and where their parameters lie.
#[derive(Clone, Debug)]
pub(crate) struct ProjectionParts<T> {
    /// One for all presynaptic neurons, or one each.
    pub(crate) decays: Vec<Decay<T>>,
    /// Where the weights lie in the parameters; empty where they are two factors.
    pub(crate) weights: Range<usize>,
    pub(crate) tau: Range<usize>,
    pub(crate) delay: Range<usize>,
    pub(crate) trains_weights: bool,
    pub(crate) trains_tau: bool,
    pub(crate) trains_delay: bool,
}

/// A step of a projection that is not on the sparse path.
pub(crate) struct ProjectionStep<'a, T> {
    /// The number of the step.
    pub(crate) n: usize,
    pub(crate) parameters: &'a [T],
    /// The presynaptic neurons that released charge, numbered from the first presynaptic one, and the charge of each.
    pub(crate) released: (&'a [u32], &'a [T]),
    pub(crate) s: &'a mut [T],
    pub(crate) j: &'a mut [T],
    /// What is on its way behind delays, in all projections.
    pub(crate) way: &'a mut [T],
    /// Where what the transpose asks for is kept, and whether what arrives behind delays is.
    pub(crate) rows: &'a mut Vec<T>,
    pub(crate) keeps: bool,
    pub(crate) scratch: &'a mut Scratch<T>,
}

/// The transpose of a [`ProjectionStep`], up to the decay of traces and currents.
pub(crate) struct ProjectionBar<'a, T> {
    pub(crate) n: usize,
    pub(crate) parameters: &'a [T],
    pub(crate) released: (&'a [u32], &'a [T]),
    /// Cotangents of the released charges, to be added to.
    pub(crate) charge_bar: &'a mut [T],
    /// Cotangent of what a unit of charge adds, which the loops over columns found on the sparse path.
    pub(crate) gain_bar: T,
    pub(crate) s_bar: &'a mut [T],
    pub(crate) j_bar: &'a [T],
    pub(crate) way_bar: &'a mut [T],
    /// The traces at the start of the step, and the currents there or, where these are formed anew at every step, the traces at its
    /// end; empty where neither is asked for.
    pub(crate) kept: (&'a [T], &'a [T]),
    /// What was kept of the step, [`ProjectionStep::rows`].
    pub(crate) row: &'a [T],
    pub(crate) scratch: &'a mut Scratch<T>,
    /// Gradients of the weights of a projection between some neurons, which wait for further steps.
    pub(crate) waiting: &'a mut Waiting<T>,
    /// Whether no further steps follow for which anything could wait.
    pub(crate) is_last: bool,
    pub(crate) parameters_bar: &'a mut [T],
}

/// Work space, kept from step to step so that none has to allocate.
#[derive(Clone, Debug)]
pub(crate) struct Scratch<T> {
    /// `u = R q` of weights of low rank, and its cotangent.
    pub(crate) u: Vec<T>,
    pub(crate) u_bar: Vec<T>,
    /// What a unit of charge of each neuron is worth.
    pub(crate) products: Vec<T>,
    /// Partial sums of products with whole matrices.
    pub(crate) lanes: Vec<[T; LANES]>,
    /// What short-term plasticity releases of the charges, and its transpose.
    pub(crate) short_term: ShortTermScratch<T>,
    /// What arrives at kinetics of several filters, traces and currents.
    pub(crate) arriving: (Vec<T>, Vec<T>),
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            u: Vec::new(),
            u_bar: Vec::new(),
            products: Vec::new(),
            lanes: Vec::new(),
            short_term: ShortTermScratch::default(),
            arriving: (Vec::new(), Vec::new()),
        }
    }
}

impl<T: Scalar> ProjectionParts<T> {
    /// Adds the cotangent of a time constant that all neurons share, equation (26), for that of what a unit of charge adds.
    #[inline(always)]
    pub(crate) fn tau_vjp(
        &self,
        (s, j): (&[T], &[T]),
        (s_bar, j_bar): (&[T], &[T]),
        by_b: T,
        parameters_bar: &mut [T],
    ) {
        let decay = self.decays[0];
        let by_a = dot(s, s_bar) + dot(j, j_bar);
        parameters_bar[self.tau.start] += decay.a_by_tau * by_a + decay.b_by_tau * by_b;
    }
}
