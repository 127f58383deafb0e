//! Populations: neurons of one model, and the loops over them that a step is made of. The model's type is erased here,
//! once per population and step, so that a network holds any mixture and its loops still inline the equations.

use std::any::TypeId;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Range;

use nalgebra::RealField;
use num_dual::Dual64;
use pulp::NullaryFnOnce;
use spikegrad_integrators::{
    Affine, AffineBar, EventLog, Exponential, HardReset, Method, Tableau, tableau, tableau::MAX_STAGES,
};
use spikegrad_models::math::{floor, real};
use spikegrad_models::{Array, Gate, GateShape, Integration, Neuron, NeuronVjp, Parameter, Reset};

use crate::Spike;
use crate::dale::Sign;
use crate::kernels::{LANES, dispatch};
use crate::located;
use crate::registry::{is_known, known};

/// A crossing whose speed `|f(v_theta)| h` is below this part of the way from reset to threshold counts as grazing.
pub(crate) const GRAZING: f64 = 1e-3;

/// Neurons whose marks make one number.
const CHUNK: usize = size_of::<u64>();

/// Which bits of a byte are set, upwards, and zeros for the others.
static SET: [[u32; CHUNK]; 1 << CHUNK] = {
    let mut set = [[0; CHUNK]; 1 << CHUNK];
    let mut byte = 0;
    while byte < set.len() {
        let (mut bit, mut count) = (0, 0);
        while bit < CHUNK {
            if byte >> bit & 1 == 1 {
                set[byte][count] = bit as u32;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    set
};

/// Active neurons whose gates are computed together; a few of 80 are active at a time.
const GROUP: usize = 8;

/// A population: so many neurons of one model with one gate.
///
/// ```
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::Population;
///
/// let population = Population::new("theta", Theta { tau_v: 25.0 }, 80, GateShape::RaisedCosine, 0.3);
/// assert_eq!(population.size(), 80);
/// ```
#[derive(Clone, Debug)]
pub struct Population {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) shape: GateShape,
    pub(crate) width: f64,
    pub(crate) parameters: Vec<f64>,
    pub(crate) rest: Vec<f64>,
    pub(crate) per_neuron: bool,
    pub(crate) sign: Option<Sign>,
    pub(crate) model: &'static str,
    /// `None` for a model that has the name of another one.
    pub(crate) dynamics: Option<&'static dyn Dynamics<f64>>,
}

impl Population {
    /// `size` neurons with the values of `neuron`, and a gate of the given shape whose active zone of the given width
    /// (in the unit of the voltage) ends at threshold. The names of the models of `spikegrad-models` are taken.
    pub fn new<N: NeuronVjp>(name: &str, neuron: N, size: usize, shape: GateShape, width: f64) -> Self {
        Self {
            name: name.to_owned(),
            size,
            shape,
            width,
            parameters: neuron.params().as_ref().to_vec(),
            rest: neuron.rest().as_ref().to_vec(),
            per_neuron: false,
            sign: None,
            model: N::NAME,
            // Decided at compile time, so that the loops of a known model are not compiled again.
            dynamics: if const { is_known(N::NAME) } {
                known(TypeId::of::<N>())
            } else {
                Some(&Model::<N>(PhantomData))
            },
        }
    }

    /// Lets the neurons excite their targets only (Dale's law): training keeps their recurrent weights from becoming
    /// negative.
    #[must_use]
    pub fn excitatory(mut self) -> Self {
        self.sign = Some(Sign::Excitatory);
        self
    }

    /// Lets the neurons inhibit their targets only (Dale's law): training keeps their recurrent weights from becoming
    /// positive.
    #[must_use]
    pub fn inhibitory(mut self) -> Self {
        self.sign = Some(Sign::Inhibitory);
        self
    }

    /// Gives every neuron parameters of its own, to be set and trained one by one, instead of one value for all.
    #[must_use]
    pub fn per_neuron(mut self) -> Self {
        self.per_neuron = true;
        self
    }

    /// The population's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of neurons.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The name of the neuron model.
    pub fn model(&self) -> &'static str {
        self.model
    }
}

/// A population's membrane state: voltages, the other state variables one after the other, latches.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a, T> {
    pub(crate) v: &'a [T],
    pub(crate) rest: &'a [T],
    pub(crate) latch: &'a [T],
}

/// The same to be written, or its cotangent.
pub(crate) struct BlockMut<'a, T> {
    pub(crate) v: &'a mut [T],
    pub(crate) rest: &'a mut [T],
    pub(crate) latch: &'a mut [T],
}

/// Where a population lies in vectors over all neurons and in the membrane state of a network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) offset: usize,
    pub(crate) size: usize,
    /// Start of its other state variables, and of its latches.
    pub(crate) rest: usize,
    pub(crate) latch: usize,
}

/// What a population's loops need to know besides states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a, T> {
    /// The widest vectors of this machine.
    pub(crate) arch: pulp::Arch,
    pub(crate) h: T,
    /// The explicit method, which is that of what does not relax.
    pub(crate) tableau: Tableau,
    /// The method of models that relax, where it is an exponential one.
    pub(crate) exponential: Option<Exponential>,
    /// The model's parameters, one after the other, each `1` or `size` values.
    pub(crate) parameters: &'a [T],
    pub(crate) per_neuron: bool,
    pub(crate) shape: GateShape,
    pub(crate) width: T,
    /// How the flow of a model with a closed form grows in a step, where it is known, see [`Dynamics::growth`].
    pub(crate) growth: Option<(T, T)>,
    pub(crate) part: Part,
}

impl Part {
    /// Its part of a vector over all neurons.
    #[inline(always)]
    pub(crate) fn of<'x, T>(&self, x: &'x [T]) -> &'x [T] {
        &x[self.offset..][..self.size]
    }

    /// Its part of a membrane state `[v | rest | latches]`, for so many other state variables and latches.
    #[inline(always)]
    pub(crate) fn block<'x, T>(&self, x: &'x [T], (rest, latches): (usize, usize)) -> Block<'x, T> {
        Block {
            v: self.of(x),
            rest: if rest == 0 { &[] } else { &x[self.rest..][..rest] },
            latch: if latches == 0 { &[] } else { &x[self.latch..][..latches] },
        }
    }

    /// The same to be written. The three parts lie in this order, so splitting twice is enough.
    #[inline(always)]
    pub(crate) fn block_mut<'x, T>(
        &self,
        x: &'x mut [T],
        (rest_len, latches): (usize, usize),
    ) -> BlockMut<'x, T> {
        let (x, latch) = x.split_at_mut(if latches == 0 { x.len() } else { self.latch });
        let behind = self.offset + self.size;
        let (v, rest) = x.split_at_mut(behind);
        BlockMut {
            v: &mut v[self.offset..],
            rest: if rest_len == 0 { &mut [] } else { &mut rest[self.rest - behind..][..rest_len] },
            latch: &mut latch[..latches],
        }
    }
}

impl<T: RealField + Copy> Setting<'_, T> {
    /// How many other state variables a population of model `N` has, and how many latches: most have none, which the compiler then
    /// knows.
    #[inline(always)]
    fn lengths<N: Neuron>(&self) -> (usize, usize) {
        let size = self.part.size;
        let latches = if keeps::<N, T>(&params_at::<N, T>(self, size, 0)) { size } else { 0 };
        ((<N::State<T> as Array<T>>::LEN - 1) * size, latches)
    }

    /// The population's part of a membrane state.
    #[inline(always)]
    fn block<'x, N: Neuron>(&self, x: &'x [T]) -> Block<'x, T> {
        self.part.block(x, self.lengths::<N>())
    }

    /// The same to be written.
    #[inline(always)]
    fn block_mut<'x, N: Neuron>(&self, x: &'x mut [T]) -> BlockMut<'x, T> {
        self.part.block_mut(x, self.lengths::<N>())
    }
}

/// The flow of a step, of which every population does its part: vectors over all neurons, and membrane states of the network.
// Populations are handed one pointer to it, because so many arguments would take a good part of a small network's time.
pub(crate) struct Flow<'a, T> {
    pub(crate) before: &'a [T],
    pub(crate) after: &'a mut [T],
    pub(crate) current: &'a [T],
    pub(crate) released: &'a mut Released<T>,
}

/// Its transpose.
pub(crate) struct FlowBar<'a, T> {
    pub(crate) before: &'a [T],
    pub(crate) after: &'a [T],
    pub(crate) current: &'a [T],
    /// Of the population alone, as the cotangents of its charges, which are used up.
    pub(crate) active: Active<'a, T>,
    pub(crate) charge_bar: &'a mut [T],
    /// Of the membrane state: at the end of the step, turned into that at its start.
    pub(crate) bar: &'a mut [T],
    /// Is written.
    pub(crate) current_bar: &'a mut [T],
    /// Of the population alone.
    pub(crate) parameters: ParameterBar<'a, T>,
}

