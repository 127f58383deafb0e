//! Forward sensitivity, in dual numbers through the program itself, equals the discrete adjoint: it shares no transposed
//! product with it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::common::{Model, Problem, Spec, problem, runner, specs};
use proptest::prelude::*;
use spikegrad::adjoint::{BoxError, Dual64, Sweep, forward_sensitivity};
use spikegrad::integrators::{Exponential, tableau};
use spikegrad::models::{GateShape, Theta, for_each_neuron};
use spikegrad::network::{Group, PlainStep, SplitStep};
use spikegrad::tasks::Scheme;

/// Cost and gradient by the transposes.
fn adjoint(p: &Problem, scheme: Scheme) -> Result<(f64, Vec<f64>), BoxError> {
    let mut gradient = p.network.parameters.zeros_like();
    let cost = match scheme {
        Scheme::Split(method) => {
            let step = SplitStep::with_method(&p.network, p.h, method)?;
            Sweep::new().gradient(&step.run(&p.trial, &p.loss)?, gradient.values_mut())?
        }
        Scheme::Plain(method) => {
            let step = PlainStep::new(&p.network, p.h, method)?;
            Sweep::new().gradient(&step.run(&p.trial, &p.loss)?, gradient.values_mut())?
        }
    };
    Ok((cost, gradient.values().to_vec()))
}

/// Cost and gradient by dual numbers.
fn sensitivity(p: &Problem, scheme: Scheme) -> Result<(f64, Vec<f64>), BoxError> {
    let mut network = p.network.to_dual();
    let (trial, loss) = (p.trial.map(Dual64::from), p.loss.map(Dual64::from));
    forward_sensitivity(p.network.parameters.values(), |parameters| {
        network.parameters.values_mut().copy_from_slice(parameters);
        Ok(match scheme {
            Scheme::Split(method) => {
                let step = SplitStep::with_method(&network, p.h, method)?;
                Sweep::new().cost(&step.run(&trial, &loss)?)?
            }
            Scheme::Plain(method) => {
                let step = PlainStep::new(&network, p.h, method)?;
                Sweep::new().cost(&step.run(&trial, &loss)?)?
            }
        })
    })
}

/// The worst difference of each group, relative to the group's norm where that is well above rounding.
type Worst = BTreeMap<String, f64>;

fn compare(p: &Problem, scheme: Scheme, worst: &mut Worst) -> Result<(), TestCaseError> {
    let fail = |e: BoxError| TestCaseError::fail(e.to_string());
    let (cost, backward) = adjoint(p, scheme).map_err(fail)?;
    let (value, forward) = sensitivity(p, scheme).map_err(fail)?;
    prop_assert!((value - cost).abs() <= 1e-14 * cost.abs(), "{value} {cost}");
    for entry in p.network.parameters.layout().entries() {
        let mask = p.network.mask(entry.group);
        let exists = |i: usize| mask.is_none_or(|mask| mask[i - entry.range.start]);
        let (mut square, mut norm, mut size) = (0.0, 0.0, 0.0);
        for i in entry.range.clone() {
            prop_assert!(exists(i) || backward[i] == 0.0, "a masked weight has a gradient");
            square += if exists(i) { (forward[i] - backward[i]).powi(2) } else { 0.0 };
            norm += backward[i].powi(2);
            size += p.network.parameters.values()[i].powi(2).max(1e-4);
        }
        let (difference, norm) = (square.sqrt(), norm.sqrt());
        // A hundred rounding units of the cost, for derivatives that are zero because their terms cancel.
        let rounding = 100.0 * f64::EPSILON * cost.abs() / size.sqrt();
        let what = &entry.name;
        prop_assert!(difference <= 1e-10 * norm + rounding, "{scheme:?}, {what}: {difference:e} of {norm:e}");
        let error = if norm > 1e4 * rounding { difference / norm } else { 0.0 };
        let worst = worst.entry(what.clone()).or_insert(0.0);
        *worst = worst.max(error);
    }
    Ok(())
}

fn prove(name: &str, models: &[&Model], plain: bool) {
    let spec = (1..=6_usize, specs(20..97)).prop_map(|(neurons, spec)| Spec { neurons, ..spec });
    let (worst, cases) = (RefCell::new(Worst::new()), RefCell::new(0..));
    let outcome = runner().run(&spec, |spec| {
        let case = cases.borrow_mut().next().unwrap_or(0);
        for (i, shape) in GateShape::ALL.into_iter().enumerate() {
            let p = problem(models, shape, &spec);
            let method = tableau::ALL[(case + i) % tableau::ALL.len()];
            compare(&p, Scheme::Split(method.into()), &mut worst.borrow_mut())?;
            if models.iter().any(|model| model.relaxes) {
                let method = Exponential::ALL[(case + i) % 2];
                compare(&p, Scheme::Split(method.into()), &mut worst.borrow_mut())?;
            }
            if plain {
                compare(&p, Scheme::Plain(method), &mut worst.borrow_mut())?;
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
    let worst = worst.into_inner();
    let groups: Vec<_> = worst.iter().map(|(group, error)| format!("{group} {error:.0e}")).collect();
    println!("{name}: {}", groups.join(", "));
}

macro_rules! tests {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn forward_sensitivity_equals_the_discrete_adjoint() {
                let model = Model::of::<$neuron>();
                prove(model.name, &[&model], model.plain);
            }
        }
    };
}
for_each_neuron!(tests);

#[test]
fn forward_sensitivity_of_mixed_populations_equals_the_discrete_adjoint() {
    let mut models = Vec::new();
    macro_rules! add {
        ($module:ident, $neuron:ty) => {
            models.push(Model::of::<$neuron>());
        };
    }
    for_each_neuron!(add);
    prove("mixed", &models.iter().collect::<Vec<_>>(), false);
}

/// One theta neuron so close below its threshold that the charge of the first step rounds to zero. Its derivative does not.
#[test]
fn a_charge_that_rounds_to_zero_keeps_its_derivative() {
    let model = Model::of::<Theta>();
    let spec = Spec {
        neurons: 1,
        classes: 1,
        steps: 20,
        per_neuron: false,
        own_taus: false,
        given_start: false,
        seed: 0,
    };
    let mut p = problem(&[&model], GateShape::RaisedCosine, &spec);
    p.network.parameters.group_mut(Group::Initial)[0] = 1.0 - 4e-7;
    let mut worst = Worst::new();
    let outcome = compare(&p, Scheme::Split(tableau::EULER.into()), &mut worst);
    assert!(outcome.is_ok(), "{outcome:?}");
}
