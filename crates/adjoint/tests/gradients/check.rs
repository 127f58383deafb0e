//! The discrete adjoint of an ordinary differential equation under every tableau, by the public check; and that the check
//! catches what it is there to catch.

use super::rates::{Flaw, Setting, parameters};
use proptest::prelude::*;
use spikegrad_adjoint::{Error, GradientCheck, GradientReport, assert_gradient};
use spikegrad_integrators::tableau;

fn setting() -> impl Strategy<Value = (Setting, Vec<f64>)> {
    (1..6_usize, 1..100_usize, 0.01..0.2_f64).prop_flat_map(|(dim, steps, h)| {
        let setting = Setting { tableau: tableau::EULER, dim, h, steps, flaw: Flaw::None };
        (Just(setting), parameters(dim))
    })
}

proptest! {
    #![proptest_config(super::cases())]

    #[test]
    fn every_tableau_has_an_exact_gradient((setting, parameters) in setting()) {
        for tableau in tableau::ALL {
            let mut objective = Setting { tableau, ..setting }.objective(parameters.clone());
            let report = assert_gradient(&mut objective);
            prop_assert!(report.is_ok(), "{}: {report:?}", tableau.name());
        }
    }
}

fn report(flaw: Flaw) -> Result<GradientReport, Error> {
    let (dim, steps, h) = (4, 60, 0.1);
    let setting = Setting { tableau: tableau::HEUN, dim, h, steps, flaw };
    let parameters = (0..setting.n_parameters()).map(|i| (1.7 * i as f64).sin()).collect();
    GradientCheck::default().run(&mut setting.objective(parameters))
}

#[test]
fn a_correct_gradient_passes_with_order_two_and_small_errors() -> Result<(), Error> {
    let report = report(Flaw::None)?;
    assert!(report.passed() && report.discarded() == 0, "{report}");
    assert!(report.error() < 1e-8, "{report}");
    for group in &report.groups {
        let order = group.taylor_order.expect("a remainder above rounding");
        assert!((order - 2.0).abs() < 0.1, "{report}");
    }
    assert!(report.to_string().ends_with("passed"));
    Ok(())
}

#[test]
fn a_sign_error_is_caught() -> Result<(), Error> {
    let report = report(Flaw::Sign)?;
    assert!(matches!(report.verdict(), Err(Error::GradientMismatch { .. })), "{report}");
    assert!(report.groups.iter().all(|g| g.mismatches == g.directions), "{report}");
    Ok(())
}

#[test]
fn a_dropped_term_is_caught() -> Result<(), Error> {
    let report = report(Flaw::DroppedTerm)?;
    let error = report.verdict().expect_err("the gradient by the bias is zero");
    assert!(matches!(&error, Error::GradientMismatch { group, .. } if group == "bias"), "{report}");
    let wrong: Vec<_> = report.groups.iter().filter(|g| g.mismatches > 0).map(|g| &g.name).collect();
    assert_eq!(wrong, ["bias"]);
    Ok(())
}

#[test]
fn a_scale_error_of_one_in_a_thousand_is_caught() -> Result<(), Error> {
    let report = report(Flaw::Scale)?;
    let Err(Error::GradientMismatch { group, error, .. }) = report.verdict() else { panic!("{report}") };
    assert_eq!(group, "W");
    assert!((error - 1e-3).abs() < 1e-5, "{report}");
    let order = report.groups[0].taylor_order.expect("a remainder above rounding");
    assert!(order < 1.8, "{report}");
    Ok(())
}

#[test]
fn reports_merge_group_by_group() -> Result<(), Error> {
    let mut merged = report(Flaw::None)?;
    let once = merged.directions();
    merged.merge(report(Flaw::None)?);
    assert_eq!((merged.directions(), merged.groups.len()), (2 * once, 4));
    assert!(merged.passed());
    merged.merge(report(Flaw::Scale)?);
    assert!(!merged.passed());
    Ok(())
}
