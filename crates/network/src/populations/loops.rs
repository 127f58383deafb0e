//! The loops over the neurons of a population, behind which the type of its model disappears: once per population and step, so that
//! a network holds any mixture and its loops still inline the equations.

use std::any::TypeId;
use std::fmt::Debug;

use spikegrad_integrators::{EventLog, Exponential, Method, Tableau, tableau};
use spikegrad_models::{GateShape, Integration, Locate, Parameter, Reset};

use super::block::{Block, BlockMut, Offsets};
use super::released::{Active, Released};

/// A crossing whose speed `|f(v_theta)| h` is below this part of the way from reset to threshold counts as grazing.
pub(super) const GRAZING: f64 = 1e-3;

/// What a population's loops need to know besides states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a, T> {
    /// The widest vectors of this machine.
    pub(crate) arch: pulp::Arch,
    pub(crate) h: T,
    /// The explicit method, which is that of what does not relax.
    pub(crate) tableau: Tableau,
    /// The method of models that relax, where it is an exponential one.
    pub(crate) exponential: Option<Exponential>,
    /// The model's parameters, one after the other, each `1` or `size` values.
    pub(crate) parameters: &'a [T],
    /// The conductance of each neuron; empty where no channels end.
    pub(crate) conductance: &'a [T],
    pub(crate) per_neuron: bool,
    pub(crate) shape: GateShape,
    pub(crate) width: T,
    /// How the flow of a model with a closed form grows in a step, where it is known, see [`SplitLoops::growth`].
    pub(crate) growth: Option<(T, T)>,
    pub(crate) offsets: Offsets,
}

/// The flow of a step, of which every population does its part: vectors over all neurons, and membrane states of the network.
// Populations are handed one pointer to it, because so many arguments would take a good part of a small network's time.
pub(crate) struct Flow<'a, T> {
    pub(crate) before: &'a [T],
    pub(crate) after: &'a mut [T],
    pub(crate) current: &'a [T],
    pub(crate) released: &'a mut Released<T>,
}

/// The transpose of a [`Flow`].
pub(crate) struct FlowBar<'a, T> {
    pub(crate) before: &'a [T],
    pub(crate) after: &'a [T],
    pub(crate) current: &'a [T],
    /// The population's active neurons and the cotangents of their charges, which are used up.
    pub(crate) active: Active<'a, T>,
    pub(crate) charge_bar: &'a mut [T],
    /// Cotangent of the membrane state at the end of the step, turned into that at its start.
    pub(crate) bar: &'a mut [T],
    /// Cotangent of the current, which is written.
    pub(crate) current_bar: &'a mut [T],
    /// Gradient of the population's parameters.
    pub(crate) parameters: ParameterBar<'a, T>,
    /// Cotangents of [`Context::conductance`] of a model whose resets are located on the dense output, which are written; those of
    /// others are behind the parameters.
    pub(crate) conductance_bar: &'a mut [T],
}

/// Where a population's backward loops add to.
pub(crate) struct ParameterBar<'a, T> {
    /// Gradient of [`Context::parameters`]; `None` where all of them are frozen.
    pub(crate) neuron: Option<&'a mut [T]>,
    /// Gradient of the gate's width; `None` where the width is frozen.
    pub(crate) width: Option<&'a mut T>,
}

/// The method that a model names, as those who take steps know it.
pub(crate) fn method_of(integration: Integration) -> Method {
    match integration {
        Integration::Euler => tableau::EULER.into(),
        Integration::RungeKutta4 => tableau::RK4.into(),
        Integration::ExponentialMidpoint => Exponential::Midpoint.into(),
    }
}

/// What a model says of itself, whatever the scalar.
pub(crate) trait Facts: Debug + Send + Sync {
    fn model(&self) -> &'static str;
    fn dim(&self) -> usize;
    fn parameters(&self) -> &'static [Parameter];
    /// Names and units of the state variables, as far as the model says them.
    fn variables(&self) -> &'static [Parameter];
    /// Unit of the current.
    fn current(&self) -> &'static str;
    /// A resting state of neurons with these parameters.
    fn rest(&self, parameters: &[f64]) -> Vec<f64>;
    /// What tells models of one name apart.
    fn id(&self) -> TypeId;
    /// The method that the model names.
    fn integration(&self) -> Integration;
    /// How the model's resets are located inside a step.
    fn locate(&self) -> Locate;
    /// Whether channels may end on the model's neurons.
    fn takes_conductances(&self) -> bool;
}

