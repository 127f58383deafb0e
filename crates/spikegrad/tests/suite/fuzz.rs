//! Anything may be asked of builders, trials and options. What is wrong is a typed error, and what runs is finite or says where it
//! stopped being so; nothing panics, and nothing takes memory that there is not.
//!
//! Numbers are ordinary ones, and now and then one that no network can have. For more cases, in two gigabytes of memory:
//!
//! ```text
//! (ulimit -v 2000000; PROPTEST_CASES=100000 cargo test --release -p spikegrad --test suite fuzz)
//! ```

use std::sync::LazyLock;

use crate::common::{Everything, Model, normal, runner};
use nalgebra::RealField;
use proptest::prelude::*;
use proptest::sample::select;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spikegrad::adjoint::{Error as SweepError, Memory, Sweep};
use spikegrad::integrators::{EventLog, Exponential, Method, Step, StepVjp, tableau};
use spikegrad::models::{GateShape, LeakyIntegrator, Theta, for_each_neuron};
use spikegrad::network::{
    Connector, Error, Event, Group, InitialState, Loss, Network, PlainStep, Population, Projection, Readout,
    Recording, Scalar, Spike, SplitRun, SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{
    Clip, LearningRate, Pull, Purpose, QuadraticLoss, Schedule, Task, TrainingOptions, TrainingStage,
    UpdateRule, Validation, generator, train,
};

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let mut models = Vec::new();
    macro_rules! push {
        ($module:ident, $neuron:ty) => {
            models.push(Model::of::<$neuron>());
        };
    }
    for_each_neuron!(push);
    models
});

/// Numbers at which something overflows, underflows, divides by zero or is no number.
const ODD: [f64; 20] = [
    0.0,
    -0.0,
    -1.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    1e300,
    -1e300,
    1e-300,
    1e39,
    1e-46,
    1e19,
    -1e19,
    1e9,
    1e6,
    1e-9,
];

/// Sizes whose sums, products or bytes are no number of any machine.
const LARGE: [usize; 7] = [0, 300_000, 1 << 31, 1 << 40, 1 << 62, usize::MAX / 2 + 1, usize::MAX];

/// One field in so many is odd.
const SELDOM: u32 = 40;

fn number(ordinary: std::ops::Range<f64>) -> impl Strategy<Value = f64> {
    prop_oneof![SELDOM => ordinary, 1 => select(&ODD[..])]
}

fn size(ordinary: std::ops::Range<usize>) -> impl Strategy<Value = usize> {
    prop_oneof![SELDOM => ordinary, 1 => select(&LARGE[..])]
}

/// A number put at some part of the way through a vector.
type Put = (f64, f64);

fn puts(most: usize) -> impl Strategy<Value = Vec<Put>> {
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec((0.0..1.0, number(-1.0..1.0)), 0..=most)]
}

fn put<T: RealField>(values: &mut [T], puts: &[Put]) {
    for &(at, value) in puts {
        let at = (at * values.len() as f64) as usize;
        if let Some(target) = values.get_mut(at) {
            *target = T::from_subset(&value);
        }
    }
}

#[derive(Clone, Debug)]
struct Cells {
    model: usize,
    size: usize,
    shape: usize,
    /// In units of the model's own voltage.
    width: f64,
    per_neuron: bool,
    sign: Option<bool>,
    silent: bool,
}

#[derive(Clone, Debug)]
struct Class {
    tau: f64,
    /// Of connections or not.
    delay: Option<(bool, f64)>,
    rank: Option<usize>,
    own_taus: bool,
    autapses: bool,
    /// From where to where, of all neurons, the populations, and the source.
    ends: Option<(usize, usize)>,
    connector: Connector,
}

/// A readout's outputs, and what of it reads which population or projection.
type Reads = (usize, Vec<(usize, usize, f64)>);

