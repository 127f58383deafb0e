//! What every scheme's run over a trial shares: the sample grid, inputs, readout, cost and the start.

use std::ops::Range;

use spikegrad_models::math::real;

use super::grid::{Grid, step_of};
use crate::kernels::{axpy, combine, copy, dot, each};
use crate::placed::block_mut;
use crate::projections::Wire;
use crate::trial::InitialState;
use crate::{
    Error, Event, Group, Loss, Network, NetworkState, RunEnd, RunLoss, Sample, SampleBar, Scalar, Spike,
    Trial,
};

/// A trial on a network with a step size.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a, T: 'static> {
    network: &'a Network<T>,
    /// Whether one pass adds up the current: every projection goes from all neurons to all, and nothing is injected.
    one_pass: bool,
    /// Whether the gradient by the trial's inputs, injected currents and events is asked for.
    pub(crate) by_inputs: bool,
    /// Parameters that gradients leave out at their beginning.
    pub(crate) skipped: usize,
    /// Steps that were taken before the first of this run, by which rings of delays have turned.
    pub(crate) first: usize,
    /// The part of the loss that sees the run as a whole, and how many numbers it accumulates.
    pub(crate) over_run: Option<&'a dyn RunLoss<T>>,
    pub(crate) accumulators: usize,
    /// Whether the loss looks at the traces or the membrane state of neurons.
    pub(crate) reads_state: bool,
    /// Whether the run ends with its last step, or another one goes on from there.
    pub(crate) ends: bool,
    pub(crate) grid: Grid<T>,
    trial: &'a Trial<T>,
    loss: &'a dyn Loss<T>,
    pub(crate) steps: usize,
    input: Values<'a, T>,
    bias: Values<'a, T>,
    readout: Values<'a, T>,
    /// Outputs of the network's own readout.
    own_outputs: usize,
}

/// Parameters that are asked for at every step, and where they lie.
#[derive(Clone, Copy)]
struct Values<'a, T> {
    values: &'a [T],
    start: usize,
}

impl<'a, T: Scalar> Values<'a, T> {
    fn new(network: &'a Network<T>, group: Group) -> Self {
        let range = network.parameters.layout().range(group);
        Self { start: range.start, values: &network.parameters.values()[range] }
    }

    /// The parameters' part of a gradient.
    #[inline(always)]
    fn of<'g>(&self, gradient: &'g mut [T]) -> &'g mut [T] {
        &mut gradient[self.start..][..self.values.len()]
    }
}

/// What is read of the synapses at the end of a step: the readout, and the sum of their squares.
#[derive(Clone, Copy)]
pub(crate) struct Read<'a, T> {
    pub(crate) output: &'a [T],
    pub(crate) square: T,
}

impl<'a, T: Scalar> Run<'a, T> {
    pub(crate) fn new(
        network: &'a Network<T>,
        h: T,
        trial: &'a Trial<T>,
        loss: &'a dyn Loss<T>,
    ) -> Result<Self, Error> {
        Ok(Self::on(Grid::new(network, h, trial, loss)?, network, trial, loss))
    }

    /// A run over a trial that was checked.
    pub(crate) fn on(
        grid: Grid<T>,
        network: &'a Network<T>,
        trial: &'a Trial<T>,
        loss: &'a dyn Loss<T>,
    ) -> Self {
        Self {
            network,
            one_pass: network.whole && trial.currents.is_empty(),
            by_inputs: false,
            skipped: 0,
            first: trial.state.as_ref().map_or(0, NetworkState::taken),
            over_run: loss.over_run(),
            reads_state: loss.reads_state(),
            accumulators: loss.over_run().map_or(0, |over_run| over_run.accumulators(network.outputs)),
            ends: true,
            grid,
            trial,
            loss,
            steps: trial.samples * grid.hold,
            input: Values::new(network, Group::Input),
            bias: Values::new(network, Group::Bias),
            readout: Values::new(network, Group::Readout(0)),
            own_outputs: network.description.outputs,
        }
    }

    /// This run with a gradient that leaves out the first parameters, which are weights.
    pub(crate) fn skip(&mut self, parameters: usize) {
        self.skipped = parameters;
        for values in [&mut self.input, &mut self.bias, &mut self.readout] {
            values.start -= parameters;
        }
    }

