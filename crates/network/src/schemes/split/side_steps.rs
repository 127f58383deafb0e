//! The loops of trials that lie side by side, and their transpose.

use std::fmt::Debug;
use std::ops::Range;

use num_dual::Dual64;

use super::run::SplitRun;
use super::side_by_side::{RowProjection, SideBySide, SideFrame, SideMember, SideTape};
use crate::Scalar;
use crate::kernels::vectorise;
use crate::populations::{Flow, FlowBar, ParameterBar};
use crate::projections::{Row, RowBackward, RowColumns, RowForward, TRIALS};
use crate::scalar::ForEach;
use crate::schemes::run::Read;

impl<T: Scalar> SideBySide<'_, '_, T> {
    /// Takes every step of all trials, inlined into code for the widest vectors of the machine.
    #[inline(always)]
    fn forward(&self, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>) {
        let Some(first) = runs.first() else { return };
        let (scheme, network, at) = (self.scheme, self.scheme.network, self.frame());
        let (contexts, hold) = (self.contexts(), first.run.grid.hold);
        let accumulates = first.run.over_run.is_some();
        for n in 0..tape.longest {
            if n % hold == 0 {
                self.drive(n / hold, &tape.inputs, &mut tape.drive);
                for (trial, member) in tape.members[..runs.len()].iter_mut().enumerate() {
                    if member.steps == n + hold {
                        member.is_driven = tape.drive.iter().all(|row| row[trial].is_finite());
                    }
                }
            }
            let (frame, next) = tape.frames[n * at.stride..].split_at_mut(at.stride);
            let (before, frame) = frame.split_at_mut(at.current);
            let (current, frame) = frame.split_at_mut(at.charge - at.current);
            let (charges, kept) = frame.split_at_mut(at.s - at.charge);
            let after = &mut next[..scheme.membrane];
            // I, equation (17)
            current.copy_from_slice(&tape.drive);
            for wire in &network.wires {
                let current = current[wire.post.clone()].as_flattened_mut();
                add(current, tape.j[wire.currents()].as_flattened());
            }
            // (x', q), equation (18)
            let start = tape.released.len();
            let mut flow = Flow {
                before: before.as_flattened(),
                after: after.as_flattened_mut(),
                current: current.as_flattened(),
                released: &mut tape.released,
            };
            for (place, context) in network.places.iter().zip(&contexts) {
                place.loops.of::<T>().forward(context, &mut flow);
            }
            let end = tape.released.len();
            tape.ends.push(end);
            // s' and J', equations (19), (20)
            charges.fill([T::zero(); TRIALS]);
            let (released, q) = tape.released.part(&(start..end));
            let (mut visited, of_all) = (0, charges.as_flattened_mut());
            for (&i, &charge) in released.iter().zip(q) {
                of_all[i as usize] = charge;
                visited |= 1 << (i as usize / TRIALS);
            }
            tape.visited.push(visited);
            numbers_of(visited, &mut tape.neurons);
            for projection in &self.projections {
                let RowProjection { of, pre, post } = projection;
                let part = presynaptic(&tape.neurons, pre);
                self.loops.forward(RowForward {
                    w: &network.parameters.values()[of.weights..],
                    keep: of.keep,
                    visits: RowColumns {
                        neurons: &tape.neurons[part],
                        first: pre.start,
                        charges: &charges[pre.clone()],
                        gain: of.gain,
                    },
                    gains: &mut tape.gains,
                    s: &mut tape.s[of.trace..][..pre.len()],
                    j: &mut tape.j[of.current..][..post.len()],
                });
            }
            self.read(&tape.s, kept, &mut tape.output_bar, at);
            self.add_costs(runs, n, (&*kept, &*after), &mut tape.members, at);
            if accumulates {
                let parts = tape.released.part(&(start..end));
                self.accumulate(runs, n, parts, (&*kept, &*after), &mut tape.members, at);
            }
        }
    }