#[derive(Clone, Debug)]
struct Case {
    readouts: Vec<Reads>,
    cells: Vec<Cells>,
    classes: Vec<Class>,
    /// Channels of an event source, if there is one.
    channels: Option<usize>,
    /// Charges of events, by the part of the trial at which they come, and injected currents.
    events: Vec<Put>,
    currents: Option<Vec<Put>>,
    inputs: usize,
    outputs: usize,
    limit: usize,
    parameters: Vec<Put>,
    gain: f64,
    /// Which groups are trained, by their remainders.
    trained: usize,
    h: f64,
    hold: f64,
    samples: usize,
    scale: f64,
    data: [Vec<Put>; 3],
    /// A length that is off by so many, of inputs, targets, weights or the initial state.
    off: Option<(usize, usize)>,
    initial: Option<Vec<Put>>,
    memory: Memory,
    method: usize,
    dense: bool,
    single: bool,
    seed: u64,
}

fn cells() -> impl Strategy<Value = Cells> {
    let sign = prop_oneof![6 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let shape = (0..3_usize, number(0.1..0.9), prop::bool::weighted(0.3));
    let silent = prop::bool::weighted(0.15);
    (any::<usize>(), size(1..4), shape, sign, silent).prop_map(
        |(model, size, (shape, width, per_neuron), sign, silent)| Cells {
            model,
            size,
            shape,
            width,
            per_neuron,
            sign,
            silent,
        },
    )
}

fn class() -> impl Strategy<Value = Class> {
    let delay = prop_oneof![4 => Just(None), 1 => (any::<bool>(), number(0.1..4.0)).prop_map(Some)];
    let rank = prop_oneof![6 => Just(None), 1 => size(1..3).prop_map(Some)];
    let ends = prop_oneof![2 => Just(None), 1 => (0..4_usize, 0..4_usize).prop_map(Some)];
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.8));
    (number(1.0..30.0), delay, rank, flags, ends, connector()).prop_map(
        |(tau, delay, rank, (own_taus, autapses), ends, connector)| Class {
            tau,
            delay,
            rank,
            own_taus,
            autapses,
            ends,
            connector,
        },
    )
}

fn connector() -> impl Strategy<Value = Connector> {
    let probability = (number(0.0..1.0), any::<u64>())
        .prop_map(|(probability, seed)| Connector::Probability { probability, seed });
    let degree = (size(0..3), any::<u64>()).prop_map(|(degree, seed)| Connector::InDegree { degree, seed });
    let pairs = prop::collection::vec((0..4_u32, 0..4_u32), 0..4).prop_map(Connector::Pairs);
    prop_oneof![
        8 => Just(Connector::AllToAll),
        1 => Just(Connector::OneToOne),
        2 => probability,
        1 => degree,
        1 => pairs,
    ]
}

fn memory() -> impl Strategy<Value = Memory> {
    let every = size(1..20).prop_map(Memory::Every);
    let bytes = size(1..20_000).prop_map(Memory::Bytes);
    prop_oneof![Just(Memory::Stored), Just(Memory::SqrtSteps), every, bytes]
}

fn case() -> impl Strategy<Value = Case> {
    let part = prop::collection::vec((0..3_usize, 0..4_usize, number(1.0..30.0)), 0..3);
    let readouts = prop::collection::vec((size(1..3), part), 0..=2);
    let parts = (prop::collection::vec(cells(), 0..=3), prop::collection::vec(class(), 0..=3), readouts);
    // Small enough that whatever passes is run, under the least memory of any machine.
    let limit = prop_oneof![SELDOM => Just(1 << 22), 1 => select(&[0_usize, 100, 1000][..])];
    let sizes = (size(0..3), size(0..3), limit);
    let values = (puts(3), number(0.0..2.0), any::<usize>());
    let hold = prop_oneof![SELDOM => (1..4_u32).prop_map(f64::from), 1 => number(0.0..4.0)];
    let grid = (number(0.02..2.0), hold, size(1..12), number(0.5..20.0));
    let initial = prop_oneof![3 => Just(None), 1 => puts(2).prop_map(Some)];
    let off = prop_oneof![SELDOM => Just(None), 1 => (0..4_usize, 1..3_usize).prop_map(Some)];
    let channels = prop_oneof![2 => Just(None), 1 => size(0..4).prop_map(Some)];
    let currents = prop_oneof![3 => Just(None), 1 => puts(2).prop_map(Some)];
    let trial = ([puts(2), puts(2), puts(2)], off, initial, (channels, puts(4), currents));
    let run = (memory(), any::<usize>(), prop::bool::weighted(0.2), any::<bool>(), any::<u64>());
    (parts, sizes, values, grid, trial, run).prop_map(
        |(
            (cells, classes, readouts),
            (inputs, outputs, limit),
            (parameters, gain, trained),
            (h, hold, samples, scale),
            (data, off, initial, (channels, events, currents)),
            (memory, method, dense, single, seed),
        )| Case {
            readouts,
            cells,
            classes,
            channels,
            events,
            currents,
            inputs,
            outputs,
            limit,
            parameters,
            gain,
            trained,
            h,
            hold,
            samples,
            scale,
            data,
            off,
            initial,
            memory,
            method,
            dense,
            single,
            seed,
        },
    )
}

