//! The plain field in charge coordinates `(v, z)`, `z_k = s_k - Q / tau_k` (equations (15), (16)), under any Runge-Kutta
//! method: the independent reference that the split step converges to, with its own exact transpose.

use std::ops::Range;

use spikegrad_integrators::{EventLog, RungeKuttaTape, Step, StepVjp, Tableau};
use spikegrad_models::Reset;

use super::grid::step_size;
use super::run::Run;
use crate::kernels::axpy;
use crate::placed::{block, block_mut};
use crate::projections::TimeConstants;
use crate::{Error, Feature, Group, Loss, Network, Scalar, SpecDifference, Trial};

/// The plain field of a network under a Runge-Kutta method: all neurons and synapses are one differential equation.
///
/// # When to take which scheme
///
/// The gradient of either scheme is exact for its own program. How far that is from the gradient of the equations depends on
/// the order of the scheme: the split step holds the current for a step and has order 1 with any method for the neurons, the
/// plain field has the order of its method, up to that of the gate.
///
/// Take the plain field for networks of theta neurons or of neurons without a reset whose gradient should be that of the
/// equations: a voltage that creeps past the edge of firing amplifies every error of the current. Of 30 random networks of 10
/// theta neurons (300 ms, tonic currents about 0 and 0.01 per ms, recurrent weights with a gain of 0.05 and 0.2), the
/// gradient by the recurrent weights is off by so many of its norms, in the median and in the worst network:
///
/// | scheme | h, ms | median | worst |
/// |---|---|---|---|
/// | split step, Euler | 0.5 | 0.9 | 7 |
/// | split step, Euler | 0.1 | 0.4 | 6 |
/// | split step, RK4 | 0.1 | 0.17 | 3 |
/// | plain field, RK4 | 0.5 | 0.01 | 0.22 |
///
/// In the 18 networks with a gain of 0.05 the split step by Euler's method at 0.1 ms is off by 0.08 in the median.
///
/// Take [`SplitStep`](crate::SplitStep) where a population has a reset inside the step ([`Reset::To`]), for delays and for
/// weights of low rank, which the plain field refuses, and where speed counts: a split step visits the columns of neurons
/// that release charge, and a step of the plain field multiplies by all weights once in every stage of its method.
#[derive(Clone, Debug)]
pub struct PlainStep<'n, T: 'static> {
    network: &'n Network<T>,
    h: T,
    tableau: Tableau,
}

impl<'n, T: Scalar> PlainStep<'n, T> {
    /// The plain field with a step of `h` ms.
    ///
    /// # Errors
    /// If `h` is not positive and finite, a parameter is out of its domain, a population has a reset inside the step or releases
    /// [only what rises](Reset::Rectify), or a projection has delays or weights of low rank.
    pub fn new(network: &'n Network<T>, h: f64, tableau: Tableau) -> Result<Self, Error> {
        let h = step_size(h)?;
        network.validate()?;
        network.check_goes_with(Feature::PlainField)?;
        for place in &network.places {
            let population = || place.name.clone();
            match place.loops.of::<T>().reset(&network.context(place, h, None), 0) {
                Reset::To { .. } => return Err(Error::HardReset { population: population() }),
                Reset::Rectify => {
                    return Err(Error::Rectified { population: population(), scheme: "the plain field" });
                }
                _ => {}
            }
        }
        Ok(Self { network, h, tableau })
    }

    /// A run over a trial, judged by a loss.
    ///
    /// # Errors
    /// If the trial does not fit the network, `h` does not divide its sample interval, or the trial goes on from the state of an
    /// earlier run or its loss sees the run as a whole, which the plain field does not.
    pub fn run<'a>(&'a self, trial: &'a Trial<T>, loss: &'a dyn Loss<T>) -> Result<PlainRun<'a, T>, Error> {
        if trial.state.is_some() {
            let (field, left, right) = ("scheme".into(), "the split step".into(), "the plain field".into());
            let difference = Box::new(SpecDifference { field, left, right });
            return Err(Error::State { what: "the trial's state", difference });
        }
        if loss.over_run().is_some() {
            return Err(Error::RunLoss { scheme: "the plain field" });
        }
        Ok(PlainRun { scheme: self, run: Run::new(self.network, self.h, trial, loss)? })
    }
}

