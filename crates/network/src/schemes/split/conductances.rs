//! Projections whose traces are conductances (equations (83) to (85)): what their channels add to the currents and to the equations of
//! the neurons that they end on, and the transpose.

use std::ops::Range;

use crate::kernels::axpy;
use crate::placed::Placed;
use crate::populations::{Context, FlowBar, ParameterBar, StepLoops};
use crate::projections::ReceptorModel;
use crate::{Group, Network, Scalar};

/// The projections of a network whose traces are conductances.
#[derive(Clone, Debug)]
pub(super) struct Conductances<T: 'static> {
    channels: Vec<Channels<T>>,
    /// Whether channels end on each population.
    opens: Vec<bool>,
}

/// A projection whose traces are conductances.
#[derive(Clone, Debug)]
struct Channels<T: 'static> {
    receptor: ReceptorModel,
    params: Vec<T>,
    /// Where the parameters lie in the flat vector.
    at: Range<usize>,
    /// Where the conductances lie among the currents, and those of which neurons they are.
    currents: Range<usize>,
    post: Range<usize>,
}

/// The conductances of a step, and work space; kept from step to step.
#[derive(Clone, Debug)]
pub(super) struct OpenScratch<T> {
    /// The conductance of each neuron, and its cotangent.
    g: Vec<T>,
    g_bar: Vec<T>,
    /// Cotangents of a population's parameters, and of its conductances behind them.
    params_bar: Vec<T>,
    /// Cotangents of the conductances of each projection, where its currents lie.
    pub(super) channel_bar: Vec<T>,
    /// The open part of the channels of a projection, and its cotangent.
    open: Vec<T>,
    open_bar: Vec<T>,
}

impl<T> Default for OpenScratch<T> {
    fn default() -> Self {
        Self {
            g: Vec::new(),
            g_bar: Vec::new(),
            params_bar: Vec::new(),
            channel_bar: Vec::new(),
            open: Vec::new(),
            open_bar: Vec::new(),
        }
    }
}