impl Case {
    fn network(&self) -> Result<Network<f64>, Error> {
        let mut builder =
            Network::builder().inputs(self.inputs).outputs(self.outputs).memory_limit(self.limit);
        for (k, class) in self.classes.iter().enumerate() {
            let name = ["a", "b", "c"][k];
            let mut projection = Projection::new(name, class.tau).connected(class.connector.clone());
            if let Some((pre, post)) = class.ends {
                let places = ["p", "q", "r", "s"];
                projection = projection.between(places[pre], places[post]);
            }
            builder = builder.projection(projection);
            if let Some((of_connections, delay)) = class.delay {
                builder = if of_connections {
                    builder.change(name, |p| p.connection_delays(delay))
                } else {
                    builder.change(name, |p| p.axonal_delays(delay))
                };
            }
            if let Some(rank) = class.rank {
                builder = builder.change(name, |p| p.low_rank(rank));
            }
            if class.own_taus {
                builder = builder.change(name, |p| p.tau_per_neuron());
            }
            if !class.autapses {
                builder = builder.change(name, |p| p.without_autapses());
            }
        }
        for (p, cells) in self.cells.iter().enumerate() {
            let model = self.model(p);
            let (name, shape) = (["p", "q", "r"][p], GateShape::ALL[cells.shape]);
            let mut population = if cells.silent {
                Population::without_spikes(name, LeakyIntegrator::default(), cells.size)
            } else {
                model.population(name, cells.size, shape, cells.width * model.voltage)
            };
            if cells.per_neuron {
                population = population.per_neuron();
            }
            builder = builder.population(match cells.sign {
                None => population,
                Some(true) => population.excitatory(),
                Some(false) => population.inhibitory(),
            });
        }
        if let Some(channels) = self.channels {
            builder = builder.source("s", channels);
        }
        for (r, (outputs, parts)) in self.readouts.iter().enumerate() {
            let mut readout = Readout::new(["x", "y"][r], *outputs);
            for &(kind, of, tau) in parts {
                let population = ["p", "q", "r", "s"][of];
                readout = match kind {
                    0 => readout.traces(["a", "b", "c", "d"][of]),
                    1 => readout.filtered(population, tau),
                    _ => readout.voltages(population),
                };
            }
            builder = builder.readout(readout);
        }
        let mut network = builder.build()?;
        let rng = &mut generator(self.seed, Purpose::Test, 0);
        let current = self.model(0).current * self.gain;
        for k in 0..self.classes.len() {
            let mask = network.mask(Group::Weight(k)).map(<[bool]>::to_vec);
            let weights = network.parameters.group_mut(Group::Weight(k));
            for (index, w) in weights.iter_mut().enumerate() {
                let exists = mask.as_ref().is_none_or(|mask| mask[index]);
                *w = if exists { current * normal(rng) } else { 0.0 };
            }
            for group in [Group::Left(k), Group::Right(k)] {
                network.parameters.group_mut(group).iter_mut().for_each(|w| *w = current * normal(rng));
            }
        }
        network.project();
        for group in [Group::Input, Group::Bias, Group::Readout(0), Group::Readout(1), Group::Readout(2)] {
            let values = network.parameters.group_mut(group);
            values.iter_mut().for_each(|x| *x = current * rng.random_range(0.5..2.0));
        }
        put(network.parameters.values_mut(), &self.parameters);
        let groups: Vec<Group> = network.parameters.layout().entries().iter().map(|e| e.group).collect();
        for (index, group) in groups.into_iter().enumerate() {
            if self.trained >> (index % 64) & 1 == 1 {
                network.unfreeze(group)?;
            }
        }
        Ok(network)
    }

