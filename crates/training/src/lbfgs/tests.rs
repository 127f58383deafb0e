//! Tests of `lbfgs.rs`.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use spikegrad_adjoint::Error as SweepError;
use spikegrad_integrators::{Divergence, EventCounts, Parametric};

use super::*;
use crate::{TrainingStage, TrialGradient};

type Cost = fn(&[f64], &mut [f64]) -> f64;

/// A function with its gradient, of which the last parameter is positive, and one may be held.
struct Function {
    x: Vec<f64>,
    cost: Cost,
    held: Option<usize>,
}

impl Parametric<f64> for Function {
    type Group = &'static str;
    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
        let last = self.x.len() - 1;
        [("any", 0..last), ("positive", last..last + 1)].into_iter().map(|(name, range)| ParameterGroup {
            group: name,
            name,
            range,
            is_positive: name == "positive",
            is_trainable: true,
        })
    }
    fn values(&self) -> &[f64] {
        &self.x
    }
    fn values_mut(&mut self) -> &mut [f64] {
        &mut self.x
    }
    fn untrained(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.held.into_iter().map(|i| i..i + 1)
    }
}

impl TrialGradient<f64> for Function {
    type Trial = ();
    type Lane = ();
    type Error = Error;
    fn lane(&self, _: Memory) {}
    fn gradient(
        &self,
        _: &(),
        _: &mut (),
        gradient: &mut [f64],
        _: Option<&mut EventCounts>,
    ) -> Result<Result<f64, SweepError>, Error> {
        let cost = (self.cost)(&self.x, gradient);
        let diverged = Divergence::State { step: 0, time: 0.0, neuron: 0 };
        Ok(if cost.is_finite() { Ok(cost) } else { Err(diverged.into()) })
    }
}

impl Program<f64> for Function {
    type Trial = ();
    type Lane = ();
    type Error = Error;
    type Ready<'a> = &'a Self;
    fn ready(&self) -> Result<&Self, Error> {
        Ok(self)
    }
    fn trial(&self, _: TrainingStage, _: &mut ChaCha8Rng) {}
}

