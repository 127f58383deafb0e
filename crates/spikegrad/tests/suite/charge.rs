//! The charge that a synapse receives, read from the synapse alone: `(s' - a s) / b` of every step. A full depolarisation
//! carries 1 however coarse the step and however fast the rise, a partial one what it reached.

use crate::common::{Model, normal, runner};
use proptest::prelude::*;
use spikegrad::integrators::{Decay, Step, Tableau, tableau};
use spikegrad::models::{Array, Gate, GateShape, MorrisLecar, NeuronVjp, Reset, for_each_neuron};
use spikegrad::network::{Network, NoLoss, Population, Recording, SplitStep, Trial};
use spikegrad::tasks::{Purpose, generator};

const TAUS: [f64; 2] = [10.0, 1.5];

/// Neurons without connections, each with a tonic current and an input of its own.
struct Bench<N> {
    neuron: N,
    gate: Gate<f64>,
    network: Network<f64>,
}

impl<N: NeuronVjp + Default> Bench<N> {
    fn new(shape: GateShape, width: f64, tonic: &[f64]) -> Self {
        let (neuron, n) = (N::default(), tonic.len());
        let mut network = Network::builder()
            .population(Population::new("neurons", neuron, n, shape, width))
            .synapse("slow", TAUS[0])
            .synapse("fast", TAUS[1])
            .inputs(n)
            .build()
            .expect("a network");
        network.parameters.bias_mut().copy_from_slice(tonic);
        network.parameters.input_mut().fill_with_identity();
        let gate = Gate { shape, width, threshold: N::reset(&neuron.params()).threshold() };
        Self { neuron, gate, network }
    }

    /// The traces, and how often each neuron fires in each step, `steps x N`.
    fn run(&self, h: f64, method: Tableau, trial: &Trial<f64>) -> (Recording<f64>, Vec<u64>) {
        let step = SplitStep::with_method(&self.network, h, method).expect("a step");
        let (run, n) = (step.run(trial, &NoLoss).expect("a run"), self.network.neurons());
        let mut fired = vec![0; run.steps() * n];
        run.watch(|step, _, tape| run.last_spikes(tape, |i, count| fired[step * n + i] = count))
            .expect("finite");
        let recording = run.record().expect("finite");
        let counts = (0..n).map(|i| fired.iter().skip(i).step_by(n).sum()).collect::<Vec<u64>>();
        assert_eq!(recording.spike_counts(), counts);
        (recording, fired)
    }

    /// Voltages of neuron `i`, from rest on.
    fn voltages(&self, recording: &Recording<f64>, i: usize) -> Vec<f64> {
        let n = self.network.neurons();
        let first = self.neuron.rest().as_ref()[0];
        std::iter::once(first).chain(recording.v.iter().skip(i).step_by(n).copied()).collect()
    }

    /// Charges that neuron `i` released in each step, as synapse class `k` received them.
    fn charges(&self, recording: &Recording<f64>, h: f64, i: usize, k: usize) -> Vec<f64> {
        let (n, decay) = (self.network.neurons(), Decay::new(TAUS[k], h));
        let mut before = 0.0;
        let read = |&s: &f64| {
            let charge = (s - decay.a * before) / decay.b;
            before = s;
            charge
        };
        recording.s[k].iter().skip(i).step_by(n).map(read).collect()
    }

    /// Spikes of neuron `i` in each step. Where the voltage says how many there were, the recording has no say.
    fn spikes(&self, recording: &Recording<f64>, fired: &[u64], h: f64, i: usize) -> Vec<usize> {
        let (v, params) = (self.voltages(recording, i), self.neuron.params());
        let wraps = |n: usize| {
            let x = N::State::<f64>::from_fn(|_| v[n]);
            let current = recording.current[n * self.network.neurons() + i];
            (v[n] + h * N::rhs(&params, &x, current).as_ref()[0]).floor().max(0.0) as usize
        };
        let (mut full, gate) = (false, self.gate);
        (0..recording.time.len())
            .map(|n| match N::reset(&params) {
                Reset::Periodic | Reset::Subtract | Reset::Rectify => wraps(n),
                Reset::Never => 0,
                Reset::To { .. } => fired[n * self.network.neurons() + i] as usize,
                Reset::Latch { .. } => {
                    let reached = v[n + 1] >= gate.threshold && !full;
                    full = (full || reached) && v[n + 1] > gate.lower();
                    usize::from(reached)
                }
            })
            .collect()
    }
}

