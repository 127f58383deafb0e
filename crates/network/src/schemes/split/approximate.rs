//! The backward pass of the split step with parts of it replaced: random feedback in place of transposed weights, errors that are
//! not sent through recurrent synapses, a surrogate in place of the gate's slope. What comes out is a direction and no gradient, so
//! that nothing here implements [`StepVjp`](spikegrad_integrators::StepVjp).
//!
//! The loops of the exact transpose (`steps.rs`) do not know of any of this: they stay as fast as they are, and a part that is
//! replaced by mistake cannot reach them. The pass here goes back over the same tape one equation after the other, for the paper's
//! class of networks alone; with all parts exact it is a second implementation of the exact gradient, to compare with.

use spikegrad_integrators::{Step, Total};
use spikegrad_models::Reset;

use super::run::SplitRun;
use super::scheme::Frame;
use super::tape::SplitTape;
use crate::kernels::{axpy, dot};
use crate::placed::{Placed, block};
use crate::populations::{Active, Context, FlowBar, ParameterBar};
use crate::{Error, Group, Scalar, memory};

/// What brings errors of the outputs back to the traces that are read out.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum ReadoutPath<T> {
    /// `O^T`, as in the exact adjoint.
    #[default]
    Exact,
    /// The transpose of a fixed matrix in place of `O`, `outputs x N`, by columns as `O` is: feedback alignment (Lillicrap et al. 2016).
    Fixed(Vec<T>),
}

/// What brings errors of currents back to the charges of the neurons that caused them.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum RecurrentPath<T> {
    /// `W_k^T`, as in the exact adjoint.
    #[default]
    Exact,
    /// The transposes of fixed matrices in place of each `W_k`, `N x N`, by columns as `W_k` is.
    Fixed(Vec<Vec<T>>),
    /// The diagonals of `W_k`: every neuron knows the synapses that it has onto itself, and no error goes to another one.
    Autapses,
    /// Nothing: errors stay where they are, as in e-prop (Bellec et al. 2020).
    Cut,
}

/// The slope by which an error of the charge becomes one of the voltage.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum GateSlope {
    /// `g(v)`, the density of the gate.
    #[default]
    Exact,
    /// `1 / (width (1 + d / width)^2)`, the derivative of a fast sigmoid (Zenke and Ganguli 2018), at the distance `d` between voltage and
    /// threshold. Where voltages wrap, that is the distance on the circle.
    Surrogate {
        /// The distance at which the slope has fallen to a quarter, positive, in the unit of the voltage.
        width: f64,
    },
}

/// The parts that a backward pass is made of. The default has all parts of the exact adjoint.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct BackwardParts<T> {
    /// The path from outputs to traces.
    pub readout: ReadoutPath<T>,
    /// The path from currents to charges.
    pub recurrent: RecurrentPath<T>,
    /// The slope from charges to voltages.
    pub slope: GateSlope,
}

/// A run of the split step with a backward pass of which some parts are replaced, equations (22)-(26) with `B_k` in place of `W_k`, `B`
/// in place of `O` and `psi` in place of `g`. The forward pass and the products at the end, of presynaptic charges and postsynaptic errors,
/// are the exact ones.
///
/// The paper's class of networks is taken: one population whose voltages wrap or are reset by subtraction, and exponential synapses with one
/// time constant from all neurons to all. The direction is that of `W_k`, `U`, `I_o` and `O`; it is zero for all other groups.
///
/// # No gradient
///
/// This is no [`StepVjp`](spikegrad_integrators::StepVjp), so that no sweep and no check of gradients takes its direction for a gradient:
///
/// ```compile_fail,E0277
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let network = Network::<f64>::builder().population(population).synapse("slow", 20.0).build()?;
/// # let scheme = SplitStep::new(&network, 0.5)?;
/// # let trial = Trial::silent(100, 1.0, 0);
/// let parts = BackwardParts { recurrent: RecurrentPath::Cut, ..BackwardParts::default() };
/// let local = ApproximateAdjoint::new(scheme.run(&trial, &NoLoss)?, &parts)?;
/// // What every sweep and every check of gradients asks for.
/// fn sweep<S: spikegrad_integrators::StepVjp<f64>>(_: &S) {}
/// sweep(&local);
/// # Ok::<(), Error>(())
/// ```
///
/// It is asked by its own name:
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let mut network = Network::<f64>::builder().population(population).synapse("slow", 20.0).outputs(1).build()?;
/// # network.parameters.bias_mut().fill(0.02);
/// # network.parameters.weight_mut(0).fill(0.1);
/// # network.parameters.readout_mut(0).fill(1.0);
/// # struct Square;
/// # impl Loss<f64> for Square {
/// #     fn value(&self, at: &Sample<'_, f64>) -> f64 {
/// #         0.5 * at.output[0] * at.output[0]
/// #     }
/// #     fn vjp(&self, at: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
/// #         bar.output[0] += value_bar * at.output[0];
/// #     }
/// # }
/// # let scheme = SplitStep::new(&network, 0.5)?;
/// # let trial = Trial::silent(300, 1.0, 0);
/// let parts = BackwardParts { recurrent: RecurrentPath::Cut, ..BackwardParts::default() };
/// let local = ApproximateAdjoint::new(scheme.run(&trial, &Square)?, &parts)?;
/// let mut direction = network.parameters.zeros_like();
/// let cost = local.approximate_gradient(&mut ApproximateWork::default(), direction.values_mut())?;
/// assert!(cost > 0.0 && direction.weight(0)[(0, 1)] != 0.0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct ApproximateAdjoint<'a, T: 'static> {
    run: SplitRun<'a, T>,
    parts: &'a BackwardParts<T>,
}

