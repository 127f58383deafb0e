//! Every synapse of this crate by itself, in a loop of one's own: `cargo run --example synapses -p spikegrad-models`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use spikegrad_models::{
    AlphaSynapse, Array, Conductance, Depression, DifferenceOfExponentials, ExponentialSynapse, Kinetics,
    Nmda, Receptor, ShortTermPlasticity, TsodyksMarkram,
};

/// The time and the size of the largest trace that a spike leaves, by steps of `h` ms, and the area of the trace.
fn response<K: Kinetics>(kinetics: K) -> (f64, f64, f64) {
    let (params, h) = (kinetics.params(), 1e-3);
    let mut r = K::State::<f64>::from_fn(|_| 0.0);
    let (mut at, mut largest, mut area) = (0.0, 0.0, 0.0);
    for n in 0..200_000 {
        // A spike at the start, released in one step.
        let rate = K::rhs(&params, &r, if n == 0 { 1.0 / h } else { 0.0 });
        for (r, rate) in r.as_mut().iter_mut().zip(rate.as_ref()) {
            *r += h * rate;
        }
        let s = r.as_ref()[K::STAGES.len() - 1];
        area += h * s;
        if s > largest {
            (at, largest) = (h * f64::from(n + 1), s);
        }
    }
    (at, largest, area)
}

/// What the first spikes of a regular train release, one every `interval` ms.
fn train<P: ShortTermPlasticity>(plasticity: P, interval: f64) -> Vec<f64> {
    let params = plasticity.params();
    let mut state = P::State::<f64>::from_fn(|c| P::REST[c]);
    let spike = |_| {
        let (released, after) = P::release(&params, &state, 1.0);
        // Between spikes every variable recovers by itself.
        state = P::State::from_fn(|c| {
            let left = f64::exp(-interval / params.as_ref()[P::RECOVERY[c]]);
            P::REST[c] + (after.as_ref()[c] - P::REST[c]) * left
        });
        released
    };
    (0..5).map(spike).collect()
}

/// The current of a unit of conductance at some voltages, mV.
fn currents<R: Receptor>(receptor: R) -> Vec<f64> {
    let params = receptor.params();
    let e_rev = params.as_ref()[0];
    [-80.0, -40.0, 0.0, 40.0].map(|v| R::open(&params, v) * (e_rev - v)).to_vec()
}

fn main() {
    let print =
        |name, (at, largest, area)| println!("{name:26} largest {largest:.4} at {at:.2} ms, area {area:.4}");
    print(ExponentialSynapse::NAME, response(ExponentialSynapse { tau: 5.0 }));
    print(AlphaSynapse::NAME, response(AlphaSynapse { tau: 5.0 }));
    let difference = DifferenceOfExponentials { tau: 5.0, tau_rise: 1.0 };
    print(DifferenceOfExponentials::NAME, response(difference));
    println!("\nreleased by spikes 20 ms apart");
    println!("{:26} {:.3?}", Depression::NAME, train(Depression { u: 0.5, tau_rec: 800.0 }, 20.0));
    let facilitating = TsodyksMarkram { u: 0.1, tau_rec: 100.0, tau_facil: 1000.0 };
    println!("{:26} {:.3?}", TsodyksMarkram::NAME, train(facilitating, 20.0));
    println!("\ncurrent of a unit of conductance at -80, -40, 0 and 40 mV");
    println!("{:26} {:.2?}", Conductance::NAME, currents(Conductance { e_rev: 0.0 }));
    println!("{:26} {:.2?}", Nmda::NAME, currents(Nmda::default()));
}

#[test]
fn the_synapses_have_the_figures_of_their_closed_forms() {
    let close = |a: f64, b: f64| (a - b).abs() < 1e-3 * b.abs();
    let (at, largest, area) = response(AlphaSynapse { tau: 5.0 });
    assert!(close(at, 5.0) && close(largest, 0.2 / std::f64::consts::E) && close(area, 1.0));
    let (at, ..) = response(DifferenceOfExponentials { tau: 5.0, tau_rise: 1.0 });
    assert!(close(at, 1.25 * f64::ln(5.0)), "{at}");
    let first = train(TsodyksMarkram { u: 0.1, tau_rec: 100.0, tau_facil: 1000.0 }, 20.0);
    assert!(close(first[0], 0.1) && first[1] > first[0], "{first:?}");
    main();
}
