//! Order of convergence: the split step to the plain field, the plain field under every tableau and gate, the continuous
//! adjoint to the discrete one; and spike times with a closed form.

use crate::common::{Everything, Model, Problem, Spec, normal, order, problem, real, rms};
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{Step, Tableau, tableau};
use spikegrad::models::math::half_angle;
use spikegrad::models::{GateShape, Lif, Locate, MorrisLecar, NeuronVjp, Nif, Theta, for_each_neuron};
use spikegrad::network::{
    Group, Loss, Network, NoLoss, PlainStep, PlainTape, Population, Sample, SampleBar, Scalar, SplitStep,
    Trial, pontryagin,
};
use spikegrad::tasks::{Purpose, generator};

/// Twelve neurons with two synapse classes and a smooth input, held over `interval` ms.
fn smooth(model: &Model, shape: GateShape, interval: f64, duration: f64, seed: u64) -> Problem {
    let spec = Spec {
        neurons: 12,
        classes: 2,
        steps: 1,
        per_neuron: false,
        own_taus: false,
        given_start: false,
        seed,
    };
    let Problem { mut network, loss, .. } = problem(&[model], shape, &spec);
    let samples = (duration / interval).round() as usize;
    let (inputs, outputs) = (network.inputs(), network.outputs());
    let mut trial = Trial::silent(samples, interval, inputs);
    let rng = &mut generator(seed, Purpose::Test, 1);
    let wave = |columns: usize, rng: &mut rand_chacha::ChaCha8Rng| -> Vec<f64> {
        let shape: Vec<[f64; 3]> = (0..columns).map(|_| [normal(rng), normal(rng), normal(rng)]).collect();
        let at = |m: usize, [size, speed, phase]: &[f64; 3]| {
            size * (std::f64::consts::TAU * (speed * m as f64 / samples as f64 + phase)).sin()
        };
        (0..samples).flat_map(|m| shape.iter().map(move |shape| at(m, shape))).collect()
    };
    trial.inputs = wave(inputs, rng);
    trial.targets = wave(outputs, rng);
    // Recurrence that matters, still calm.
    for k in 0..2 {
        network.parameters.group_mut(Group::Weight(k)).iter_mut().for_each(|w| *w *= 1.5);
    }
    Problem { network, trial, loss: Everything { membrane: Vec::new(), ..loss }, h: interval }
}

/// The synapses at the end of a run of the plain field.
fn plain_end(p: &Problem, h: f64, method: Tableau) -> Vec<f64> {
    let step = PlainStep::new(&p.network, h, method).expect("a step");
    let run = step.run(&p.trial, &NoLoss).expect("a run");
    let mut sweep = Sweep::new();
    sweep.cost(&run).expect("finite");
    let (mut tape, mut s) = (PlainTape::default(), vec![0.0; p.network.neurons()]);
    run.rewind(sweep.state(), &mut tape);
    run.read_out(sweep.state(), &mut tape, &mut s);
    s
}

/// The synapses at the end of a run of the split step, of which no recording is kept: most have very many steps.
fn split_end(p: &Problem, h: f64, method: Tableau) -> Vec<f64> {
    let step = SplitStep::with_method(&p.network, h, method).expect("a step");
    let run = step.run(&p.trial, &NoLoss).expect("a run");
    let mut sweep = Sweep::new();
    sweep.cost(&run).expect("finite");
    sweep.state()[run.synapses(0)].to_vec()
}

/// The spikes of a run of the split step.
fn spikes(p: &Problem, h: f64, method: Tableau) -> usize {
    let step = SplitStep::with_method(&p.network, h, method).expect("a step");
    step.run(&p.trial, &NoLoss).expect("a run").record().expect("finite").spikes.len()
}

/// The typical error of problems whose errors depend on where the samples fall between the edges of the zone.
fn geometric_mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), x| (sum + x.ln(), count + 1));
    (sum / f64::from(count)).exp()
}

