//! Every neuron's Jacobian-transpose products against dual numbers: an oracle that shares no derivative code with them.

use num_dual::Dual64;
use proptest::prelude::*;
use spikegrad_models::math::real;
use spikegrad_models::{Array, AutoVjp, Locate, Neuron, NeuronVjp, Real, Reset, for_each_model};

/// Values around the model's own: parameters within 30 %, the state around rest by the zone's scale.
fn near<N: Neuron + Default>(noise: &[f64]) -> (N::Params<f64>, N::State<f64>) {
    let neuron = N::default();
    let params = neuron.params();
    // To both sides of the threshold, where the field may be another one.
    let scale = match N::reset(&params) {
        Reset::Latch { threshold } => threshold - neuron.rest().as_ref()[0],
        Reset::To { threshold, .. } => 1.2 * (threshold - neuron.rest().as_ref()[0]),
        _ => 1.0,
    };
    let (p, x) = (params.as_ref(), neuron.rest());
    let params = N::Params::<f64>::from_fn(|i| p[i] * (1.0 + 0.3 * noise[i]) + 1e-3 * noise[i]);
    let x = N::State::<f64>::from_fn(|i| x.as_ref()[i] + noise[16 + i] * if i == 0 { scale } else { 0.5 });
    (params, x)
}

fn check_transposes<N: NeuronVjp + Default>(noise: &[f64]) -> Result<(), TestCaseError> {
    let (params, x) = near::<N>(noise);
    let current = 0.1 * noise[20];
    let f_bar = N::State::<f64>::from_fn(|i| noise[24 + i]);
    let mut x_bar = N::State::<f64>::from_fn(|_| 0.25);
    let mut params_bar = N::Params::<f64>::from_fn(|_| 0.25);
    let current_bar = N::rhs_vjp(&params, &x, current, &f_bar, &mut x_bar, &mut params_bar);

    let tangent = |px: usize, state: usize, by_current: bool| -> f64 {
        let seed = |value: f64, on: bool| Dual64::new(value, f64::from(on));
        let p = N::Params::<Dual64>::from_fn(|i| seed(params.as_ref()[i], i == px));
        let x = N::State::<Dual64>::from_fn(|i| seed(x.as_ref()[i], i == state));
        let f = N::rhs(&p, &x, seed(current, by_current));
        f.as_ref().iter().zip(f_bar.as_ref()).map(|(f, bar)| f.eps * bar).sum()
    };
    let none = usize::MAX;
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
    for (i, bar) in x_bar.as_ref().iter().enumerate() {
        let oracle = tangent(none, i, false);
        prop_assert!(close(bar - 0.25, oracle), "{} x[{i}]: {} {oracle}", N::NAME, bar - 0.25);
    }
    for (i, bar) in params_bar.as_ref().iter().enumerate() {
        let oracle = tangent(i, none, false);
        prop_assert!(
            close(bar - 0.25, oracle),
            "{} {}: {} {oracle}",
            N::NAME,
            N::PARAMETERS[i].name,
            bar - 0.25
        );
    }
    let oracle = tangent(none, none, true);
    prop_assert!(close(current_bar, oracle), "{} current: {current_bar} {oracle}", N::NAME);
    Ok(())
}

/// `reset_vjp` is linear: seeding threshold and reset with dual numbers must give back what it adds.
fn check_reset_transpose<N: NeuronVjp + Default>(noise: &[f64]) -> Result<(), TestCaseError> {
    let (params, _) = near::<N>(noise);
    let (threshold_bar, value_bar) = (noise[20], noise[21]);
    let mut params_bar = N::Params::<f64>::from_fn(|_| 0.0);
    N::reset_vjp(&params, threshold_bar, value_bar, &mut params_bar);
    for (i, &bar) in params_bar.as_ref().iter().enumerate() {
        let p = N::Params::<Dual64>::from_fn(|j| Dual64::new(params.as_ref()[j], f64::from(i == j)));
        let oracle = match N::reset(&p) {
            Reset::Periodic | Reset::Subtract | Reset::Rectify | Reset::Never => 0.0,
            Reset::To { threshold, value } => threshold.eps * threshold_bar + value.eps * value_bar,
            Reset::Latch { threshold } => threshold.eps * threshold_bar,
        };
        prop_assert!((bar - oracle).abs() < 1e-12, "{} {}", N::NAME, N::PARAMETERS[i].name);
    }
    Ok(())
}