/// The memory that a backward pass works in. It may be used for one run after the other.
#[derive(Clone, Debug)]
pub struct ApproximateWork<T> {
    tape: SplitTape<T>,
    x: Vec<T>,
    membrane_bar: Vec<T>,
    s_bar: Vec<T>,
    j_bar: Vec<T>,
    current_bar: Vec<T>,
    output_bar: Vec<T>,
    charge_bar: Vec<T>,
    neurons: Vec<u32>,
    slopes: [Vec<T>; 2],
}

impl<T: Scalar> Default for ApproximateWork<T> {
    fn default() -> Self {
        let new = Vec::new;
        Self {
            tape: SplitTape::default(),
            x: new(),
            membrane_bar: new(),
            s_bar: new(),
            j_bar: new(),
            current_bar: new(),
            output_bar: new(),
            charge_bar: new(),
            neurons: Vec::new(),
            slopes: [new(), new()],
        }
    }
}

/// Refuses a matrix of another size, and numbers that are none.
fn check_matrix<T: Scalar>(what: String, matrix: &[T], expected: usize) -> Result<(), Error> {
    if matrix.len() != expected {
        return Err(Error::Shape { what, expected, found: matrix.len() });
    }
    match matrix.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(Error::NonFinite { what, index }),
        None => Ok(()),
    }
}

impl<'a, T: Scalar> ApproximateAdjoint<'a, T> {
    /// A run with a backward pass of these parts.
    ///
    /// # Errors
    /// [`Error::Approximate`] if the network or the trial is none of those that the pass takes, [`Error::Shape`] or [`Error::NonFinite`] for
    /// fixed matrices of another size or with numbers that are not finite, [`Error::NotPositive`] for the width of a surrogate.
    pub fn new(run: SplitRun<'a, T>, parts: &'a BackwardParts<T>) -> Result<Self, Error> {
        let network = run.scheme.network;
        let refuse = |found| Err(Error::Approximate { found });
        let [place] = &network.places[..] else { return refuse("several populations") };
        let at = &run.scheme.contexts[0];
        if !matches!(place.loops.of::<T>().reset(at, 0), Reset::Periodic | Reset::Subtract) {
            return refuse("neurons with a reset inside the step, with a latch or without spikes");
        }
        if !run.scheme.projections.iter().all(|projection| projection.is_sparse()) {
            return refuse(
                "projections with delays, lists of connections, low rank, kinetics of several filters or several time constants",
            );
        }
        if !run.scheme.conductances.is_empty() || network.channels > 0 {
            return refuse("conductances or event sources");
        }
        if !network.readouts.all.is_empty() {
            return refuse("readouts beside the network's own");
        }
        if run.run.over_run.is_some() {
            return refuse("a loss that sees the run as a whole");
        }
        if run.run.trial().state.is_some() {
            return refuse("a trial that goes on from the state of an earlier run");
        }
        let size = network.neurons;
        if let ReadoutPath::Fixed(matrix) = &parts.readout {
            check_matrix("the fixed readout matrix".into(), matrix, network.outputs * size)?;
        }
        if let RecurrentPath::Fixed(matrices) = &parts.recurrent {
            let (expected, found) = (network.wires.len(), matrices.len());
            if found != expected {
                return Err(Error::Shape { what: "the fixed recurrent matrices".into(), expected, found });
            }
            for (wire, matrix) in network.wires.iter().zip(matrices) {
                let what = format!("the fixed matrix of projection `{}`", wire.name);
                check_matrix(what, matrix, size * size)?;
            }
        }
        if let GateSlope::Surrogate { width } = parts.slope
            && !(width > 0.0 && width.is_finite())
        {
            return Err(Error::NotPositive { what: "the width of the surrogate slope".into(), value: width });
        }
        Ok(Self { run, parts })
    }