fn difference(a: &[f64], b: &[f64]) -> f64 {
    rms(a.iter().zip(b).map(|(a, b)| a - b))
}

/// Order 1, since the current is held over a step, whatever the neuron and the method.
fn check_split_step<N: NeuronVjp + Default>() {
    let model = Model::of::<N>();
    // Input samples so short that their quarter resolves an upstroke or an action potential by Euler's method.
    let (interval, duration) = match () {
        () if N::LOCATE == Locate::DenseOutput => (0.1, 30.0),
        () if N::RELAXES => (0.2, 40.0),
        () if model.action_potential => (0.5, 60.0),
        () => (1.0, 60.0),
    };
    let problems: Vec<_> = (0..6)
        .map(|seed| smooth(&model, GateShape::ALL[seed as usize % 3], interval, duration, seed))
        .collect();
    // The plain field refuses resets that are located. Those networks are compared with two fine runs of the split step,
    // extrapolated to a step of zero; that each of their neurons fires when it should is shown against an adaptive solver
    // that shares no code with either, in `neurons.rs`.
    let reference = |p: &Problem| match model.plain {
        true => plain_end(p, interval / 128.0, tableau::RK4),
        false => {
            let [one, two] = [256.0, 512.0].map(|parts| split_end(p, interval / parts, tableau::RK4));
            one.iter().zip(&two).map(|(one, two)| 2.0 * two - one).collect()
        }
    };
    let exact: Vec<_> = problems.iter().map(reference).collect();
    for method in [tableau::EULER, tableau::RK4] {
        let spikes: usize = problems.iter().map(|p| spikes(p, interval / 8.0, method)).sum();
        let points = [4.0, 8.0, 16.0, 32.0, 64.0].map(|parts| {
            let error = rms(problems
                .iter()
                .zip(&exact)
                .map(|(p, exact)| difference(&split_end(p, interval / parts, method), exact)));
            (interval / parts, error)
        });
        let slope = order(&points);
        println!(
            "{}, split step with {}: {slope:.3}, {spikes} spikes, {points:?}",
            model.name,
            method.name()
        );
        assert!(slope > 0.95 && spikes > 0, "{}, {}: {slope} {points:?}", model.name, method.name());
    }
}

macro_rules! split_step {
    ($module:ident, $neuron:ty) => {
        mod $module {
            #[test]
            fn split_step_converges_to_the_plain_field() {
                super::check_split_step::<$neuron>();
            }
        }
    };
}
for_each_neuron!(split_step);

/// Whether a voltage peaks inside the zone. A latch holds the highest sample of such a peak, which is of order 2 whatever
/// the method.
fn peaks_in_the_zone(p: &Problem, h: f64) -> bool {
    let step = SplitStep::with_method(&p.network, h, tableau::RK4).expect("a step");
    let recording = step.run(&p.trial, &NoLoss).expect("a run").record().expect("finite");
    let entry = p.network.parameters.layout().entries().iter().find(|e| e.name == "p0.v_theta");
    let threshold = p.network.parameters.values()[entry.expect("a threshold").range.start];
    let width = p.network.parameters.group(Group::GateWidth(0))[0];
    let n = p.network.neurons();
    (2 * n..recording.v.len()).any(|i| {
        let (before, peak, after) = (recording.v[i - 2 * n], recording.v[i - n], recording.v[i]);
        before <= peak && peak > after && peak > threshold - width && peak < threshold
    })
}