/// `jump_vjp` and `refractory_vjp` in the same way.
fn check_jump_transpose<N: NeuronVjp + Default>(noise: &[f64]) -> Result<(), TestCaseError> {
    let (params, x) = near::<N>(noise);
    // The voltage is set by the reset, whatever the jump says.
    let after_bar = N::State::<f64>::from_fn(|i| if i == 0 { 0.0 } else { noise[24 + i] });
    let (mut x_bar, mut params_bar) = (N::State::<f64>::from_fn(|_| 0.0), N::Params::<f64>::from_fn(|_| 0.0));
    N::jump_vjp(&params, &x, &after_bar, &mut x_bar, &mut params_bar);
    N::refractory_vjp(&params, noise[20], &mut params_bar);
    let tangent = |px: usize, state: usize| -> f64 {
        let p = N::Params::<Dual64>::from_fn(|i| Dual64::new(params.as_ref()[i], f64::from(i == px)));
        let x = N::State::<Dual64>::from_fn(|i| Dual64::new(x.as_ref()[i], f64::from(i == state)));
        let after = N::jump(&p, &x);
        let jump: f64 = after.as_ref().iter().zip(after_bar.as_ref()).map(|(x, bar)| x.eps * bar).sum();
        jump + N::refractory(&p).map_or(0.0, |time| time.eps * noise[20])
    };
    for (i, bar) in x_bar.as_ref().iter().enumerate() {
        prop_assert!((bar - tangent(usize::MAX, i)).abs() < 1e-12, "{} x[{i}]", N::NAME);
    }
    for (i, bar) in params_bar.as_ref().iter().enumerate() {
        prop_assert!((bar - tangent(i, usize::MAX)).abs() < 1e-12, "{} {}", N::NAME, N::PARAMETERS[i].name);
    }
    Ok(())
}

/// What a model says of its relaxation: the transposed product, zero if it does not relax, and for variables behind the
/// voltage the derivative of their equation by themselves, which must not depend on them.
fn check_relaxation<N: NeuronVjp + Default>(noise: &[f64]) -> Result<(), TestCaseError> {
    let (params, x) = near::<N>(noise);
    let bar = N::State::<f64>::from_fn(|i| noise[24 + i]);
    let mut x_bar = N::State::<f64>::from_fn(|_| 0.25);
    let mut params_bar = N::Params::<f64>::from_fn(|_| 0.25);
    N::relaxation_vjp(&params, &x, &bar, &mut x_bar, &mut params_bar);
    let n = x.as_ref().len();
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
    for j in 0..n + params.as_ref().len() {
        let seed = |value: f64, at: usize| Dual64::new(value, f64::from(at == j));
        let p = N::Params::<Dual64>::from_fn(|i| seed(params.as_ref()[i], n + i));
        let y = N::State::<Dual64>::from_fn(|i| seed(x.as_ref()[i], i));
        let (relaxation, f) = (N::relaxation(&p, &y), N::rhs(&p, &y, Dual64::from(0.1)));
        let oracle: f64 = relaxation.as_ref().iter().zip(bar.as_ref()).map(|(r, bar)| r.eps * bar).sum();
        let bar = if j < n { x_bar.as_ref()[j] } else { params_bar.as_ref()[j - n] };
        prop_assert!(close(bar - 0.25, oracle), "{} {j}: {} {oracle}", N::NAME, bar - 0.25);
        if (1..n).contains(&j) && N::RELAXES {
            let own = relaxation.as_ref()[j];
            prop_assert!(close(own.re, -f.as_ref()[j].eps), "{} x[{j}]: {own} {}", N::NAME, f.as_ref()[j]);
            prop_assert!(own.re > 0.0 && own.eps == 0.0, "{} x[{j}] is no gate", N::NAME);
        }
        prop_assert!(N::RELAXES || relaxation.as_ref().iter().all(|r| r.re == 0.0 && r.eps == 0.0));
    }
    Ok(())
}