/// Charges released in some steps, for the neurons that released any or stand in the active zone.
// Vectors are written whole groups at a time and longer than what is in them, because to push would take longer.
#[derive(Clone, Debug)]
pub(crate) struct Released<T> {
    len: usize,
    neurons: Vec<u32>,
    charge: Vec<T>,
    /// The gate's density at the start of the step and at its end, which the transpose asks for: sine and cosine come together.
    slopes: [Vec<T>; 2],
    /// Of each neuron, whether a step may have released any: room for the loop that looks for them.
    touched: Vec<u8>,
}

impl<T> Default for Released<T> {
    fn default() -> Self {
        let (neurons, charge, slopes) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        Self { len: 0, neurons, charge, slopes, touched: Vec::new() }
    }
}

impl<T: RealField + Copy> Released<T> {
    /// How many there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all, and makes room to look through so many neurons.
    pub(crate) fn clear(&mut self, size: usize) {
        self.len = 0;
        self.touched.resize(size.next_multiple_of(LANES), 0);
    }

    /// Makes room for so many more.
    pub(crate) fn reserve_exact(&mut self, more: usize) {
        let more = (self.len + more + GROUP).saturating_sub(self.neurons.len());
        self.neurons.reserve_exact(more);
        self.charge.reserve_exact(more);
        self.slopes.iter_mut().for_each(|slopes| slopes.reserve_exact(more));
    }

    /// Makes sure that a population of so many neurons can be added.
    #[inline(always)]
    pub(crate) fn make_room(&mut self, size: usize) {
        let needed = self.len + size + GROUP;
        if needed > self.neurons.len() {
            self.grow(needed);
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        // No more than what was made room for, as long as that is enough.
        let len = if needed <= self.neurons.capacity() {
            self.neurons.capacity().min(2 * needed)
        } else {
            2 * needed
        };
        self.neurons.resize(len, 0);
        self.charge.resize(len, T::zero());
        self.slopes.iter_mut().for_each(|slopes| slopes.resize(len, T::zero()));
    }

    /// Forgets all but the first ones.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Adds a neuron, for which room was made.
    #[inline(always)]
    pub(crate) fn push(&mut self, neuron: usize, charge: T) {
        self.neurons[self.len] = neuron as u32;
        self.charge[self.len] = charge;
        self.len += 1;
    }

    /// Has the last neuron followed by itself, so that what is done to whole groups is done to neurons of its population.
    #[inline(always)]
    fn pad(&mut self) {
        if let Some(last) = self.len.checked_sub(1) {
            let neuron = self.neurons[last];
            self.neurons[self.len..][..GROUP].fill(neuron);
        }
    }

    /// Adds the neurons of which something is true by their voltages at both ends of a step, without any charge yet; compares in
    /// whole vectors.
    #[inline(always)]
    fn look(&mut self, offset: usize, before: &[T], after: &[T], is: impl Fn(usize, T, T) -> bool) {
        let size = before.len();
        let marks = &mut self.touched[..size.next_multiple_of(LANES)];
        let (before, before_rest) = before.as_chunks::<LANES>();
        let (after, after_rest) = after[..size].as_chunks::<LANES>();
        // By lanes, because a search for marks that were written in smaller pieces would wait for them.
        let (blocks, rest) = marks.split_at_mut(before.len() * LANES);
        for (block, marks) in blocks.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            // Copies, which the marks do not overlap.
            let (old, new) = (before[block], after[block]);
            let mut marked = [0; LANES];
            for lane in 0..LANES {
                marked[lane] = u8::from(is(block * LANES + lane, old[lane], new[lane]));
            }
            *marks = marked;
        }
        if !rest.is_empty() {
            rest.fill(0);
            let start = size - before_rest.len();
            for (i, mark) in rest[..before_rest.len()].iter_mut().enumerate() {
                *mark = u8::from(is(start + i, before_rest[i], after_rest[i]));
            }
        }
        self.len += find(marks, offset, &mut self.neurons[self.len..]);
    }

    /// Those of the neurons of one step that belong to one population.
    #[inline(always)]
    pub(crate) fn active(&self, part: &Range<usize>) -> Active<'_, T> {
        let [start, end] = &self.slopes;
        Active { neurons: &self.neurons[part.clone()], slopes: [&start[part.clone()], &end[part.clone()]] }
    }

    /// The neurons and charges of one step.
    #[inline(always)]
    pub(crate) fn part(&self, part: &Range<usize>) -> (&[u32], &[T]) {
        (&self.neurons[part.clone()], &self.charge[part.clone()])
    }
}

/// The neurons of a population that released charge or stand in the active zone, and the gate's densities at both ends.
#[derive(Clone, Copy)]
pub(crate) struct Active<'a, T> {
    pub(crate) neurons: &'a [u32],
    pub(crate) slopes: [&'a [T]; 2],
}

/// Where a population's backward loops add to.
pub(crate) struct ParameterBar<'a, T> {
    /// As [`Setting::parameters`]; `None` where all of them are frozen.
    pub(crate) neuron: Option<&'a mut [T]>,
    /// `None` where it is frozen.
    pub(crate) width: Option<&'a mut T>,
}

/// The method that a model names, as those who take steps know it. Euler stands beside a closed form, which does not ask.
pub(crate) fn method_of(integration: Integration) -> Method {
    match integration {
        Integration::ClosedForm | Integration::Euler => tableau::EULER.into(),
        Integration::RungeKutta4 => tableau::RK4.into(),
        Integration::ExponentialMidpoint => Exponential::Midpoint.into(),
    }
}