/// A [`PlainStep`] on one trial. Its state is `[v | other membrane variables | latches | z_k]`.
#[derive(Clone, Copy)]
pub struct PlainRun<'a, T: 'static> {
    scheme: &'a PlainStep<'a, T>,
    run: Run<'a, T>,
}

/// The tape of [`PlainRun`].
#[derive(Clone, Debug)]
pub struct PlainTape<T> {
    steps: RungeKuttaTape<T>,
    work: Work<T>,
    settled: Vec<T>,
    output: Vec<T>,
    output_bar: Vec<T>,
    /// Traces that readouts with names read, and their cotangents.
    named: Vec<T>,
    named_bar: Vec<T>,
}

/// Vectors over neurons that an evaluation of the field fills; `s` has one part for each projection.
#[derive(Clone, Debug)]
struct Work<T> {
    charge: Vec<T>,
    charge_bar: Vec<T>,
    current: Vec<T>,
    current_bar: Vec<T>,
    s: Vec<T>,
    s_bar: Vec<T>,
}

impl<T> Default for PlainTape<T> {
    fn default() -> Self {
        let new = Vec::new;
        let work = Work {
            charge: new(),
            charge_bar: new(),
            current: new(),
            current_bar: new(),
            s: new(),
            s_bar: new(),
        };
        let (steps, output, output_bar) = (RungeKuttaTape::default(), new(), new());
        Self { steps, work, settled: new(), output, output_bar, named: new(), named_bar: new() }
    }
}

