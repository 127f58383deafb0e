//! Tests of `check.rs`.

use super::*;

/// A cost from a closure that returns the piece that it lies in and the value, with a gradient of its own.
struct Closed<C, G> {
    at: Vec<f64>,
    cost: C,
    gradient: G,
}

impl<C: Fn(&[f64]) -> (u64, f64), G: Fn(&[f64], &mut [f64])> Objective for Closed<C, G> {
    fn groups(&self) -> Vec<CheckedGroup> {
        vec![CheckedGroup { name: "p".into(), range: 0..self.at.len() }]
    }
    fn parameters(&self) -> Vec<f64> {
        self.at.clone()
    }
    fn cost(&mut self, p: &[f64], log: &mut EventLog) -> Result<f64, BoxError> {
        let (piece, cost) = (self.cost)(p);
        log.piece(piece);
        Ok(cost)
    }
    fn gradient(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
        (self.gradient)(p, gradient);
        Ok((self.cost)(p).1)
    }
}

fn check(
    at: &[f64],
    cost: impl Fn(&[f64]) -> (u64, f64),
    gradient: impl Fn(&[f64], &mut [f64]),
) -> GradientReport {
    GradientCheck::default()
        .run(&mut Closed { at: at.to_vec(), cost, gradient })
        .expect("a finite cost and gradient")
}

#[test]
fn steps_shrink_until_both_runs_lie_in_one_piece() {
    // The edge lies at a relative distance of 1e-5.
    let cost = |p: &[f64]| (u64::from(p[0] > 1.0 + 1e-5), if p[0] > 1.0 + 1e-5 { 7.0 } else { p[0].exp() });
    let report = check(&[1.0], cost, |p, g| g[0] = p[0].exp());
    assert!(report.passed() && report.error() < 1e-8, "{report}");
    assert!(report.groups[0].worst.expect("compared").step <= 1e-5);
}

#[test]
fn a_direction_without_a_comparable_pair_is_discarded_and_too_many_fail() {
    // The second entry sits on an edge.
    let cost = |p: &[f64]| (u64::from(p[1] > 1.0), p[0].exp() + p[1]);
    let gradient = |p: &[f64], g: &mut [f64]| (g[0], g[1]) = (p[0].exp(), 1.0);
    let report = check(&[1.0, 1.0], cost, gradient);
    assert_eq!((report.directions(), report.discarded()), (2, 1));
    assert!(report.agreement().is_ok());
    assert!(matches!(report.verdict(), Err(Error::TooManyDiscarded { discarded: 1, directions: 2, .. })));

    // Among enough directions that compare it may be one, but not the only one of its group.
    let mut merged = check(
        &[1.0; 5],
        |p| (0, p.iter().map(|p| p.exp()).sum()),
        |p, g| {
            g.iter_mut().zip(p).for_each(|(g, p)| *g = p.exp());
        },
    );
    for _ in 0..3 {
        merged.merge(merged.clone());
    }
    merged.merge(report.clone());
    assert!(merged.passed(), "{merged}");
    let mut alone = check(&[1.0], |p| (u64::from(p[0] > 1.0), p[0]), |_, g| g[0] = 1.0);
    assert!(alone.agreement().is_ok());
    alone.groups[0].name = "alone".into();
    merged.merge(alone);
    assert!(matches!(merged.verdict(), Err(Error::NothingCompared { group }) if group == "alone"));
}

#[test]
fn an_unlogged_jump_is_no_pass() {
    let report = check(&[1.0], |p| (0, if p[0] > 1.0 { 7.0 } else { p[0].exp() }), |p, g| g[0] = p[0].exp());
    assert!(!report.passed(), "{report}");
}

#[test]
fn an_unlogged_kink_is_no_pass() {
    let report = check(&[1.0], |p| (0, (p[0] - 1.0).abs() + p[0]), |_, g| g[0] = 2.0);
    assert!(!report.passed(), "{report}");
}

#[test]
fn an_unused_parameter_passes_as_zero_and_a_forgotten_one_does_not() {
    let cost = |p: &[f64]| (0, p[0].exp() + 1e-4 * p[0] * p[1]);
    let unused = check(&[1.0, 0.0], |p| (0, p[0].exp()), |p, g| g[0] = p[0].exp());
    assert!(unused.passed(), "{unused}");
    let alone = |gradient: f64, weight: f64| {
        check(&[0.3], move |p| (0, 1.0 + weight * p[0].sin()), move |_, g| g[0] = gradient)
    };
    // With nothing beside it nothing was compared.
    for nothing in [alone(0.0, 0.0), alone(1e-18, 0.0)] {
        assert!(nothing.agreement().is_ok() && nothing.compared() == 0, "{nothing}");
        assert!(matches!(nothing.verdict(), Err(Error::FlatCost { directions: 1 })), "{nothing}");
        assert!(nothing.to_string().contains("not compared: zero to rounding"), "{nothing}");
    }
    let forgotten = alone(0.0, 1e-8);
    assert!(matches!(forgotten.verdict(), Err(Error::GradientMismatch { .. })), "{forgotten}");
    let small = check(&[1.0, 0.0], cost, |p, g| g[0] = p[0].exp());
    assert!(!small.passed(), "{small}");
}

#[test]
fn a_gradient_lost_in_rounding_is_discarded() {
    let report = check(&[0.3], |p| (0, 1e9 + p[0].sin()), |p, g| g[0] = p[0].cos());
    assert_eq!(report.discarded(), 1, "{report}");
    assert!(!report.passed());
}