    /// The current that does not depend on the synapses, `I_o + U i`, of a sample.
    #[inline(always)]
    fn drive(&self, sample: usize, inputs: &[Row<T>], drive: &mut [Row<T>]) {
        let network = self.scheme.network;
        let (size, channels, values) = (network.neurons, network.inputs, network.parameters.values());
        self.loops.spread(drive, &values[self.starts[1]..][..size]);
        let u = values[self.starts[0]..][..channels * size].chunks_exact(size.max(1));
        for (input, u) in inputs[sample * channels..].iter().zip(u).filter(|(input, _)| is_any(input)) {
            self.loops.add_outer(drive, input, u);
        }
    }

    /// Keeps the traces that are read, and reads them.
    #[inline(always)]
    fn read(&self, s: &[Row<T>], kept: &mut [Row<T>], rows: &mut [Row<T>], at: SideFrame) {
        let (network, from) = (self.scheme.network, at.s);
        let s = &s[self.scheme.read.clone()];
        let (kept, output) = kept.split_at_mut(at.output - from);
        let (output, square) = output.split_at_mut(at.square - at.output);
        kept.copy_from_slice(s);
        let outputs = network.outputs;
        let o = &network.parameters.values()[self.starts[2]..][..outputs * s.len()];
        square[0] = self.loops.square(s);
        if outputs == 1 {
            output[0] = self.loops.dot(o, s);
            return;
        }
        let rows = &mut rows[..outputs];
        rows.fill([T::zero(); TRIALS]);
        for (s, o) in s.iter().zip(o.chunks_exact(outputs.max(1))) {
            self.loops.add_outer(rows, s, o);
        }
        // The loss looks at the outputs of one trial after the other.
        let output = output.as_flattened_mut();
        for (k, row) in rows.iter().enumerate() {
            for trial in 0..TRIALS {
                output[trial * outputs + k] = row[trial];
            }
        }
    }