/// A model's reset, its start, and its part of the split step.
pub(crate) trait SplitLoops<T>: Debug + Send + Sync {
    /// `(exp(a h) - 1) / a` and its derivative by `a` for a closed form whose rate `a` all neurons share.
    fn growth(&self, at: &Context<'_, T>) -> Option<(T, T)>;
    /// Whether a neuron keeps a number besides its state: the charge of its latch, or what is left of its refractory time.
    fn keeps(&self, at: &Context<'_, T>) -> bool;
    fn reset(&self, at: &Context<'_, T>, i: usize) -> Reset<T>;
    /// Adds the cotangents of a neuron's threshold and reset voltage to those of its parameters.
    fn reset_vjp(&self, at: &Context<'_, T>, i: usize, bars: (T, T), params_bar: &mut [T]);

    /// The latches that go with voltages at the start of a trial.
    fn start(&self, at: &Context<'_, T>, x: BlockMut<'_, T>);
    fn start_vjp(&self, at: &Context<'_, T>, v: &[T], bar: BlockMut<'_, T>, parameters: ParameterBar<'_, T>);

    /// The split step's flow with the current held, equation (18): `before` to `after`, and the charge released.
    fn forward(&self, at: &Context<'_, T>, flow: &mut Flow<'_, T>);

    /// The transpose of [`forward`](Self::forward), equation (24).
    fn backward(&self, at: &Context<'_, T>, flow: &mut FlowBar<'_, T>);
}

/// What a split step did to each neuron.
pub(crate) trait EventLoops<T> {
    /// Spikes of a neuron in a step that took it from `before` to `after` and released `charge`.
    fn spikes(
        &self,
        at: &Context<'_, T>,
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
        at: &Context<'_, T>,
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
        at: &Context<'_, T>,
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
        at: &Context<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        current: &[T],
        offset: usize,
        charge_of: &dyn Fn(usize) -> T,
        log: &mut EventLog,
    );
}

/// A model's part of the plain field and of the adjoint equations.
pub(crate) trait PlainLoops<T> {
    /// The plain field's right-hand side.
    fn rhs(&self, at: &Context<'_, T>, x: Block<'_, T>, current: &[T], f: BlockMut<'_, T>);
    /// The transpose of [`rhs`](Self::rhs); writes `current_bar`.
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    fn rhs_vjp(
        &self,
        at: &Context<'_, T>,
        x: Block<'_, T>,
        current: &[T],
        f_bar: Block<'_, T>,
        bar: BlockMut<'_, T>,
        current_bar: &mut [T],
        parameters: ParameterBar<'_, T>,
    );

    /// The charge `Q(v)` since the last reset, equations (14), (34).
    fn charge(&self, at: &Context<'_, T>, x: Block<'_, T>, total: &mut [T]);
    fn charge_vjp(
        &self,
        at: &Context<'_, T>,
        x: Block<'_, T>,
        total_bar: &[T],
        bar: BlockMut<'_, T>,
        parameters: ParameterBar<'_, T>,
    );
    /// Wraps voltages and restarts latches after a step of the plain field; `shift` is the charge that leaves `Q`.
    fn settle(&self, at: &Context<'_, T>, x: BlockMut<'_, T>, shift: &mut [T]);
    /// The transpose of [`settle`](Self::settle), for the state `x` before it.
    fn settle_vjp(
        &self,
        at: &Context<'_, T>,
        x: Block<'_, T>,
        shift_bar: &[T],
        bar: BlockMut<'_, T>,
        parameters: ParameterBar<'_, T>,
    );
    /// Logs the smooth pieces of `Q` at a state.
    fn pieces(&self, at: &Context<'_, T>, x: Block<'_, T>, log: &mut EventLog);

    /// Logs zone and spikes of a step of the plain field, from a settled state to one before settling.
    fn plain_events(
        &self,
        at: &Context<'_, T>,
        before: Block<'_, T>,
        after: Block<'_, T>,
        offset: usize,
        log: &mut EventLog,
    );

    /// Writes the gate density `g(v)`, zero where a latch holds the charge.
    fn density(&self, at: &Context<'_, T>, x: Block<'_, T>, g: &mut [T]);
    /// The factor by which the continuous adjoint jumps, backwards, at a spike of a model with a closed form (equation (32)).
    fn jump(&self, at: &Context<'_, T>, current: T, i: usize) -> T;
}

/// The loops over a population in a split step.
pub(crate) trait StepLoops<T>: SplitLoops<T> + EventLoops<T> {}

/// All loops over a population for one scalar.
pub(crate) trait PopulationLoops<T>: Facts + StepLoops<T> + PlainLoops<T> {}