    fn model(&self, population: usize) -> &'static Model {
        let index = self.cells.get(population).map_or(0, |cells| cells.model);
        &MODELS[index % MODELS.len()]
    }

    /// Any method for all neurons, or that which each model names.
    fn method(&self) -> Option<Method> {
        let mut all = tableau::ALL.map(Method::from).to_vec();
        all.extend(Exponential::ALL.map(Method::from));
        all.get(self.method % (all.len() + 1)).copied()
    }

    fn trial(&self, network: &Network<f64>) -> Trial<f64> {
        let rng = &mut generator(self.seed, Purpose::Test, 1);
        let mut trial = Trial::silent(self.samples, self.hold * self.h, network.inputs());
        trial.inputs.iter_mut().for_each(|i| *i = normal(rng));
        if self.samples < 100 {
            trial.targets = (0..self.samples * network.outputs()).map(|_| normal(rng)).collect();
            trial.weights = if rng.random() { vec![1.0; self.samples] } else { Vec::new() };
        }
        trial.scale = self.scale;
        if let Some(puts) = &self.initial {
            let mut x = network.parameters.group(Group::Initial).to_vec();
            put(&mut x, puts);
            let s = vec![0.02; network.traces()];
            trial.initial = Some(InitialState { x, s });
        }
        if let Some(puts) = &self.currents
            && self.samples < 100
        {
            trial.currents = vec![0.01; self.samples * network.neurons()];
            put(&mut trial.currents, puts);
        }
        let events = self.events.iter().zip(0..);
        trial.events = events
            .map(|(&(at, charge), channel)| Event { time: at * trial.duration(), channel, charge })
            .collect();
        trial.events.sort_by(|a, b| a.time.total_cmp(&b.time));
        for (values, puts) in
            [&mut trial.inputs, &mut trial.targets, &mut trial.weights].into_iter().zip(&self.data)
        {
            put(values, puts);
        }
        if let Some((which, by)) = self.off {
            match (which, &mut trial.initial) {
                (0, _) => trial.inputs.resize(trial.inputs.len() + by, 0.0),
                (1, _) => trial.targets.truncate(trial.targets.len().saturating_sub(by)),
                (2, _) => trial.weights.resize(trial.weights.len() + by, 0.0),
                (_, Some(initial)) => initial.x.resize(initial.x.len() + by, 0.0),
                _ => {}
            }
        }
        trial
    }
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Diverged,
    Finite,
}

/// Longer runs are not run; those that no machine could record are refused.
const STEPS: usize = 100;

fn check<T: Scalar>(
    case: &Case,
    network: &Network<T>,
    trial: &Trial<T>,
    loss: &dyn Loss<T>,
) -> Result<Outcome, TestCaseError> {
    if let Some(tableau) = tableau::ALL.get(case.method % tableau::ALL.len())
        && let Ok(plain) = PlainStep::new(network, case.h, *tableau)
        && let Ok(run) = plain.run(trial, loss)
        && run.steps() <= STEPS
    {
        let _ = swept(case, &run)?;
    }
    let Ok(scheme) = SplitStep::with_method(network, case.h, case.method()) else {
        return Ok(Outcome::Refused);
    };
    let scheme = if case.dense { scheme.dense() } else { scheme };
    let Ok(run) = scheme.run(trial, loss) else { return Ok(Outcome::Refused) };
    if run.steps() > STEPS {
        if run.steps() > 1 << 36 {
            let refused = matches!(run.record(), Err(Error::MemoryLimit { .. }));
            prop_assert!(refused, "{} steps", run.steps());
        }
        return Ok(Outcome::Refused);
    }
    let cost = swept(case, &run)?;
    let recorded = run.record();
    match (&cost, &recorded) {
        (Ok(cost), Ok(recording)) => {
            prop_assert!(*cost == recording.cost, "{cost} {}", recording.cost);
            consistent(&run, recording)?;
        }
        (Err(SweepError::Diverged(a)), Err(Error::Diverged(b))) => prop_assert_eq!(a, b),
        (_, Err(Error::MemoryLimit { .. })) => {}
        (cost, recorded) => prop_assert!(false, "{cost:?} {:?}", recorded.as_ref().map(|r| r.cost)),
    }
    prop_assert!(recorded.is_err() || run.work().is_ok());
    let _ = pontryagin(&run);
    Ok(if cost.is_ok() { Outcome::Finite } else { Outcome::Diverged })
}