/// A model that calls itself affine is, and has one state variable.
fn check_structure<N: NeuronVjp + Default>(noise: &[f64]) -> Result<(), TestCaseError> {
    let (params, x) = near::<N>(noise);
    prop_assert_eq!(N::PARAMETERS.len(), params.as_ref().len());
    prop_assert_eq!(N::VARIABLES.len(), x.as_ref().len());
    let again = N::from_params(&params).params();
    prop_assert_eq!(again.as_ref(), params.as_ref());
    if let Reset::To { .. } = N::reset(&params) {
        prop_assert!(N::LOCATE != Locate::No, "{}: does not say how a reset is located in the step", N::NAME);
    } else {
        prop_assert!(
            N::LOCATE == Locate::No && N::refractory(&params).is_none(),
            "{}: there is no hard reset",
            N::NAME
        );
    }
    if N::LOCATE == Locate::ClosedForm {
        prop_assert_eq!(x.as_ref().len(), 1);
        let f = |v: f64| N::rhs(&params, &N::State::<f64>::from_fn(|_| v), 0.03).as_ref()[0];
        let v = x.as_ref()[0];
        prop_assert!((f(v) - (f(0.0) + v * (f(1.0) - f(0.0)))).abs() < 1e-14);
    }
    let neuron = N::default();
    let rest = N::rhs(&neuron.params(), &neuron.rest(), 0.0);
    prop_assert!(rest.as_ref().iter().all(|f| f.abs() < 1e-9), "{} rests: {rest:?}", N::NAME);
    Ok(())
}

/// Whoever writes a loop of his own takes this state on.
fn check_after_spike<N: Neuron + Default>() {
    let neuron = N::default();
    let (params, reset) = (neuron.params(), N::reset(&neuron.params()));
    let mut before = neuron.rest();
    before.as_mut()[0] = reset.threshold() + 0.01 * reset.threshold().abs();
    let (after, jump) = (N::after_spike(&params, &before), N::jump(&params, &before));
    assert_eq!(after.as_ref()[1..], jump.as_ref()[1..], "{}", N::NAME);
    let v = after.as_ref()[0];
    match reset {
        Reset::To { threshold, value } => assert!(v == value && v < threshold, "{}: {v}", N::NAME),
        Reset::Periodic | Reset::Subtract | Reset::Rectify => {
            assert!((v - 0.01).abs() < 1e-15, "{}: {v}", N::NAME)
        }
        Reset::Latch { .. } | Reset::Never => assert_eq!(v, before.as_ref()[0], "{}", N::NAME),
    }
}

/// A product that adds to the cotangents of state and parameters and returns that of the current.
type Product<'a, N, T> = dyn Fn(&mut <N as Neuron>::State<T>, &mut <N as Neuron>::Params<T>) -> T + 'a;

/// All products of a model, one behind the other: what they add to zeros, and what they return.
fn products<N: NeuronVjp + Default, T: Real>(noise: &[f64], given: impl Fn(usize, f64) -> T) -> Vec<T> {
    let (params, x) = near::<N>(noise);
    let p = N::Params::<T>::from_fn(|i| given(i, params.as_ref()[i]));
    let x = N::State::<T>::from_fn(|i| given(16 + i, x.as_ref()[i]));
    let bar = N::State::<T>::from_fn(|i| real(noise[24 + i]));
    let after_bar = N::State::<T>::from_fn(|i| if i == 0 { T::zero() } else { real(noise[24 + i]) });
    let (current, by_threshold, by_value) = (given(20, 0.1 * noise[20]), real(noise[28]), real(noise[29]));
    let mut all = Vec::new();
    let mut product = |f: &Product<'_, N, T>| {
        let (mut x_bar, mut p_bar) =
            (N::State::<T>::from_fn(|_| T::zero()), N::Params::<T>::from_fn(|_| T::zero()));
        all.push(f(&mut x_bar, &mut p_bar));
        all.extend(x_bar.as_ref().iter().chain(p_bar.as_ref()));
    };
    product(&|x_bar, p_bar| N::rhs_vjp(&p, &x, current, &bar, x_bar, p_bar));
    product(&|x_bar, _| N::rhs_vjp_by_state(&p, &x, current, &bar, x_bar));
    product(&|x_bar, p_bar| {
        N::relaxation_vjp(&p, &x, &bar, x_bar, p_bar);
        N::jump_vjp(&p, &x, &after_bar, x_bar, p_bar);
        T::zero()
    });
    product(&|_, p_bar| {
        N::reset_vjp(&p, by_threshold, by_value, p_bar);
        N::refractory_vjp(&p, by_value, p_bar);
        T::zero()
    });
    all
}

