//! Synaptic delays (equations (66) to (68)): a charge that is released in a step is dealt to the steps in which it
//! arrives, in shares that depend on the delay piecewise linearly, so that delays have an exact gradient.
//!
//! What is on its way is a part of the state: for each step to come the traces and currents that will arrive in it. A column
//! of weights is visited when its neuron releases charge, as without delays, so that silent neurons take no time; an
//! axonal delay visits it twice, once for either share, and delays of single connections scatter it.

use std::ops::Range;
use std::sync::Arc;

use spikegrad_integrators::Decay;
use spikegrad_models::math::floor;

use super::connected::{add_column, add_to_column, column_dot};
use super::connector::Connections;
use super::dense::{multiply, product_vjp};
use super::step::{ProjectionBar, ProjectionParts, ProjectionStep};
use super::time_constants::decay_at;
use super::wire::{Delayed, Wire};
use crate::kernels::{LANES, axpy, dot, dot_lanes, tree};
use crate::{Error, Scalar, memory};

/// When a charge arrives: `k` whole steps later, and the share `f` of it another step later.
#[derive(Clone, Copy, Debug)]
struct Arrival<T> {
    steps: usize,
    late: T,
}

/// The delays of a projection in steps, and where what is on its way lies: a ring of `slots` rows, each of which has the
/// traces that will arrive (axonal delays) and the currents (unless these are formed anew at every step).
#[derive(Clone, Debug)]
pub(crate) struct Delays<T> {
    arrivals: Vec<Arrival<T>>,
    by_connection: bool,
    /// The connections of a projection that lists them.
    list: Option<Arc<Connections>>,
    /// Whether rows have currents.
    currents: bool,
    slots: usize,
    pre: usize,
    post: usize,
    /// `1 / h`, the slope of the share by the delay.
    slope: T,
    /// Where the ring starts, in the part of the state that is on its way.
    start: usize,
}

/// Where the transpose of a release adds to.
struct ReleaseBar<'a, T> {
    /// Cotangents of the charges.
    charge: &'a mut [T],
    /// Gradient of the weights, if they are trained.
    w: Option<&'a mut [T]>,
    /// Gradient of the delays, if they are trained.
    delay: Option<&'a mut [T]>,
}

impl<T: Scalar> Delays<T> {
    /// The delays `values`, ms, of a projection, under steps of `h` ms. What is on its way in all projections up to this one takes
    /// at most `limit` bytes.
    pub(crate) fn new(
        wire: &Wire,
        values: &[T],
        h: T,
        dense: bool,
        start: usize,
        limit: usize,
    ) -> Result<Self, Error> {
        let what = |what: &str| format!("{what} behind the delays of projection {}", wire.name);
        let arrival = |&delay: &T| {
            let steps = floor(delay / h);
            let whole: f64 = steps.to_subset_unchecked();
            Arrival { steps: whole as usize, late: delay / h - steps }
        };
        let whole = |&delay: &T| -> f64 { floor(delay / h).to_subset_unchecked() };
        let longest = values.iter().map(whole).fold(0.0, f64::max);
        let (by_connection, currents) = (wire.delayed == Delayed::Connections, !dense);
        let (pre, post) = (wire.pre.len(), wire.post.len());
        let part = |is_there: bool, size: usize| if is_there { size as f64 } else { 0.0 };
        let width = part(!by_connection, pre) + part(currents, post);
        let length = (longest + 2.0) * width + start as f64;
        memory::check(&what("the ring of steps"), length * size_of::<T>() as f64, limit)?;
        let arrivals = memory::collect(&what("the times of arrival"), values.iter().map(arrival))?;
        // The last share comes one step after the longest delay, and a row is free again only after it was read.
        let slots = longest as usize + 2;
        let list = wire.connections.clone();
        Ok(Self { arrivals, by_connection, list, currents, slots, pre, post, slope: T::one() / h, start })
    }

    /// Length of a row.
    fn width(&self) -> usize {
        self.row_traces() + if self.currents { self.post } else { 0 }
    }

    /// The traces in a row.
    fn row_traces(&self) -> usize {
        if self.by_connection { 0 } else { self.pre }
    }

    /// The connections of a projection that lists them.
    pub(crate) fn connections(&self) -> Option<&Connections> {
        self.list.as_deref()
    }