/// The loops over a population, behind which its model's type disappears.
pub(crate) trait Dynamics<T>: Debug + Send + Sync {
    fn model(&self) -> &'static str;
    fn dim(&self) -> usize;
    fn parameters(&self) -> &'static [Parameter];
    /// The method that the model names.
    fn integration(&self) -> Integration;
    /// `(exp(a h) - 1) / a` and its derivative by `a` for a closed form whose rate `a` all neurons share.
    fn growth(&self, at: &Setting<'_, T>) -> Option<(T, T)>;
    /// Whether its resets are located on the dense output of the step.
    fn is_located(&self) -> bool;
    /// Whether a neuron keeps a number besides its state: the charge of its latch, or what is left of its refractory time.
    fn keeps(&self, at: &Setting<'_, T>) -> bool;
    fn reset(&self, at: &Setting<'_, T>, i: usize) -> Reset<T>;
    /// Adds the cotangents of threshold and reset voltage to those of one neuron's parameters.
    fn reset_vjp(&self, threshold_bar: T, value_bar: T, params_bar: &mut [T]);

    fn single(&self) -> &'static dyn Dynamics<f32>;
    fn double(&self) -> &'static dyn Dynamics<f64>;
    fn dual(&self) -> &'static dyn Dynamics<Dual64>;

    /// The latches that go with voltages at the start of a trial.
    fn start(&self, at: &Setting<'_, T>, x: BlockMut<'_, T>);
    fn start_vjp(&self, at: &Setting<'_, T>, v: &[T], bar: BlockMut<'_, T>, parameters: ParameterBar<'_, T>);

    /// The split step's flow with the current held, equation (18): `before` to `after`, and the charge released.
    fn forward(&self, at: &Setting<'_, T>, flow: &mut Flow<'_, T>);

    /// Its transpose, equation (24).
    fn backward(&self, at: &Setting<'_, T>, flow: &mut FlowBar<'_, T>);

    /// Spikes of a neuron in a step that took it from `before` to `after` and released `charge`.
    fn spikes(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        i: usize,
        charge: T,
    ) -> u64;

    /// Calls `visit` with the times of the `count` spikes of neuron `i` in such a step, with `current` held, since its start and
    /// in order; with no more than [`Spike::EACH`](crate::Spike::EACH) of them where they are many. Located resets say when; a
    /// voltage that wraps or passes threshold by itself does so where the straight line through both ends of the step does.
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
    fn spike_times(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: T,
        i: usize,
        count: u64,
        visit: &mut dyn FnMut(T),
    );

    /// Logs what a neuron did in a step that took it from `before` to `after` and released `charge`: whether it touched the zone,
    /// its spikes, which are returned, and whether they grazed the threshold. `neuron` is where the population begins and which of its
    /// neurons this is.
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
    fn log_crossing(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: T,
        neuron: (usize, usize),
        charge: T,
        log: &mut EventLog,
    ) -> u64;

    /// Logs the events of a step; `charge_of` is zero for neurons that released nothing.
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
    fn events(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: &[T],
        offset: usize,
        charge_of: &dyn Fn(usize) -> T,
        log: &mut EventLog,
    );

    /// The plain field's right-hand side.
    fn rhs(&self, at: &Setting<'_, T>, x: Block<'_, T>, current: &[T], f: BlockMut<'_, T>);
    /// Its transpose; writes `current_bar`.
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    fn rhs_vjp(
        &self,
        at: &Setting<'_, T>,
        x: Block<'_, T>,
        current: &[T],
        f_bar: Block<'_, T>,
        bar: BlockMut<'_, T>,
        current_bar: &mut [T],
        parameters: ParameterBar<'_, T>,
    );

    /// The charge `Q(v)` since the last reset, equations (14), (34).
    fn charge(&self, at: &Setting<'_, T>, x: Block<'_, T>, total: &mut [T]);
    fn charge_vjp(
        &self,
        at: &Setting<'_, T>,
        x: Block<'_, T>,
        total_bar: &[T],
        bar: BlockMut<'_, T>,
        parameters: ParameterBar<'_, T>,
    );
    /// Wraps voltages and restarts latches after a step of the plain field; `shift` is the charge that leaves `Q`.
    fn settle(&self, at: &Setting<'_, T>, x: BlockMut<'_, T>, shift: &mut [T]);
    /// Its transpose, for the state `x` before settling.
    fn settle_vjp(
        &self,
        at: &Setting<'_, T>,
        x: Block<'_, T>,
        shift_bar: &[T],
        bar: BlockMut<'_, T>,
        parameters: ParameterBar<'_, T>,
    );
    /// Logs the smooth pieces of `Q` at a state.
    fn pieces(&self, at: &Setting<'_, T>, x: Block<'_, T>, log: &mut EventLog);

    /// Logs zone and spikes of a step of the plain field, from a settled state to one before settling.
    fn plain_events(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        offset: usize,
        log: &mut EventLog,
    );

    /// Writes the gate density `g(v)`, zero where a latch holds the charge.
    fn density(&self, at: &Setting<'_, T>, x: Block<'_, T>, g: &mut [T]);
    /// The factor by which the continuous adjoint jumps, backwards, at a spike of a model with a closed form (equation (32)).
    fn jump(&self, at: &Setting<'_, T>, current: T, i: usize) -> T;
}

/// The loops over neurons of model `N`. Those of a step are compiled for the machine's widest vectors: what they call
/// must be inlined into them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model<N>(pub(crate) PhantomData<N>);

/// Runs `f`, compiled for every width of vectors. Scalars that are wider than `f64`, as dual numbers are, gain nothing from
/// that, so that their loops are compiled once.
#[inline(always)]
pub(crate) fn vectorise<T, F: pulp::NullaryFnOnce>(arch: pulp::Arch, f: F) -> F::Output {
    if const { is_wide::<T>() } { f.call() } else { dispatch(arch, f) }
}

/// Whether a scalar is wider than `f64`. As a constant, it decides what is compiled.
const fn is_wide<T>() -> bool {
    size_of::<T>() > size_of::<f64>()
}

#[inline(always)]
pub(crate) fn params_at<N: Neuron, T: RealField + Copy>(
    at: &Setting<'_, T>,
    size: usize,
    i: usize,
) -> N::Params<T> {
    let (stride, i) = if at.per_neuron { (size, i) } else { (1, 0) };
    N::Params::<T>::from_fn(|j| at.parameters[j * stride + i])
}

#[inline(always)]
pub(crate) fn add_params<N: Neuron, T: RealField + Copy>(
    at: &Setting<'_, T>,
    size: usize,
    i: usize,
    add: &N::Params<T>,
    target: &mut [T],
) {
    let (stride, i) = if at.per_neuron { (size, i) } else { (1, 0) };
    for (j, &a) in add.as_ref().iter().enumerate() {
        target[j * stride + i] += a;
    }
}

#[inline(always)]
pub(crate) fn state_at<N: Neuron, T: RealField + Copy>(v: &[T], rest: &[T], i: usize) -> N::State<T> {
    let size = v.len();
    N::State::<T>::from_fn(|c| if c == 0 { v[i] } else { rest[(c - 1) * size + i] })
}

#[inline(always)]
pub(crate) fn put_state<N: Neuron, T: RealField + Copy>(
    x: &N::State<T>,
    v: &mut [T],
    rest: &mut [T],
    i: usize,
) {
    let size = v.len();
    for (c, &value) in x.as_ref().iter().enumerate() {
        if c == 0 {
            v[i] = value;
        } else {
            rest[(c - 1) * size + i] = value;
        }
    }
}

#[inline(always)]
pub(crate) fn gate_of<N: Neuron, T: RealField + Copy>(
    at: &Setting<'_, T>,
    params: &N::Params<T>,
) -> (Gate<T>, Reset<T>) {
    let reset = N::reset(params);
    (Gate { shape: at.shape, width: at.width, threshold: reset.threshold() }, reset)
}

/// Whether a neuron keeps a number besides its state.
#[inline(always)]
fn keeps<N: Neuron, T: RealField + Copy>(params: &N::Params<T>) -> bool {
    matches!(N::reset(params), Reset::Latch { .. }) || N::refractory(params).is_some()
}

#[inline(always)]
pub(crate) fn zeros<T: RealField + Copy, A: Array<T>>() -> A {
    A::from_fn(|_| T::zero())
}

/// The affine coefficients of a model that says it has them.
#[inline(always)]
fn affine<N: Neuron, T: RealField + Copy>(params: &N::Params<T>, current: T) -> Affine<T> {
    let f = |v: T, current: T| N::rhs(params, &N::State::<T>::from_fn(|_| v), current).as_ref()[0];
    // The rate does not depend on the current, and is taken without it to be the same to the bit for all neurons.
    Affine { a: f(T::one(), T::zero()) - f(T::zero(), T::zero()), c: f(T::zero(), current) }
}

/// How the flow of [`affine`] grows in a step, and the derivative of that by its rate.
#[inline(always)]
fn growth<N: Neuron, T: RealField + Copy>(at: &Setting<'_, T>, params: &N::Params<T>) -> (T, T) {
    let flow = affine::<N, T>(params, T::zero());
    (flow.phi(at.h), flow.phi_by_a(at.h))
}

/// The first of [`growth`], alone where it is not known.
#[inline(always)]
fn phi<N: Neuron, T: RealField + Copy>(at: &Setting<'_, T>, params: &N::Params<T>) -> T {
    at.growth.map_or_else(|| affine::<N, T>(params, T::zero()).phi(at.h), |(phi, _)| phi)
}

/// The transpose of [`affine`]: adds to the parameters and returns the cotangent of the current.
#[inline(always)]
fn affine_vjp<N: NeuronVjp, T: RealField + Copy>(
    params: &N::Params<T>,
    current: T,
    bar: &AffineBar<T>,
    params_bar: &mut N::Params<T>,
) -> T {
    let mut x_bar = zeros::<T, N::State<T>>();
    let mut by = |v: T, current: T, f_bar: T| {
        let (x, f_bar) = (N::State::<T>::from_fn(|_| v), N::State::<T>::from_fn(|_| f_bar));
        N::rhs_vjp(params, &x, current, &f_bar, &mut x_bar, params_bar)
    };
    by(T::one(), T::zero(), bar.a);
    by(T::zero(), T::zero(), -bar.a);
    by(T::zero(), current, bar.c)
}

/// One smooth step of one neuron with its current held.
#[inline(always)]
fn flow<N: Neuron, T: RealField + Copy, const EULER: bool>(
    at: &Setting<'_, T>,
    params: &N::Params<T>,
    mut x: N::State<T>,
    current: T,
) -> N::State<T> {
    if EULER {
        let f = N::rhs(params, &x, current);
        for (x, &f) in x.as_mut().iter_mut().zip(f.as_ref()) {
            *x += at.h * f;
        }
        return x;
    }
    let (mut points, mut slopes) = ([x; MAX_STAGES], [x; MAX_STAGES]);
    at.tableau.step(at.h, &mut x, &mut points, &mut slopes, |_, x, f| *f = N::rhs(params, x, current));
    x
}

/// The transpose of [`flow`]: turns `bar` of the end into that of the start and returns the current's cotangent.
#[inline(always)]
fn flow_vjp<N: NeuronVjp, T: RealField + Copy, const EULER: bool>(
    at: &Setting<'_, T>,
    params: &N::Params<T>,
    x: N::State<T>,
    current: T,
    bar: &mut N::State<T>,
    params_bar: &mut N::Params<T>,
) -> T {
    if EULER {
        let f_bar = N::State::<T>::from_fn(|c| at.h * bar.as_ref()[c]);
        return N::rhs_vjp(params, &x, current, &f_bar, bar, params_bar);
    }
    let (mut points, mut slopes) = ([x; MAX_STAGES], [x; MAX_STAGES]);
    let mut end = x;
    at.tableau.step(at.h, &mut end, &mut points, &mut slopes, |_, x, f| *f = N::rhs(params, x, current));
    let (mut points_bar, mut slope_bar) = ([zeros::<T, N::State<T>>(); MAX_STAGES], x);
    let mut current_bar = T::zero();
    at.tableau.step_vjp(at.h, &points, bar, &mut points_bar, &mut slope_bar, |_, x, f_bar, x_bar| {
        current_bar += N::rhs_vjp(params, x, current, f_bar, x_bar, params_bar);
    });
    current_bar
}

/// [`flow`] by an exponential method, equation (64).
#[inline(always)]
fn relaxed_flow<N: Neuron, T: RealField + Copy>(
    at: &Setting<'_, T>,
    method: Exponential,
    params: &N::Params<T>,
    x: N::State<T>,
    current: T,
) -> N::State<T> {
    method.step(at.h, x, |x, slope, relaxation| {
        (*slope, *relaxation) = (N::rhs(params, x, current), N::relaxation(params, x));
    })
}

/// The transpose of [`relaxed_flow`], as [`flow_vjp`].
#[inline(always)]
fn relaxed_flow_vjp<N: NeuronVjp, T: RealField + Copy>(
    at: &Setting<'_, T>,
    method: Exponential,
    params: &N::Params<T>,
    x: N::State<T>,
    current: T,
    bar: &mut N::State<T>,
    params_bar: &mut N::Params<T>,
) -> T {
    let mut current_bar = T::zero();
    method.step_vjp(
        at.h,
        x,
        bar,
        |x, slope, relaxation| {
            (*slope, *relaxation) = (N::rhs(params, x, current), N::relaxation(params, x));
        },
        |x, slope_bar, relaxation_bar, x_bar| {
            current_bar += N::rhs_vjp(params, x, current, slope_bar, x_bar, params_bar);
            N::relaxation_vjp(params, x, relaxation_bar, x_bar, params_bar);
        },
    );
    current_bar
}

/// `Q` since the last reset for a voltage that has not been wrapped yet, and the whole spikes in it.
#[inline(always)]
fn total<T: RealField + Copy>(gate: &Gate<T>, reset: &Reset<T>, v: T, latch: T) -> (T, T) {
    if let Reset::Latch { .. } = reset {
        let charge = gate.charge(v);
        return (if charge > latch { charge } else { latch }, T::zero());
    }
    let whole = turns(reset, v);
    (whole + gate.charge(v - whole), whole)
}

/// How often a voltage has passed threshold and not been wrapped yet.
#[inline(always)]
fn turns<T: RealField + Copy>(reset: &Reset<T>, v: T) -> T {
    match reset {
        Reset::Periodic => floor(v),
        Reset::Subtract => floor(if v > T::zero() { v } else { T::zero() }),
        Reset::To { .. } | Reset::Latch { .. } => T::zero(),
    }
}

/// [`flow`] of all neurons.
// As a function of its own, because the compiler then knows that its arguments do not overlap.
#[inline(always)]
fn flow_all<N: Neuron, T: RealField + Copy, const EULER: bool>(
    at: &Setting<'_, T>,
    before: &[T],
    before_rest: &[T],
    current: &[T],
    v: &mut [T],
    rest: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) {
    let size = v.len();
    let (before, current) = (&before[..size], &current[..size]);
    for i in 0..size {
        let x = state_at::<N, T>(before, before_rest, i);
        put_state::<N, T>(&flow::<N, T, EULER>(at, &params(i), x, current[i]), v, rest, i);
    }
}

/// Finds the neurons that are marked by a one, upwards, without a branch, and numbers them from `offset` on; returns how many they
/// are. Marks come in whole chunks, and whole chunks are written.
#[inline(always)]
fn find(marks: &[u8], offset: usize, found: &mut [u32]) -> usize {
    // Moves the lowest bit of byte `k` to bit `k` of the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (mut room, mut first) = (found, [offset as u32; CHUNK]);
    let size = room.len();
    for &marks in marks.as_chunks::<CHUNK>().0 {
        let ones = (u64::from_le_bytes(marks).wrapping_mul(GATHER) >> (u64::BITS - u8::BITS)) as u8;
        // All of them are written, so that the compiler knows how many.
        let (neurons, set) = (&mut room[..CHUNK], &SET[usize::from(ones)]);
        for k in 0..CHUNK {
            neurons[k] = first[k] + set[k];
            first[k] += CHUNK as u32;
        }
        room = &mut room[ones.count_ones() as usize..];
    }
    size - room.len()
}

/// One number of each of some neurons.
#[inline(always)]
fn gather<T: Copy, const G: usize>(of: &[T], offset: usize, neurons: &[u32; G]) -> [T; G] {
    std::array::from_fn(
        #[inline(always)]
        |lane| of[neurons[lane] as usize - offset],
    )
}

/// The same for at most so many neurons, of which there is at least one; the last one's fills up the vector. Its
/// length is fixed, so that it need not be put together in memory.
#[inline(always)]
fn gathered<T: Copy, const G: usize>(of: &[T], offset: usize, neurons: &[u32]) -> [T; G] {
    std::array::from_fn(
        #[inline(always)]
        |lane| of[neurons[lane.min(neurons.len() - 1)] as usize - offset],
    )
}

/// Resets those of `neurons` that reach threshold in a step, whose voltages `after` are those that they would have at its end
/// without a reset, and writes how many spikes there were; in the vectors of [`add_charges`].
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
fn fire<N: Neuron, T: RealField + Copy, const G: usize>(
    at: &Setting<'_, T>,
    before: &[T],
    current: &[T],
    after: &mut [T],
    offset: usize,
    neurons: &[u32],
    spikes: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) {
    for (neurons, spikes) in neurons.chunks(G).zip(spikes.chunks_mut(G)) {
        let p = params(neurons[0] as usize - offset);
        let reset = hard_reset::<N, T>(&p);
        let phi = phi::<N, T>(at, &p);
        let (start, smooth) =
            (gathered::<T, G>(before, offset, neurons), gathered::<T, G>(after, offset, neurons));
        let input = gathered::<T, G>(current, offset, neurons);
        let (mut ends, mut fires, mut repeats) = (smooth, [T::zero(); G], [0; G]);
        for lane in 0..G {
            let spike = affine::<N, T>(&p, input[lane]).spike(reset, start[lane], smooth[lane], phi);
            ends[lane] = spike.end;
            fires[lane] = if spike.fires { T::one() } else { T::zero() };
            repeats[lane] = u8::from(spike.repeats);
        }
        let any = repeats != [0; G];
        for (lane, (&neuron, spikes)) in neurons.iter().zip(spikes).enumerate() {
            (after[neuron as usize - offset], *spikes) = if any {
                affine::<N, T>(&p, input[lane]).step_by(reset, start[lane], at.h, phi)
            } else {
                (ends[lane], fires[lane])
            };
        }
    }
}

/// The transpose of what [`fire`] does to the voltages, for neurons that are to take the step without a reset after this: turns the
/// cotangents of their ends into those of the ends without a reset, writes what spikes add to those of currents, and adds to
/// those of the parameters. Neurons whose spikes are not simple are left aside, their cotangents in the place of those of the
/// currents; returns whether there are any.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
fn fire_vjp<N: NeuronVjp, T: RealField + Copy, const G: usize>(
    at: &Setting<'_, T>,
    train: bool,
    before: &[T],
    current: &[T],
    offset: usize,
    neurons: &[u32],
    v_bar: &mut [T],
    current_bar: &mut [T],
    neuron_bar: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) -> bool {
    let mut any_apart = false;
    for neurons in neurons.chunks(G) {
        let p = params(neurons[0] as usize - offset);
        let reset = hard_reset::<N, T>(&p);
        let phi = phi::<N, T>(at, &p);
        let (v, input) =
            (gathered::<T, G>(before, offset, neurons), gathered::<T, G>(current, offset, neurons));
        let mut bars = gathered::<T, G>(v_bar, offset, neurons);
        let (mut by_current, mut apart) = ([T::zero(); G], [0; G]);
        let mut by_params = [zeros::<T, N::Params<T>>(); G];
        for lane in 0..G {
            let flow = affine::<N, T>(&p, input[lane]);
            let spike = flow.spike(reset, v[lane], flow.advance_by(v[lane], phi), phi);
            let (mut bar, end_bar) = (AffineBar::zero(), bars[lane]);
            let smooth_bar = flow.spike_vjp(reset, &spike, end_bar, &mut bar);
            let add = affine_vjp::<N, T>(&p, input[lane], &bar, &mut by_params[lane]);
            N::reset_vjp(bar.threshold, bar.value, &mut by_params[lane]);
            let simple = spike.is_simple();
            bars[lane] = if simple { smooth_bar } else { T::zero() };
            by_current[lane] = if simple { add } else { end_bar };
            apart[lane] = u8::from(!simple);
        }
        any_apart |= apart[..neurons.len()].contains(&1);
        for (lane, &neuron) in neurons.iter().enumerate() {
            let i = neuron as usize - offset;
            (v_bar[i], current_bar[i]) = (bars[lane], by_current[lane]);
            if train && apart[lane] == 0 {
                add_params::<N, T>(at, before.len(), i, &by_params[lane], neuron_bar);
            }
        }
    }
    any_apart
}

/// Wraps the voltages of the neurons that are on the list from number `first` on, adds the spikes of that and `G(v') - G(v)` to
/// their charges and keeps the densities `g(v)` and `g(v')`. With a latch the charges are known already. Voltages lie scattered,
/// so they are gathered into vectors of `G`, one by one where neurons have parameters of their own.
#[inline(always)]
pub(crate) fn add_charges<N: Neuron, T: RealField + Copy, const G: usize>(
    at: &Setting<'_, T>,
    before: &[T],
    after: &mut [T],
    offset: usize,
    first: usize,
    released: &mut Released<T>,
    params: impl Fn(usize) -> N::Params<T>,
) {
    released.pad();
    let Released { len, neurons, charge, slopes: [starts, ends], .. } = released;
    // Whole groups: a list is longer than what is in it.
    let groups = first..first + (*len - first).next_multiple_of(G);
    let neurons = neurons[groups.clone()].as_chunks::<G>().0.iter();
    let charges = charge[groups.clone()].as_chunks_mut::<G>().0.iter_mut();
    let starts = starts[groups.clone()].as_chunks_mut::<G>().0.iter_mut();
    let ends = ends[groups].as_chunks_mut::<G>().0.iter_mut();
    for (((neurons, charges), starts), ends) in neurons.zip(charges).zip(starts).zip(ends) {
        let (gate, reset) = gate_of::<N, T>(at, &params(neurons[0] as usize - offset));
        let (old, new) = (gather(before, offset, neurons), gather(after, offset, neurons));
        let [mut released, mut wrapped] = [[T::zero(); G]; 2];
        let mut slopes = [[T::zero(); G]; 2];
        // The last neuron fills up its group: nothing that is done to it depends on how many there are.
        gate.shape.known(
            #[inline(always)]
            |shape| {
                let gate = Gate { shape, ..gate };
                for lane in 0..G {
                    let whole = turns(&reset, new[lane]);
                    let (start, end) = (old[lane], new[lane] - whole);
                    let moved = gate.charge(end) - gate.charge(start);
                    released[lane] = whole + moved;
                    (slopes[0][lane], slopes[1][lane]) = (gate.density(start), gate.density(end));
                    wrapped[lane] = end;
                }
            },
        );
        match reset {
            Reset::Periodic | Reset::Subtract => *charges = released,
            Reset::To { .. } => {
                for (charge, moved) in charges.iter_mut().zip(released) {
                    *charge += moved;
                }
            }
            Reset::Latch { .. } => {}
        }
        [*starts, *ends] = slopes;
        if matches!(reset, Reset::Periodic | Reset::Subtract) {
            for lane in 0..G {
                after[neurons[lane] as usize - offset] = wrapped[lane];
            }
        }
    }
}

/// Where [`add_slopes`] adds to.
struct GateBar<'a, T> {
    v: &'a mut [T],
    neuron: &'a mut [T],
    width: Option<&'a mut T>,
}

/// The transpose of [`add_charges`]: adds the cotangents of the charges to the voltages at the end of the step, the gate's width
/// and, with `train`, its threshold, and turns them into what they add to the voltages at its start. With a latch, a charge
/// depends on that in place of the start, which is left out.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
fn add_slopes<N: NeuronVjp, T: RealField + Copy>(
    at: &Setting<'_, T>,
    train: bool,
    latched: bool,
    before: &[T],
    after: &[T],
    offset: usize,
    active: Active<'_, T>,
    charge_bar: &mut [T],
    mut bar: GateBar<'_, T>,
    params: impl Fn(usize) -> N::Params<T>,
) {
    let slopes = active.slopes[0].iter().zip(active.slopes[1]);
    for ((&neuron, (&start, &end)), charge_bar) in active.neurons.iter().zip(slopes).zip(charge_bar) {
        let i = neuron as usize - offset;
        let end = end * *charge_bar;
        let start = if latched { T::zero() } else { -start * *charge_bar };
        bar.v[i] += end;
        *charge_bar = start;
        if let Some(width) = &mut bar.width {
            // dG/dDelta = g (1 - u)
            let (gate, _) = gate_of::<N, T>(at, &params(i));
            let rest = |v: T| T::one() - gate.position(v);
            **width += end * rest(after[i]) + start * rest(before[i]);
        }
        if train {
            let mut params_bar = zeros::<T, N::Params<T>>();
            N::reset_vjp(-(end + start), T::zero(), &mut params_bar);
            add_params::<N, T>(at, after.len(), i, &params_bar, bar.neuron);
        }
    }
}

impl<N: NeuronVjp> Model<N> {
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    fn forward_loop<T: RealField + Copy, const G: usize>(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: BlockMut<'_, T>,
        current: &[T],
        offset: usize,
        released: &mut Released<T>,
        params: impl Fn(usize) -> N::Params<T>,
    ) {
        let size = before.v.len();
        let BlockMut { v, rest, latch } = after;
        let (current, before_v) = (&current[..size], &before.v[..size]);
        let v = &mut v[..size];
        let first = released.len;
        released.make_room(size);
        // Where the active zone begins.
        let all = gate_of::<N, T>(at, &params(0)).0.lower();
        let lower = |i: usize| if G > 1 { all } else { gate_of::<N, T>(at, &params(i)).0.lower() };
        if let Reset::To { .. } = N::reset(&params(0)) {
            // Where all neurons would be without a reset.
            if let Some((phi, _)) = at.growth {
                let p = params(0);
                for i in 0..size {
                    v[i] = affine::<N, T>(&p, current[i]).advance_by(before_v[i], phi);
                }
            } else {
                for i in 0..size {
                    v[i] = affine::<N, T>(&params(i), current[i]).advance(before_v[i], at.h);
                }
            }
            latch.fill(T::zero());
            let refractory = |i: usize| N::refractory(&params(i)).is_some();
            let waits = |i: usize| if refractory(i) { before.latch[i] } else { T::zero() };
            // Few neurons are near threshold: they are found by comparing vectors.
            let near = |i: usize, new: T, old: T| {
                let lower = lower(i);
                (new > lower) | (old > lower)
            };
            released.look(
                offset,
                before_v,
                v,
                #[inline(always)]
                |i, old, new| near(i, new, old) | (waits(i) > T::zero()),
            );
            if N::refractory(&params(0)).is_none() {
                let part = first..released.len;
                let (neurons, charge) = (&released.neurons[part.clone()], &mut released.charge[part]);
                fire::<N, T, G>(at, before_v, current, v, offset, neurons, charge, &params);
                add_charges::<N, T, G>(at, before_v, v, offset, first, released, params);
                return;
            }
            // Some that wait release nothing: they are taken off the list.
            for k in first..std::mem::replace(&mut released.len, first) {
                let i = released.neurons[k] as usize - offset;
                let (p, old) = (params(i), before_v[i]);
                let Some(refractory) = N::refractory(&p) else { continue };
                let (affine, reset) = (affine::<N, T>(&p, current[i]), hard_reset::<N, T>(&p));
                let (wait, mut spikes) = (waits(i), T::zero());
                if wait > T::zero() || v[i] >= reset.threshold {
                    (v[i], latch[i], spikes) = affine.step_refractory(reset, refractory, (old, wait), at.h);
                }
                if spikes > T::zero() || near(i, v[i], old) {
                    released.push(offset + i, spikes);
                }
            }
            add_charges::<N, T, G>(at, before_v, v, offset, first, released, params);
            return;
        }
        // Branches on the method stand outside the loops, so that these vectorise.
        if N::RELAXES
            && let Some(method) = at.exponential
        {
            for i in 0..size {
                let x = state_at::<N, T>(before_v, before.rest, i);
                put_state::<N, T>(&relaxed_flow::<N, T>(at, method, &params(i), x, current[i]), v, rest, i);
            }
        } else if at.tableau.stages() == 1 {
            flow_all::<N, T, true>(at, before_v, before.rest, current, v, rest, &params);
        } else {
            flow_all::<N, T, false>(at, before_v, before.rest, current, v, rest, &params);
        }
        if let Reset::Latch { .. } = N::reset(&params(0)) {
            for i in 0..size {
                let (gate, reset) = gate_of::<N, T>(at, &params(i));
                let held = before.latch[i];
                let (charge, _) = total(&gate, &reset, v[i], held);
                latch[i] = if v[i] > gate.lower() { charge } else { T::zero() };
                if charge > held {
                    released.push(offset + i, charge - held);
                }
            }
        } else {
            // Few neurons are near threshold: they are found by comparing vectors.
            let periodic = matches!(N::reset(&params(0)), Reset::Periodic);
            released.look(
                offset,
                before_v,
                v,
                #[inline(always)]
                |i, old, new| {
                    let lower = lower(i);
                    (new > lower) | (old > lower) | (periodic & (new < T::zero()))
                },
            );
        }
        add_charges::<N, T, G>(at, before_v, v, offset, first, released, params);
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    fn backward_loop<T: RealField + Copy, const G: usize>(
        &self,
        at: &Setting<'_, T>,
        train: bool,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: &[T],
        offset: usize,
        active: Active<'_, T>,
        charge_bar: &mut [T],
        bar: BlockMut<'_, T>,
        current_bar: &mut [T],
        neuron_bar: &mut [T],
        width: Option<&mut T>,
        params: impl Fn(usize) -> N::Params<T>,
    ) {
        let size = before.v.len();
        let BlockMut { v: v_bar, rest: rest_bar, latch: latch_bar } = bar;
        let (v_bar, current_bar) = (&mut v_bar[..size], &mut current_bar[..size]);
        let (current, before_v, after_v) = (&current[..size], &before.v[..size], &after.v[..size]);
        let latched = matches!(N::reset(&params(0)), Reset::Latch { .. });

        // A restarted latch is a constant: its cotangent ends here.
        if latched {
            for i in 0..size {
                let (gate, _) = gate_of::<N, T>(at, &params(i));
                if !(after_v[i] > gate.lower()) {
                    latch_bar[i] = T::zero();
                }
            }
        }
        // What the charge depends on: the end of the step now, its start after the flow.
        if latched {
            for (&neuron, charge_bar) in active.neurons.iter().zip(&mut *charge_bar) {
                let latch_bar = &mut latch_bar[neuron as usize - offset];
                (*charge_bar, *latch_bar) = (*charge_bar + *latch_bar, -*charge_bar);
            }
        }
        let gate_bar = GateBar { v: &mut *v_bar, neuron: &mut *neuron_bar, width };
        add_slopes::<N, T>(
            at, train, latched, before_v, after_v, offset, active, charge_bar, gate_bar, &params,
        );
        // The flow.
        if const { N::LOCATED } {
            let bar = BlockMut { v: &mut *v_bar, rest: &mut *rest_bar, latch: &mut *latch_bar };
            let neuron_bar = if train { Some(&mut *neuron_bar) } else { None };
            located::flow_vjp::<N, T>(at, before, current, bar, current_bar, neuron_bar);
        } else if let Reset::To { .. } = N::reset(&params(0)) {
            let neuron_bar = &mut *neuron_bar;
            // All neurons take the step without a reset, in vectors. A spike is a factor on the cotangent that goes there, and
            // adds to that of the current. What is not as simple is done apart: its cotangent waits in that of the current.
            current_bar.fill(T::zero());
            let waits = |i: usize| N::refractory(&params(i)).is_some() && before.latch[i] > T::zero();
            let mut any_apart = false;
            if N::refractory(&params(0)).is_none() {
                any_apart = fire_vjp::<N, T, G>(
                    at,
                    train,
                    before_v,
                    current,
                    offset,
                    active.neurons,
                    v_bar,
                    current_bar,
                    neuron_bar,
                    &params,
                );
            } else {
                for i in 0..size {
                    let p = params(i);
                    let flow = affine::<N, T>(&p, current[i]);
                    let end = flow.advance_by(before_v[i], phi::<N, T>(at, &p));
                    let (apart, bar) = ((end >= N::reset(&p).threshold()) | waits(i), v_bar[i]);
                    current_bar[i] = if apart { bar } else { T::zero() };
                    v_bar[i] = if apart { T::zero() } else { bar };
                    latch_bar[i] = if apart { latch_bar[i] } else { -flow.rhs(end) * bar };
                    any_apart |= apart;
                }
            }
            macro_rules! smooth {
                ($i:ident, $p:expr, $growth:expr) => {
                    for $i in 0..size {
                        let p = $p;
                        let (flow, growth) = (affine::<N, T>(&p, current[$i]), $growth(&p));
                        let mut bar = AffineBar::zero();
                        let start_bar = flow.advance_by_vjp(before_v[$i], growth, v_bar[$i], &mut bar);
                        let mut params_bar = zeros::<T, N::Params<T>>();
                        current_bar[$i] += affine_vjp::<N, T>(&p, current[$i], &bar, &mut params_bar);
                        v_bar[$i] = start_bar;
                        if train {
                            add_params::<N, T>(at, size, $i, &params_bar, neuron_bar);
                        }
                    }
                };
            }
            if let Some(shared) = at.growth {
                let p = params(0);
                smooth!(i, p, |_| shared);
            } else {
                smooth!(i, params(i), |p| growth::<N, T>(at, p));
            }
            // A neuron that fires is on the list; one that waits need not be.
            let apart = |&i: &usize| {
                let p = params(i);
                let (flow, reset, phi) =
                    (affine::<N, T>(&p, current[i]), hard_reset::<N, T>(&p), phi::<N, T>(at, &p));
                let smooth = flow.advance_by(before_v[i], phi);
                if N::refractory(&p).is_some() {
                    smooth >= reset.threshold && !waits(i)
                } else {
                    !flow.spike(reset, before_v[i], smooth, phi).is_simple()
                }
            };
            let active = if any_apart { active.neurons } else { &[] };
            let firing = active.iter().map(|&neuron| neuron as usize - offset).filter(apart);
            for i in firing.chain((0..before.latch.len()).filter(|&i| waits(i))) {
                let p = params(i);
                let (flow, reset) = (affine::<N, T>(&p, current[i]), hard_reset::<N, T>(&p));
                let (mut bar, end_bar) = (AffineBar::zero(), current_bar[i]);
                if let Some(refractory) = N::refractory(&p) {
                    let (start, bars) = ((before_v[i], before.latch[i]), (end_bar, latch_bar[i]));
                    flow.step_refractory_vjp(reset, refractory, start, at.h, bars, &mut bar);
                    latch_bar[i] = bar.wait;
                } else {
                    flow.step_vjp(reset, before_v[i], at.h, end_bar, &mut bar);
                }
                v_bar[i] = bar.v;
                let mut params_bar = zeros::<T, N::Params<T>>();
                current_bar[i] = affine_vjp::<N, T>(&p, current[i], &bar, &mut params_bar);
                if train {
                    N::reset_vjp(bar.threshold, bar.value, &mut params_bar);
                    N::refractory_vjp(bar.refractory, &mut params_bar);
                    add_params::<N, T>(at, size, i, &params_bar, neuron_bar);
                }
            }
        } else {
            // The flow stands in the loop itself: a closure might not be inlined into the wide vectors.
            macro_rules! run {
                (|$p:ident, $x:ident, $current:ident, $x_bar:ident, $p_bar:ident| $flow:expr) => {
                    for i in 0..size {
                        let ($p, $current) = (&params(i), current[i]);
                        let $x = state_at::<N, T>(before_v, before.rest, i);
                        let $x_bar = &mut state_at::<N, T>(v_bar, rest_bar, i);
                        let $p_bar = &mut zeros::<T, N::Params<T>>();
                        current_bar[i] = $flow;
                        put_state::<N, T>($x_bar, v_bar, rest_bar, i);
                        if train {
                            add_params::<N, T>(at, size, i, $p_bar, neuron_bar);
                        }
                    }
                };
            }
            if N::RELAXES
                && let Some(method) = at.exponential
            {
                run!(|p, x, i, x_bar, p_bar| relaxed_flow_vjp::<N, T>(at, method, p, x, i, x_bar, p_bar));
            } else if at.tableau.stages() == 1 {
                run!(|p, x, i, x_bar, p_bar| flow_vjp::<N, T, true>(at, p, x, i, x_bar, p_bar));
            } else {
                run!(|p, x, i, x_bar, p_bar| flow_vjp::<N, T, false>(at, p, x, i, x_bar, p_bar));
            }
        }
        if !latched {
            for (&neuron, &start_bar) in active.neurons.iter().zip(&*charge_bar) {
                v_bar[neuron as usize - offset] += start_bar;
            }
        }
    }
}

/// A population's part of a [`Flow`] or of its transpose. A closure that only borrows reaches the wide vectors through a shim that
/// is not inlined, and so never sees them; this is a closure written out.
struct Loops<'s, 'p, F, N, T> {
    at: &'s Setting<'p, T>,
    flow: &'s mut F,
    model: &'s Model<N>,
}

impl<N: NeuronVjp, T: RealField + Copy> NullaryFnOnce for Loops<'_, '_, Flow<'_, T>, N, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { at, flow, model } = self;
        let (before, after) = (at.block::<N>(flow.before), at.block_mut::<N>(flow.after));
        let (Part { offset, size, .. }, current) = (at.part, at.part.of(flow.current));
        if const { is_wide::<T>() } || at.per_neuron {
            let params = |i| params_at::<N, T>(at, size, i);
            model.forward_loop::<T, 1>(at, before, after, current, offset, flow.released, params);
        } else {
            let p = params_at::<N, T>(at, size, 0);
            model.forward_loop::<T, GROUP>(at, before, after, current, offset, flow.released, |_| p);
        }
    }
}

impl<N: NeuronVjp, T: RealField + Copy> NullaryFnOnce for Loops<'_, '_, FlowBar<'_, T>, N, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { at, flow, model } = self;
        let (before, after) = (at.block::<N>(flow.before), at.block::<N>(flow.after));
        let (Part { offset, size, .. }, current) = (at.part, at.part.of(flow.current));
        let bar = at.block_mut::<N>(flow.bar);
        let current_bar = &mut flow.current_bar[offset..][..size];
        let (active, charge_bar, width) =
            (flow.active, &mut *flow.charge_bar, flow.parameters.width.as_deref_mut());
        let neuron = flow.parameters.neuron.as_deref_mut();
        macro_rules! run {
            ($group:expr, $train:expr, $target:expr, $params:expr) => {
                model.backward_loop::<T, $group>(
                    at,
                    $train,
                    before,
                    after,
                    current,
                    offset,
                    active,
                    charge_bar,
                    bar,
                    current_bar,
                    $target,
                    width,
                    $params,
                )
            };
        }
        let (train, target) = (neuron.is_some(), neuron.unwrap_or_default());
        if const { is_wide::<T>() || N::LOCATED } || at.per_neuron {
            return run!(1, train, target, |i| params_at::<N, T>(at, size, i));
        }
        // Each with its own copy of the loops, in which `train` is a constant.
        let shared = params_at::<N, T>(at, size, 0);
        if train { run!(GROUP, true, target, |_| shared) } else { run!(GROUP, false, target, |_| shared) }
    }
}

#[inline(always)]
pub(crate) fn hard_reset<N: Neuron, T: RealField + Copy>(params: &N::Params<T>) -> HardReset<T> {
    match N::reset(params) {
        Reset::To { threshold, value } => HardReset { threshold, value },
        other => HardReset { threshold: other.threshold(), value: T::zero() },
    }
}

impl<N: NeuronVjp, T: RealField + Copy> Dynamics<T> for Model<N> {
    fn model(&self) -> &'static str {
        N::NAME
    }

    fn dim(&self) -> usize {
        <N::State<T> as Array<T>>::LEN
    }

    fn parameters(&self) -> &'static [Parameter] {
        N::PARAMETERS
    }