#[test]
fn plain_field_has_the_order_of_tableau_and_gate() {
    for (model, interval, duration) in [
        (Model::of::<Nif>(), 2.0, 40.0),
        (Model::of::<Theta>(), 1.0, 40.0),
        (Model::of::<MorrisLecar>(), 0.5, 30.0),
    ] {
        for shape in GateShape::ALL {
            let random = (0..36).map(|seed| smooth(&model, shape, interval, duration, seed));
            let problems: Vec<_> = if model.action_potential {
                random.filter(|p| !peaks_in_the_zone(p, interval / 16.0)).take(18).collect()
            } else {
                random.collect()
            };
            assert!(problems.len() >= 12);
            let exact: Vec<_> =
                problems.iter().map(|p| plain_end(p, interval / 256.0, tableau::DORMAND_PRINCE5)).collect();
            for method in tableau::ALL {
                let points = [2.0, 4.0, 8.0, 16.0].map(|parts| {
                    let error = |(p, exact): (&Problem, &Vec<f64>)| {
                        difference(&plain_end(p, interval / parts, method), exact)
                    };
                    (interval / parts, geometric_mean(problems.iter().zip(&exact).map(error)))
                });
                let (slope, expected) = (order(&points), method.order().min(shape.smoothness()));
                let what = format!("{}, {} gate, {}", model.name, shape.name(), method.name());
                println!("{what}: {slope:.2} for {expected}, last error {:.1e}", points[3].1);
                assert!((slope - f64::from(expected)).abs() < 0.25, "{what}: {slope} {points:?}");
            }
        }
    }
}

/// Squared error, activity, and a price of the membrane state that is the same on both sides of a reset: a cost that
/// jumps there has no gradient that a sum over grid points could see.
struct Continuous(Everything<f64>);

impl<T: Scalar> Loss<T> for Continuous
where
    Everything<f64>: Loss<T>,
{
    fn value(&self, at: &Sample<'_, T>) -> T {
        let phase = |v: T| half_angle(v).0.powi(2);
        self.0.value(at) + at.x.iter().fold(T::zero(), |sum, &v| sum + phase(v) * real(PRICE))
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        self.0.vjp(at, value_bar, bar);
        for (bar, &v) in bar.x.iter_mut().zip(at.x) {
            let (s, c) = half_angle(v);
            *bar += value_bar * T::two_pi() * s * c * real(PRICE);
        }
    }
}

const PRICE: f64 = 0.01;

#[test]
fn continuous_adjoint_converges_to_the_discrete_one() {
    let groups = [Group::Weight(0), Group::Weight(1), Group::Input, Group::Bias, Group::Readout(0)];
    for model in [Model::of::<Theta>(), Model::of::<Nif>(), Model::of::<Lif>()] {
        for shape in GateShape::ALL {
            let problems: Vec<_> = (0..12)
                .map(|seed| smooth(&model, shape, 1.0, 40.0, seed))
                .filter(|p| p.network.inputs() > 0)
                .collect();
            let mut spikes = 0;
            assert!(problems.len() > 5);
            let errors = [8.0, 16.0, 32.0, 64.0].map(|parts| {
                let by_problem: Vec<_> = problems
                    .iter()
                    .map(|p| {
                        let loss = Continuous(p.loss.clone());
                        let step = SplitStep::new(&p.network, 1.0 / parts).expect("a step");
                        let run = step.run(&p.trial, &loss).expect("a run");
                        let mut discrete = p.network.parameters.zeros_like();
                        let cost = Sweep::new().gradient(&run, discrete.values_mut()).expect("finite");
                        let continuous = pontryagin(&run).expect("finite");
                        assert!((continuous.cost / cost - 1.0).abs() < 1e-12);
                        spikes += run.record().expect("finite").spikes.len();
                        groups.map(|group| {
                            let (a, b) = (discrete.group(group), continuous.gradient.group(group));
                            let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
                            square.sqrt() / discrete.norm(group)
                        })
                    })
                    .collect();
                (1.0 / parts, [0, 1, 2, 3, 4].map(|g| rms(by_problem.iter().map(|e| e[g]))))
            });
            for (g, group) in groups.into_iter().enumerate() {
                let points = errors.map(|(h, errors)| (h, errors[g]));
                let what = format!("{}, {} gate, {group}", model.name, shape.name());
                if group == Group::Readout(0) {
                    // The derivative by O needs no adjoint variable: both are the same sum.
                    assert!(points.iter().all(|(_, error)| *error < 1e-14), "{what}: {points:?}");
                    continue;
                }
                let slope = order(&points);
                println!("{what}: {slope:.2}, {:.1e} to {:.1e}", points[0].1, points[3].1);
                assert!(slope > 0.95 && points[3].1 < 5e-3, "{what}: {slope} {points:?}");
            }
            assert!(spikes > 0);
        }
    }
}