/// The cost of a run, which is that of its gradient and of its events.
fn swept<T: Scalar, S: StepVjp<T>>(case: &Case, run: &S) -> Result<Result<T, SweepError>, TestCaseError> {
    let cost = Sweep::new().cost(run);
    let mut gradient = vec![T::zero(); run.n_parameters()];
    match (Sweep::new().memory(case.memory).gradient(run, &mut gradient), &cost) {
        (Ok(found), Ok(cost)) => {
            prop_assert!(found == *cost && gradient.iter().all(|g| g.is_finite()));
        }
        (Err(SweepError::Diverged(a)), Err(SweepError::Diverged(b))) => {
            prop_assert_eq!(a, *b);
            prop_assert!(gradient.iter().all(|g| *g == T::zero()));
        }
        (Err(SweepError::NonFiniteGradient { .. }), Ok(_))
        | (Err(SweepError::Budget { .. } | SweepError::OutOfMemory { .. }), _) => {}
        (found, cost) => prop_assert!(false, "{found:?} {cost:?}"),
    }
    let logged = Sweep::new().events(run, &mut EventLog::default());
    prop_assert_eq!(logged.is_ok(), cost.is_ok());
    Ok(cost)
}

fn consistent<T: Scalar>(run: &SplitRun<'_, T>, recording: &Recording<T>) -> Result<(), TestCaseError> {
    let finite = |x: &[T]| x.iter().all(|x| x.is_finite());
    prop_assert!(finite(&recording.v) && recording.s.iter().all(|s| finite(s)));
    prop_assert!(recording.spikes.is_sorted_by(|a, b| a.time <= b.time));
    let end = run.time(run.steps());
    prop_assert!(recording.spikes.iter().all(|s| s.time >= 0.0 && s.time <= end && s.count > 0));
    let (n, steps) = (run.network().neurons(), run.steps());
    prop_assert!(recording.spikes.len() <= n * steps * Spike::EACH as usize);
    let mut log = EventLog::default();
    prop_assert!(Sweep::new().events(run, &mut log).is_ok());
    let counted = recording.spike_counts().iter().fold(0_u64, |sum, &count| sum.saturating_add(count));
    prop_assert_eq!(counted, log.counts().spikes);
    Ok(())
}

#[test]
fn any_network_on_any_trial_is_refused_or_finite_or_says_where_it_diverged() {
    let outcomes = std::cell::RefCell::new([0_usize; 3]);
    let result = runner().run(&case(), |case| {
        let outcome = match case.network() {
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                Outcome::Refused
            }
            Ok(network) => {
                let trial = case.trial(&network);
                let loss = Everything { activity: 1.0, membrane: vec![0.01; network.membrane()] };
                if case.single {
                    let cast = |x: f64| x as f32;
                    check(&case, &network.to_f32(), &trial.map(cast), &loss.map(cast))?
                } else {
                    check(&case, &network, &trial, &loss)?
                }
            }
        };
        outcomes.borrow_mut()[outcome as usize] += 1;
        Ok(())
    });
    let [refused, diverged, finite] = outcomes.into_inner();
    println!("{refused} refused, {diverged} diverged, {finite} finite");
    if let Err(error) = result {
        panic!("{error}");
    }
    // Each outcome is one of many.
    let all = refused + diverged + finite;
    assert!(
        all < 50 || (10 * refused > all && diverged > 0 && 10 * finite > all),
        "{refused} {diverged} {finite}"
    );
}

/// Follows a target with noise as its input.
struct Follow(QuadraticLoss<f64>);