    /// Whether a number of what is on its way belongs to this projection, and to which neuron: one of the presynaptic ones, or one
    /// of the postsynaptic ones.
    pub(crate) fn neuron(&self, wire: &Wire, component: usize) -> Option<usize> {
        let at = component.checked_sub(self.start).filter(|&at| at < self.len())? % self.width();
        let traces = self.row_traces();
        Some(if at < traces { wire.pre.start + at } else { wire.post.start + at - traces })
    }

    /// Where the ring starts, in the part of the state that is on its way, its rows and their length.
    pub(crate) fn ring(&self) -> (usize, usize, usize) {
        (self.start, self.slots, self.width())
    }

    /// Length of the ring.
    pub(crate) fn len(&self) -> usize {
        self.slots * self.width()
    }

    /// The whole steps of every delay: the smooth pieces of the program.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = u64> + '_ {
        self.arrivals.iter().map(|a| a.steps as u64)
    }

    /// Whether traces are delayed as well; the delay of a connection is seen by its current alone.
    fn delays_traces(&self) -> bool {
        !self.by_connection
    }

    /// The row of what arrives in step `n`, in the part of the state that is on its way.
    pub(crate) fn row(&self, n: usize) -> Range<usize> {
        let start = self.start + n % self.slots * self.width();
        start..start + self.width()
    }

    /// Splits a row into traces and currents.
    fn split<'r>(&self, row: &'r [T]) -> (&'r [T], &'r [T]) {
        row.split_at(self.row_traces())
    }

    /// Starts of the rows of the two shares of a charge that is released when the ring stands at `slot`.
    #[inline(always)]
    fn shares(&self, slot: usize, arrival: Arrival<T>) -> [(usize, T); 2] {
        let start = |slot: usize| {
            let slot = if slot < self.slots { slot } else { slot - self.slots };
            self.start + slot * self.width()
        };
        let early = slot + arrival.steps;
        [(start(early), T::one() - arrival.late), (start(early + 1), arrival.late)]
    }

    /// Sends off the charges that were released in step `n`, equation (66). `way` is the part of the state that is on its
    /// way.
    #[inline(always)]
    fn release(&self, n: usize, neurons: &[u32], charges: &[T], w: &[T], way: &mut [T]) {
        let slot = n % self.slots;
        for (&neuron, &charge) in neurons.iter().zip(charges) {
            let j = neuron as usize;
            if self.by_connection {
                for at in self.column(j) {
                    let (i, drive) = (self.target(at, j), w[at] * charge);
                    for (row, share) in self.shares(slot, self.arrivals[at]) {
                        way[row + i] += share * drive;
                    }
                }
                continue;
            }
            for (row, share) in self.shares(slot, self.arrivals[j]) {
                let part = share * charge;
                way[row + j] += part;
                if self.currents {
                    let currents = &mut way[row + self.pre..][..self.post];
                    match &self.list {
                        Some(list) => add_column(list, w, j, part, currents),
                        None => axpy(currents, part, &w[self.column(j)]),
                    }
                }
            }
        }
    }

    /// Which weights are those of presynaptic neuron `j`.
    #[inline(always)]
    fn column(&self, j: usize) -> Range<usize> {
        match &self.list {
            Some(list) => list.column(j),
            None => j * self.post..(j + 1) * self.post,
        }
    }

    /// The postsynaptic neuron of weight `at`, which is one of those of presynaptic neuron `j`.
    #[inline(always)]
    fn target(&self, at: usize, j: usize) -> usize {
        match &self.list {
            Some(list) => list.post(at),
            None => at - j * self.post,
        }
    }

    /// The transpose of [`release`](Self::release), equation (68).
    #[inline(always)]
    fn release_vjp(
        &self,
        n: usize,
        neurons: &[u32],
        charges: &[T],
        w: &[T],
        way_bar: &[T],
        bar: &mut ReleaseBar<'_, T>,
    ) {
        let slot = n % self.slots;
        for (index, (&neuron, &charge)) in neurons.iter().zip(charges).enumerate() {
            let j = neuron as usize;
            let charge_bar = if self.by_connection {
                self.column_vjp(slot, j, charge, w, way_bar, bar)
            } else {
                self.axon_vjp(slot, j, charge, w, way_bar, bar)
            };
            bar.charge[index] += charge_bar;
        }
    }

    /// Sends off what was released, and lets what arrives in the step come to traces and currents.
    #[inline(always)]
    pub(super) fn step(&self, parts: &ProjectionParts<T>, step: ProjectionStep<'_, T>) {
        let ProjectionStep { n, parameters, released, s, j, way, rows, keeps, .. } = step;
        let w = &parameters[parts.weights.clone()];
        self.release(n, released.0, released.1, w, way);
        let row = &mut way[self.row(n)];
        if keeps {
            rows.extend_from_slice(row);
        }
        arrive(self, &parts.decays, row, released, s, j);
        if !self.currents {
            multiply(w, s, j);
        }
        row.fill(T::zero());
    }

    /// The transpose of [`step`](Self::step), up to the decay of traces and currents.
    #[inline(always)]
    pub(super) fn step_vjp(&self, parts: &ProjectionParts<T>, mut bar: ProjectionBar<'_, T>) {
        if !self.currents {
            product_vjp(parts, &mut bar);
        }
        let ProjectionBar { n, parameters, released: (neurons, charges), charge_bar, s_bar, j_bar, .. } = bar;
        let (way_bar, parameters_bar) = (bar.way_bar, bar.parameters_bar);
        let row_bar = &mut way_bar[self.row(n)];
        arrive_vjp(self, &parts.decays, row_bar, (neurons, charge_bar), s_bar, j_bar);
        if parts.trains_tau {
            let (s, j) = (bar.kept.0, self.currents.then_some(bar.kept.1));
            let tau_bar = &mut parameters_bar[parts.tau.clone()];
            let (bars, released) = ((&*s_bar, j_bar), (neurons, charges));
            tau_vjp(self, &parts.decays, bar.row, released, (s, j), bars, tau_bar);
        }
        let (w_bar, delay_bar) =
            weights_and_delays(parameters_bar, parts.weights.clone(), parts.delay.clone());
        let mut bar = ReleaseBar {
            charge: charge_bar,
            w: (parts.trains_weights && self.currents).then_some(w_bar),
            delay: parts.trains_delay.then_some(delay_bar),
        };
        let w = &parameters[parts.weights.clone()];
        self.release_vjp(n, neurons, charges, w, way_bar, &mut bar);
    }

    /// One column with delays of its own connections; returns the cotangent of the charge.
    #[inline(always)]
    fn column_vjp(
        &self,
        slot: usize,
        j: usize,
        charge: T,
        w: &[T],
        way_bar: &[T],
        bar: &mut ReleaseBar<'_, T>,
    ) -> T {
        let mut charge_bar = T::zero();
        for at in self.column(j) {
            let i = self.target(at, j);
            let [(early, first), (late, second)] = self.shares(slot, self.arrivals[at]);
            let (early, late) = (way_bar[early + i], way_bar[late + i]);
            let arrived = first * early + second * late;
            charge_bar += w[at] * arrived;
            if let Some(w_bar) = &mut bar.w {
                w_bar[at] += charge * arrived;
            }
            if let Some(delay_bar) = &mut bar.delay {
                delay_bar[at] += self.slope * charge * w[at] * (late - early);
            }
        }
        charge_bar
    }

    /// One column behind an axonal delay.
    #[inline(always)]
    fn axon_vjp(
        &self,
        slot: usize,
        j: usize,
        charge: T,
        w: &[T],
        way_bar: &[T],
        bar: &mut ReleaseBar<'_, T>,
    ) -> T {
        let (column, shares) = (self.column(j), self.shares(slot, self.arrivals[j]));
        // Of a unit of charge, in either share.
        let unit = shares.map(|(row, share)| {
            let mut unit_bar = way_bar[row + j];
            if self.currents {
                let current_bar = &way_bar[row + self.pre..][..self.post];
                match &self.list {
                    Some(list) => unit_bar += column_dot(list, w, j, current_bar),
                    None => {
                        let mut lanes = [T::zero(); LANES];
                        dot_lanes(&w[column.clone()], current_bar, &mut lanes);
                        unit_bar += tree(&mut lanes);
                    }
                }
                match (&self.list, &mut bar.w) {
                    (_, None) => {}
                    (Some(list), Some(w_bar)) => add_to_column(list, w_bar, j, share * charge, current_bar),
                    (None, Some(w_bar)) => axpy(&mut w_bar[column.clone()], share * charge, current_bar),
                }
            }
            unit_bar
        });
        if let Some(delay_bar) = &mut bar.delay {
            delay_bar[j] += self.slope * charge * (unit[1] - unit[0]);
        }
        shares[0].1 * unit[0] + shares[1].1 * unit[1]
    }
}