/// `l = v^2`, which falls from 1 to 0 at a reset.
struct Jumping;

impl Loss<f64> for Jumping {
    fn value(&self, at: &Sample<'_, f64>) -> f64 {
        at.x[0] * at.x[0]
    }
    fn vjp(&self, at: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
        bar.x[0] += value_bar * 2.0 * at.x[0];
    }
}

/// A limit of the method that the documentation states with these figures: `C = int v^2 dt` of one NIF neuron over 4.5
/// periods. The sum over grid points does not feel the spikes move, and its exact gradient is not that of the integral.
#[test]
fn a_cost_that_jumps_at_a_reset_has_another_gradient_than_its_sum() {
    let cost_and_gradient = |current: f64| {
        let population = Population::new("nif", Nif, 1, GateShape::Box, 0.3);
        let network = Network::builder().population(population).synapse("slow", 10.0).build();
        let mut network = network.expect("a network");
        network.parameters.bias_mut()[0] = current;
        let step = SplitStep::new(&network, 0.01).expect("a step");
        let trial = Trial::silent(90, 1.0, 0);
        let mut gradient = network.parameters.zeros_like();
        let run = step.run(&trial, &Jumping).expect("a run");
        let cost = Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
        (cost, gradient.bias()[0])
    };
    let ((more, _), (less, _)) = (cost_and_gradient(0.0505), cost_and_gradient(0.0495));
    let (of_integral, of_sum) = ((more - less) / 1e-3, cost_and_gradient(0.05).1);
    println!("a cost that jumps: {of_integral} for the integral, {of_sum} for its sum");
    assert!((of_integral + 100.0).abs() < 5.0 && (of_sum - 3900.0).abs() < 5.0);
}

/// The k-th spike, counted from 0, of a LIF neuron that starts at `v` under a constant current.
fn lif_spike(lif: &Lif, v: f64, current: f64, k: usize) -> f64 {
    let end = lif.tau_v * current;
    let time = |from: f64| lif.tau_v * ((from - end) / (lif.v_theta - end)).ln();
    time(v) + k as f64 * time(lif.v_reset)
}

#[test]
fn lif_spike_times_under_constant_current_have_their_closed_form() {
    let lif = Lif { tau_v: 17.0, v_theta: 1.1, v_reset: -0.2 };
    let mut worst = (0.0_f64, 0.0_f64);
    for current in [0.066, 0.08, 0.3, 2.0] {
        for h in [0.01, 0.1, 0.5, 1.0, 5.0] {
            let population = Population::new("lif", lif, 1, GateShape::Box, 0.3);
            let mut network =
                Network::builder().population(population).synapse("slow", 10.0).build().expect("a network");
            network.parameters.bias_mut()[0] = current;
            network.parameters.group_mut(Group::Initial)[0] = 0.3;
            let step = SplitStep::new(&network, h).expect("a step");
            let trial = Trial::silent((500.0 / h).round() as usize, h, 0);
            let recording = step.run(&trial, &NoLoss).expect("a run").record().expect("finite");
            let times = recording.spike_times().remove(0);
            let step_of = |time: f64| (time / h) as usize;
            for (k, &time) in times.iter().enumerate() {
                let expected = lif_spike(&lif, 0.3, current, k);
                worst.0 = worst.0.max((time - expected).abs());
                if times.get(k + 1).is_none_or(|&next| step_of(next) > step_of(time)) {
                    // The last spike of a step, as the voltage at its end remembers it.
                    let (end, n) = (lif.tau_v * current, step_of(time));
                    let since = lif.tau_v * ((lif.v_reset - end) / (recording.v[n] - end)).ln();
                    worst.1 = worst.1.max((recording.time[n] - since - expected).abs());
                }
            }
            let (k, counted) = (times.len(), recording.spike_counts()[0]);
            let expected =
                (0..).take_while(|&k| lif_spike(&lif, 0.3, current, k) <= trial.duration()).count();
            assert!(k == expected && counted == k as u64 && k > 0, "{k} spikes, {expected} expected");
        }
    }
    println!("spike times of LIF: located {:.1e} ms off, by the voltage {:.1e} ms off", worst.0, worst.1);
    assert!(worst.0 < 1e-9 && worst.1 < 1e-9, "{worst:?}");
}