fn go_on(_: usize, _: f64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// `sum_i i^2 (x_i - i)^2 / 2`, with the condition number of the squared dimension.
fn quadratic(x: &[f64], gradient: &mut [f64]) -> f64 {
    let mut cost = 0.0;
    for (i, (x, g)) in x.iter().zip(gradient).enumerate() {
        let (k, by) = ((i + 1) as f64, x - (i + 1) as f64);
        *g = k * k * by;
        cost += 0.5 * k * k * by * by;
    }
    cost
}

/// Not finite to the right of 3, with a minimum at 2 just before.
fn cliff(x: &[f64], gradient: &mut [f64]) -> f64 {
    gradient[0] = x[0] - 2.0;
    gradient[1] = 1.0 - 1.0 / x[1];
    if x[0] > 3.0 { f64::NAN } else { 0.5 * (x[0] - 2.0).powi(2) + x[1] - x[1].ln() }
}

/// A kink at the minimum.
fn kink(x: &[f64], gradient: &mut [f64]) -> f64 {
    gradient[0] = if x[0] < 0.3 { -1.0 } else { 2.0 };
    gradient[1] = 0.0;
    gradient[0] * (x[0] - 0.3)
}

proptest! {
    #[test]
    fn the_minimum_of_a_quadratic_is_found(start in prop::collection::vec(-9.0..9.0_f64, 7), last in 0.01..50.0_f64) {
        let mut program = Function { x: [start, vec![last]].concat(), cost: quadratic, held: None };
        let found = Lbfgs { tolerance: 1e-9, ..Lbfgs::default() }
            .minimise(&mut program, &[(), ()], &mut go_on)
            .expect("a minimum");
        prop_assert_ne!(found.stopped, Stopped::Iterations);
        for (i, x) in program.x.iter().enumerate() {
            prop_assert!((x - (i + 1) as f64).abs() < 1e-4, "{:?} {:?}", found, program.x);
        }
    }
}

#[test]
fn what_is_not_trained_keeps_its_bits() {
    let mut program = Function { x: vec![0.1; 5], cost: quadratic, held: Some(2) };
    let found = Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect("a minimum");
    assert_eq!((program.x[2], found.stopped), (0.1, Stopped::Converged));
    let mut program = Function { x: vec![0.1; 5], cost: quadratic, held: None };
    let groups = Some(vec!["positive"]);
    let _ =
        Lbfgs { groups, ..Lbfgs::default() }.minimise(&mut program, &[()], &mut go_on).expect("a minimum");
    assert_eq!(program.x[..4], [0.1; 4]);
    assert!((program.x[4] - 5.0).abs() < 1e-5);
}

#[test]
fn points_without_a_finite_cost_are_gone_round() {
    let mut program = Function { x: vec![-40.0, 3.0], cost: cliff, held: None };
    let found = Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect("a minimum");
    assert_eq!(found.stopped, Stopped::Converged);
    assert!((program.x[0] - 2.0).abs() < 1e-4 && (program.x[1] - 1.0).abs() < 1e-4, "{:?}", program.x);

    let mut program = Function { x: vec![4.0, 1.0], cost: cliff, held: None };
    let refused = Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect_err("refused");
    assert!(matches!(refused, Error::NotFinite { trial: 0, .. }), "{refused}");
    assert_eq!(program.x, [4.0, 1.0]);
}

/// Falls for ever as the positive one goes to zero.
fn slide(x: &[f64], gradient: &mut [f64]) -> f64 {
    gradient[1] = 1.0;
    x[0] * 0.0 + x[1]
}

/// A finite cost whose gradient is no number left of 1.
fn torn(x: &[f64], gradient: &mut [f64]) -> f64 {
    gradient[0] = if x[0] < 1.0 { f64::NAN } else { x[0] };
    gradient[1] = 0.0;
    0.5 * x[0] * x[0]
}

#[test]
fn nothing_that_went_wrong_looks_like_a_minimum() {
    // Positive ones stay positive, and what is not fitted may be zero without hurting the others.
    let mut program = Function { x: vec![0.0, 1.0], cost: slide, held: None };
    let _ = Lbfgs { tolerance: 0.0, ..Lbfgs::default() }
        .minimise(&mut program, &[()], &mut go_on)
        .expect("a point");
    assert!(program.x[1] > 0.0, "{:?}", program.x);
    let mut program = Function { x: vec![9.0, -3.0, 5.0, 0.0], cost: quadratic, held: Some(3) };
    let found = Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect("a minimum");
    assert!(found.stopped == Stopped::Converged && found.evaluations < 40, "{found:?}");
    let mut program = Function { x: vec![1.0, -2.0], cost: quadratic, held: None };
    let refused =
        Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect_err("refused").to_string();
    assert_eq!(
        refused,
        "positive is -2 at entry 0: it is fitted by its logarithm, so give a number above zero"
    );

    let mut program = Function { x: vec![5.0, 1.0], cost: torn, held: None };
    let found = Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect("a point");
    assert!(program.x[0] >= 1.0 && found.gradient.is_finite(), "{found:?} at {:?}", program.x);
    let mut program = Function { x: vec![0.5, 1.0], cost: torn, held: None };
    assert!(Lbfgs::default().minimise(&mut program, &[()], &mut go_on).is_err());
    assert_eq!(program.x, [0.5, 1.0]);
    // Where there is nothing to do, nothing is changed.
    let mut program = Function { x: vec![1.0, 2.0, 3.0], cost: quadratic, held: None };
    let found = Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect("a minimum");
    assert_eq!((program.x.as_slice(), found.stopped), (&[1.0, 2.0, 3.0][..], Stopped::Converged));
}

#[test]
fn a_kink_is_said_to_be_one() {
    let mut program = Function { x: vec![-5.0, 1.0], cost: kink, held: None };
    let found = Lbfgs::default().minimise(&mut program, &[()], &mut go_on).expect("a point");
    assert_eq!(found.stopped, Stopped::NoLowerCost);
    assert!((program.x[0] - 0.3).abs() < 1e-6, "{found:?} at {:?}", program.x);
}

#[test]
fn whoever_watches_ends_it_and_options_have_domains() {
    let mut program = Function { x: vec![0.1; 8], cost: quadratic, held: None };
    let mut costs = Vec::new();
    let mut watch = |iteration, cost| {
        costs.push(cost);
        if iteration == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let found = Lbfgs::default().minimise(&mut program, &[()], &mut watch).expect("a point");
    assert_eq!((found.stopped, found.iterations, costs.len()), (Stopped::Watcher, 3, 3));
    assert!(costs.is_sorted_by(|a, b| a > b));

    for (options, why) in [
        (Lbfgs { memory: 0, ..Lbfgs::default() }, "memory = 0"),
        (Lbfgs { tolerance: -1.0, ..Lbfgs::default() }, "tolerance = -1"),
        (Lbfgs { groups: Some(vec!["none"]), ..Lbfgs::default() }, "the groups name none"),
    ] {
        let error = options.minimise(&mut program, &[()], &mut go_on).expect_err("refused").to_string();
        assert!(error.starts_with(why), "{error}");
    }
    let error = Lbfgs::default().minimise(&mut program, &[], &mut go_on).expect_err("refused").to_string();
    assert!(error.starts_with("the batch is empty"), "{error}");
}
