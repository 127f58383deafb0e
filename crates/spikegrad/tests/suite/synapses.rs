//! Synapses of every kind: their gradients are exact with every neuron, kind of weights and delay, and what they do is what their closed
//! forms and the published updates say.

use super::common::{Model, by_dual_numbers, normal, order, random_start, random_trial, runner};
use super::projections::{KINDS, populations, randomise};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use spikegrad::adjoint::{GradientCheck, GradientReport, Sweep};
use spikegrad::integrators::tableau;
use spikegrad::models::{
    AlphaSynapse, Conductance, Depression, DifferenceOfExponentials, ExponentialSynapse, GateShape,
    HodgkinHuxley, Kinetics, Lif, Locate, Neuron, Nmda, Parameter, Receptor, ShortTermPlasticity, Theta,
    TsodyksMarkram, for_each_kinetics, for_each_neuron, for_each_receptor, for_each_short_term,
};
use spikegrad::network::{
    Domain, Error, Event, Feature, Group, InitialState, Network, NetworkBuilder, NetworkSpec, NoLoss,
    PlainStep, Population, Projection, Sign, SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{NetworkObjective, Purpose, QuadraticLoss, Scheme, generator, load, save};

const H: f64 = 0.5;
const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.1 };

/// A model by its name, with its parameters.
type Named = (&'static str, &'static [Parameter]);

/// All kinds of synapses that there are: kinetics, with and without each short-term plasticity, and each receptor.
pub(crate) fn every() -> Vec<Synapse> {
    let (mut kinetics, mut short_term, mut receptors) = (Vec::new(), vec![None], vec![None]);
    macro_rules! add_kinetics {
        ($module:ident, $kinetics:ty) => {
            kinetics.push((<$kinetics>::NAME, <$kinetics>::PARAMETERS));
        };
    }
    for_each_kinetics!(add_kinetics);
    macro_rules! add_short_term {
        ($module:ident, $short_term:ty) => {
            short_term.push(Some((<$short_term>::NAME, <$short_term>::PARAMETERS)));
        };
    }
    for_each_short_term!(add_short_term);
    macro_rules! add_receptor {
        ($module:ident, $receptor:ty) => {
            receptors.push(Some((<$receptor>::NAME, <$receptor>::PARAMETERS)));
        };
    }
    for_each_receptor!(add_receptor);
    let mut all = Vec::new();
    for &receptor in &receptors {
        for &short_term in &short_term {
            all.extend(kinetics.iter().map(|&kinetics| Synapse { kinetics, short_term, receptor }));
        }
    }
    all
}

/// A rest and a way from there to threshold, by which voltages of receptors are chosen.
type Voltages = (f64, f64);

/// A kind of synapse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Synapse {
    kinetics: Named,
    short_term: Option<Named>,
    receptor: Option<Named>,
}

impl Synapse {
    /// Whether networks with time constants of each neuron may have it.
    fn goes_with_the_dense_path(&self) -> bool {
        self.kinetics.0 == ExponentialSynapse::NAME && self.receptor.is_none()
    }

    /// A projection with such synapses, whose times, parts and voltages are near those of the others.
    fn projection(&self, name: &str, tau: f64, (rest, way): Voltages) -> Projection {
        let of = |model: Option<Named>| model.into_iter().flat_map(|(_, parameters)| parameters);
        let behind = self.kinetics.1.iter().skip(1).chain(of(self.short_term)).chain(of(self.receptor));
        let value = |p: &Parameter| match (p.name, p.unit) {
            ("e_rev", _) => rest + 3.0 * way,
            (_, "voltage") if p.positive => 0.3 * way,
            (_, "voltage") => rest + 0.5 * way,
            _ if p.below_one => 0.4,
            _ => 0.7 * tau,
        };
        let parameters: serde_json::Map<String, _> =
            behind.map(|p| (p.name.to_owned(), json!(value(p)))).collect();
        let named = |model: Option<Named>| model.map(|(name, _)| name);
        let text = json!({
            "name": name,
            "tau": tau,
            "kinetics": self.kinetics.0,
            "short_term": named(self.short_term),
            "receptor": named(self.receptor),
            "parameters": parameters,
        });
        serde_json::from_value(text).expect("a projection")
    }
}