    pub(crate) fn trial(&self) -> &'a Trial<T> {
        self.trial
    }

    pub(crate) fn time(&self, n: usize) -> f64 {
        self.trial.interval * (n as f64 / self.grid.hold as f64)
    }

    pub(crate) fn neuron(&self, component: usize) -> usize {
        let network = self.network;
        let membrane = network.membrane + network.latches;
        if let Some(component) = component.checked_sub(membrane) {
            // Traces, then currents; those of a scheme that has no currents end with the traces.
            let part = |range: Range<usize>, neurons: &Range<usize>| {
                range.contains(&component).then(|| neurons.start + component - range.start)
            };
            let currents = |wire: &Wire| {
                let Range { start, end } = wire.currents();
                network.traces + start..network.traces + end
            };
            let of =
                |wire: &Wire| part(wire.traces(), &wire.pre).or_else(|| part(currents(wire), &wire.post));
            return network.wires.iter().find_map(of).unwrap_or_default();
        }
        for place in &network.places {
            let rest = place.rest..place.rest + (place.dim - 1) * place.size;
            let latch = network.membrane + place.latch..network.membrane + place.latch + place.latches;
            if rest.contains(&component) {
                return place.offset + (component - rest.start) % place.size;
            }
            if latch.contains(&component) {
                return place.offset + component - latch.start;
            }
        }
        component
    }

    pub(crate) fn network(&self) -> &'a Network<T> {
        self.network
    }

    pub(crate) fn initial(&self) -> Option<&'a InitialState<T>> {
        self.trial.initial.as_ref()
    }

    /// The sample that step `n` belongs to.
    #[inline(always)]
    fn at(&self, n: usize) -> usize {
        // Divisions take long, and most trials are sampled at every step.
        if self.grid.hold == 1 { n } else { n / self.grid.hold }
    }

    #[inline(always)]
    pub(crate) fn input(&self, n: usize) -> &'a [T] {
        &self.trial.inputs[self.at(n) * self.network.inputs..][..self.network.inputs]
    }

    /// Whether the part of the current that does not depend on the synapses is formed by itself, once for all steps of a sample.
    /// Where every step has a sample of its own, or there are so few channels that one pass adds everything, nothing would be
    /// saved; where currents are injected, or the gradient by the inputs is asked for, it is the one way.
    pub(crate) fn holds_drive(&self) -> bool {
        self.grid.hold > 1 && self.network.inputs > 2 || !self.trial.currents.is_empty() || self.by_inputs
    }

    /// The events of step `n`, in order of time, and the index of the first among all.
    #[inline(never)]
    pub(crate) fn events(&self, n: usize) -> (usize, &'a [Event<T>]) {
        let h = self.trial.interval / self.grid.hold as f64;
        let below = |n: usize| self.trial.events.partition_point(|event| step_of(event.time, h) < n as f64);
        // Rounding at the end of the trial must not lose an event.
        let end = if n + 1 == self.steps { self.trial.events.len() } else { below(n + 1) };
        let start = below(n).min(end);
        (start, &self.trial.events[start..end])
    }

    /// The spikes that neurons are to fire in step `n`, in order of time.
    #[inline(never)]
    pub(crate) fn target_spikes(&self, n: usize) -> &'a [Spike] {
        let (h, all) = (self.trial.interval / self.grid.hold as f64, &self.trial.target_spikes);
        let below = |n: usize| all.partition_point(|spike| step_of(spike.time, h) < n as f64);
        // A spike at the end of the trial belongs to the last step.
        let end = if n + 1 == self.steps { all.len() } else { below(n + 1) };
        &all[below(n).min(end)..end]
    }

    /// The most events of a step.
    pub(crate) fn most_events(&self) -> usize {
        let h = self.trial.interval / self.grid.hold as f64;
        let same = |a: &Event<T>, b: &Event<T>| step_of(a.time, h) == step_of(b.time, h);
        // The last step takes what rounding puts behind the end.
        let last = self.events(self.steps - 1).1.len();
        self.trial.events.chunk_by(same).map(<[_]>::len).fold(last, usize::max)
    }

    /// Where the gradients by the inputs, by the injected currents and by the charges of the events begin and end, behind those by
    /// the parameters; empty unless they are asked for.
    pub(crate) fn given(&self) -> [Range<usize>; 3] {
        let lengths =
            [self.trial.inputs.len(), self.trial.samples * self.network.neurons, self.trial.events.len()];
        let mut start = self.network.parameters.layout().len();
        lengths.map(|len| {
            let range = start..start + if self.by_inputs { len } else { 0 };
            start = range.end;
            range
        })
    }

    /// Writes the tonic current, that of the input and the injected one, `I_o + U i + I`.
    #[inline(never)]
    pub(crate) fn drive(&self, n: usize, drive: &mut [T]) {
        copy(drive, self.bias.values);
        let columns = self.input.values.chunks_exact(drive.len());
        for (&input, column) in self.input(n).iter().zip(columns).filter(|(input, _)| **input != T::zero()) {
            axpy(drive, input, column);
        }
        if !self.trial.currents.is_empty() {
            axpy(drive, T::one(), &self.trial.currents[self.at(n) * drive.len()..]);
        }
    }

    /// Writes the current, as [`current`](Self::current) does, with the part that does not depend on the synapses in `drive`, which
    /// the first step of a sample forms.
    #[inline(never)]
    pub(crate) fn held_current(&self, n: usize, drive: &mut [T], j: &[T], current: &mut [T]) {
        if n.is_multiple_of(self.grid.hold) {
            self.drive(n, drive);
        }
        copy(current, drive);
        // Conductances are added with the voltages.
        for wire in self.network.wires.iter().filter(|wire| wire.receptor.is_none()) {
            axpy(&mut current[wire.post.clone()], T::one(), &j[wire.currents()]);
        }
    }

    /// The transpose of [`held_current`](Self::held_current), up to the synapses.
    #[inline(never)]
    pub(crate) fn held_current_vjp(
        &self,
        n: usize,
        drive_bar: &mut [T],
        current_bar: &[T],
        parameters_bar: &mut [T],
    ) {
        axpy(drive_bar, T::one(), current_bar);
        if !n.is_multiple_of(self.grid.hold) {
            return;
        }
        self.current_vjp(n, drive_bar, parameters_bar);
        if self.by_inputs {
            let (sample, [inputs, currents, _]) = (self.at(n), self.given());
            let (channels, neurons) = (self.network.inputs, drive_bar.len());
            let inputs_bar = &mut parameters_bar[inputs][sample * channels..][..channels];
            for (bar, column) in inputs_bar.iter_mut().zip(self.input.values.chunks_exact(neurons)) {
                *bar += dot(column, drive_bar);
            }
            axpy(&mut parameters_bar[currents][sample * neurons..], T::one(), drive_bar);
        }
        drive_bar.fill(T::zero());
    }

    /// Writes the current, equation (17): the tonic one, that of the input and those of the synapses, which lie one after the
    /// other in `j`.
    #[inline(always)]
    pub(crate) fn current(&self, n: usize, j: &[T], current: &mut [T]) {
        let (size, one) = (current.len(), T::one());
        let bias = (one, &self.bias.values[..size]);
        let u = |k: usize| &self.input.values[k * size..][..size];
        if !self.one_pass {
            return self.current_in_parts(n, j, current);
        }
        // What most networks have is added in one pass. Divisions take long.
        let classes = if j.len() == size { 1 } else { 2 * usize::from(j.len() == 2 * size) };
        let of = |k: usize| (one, &j[k * size..][..size]);
        match (self.input(n), classes) {
            (&[], 1) => combine(current, [bias, of(0)]),
            (&[], 2) => combine(current, [bias, of(0), of(1)]),
            (&[a], 1) => combine(current, [bias, (a, u(0)), of(0)]),
            (&[a], 2) => combine(current, [bias, (a, u(0)), of(0), of(1)]),
            (&[a, b], 1) => combine(current, [bias, (a, u(0)), (b, u(1)), of(0)]),
            (&[a, b], 2) => combine(current, [bias, (a, u(0)), (b, u(1)), of(0), of(1)]),
            (inputs, _) => {
                copy(current, bias.1);
                for (k, &input) in inputs.iter().enumerate().filter(|(_, input)| **input != T::zero()) {
                    axpy(current, input, u(k));
                }
                for j in j.chunks_exact(size) {
                    axpy(current, one, j);
                }
            }
        }
    }

    /// The current where projections go to some of the neurons, or currents are injected.
    #[inline(never)]
    fn current_in_parts(&self, n: usize, j: &[T], current: &mut [T]) {
        self.drive(n, current);
        // A scheme that has no currents adds those of the synapses itself.
        for wire in self.network.wires.iter().filter(|wire| !j.is_empty() && wire.receptor.is_none()) {
            axpy(&mut current[wire.post.clone()], T::one(), &j[wire.currents()]);
        }
    }

    /// The transpose of the current's dependence on input and tonic current.
    #[inline(always)]
    pub(crate) fn current_vjp(&self, n: usize, current_bar: &[T], parameters_bar: &mut [T]) {
        let size = current_bar.len();
        // Tonic currents follow the inputs' weights.
        let (inputs_bar, others) = parameters_bar[self.input.start..].split_at_mut(self.input.values.len());
        let bias_bar = &mut others[..size];
        match self.input(n) {
            &[a] => each(
                [bias_bar, &mut inputs_bar[..size]],
                [current_bar],
                #[inline(always)]
                |[bias, u], [bar]| [bias + bar, u + a * bar],
            ),
            &[a, b] => {
                let (u, v) = inputs_bar.split_at_mut(size);
                each(
                    [bias_bar, u, &mut v[..size]],
                    [current_bar],
                    #[inline(always)]
                    |[bias, u, v], [bar]| [bias + bar, u + a * bar, v + b * bar],
                );
            }
            inputs => {
                axpy(bias_bar, T::one(), current_bar);
                let mut columns = inputs_bar;
                for &input in inputs {
                    let (column, others) = columns.split_at_mut(size);
                    if input != T::zero() {
                        axpy(column, input, current_bar);
                    }
                    columns = others;
                }
            }
        }
    }

    #[inline(always)]
    pub(crate) fn sample<'s>(&self, n: usize, read: Read<'s, T>, s: &'s [T], x: &'s [T]) -> Sample<'s, T>
    where
        'a: 's,
    {
        let (m, outputs) = (self.at(n), self.network.outputs);
        let target =
            if self.trial.targets.is_empty() { &[] } else { &self.trial.targets[m * outputs..][..outputs] };
        Sample {
            step: n,
            time: self.grid.h * real((n as i64 + 1) as f64),
            output: read.output,
            target,
            weight: self.trial.weights.get(m).copied().unwrap_or_else(T::one),
            s,
            square: read.square,
            x,
            neurons: self.network.neurons,
        }
    }

    /// `o = O s` of the network's own readout, equation (4), and `|s|^2`; the other outputs are there already. `O` is stored by columns; with one output its row is contiguous.
    #[inline(always)]
    pub(crate) fn read<'o>(&self, s: &[T], output: &'o mut [T]) -> Read<'o, T> {
        let o = self.readout.values;
        match &mut output[..self.own_outputs] {
            [] => {}
            [only] => *only = dot(o, s),
            own => {
                own.fill(T::zero());
                for (&s, column) in s.iter().zip(o.chunks_exact(own.len())) {
                    axpy(own, s, column);
                }
            }
        }
        Read { output, square: dot(s, s) }
    }

    /// `O`, by columns.
    #[inline(always)]
    pub(crate) fn readout(&self) -> &'a [T] {
        self.readout.values
    }

    /// What step `n`, ending with synapses `s` and membrane state `x`, adds to the cost (equation (21)): nothing where the
    /// sample's weight is zero, whatever the loss is.
    #[inline(always)]
    pub(crate) fn cost(&self, n: usize, read: Read<'_, T>, s: &[T], x: &[T]) -> T {
        let sample = self.sample(n, read, s, x);
        if sample.weight == T::zero() { T::zero() } else { self.grid.weight * self.loss.value(&sample) }
    }

    /// The transpose of [`cost`](Self::cost), up to readouts with names, whose cotangents of outputs are left in `output_bar`; false
    /// where the sample has no weight and these are not written.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    pub(crate) fn cost_vjp(
        &self,
        n: usize,
        s: &[T],
        x: &[T],
        cost_bar: T,
        (read, output_bar): (Read<'_, T>, &mut [T]),
        s_bar: &mut [T],
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) -> bool {
        let Some(square_bar) = self.loss_vjp(n, s, x, cost_bar, (read, output_bar), s_bar, x_bar) else {
            return false;
        };
        self.read_vjp(s, (&*output_bar, square_bar), s_bar, parameters_bar);
        true
    }

    /// The part of [`cost_vjp`](Self::cost_vjp) that is the loss's own: writes `output_bar`, adds to `s_bar` and `x_bar` and returns the
    /// cotangent of `|s|^2`; nothing where the sample has no weight.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    pub(crate) fn loss_vjp(
        &self,
        n: usize,
        s: &[T],
        x: &[T],
        cost_bar: T,
        (read, output_bar): (Read<'_, T>, &mut [T]),
        s_bar: &mut [T],
        x_bar: &mut [T],
    ) -> Option<T> {
        let sample = self.sample(n, read, s, x);
        if sample.weight == T::zero() {
            return None;
        }
        match output_bar {
            // To call the library for one would take longer.
            [output_bar] => *output_bar = T::zero(),
            _ => output_bar.fill(T::zero()),
        }
        let mut square_bar = T::zero();
        let mut bar = SampleBar { output: output_bar, s: s_bar, square: &mut square_bar, x: x_bar };
        self.loss.vjp(&sample, self.grid.weight * cost_bar, &mut bar);
        Some(square_bar)
    }

    /// The transpose of [`read`](Self::read), for cotangents of the outputs and of `|s|^2`.
    #[inline(always)]
    pub(crate) fn read_vjp(
        &self,
        s: &[T],
        (output_bar, square_bar): (&[T], T),
        s_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let by_s = square_bar + square_bar;
        let (o, o_bar) = (self.readout.values, self.readout.of(parameters_bar));
        let output_bar = &output_bar[..self.own_outputs];
        if let [output_bar] = output_bar {
            let by = *output_bar;
            each(
                [s_bar, o_bar],
                [o, s],
                #[inline(always)]
                |[s_bar, o_bar], [o, s]| [s_bar + by_s * s + by * o, o_bar + by * s],
            );
            return;
        }
        if by_s != T::zero() {
            axpy(s_bar, by_s, s);
        }
        if output_bar.is_empty() {
            return;
        }
        let outputs = output_bar.len();
        for (j, (&s, s_bar)) in s.iter().zip(s_bar).enumerate() {
            *s_bar += dot(&o[j * outputs..][..outputs], output_bar);
            axpy(&mut o_bar[j * outputs..][..outputs], s, output_bar);
        }
    }

    /// How many numbers a step keeps of what the loss accumulates.
    pub(crate) fn kept_accumulators(&self) -> usize {
        if self.over_run.is_some_and(|over_run| over_run.looks_back()) { self.accumulators } else { 0 }
    }

    /// What the loss has of the run at its end.
    pub(crate) fn end<'m>(&self, m: &'m [T]) -> RunEnd<'m, T>
    where
        'a: 'm,
    {
        RunEnd { m, label: &self.trial.label, outputs: self.network.outputs }
    }

    /// Writes the membrane state and latches at the start.
    pub(crate) fn start_membrane(&self, x: &mut [T]) {
        let network = self.network;
        let initial = self.initial().map_or(network.parameters.group(Group::Initial), |i| &i.x);
        x[..network.membrane].copy_from_slice(initial);
        for place in &network.places {
            let at = network.context(place, self.grid.h, None);
            place.loops.of::<T>().start(&at, block_mut(place, network.membrane, x));
        }
    }

    /// Writes `s_k` at the start.
    pub(crate) fn start_synapses(&self, s: &mut [T]) {
        match self.initial() {
            Some(initial) if !initial.s.is_empty() => s.copy_from_slice(&initial.s),
            _ => s.fill(T::zero()),
        }
    }

    /// The transpose of [`start_membrane`](Self::start_membrane). An initial state that the trial gave is no parameter.
    pub(crate) fn start_membrane_vjp(&self, x_bar: &mut [T], parameters_bar: &mut [T]) {
        let network = self.network;
        let initial = self.initial().map_or(network.parameters.group(Group::Initial), |i| &i.x);
        for place in &network.places {
            let at = network.context(place, self.grid.h, None);
            place.loops.of::<T>().start_vjp(
                &at,
                &initial[place.offset..][..place.size],
                block_mut(place, network.membrane, x_bar),
                place.parameter_bar(parameters_bar, self.skipped),
            );
        }
        if self.initial().is_none() {
            let range = network.parameters.layout().range(Group::Initial);
            axpy(&mut parameters_bar[range.start - self.skipped..], T::one(), &x_bar[..network.membrane]);
        }
    }
}