    fn integration(&self) -> Integration {
        N::METHOD
    }

    fn growth(&self, at: &Setting<'_, T>) -> Option<(T, T)> {
        (matches!(N::METHOD, Integration::ClosedForm) && !at.per_neuron)
            .then(|| growth::<N, T>(at, &params_at::<N, T>(at, 1, 0)))
    }

    fn is_located(&self) -> bool {
        N::LOCATED
    }

    fn keeps(&self, at: &Setting<'_, T>) -> bool {
        keeps::<N, T>(&params_at::<N, T>(at, 1, 0))
    }

    fn reset(&self, at: &Setting<'_, T>, i: usize) -> Reset<T> {
        // Per-neuron parameters are laid out in columns of the population's size.
        let size =
            if at.per_neuron { at.parameters.len().checked_div(N::PARAMETERS.len()).unwrap_or(1) } else { 1 };
        N::reset(&params_at::<N, T>(at, size, i))
    }

    fn reset_vjp(&self, threshold_bar: T, value_bar: T, params_bar: &mut [T]) {
        let mut bar = N::Params::<T>::from_fn(|_| T::zero());
        N::reset_vjp(threshold_bar, value_bar, &mut bar);
        params_bar.iter_mut().zip(bar.as_ref()).for_each(|(target, &bar)| *target += bar);
    }

