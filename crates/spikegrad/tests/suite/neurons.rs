//! What single neurons do, most of all those with hard resets: published behaviour, by the methods that they name, closed forms, and an adaptive reference solve that shares no
//! event location with the steps.

use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{Exponential, FiringField, Method, ResetStep, Tableau, tableau};
use spikegrad::models::{
    AdEx, AdaptiveLif, Array, Eif, ExponentialSynapse, FitzHughNagumo, Gate, GateShape, HodgkinHuxley,
    Izhikevich, Lif, Locate, MorrisLecar, Neuron, NeuronVjp, Qif, Reset, Theta, for_each_neuron,
};
use spikegrad::network::{Network, NoLoss, Population, Recording, SplitStep, Trial};

use crate::common::{Model, order, rms};

/// One neuron under a constant current.
struct Cell<N: Neuron> {
    params: N::Params<f64>,
    current: f64,
}

impl<N: Neuron> FiringField<f64> for Cell<N> {
    type State = N::State<f64>;

    fn rhs(&self, x: &N::State<f64>) -> N::State<f64> {
        N::rhs(&self.params, x, self.current)
    }
    fn threshold(&self) -> f64 {
        N::reset(&self.params).threshold()
    }
    fn jump(&self, x: &N::State<f64>) -> N::State<f64> {
        N::after_spike(&self.params, x)
    }
    fn refractory(&self) -> f64 {
        N::refractory(&self.params).unwrap_or(0.0)
    }
}

/// Spike times from rest, and the state at the end.
fn run<N: Neuron>(
    neuron: &N,
    current: f64,
    duration: f64,
    h: f64,
    tableau: Tableau,
) -> (Vec<f64>, N::State<f64>) {
    let cell = Cell::<N> { params: neuron.params(), current };
    let (mut x, mut wait, mut times) = (neuron.rest(), 0.0, Vec::new());
    let step = ResetStep { tableau, h };
    for n in 0..(duration / h).round() as usize {
        step.spikes(&cell, &x, wait, |t, _| times.push(n as f64 * h + t));
        step.step(&cell, &mut x, &mut wait);
    }
    (times, x)
}