/// Three projections between neurons of one model, each with the next kind of synapse and of weights from `number` on.
fn of_one_model(model: &Model, number: usize, seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 9);
    let width = 0.4 * model.voltage;
    let mut builder = Network::builder()
        .population(model.population("a", 3, GateShape::RaisedCosine, width))
        .population(model.population("b", 2, GateShape::RaisedCosine, width))
        .inputs(1)
        .outputs(2);
    let (synapses, ends) = (every(), [None, Some(("a", "b")), Some(("b", "a"))]);
    let rest = model.start()[0];
    for (k, name) in ["x", "y", "z"].into_iter().enumerate() {
        let at = number + k;
        let (mut synapse, kind) = (synapses[at % synapses.len()], at / synapses.len() % KINDS.len());
        // Weights of low rank, and models without a voltage, have no conductances.
        if kind == LOW_RANK || !model.has_voltage {
            synapse.receptor = None;
        }
        let projection = synapse.projection(name, rng.random_range(4.0..15.0), (rest, model.voltage));
        let projection = match ends[k] {
            None => projection,
            Some((pre, post)) => projection.between(pre, post),
        };
        builder = builder.projection(KINDS[kind](projection, seed));
    }
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    network.freeze(Group::Initial).expect("an initial state");
    randomise(&mut network, rng);
    let start = random_start(&network, &[model; 5], rng);
    let mut trial = random_trial(&mut network, model.h, 0.0, rng);
    (trial.samples, trial.targets) = (40, trial.targets[..80].to_vec());
    trial.inputs.truncate(40);
    network.parameters.group_mut(Group::Initial).copy_from_slice(&start);
    for k in 0..3 {
        let conductance = network.parameter(&format!("{}.e_rev", ["x", "y", "z"][k])).is_ok();
        let scale = 4.0 * model.current;
        for group in [Group::Weight(k), Group::Left(k)] {
            for w in network.parameters.group_mut(group) {
                *w = if conductance { scale / (3.0 * model.voltage) * w.abs() } else { scale * *w };
            }
        }
    }
    for neuron in 0..5 {
        network.parameters.bias_mut()[neuron] = model.current * rng.random_range(1.2..2.0);
        network.parameters.input_mut()[(neuron, 0)] = 0.3 * model.current * normal(rng);
    }
    (network, trial)
}

/// The kind of weights that are the product of two factors.
const LOW_RANK: usize = 2;

/// Some of the synapses, kinds of weights and delays with neuron number `index` of so many; all of them meet some neuron.
fn meets_synapses(model: &Model, (index, neurons): (usize, usize)) -> GradientReport {
    let all = every().len() * KINDS.len();
    // As many as meet them all, unless more are asked for.
    let least = all.div_ceil(3 * neurons);
    let cases = least.max(runner().config().cases as usize / 16 * least);
    let mut merged = None::<GradientReport>;
    for case in 0..cases {
        let number = 3 * (index * cases + case) % all;
        let (network, trial) = of_one_model(model, number, case as u64);
        let smallest = if model.mixed_units { 1e-11 } else { 1e-8 };
        let check = GradientCheck { directions: 1, smallest, ..GradientCheck::default() };
        let mut objective = NetworkObjective::new(network, &trial, &LOSS, Scheme::default(), model.h);
        let report = check.run(&mut objective).expect("a report");
        assert!(report.agreement().is_ok(), "{}, {number}: {report}", model.name);
        match &mut merged {
            Some(merged) => merged.merge(report),
            empty => *empty = Some(report),
        }
    }
    let report = merged.expect("a report");
    assert!(report.events.spikes > 5, "{}: {report}", model.name);
    report
}

