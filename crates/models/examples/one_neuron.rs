//! One neuron with a hard reset and the synapses that it drives, from `spikegrad-models` alone:
//! `cargo run --release --example one_neuron -p spikegrad-models`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use spikegrad_models::{AdEx, ExponentialSynapse, Gate, GateShape, Neuron};

/// An adapting AdEx neuron under 500 pA for 400 ms: the times of its spikes, what two synapses have at the end, and the charge that
/// each of them was given.
fn simulate(h: f64) -> (Vec<f64>, [f64; 2], [f64; 2]) {
    let neuron = AdEx::adapting();
    let params = neuron.params();
    let gate = Gate { shape: GateShape::RaisedCosine, width: 4.0, threshold: neuron.v_theta };
    let synapse = ExponentialSynapse { tau: 20.0 };
    let (mut x, mut wait, mut times) = (neuron.rest(), 0.0, Vec::new());
    let (mut s, mut charges) = ([0.0; 2], [0.0; 2]);
    for n in 0..(400.0 / h).round() as usize {
        let v = x[0];
        // The step resets the voltage and adds `b` to the adaptation current.
        let spikes = AdEx::step(&params, &mut x, &mut wait, 500.0, h);
        // One synapse gets a spike as a whole, the other one what the voltage moves within the gate's zone.
        let charge = [f64::from(spikes), f64::from(spikes) + gate.charge(x[0]) - gate.charge(v)];
        for k in 0..2 {
            s[k] = synapse.step(s[k], charge[k], h);
            charges[k] += charge[k];
        }
        times.extend((0..spikes).map(|_| h * n as f64));
    }
    (times, s, charges)
}

fn main() {
    for h in [0.1, 0.01, 0.001] {
        let (times, s, charges) = simulate(h);
        println!("h = {h} ms: spikes at {times:.1?} ms");
        println!("  spikes as wholes: s {:.5}/ms, charge {:.3}", s[0], charges[0]);
        println!("  through the gate: s {:.5}/ms, charge {:.3}", s[1], charges[1]);
    }
}

#[test]
fn the_neuron_adapts_and_a_spike_has_the_charge_one() {
    let (times, s, charges) = simulate(0.01);
    let intervals: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(times.len(), 9);
    assert!(intervals.windows(2).all(|pair| pair[1] > pair[0]), "{intervals:?}");
    // Far below threshold at both ends.
    assert!(charges.iter().all(|charge| (charge - 9.0).abs() < 1e-12), "{charges:?}");
    // The gate lets go of a charge on the way to threshold, before the spike.
    assert!(s[1] < s[0] && s[1] > 0.85 * s[0], "{s:?}");
    let (fine, ..) = simulate(0.001);
    assert!(times.iter().zip(fine).all(|(time, fine)| (time - fine).abs() < 1.0));
}