fn intervals(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Intervals of a run that resolves the upstroke.
fn pattern<N: Neuron>(neuron: &N, current: f64, duration: f64) -> Vec<f64> {
    let found = intervals(&run(neuron, current, duration, 0.02, tableau::RK4).0);
    println!("{}, {current}: {found:.1?}", N::NAME);
    found
}

/// Fourcaud-Trocmé et al. (2003): no firing below `g_L (V_T - V_L - Delta_T)`, 0.162 µA/cm² for their parameters; above it,
/// the period is the refractory time and the integral of `dv / f`.
#[test]
fn eif_has_the_rheobase_and_the_periods_of_its_equation() {
    let eif = Eif::default();
    assert!(run(&eif, 0.98 * eif.rheobase(), 2000.0, 0.05, tableau::RK4).0.is_empty());
    assert!(run(&eif, 1.02 * eif.rheobase(), 2000.0, 0.05, tableau::RK4).0.len() > 2);
    for current in [0.2, 0.5, 2.0] {
        let slowness = |v: f64| 1.0 / Eif::rhs(&eif.params(), &[v], current)[0];
        let n = 200_000;
        let width = (eif.v_theta - eif.v_reset) / f64::from(n);
        let sum: f64 = (0..n).map(|i| slowness(eif.v_reset + (f64::from(i) + 0.5) * width)).sum();
        let period = eif.t_ref + sum * width;
        let found = pattern(&eif, current, 5.5 * period);
        assert!(found.len() >= 4);
        assert!(found.iter().all(|t| (t - period).abs() < 1e-5 * period), "{found:?} {period}");
    }
}

/// Latham et al. (2000): rheobase `(v_c - v_rest) / 4`, and above it the period of equation (55).
#[test]
fn quadratic_neuron_has_the_rheobase_and_the_periods_of_its_equation() {
    let qif = Qif::default();
    assert!(run(&qif, 0.98 * qif.rheobase(), 2000.0, 0.05, tableau::RK4).0.is_empty());
    assert!(run(&qif, 1.02 * qif.rheobase(), 2000.0, 0.05, tableau::RK4).0.len() > 2);
    for current in [4.0, 8.0, 40.0] {
        let (span, middle) = (qif.v_c - qif.v_rest, 0.5 * (qif.v_c + qif.v_rest));
        let kappa = (span * current - 0.25 * span * span).sqrt();
        let angle = ((qif.v_theta - middle) / kappa).atan() - ((qif.v_reset - middle) / kappa).atan();
        let period = qif.tau_v * span / kappa * angle;
        let found = pattern(&qif, current, 5.5 * period);
        assert!(found.len() >= 4);
        assert!(found.iter().all(|t| (t - period).abs() < 1e-6 * period), "{found:?} {period}");
    }
}

/// In the steady state of period `T`, `a` falls from `1 / (1 - exp(-T / tau_a))` to one less, and the membrane climbs from
/// `beta` times that to `v_theta` more.
#[test]
fn adaptive_lif_settles_at_the_interval_of_its_equation() {
    let neuron = AdaptiveLif::default();
    for current in [0.08, 0.15, 0.4] {
        let found = pattern(&neuron, current, 3000.0);
        let (first, last) = (found[0], found[found.len() - 1]);
        assert!(last > 1.1 * first, "no adaptation: {first} {last}");
        let a = 1.0 / (1.0 - (-last / neuron.tau_a).exp()) - 1.0;
        let end = neuron.tau_v * current;
        let reached = end + (neuron.beta * a - end) * (-last / neuron.tau_v).exp();
        let threshold = neuron.v_theta + neuron.beta * a;
        assert!((reached - threshold).abs() < 1e-6, "{current}: {reached} for {threshold}");
    }
}

/// The firing patterns of Naud et al. (2008), figure 4, for the parameters and currents of table 1.
#[test]
fn adex_has_its_published_firing_patterns() {
    let tonic = pattern(&AdEx::tonic(), 500.0, 400.0);
    assert!(tonic.len() > 20 && tonic.iter().all(|t| (t / tonic[5] - 1.0).abs() < 0.06), "tonic");

    let adapting = pattern(&AdEx::adapting(), 500.0, 600.0);
    assert!(adapting.windows(2).all(|pair| pair[1] > pair[0] * 0.9999), "adapting");
    assert!(adapting.last() > Some(&(2.0 * adapting[0])), "adapting");

    let initial = pattern(&AdEx::initial_burst(), 400.0, 400.0);
    assert!(initial[0] < 0.3 * initial[initial.len() - 1] && initial.len() > 3, "initial burst");

    // Pauses separate bursts of one length.
    let bursting = pattern(&AdEx::regular_bursting(), 210.0, 1500.0);
    let longest = bursting.iter().copied().fold(0.0, f64::max);
    let pauses: Vec<_> = (0..bursting.len()).filter(|&i| bursting[i] > 0.5 * longest).collect();
    let lengths: Vec<_> = pauses.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() >= 4 && lengths[0] >= 2 && lengths.iter().all(|n| *n == lengths[0]), "{lengths:?}");

    let accelerating = pattern(&AdEx::delayed_accelerating(), 300.0, 600.0);
    assert!(accelerating.windows(2).all(|pair| pair[1] < pair[0] * 1.0001), "accelerating");
    assert!(accelerating[0] > 1.2 * accelerating[accelerating.len() - 1], "accelerating");

    let transient = |current| run(&AdEx::transient(), current, 2000.0, 0.02, tableau::RK4).0;
    for (current, spikes) in [(180.0, 1), (250.0, 2)] {
        let times = transient(current);
        assert!(times.len() == spikes && times.iter().all(|t| *t < 50.0), "{current}: {times:?}");
    }
    assert!(transient(400.0).len() > 20, "a strong current is another pattern");
}

/// One neuron of a network under a constant current: what its scheme records.
fn alone<N: NeuronVjp>(
    neuron: N,
    current: f64,
    duration: f64,
    h: f64,
    method: Option<Method>,
) -> Recording<f64> {
    let population = Population::new("one", neuron, 1, GateShape::RaisedCosine, 0.5 * zone(&neuron));
    let mut network =
        Network::builder().population(population).synapse("slow", 10.0).build().expect("a neuron");
    network.parameters.bias_mut()[0] = current;
    let scheme = SplitStep::with_method(&network, h, method).expect("a scheme");
    let trial = Trial::silent((duration / h).round() as usize, h, 0);
    scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite")
}