/// What arrives in a step goes to traces and currents, equation (67).
#[inline(always)]
fn arrive<T: Scalar>(
    delays: &Delays<T>,
    decays: &[Decay<T>],
    row: &[T],
    (neurons, charges): (&[u32], &[T]),
    s: &mut [T],
    j: &mut [T],
) {
    let (traces, currents) = delays.split(row);
    for (i, s) in s.iter_mut().enumerate() {
        *s *= decay_at(decays, i).a;
    }
    for (i, (s, &trace)) in s.iter_mut().zip(traces).enumerate() {
        *s += decay_at(decays, i).b * trace;
    }
    if !delays.delays_traces() {
        for (&neuron, &charge) in neurons.iter().zip(charges) {
            s[neuron as usize] += decay_at(decays, neuron as usize).b * charge;
        }
    }
    // Without currents in the ring, these are formed anew by the caller.
    for (j, &current) in j.iter_mut().zip(currents) {
        *j = decays[0].a * *j + decays[0].b * current;
    }
}

/// The transpose of [`arrive`], up to the decay of traces and currents: writes the cotangent of the row and adds to the cotangents of
/// charges whose traces are not delayed.
#[inline(always)]
fn arrive_vjp<T: Scalar>(
    delays: &Delays<T>,
    decays: &[Decay<T>],
    row_bar: &mut [T],
    (neurons, charge_bar): (&[u32], &mut [T]),
    s_bar: &[T],
    j_bar: &[T],
) {
    let traces = if delays.delays_traces() { s_bar.len() } else { 0 };
    let (traces, currents) = row_bar.split_at_mut(traces);
    for (i, (trace, &s_bar)) in traces.iter_mut().zip(s_bar).enumerate() {
        *trace = decay_at(decays, i).b * s_bar;
    }
    for (current, &j_bar) in currents.iter_mut().zip(j_bar) {
        *current = decays[0].b * j_bar;
    }
    if !delays.delays_traces() {
        for (&neuron, charge_bar) in neurons.iter().zip(charge_bar) {
            *charge_bar += decay_at(decays, neuron as usize).b * s_bar[neuron as usize];
        }
    }
}