/// Spikes of a LIF neuron from `v` under currents that hold for `interval` each, by the closed form of each piece.
fn lif_spikes(lif: &Lif, mut v: f64, currents: &[f64], interval: f64) -> Vec<f64> {
    let mut spikes = Vec::new();
    for (m, current) in currents.iter().enumerate() {
        let (end, start) = (lif.tau_v * current, m as f64 * interval);
        let mut left = interval;
        loop {
            let time = lif.tau_v * ((v - end) / (lif.v_theta - end)).ln();
            if end <= lif.v_theta || time > left {
                break;
            }
            left -= time;
            v = lif.v_reset;
            spikes.push(start + interval - left);
        }
        v = end + (v - end) * (-left / lif.tau_v).exp();
    }
    spikes
}

#[test]
fn lif_spike_times_under_piecewise_constant_currents_have_their_closed_form() {
    let lif = Lif { tau_v: 17.0, v_theta: 1.1, v_reset: -0.2 };
    let rng = &mut generator(5, Purpose::Test, 0);
    let (interval, samples) = (10.0, 200);
    let currents: Vec<f64> = (0..samples).map(|_| 0.15 + 0.1 * normal(rng)).collect();
    let expected = lif_spikes(&lif, 0.3, &currents, interval);
    let population = Population::new("lif", lif, 1, GateShape::Box, 0.3);
    let built = Network::builder().population(population).synapse("slow", 10.0).inputs(1).build();
    let mut network = built.expect("a network");
    network.parameters.input_mut()[0] = 1.0;
    network.parameters.group_mut(Group::Initial)[0] = 0.3;
    let trial = Trial { inputs: currents, ..Trial::silent(samples, interval, 1) };
    let mut worst = 0.0_f64;
    for h in [0.01, 0.1, 0.5, 2.0, 10.0] {
        let step = SplitStep::new(&network, h).expect("a step");
        let recording = step.run(&trial, &NoLoss).expect("a run").record().expect("finite");
        let times = recording.spike_times().remove(0);
        assert_eq!(times.len(), expected.len(), "h = {h}");
        worst = times.iter().zip(&expected).fold(worst, |worst, (time, k)| worst.max((time - k).abs()));
    }
    println!("{} spikes of LIF under piecewise-constant currents: {worst:.1e} ms off", expected.len());
    assert!(worst < 1e-9 && expected.len() > 100, "{worst}");
}

/// LIF neurons with exponential synapses of one time constant, stepped from spike to spike: `J = W s` decays between spikes,
/// so that voltages have a closed form.
struct EventDriven<'a> {
    lif: Lif,
    tau: f64,
    weights: &'a [f64],
    bias: &'a [f64],
}