/// From one visit below the zone to the next the charge is the number of resets in between.
fn check_full_depolarisations<N: NeuronVjp + Default>() {
    let model = Model::of::<N>();
    let (factors, steps) = if model.action_potential {
        ([1.0, 1.5, 2.0, 4.0], [0.1, 0.5, 1.0].map(|part| part * model.h).to_vec())
    } else {
        // From a spike now and then to hundreds in one step.
        ([1.0, 4.0, 50.0, 1000.0], vec![0.01, 0.1, 0.5, 1.0, 5.0])
    };
    let mut worst = (0.0_f64, 0);
    for shape in GateShape::ALL {
        let bench = Bench::<N>::new(shape, 0.3 * model.voltage, &factors.map(|f| f * model.current));
        for &h in &steps {
            let trial = Trial::silent((150.0 / h).round() as usize, h, factors.len());
            let (recording, fired) = bench.run(h, tableau::EULER, &trial);
            for i in 0..factors.len() {
                let (v, spikes) = (bench.voltages(&recording, i), bench.spikes(&recording, &fired, h, i));
                for k in 0..TAUS.len() {
                    let (mut charge, mut resets) = (0.0, 0);
                    for (n, q) in bench.charges(&recording, h, i, k).into_iter().enumerate() {
                        charge += q;
                        resets += spikes[n];
                        if v[n + 1] <= bench.gate.lower() && resets > 0 {
                            let error = (charge / resets as f64 - 1.0).abs();
                            let what = format!("{}, {} gate, h = {h}, neuron {i}", N::NAME, shape.name());
                            assert!(error < 1e-12, "{what}: {charge} for {resets}");
                            worst = (worst.0.max(error), worst.1 + resets);
                            (charge, resets) = (0.0, 0);
                        }
                    }
                }
            }
        }
    }
    println!("{}: {} full depolarisations, charge 1 to {:.1e}", N::NAME, worst.1, worst.0);
    assert!(worst.1 > 100, "{}: too few spikes", N::NAME);
}

/// At any time the charge is what the voltages say: whole spikes and the part of the zone that has been climbed, or,
/// with a latch, the highest point of each visit to the zone.
fn check_any_depolarisation<N: NeuronVjp + Default>(
    model: &Model,
    seed: u64,
) -> Result<usize, TestCaseError> {
    let rng = &mut generator(seed, Purpose::Test, 0);
    let (n, shape) = (3, GateShape::ALL[seed as usize % 3]);
    // An action potential is all or nothing: what turns back does so further down.
    let part = if model.action_potential { 0.9 } else { 0.6 };
    let bench = Bench::<N>::new(shape, part * model.voltage, &[0.5 * model.current; 3]);
    let (h, method) = (model.h, tableau::ALL[seed as usize % tableau::ALL.len()]);
    let mut trial = Trial::silent(60, (5.0 * h).max(0.5), n);
    trial.inputs.iter_mut().for_each(|i| *i = 4.0 * model.current * normal(rng));
    let (recording, fired) = bench.run(h, method, &trial);
    let reset = N::reset(&bench.neuron.params());
    let (latched, rectified) = (matches!(reset, Reset::Latch { .. }), matches!(reset, Reset::Rectify));
    let mut partial = 0;
    for i in 0..n {
        let v = bench.voltages(&recording, i);
        let (gate, mut charge, mut resets) = (bench.gate, 0.0, 0.0);
        let (mut done, mut held) = (0.0, gate.charge(v[0]));
        for (step, q) in bench.charges(&recording, h, i, 0).into_iter().enumerate() {
            charge += q;
            let (at, now) = (v[step + 1], gate.charge(v[step + 1]));
            let expected = if latched {
                prop_assert!(q > -1e-12, "{}: the falling phase withdraws {q}", N::NAME);
                held = now.max(held);
                let expected = done + held;
                if at <= gate.lower() {
                    partial += usize::from(held > 0.0 && held < 1.0);
                    (done, held) = (done + held, 0.0);
                }
                expected
            } else if rectified {
                prop_assert!(q > -1e-12, "{}: a fall withdraws {q}", N::NAME);
                partial += usize::from(q < 1e-12 && gate.charge(v[step]) > now);
                done += (fired[step * n + i] as f64 + now - gate.charge(v[step])).max(0.0);
                done
            } else {
                partial += usize::from(q < 0.0 && now == 0.0);
                resets += fired[step * n + i] as f64;
                resets + now - gate.charge(v[0])
            };
            prop_assert!((charge - expected).abs() < 1e-11, "{}: {charge} {expected}", N::NAME);
        }
    }
    Ok(partial)
}