/// The products that [`AutoVjp`] makes of the equations against those that are written by hand, in one scalar.
fn check_by_hand<N: NeuronVjp + Default, T: Real>(
    noise: &[f64],
    tolerance: f64,
    given: impl Fn(usize, f64) -> T,
    numbers: impl Fn(T) -> [f64; 2],
) -> Result<(), TestCaseError> {
    let (auto, by_hand) = (products::<AutoVjp<N>, T>(noise, &given), products::<N, T>(noise, &given));
    prop_assert_eq!(auto.len(), by_hand.len());
    for (k, (auto, by_hand)) in auto.into_iter().zip(by_hand).enumerate() {
        for (a, b) in numbers(auto).into_iter().zip(numbers(by_hand)) {
            prop_assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{} {k}: {a} {b}", N::NAME);
        }
    }
    Ok(())
}

macro_rules! tests {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;
            #[test]
            fn the_whole_state_after_a_spike_is_below_threshold() {
                check_after_spike::<$neuron>();
            }
            proptest! {
                #[test]
                fn transposes_equal_dual_numbers(noise in proptest::collection::vec(-1.0..1.0_f64, 32)) {
                    check_transposes::<$neuron>(&noise)?;
                }
                #[test]
                fn reset_transpose_equals_dual_numbers(noise in proptest::collection::vec(-1.0..1.0_f64, 32)) {
                    check_reset_transpose::<$neuron>(&noise)?;
                }
                #[test]
                fn jump_transpose_equals_dual_numbers(noise in proptest::collection::vec(-1.0..1.0_f64, 32)) {
                    check_jump_transpose::<$neuron>(&noise)?;
                }
                #[test]
                fn relaxation_is_that_of_the_equation(noise in proptest::collection::vec(-1.0..1.0_f64, 32)) {
                    check_relaxation::<$neuron>(&noise)?;
                }
                #[test]
                fn derivatives_of_the_equations_alone_equal_dual_numbers(
                    noise in proptest::collection::vec(-1.0..1.0_f64, 32)
                ) {
                    check_transposes::<AutoVjp<$neuron>>(&noise)?;
                    check_reset_transpose::<AutoVjp<$neuron>>(&noise)?;
                    check_jump_transpose::<AutoVjp<$neuron>>(&noise)?;
                    check_relaxation::<AutoVjp<$neuron>>(&noise)?;
                    check_structure::<AutoVjp<$neuron>>(&noise)?;
                    check_after_spike::<AutoVjp<$neuron>>();
                }
                #[test]
                fn derivatives_of_the_equations_alone_equal_those_by_hand(
                    noise in proptest::collection::vec(-1.0..1.0_f64, 32)
                ) {
                    check_by_hand::<$neuron, f64>(&noise, 1e-12, |_, x| x, |x| [x, 0.0])?;
                    check_by_hand::<$neuron, f32>(&noise, 1e-4, |_, x| x as f32, |x| [f64::from(x), 0.0])?;
                    // A dual number inside a dual number: the derivative of the derivative.
                    let dual = |i: usize, x: f64| Dual64::new(x, noise[31 - i]);
                    check_by_hand::<$neuron, Dual64>(&noise, 1e-11, dual, |x| [x.re, x.eps])?;
                }
                #[test]
                fn structure_is_what_it_says(noise in proptest::collection::vec(-1.0..1.0_f64, 32)) {
                    check_structure::<$neuron>(&noise)?;
                }
            }
        }
    };
}
for_each_model!(tests);