/// Some synapses get next to no charge in so short a trial, and a gradient by them is lost in rounding: all reports are judged as one.
#[test]
fn every_neuron_with_synapses_has_an_exact_gradient() {
    let mut models: Vec<fn() -> Model> = Vec::new();
    macro_rules! add {
        ($module:ident, $neuron:ty) => {
            models.push(Model::of::<$neuron>);
        };
    }
    for_each_neuron!(add);
    let neurons = models.len();
    let reports = std::thread::scope(|scope| {
        let check = |(index, model): (usize, fn() -> Model)| {
            scope.spawn(move || meets_synapses(&model(), (index, neurons)))
        };
        let all: Vec<_> = models.into_iter().enumerate().map(check).collect();
        all.into_iter().map(|report| report.join().expect("a report")).collect::<Vec<_>>()
    });
    let report = reports.into_iter().reduce(|mut all, report| {
        all.merge(report);
        all
    });
    let report = report.expect("a report");
    println!("{report}");
    assert!(report.passed(), "{report}");
}

/// Each kind of weights with each kind of synapse, in calm networks.
#[test]
fn dual_numbers_agree_with_the_adjoint() {
    for number in 0..every().len() * KINDS.len() {
        let model = Model::of::<Lif>();
        let (network, trial) = of_one_model(&model, number, number as u64);
        let scheme = SplitStep::new(&network, model.h).expect("a scheme");
        let run = scheme.run(&trial, &LOSS).expect("a run");
        let mut gradient = network.parameters.zeros_like();
        Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
        let mut forward = by_dual_numbers(&network, &trial, model.h, LOSS.lambda);
        network.untrained().for_each(|range| forward[range].fill(0.0));
        for entry in network.parameters.layout().entries() {
            let scale = gradient.values()[entry.range.clone()].iter().fold(1e-3, |m: f64, g| m.max(g.abs()));
            for i in entry.range.clone() {
                let (adjoint, forward) = (gradient.values()[i], forward[i]);
                let close = (adjoint - forward).abs() <= 1e-12 * scale;
                assert!(close, "{number} {}: {adjoint} {forward}", entry.name);
            }
        }
    }
}

/// One neuron that gets the charges of a source through one projection, and nothing else.
fn one(projection: Projection) -> NetworkBuilder {
    Network::builder()
        .population(Population::new("lif", Lif::default(), 1, GateShape::RaisedCosine, 0.3))
        .source("spikes", 1)
        .projection(projection.between("spikes", "lif"))
}

/// The traces of that projection after each of so many steps of `h`, with charges of 1 in the steps `at`.
fn traces(network: &Network<f64>, h: f64, steps: usize, at: &[usize]) -> Vec<f64> {
    let mut trial = Trial::silent(steps, h, 0);
    let event = |&step: &usize| Event { time: h * step as f64, channel: 0, charge: 1.0 };
    trial.events = at.iter().map(event).collect();
    let scheme = SplitStep::new(network, h).expect("a scheme");
    scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite").s[0].clone()
}

/// The charge is released evenly over its step: the trace is a difference of the step responses `1 - ...` of the filters.
#[test]
fn kinetics_have_their_closed_forms_at_any_step() {
    let (tau, rise) = (6.0, 2.5);
    let of_alpha = |t: f64| -(-t / tau).exp_m1() - t / tau * (-t / tau).exp();
    let of_difference = |t: f64| (rise * (-t / rise).exp_m1() - tau * (-t / tau).exp_m1()) / (tau - rise);
    let forms: [(Projection, &dyn Fn(f64) -> f64); 3] = [
        (Projection::new("p", tau), &|t: f64| -(-t / tau).exp_m1()),
        (Projection::with("p", AlphaSynapse { tau }), &of_alpha),
        (Projection::with("p", DifferenceOfExponentials { tau, tau_rise: rise }), &of_difference),
    ];
    for (projection, response) in forms {
        let mut network = one(projection).build().expect("a network");
        network.parameters.weight_mut(0).fill(0.01);
        for h in [0.01, 0.1, 1.0, 40.0] {
            let steps = 60;
            for (n, s) in traces(&network, h, steps, &[0]).into_iter().enumerate() {
                let t = h * n as f64;
                let expected = (response(t + h) - response(t)) / h;
                assert!((s - expected).abs() < 1e-12, "{h} {n}: {s} {expected}");
            }
        }
    }
}