impl<T: Scalar> PlainRun<'_, T> {
    fn network(&self) -> &Network<T> {
        self.scheme.network
    }

    /// Length of `[v | rest | latches]`.
    fn membrane(&self) -> usize {
        self.network().membrane + self.network().latches
    }

    /// The traces that are read out, among all.
    fn read(&self) -> Range<usize> {
        let network = self.network();
        network.wires[network.read].traces()
    }

    fn taus(&self, k: usize) -> TimeConstants<'_, T> {
        TimeConstants(self.network().parameters.group(Group::Tau(k)))
    }

    /// Writes `Q` and `s_k = z_k + Q / tau_k`.
    fn synapses(&self, x: &[T], work: &mut Work<T>) {
        let network = self.network();
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            let charge = &mut work.charge[place.offset..][..place.size];
            place.loops.of::<T>().charge(&at, block(place, network.membrane, x), charge);
        }
        work.s.copy_from_slice(&x[self.membrane()..]);
        for (k, wire) in network.wires.iter().enumerate() {
            let charge = &work.charge[wire.pre.clone()];
            self.taus(k).add_over(&mut work.s[wire.traces()], T::one(), charge);
        }
    }

    /// The transpose of [`synapses`](Self::synapses) for `work.s_bar`, at the state for which `work` was filled.
    fn synapses_vjp(&self, x: &[T], work: &mut Work<T>, x_bar: &mut [T], parameters_bar: &mut [T]) {
        let (network, len) = (self.network(), self.membrane());
        let layout = network.parameters.layout();
        work.charge_bar.fill(T::zero());
        axpy(&mut x_bar[len..], T::one(), &work.s_bar);
        for (k, wire) in network.wires.iter().enumerate() {
            let s_bar = &work.s_bar[wire.traces()];
            self.taus(k).add_over(&mut work.charge_bar[wire.pre.clone()], T::one(), s_bar);
            let tau_bar = &mut parameters_bar[layout.range(Group::Tau(k))];
            self.taus(k).add_over_vjp(tau_bar, T::one(), s_bar, &work.charge[wire.pre.clone()]);
        }
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            place.loops.of::<T>().charge_vjp(
                &at,
                block(place, network.membrane, x),
                &work.charge_bar[place.offset..][..place.size],
                block_mut(place, network.membrane, x_bar),
                place.parameter_bar(parameters_bar, 0),
            );
        }
    }

    /// `I = sum_k W_k s_k + U i + I_o` for `work.s`.
    fn current(&self, n: usize, work: &mut Work<T>) {
        let network = self.network();
        self.run.current(n, &[], &mut work.current);
        for (k, wire) in network.wires.iter().enumerate() {
            let w = network.parameters.group(Group::Weight(k));
            let current = &mut work.current[wire.post.clone()];
            for (pre, &s) in work.s[wire.traces()].iter().enumerate() {
                wire.add_column(w, pre, s, current);
            }
        }
    }

    /// The field `f(x)`; latches stand still within a step.
    fn rhs(&self, n: usize, x: &[T], f: &mut [T], work: &mut Work<T>) {
        let (network, len) = (self.network(), self.membrane());
        self.synapses(x, work);
        self.current(n, work);
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            let current = &work.current[place.offset..][..place.size];
            let (x, f) = (block(place, network.membrane, x), block_mut(place, network.membrane, f));
            place.loops.of::<T>().rhs(&at, x, current, f);
        }
        for (k, wire) in network.wires.iter().enumerate() {
            let (f, s) = (&mut f[len..][wire.traces()], &work.s[wire.traces()]);
            f.fill(T::zero());
            self.taus(k).add_over(f, -T::one(), s);
        }
    }

    /// The transpose of [`rhs`](Self::rhs).
    fn rhs_vjp(
        &self,
        n: usize,
        x: &[T],
        f_bar: &[T],
        x_bar: &mut [T],
        work: &mut Work<T>,
        parameters_bar: &mut [T],
    ) {
        let (network, len) = (self.network(), self.membrane());
        let layout = network.parameters.layout();
        self.synapses(x, work);
        self.current(n, work);
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            place.loops.of::<T>().rhs_vjp(
                &at,
                block(place, network.membrane, x),
                &work.current[place.offset..][..place.size],
                block(place, network.membrane, f_bar),
                block_mut(place, network.membrane, x_bar),
                &mut work.current_bar[place.offset..][..place.size],
                place.parameter_bar(parameters_bar, 0),
            );
        }
        self.run.current_vjp(n, &work.current_bar, parameters_bar);
        for (k, wire) in network.wires.iter().enumerate() {
            let (taus, current_bar) = (self.taus(k), &work.current_bar[wire.post.clone()]);
            let (s, z_bar) = (&work.s[wire.traces()], &f_bar[len..][wire.traces()]);
            taus.add_over_vjp(&mut parameters_bar[layout.range(Group::Tau(k))], -T::one(), z_bar, s);
            let range = layout.range(Group::Weight(k));
            let w = &network.parameters.values()[range.clone()];
            let w_bar = &mut parameters_bar[range];
            for (i, s_bar) in work.s_bar[wire.traces()].iter_mut().enumerate() {
                wire.add_to_column(w_bar, i, s[i], current_bar);
                *s_bar = wire.column_dot(w, i, current_bar) - z_bar[i] / taus.at(i);
            }
        }
        self.synapses_vjp(x, work, x_bar, parameters_bar);
    }

    /// Wraps and restarts: charge that leaves `Q` goes to `z`, so that `s` is untouched.
    fn settle(&self, x: &mut [T], work: &mut Work<T>) {
        let (network, len) = (self.network(), self.membrane());
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            let shift = &mut work.charge[place.offset..][..place.size];
            place.loops.of::<T>().settle(&at, block_mut(place, network.membrane, x), shift);
        }
        for (k, wire) in network.wires.iter().enumerate() {
            let z = &mut x[len..][wire.traces()];
            self.taus(k).add_over(z, T::one(), &work.charge[wire.pre.clone()]);
        }
    }

    /// The transpose of [`settle`](Self::settle) at the state `x` before it; `work.charge` holds the shifts.
    fn settle_vjp(&self, x: &[T], work: &mut Work<T>, x_bar: &mut [T], parameters_bar: &mut [T]) {
        let (network, len) = (self.network(), self.membrane());
        let layout = network.parameters.layout();
        work.charge_bar.fill(T::zero());
        for (k, wire) in network.wires.iter().enumerate() {
            let z_bar = &x_bar[len..][wire.traces()];
            self.taus(k).add_over(&mut work.charge_bar[wire.pre.clone()], T::one(), z_bar);
            let tau_bar = &mut parameters_bar[layout.range(Group::Tau(k))];
            self.taus(k).add_over_vjp(tau_bar, T::one(), z_bar, &work.charge[wire.pre.clone()]);
        }
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            place.loops.of::<T>().settle_vjp(
                &at,
                block(place, network.membrane, x),
                &work.charge_bar[place.offset..][..place.size],
                block_mut(place, network.membrane, x_bar),
                place.parameter_bar(parameters_bar, 0),
            );
        }
    }

    /// Writes the traces that are read out for a state of this run.
    pub fn read_out(&self, x: &[T], tape: &mut PlainTape<T>, s: &mut [T]) {
        self.synapses(x, &mut tape.work);
        s.copy_from_slice(&tape.work.s[self.read()]);
    }
}

