//! The synapses' transposed products against dual numbers, and what short-term plasticity does to whole spikes and to parts of them.

use num_dual::Dual64;
use proptest::prelude::*;
use spikegrad_models::{
    Array, Depression, Kinetics, Nmda, Receptor, ShortTermPlasticity, TsodyksMarkram, for_each_kinetics,
    for_each_receptor, for_each_short_term,
};

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + b.abs())
}

fn seed(value: f64, on: bool) -> Dual64 {
    Dual64::new(value, f64::from(on))
}

/// Where nothing is seeded.
const NONE: usize = usize::MAX;

fn check_kinetics<K: Kinetics>(noise: &[f64]) -> Result<(), TestCaseError> {
    let params = K::Params::<f64>::from_fn(|i| 5.0 * (1.0 + 0.5 * noise[i]));
    let r = K::State::<f64>::from_fn(|i| noise[4 + i]);
    let f_bar = K::State::<f64>::from_fn(|i| noise[8 + i]);
    let drive = noise[12];
    let (mut r_bar, mut params_bar) =
        (K::State::<f64>::from_fn(|_| 0.25), K::Params::<f64>::from_fn(|_| 0.25));
    let drive_bar = K::rhs_vjp(&params, &r, drive, &f_bar, &mut r_bar, &mut params_bar);
    let oracle = |by_param: usize, by_r: usize, by_drive: bool| -> f64 {
        let p = K::Params::<Dual64>::from_fn(|i| seed(params.as_ref()[i], i == by_param));
        let r = K::State::<Dual64>::from_fn(|i| seed(r.as_ref()[i], i == by_r));
        let f = K::rhs(&p, &r, seed(drive, by_drive));
        f.as_ref().iter().zip(f_bar.as_ref()).map(|(f, bar)| f.eps * bar).sum()
    };
    for (i, bar) in params_bar.as_ref().iter().enumerate() {
        prop_assert!(close(bar - 0.25, oracle(i, NONE, false)), "{} {i}", K::NAME);
    }
    for (i, bar) in r_bar.as_ref().iter().enumerate() {
        prop_assert!(close(bar - 0.25, oracle(NONE, i, false)), "{} r[{i}]", K::NAME);
    }
    prop_assert!(close(drive_bar, oracle(NONE, NONE, true)), "{}", K::NAME);
    prop_assert_eq!(K::PARAMETERS[0].name, "tau");
    prop_assert_eq!(K::STAGES.last(), Some(&0));
    Ok(())
}

/// Values of parameters: time constants, and parts between 0 and 1.
fn params_of<P: ShortTermPlasticity>(noise: &[f64]) -> P::Params<f64> {
    P::Params::<f64>::from_fn(|i| {
        let x = 0.5 + 0.45 * noise[i];
        if P::PARAMETERS[i].below_one { x } else { 100.0 * x }
    })
}

fn check_short_term<P: ShortTermPlasticity>(noise: &[f64]) -> Result<(), TestCaseError> {
    let params = params_of::<P>(noise);
    let state = P::State::<f64>::from_fn(|i| 0.5 + 0.45 * noise[4 + i]);
    let after_bar = P::State::<f64>::from_fn(|i| noise[8 + i]);
    let (q, released_bar) = (1.5 * noise[12], noise[13]);
    let (mut state_bar, mut params_bar) =
        (P::State::<f64>::from_fn(|_| 0.25), P::Params::<f64>::from_fn(|_| 0.25));
    let q_bar =
        P::release_vjp(&params, &state, q, (released_bar, &after_bar), &mut state_bar, &mut params_bar);
    let oracle = |by_param: usize, by_state: usize, by_q: bool| -> f64 {
        let p = P::Params::<Dual64>::from_fn(|i| seed(params.as_ref()[i], i == by_param));
        let state = P::State::<Dual64>::from_fn(|i| seed(state.as_ref()[i], i == by_state));
        let (released, after) = P::release(&p, &state, seed(q, by_q));
        let after = after.as_ref().iter().zip(after_bar.as_ref()).map(|(x, bar)| x.eps * bar);
        released.eps * released_bar + after.sum::<f64>()
    };
    for (i, bar) in params_bar.as_ref().iter().enumerate() {
        prop_assert!(close(bar - 0.25, oracle(i, NONE, false)), "{} {}", P::NAME, P::PARAMETERS[i].name);
    }
    for (i, bar) in state_bar.as_ref().iter().enumerate() {
        prop_assert!(close(bar - 0.25, oracle(NONE, i, false)), "{} {}", P::NAME, P::VARIABLES[i].name);
    }
    prop_assert!(close(q_bar, oracle(NONE, NONE, true)), "{}: {q_bar}", P::NAME);

    // Parts of a charge, one of them withdrawn and released again, make the whole.
    let (whole, after) = P::release(&params, &state, 1.0);
    let (mut sum, mut parts) = (0.0, state);
    for q in [0.375, -0.125, 0.25, 0.5] {
        let (released, next) = P::release(&params, &parts, q);
        (sum, parts) = (sum + released, next);
    }
    prop_assert!(close(sum, whole), "{}: {sum} {whole}", P::NAME);
    for (a, b) in parts.as_ref().iter().zip(after.as_ref()) {
        prop_assert!(close(*a, *b), "{}: {a} {b}", P::NAME);
    }
    prop_assert_eq!((P::REST.len(), P::RECOVERY.len()), (P::VARIABLES.len(), P::VARIABLES.len()));
    Ok(())
}

