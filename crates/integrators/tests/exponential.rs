//! Exponential methods: order of convergence, stability beyond the time constants, the transpose against dual numbers, and
//! the explicit methods that they are where nothing relaxes.

use num_dual::Dual64;
use proptest::prelude::*;
use simba::scalar::RealField;
use spikegrad_integrators::{Exponential, Method, tableau};

fn real<T: RealField>(x: f64) -> T {
    T::from_subset(&x)
}

/// A voltage with conductance `p[0]` and a gate with time constant `p[1]`, which depend on each other as those of an action
/// potential do; and a variable that does not relax.
fn channel<T: RealField + Copy>(p: &[T; 2], x: &[T; 3], slope: &mut [T; 3], relaxation: &mut [T; 3]) {
    let [v, gate, w] = *x;
    let open = T::one() / (T::one() + (-v).exp());
    *relaxation = [p[0] * gate * gate + real(0.1), (T::one() + v * v) / p[1], T::zero()];
    *slope = [
        p[0] * gate * gate * (T::one() - v) - real::<T>(0.1) * (v + w),
        (open - gate) * relaxation[1],
        real::<T>(0.3) * v - real::<T>(0.2) * w * w,
    ];
}

/// The transposed products of the field.
fn channel_vjp(
    p: &[f64; 2],
    x: &[f64; 3],
    slope_bar: &[f64; 3],
    relaxation_bar: &[f64; 3],
    x_bar: &mut [f64; 3],
    p_bar: &mut [f64; 2],
) {
    let [v, gate, w] = *x;
    let open = 1.0 / (1.0 + (-v).exp());
    let rate = (1.0 + v * v) / p[1];
    x_bar[0] += slope_bar[0] * (-p[0] * gate * gate - 0.1);
    x_bar[1] += slope_bar[0] * 2.0 * p[0] * gate * (1.0 - v);
    x_bar[2] -= slope_bar[0] * 0.1;
    p_bar[0] += slope_bar[0] * gate * gate * (1.0 - v);
    let rate_bar = slope_bar[1] * (open - gate) + relaxation_bar[1];
    x_bar[0] += slope_bar[1] * rate * open * (1.0 - open) + rate_bar * 2.0 * v / p[1];
    x_bar[1] -= slope_bar[1] * rate;
    p_bar[1] -= rate_bar * rate / p[1];
    x_bar[0] += slope_bar[2] * 0.3;
    x_bar[2] -= slope_bar[2] * 0.4 * w;
    x_bar[1] += relaxation_bar[0] * 2.0 * p[0] * gate;
    p_bar[0] += relaxation_bar[0] * gate * gate;
}

fn end<T: RealField + Copy>(method: Exponential, p: [T; 2], mut x: [T; 3], h: f64, steps: usize) -> [T; 3] {
    for _ in 0..steps {
        x = method.step(real(h), x, |x, slope, relaxation| channel(&p, x, slope, relaxation));
    }
    x
}

#[test]
fn every_exponential_method_converges_with_its_order() {
    let (p, x) = ([3.0, 0.2], [-1.0, 0.1, 0.5_f64]);
    let exact = end(Exponential::Midpoint, p, x, 2.0 / 40_000.0, 40_000);
    for method in Exponential::ALL {
        let error = |steps: usize| {
            let y = end(method, p, x, 2.0 / steps as f64, steps);
            (0..3).map(|i| (y[i] - exact[i]).powi(2)).sum::<f64>().sqrt()
        };
        let order = (error(200) / error(400)).log2();
        let expected = f64::from(method.order());
        assert!((order - expected).abs() < 0.1, "{}: measured {order}, stated {expected}", method.name());
    }
}

#[test]
fn a_step_may_be_longer_than_the_time_constants() {
    let (p, x) = ([30.0, 1e-3], [-1.0, 0.1, 0.5_f64]);
    for method in Exponential::ALL {
        let y = end(method, p, x, 0.1, 400);
        assert!(y.iter().all(|y| y.is_finite() && y.abs() < 5.0), "{}: {y:?}", method.name());
        // The explicit method with the same nodes is lost on the way.
        let (mut z, table) = (x, method.explicit());
        let (mut points, mut slopes, mut unused) = ([x; 7], [x; 7], x);
        for _ in 0..400 {
            table.step(0.1, &mut z, &mut points, &mut slopes, |_, x, f| channel(&p, x, f, &mut unused));
        }
        assert!(z.iter().any(|z| !z.is_finite() || z.abs() > 1e3), "{}: {z:?}", table.name());
    }
}

#[test]
fn without_relaxation_they_are_the_explicit_methods() {
    let (p, mut x) = ([3.0, 0.2], [-1.0, 0.1, 0.5_f64]);
    for method in Exponential::ALL {
        let mut y = x;
        let mut unused = x;
        let (mut points, mut slopes) = ([x; 7], [x; 7]);
        let table = method.explicit();
        table.step(0.02, &mut y, &mut points, &mut slopes, |_, x, f| channel(&p, x, f, &mut unused));
        x = method.step(0.02, x, |x, slope, relaxation| {
            channel(&p, x, slope, relaxation);
            *relaxation = [0.0; 3];
        });
        assert!((0..3).all(|i| (x[i] - y[i]).abs() < 1e-15), "{x:?} {y:?}");
        assert_eq!(table.stages(), method.stages());
        x = y;
    }
}

#[test]
fn a_table_is_written_as_itself() {
    assert_eq!(format!("{:?}", Method::from(tableau::HEUN)), format!("{:?}", tableau::HEUN));
    assert_eq!(format!("{:?}", Method::from(Exponential::Euler)), "Exponential(Euler)");
}

proptest! {
    #[test]
    fn every_exponential_transpose_equals_dual_numbers(
        p in (0.1..5.0, 0.05..2.0), v in -2.0..2.0, gate in 0.0..1.0, w in -1.0..1.0, h in 0.01..3.0,
        bar in prop::array::uniform3(-1.0..1.0),
    ) {
        let (p, x) = ([p.0, p.1], [v, gate, w]);
        for method in Exponential::ALL {
            let (mut x_bar, mut p_bar) = (bar, [0.0; 2]);
            method.step_vjp(
                h,
                x,
                &mut x_bar,
                |x, slope, relaxation| channel(&p, x, slope, relaxation),
                |x, slope_bar, relaxation_bar, x_bar| {
                    channel_vjp(&p, x, slope_bar, relaxation_bar, x_bar, &mut p_bar);
                },
            );
            for j in 0..5 {
                let seed = |value: f64, i: usize| Dual64::new(value, f64::from(i == j));
                let p = [seed(p[0], 3), seed(p[1], 4)];
                let end = end(method, p, [seed(x[0], 0), seed(x[1], 1), seed(x[2], 2)], h, 1);
                let oracle: f64 = (0..3).map(|i| end[i].eps * bar[i]).sum();
                let bar = if j < 3 { x_bar[j] } else { p_bar[j - 3] };
                prop_assert!((bar - oracle).abs() < 1e-12 * (1.0 + oracle.abs()), "{} {j}: {bar} {oracle}", method.name());
            }
        }
    }
}