impl<T: Scalar> Conductances<T> {
    pub(super) fn new(network: &Network<T>) -> Self {
        let channels = network.wires.iter().enumerate().filter_map(|(k, wire)| {
            let receptor = wire.receptor?;
            let group = Group::Synapse { projection: k, parameter: wire.receptor_from() };
            let start = network.parameters.layout().range(group).start;
            let at = start..start + receptor.parameters.len();
            let params = network.parameters.values()[at.clone()].to_vec();
            Some(Channels { receptor, params, at, currents: wire.currents(), post: wire.post.clone() })
        });
        let channels: Vec<_> = channels.collect();
        let of = |place: &Placed| place.offset..place.offset + place.size;
        let ends_on =
            |place: &Placed, post: &Range<usize>| of(place).start < post.end && post.start < of(place).end;
        let opens = |place: &Placed| channels.iter().any(|c| ends_on(place, &c.post));
        let opens = network.places.iter().map(opens).collect();
        Self { channels, opens }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether channels end on population `p`.
    pub(super) fn opens(&self, p: usize) -> bool {
        self.opens[p]
    }

    /// Makes room for so many neurons and currents.
    pub(super) fn make_room(&self, neurons: usize, currents: usize, scratch: &mut OpenScratch<T>) {
        if !self.is_empty() {
            scratch.g.resize(neurons, T::zero());
            scratch.g_bar.resize(neurons, T::zero());
            scratch.channel_bar.resize(currents, T::zero());
        }
    }

    /// Adds to the currents of a step what channels add whatever the voltage in it, and writes the conductances, for voltages `v` at its
    /// start and the conductances `j` of all projections.
    #[inline(never)]
    pub(super) fn open(&self, j: &[T], v: &[T], current: &mut [T], scratch: &mut OpenScratch<T>) {
        let OpenScratch { g, open, .. } = scratch;
        self.sum(j, v, g, open, |neuron, towards| current[neuron] += towards);
    }

    /// Writes the conductances, and calls `visit` with a neuron and what a projection adds to its current.
    #[inline(always)]
    fn sum(&self, j: &[T], v: &[T], g: &mut [T], open: &mut Vec<T>, mut visit: impl FnMut(usize, T)) {
        g.fill(T::zero());
        for channels in &self.channels {
            let (e_rev, post) = (channels.params[0], channels.post.clone());
            open.resize(post.len(), T::zero());
            channels.receptor.of::<T>().open(&channels.params, &v[post.clone()], open);
            let conductances = open.iter().zip(&j[channels.currents.clone()]);
            for ((neuron, g), (&m, &j)) in post.clone().zip(&mut g[post]).zip(conductances) {
                *g += m * j;
                visit(neuron, m * j * e_rev);
            }
        }
    }

    /// How many conductances there are among the currents `j` of all projections, and how many are below zero.
    pub(super) fn count(&self, j: &[T]) -> (u64, u64) {
        let all = self.channels.iter().flat_map(|channels| &j[channels.currents.clone()]);
        all.fold((0, 0), |(all, negative), &g| (all + 1, negative + u64::from(g < T::zero())))
    }

    /// Writes the conductances of a step again.
    pub(super) fn find(&self, j: &[T], v: &[T], scratch: &mut OpenScratch<T>) {
        let OpenScratch { g, open, .. } = scratch;
        self.sum(j, v, g, open, |_, _| {});
    }

    /// The transpose of [`open`](Self::open): writes the cotangents of the conductances of all projections, and adds to those of voltages
    /// and parameters.
    #[inline(never)]
    pub(super) fn open_vjp(
        &self,
        (j, v): (&[T], &[T]),
        current_bar: &[T],
        scratch: &mut OpenScratch<T>,
        v_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let OpenScratch { g_bar, channel_bar, open, open_bar, .. } = scratch;
        for channels in &self.channels {
            let (e_rev, post) = (channels.params[0], channels.post.clone());
            let loops = channels.receptor.of::<T>();
            open.resize(post.len(), T::zero());
            open_bar.resize(post.len(), T::zero());
            loops.open(&channels.params, &v[post.clone()], open);
            let bars = g_bar[post.clone()].iter().zip(&current_bar[post.clone()]);
            let of_channels = channel_bar[channels.currents.clone()].iter_mut().zip(&mut *open_bar);
            let values = open.iter().zip(&j[channels.currents.clone()]);
            let mut e_rev_bar = T::zero();
            for (((&g_bar, &current_bar), (channel_bar, open_bar)), (&m, &j)) in
                bars.zip(of_channels).zip(values)
            {
                let by = e_rev * current_bar + g_bar;
                e_rev_bar += m * j * current_bar;
                (*channel_bar, *open_bar) = (m * by, j * by);
            }
            let params_bar = &mut parameters_bar[channels.at.clone()];
            params_bar[0] += e_rev_bar;
            loops.open_vjp(&channels.params, &v[post.clone()], open_bar, &mut v_bar[post], params_bar);
        }
    }
}

/// A population in a step: its loops, and what they need to know, conductances among it.
pub(super) struct OpenPopulation<'a, T: 'static> {
    pub(super) loops: &'static dyn StepLoops<T>,
    pub(super) at: Context<'a, T>,
}

impl<T: Scalar> OpenScratch<T> {
    /// A population in the step whose conductances were written last.
    pub(super) fn population<'a>(&'a self, place: &Placed, at: &Context<'a, T>) -> OpenPopulation<'a, T> {
        let loops = place.loops.open::<T>().unwrap_or_else(|| place.loops.of::<T>());
        let conductance = &self.g[place.offset..][..place.size];
        OpenPopulation { loops, at: Context { conductance, growth: None, ..*at } }
    }

    /// The transpose of a population's flow, which also writes the cotangents of its conductances; `bar` has no gradient of
    /// parameters.
    #[inline(never)]
    pub(super) fn backward(
        &mut self,
        place: &Placed,
        at: &Context<'_, T>,
        bar: FlowBar<'_, T>,
        parameters_bar: &mut [T],
    ) {
        let range = place.offset..place.offset + place.size;
        let conductance = &self.g[range.clone()];
        let at = Context { conductance, growth: None, ..*at };
        let Some(loops) = place.loops.open::<T>() else {
            let (parameters, conductance_bar) =
                (place.parameter_bar(parameters_bar, 0), &mut self.g_bar[range]);
            return place.loops.of::<T>().backward(&at, &mut FlowBar { parameters, conductance_bar, ..bar });
        };
        let params_bar = &mut self.params_bar;
        params_bar.clear();
        params_bar.resize(at.parameters.len() + place.size, T::zero());
        let width = place.parameter_bar(parameters_bar, 0).width;
        let parameters = ParameterBar { neuron: Some(&mut params_bar[..]), width };
        loops.backward(&at, &mut FlowBar { parameters, ..bar });
        let (of_model, conductance_bar) = params_bar.split_at(at.parameters.len());
        self.g_bar[range].copy_from_slice(conductance_bar);
        if let Some(target) = place.parameter_bar(parameters_bar, 0).neuron {
            axpy(target, T::one(), of_model);
        }
    }
}