impl Task<f64> for Follow {
    fn trial(&self, _: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f64> {
        let mut trial = Trial { targets: vec![0.02; 20], ..Trial::silent(20, 1.0, 1) };
        trial.inputs.iter_mut().for_each(|i| *i = normal(rng));
        trial
    }
    fn loss(&self) -> &dyn Loss<f64> {
        &self.0
    }
    fn score(&self, _: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        -recording.cost
    }
}

fn options() -> impl Strategy<Value = TrainingOptions> {
    let rule = prop_oneof![
        (number(0.0..1.0), number(0.0..1.0), number(1e-9..1e-6))
            .prop_map(|(beta_1, beta_2, epsilon)| { UpdateRule::Adam { beta_1, beta_2, epsilon } }),
        number(0.0..1.0).prop_map(|momentum| UpdateRule::Sgd { momentum }),
    ];
    let groups = [
        Group::Weight(0),
        Group::Input,
        Group::Bias,
        Group::Readout(0),
        Group::Tau(0),
        Group::GateWidth(0),
        Group::Weight(9),
    ];
    let rate = move || {
        (select(groups.to_vec()), number(1e-4..1e-2)).prop_map(|(group, rate)| LearningRate { group, rate })
    };
    let schedule = prop_oneof![
        Just(Schedule::Constant),
        number(0.0..1.0).prop_map(|last| Schedule::Cosine { last }),
        (number(0.0..1.0), number(0.0..1.0)).prop_map(|(hold, last)| Schedule::HeldCosine { hold, last }),
        number(0.0..1.0).prop_map(|last| Schedule::Exponential { last }),
    ];
    let clip = prop_oneof![
        Just(None),
        (number(0.1..0.9), number(0.5..2.0)).prop_map(|(quantile, factor)| Some(Clip { quantile, factor })),
    ];
    let validation = (1..3_usize, 0..4_usize, [number(-1.0..0.0), number(-2.0..-1.0), number(0.0..1.0)]);
    let stairs = (number(0.1..1.0), number(0.1..1.0), 0..3_usize, any::<bool>());
    let validation = prop_oneof![
        Just(None),
        (validation, stairs).prop_map(
            |((every, trials, [rise_at, fall_below, back]), (rise, slow, patience, goes))| {
                let go_back = goes.then_some(back);
                Some(Validation { every, trials, rise_at, fall_below, go_back, rise, slow, patience })
            }
        ),
    ];
    let counts = (0..4_usize, 0..4_usize, size(1..4), size(1..4));
    let pull = rate().prop_map(|LearningRate { group, rate }| Pull { group, part: rate });
    let vectors = (prop::collection::vec(rate(), 0..4), prop::collection::vec(pull, 0..2));
    ((number(0.2..1.0), counts, rule, vectors), (schedule, clip, memory(), validation)).prop_map(
        |(
            (h, (iterations, batch, average, lanes), rule, (rates, pulls)),
            (schedule, clip, memory, validation),
        )| {
            // Most steps divide the trial's samples. None makes so many that to take them all would be right and last for days: those
            // below this one are refused.
            let h = if h > 1e-15 && h < 1.0 { 0.5 } else { h };
            let defaults = TrainingOptions::default();
            TrainingOptions {
                h,
                iterations,
                batch,
                rule,
                rates,
                pulls,
                schedule,
                average,
                clip,
                lanes,
                memory,
                validation,
                ..defaults
            }
        },
    )
}

#[test]
fn any_options_train_or_are_refused_and_never_ruin_the_network() {
    let population = Population::new("theta", Theta::default(), 3, GateShape::RaisedCosine, 0.3);
    let builder = Network::builder().population(population).synapse("slow", 10.0).inputs(1).outputs(1);
    let mut start = builder.build().expect("a network");
    start.parameters.bias_mut().fill(0.05);
    start.parameters.group_mut(Group::Readout(0)).fill(0.5);
    start.parameters.group_mut(Group::Input).fill(0.01);
    for group in [Group::Tau(0), Group::GateWidth(0)] {
        start.unfreeze(group).expect("a group");
    }
    let trained = std::cell::Cell::new(0_usize);
    let result = runner().run(&options(), |options| {
        let mut network = start.clone();
        match train(&mut network, &Follow(QuadraticLoss { lambda: 0.1 }), &options, &mut ()) {
            Ok(history) => {
                trained.set(trained.get() + usize::from(!history.is_empty()));
                prop_assert!(history.iter().all(|done| done.cost.is_finite()));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        prop_assert!(network.validate().is_ok(), "{:?}", network.validate());
        Ok(())
    });
    println!("{} trained", trained.get());
    if let Err(error) = result {
        panic!("{error}");
    }
}