/// The way of the voltage to threshold.
fn zone<N: Neuron>(neuron: &N) -> f64 {
    let reset = N::reset(&neuron.params());
    reset.widest_zone().unwrap_or(reset.threshold() - neuron.rest().as_ref()[0])
}

/// How late the last spike is, by the method that the model names and by Euler's; of exactly so many spikes by an adaptive
/// solve.
fn late<N: NeuronVjp>(neuron: N, current: f64, spikes: usize, h: f64) -> [f64; 2] {
    let last = reference(&neuron, current, 1000.0)[spikes - 1];
    [None, Some(tableau::EULER.into())]
        .map(|method| alone(neuron, current, 1.2 * last, h, method).spike_times()[0][spikes - 1] - last)
}

/// At the steps that the models' page recommends. By Euler's method a train of spikes is off by milliseconds, as if that
/// were what the neuron does.
#[test]
fn models_are_right_by_the_method_that_they_name_where_euler_is_late() {
    let of = [
        ("AdEx", late(AdEx::tonic(), 500.0, 81, 0.25), 0.25),
        ("Izhikevich", late(Izhikevich::default(), 10.0, 23, 0.25), 0.25),
        ("EIF", late(Eif::default(), 0.5, 31, 0.25), 0.25),
        ("QIF", late(Qif::default(), 20.0, 52, 0.5), 0.5),
        ("ALIF", late(AdaptiveLif::default(), 0.1, 10, 1.0), 1.0),
    ];
    for (what, [own, euler], h) in of {
        println!("{what}, h = {h}: {own:.3} ms, by Euler {euler:.3} ms");
        assert!(own.abs() < 0.1 && euler.abs() > 2.0, "{what}: {own} ms, by Euler {euler} ms");
    }
}

/// The same for models that are not reset, against RK4 at a fiftieth of the step.
#[test]
fn action_potentials_are_right_at_the_step_of_their_model() {
    fn check<N: NeuronVjp>(neuron: N, current: f64, h: f64) {
        let spikes = |h: f64, method: Option<Method>| {
            alone(neuron, current, 1000.0, h, method).spike_times().remove(0)
        };
        let (own, exact) = (spikes(h, None), spikes(h / 50.0, Some(tableau::RK4.into())));
        assert!(own.len() == exact.len() && own.len() > 5, "{}: {own:?} {exact:?}", N::NAME);
        let late = own.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{}, {current}: {late:.3} ms", N::NAME);
        assert!(late < 0.3, "{}: {late} ms", N::NAME);
    }
    check(FitzHughNagumo::default(), 0.5, 0.5);
    check(FitzHughNagumo::default(), 1.0, 0.5);
    check(MorrisLecar::snic(), 45.0, 1.0);
    check(MorrisLecar::hopf(), 100.0, 1.0);
}

/// Of an action potential, an explicit method loses everything where its fastest gate relaxes within a step.
#[test]
fn hodgkin_huxley_neurons_are_right_at_the_step_of_their_method() {
    for current in [10.0, 15.0] {
        let of =
            |h, method| alone(HodgkinHuxley::default(), current, 100.0, h, method).spike_times().remove(0);
        let (own, exact) = (of(0.25, None), of(0.01, Some(tableau::RK4.into())));
        assert_eq!(own.len(), exact.len(), "{current}");
        // 4 % slow.
        assert!(own.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 0.25 + 0.045 * b), "{own:?} {exact:?}");
    }
}