    fn single(&self) -> &'static dyn Dynamics<f32> {
        &Model::<N>(PhantomData)
    }

    fn double(&self) -> &'static dyn Dynamics<f64> {
        &Model::<N>(PhantomData)
    }

    fn dual(&self) -> &'static dyn Dynamics<Dual64> {
        &Model::<N>(PhantomData)
    }

    fn start(&self, at: &Setting<'_, T>, x: BlockMut<'_, T>) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            match reset {
                Reset::Periodic => x.v[i] -= floor(x.v[i]),
                Reset::Latch { .. } => x.latch[i] = gate.charge(x.v[i]),
                Reset::Subtract => {}
                // No neuron starts refractory.
                Reset::To { .. } => {
                    if let Some(wait) = x.latch.get_mut(i) {
                        *wait = T::zero();
                    }
                }
            }
        }
    }

    fn start_vjp(
        &self,
        at: &Setting<'_, T>,
        v: &[T],
        bar: BlockMut<'_, T>,
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = v.len();
        for i in 0..bar.latch.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            if !matches!(reset, Reset::Latch { .. }) {
                bar.latch[i] = T::zero();
                continue;
            }
            let slope = gate.density(v[i]) * bar.latch[i];
            bar.v[i] += slope;
            add_width(&mut parameters, &gate, v[i], bar.latch[i]);
            bar.latch[i] = T::zero();
            add_threshold::<N, T>(at, size, i, -slope, &mut parameters);
        }
    }

    fn forward(&self, at: &Setting<'_, T>, flow: &mut Flow<'_, T>) {
        if const { N::LOCATED } {
            let (before, after) = (at.block::<N>(flow.before), at.block_mut::<N>(flow.after));
            return located::forward::<N, T>(
                at,
                before,
                after,
                at.part.of(flow.current),
                at.part.offset,
                flow.released,
            );
        }
        vectorise::<T, _>(at.arch, Loops { at, flow, model: self });
    }

    fn backward(&self, at: &Setting<'_, T>, flow: &mut FlowBar<'_, T>) {
        let loops = Loops { at, flow, model: self };
        if const { N::LOCATED } { loops.call() } else { vectorise::<T, _>(at.arch, loops) }
    }

    fn spikes(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        i: usize,
        charge: T,
    ) -> u64 {
        let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, before.v.len(), i));
        let spikes: f64 = if let Reset::Latch { .. } = reset {
            let full = |latch: T| f64::from(latch >= T::one());
            if charge > T::zero() { full(after.latch[i]) - full(before.latch[i]) } else { 0.0 }
        } else if charge < real(0.5) && after.v[i] >= before.v[i] {
            // A spike that does not leave the voltage lower has released at least 1.
            return 0;
        } else {
            (charge - gate.charge(after.v[i]) + gate.charge(before.v[i])).to_subset_unchecked()
        };
        spikes.round().max(0.0) as u64
    }

    fn spike_times(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: T,
        i: usize,
        count: u64,
        visit: &mut dyn FnMut(T),
    ) {
        if const { N::LOCATED } {
            return located::spike_times::<N, T>(at, before, current, i, visit);
        }
        let p = params_at::<N, T>(at, before.v.len(), i);
        let (start, end) = (before.v[i], after.v[i]);
        let (first, next) = match N::reset(&p) {
            Reset::To { .. } => {
                let refractory = N::refractory(&p).unwrap_or_else(T::zero);
                let (reset, from) = (hard_reset::<N, T>(&p), (start, latch_at(before.latch, i)));
                let times = affine::<N, T>(&p, current).spike_times(reset, refractory, from, at.h);
                times.unwrap_or((at.h, T::zero()))
            }
            Reset::Latch { threshold } => (at.h * (threshold - start) / (end - start), T::zero()),
            Reset::Periodic | Reset::Subtract => {
                let turn = at.h / (end + real(count as f64) - start);
                (turn * (T::one() - start), turn)
            }
        };
        for k in 0..count.min(Spike::EACH) {
            visit(first + next * real(k as f64));
        }
    }

    fn log_crossing(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: T,
        (offset, i): (usize, usize),
        charge: T,
        log: &mut EventLog,
    ) -> u64 {
        let p = params_at::<N, T>(at, before.v.len(), i);
        let (gate, reset) = gate_of::<N, T>(at, &p);
        let spikes = self.spikes(at, before, after, i, charge);
        let mut touched = spikes > 0 || charge != T::zero();
        match reset {
            Reset::Latch { .. } => {}
            Reset::To { threshold, value } => {
                touched |= after.v[i] > gate.lower() && after.v[i] < gate.threshold;
                let speed = affine::<N, T>(&p, current).rhs(threshold).abs() * at.h;
                if spikes > 0 && N::LOCATED {
                    located::log_spike::<N, T>(at, before, current, i, log);
                } else if spikes > 0 && speed < real::<T>(GRAZING) * (threshold - value) {
                    log.grazing();
                }
            }
            // A step that leaves the zone downwards has left it.
            Reset::Periodic | Reset::Subtract => touched &= spikes > 0 || after.v[i] > gate.lower(),
        }
        log.zone(offset + i, touched, spikes);
        spikes
    }

    fn events(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: &[T],
        offset: usize,
        charge_of: &dyn Fn(usize) -> T,
        log: &mut EventLog,
    ) {
        for i in 0..before.v.len() {
            let p = params_at::<N, T>(at, before.v.len(), i);
            let (gate, reset) = gate_of::<N, T>(at, &p);
            let charge = charge_of(offset + i);
            let mut piece = u64::from(gate.shape.piece(gate.position(after.v[i])));
            match reset {
                Reset::Latch { .. } => {
                    // Which branch of the maximum was taken, and whether the latch was restarted.
                    piece |= u64::from(charge > T::zero()) << 2 | u64::from(after.latch[i] == T::zero()) << 3;
                }
                // Whether the neuron is refractory at the end.
                Reset::To { .. } => piece |= u64::from(latch_at(after.latch, i) > T::zero()) << 2,
                Reset::Periodic | Reset::Subtract => {}
            }
            let spikes = self.log_crossing(at, before, after, current[i], (offset, i), charge, log);
            log.piece(piece | spikes << 4);
        }
    }

    fn rhs(&self, at: &Setting<'_, T>, x: Block<'_, T>, current: &[T], f: BlockMut<'_, T>) {
        let size = x.v.len();
        for (i, &current) in current.iter().enumerate().take(size) {
            let p = params_at::<N, T>(at, size, i);
            let value = N::rhs(&p, &state_at::<N, T>(x.v, x.rest, i), current);
            put_state::<N, T>(&value, f.v, f.rest, i);
        }
        f.latch.fill(T::zero());
    }

    fn rhs_vjp(
        &self,
        at: &Setting<'_, T>,
        x: Block<'_, T>,
        current: &[T],
        f_bar: Block<'_, T>,
        bar: BlockMut<'_, T>,
        current_bar: &mut [T],
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = x.v.len();
        for i in 0..size {
            let p = params_at::<N, T>(at, size, i);
            let f_bar = state_at::<N, T>(f_bar.v, f_bar.rest, i);
            let mut x_bar = state_at::<N, T>(bar.v, bar.rest, i);
            let mut params_bar = zeros::<T, N::Params<T>>();
            let x = state_at::<N, T>(x.v, x.rest, i);
            current_bar[i] = N::rhs_vjp(&p, &x, current[i], &f_bar, &mut x_bar, &mut params_bar);
            put_state::<N, T>(&x_bar, bar.v, bar.rest, i);
            if let Some(target) = &mut parameters.neuron {
                add_params::<N, T>(at, size, i, &params_bar, target);
            }
        }
    }

    fn charge(&self, at: &Setting<'_, T>, x: Block<'_, T>, charge: &mut [T]) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            charge[i] = total(&gate, &reset, x.v[i], latch_at(x.latch, i)).0;
        }
    }

    fn charge_vjp(
        &self,
        at: &Setting<'_, T>,
        x: Block<'_, T>,
        total_bar: &[T],
        bar: BlockMut<'_, T>,
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let (charge, whole) = total(&gate, &reset, x.v[i], latch_at(x.latch, i));
            if !x.latch.is_empty() && !(charge > x.latch[i]) {
                bar.latch[i] += total_bar[i];
                continue;
            }
            let v = x.v[i] - whole;
            let slope = gate.density(v) * total_bar[i];
            bar.v[i] += slope;
            add_width(&mut parameters, &gate, v, total_bar[i]);
            add_threshold::<N, T>(at, size, i, -slope, &mut parameters);
        }
    }

    fn settle(&self, at: &Setting<'_, T>, x: BlockMut<'_, T>, shift: &mut [T]) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let (charge, whole) = total(&gate, &reset, x.v[i], latch_at(x.latch, i));
            if let Reset::Latch { .. } = reset {
                let restart = !(x.v[i] > gate.lower());
                (x.latch[i], shift[i]) = if restart { (T::zero(), charge) } else { (charge, T::zero()) };
            } else {
                x.v[i] -= whole;
                shift[i] = whole;
            }
        }
    }

    fn settle_vjp(
        &self,
        at: &Setting<'_, T>,
        x: Block<'_, T>,
        shift_bar: &[T],
        bar: BlockMut<'_, T>,
        mut parameters: ParameterBar<'_, T>,
    ) {
        let size = x.v.len();
        for i in 0..x.latch.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let (charge, _) = total(&gate, &reset, x.v[i], x.latch[i]);
            let charge_bar = if !(x.v[i] > gate.lower()) { shift_bar[i] } else { bar.latch[i] };
            if charge > x.latch[i] {
                let slope = gate.density(x.v[i]) * charge_bar;
                bar.v[i] += slope;
                add_width(&mut parameters, &gate, x.v[i], charge_bar);
                add_threshold::<N, T>(at, size, i, -slope, &mut parameters);
                bar.latch[i] = T::zero();
            } else {
                bar.latch[i] = charge_bar;
            }
        }
    }

    fn pieces(&self, at: &Setting<'_, T>, x: Block<'_, T>, log: &mut EventLog) {
        for i in 0..x.v.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, x.v.len(), i));
            let (charge, whole) = total(&gate, &reset, x.v[i], latch_at(x.latch, i));
            let piece = u64::from(gate.shape.piece(gate.position(x.v[i] - whole)));
            let latched = matches!(reset, Reset::Latch { .. }) && !(charge > x.latch[i]);
            let whole: f64 = whole.to_subset_unchecked();
            log.piece(piece | u64::from(latched) << 2 | ((whole as i64) << 3) as u64);
        }
    }

    fn plain_events(
        &self,
        at: &Setting<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        offset: usize,
        log: &mut EventLog,
    ) {
        for i in 0..before.v.len() {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, before.v.len(), i));
            let latch = latch_at(before.latch, i);
            let (old, _) = total(&gate, &reset, before.v[i], latch);
            let (new, whole) = total(&gate, &reset, after.v[i], latch);
            let spikes: f64 = whole.to_subset_unchecked();
            let spikes = if before.latch.is_empty() {
                spikes.max(0.0) as u64
            } else {
                u64::from(new >= T::one() && latch < T::one())
            };
            log.zone(offset + i, spikes > 0 || (new != old && after.v[i] > gate.lower()), spikes);
        }
    }

    fn density(&self, at: &Setting<'_, T>, x: Block<'_, T>, g: &mut [T]) {
        let size = x.v.len();
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params_at::<N, T>(at, size, i));
            let held = matches!(reset, Reset::Latch { .. }) && gate.charge(x.v[i]) < x.latch[i];
            g[i] = if held { T::zero() } else { gate.density(x.v[i]) };
        }
    }

    fn jump(&self, at: &Setting<'_, T>, current: T, i: usize) -> T {
        match Dynamics::<T>::reset(self, at, i) {
            Reset::To { threshold, value } => {
                let size = if at.per_neuron { at.parameters.len() / N::PARAMETERS.len().max(1) } else { 1 };
                let flow = affine::<N, T>(&params_at::<N, T>(at, size, i), current);
                flow.rhs(value) / flow.rhs(threshold)
            }
            _ => T::one(),
        }
    }
}