macro_rules! tests {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn full_depolarisations_carry_one() {
                check_full_depolarisations::<$neuron>();
            }

            #[test]
            fn any_depolarisation_carries_what_it_reached() {
                let model = Model::of::<$neuron>();
                let partial = std::cell::Cell::new(0);
                let outcome = runner().run(&any::<u64>(), |seed| {
                    partial.set(partial.get() + check_any_depolarisation::<$neuron>(&model, seed)?);
                    Ok(())
                });
                assert!(outcome.is_ok(), "{outcome:?}");
                println!("{}: {} partial depolarisations", model.name, partial.get());
                // Few cases may all be whole ones.
                let turns_back =
                    |seed| check_any_depolarisation::<$neuron>(&model, seed).expect("a charge") > 0;
                assert!(partial.get() > 0 || (0..200).any(turns_back), "{} never turns back", model.name);
            }
        }
    };
}
for_each_neuron!(tests);

/// A pulse that lifts Morris-Lecar into its zone leaves the charge that it reached, and more for a stronger pulse.
#[test]
fn partial_depolarisations_are_graded() {
    let width = 30.0;
    for shape in GateShape::ALL {
        let mut charges = Vec::new();
        for pulse in [300.0, 400.0, 420.0, 440.0, 460.0, 1500.0] {
            let bench = Bench::<MorrisLecar>::new(shape, width, &[0.0]);
            let h = 0.05;
            let mut trial = Trial::silent(1000, h, 1);
            trial.inputs[..40].fill(pulse);
            let (recording, _) = bench.run(h, tableau::RK4, &trial);
            let peak = recording.v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let charge: f64 = bench.charges(&recording, h, 0, 0).iter().sum();
            assert!((charge - bench.gate.charge(peak)).abs() < 1e-12, "{charge} at {peak} mV");
            charges.push(charge);
        }
        println!("{}: {charges:?}", shape.name());
        assert!(charges[0] == 0.0 && (charges[5] - 1.0).abs() < 1e-12, "{charges:?}");
        assert!(charges.windows(2).all(|pair| pair[0] < pair[1] + 1e-12), "{charges:?}");
        assert!(charges.iter().filter(|&&q| q > 0.01 && q < 0.99).count() >= 2, "{charges:?}");
    }
}

/// A second rise on the way down, inside the zone, is part of the same action potential.
#[test]
fn a_wobble_of_the_falling_phase_releases_nothing() {
    for shape in GateShape::ALL {
        let bench = Bench::<MorrisLecar>::new(shape, 40.0, &[100.0]);
        let (h, samples) = (0.05, 1200);
        let run = |inputs: Vec<f64>| {
            let trial = Trial { inputs, ..Trial::silent(samples, h, 1) };
            let (recording, _) = bench.run(h, tableau::RK4, &trial);
            (bench.voltages(&recording, 0), bench.charges(&recording, h, 0, 0))
        };
        let (v, _) = run(vec![0.0; samples]);
        let peak = (0..samples).max_by(|&a, &b| v[a].total_cmp(&v[b])).expect("a peak");
        let down = peak + v[peak..].iter().position(|&v| v < -15.0).expect("a falling phase");
        let mut inputs = vec![0.0; samples];
        inputs[down..down + 30].fill(600.0);
        let (v, charges) = run(inputs);
        let wobble = v[down..down + 40].windows(2).any(|pair| pair[1] > pair[0]);
        let total: f64 = charges.iter().sum();
        assert!(v[peak] > 0.0 && wobble, "{}: no wobble", shape.name());
        assert!(
            v[down..down + 40].iter().all(|&v| v > bench.gate.lower()),
            "{}: left the zone",
            shape.name()
        );
        assert!(
            (total - 1.0).abs() < 1e-12 && charges.iter().all(|&q| q > -1e-13),
            "{}: {total}",
            shape.name()
        );
    }
}