    /// What was read of a trial at the end of a step.
    #[inline(always)]
    fn read_of<'t>(&self, kept: &'t [Row<T>], trial: usize, at: SideFrame) -> Read<'t, T> {
        let outputs = self.scheme.network.outputs;
        let (output, square) = (&kept[at.output - at.s..at.square - at.s], &kept[at.square - at.s]);
        Read { output: &output.as_flattened()[trial * outputs..][..outputs], square: square[trial] }
    }

    /// Adds what a step adds to the cost of each trial, equation (21).
    #[inline(always)]
    fn add_costs(
        &self,
        runs: &[SplitRun<'_, T>],
        n: usize,
        (kept, after): (&[Row<T>], &[Row<T>]),
        members: &mut [SideMember<T>],
        at: SideFrame,
    ) {
        for (trial, (run, member)) in runs.iter().zip(members).enumerate() {
            if n >= member.steps {
                continue;
            }
            if run.run.reads_state {
                self.show(trial, kept, after, member, at);
            }
            let [s, x] = &member.seen;
            member.cost += run.run.cost(n, self.read_of(kept, trial, at), s, x);
        }
    }

    /// Copies the traces and the membrane state of a trial for its loss to look at.
    #[inline(always)]
    fn show(
        &self,
        trial: usize,
        kept: &[Row<T>],
        after: &[Row<T>],
        member: &mut SideMember<T>,
        at: SideFrame,
    ) {
        let [s, x] = &mut member.seen;
        s.clear();
        s.extend(kept[..at.output - at.s].iter().map(|row| row[trial]));
        x.clear();
        x.extend(after[..self.scheme.network.membrane].iter().map(|row| row[trial]));
    }

    /// The neurons of each trial that released charge in a step, numbered as in the network.
    #[inline(always)]
    fn deal((neurons, charges): (&[u32], &[T]), members: &mut [SideMember<T>]) {
        for member in &mut *members {
            member.neurons.clear();
            member.charges.clear();
            member.places.clear();
        }
        for (place, (&neuron, &charge)) in neurons.iter().zip(charges).enumerate() {
            let member = &mut members[neuron as usize % TRIALS];
            member.neurons.push(neuron / TRIALS as u32);
            member.charges.push(charge);
            member.places.push(place);
        }
    }

    /// Lets the loss of each trial accumulate a step.
    #[inline(never)]
    fn accumulate(
        &self,
        runs: &[SplitRun<'_, T>],
        n: usize,
        released: (&[u32], &[T]),
        (kept, after): (&[Row<T>], &[Row<T>]),
        members: &mut [SideMember<T>],
        at: SideFrame,
    ) {
        Self::deal(released, members);
        for (trial, (run, member)) in runs.iter().zip(members).enumerate() {
            if n >= member.steps {
                continue;
            }
            if run.run.reads_state {
                self.show(trial, kept, after, member, at);
            }
            let SideMember { m, kept: of_loss, neurons, charges, seen: [s, x], cost, .. } = member;
            let step = (n, self.read_of(kept, trial, at), &s[..], &x[..]);
            *cost += run.steps_of().accumulate(step, (neurons, charges), m, of_loss);
        }
    }

    /// The transpose of [`forward`](Self::forward).
    #[inline(always)]
    fn backward(&self, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>) {
        let Some(first) = runs.first() else { return };
        let (scheme, network, at) = (self.scheme, self.scheme.network, self.frame());
        let (contexts, hold) = (self.contexts(), first.run.grid.hold);
        let (accumulates, holds) = (first.run.over_run.is_some(), first.run.holds_drive());
        let values = network.parameters.values();
        for n in (0..tape.longest).rev() {
            let (frame, next) = tape.frames[n * at.stride..].split_at(at.stride);
            let (before, after) = (&frame[..at.current], &next[..scheme.membrane]);
            let (current, charges) = (&frame[at.current..at.charge], &frame[at.charge..at.s]);
            let kept = &frame[at.s..];
            let start = if n == 0 { 0 } else { tape.ends[n - 1] };
            let part = start..tape.ends[n];
            let mut bars = ReadBars {
                output: &mut tape.output_bar,
                s: &mut tape.s_bar[scheme.read.clone()],
                x: &mut tape.membrane_bar[..network.membrane],
                parameters: &mut tape.parameters_bar,
            };
            self.costs_vjp(runs, n, (kept, after), &mut tape.members, &mut bars);
            if accumulates {
                let released = tape.released.part(&part);
                self.accumulate_vjp(runs, n, released, (kept, after), &mut tape.members, &mut bars);
            }

            // q_bar and W_bar, equations (22), (23)
            numbers_of(tape.visited[n], &mut tape.neurons);
            tape.row_bar.fill([T::zero(); TRIALS]);
            for projection in &self.projections {
                let RowProjection { of, pre, post } = projection;
                let visited = presynaptic(&tape.neurons, pre);
                self.loops.backward(RowBackward {
                    w: &values[of.weights..],
                    visits: RowColumns {
                        neurons: &tape.neurons[visited],
                        first: pre.start,
                        charges: &charges[pre.clone()],
                        gain: of.gain,
                    },
                    s_bar: &tape.s_bar[of.trace..][..pre.len()],
                    j_bar: &tape.j_bar[of.current..][..post.len()],
                    charge_bar: &mut tape.row_bar[pre.clone()],
                    w_bar: of.writes.then(|| &mut tape.parameters_bar[of.weights..]),
                });
            }
            let (released, _) = tape.released.part(&part);
            tape.charge_bar.resize(released.len().max(tape.charge_bar.len()), T::zero());
            let of_all = tape.row_bar.as_flattened();
            for (bar, &i) in tape.charge_bar.iter_mut().zip(released) {
                *bar = of_all[i as usize];
            }
            if accumulates {
                for member in &tape.members[..runs.len()] {
                    for (&place, &counted) in member.places.iter().zip(&member.counted_bar) {
                        tape.charge_bar[place] += counted;
                    }
                }
            }

            // x_bar and I_bar, equation (24)
            let mut from = part.start;
            for (p, (place, context)) in network.places.iter().zip(&contexts).enumerate() {
                let to = if p + 1 == contexts.len() {
                    part.end
                } else {
                    let end = context.offsets.offset + context.offsets.size;
                    let left = tape.released.part(&(from..part.end)).0;
                    from + left.partition_point(|&i| (i as usize) < end)
                };
                let neuron = place
                    .trains_neurons
                    .then(|| tape.parameters_bar[place.parameters.clone()].as_flattened_mut());
                let mut bar = FlowBar {
                    before: before.as_flattened(),
                    after: after.as_flattened(),
                    current: current.as_flattened(),
                    active: tape.released.active(&(from..to)),
                    charge_bar: &mut tape.charge_bar[from - part.start..to - part.start],
                    bar: tape.membrane_bar.as_flattened_mut(),
                    current_bar: tape.current_bar.as_flattened_mut(),
                    parameters: ParameterBar { neuron, width: None },
                    conductance_bar: &mut [],
                };
                place.loops.of::<T>().backward(context, &mut bar);
                from = to;
            }

            // J_bar, s_bar, U_bar, I_o_bar, equation (25)
            for projection in &self.projections {
                let of = &projection.of;
                for s_bar in tape.s_bar[of.trace..][..projection.pre.len()].as_flattened_mut() {
                    *s_bar *= of.keep;
                }
                let current_bar = tape.current_bar[projection.post.clone()].as_flattened();
                let j_bar = tape.j_bar[of.current..][..projection.post.len()].as_flattened_mut();
                for (j_bar, &current_bar) in j_bar.iter_mut().zip(current_bar) {
                    *j_bar = of.keep * *j_bar + current_bar;
                }
            }
            if !holds {
                self.drive_vjp(n / hold, &tape.inputs, &tape.current_bar, &mut tape.parameters_bar);
                continue;
            }
            add(tape.drive_bar.as_flattened_mut(), tape.current_bar.as_flattened());
            if n % hold == 0 {
                self.drive_vjp(n / hold, &tape.inputs, &tape.drive_bar, &mut tape.parameters_bar);
                tape.drive_bar.fill([T::zero(); TRIALS]);
            }
        }
    }

    /// The transpose of [`drive`](Self::drive) by the parameters.
    #[inline(always)]
    fn drive_vjp(
        &self,
        sample: usize,
        inputs: &[Row<T>],
        drive_bar: &[Row<T>],
        parameters_bar: &mut [Row<T>],
    ) {
        let (size, channels) = (self.scheme.network.neurons, self.scheme.network.inputs);
        let bias_bar = parameters_bar[self.starts[1]..][..size].as_flattened_mut();
        add(bias_bar, drive_bar.as_flattened());
        let u_bar = parameters_bar[self.starts[0]..][..channels * size].chunks_exact_mut(size.max(1));
        let inputs = inputs[sample * channels..].iter().zip(u_bar);
        for (input, u_bar) in inputs.filter(|(input, _)| is_any(input)) {
            self.loops.add_rows(u_bar, input, drive_bar);
        }
    }

    /// The transpose of [`add_costs`](Self::add_costs) and [`read`](Self::read).
    #[inline(always)]
    fn costs_vjp(
        &self,
        runs: &[SplitRun<'_, T>],
        n: usize,
        (kept, after): (&[Row<T>], &[Row<T>]),
        members: &mut [SideMember<T>],
        bars: &mut ReadBars<'_, T>,
    ) {
        let at = self.frame();
        bars.output.fill([T::zero(); TRIALS]);
        for (trial, (run, member)) in runs.iter().zip(members).enumerate() {
            if n >= member.steps {
                continue;
            }
            if run.run.reads_state {
                self.show(trial, kept, after, member, at);
                bars.show(trial, member);
            }
            let SideMember { seen: [s, x], seen_bar: [s_bar, x_bar], output_bar, .. } = member;
            let read = (self.read_of(kept, trial, at), &mut output_bar[..]);
            if let Some(square_bar) = run.run.loss_vjp(n, s, x, T::one(), read, s_bar, x_bar) {
                bars.take(trial, member, square_bar, run.run.reads_state);
            }
        }
        self.read_vjp(&kept[..at.output - at.s], bars);
    }

    /// The transpose of [`accumulate`](Self::accumulate), but for the cotangents of the charges, which are left with the members.
    #[inline(never)]
    fn accumulate_vjp(
        &self,
        runs: &[SplitRun<'_, T>],
        n: usize,
        released: (&[u32], &[T]),
        (kept, after): (&[Row<T>], &[Row<T>]),
        members: &mut [SideMember<T>],
        bars: &mut ReadBars<'_, T>,
    ) {
        let at = self.frame();
        bars.output.fill([T::zero(); TRIALS]);
        Self::deal(released, members);
        for (trial, (run, member)) in runs.iter().zip(members).enumerate() {
            member.counted_bar.clear();
            if n >= member.steps {
                continue;
            }
            member.counted_bar.resize(member.neurons.len(), T::zero());
            if run.run.reads_state {
                self.show(trial, kept, after, member, at);
                bars.show(trial, member);
            }
            let SideMember { seen: [s, x], seen_bar: [s_bar, x_bar], output_bar, counted_bar, .. } = member;
            let SideMember { m, m_bar, kept: of_loss, neurons, charges, .. } = member;
            let square_bar = run.steps_of().over_run_vjp(
                (n, self.read_of(kept, trial, at), s, x),
                (neurons, charges),
                (of_loss.get(n * run.run.accumulators..).unwrap_or_default(), m),
                T::one(),
                (m_bar, counted_bar),
                (output_bar, s_bar, x_bar),
            );
            if let Some(square_bar) = square_bar {
                bars.take(trial, member, square_bar, run.run.reads_state);
            }
        }
        self.read_vjp(&kept[..at.output - at.s], bars);
    }

    /// The transpose of [`read`](Self::read).
    #[inline(always)]
    fn read_vjp(&self, s: &[Row<T>], bars: &mut ReadBars<'_, T>) {
        let network = self.scheme.network;
        // Most losses ask for nothing at most samples.
        if !bars.output.iter().any(is_any) {
            return;
        }
        let outputs = network.outputs;
        let (output_bar, square_bar) = bars.output.split_at(outputs);
        let by_s = square_bar[0].map(|bar| bar + bar);
        let o = &network.parameters.values()[self.starts[2]..][..outputs * s.len()];
        let o_bar = &mut bars.parameters[self.starts[2]..][..outputs * s.len()];
        self.loops.add_rows(bars.s, &by_s, s);
        match output_bar {
            [] => {}
            [by] => {
                self.loops.add_outer(bars.s, by, o);
                self.loops.add_rows(o_bar, by, s);
            }
            _ => {
                let columns = o_bar.chunks_exact_mut(outputs).zip(o.chunks_exact(outputs));
                for ((s_bar, s), (o_bar, o)) in bars.s.iter_mut().zip(s).zip(columns) {
                    add(s_bar, &self.loops.dot(o, output_bar));
                    self.loops.add_rows(o_bar, s, output_bar);
                }
            }
        }
    }
}

/// Where the transpose of a readout adds to.
struct ReadBars<'a, T> {
    /// Cotangents of the outputs, and behind them of `|s|^2`.
    output: &'a mut [Row<T>],
    s: &'a mut [Row<T>],
    x: &'a mut [Row<T>],
    parameters: &'a mut [Row<T>],
}

impl<T: Scalar> ReadBars<'_, T> {
    /// Copies a trial's cotangents of traces and membrane state for its loss to add to.
    fn show(&self, trial: usize, member: &mut SideMember<T>) {
        for (to, rows) in member.seen_bar.iter_mut().zip([&*self.s, &*self.x]) {
            to.clear();
            to.extend(rows.iter().map(|row| row[trial]));
        }
    }

    /// Takes what a trial's loss has added.
    #[inline(always)]
    fn take(&mut self, trial: usize, member: &SideMember<T>, square_bar: T, looked: bool) {
        for (row, &bar) in self.output.iter_mut().zip(member.output_bar.iter().chain([&square_bar])) {
            row[trial] = bar;
        }
        if looked {
            for (rows, bars) in [&mut *self.s, &mut *self.x].into_iter().zip(&member.seen_bar) {
                rows.iter_mut().zip(bars).for_each(|(row, &bar)| row[trial] = bar);
            }
        }
    }
}

/// Whether any number of a row is not zero.
#[inline(always)]
fn is_any<T: Scalar>(row: &Row<T>) -> bool {
    *row != [T::zero(); TRIALS]
}

/// `y += x`.
#[inline(always)]
fn add<T: Scalar>(y: &mut [T], x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// The numbers of the bits that are set, upwards.
#[inline(always)]
fn numbers_of(mut bits: u64, numbers: &mut Vec<u32>) {
    numbers.clear();
    while bits != 0 {
        numbers.push(bits.trailing_zeros());
        bits &= bits - 1;
    }
}

/// The part of ascending neurons that is presynaptic.
#[inline(always)]
fn presynaptic(neurons: &[u32], pre: &Range<usize>) -> Range<usize> {
    if pre.start == 0 && neurons.last().is_none_or(|&last| (last as usize) < pre.end) {
        return 0..neurons.len();
    }
    let below = |end: usize| neurons.partition_point(|&neuron| (neuron as usize) < end);
    below(pre.start)..below(pre.end)
}

/// The loops for one scalar, compiled with this crate.
pub(super) trait SideLoops<T: 'static>: Debug + Sync {
    fn forward(&self, of: &SideBySide<'_, '_, T>, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>);
    fn backward(&self, of: &SideBySide<'_, '_, T>, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>);
}

#[derive(Debug)]
struct Loops;

static SINGLE: &dyn SideLoops<f32> = &Loops;
static DOUBLE: &dyn SideLoops<f64> = &Loops;

impl ForEach for Loops {
    type Of<T: 'static> = Option<&'static dyn SideLoops<T>>;

    fn single(&self) -> Option<&'static dyn SideLoops<f32>> {
        Some(SINGLE)
    }

    fn double(&self) -> Option<&'static dyn SideLoops<f64>> {
        Some(DOUBLE)
    }

    fn dual(&self) -> Option<&'static dyn SideLoops<Dual64>> {
        None
    }
}