impl<T: Scalar> Step<T> for PlainRun<'_, T> {
    type Tape = PlainTape<T>;

    fn dim(&self) -> usize {
        self.membrane() + self.network().traces
    }

    fn steps(&self) -> usize {
        self.run.steps
    }

    fn time(&self, n: usize) -> f64 {
        self.run.time(n)
    }

    fn neuron(&self, component: usize) -> usize {
        self.run.neuron(component)
    }

    fn start(&self, x: &mut [T]) {
        let (network, size) = (self.network(), self.network().neurons);
        self.run.start_membrane(x);
        let (membrane, z) = x.split_at_mut(self.membrane());
        self.run.start_synapses(z);
        // z_0 = s_0 - Q_0 / tau, one neuron at a time in the first class' place
        let mut charge = vec![T::zero(); size];
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            let charge = &mut charge[place.offset..][..place.size];
            place.loops.of::<T>().charge(&at, block(place, network.membrane, membrane), charge);
        }
        for (k, wire) in network.wires.iter().enumerate() {
            self.taus(k).add_over(&mut z[wire.traces()], -T::one(), &charge[wire.pre.clone()]);
        }
    }

    fn rewind(&self, x: &[T], tape: &mut Self::Tape) {
        let network = self.network();
        tape.steps.rewind(x.len());
        let Work { charge, charge_bar, current, current_bar, s, s_bar } = &mut tape.work;
        for vector in [charge, charge_bar, current, current_bar] {
            vector.resize(network.neurons, T::zero());
        }
        for vector in [s, s_bar] {
            vector.resize(network.traces, T::zero());
        }
        tape.settled.resize(x.len(), T::zero());
        tape.output.resize(network.outputs, T::zero());
        tape.output_bar.resize(network.outputs, T::zero());
        tape.named.resize(network.readouts.traces, T::zero());
        tape.named_bar.resize(network.readouts.traces, T::zero());
    }

    fn tape_bytes(&self) -> Option<usize> {
        Some(RungeKuttaTape::<T>::step_bytes(&self.scheme.tableau, self.dim()))
    }

    fn reserve(&self, steps: usize, tape: &mut Self::Tape) {
        tape.steps.reserve(&self.scheme.tableau, self.dim(), steps);
    }

    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T {
        let PlainTape { steps, work, output, named, .. } = tape;
        steps.push(&self.scheme.tableau, self.scheme.h, x, |_, x, f| self.rhs(n, x, f, work));
        self.settle(x, work);
        self.synapses(x, work);
        self.network().keep_traces(&work.s, named);
        self.run.read_named(named, x, output);
        let s = &work.s[self.read()];
        self.run.cost(n, self.run.read(s, output), s, &x[..self.network().membrane])
    }

    fn events(&self, n: usize, tape: &Self::Tape, log: &mut EventLog) {
        log.step(n);
        let network = self.network();
        let points = tape.steps.points(&self.scheme.tableau);
        let Some(start) = points.first() else { return };
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            for point in points {
                place.loops.of::<T>().pieces(&at, block(place, network.membrane, point), log);
            }
            let end = block(place, network.membrane, tape.steps.end());
            place.loops.of::<T>().pieces(&at, end, log);
            place.loops.of::<T>().plain_events(
                &at,
                block(place, network.membrane, start),
                end,
                place.offset,
                log,
            );
        }
    }
}