/// Each population is stepped as if it were alone, by the method of its own model.
#[test]
fn a_mixed_network_takes_the_method_of_each_model() {
    let (h, steps) = (0.1, 1000);
    let shape = GateShape::RaisedCosine;
    let populations: [(Population, f64, Method); 5] = [
        (Population::new("adex", AdEx::tonic(), 1, shape, 5.0), 500.0, tableau::RK4.into()),
        (Population::new("theta", Theta::default(), 1, shape, 0.3), 0.03, tableau::EULER.into()),
        (Population::new("lif", Lif::default(), 1, shape, 0.3), 0.06, tableau::HEUN.into()),
        (
            Population::new("squid", HodgkinHuxley::default(), 1, shape, 30.0),
            15.0,
            Exponential::Midpoint.into(),
        ),
        (Population::new("barnacle", MorrisLecar::default(), 1, shape, 20.0), 60.0, tableau::RK4.into()),
    ];
    let trial = Trial::silent(steps, h, 0);
    let mut builder = Network::builder().synapse("slow", 10.0);
    for (population, ..) in &populations {
        builder = builder.population(population.clone());
    }
    let mut mixed = builder.build().expect("a network");
    mixed.parameters.bias_mut().iter_mut().zip(&populations).for_each(|(bias, (_, drive, _))| *bias = *drive);
    let scheme = SplitStep::new(&mixed, h).expect("a scheme");
    let together = scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite");
    for (i, (population, drive, method)) in populations.iter().enumerate() {
        let network = Network::builder().population(population.clone()).synapse("slow", 10.0).build();
        let mut network = network.expect("a network");
        network.parameters.bias_mut()[0] = *drive;
        let by = |method| {
            let scheme = SplitStep::with_method(&network, h, Some(method)).expect("a scheme");
            scheme.run(&trial, &NoLoss).expect("a run").record()
        };
        let named = by(*method).expect("finite");
        let own: Vec<f64> = together.v.iter().skip(i).step_by(populations.len()).copied().collect();
        assert!(!named.spikes.is_empty() && own == named.v, "{}", population.name());
        // A closed form is no method that another one takes the place of; the squid's axon is lost by an explicit one.
        let same = by(tableau::RALSTON.into()).is_ok_and(|other| other.v == named.v);
        assert_eq!(same, population.name() == "lif", "{}", population.name());
    }
}

/// A cubic that takes the slope at the end of an Euler step, far above threshold, finds its crossings late: 199 spikes for
/// 278. The chord of the step finds 269.
#[test]
fn crossings_of_euler_steps_are_on_their_chord() {
    let exact = reference(&AdEx::tonic(), 5000.0, 200.0).len();
    for h in [0.5, 1.0] {
        let found = run(&AdEx::tonic(), 5000.0, 200.0, h, tableau::EULER).0.len();
        println!("h = {h}: {found} spikes for {exact}");
        assert!(found.abs_diff(exact) * 20 < exact, "h = {h}: {found} spikes for {exact}");
    }
}

/// Izhikevich (2003), figure 2, at a current of 10: which cells adapt, burst and chatter, and which fire fastest.
#[test]
fn izhikevich_has_its_published_firing_patterns() {
    let of = |neuron: Izhikevich| pattern(&neuron, 10.0, 500.0);
    let last = |intervals: &[f64]| intervals[intervals.len() - 1];
    let regular = of(Izhikevich::regular_spiking());
    assert!(last(&regular) > 1.5 * regular[0] && (5..20).contains(&regular.len()), "RS adapts");
    // Steady at once.
    assert!(regular[2..].iter().all(|t| (t / last(&regular) - 1.0).abs() < 0.05));

    let bursting = of(Izhikevich::intrinsically_bursting());
    assert!(bursting[0] < 0.3 * last(&bursting), "IB begins with a burst");
    assert!(bursting[bursting.len() - 3..].iter().all(|t| (t / last(&bursting) - 1.0).abs() < 0.1));

    let chattering = of(Izhikevich::chattering());
    let longest = chattering.iter().copied().fold(0.0, f64::max);
    let (short, long): (Vec<f64>, Vec<f64>) = chattering.iter().partition(|t| **t < 0.4 * longest);
    assert!(long.len() >= 3 && short.len() >= 2 * long.len(), "CH goes on in bursts");

    let fast = of(Izhikevich::fast_spiking());
    assert!(fast.len() > 2 * regular.len(), "FS fires fast");
    assert!(
        fast[3..].iter().all(|t| (t / last(&fast) - 1.0).abs() < 0.05),
        "FS is steady from the fourth spike on"
    );

    let low = of(Izhikevich::low_threshold_spiking());
    assert!(low.len() > regular.len() && last(&low) > 1.2 * low[0], "LTS fires fast and adapts");
    let weak = |neuron| run(&neuron, 1.0, 300.0, 0.02, tableau::RK4).0.len();
    assert!(weak(Izhikevich::low_threshold_spiking()) > 0, "LTS has a low threshold");
    assert_eq!(weak(Izhikevich::regular_spiking()), 0);

    // At its rest near -60 mV a thalamo-cortical cell fires tonically.
    let thalamic = of(Izhikevich::thalamo_cortical());
    let late = &thalamic[thalamic.len() / 2..];
    assert!(late.iter().all(|t| (t / last(&thalamic) - 1.0).abs() < 0.05), "TC");
    assert!(of(Izhikevich::resonator()).len() > fast.len(), "RZ fires fast");
}