/// Adds the cotangents of the time constants of a projection with delays, equation (26) with what arrived in place of `q` and
/// `W q`. On the dense path, without currents `j`, those of the currents are in `s_bar` already.
#[inline(always)]
fn tau_vjp<T: Scalar>(
    delays: &Delays<T>,
    decays: &[Decay<T>],
    row: &[T],
    (neurons, charges): (&[u32], &[T]),
    (s, j): (&[T], Option<&[T]>),
    (s_bar, j_bar): (&[T], &[T]),
    tau_bar: &mut [T],
) {
    let (traces, currents) = delays.split(row);
    let last = tau_bar.len() - 1;
    for (i, (&s, &s_bar)) in s.iter().zip(s_bar).enumerate() {
        tau_bar[i.min(last)] += decay_at(decays, i).a_by_tau * s * s_bar;
    }
    for (i, (&trace, &s_bar)) in traces.iter().zip(s_bar).enumerate() {
        tau_bar[i.min(last)] += decay_at(decays, i).b_by_tau * trace * s_bar;
    }
    if !delays.delays_traces() {
        for (&neuron, &charge) in neurons.iter().zip(charges) {
            tau_bar[0] += decays[0].b_by_tau * charge * s_bar[neuron as usize];
        }
    }
    if let Some(j) = j {
        tau_bar[0] += decays[0].a_by_tau * dot(j, j_bar) + decays[0].b_by_tau * dot(currents, j_bar);
    }
}

/// The parts of a gradient that belong to a projection's weights and delays; weights come first.
fn weights_and_delays<T>(
    gradient: &mut [T],
    weights: Range<usize>,
    delays: Range<usize>,
) -> (&mut [T], &mut [T]) {
    let (head, tail) = gradient.split_at_mut(delays.start);
    (&mut head[weights], &mut tail[..delays.end - delays.start])
}