    /// Runs the trial, adds the direction to `direction`, one number for each parameter, and returns the cost. Frozen and masked entries
    /// are set to zero, as in the exact gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] if `direction` has not one number for each parameter, [`Error::Diverged`] if the run does not stay finite,
    /// [`Error::NonFiniteGradient`] if the direction does not.
    pub fn approximate_gradient(
        &self,
        work: &mut ApproximateWork<T>,
        direction: &mut [T],
    ) -> Result<T, Error> {
        let (run, network) = (&self.run, self.run.scheme.network);
        let expected = network.parameters.layout().len();
        if direction.len() != expected {
            let found = direction.len();
            return Err(Error::Shape { what: "the direction".into(), expected, found });
        }
        let cost = self.forward(work)?;
        work.membrane_bar.clear();
        work.membrane_bar.resize(run.scheme.membrane, T::zero());
        for (bar, len) in [
            (&mut work.s_bar, network.traces),
            (&mut work.j_bar, network.currents),
            (&mut work.current_bar, network.neurons),
            (&mut work.output_bar, network.outputs),
        ] {
            bar.clear();
            bar.resize(len, T::zero());
        }
        for n in (0..run.steps()).rev() {
            self.step_back(n, work, direction);
        }
        // What the initial traces send at the start, equation (27).
        if let Some(initial) = run.run.initial().filter(|initial| !initial.s.is_empty()) {
            for (k, wire) in network.wires.iter().enumerate() {
                let w_bar = &mut direction[network.parameters.layout().range(Group::Weight(k))];
                let j_bar = &work.j_bar[wire.currents()];
                for (column, &s) in w_bar.chunks_exact_mut(network.neurons).zip(&initial.s[wire.traces()]) {
                    axpy(column, s, j_bar);
                }
            }
        }
        network.mask_gradient(direction);
        match direction.iter().position(|bar| !bar.is_finite()) {
            None => Ok(cost),
            Some(at) => {
                let named =
                    network.parameters.layout().names().iter().find(|named| named.range.contains(&at));
                Err(Error::NonFiniteGradient {
                    by: named.map_or_else(String::new, |named| named.name.clone()),
                })
            }
        }
    }

    /// Takes all steps, whose tape is kept.
    fn forward(&self, work: &mut ApproximateWork<T>) -> Result<T, Error> {
        let (run, ApproximateWork { tape, x, .. }) = (&self.run, work);
        let (steps, what) = (run.steps(), "the tape of the run");
        let limit = run.scheme.network.memory_limit;
        memory::check(what, memory::bytes::<T>(&[steps + 1, run.scheme.stride]), limit)?;
        x.clear();
        x.resize(run.dim(), T::zero());
        let mut cost = Total::default();
        run.start(x);
        run.rewind(x, tape);
        run.advance(0..steps, x, tape, &mut cost);
        if !x.iter().fold(cost.value().is_finite(), |finite, x| finite & x.is_finite()) {
            // A state that is not finite stays so: the run is repeated to find out where it became so.
            run.watch(|_, _, _| ())?;
        }
        Ok(cost.value())
    }