/// The loops for a scalar; dual numbers have none.
pub(super) fn side_loops<T: Scalar>() -> Option<&'static dyn SideLoops<T>> {
    T::choose(&Loops)
}

impl<T: Scalar> SideLoops<T> for Loops {
    fn forward(&self, of: &SideBySide<'_, '_, T>, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>) {
        vectorise::<T, _>(of.scheme.arch, Forward(of, runs, tape));
    }

    fn backward(&self, of: &SideBySide<'_, '_, T>, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>) {
        vectorise::<T, _>(of.scheme.arch, Backward(of, runs, tape));
    }
}

// Closures written out, as those of other loops: one that only borrows would not be inlined into code for wide vectors.
struct Forward<'a, 's, 'n, 'r, T: 'static>(
    &'a SideBySide<'s, 'n, T>,
    &'a [SplitRun<'r, T>],
    &'a mut SideTape<T>,
);
struct Backward<'a, 's, 'n, 'r, T: 'static>(
    &'a SideBySide<'s, 'n, T>,
    &'a [SplitRun<'r, T>],
    &'a mut SideTape<T>,
);

impl<T: Scalar> pulp::NullaryFnOnce for Forward<'_, '_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.0.forward(self.1, self.2);
    }
}

impl<T: Scalar> pulp::NullaryFnOnce for Backward<'_, '_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.0.backward(self.1, self.2);
    }
}