impl EventDriven<'_> {
    fn voltage(&self, v: f64, bias: f64, j: f64, t: f64) -> f64 {
        let (slow, fast) = ((-t / self.lif.tau_v).exp(), (-t / self.tau).exp());
        let driven = j / (1.0 / self.lif.tau_v - 1.0 / self.tau);
        let end = self.lif.tau_v * bias;
        end + driven * fast + (v - end - driven) * slow
    }

    /// The first time within `most` at which a voltage is at threshold.
    fn crossing(&self, v: f64, bias: f64, j: f64, most: f64) -> Option<f64> {
        let above = |t: f64| self.voltage(v, bias, j, t) >= self.lif.v_theta;
        let n = 200;
        let high = (1..=n).map(|i| most * f64::from(i) / f64::from(n)).find(|&t| above(t))?;
        let (mut low, mut high) = (high - most / f64::from(n), high);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if above(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }

    /// The synapses at the end of a trial that starts with `v` and silent synapses, and the number of spikes.
    fn run(&self, mut v: Vec<f64>, duration: f64) -> (Vec<f64>, usize) {
        let n = v.len();
        let (mut s, mut j, mut t, mut spikes) = (vec![0.0; n], vec![0.0; n], 0.0, 0);
        while t < duration {
            let most = f64::min(2.0, duration - t);
            let first = (0..n)
                .filter_map(|i| self.crossing(v[i], self.bias[i], j[i], most).map(|time| (time, i)))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            let length = first.map_or(most, |(time, _)| time);
            let decay = (-length / self.tau).exp();
            for i in 0..n {
                v[i] = self.voltage(v[i], self.bias[i], j[i], length);
                (s[i], j[i]) = (s[i] * decay, j[i] * decay);
            }
            if let Some((_, i)) = first {
                (v[i], s[i], spikes) = (self.lif.v_reset, s[i] + 1.0 / self.tau, spikes + 1);
                for (j, w) in j.iter_mut().zip(&self.weights[i * n..]) {
                    *j += w / self.tau;
                }
            }
            t += length;
        }
        (s, spikes)
    }
}

/// With a zone so narrow that a spike releases its charge at once, the split step is a LIF network with ordinary synapses.
#[test]
fn a_lif_network_converges_to_an_event_driven_reference() {
    let (lif, tau, n, duration) = (Lif::default(), 8.0, 10, 60.0);
    let mut spikes = 0;
    let problems: Vec<_> = (0..12)
        .map(|seed| {
            let rng = &mut generator(seed, Purpose::Test, 2);
            let population = Population::new("lif", lif, n, GateShape::Box, 1e-9);
            let built = Network::builder().population(population).synapse("slow", tau).build();
            let mut network = built.expect("a network");
            network.parameters.weight_mut(0).iter_mut().for_each(|w| *w = 0.05 * normal(rng));
            network.parameters.bias_mut().iter_mut().for_each(|b| *b = 0.07 + 0.01 * normal(rng));
            let start = network.parameters.group_mut(Group::Initial);
            start.iter_mut().for_each(|v| *v = f64::min(0.4 + 0.2 * normal(rng), 0.95));
            let reference = EventDriven {
                lif,
                tau,
                weights: network.parameters.group(Group::Weight(0)),
                bias: network.parameters.bias(),
            };
            let (s, count) = reference.run(network.parameters.group(Group::Initial).to_vec(), duration);
            spikes += count;
            (network, s)
        })
        .collect();
    let points = [4, 8, 16, 32, 64, 128].map(|parts| {
        let h = 1.0 / f64::from(parts);
        let trial = Trial::silent((duration / h).round() as usize, h, 0);
        let error = rms(problems.iter().map(|(network, s)| {
            let step = SplitStep::new(network, h).expect("a step");
            let recording = step.run(&trial, &NoLoss).expect("a run").record().expect("finite");
            difference(&recording.s[0][recording.s[0].len() - n..], s)
        }));
        (h, error)
    });
    let slope = order(&points);
    println!("LIF networks, event-driven reference: order {slope:.2}, {spikes} spikes, {points:?}");
    assert!(slope > 0.9 && points[5].1 < 1e-3 && spikes > 200, "{slope} {points:?}");
}