    /// Takes step `n` back.
    fn step_back(&self, n: usize, work: &mut ApproximateWork<T>, direction: &mut [T]) {
        let (run, scheme) = (&self.run, self.run.scheme);
        let (network, layout) = (scheme.network, scheme.network.parameters.layout());
        let size = network.neurons;
        let ApproximateWork {
            tape,
            membrane_bar,
            s_bar,
            j_bar,
            current_bar,
            output_bar,
            charge_bar,
            neurons,
            slopes,
            ..
        } = work;
        let frame = scheme.frame(&tape.frames, n);

        // The cost at the right end, equation (21); the readout's own gradient has the exact errors.
        let read_bar = &mut s_bar[scheme.read.clone()];
        let (s, x) = (&frame.s[..size], &frame.after[..network.membrane]);
        let x_bar = &mut membrane_bar[..network.membrane];
        let square_bar = run.run.loss_vjp(n, s, x, T::one(), (frame.read, output_bar), read_bar, x_bar);
        if let Some(square_bar) = square_bar {
            axpy(read_bar, square_bar + square_bar, s);
            let path = match &self.parts.readout {
                ReadoutPath::Exact => network.parameters.group(Group::Readout(0)),
                ReadoutPath::Fixed(matrix) => matrix,
            };
            let outputs = output_bar.len();
            let o_bar = &mut direction[layout.range(Group::Readout(0))];
            for (j, (&s, bar)) in s.iter().zip(read_bar).enumerate().take(if outputs > 0 { size } else { 0 })
            {
                *bar += dot(&path[j * outputs..][..outputs], output_bar);
                axpy(&mut o_bar[j * outputs..][..outputs], s, output_bar);
            }
        }

        // Equations (22), (23): charges that were released give the weights their gradient, whatever the slope is.
        let part = tape.part(n);
        let (released, charges) = tape.released.part(&part);
        for (k, wire) in network.wires.iter().enumerate() {
            let w_bar = &mut direction[layout.range(Group::Weight(k))];
            let gain = scheme.projections[k].parts.decays[0].b;
            for (&j, &q) in released.iter().zip(charges).filter(|(_, q)| **q != T::zero()) {
                axpy(&mut w_bar[j as usize * size..][..size], gain * q, &j_bar[wire.currents()]);
            }
        }
        let active = match self.parts.slope {
            GateSlope::Exact => tape.released.active(&part),
            GateSlope::Surrogate { width } => {
                self.surrogate_slopes(&frame, T::from_subset(&width), neurons, slopes);
                Active { neurons, slopes: [&slopes[0], &slopes[1]] }
            }
        };
        charge_bar.clear();
        charge_bar.extend(active.neurons.iter().map(|&j| self.charge_bar(j as usize, s_bar, j_bar)));

        // Equation (24)
        let (place, at): (&Placed, &Context<'_, T>) = (&network.places[0], &scheme.contexts[0]);
        place.loops.of::<T>().backward(
            at,
            &mut FlowBar {
                before: frame.before,
                after: frame.after,
                current: frame.current,
                active,
                charge_bar,
                bar: membrane_bar,
                current_bar,
                parameters: ParameterBar { neuron: None, width: None },
                conductance_bar: &mut [],
            },
        );

        // Equations (25), (26)
        for (k, wire) in network.wires.iter().enumerate() {
            let decay = scheme.projections[k].parts.decays[0].a;
            s_bar[wire.traces()].iter_mut().for_each(|bar| *bar *= decay);
            for (bar, &current_bar) in j_bar[wire.currents()].iter_mut().zip(&*current_bar) {
                *bar = decay * *bar + current_bar;
            }
        }
        run.run.current_vjp(n, current_bar, direction);
    }

    /// `q_bar_j = sum_k b_k (s_bar_k + B_k^T J_bar_k)_j`, equation (22) with the recurrent path that there is.
    fn charge_bar(&self, j: usize, s_bar: &[T], j_bar: &[T]) -> T {
        let (scheme, network) = (self.run.scheme, self.run.scheme.network);
        let size = network.neurons;
        let mut sum = T::zero();
        for (k, wire) in network.wires.iter().enumerate() {
            let (gain, j_bar) = (scheme.projections[k].parts.decays[0].b, &j_bar[wire.currents()]);
            let weights = network.parameters.group(Group::Weight(k));
            let sent = match &self.parts.recurrent {
                RecurrentPath::Exact => dot(&weights[j * size..][..size], j_bar),
                RecurrentPath::Fixed(matrices) => dot(&matrices[k][j * size..][..size], j_bar),
                RecurrentPath::Autapses => weights[j * size + j] * j_bar[j],
                RecurrentPath::Cut => T::zero(),
            };
            sum += gain * (s_bar[wire.trace + j] + sent);
        }
        sum
    }

    /// Writes the surrogate slopes of all neurons at both ends of a step.
    fn surrogate_slopes(
        &self,
        frame: &Frame<'_, T>,
        width: T,
        neurons: &mut Vec<u32>,
        slopes: &mut [Vec<T>; 2],
    ) {
        let network = self.run.scheme.network;
        let (place, at) = (&network.places[0], &self.run.scheme.contexts[0]);
        let reset = place.loops.of::<T>().reset(at, 0);
        let is_circle = matches!(reset, Reset::Periodic);
        neurons.clear();
        neurons.extend(0..network.neurons as u32);
        for (slopes, x) in slopes.iter_mut().zip([frame.before, frame.after]) {
            slopes.clear();
            slopes.extend(block(place, network.membrane, x).v.iter().map(|&v| {
                let below = (reset.threshold() - v).abs();
                let distance = if is_circle && v < below { v.abs() } else { below };
                let near = T::one() + distance / width;
                T::one() / (width * near * near)
            }));
        }
    }
}