#[inline(always)]
pub(crate) fn latch_at<T: RealField + Copy>(latch: &[T], i: usize) -> T {
    latch.get(i).copied().unwrap_or_else(T::zero)
}

/// Adds the cotangent of the gate's width for that of the charge at `v`.
#[inline(always)]
fn add_width<T: RealField + Copy>(parameters: &mut ParameterBar<'_, T>, gate: &Gate<T>, v: T, charge_bar: T) {
    if let Some(width) = &mut parameters.width {
        **width += gate.charge_by_width(v) * charge_bar;
    }
}

/// Adds the cotangent of the gate's threshold to the parameter that it is.
#[inline(always)]
fn add_threshold<N: NeuronVjp, T: RealField + Copy>(
    at: &Setting<'_, T>,
    size: usize,
    i: usize,
    threshold_bar: T,
    parameters: &mut ParameterBar<'_, T>,
) {
    if let Some(target) = &mut parameters.neuron {
        let mut params_bar = zeros::<T, N::Params<T>>();
        N::reset_vjp(threshold_bar, T::zero(), &mut params_bar);
        add_params::<N, T>(at, size, i, &params_bar, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_in_order() {
        for size in [1_usize, 7, 8, 9, 63, 64, 65, 80, 200] {
            for every in 1..12 {
                let marks: Vec<u8> = (0..size).map(|i| u8::from(i * i % every == 0)).collect();
                let expected: Vec<u32> = (0..size as u32).filter(|&i| marks[i as usize] == 1).collect();
                let (mut chunks, mut found) = (marks.clone(), vec![0; size + CHUNK]);
                chunks.resize(size.next_multiple_of(CHUNK), 0);
                let count = find(&chunks, 3, &mut found);
                let found: Vec<u32> = found[..count].iter().map(|i| i - 3).collect();
                assert_eq!(found, expected, "{size} {every}");
            }
        }
    }
}