#[test]
fn small_and_large_gradients_are_resolved() {
    for norm in [1e-4, 1.0, 1e4] {
        // A cost of order one whose gradient has the given norm: curved on the scale of 1 / norm if that is small.
        let (amplitude, k) = if norm > 1.0 { (1.0, norm) } else { (norm, 1.0) };
        let cost = move |p: &[f64]| (0, 3.0 + amplitude * p.iter().map(|p| (k * p).sin()).sum::<f64>());
        let gradient = move |p: &[f64], g: &mut [f64]| {
            g.iter_mut().zip(p).for_each(|(g, p)| *g = amplitude * k * (k * p).cos());
        };
        let at: Vec<_> = (0..20).map(|i| f64::from(i) * 0.1 - 0.7).collect();
        let report = check(&at, cost, gradient);
        assert!(report.passed() && report.discarded() == 0 && report.error() < 1e-6, "{report}");
        let wrong = check(&at, cost, move |p, g| {
            gradient(p, g);
            g[3] *= 1.0 + 1e-3;
        });
        assert!(!wrong.passed(), "{wrong}");
    }
}

#[test]
fn noise_above_a_rounding_unit_is_measured() {
    // As of a sensitive program: the cost's noise is a thousand times its rounding unit.
    let noisy = |p: &[f64]| {
        let bits = p[0].to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        (0, p[0].exp() + 4e-13 * (bits as f64 / f64::from(1 << 24) - 0.5))
    };
    let right = check(&[1.0], noisy, |p, g| g[0] = p[0].exp());
    assert!(right.passed(), "{right}");
    let wrong = check(&[1.0], noisy, |p, g| g[0] = p[0].exp() * (1.0 + 1e-5));
    assert!(!wrong.passed(), "{wrong}");
}

/// A small sine on a fine scale vanishes at all steps that are multiples of its half-wave: they agree on the slope of the
/// rest, to the last digit. Finer steps tell.
#[test]
fn a_feature_on_a_fine_scale_is_not_passed_over() {
    for (halvings, slope) in [(6, 0.05), (6, 0.4), (8, 0.05), (8, 0.4)] {
        // The largest step is a hundredth of the parameter.
        let k = f64::from(1 << halvings) * std::f64::consts::PI / 0.003;
        let cost = move |p: &[f64]| (0, 1.0 + 0.02 * p[0].sin() + slope / k * (k * (p[0] - 0.3)).sin());
        let report = check(&[0.3], cost, move |p, g| g[0] = 0.02 * p[0].cos() + slope);
        assert!(report.passed(), "{halvings}, {slope}: {report}");
        // Neither what the coarse steps see nor an error of one part in a thousand is a gradient.
        let coarse = check(&[0.3], cost, |p, g| g[0] = 0.02 * p[0].cos());
        let spoilt = check(&[0.3], cost, move |p, g| g[0] = 1.001 * (0.02 * p[0].cos() + slope));
        for wrong in [coarse, spoilt] {
            assert!(matches!(wrong.verdict(), Err(Error::GradientMismatch { .. })), "{wrong}");
        }
    }
}

#[test]
fn steps_out_of_bounds_are_shrunk() {
    struct Bounded;
    impl Objective for Bounded {
        fn groups(&self) -> Vec<CheckedGroup> {
            vec![CheckedGroup { name: "tau".into(), range: 0..1 }]
        }
        fn parameters(&self) -> Vec<f64> {
            vec![0.999]
        }
        fn cost(&mut self, p: &[f64], _: &mut EventLog) -> Result<f64, BoxError> {
            if p[0] < 1.0 { Ok(p[0].powi(3)) } else { Err("tau must be below 1".into()) }
        }
        fn gradient(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
            gradient[0] += 3.0 * p[0] * p[0];
            Ok(p[0].powi(3))
        }
    }
    let report = assert_gradient(&mut Bounded).expect("a correct gradient");
    assert_eq!(report.groups[0].directions, 1);
}

#[test]
fn masked_entries_are_left_alone() {
    struct Masked;
    impl Objective for Masked {
        fn groups(&self) -> Vec<CheckedGroup> {
            vec![
                CheckedGroup { name: "W".into(), range: 0..9 },
                CheckedGroup { name: "diagonal".into(), range: 4..5 },
            ]
        }
        fn parameters(&self) -> Vec<f64> {
            (0..9).map(|i| if self.is_free(i) { 1.0 } else { 0.0 }).collect()
        }
        fn is_free(&self, parameter: usize) -> bool {
            !parameter.is_multiple_of(4)
        }
        fn cost(&mut self, p: &[f64], _: &mut EventLog) -> Result<f64, BoxError> {
            if p[0] == 0.0 { Ok(p.iter().map(|p| p.sin()).sum()) } else { Err("masked".into()) }
        }
        fn gradient(&mut self, p: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
            for i in (0..9).filter(|&i| self.is_free(i)) {
                gradient[i] += p[i].cos();
            }
            self.cost(p, &mut EventLog::default())
        }
    }
    let report = assert_gradient(&mut Masked).expect("a correct gradient");
    assert_eq!((report.groups[0].size, report.groups[0].directions), (6, 5));
    assert_eq!((report.groups[1].size, report.groups[1].directions), (0, 0));
}

#[test]
fn what_cannot_be_checked_is_an_error() {
    let run = |at: &[f64], cost: f64, gradient: f64| {
        let (cost, gradient) = (move |_: &[f64]| (0, cost), move |_: &[f64], g: &mut [f64]| g.fill(gradient));
        GradientCheck::default().run(&mut Closed { at: at.to_vec(), cost, gradient })
    };
    assert!(matches!(run(&[], 1.0, 0.0), Err(Error::Group { parameters: 0, .. })));
    assert!(matches!(run(&[1.0], f64::NAN, 0.0), Err(Error::CostMismatch { .. })));
    assert!(matches!(run(&[1.0], 1.0, f64::NAN), Err(Error::NonFiniteGradient { parameter: 0 })));
}
