//! The step of one neuron: everything that a spike does is in it, whatever the step.

use num_dual::Dual64;
use spikegrad_models::{AdEx, Izhikevich, Lif, MorrisLecar, Neuron, Nif, Qif, RefractoryLif, Theta};

/// The spikes and the state after `steps` steps from rest.
fn run<N: Neuron>(neuron: &N, current: f64, h: f64, steps: u32) -> (u32, N::State<f64>, f64) {
    let (params, mut x, mut wait) = (neuron.params(), neuron.rest(), 0.0);
    let spikes = (0..steps).map(|_| N::step(&params, &mut x, &mut wait, current, h)).sum();
    (spikes, x, wait)
}

/// `dv/dt = I` between spikes, so that Euler's method is exact: whatever the step, it is the same run.
#[test]
fn several_spikes_in_one_step_are_those_of_short_steps() {
    // A time constant so long that nothing leaks.
    let perfect = RefractoryLif { tau_v: 1e15, v_theta: 1.0, v_reset: -1.0, t_ref: 3.0 };
    // 2 ms to the first spike, and then a spike every 3 + 4 ms.
    let (spikes, [v], wait) = run(&perfect, 0.5, 0.125, 200);
    assert!((spikes, v) == (4, -1.0) && (wait - 1.0).abs() < 1e-12, "{spikes} {v} {wait}");
    for (h, steps) in [(1.0, 25), (12.5, 2), (25.0, 1)] {
        let (again, [w], left) = run(&perfect, 0.5, h, steps);
        assert!(
            again == 4 && (v - w).abs() < 1e-12 && (wait - left).abs() < 1e-12,
            "{h}: {again} {w} {left}"
        );
    }
    assert_eq!(run(&Nif, 0.3, 10.0, 1).0, 3);
    assert_eq!(run(&Nif, 0.25, 1.0, 12), (3, [0.0], 0.0));
}

#[test]
fn a_spike_takes_the_other_variables_along() {
    let neuron = AdEx::adapting();
    let params = neuron.params();
    // At threshold already: the neuron fires at once, and goes on for the rest of the step from the state after the spike.
    let (mut x, mut wait) = ([neuron.v_theta, 10.0], 0.0);
    let spikes = AdEx::step(&params, &mut x, &mut wait, 0.0, 0.01);
    let after = [neuron.v_reset, 10.0 + neuron.b];
    let slope = AdEx::rhs(&params, &after, 0.0);
    assert_eq!(spikes, 1);
    for i in 0..2 {
        assert!((x[i] - after[i] - 0.01 * slope[i]).abs() < 1e-12, "{x:?}");
    }
    // While a neuron is refractory its voltage stands still.
    let held = RefractoryLif::default();
    let (mut x, mut wait) = ([0.0], 2.0);
    assert_eq!(RefractoryLif::step(&held.params(), &mut x, &mut wait, 5.0, 0.5), 0);
    assert_eq!((x, wait), ([0.0], 1.5));
    assert_eq!(RefractoryLif::step(&held.params(), &mut x, &mut wait, 0.1, 2.0), 0);
    assert!((x[0] - 0.05).abs() < 1e-15 && wait == 0.0, "{x:?} {wait}");
}

/// As the step goes to zero, the times of spikes are those of the equation, with order 1.
#[test]
fn spikes_converge_with_the_order_of_the_method() {
    let (lif, current) = (Lif::default(), 0.08);
    let end = lif.tau_v * current;
    let exact = |t: f64| end * (1.0 - (-t / lif.tau_v).exp());
    // Two periods and a half.
    let period = lif.tau_v * (end / (end - 1.0)).ln();
    let duration = 2.5 * period;
    let error = |steps: u32| {
        let (spikes, [v], _) = run(&lif, current, duration / f64::from(steps), steps);
        assert_eq!(spikes, 2);
        (v - exact(0.5 * period)).abs()
    };
    let (coarse, fine) = (error(250), error(1000));
    assert!((3.8..4.2).contains(&(coarse / fine)), "{coarse} {fine}");
}

#[test]
fn neurons_without_a_hard_reset_wrap_or_come_up_to_their_threshold() {
    // Backwards over the start of the circle is no spike.
    let (mut x, params) = ([0.02], Theta::default().params());
    let spikes: u32 = (0..10).map(|_| Theta::step(&params, &mut x, &mut 0.0, -50.0, 0.1)).sum();
    assert!(spikes == 0 && (0.0..1.0).contains(&x[0]), "{x:?}");
    let (spikes, [v], _) = run(&Theta::default(), 0.05, 0.1, 10_000);
    let rate = 2.0 * (0.05 / Theta::default().tau_v).sqrt();
    assert!((f64::from(spikes) - 1000.0 * rate).abs() <= 1.0 && (0.0..1.0).contains(&v), "{spikes}");
    // A full action potential is one spike.
    let (spikes, ..) = run(&MorrisLecar::hopf(), 100.0, 0.05, 20_000);
    assert!((8..20).contains(&spikes), "{spikes}");
}

/// A reset to the threshold itself would never end.
#[test]
fn endless_firing_is_no_number() {
    let neuron = Qif { v_reset: Qif::default().v_theta, ..Qif::default() };
    let (mut x, mut wait) = ([neuron.v_theta], 0.0);
    assert_eq!(Qif::step(&neuron.params(), &mut x, &mut wait, 1.0, 0.1), 1000);
    assert!(x[0].is_nan(), "{x:?}");
}

/// Steps in single precision and in dual numbers: the derivative by the current passes the spike.
#[test]
fn steps_are_generic_over_the_scalar() {
    let params = Izhikevich::default().params();
    let simulate = |current: f64| {
        let (mut x, mut wait) = (Izhikevich::default().rest(), 0.0);
        let spikes: u32 = (0..800).map(|_| Izhikevich::step(&params, &mut x, &mut wait, current, 0.05)).sum();
        (spikes, x[1])
    };
    let (mut x, mut wait) = (Izhikevich::default().rest().map(Dual64::from), Dual64::from(0.0));
    let (dual, current, h) = (params.map(Dual64::from), Dual64::new(10.0, 1.0), Dual64::from(0.05));
    let spikes: u32 = (0..800).map(|_| Izhikevich::step(&dual, &mut x, &mut wait, current, h)).sum();
    let (e, (here, u)) = (1e-6, simulate(10.0));
    let difference = (simulate(10.0 + e).1 - simulate(10.0 - e).1) / (2.0 * e);
    assert!(spikes == here && spikes > 0 && x[1].re == u, "{spikes} {here}");
    assert!((x[1].eps - difference).abs() < 1e-5 * difference.abs(), "{} {difference}", x[1].eps);
    let (single, mut x, mut wait) =
        (params.map(|p| p as f32), Izhikevich::default().rest().map(|x| x as f32), 0.0);
    let spikes: u32 = (0..800).map(|_| Izhikevich::step(&single, &mut x, &mut wait, 10.0, 0.05)).sum();
    assert!(spikes == here && (f64::from(x[1]) - u).abs() < 1e-2 * u.abs(), "{spikes} {x:?} {u}");
}