#[test]
fn equal_time_constants_are_the_alpha_function() {
    let network = |projection| {
        let mut network = one(projection).outputs(1).build().expect("a network");
        network.unfreeze_all();
        network.parameters.weight_mut(0).fill(0.3);
        network.parameters.readout_mut(0).fill(2.0);
        network.parameters.bias_mut().fill(0.06);
        network
    };
    let alpha = network(Projection::with("p", AlphaSynapse { tau: 6.0 }));
    let equal = network(Projection::with("p", DifferenceOfExponentials { tau: 6.0, tau_rise: 6.0 }));
    assert_eq!(traces(&alpha, 0.5, 40, &[0, 7]), traces(&equal, 0.5, 40, &[0, 7]));
    let gradient = |network: &Network<f64>, names: &[&str]| {
        let mut trial = Trial::silent(100, 0.5, 0);
        trial.events = (0..9).map(|n| Event { time: 5.0 * f64::from(n), channel: 0, charge: 1.0 }).collect();
        trial.targets = vec![0.1; 100];
        let scheme = SplitStep::new(network, 0.5).expect("a scheme");
        let mut bar = network.parameters.zeros_like();
        let run = scheme.run(&trial, &LOSS).expect("a run");
        Sweep::new().gradient(&run, bar.values_mut()).expect("finite");
        names.iter().map(|name| bar.get(name).expect("a parameter")[0]).sum::<f64>()
    };
    let (one, two) = (gradient(&alpha, &["p.tau"]), gradient(&equal, &["p.tau", "p.tau_rise"]));
    assert!(one != 0.0 && (one - two).abs() < 1e-12 * one.abs(), "{one} {two}");
}

/// Tsodyks & Markram 1997; Markram, Wang & Tsodyks 1998: use first, then release, then recovery until the next spike.
#[test]
fn spikes_of_a_source_release_by_the_published_updates() {
    let (u, tau_rec, tau_facil, tau, h) = (0.3, 130.0, 500.0, 5.0, 0.5);
    let at = [0, 3, 50, 51, 90, 400];
    let released = |projection: Projection| {
        let network = one(projection).build().expect("a network");
        let s = traces(&network, h, 401, &at);
        let keep = f64::exp(-h / tau);
        let before = |n: usize| if n == 0 { 0.0 } else { s[n - 1] };
        at.map(|n| (s[n] - keep * before(n)) * h / (1.0 - keep))
    };
    let (mut x, mut y, mut x_facil, mut last) = (1.0, 0.0, 1.0, 0);
    let depressing = released(Projection::new("p", tau).short_term(Depression { u, tau_rec }));
    let both = released(Projection::new("p", tau).short_term(TsodyksMarkram { u, tau_rec, tau_facil }));
    for ((n, depressed), released) in at.into_iter().zip(depressing).zip(both) {
        let pause = h * (n - last) as f64;
        last = n;
        let (left, left_y) = (f64::exp(-pause / tau_rec), f64::exp(-pause / tau_facil));
        (x, y, x_facil) = (1.0 + (x - 1.0) * left, y * left_y, 1.0 + (x_facil - 1.0) * left);
        y += u * (1.0 - y);
        assert!((depressed - u * x).abs() < 1e-12, "{n}: {depressed} {}", u * x);
        assert!((released - y * x_facil).abs() < 1e-12, "{n}: {released} {}", y * x_facil);
        (x, x_facil) = (x - u * x, x_facil - y * x_facil);
    }
}