fn check_receptor<R: Receptor>(noise: &[f64]) -> Result<(), TestCaseError> {
    let params = R::Params::<f64>::from_fn(|i| 2.0 + noise[i]);
    let (v, open_bar) = (5.0 * noise[8], noise[9]);
    let mut params_bar = R::Params::<f64>::from_fn(|_| 0.25);
    let v_bar = R::open_vjp(&params, v, open_bar, &mut params_bar);
    let oracle = |by_param: usize, by_v: bool| {
        let p = R::Params::<Dual64>::from_fn(|i| seed(params.as_ref()[i], i == by_param));
        R::open(&p, seed(v, by_v)).eps * open_bar
    };
    for (i, bar) in params_bar.as_ref().iter().enumerate() {
        prop_assert!(close(bar - 0.25, oracle(i, false)), "{} {}", R::NAME, R::PARAMETERS[i].name);
    }
    prop_assert!(close(v_bar, oracle(NONE, true)), "{}", R::NAME);
    prop_assert_eq!((R::PARAMETERS[0].name, R::BY_VOLTAGE), ("e_rev", v_bar != 0.0));
    Ok(())
}

macro_rules! receptor {
    ($module:ident, $receptor:ty) => {
        proptest! {
            #[test]
            fn $module(noise in proptest::collection::vec(-1.0..1.0_f64, 16)) {
                check_receptor::<$receptor>(&noise)?;
            }
        }
    };
}
for_each_receptor!(receptor);

macro_rules! kinetics {
    ($module:ident, $kinetics:ty) => {
        proptest! {
            #[test]
            fn $module(noise in proptest::collection::vec(-1.0..1.0_f64, 16)) {
                check_kinetics::<$kinetics>(&noise)?;
            }
        }
    };
}
for_each_kinetics!(kinetics);

macro_rules! short_term {
    ($module:ident, $short_term:ty) => {
        proptest! {
            #[test]
            fn $module(noise in proptest::collection::vec(-1.0..1.0_f64, 16)) {
                check_short_term::<$short_term>(&noise)?;
            }
        }
    };
}
for_each_short_term!(short_term);

proptest! {
    /// The published updates, Tsodyks & Markram 1997 and Markram, Wang & Tsodyks 1998: use first, then release.
    #[test]
    fn whole_spikes_follow_the_published_updates(u in 0.05..0.95_f64, y in 0.0..0.9_f64, x in 0.05..1.0_f64) {
        let (released, [after]) = Depression::release(&[u, 800.0], &[x], 1.0);
        prop_assert!(close(released, u * x) && close(after, x - u * x));
        let (released, [used, after]) = TsodyksMarkram::release(&[u, 800.0, 50.0], &[y, x], 1.0);
        let raised = y + u * (1.0 - y);
        prop_assert!(close(used, raised), "{used} {raised}");
        prop_assert!(close(released, raised * x) && close(after, x - raised * x), "{released}");
    }

    /// A regular train settles where a spike takes what recovers until the next one.
    #[test]
    fn regular_trains_settle_at_the_closed_form(u in 0.05..0.95_f64, interval in 5.0..200.0_f64) {
        let (tau_rec, tau_facil) = (150.0, 80.0);
        let (left, left_y): (f64, f64) = (f64::exp(-interval / tau_rec), f64::exp(-interval / tau_facil));
        let (mut x, mut state) = ([1.0], [0.0, 1.0]);
        let mut last = (0.0, 0.0);
        for _ in 0..2000 {
            let (depressed, after) = Depression::release(&[u, tau_rec], &x, 1.0);
            x = [1.0 + (after[0] - 1.0) * left];
            let (released, after) = TsodyksMarkram::release(&[u, tau_rec, tau_facil], &state, 1.0);
            state = [after[0] * left_y, 1.0 + (after[1] - 1.0) * left];
            last = (depressed, released);
        }
        let settled = |y: f64| y * (1.0 - left) / (1.0 - (1.0 - y) * left);
        let raised = u / (1.0 - (1.0 - u) * left_y);
        prop_assert!(close(last.0, settled(u)), "{} {}", last.0, settled(u));
        prop_assert!(close(last.1, settled(raised)), "{} {}", last.1, settled(raised));
    }
}

/// Jahr & Stevens 1990, with magnesium of 1 mM, in mV.
#[test]
fn magnesium_blocks_as_it_was_measured() {
    for v in [-90.0_f64, -65.0, -20.0, 0.0, 40.0] {
        let measured = 1.0 / (1.0 + (-0.062 * v).exp() / 3.57);
        let open = Nmda::open(&Nmda::default().params(), v);
        assert!((open - measured).abs() < 1e-14, "{v}: {open} {measured}");
    }
}