/// A step of length `h` of the method of order 5.
fn single<N: Neuron>(cell: &Cell<N>, x: &N::State<f64>, h: f64, held: bool) -> N::State<f64> {
    let (mut end, mut points, mut slopes) = (*x, [*x; 7], [*x; 7]);
    tableau::DORMAND_PRINCE5.step(h, &mut end, &mut points, &mut slopes, |_, x, f| {
        *f = cell.rhs(x);
        if held {
            f.as_mut()[0] = 0.0;
        }
    });
    end
}

/// Two half steps, extrapolated to order 6, and by how much they differ from a whole one.
fn double<N: Neuron>(cell: &Cell<N>, x: &N::State<f64>, h: f64, held: bool) -> (N::State<f64>, f64) {
    let whole = single(cell, x, h, held);
    let half = single(cell, &single(cell, x, 0.5 * h, held), 0.5 * h, held);
    let (whole, half) = (whole.as_ref(), half.as_ref());
    let error = half.iter().zip(whole).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f64::max);
    (N::State::<f64>::from_fn(|i| half[i] + (half[i] - whole[i]) / 31.0), error)
}

/// Spike times by adaptive steps with a tolerance of 1e-12; a spike is the step length at which the voltage is at threshold,
/// found by halving.
fn reference<N: Neuron>(neuron: &N, current: f64, duration: f64) -> Vec<f64> {
    let cell = Cell::<N> { params: neuron.params(), current };
    let (mut x, mut t, mut h, mut times) = (neuron.rest(), 0.0, 0.01, Vec::new());
    let mut free_from = 0.0;
    while t < duration {
        let held = t < free_from;
        let most = if held { free_from - t } else { duration - t };
        let length = f64::min(h, most);
        let (end, error) = double(&cell, &x, length, held);
        if error > 1e-12 {
            h = 0.5 * length;
            continue;
        }
        if !held && end.as_ref()[0] >= cell.threshold() {
            let (mut low, mut high) = (0.0, length);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                let above = double(&cell, &x, middle, false).0.as_ref()[0] >= cell.threshold();
                if above { high = middle } else { low = middle }
            }
            x = cell.jump(&double(&cell, &x, high, false).0);
            t += high;
            times.push(t);
            free_from = t + cell.refractory();
            continue;
        }
        x = end;
        t = if length == most && held { free_from } else { t + length };
        if error < 1e-14 {
            h = 1.5 * length;
        }
    }
    times
}

fn check_spike_times<N: NeuronVjp + Default>() {
    if N::LOCATE != Locate::DenseOutput {
        return;
    }
    let (model, neuron, duration) = (Model::of::<N>(), N::default(), 60.0);
    // An error depends on where in its step a spike falls, so that several currents are needed to see the order.
    let currents: Vec<f64> = (0..8).map(|i| (1.6 + 0.11 * f64::from(i)) * model.current).collect();
    let exact: Vec<_> = currents.iter().map(|&current| reference(&neuron, current, duration)).collect();
    assert!(exact.iter().all(|times| times.len() >= 2), "{}: {exact:?}", N::NAME);
    for method in [tableau::EULER, tableau::HEUN, tableau::BOGACKI_SHAMPINE3, tableau::RK4] {
        let what = format!("{}, {}", N::NAME, method.name());
        let error = |h: f64| {
            rms(currents.iter().zip(&exact).flat_map(|(&current, exact)| {
                let (times, _) = run(&neuron, current, duration, h, method);
                assert!(times.len().abs_diff(exact.len()) <= 1, "{what}, h = {h}");
                // The last spike may fall on either side of the end.
                times.into_iter().zip(exact).map(|(a, b)| a - b).collect::<Vec<_>>()
            }))
        };
        // An upstroke that is an exponential asks for steps of 0.01 ms; where it is a parabola, as in the QIF neuron, or
        // none at all, as in the ALIF neuron, a method of order 3 or 4 has found the spikes with these to what the
        // tolerance of the reference leaves. Its order is seen in longer steps.
        let mut finest = 0.00125;
        while error(finest) < FLOOR {
            finest *= 2.0;
        }
        let points = [8.0, 4.0, 2.0, 1.0].map(|parts| (parts * finest, error(parts * finest)));
        let (slope, expected) = (order(&points), f64::from(method.order()));
        println!("{what}: order {slope:.2}, spike times {points:?}");
        // Between the ends of a step the chord has an error of order 2 and the cubic one of order 4 (equation (47)), which
        // no method of this list exceeds.
        assert!(slope > expected - 0.3, "{what}: {slope} {points:?}");
        assert!(points[3].1 < 0.1 && points[3].0 < 0.5, "{what}: {points:?}");
    }
}