#[test]
fn what_has_no_meaning_is_refused_in_words() {
    let refused = |projection: Projection| one(projection).build().expect_err("refused");
    let alpha = || Projection::with("p", AlphaSynapse { tau: 5.0 });
    let error = refused(alpha().tau_per_neuron());
    assert!(matches!(error, Error::Excluded { feature: Feature::Stages, other: Feature::DensePath, .. }));
    assert!(error.to_string().contains("kinetics of more than one filter"), "{error}");
    let of_u = |u| refused(Projection::new("p", 5.0).short_term(Depression { u, tau_rec: 100.0 }));
    for u in [0.0, 1.0, 1.5, -0.1] {
        assert_eq!(of_u(u), Error::NotFraction { what: "p.u".into(), value: u });
    }
    let zero = refused(Projection::with("p", DifferenceOfExponentials { tau: 5.0, tau_rise: 0.0 }));
    assert_eq!(zero, Error::NotPositive { what: "p.tau_rise".into(), value: 0.0 });
    let mut network =
        Network::builder().population(Population::new("theta", Theta::default(), 2, GateShape::Box, 0.3));
    network = network.projection(alpha().short_term(Depression { u: 0.5, tau_rec: 100.0 }));
    let network = network.build().expect("a network");
    let plain = PlainStep::new(&network, 0.5, tableau::RK4).expect_err("refused");
    assert!(matches!(plain, Error::Excluded { other: Feature::PlainField, .. }), "{plain}");
    let trial = Trial::silent(10, 0.5, 0);
    let scheme = SplitStep::new(&network, 0.5).expect("a scheme");
    let run = scheme.run(&trial, &NoLoss).expect("a run");
    let continuous = pontryagin(&run).map(|_| ()).expect_err("refused");
    assert!(continuous.to_string().contains("the continuous adjoint"), "{continuous}");

    let text = r#"
        [[populations]]
        name = "a"
        model = "theta"
        size = 3
        gate = { shape = "box", width = 0.2 }
        parameters = { tau_v = 25.0 }
        [[projections]]
        name = "slow"
        tau = 5.0
        kinetics = "alpha"
    "#;
    let build = |from: &str, to: &str| {
        let spec: NetworkSpec = toml::from_str(&text.replace(from, to)).expect("text");
        spec.build().map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(build("", ""), Ok(()));
    let unknown = build("\"alpha\"", "\"beta\"").expect_err("refused");
    assert!(unknown.contains("choose one of exponential, alpha, difference of exponentials"), "{unknown}");
    let missing = build("\"alpha\"", "\"difference of exponentials\"").expect_err("refused");
    assert!(missing.contains("projection `slow` has no value for `tau_rise`"), "{missing}");
    let more = build("\"alpha\"", "\"alpha\"\nparameters = { u = 0.5 }").expect_err("refused");
    assert!(more.contains("projection `slow` has a value for `u`"), "{more}");
}

/// What a synapse no longer is leaves no parameters behind.
#[test]
fn a_synapse_that_is_described_anew_has_the_parameters_of_the_last_description() {
    let nmda = Nmda { e_rev: 4.5, v_half: 0.5, slope: 0.25 };
    let facilitating = TsodyksMarkram { u: 0.2, tau_rec: 100.0, tau_facil: 500.0 };
    let (depressing, open) = (Depression { u: 0.4, tau_rec: 300.0 }, Conductance { e_rev: 3.0 });
    let found = one(Projection::new("p", 5.0).receptor(nmda).receptor(open)).build().expect("a network");
    let expected = one(Projection::new("p", 5.0).receptor(open)).build().expect("a network");
    assert_eq!(found.spec(), expected.spec());
    let twice = Projection::new("p", 5.0).short_term(facilitating).short_term(depressing);
    let found = one(twice).build().expect("a network");
    let expected = one(Projection::new("p", 5.0).short_term(depressing)).build().expect("a network");
    assert_eq!(found.spec(), expected.spec());
}

#[test]
fn descriptions_and_domains_hold_the_parameters_of_synapses() {
    for (number, synapse) in every().into_iter().enumerate() {
        let network = one(synapse.projection("p", 5.0, (0.0, 1.0))).build().expect("a network");
        let text = toml::to_string(&network.spec()).expect("text");
        let again = toml::from_str::<NetworkSpec>(&text).expect("a description").build().expect("a network");
        assert_eq!((again.spec(), &again.parameters), (network.spec(), &network.parameters), "{number}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("network.safetensors");
        save(&network, &path).expect("a file");
        let loaded = load::<f64>(&path).expect("a network");
        assert_eq!((loaded.spec(), &loaded.parameters), (network.spec(), &network.parameters), "{number}");
    }
    let facilitating = TsodyksMarkram { u: 0.15, tau_rec: 130.0, tau_facil: 500.0 };
    let mut network = one(Projection::new("p", 5.0).short_term(facilitating)).build().expect("a network");
    let domain = |name: &str| network.parameter(name).expect("a parameter").domain;
    assert_eq!([domain("p.u"), domain("p.tau_rec")], [Domain::Fraction, Domain::Positive]);
    network.unfreeze_all();
    let group = network.parameter("p.u").expect("a parameter").group;
    network.parameters.group_mut(group)[0] = 1.5;
    network.project();
    let u = network.parameters.get("p.u").expect("a parameter")[0];
    assert!(u < 1.0 && u > 0.9999 && network.validate().is_ok(), "{u}");
}

/// A projection for each of four connections between three populations of different models.
pub(crate) fn random_synapse(name: &str, tau: f64, dense: bool, rng: &mut ChaCha8Rng) -> Projection {
    let all = every();
    // Some of the populations have no voltage.
    let fits = |s: &&Synapse| s.receptor.is_none() && (!dense || s.goes_with_the_dense_path());
    let fits: Vec<_> = all.iter().filter(fits).collect();
    fits[rng.random_range(0..fits.len())].projection(name, tau, (0.0, 1.0))
}

/// Networks of every kind of synapse in single precision follow those in double precision.
#[test]
fn single_precision_follows_double_precision() {
    for synapse in every() {
        let rng = &mut generator(3, Purpose::Test, 0);
        let mut projection = synapse.projection("w", 8.0, (0.0, 1.0));
        if synapse.receptor.is_some() {
            projection = projection.between("a", "b");
        }
        let mut network = populations([4, 3, 2]).projection(projection).build().expect("a network");
        network.unfreeze_all();
        randomise(&mut network, rng);
        network.parameters.weight_mut(0).iter_mut().for_each(|w| *w = w.abs());
        let trial = random_trial(&mut network, H, 0.0, rng);
        let cost = |network: &Network<f64>| {
            let scheme = SplitStep::new(network, H).expect("a scheme");
            Sweep::new().cost(&scheme.run(&trial, &LOSS).expect("a run")).expect("finite")
        };
        let (single, trial_single) = (network.to_f32(), trial.map(|x| x as f32));
        let scheme = SplitStep::new(&single, H).expect("a scheme");
        let loss = QuadraticLoss { lambda: 0.1_f32 };
        let run = scheme.run(&trial_single, &loss).expect("a run");
        let found = f64::from(Sweep::new().cost(&run).expect("finite"));
        let expected = cost(&network);
        assert!((found - expected).abs() < 1e-3 * expected, "{synapse:?}: {found} {expected}");
    }
}

/// One neuron with a projection from a source whose conductance `g` stands still.
fn with_conductance(model: &Model, (e_rev, g): (f64, f64)) -> (Network<f64>, Trial<f64>) {
    let mut network = Network::builder()
        .population(model.population("cell", 1, GateShape::RaisedCosine, 0.3 * model.voltage))
        .source("spikes", 1)
        .projection(Projection::new("p", 1e15).between("spikes", "cell").receptor(Conductance { e_rev }))
        .build()
        .expect("a network");
    network.parameters.weight_mut(0).fill(g);
    let mut trial = Trial::silent(200, model.h, 0);
    let x = network.parameters.group(Group::Initial).to_vec();
    trial.initial = Some(InitialState { x, s: vec![1.0] });
    (network, trial)
}

#[test]
fn constant_conductances_have_the_closed_form_at_any_step() {
    let (tau_v, e_rev, g) = (20.0, 0.9, 0.35);
    let model = Model::of::<Lif>();
    for h in [0.01, 0.1, 1.0, 40.0] {
        let (network, mut trial) = with_conductance(&model, (e_rev, g));
        trial.interval = h;
        let scheme = SplitStep::new(&network, h).expect("a scheme");
        let v = scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite").v;
        let (rate, end) = (1.0 / tau_v + g, g * e_rev / (1.0 / tau_v + g));
        for (n, v) in v.into_iter().enumerate() {
            let expected = -end * f64::exp_m1(-rate * h * (n as f64 + 1.0));
            assert!((v - expected).abs() < 1e-12, "{h} {n}: {v} {expected}");
        }
    }
}

/// The voltage goes to the reversal potential and stays there, however large the conductance is against the step; where the method is an
/// explicit one, the run says that it diverged.
#[test]
fn large_conductances_do_not_blow_up_with_the_method_of_the_model() {
    macro_rules! check {
        ($module:ident, $neuron:ty) => {
            let model = Model::of::<$neuron>();
            if model.has_voltage {
                let rest = model.start()[0];
                let e_rev = rest - 0.3 * model.voltage;
                // By what a unit of current adds to the slope.
                let neuron = <$neuron>::default();
                let f = |current: f64| <$neuron>::rhs(&neuron.params(), &neuron.rest(), current)[0];
                let g = 20.0 / model.h / (f(1.0) - f(0.0));
                let (network, trial) = with_conductance(&model, (e_rev, g));
                let scheme = SplitStep::new(&network, model.h).expect("a scheme");
                let run = scheme.run(&trial, &NoLoss).expect("a run");
                if <$neuron>::LOCATE == Locate::DenseOutput {
                    let error = run.record().map(|_| ()).expect_err("an explicit method");
                    assert!(matches!(error, Error::Diverged { .. }), "{}: {error}", model.name);
                } else {
                    let v = run.record().expect("finite").v;
                    let (last, way) = (v[v.len() - 1], (e_rev - rest).abs());
                    assert!((last - e_rev).abs() < 0.05 * way, "{}: {last} {e_rev}", model.name);
                    let beyond = v.iter().fold(0.0_f64, |most, v| most.max(e_rev - v));
                    assert!(beyond < 0.05 * way, "{}: {beyond}", model.name);
                }
            }
        };
    }
    for_each_neuron!(check);
}

/// Charges of a source through NMDA receptors and inhibition on one neuron below threshold, against Runge-Kutta steps of a thousandth of
/// a millisecond, in which the traces have their closed form.
#[test]
fn conductances_converge_with_order_one() {
    let (tau_v, tau, tau_rise, tau_i) = (20.0, 40.0, 3.0, 8.0);
    let nmda = Nmda { e_rev: 4.0, v_half: 0.4, slope: 0.2 };
    let inhibition = Conductance { e_rev: -0.5 };
    let (w, w_i, end) = (2.3, 1.5, 40.0);
    let s = |t: f64| (f64::exp(-t / tau) - f64::exp(-t / tau_rise)) / (tau - tau_rise);
    let s_i = |t: f64| if t >= 20.0 { f64::exp(-(t - 20.0) / tau_i) / tau_i } else { 0.0 };
    let rate = |t: f64, v: f64| {
        let open = 1.0 / (1.0 + f64::exp(-(v - nmda.v_half) / nmda.slope));
        -v / tau_v + w * s(t) * open * (nmda.e_rev - v) + w_i * s_i(t) * (inhibition.e_rev - v)
    };
    let (mut exact, dt) = (0.0, 1e-3);
    for n in 0..(end / dt) as usize {
        let t = dt * n as f64;
        let a = rate(t, exact);
        let b = rate(t + dt / 2.0, exact + dt / 2.0 * a);
        let c = rate(t + dt / 2.0, exact + dt / 2.0 * b);
        let d = rate(t + dt, exact + dt * c);
        exact += dt / 6.0 * (a + 2.0 * b + 2.0 * c + d);
    }
    assert!(exact > 0.05 && exact < 0.95, "{exact}");
    let kinetics = DifferenceOfExponentials { tau, tau_rise };
    let mut network = Network::builder()
        .population(Population::new("lif", Lif::default(), 1, GateShape::RaisedCosine, 0.02))
        .source("spikes", 1)
        .source("inhibit", 1)
        .projection(Projection::with("e", kinetics).between("spikes", "lif").receptor(nmda))
        .projection(Projection::new("i", tau_i).between("inhibit", "lif").receptor(inhibition))
        .build()
        .expect("a network");
    network.parameters.weight_mut(0).fill(w);
    network.parameters.weight_mut(1).fill(w_i);
    let errors = [0.5, 0.25, 0.125, 0.0625].map(|h| {
        let mut trial = Trial::silent((end / h) as usize, h, 0);
        let event = |time, channel| Event { time, channel, charge: 1.0 };
        trial.events = vec![event(0.0, 0), event(20.0, 1)];
        let scheme = SplitStep::new(&network, h).expect("a scheme");
        let v = scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite").v;
        (h, (v[v.len() - 1] - exact).abs())
    });
    let found = order(&errors);
    assert!((0.9..1.2).contains(&found), "{found} {errors:?}");
    assert!(errors[3].1 < 5e-3, "{errors:?}");
}

#[test]
fn conductances_are_not_negative_and_need_a_voltage() {
    let receptor = Conductance { e_rev: -0.5 };
    let of =
        |projection: Projection| populations([2, 2, 2]).projection(projection.receptor(receptor)).build();
    for (post, model) in [("a", "theta"), ("c", "NIF")] {
        let error = of(Projection::new("w", 5.0).between("b", post)).expect_err("refused");
        assert!(matches!(&error, Error::NoVoltage { model: found, .. } if *found == model), "{error}");
    }
    assert!(of(Projection::new("w", 5.0)).is_err());
    let low_rank = of(Projection::new("w", 5.0).between("b", "b").low_rank(1)).expect_err("refused");
    assert!(matches!(low_rank, Error::Excluded { .. }), "{low_rank}");

    let mut network = of(Projection::new("w", 5.0).between("b", "b")).expect("a network");
    assert_eq!(network.parameter("w.weight").expect("weights").domain, Domain::NotNegative);
    network.parameters.weight_mut(0).fill(-0.1);
    let error = network.validate().expect_err("refused");
    assert!(matches!(error, Error::NegativeConductance { index: 0, .. }), "{error}");
    network.project();
    assert!(network.validate().is_ok() && network.parameters.weight(0).iter().all(|&w| w == 0.0));
    // Dale's law is about currents: inhibitory neurons have conductances that are not negative either.
    network.set_signs(|_| Some(Sign::Inhibitory));
    network.parameters.weight_mut(0).fill(0.1);
    network.project();
    assert!(network.check_signs().is_ok() && network.parameters.weight(0).iter().all(|&w| w == 0.1));

    let squid = Network::builder()
        .population(Population::new("squid", HodgkinHuxley::default(), 1, GateShape::Box, 30.0))
        .projection(Projection::new("w", 5.0).receptor(Nmda::default()))
        .build()
        .expect("a network");
    let unit = |name: &str| squid.parameter(name).expect("a parameter").unit.to_owned();
    assert_eq!([unit("w.e_rev"), unit("w.slope"), unit("w.weight")], ["mV", "mV", "uA/cm2 ms/mV"]);
}