impl<T: Scalar> StepVjp<T> for PlainRun<'_, T> {
    fn n_parameters(&self) -> usize {
        self.network().parameters.layout().len()
    }

    fn step_vjp(
        &self,
        n: usize,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let (network, read) = (self.network(), self.read());
        let PlainTape { steps, work, settled, output, output_bar, named, named_bar } = tape;
        settled.copy_from_slice(steps.end());
        self.settle(settled, work);
        self.synapses(settled, work);
        work.s_bar.fill(T::zero());
        network.keep_traces(&work.s, named);
        self.run.read_named(named, settled, output);
        let s = &work.s[read.clone()];
        let counts = self.run.cost_vjp(
            n,
            s,
            &settled[..network.membrane],
            cost_bar,
            (self.run.read(s, output), &mut *output_bar),
            &mut work.s_bar[read],
            &mut x_bar[..network.membrane],
            parameters_bar,
        );
        if counts {
            let bars = (&mut named_bar[..], &mut *x_bar);
            self.run.read_named_vjp((named, settled), output_bar, bars, parameters_bar);
            network.keep_traces_vjp(named_bar, &mut work.s_bar);
        }
        self.synapses_vjp(settled, work, x_bar, parameters_bar);
        settled.copy_from_slice(steps.end());
        self.settle(settled, work);
        self.settle_vjp(steps.end(), work, x_bar, parameters_bar);
        steps.pop(&self.scheme.tableau, self.scheme.h, x_bar, |_, x, f_bar, x_bar| {
            self.rhs_vjp(n, x, f_bar, x_bar, work, parameters_bar);
        });
    }

    fn start_vjp(&self, x_bar: &mut [T], parameters_bar: &mut [T]) {
        let (network, len) = (self.network(), self.membrane());
        let mut x = vec![T::zero(); self.dim()];
        self.start(&mut x);
        let zeros = || vec![T::zero(); network.neurons];
        let (mut charge, mut charge_bar) = (zeros(), zeros());
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            let charge = &mut charge[place.offset..][..place.size];
            place.loops.of::<T>().charge(&at, block(place, network.membrane, &x), charge);
        }
        for (k, wire) in network.wires.iter().enumerate() {
            let z_bar = &x_bar[len..][wire.traces()];
            self.taus(k).add_over(&mut charge_bar[wire.pre.clone()], -T::one(), z_bar);
            let tau_bar = &mut parameters_bar[network.parameters.layout().range(Group::Tau(k))];
            self.taus(k).add_over_vjp(tau_bar, -T::one(), z_bar, &charge[wire.pre.clone()]);
        }
        for place in &network.places {
            let at = network.context(place, self.scheme.h, None);
            place.loops.of::<T>().charge_vjp(
                &at,
                block(place, network.membrane, &x),
                &charge_bar[place.offset..][..place.size],
                block_mut(place, network.membrane, x_bar),
                place.parameter_bar(parameters_bar, 0),
            );
        }
        self.run.start_membrane_vjp(x_bar, parameters_bar);
        network.mask_gradient(parameters_bar);
    }
}