/// Errors of spike times below this, ms, may be those of the reference.
const FLOOR: f64 = 1e-10;

macro_rules! tests {
    ($module:ident, $neuron:ty) => {
        mod $module {
            #[test]
            fn spike_times_converge_to_an_adaptive_reference_with_the_order_of_the_method() {
                super::check_spike_times::<$neuron>();
            }
        }
    };
}
for_each_neuron!(tests);

/// The largest difference between one neuron that is stepped alone, with its synapse, and the same neuron in a network that is
/// stepped by Euler's method: of the state, as a part of the way to threshold, and of the trace, as a part of its largest value; and
/// their spikes.
fn beside<N: NeuronVjp + Default>(h: f64) -> ([f64; 2], [u32; 2]) {
    let (neuron, model) = (N::default(), Model::of::<N>());
    let (params, tau, current) = (neuron.params(), 10.0, 1.3 * model.current);
    let gate = Gate {
        shape: GateShape::RaisedCosine,
        width: 0.5 * zone(&neuron),
        threshold: N::reset(&params).threshold(),
    };
    let mut network = Network::builder()
        .population(Population::new("one", neuron, 1, gate.shape, gate.width))
        .synapse("slow", tau)
        .build()
        .expect("a neuron");
    network.parameters.bias_mut()[0] = current;
    let scheme = SplitStep::with_method(&network, h, tableau::EULER).expect("a scheme");
    let trial = Trial::silent((100.0 / h).round() as usize, h, 0);
    let run = scheme.run(&trial, &NoLoss).expect("a run");

    let latch = matches!(N::reset(&params), Reset::Latch { .. });
    let (synapse, trace) = (ExponentialSynapse { tau }, run.synapses(0).start);
    let (mut x, mut wait, mut s, mut spikes) = (neuron.rest(), 0.0, 0.0, 0);
    let ([mut by_state, mut by_trace], mut largest) = ([0.0_f64; 2], 0.0_f64);
    Sweep::new()
        .run(&run, |_, state, _| {
            let v = x.as_ref()[0];
            let fired = N::step(&params, &mut x, &mut wait, current, h);
            s = synapse.step(s, f64::from(fired) + gate.charge(x.as_ref()[0]) - gate.charge(v), h);
            spikes += fired;
            for (x, state) in x.as_ref().iter().zip(state) {
                by_state = by_state.max((x - state).abs() / zone(&neuron));
            }
            by_trace = by_trace.max((s - state[trace]).abs());
            largest = largest.max(s);
        })
        .expect("finite");
    let recorded = run.record().expect("finite").spikes.len() as u32;
    // What a latch keeps back is the network's.
    ([by_state, if latch { 0.0 } else { by_trace / largest }], [spikes, recorded])
}

/// The step that a user of the models alone takes is the network's: to rounding where that is Euler's, and with order 1 where it is
/// the closed form.
#[test]
fn a_neuron_that_is_stepped_alone_does_what_it_does_in_a_network() {
    fn check<N: NeuronVjp + Default>() {
        let h = Model::of::<N>().h / 8.0;
        let (errors, [spikes, recorded]) = beside::<N>(h);
        println!("{}, h = {h}: {:.1e}, {:.1e}, {spikes} spikes", N::NAME, errors[0], errors[1]);
        assert!(spikes > 0 && spikes == recorded, "{}: {spikes} {recorded}", N::NAME);
        if N::LOCATE == Locate::ClosedForm {
            let ([_, coarse], [_, fine]) = (errors, beside::<N>(h / 4.0).0);
            assert!(coarse < 0.05 && (3.0..5.0).contains(&(coarse / fine)), "{}: {coarse} {fine}", N::NAME);
        } else {
            assert!(errors.iter().all(|&error| error < 1e-12), "{}: {errors:?}", N::NAME);
        }
    }
    macro_rules! check {
        ($module:ident, $neuron:ty) => {
            check::<$neuron>();
        };
    }
    for_each_neuron!(check);
}
