//! Checkpointed sweeps against the stored one: the same bits, at the cost of one run more, wherever states are kept.

use std::cell::Cell;

use super::rates::{Flaw, Setting, parameters};
use proptest::prelude::*;
use simba::scalar::RealField;
use spikegrad_adjoint::{BoxError, Error, Memory, Sweep};
use spikegrad_integrators::{RungeKuttaTape, Step, StepVjp, tableau};

/// Some way to keep states, and bytes beyond the least.
fn memory() -> impl Strategy<Value = (Memory, usize)> {
    prop_oneof![
        Just((Memory::SqrtSteps, 0)),
        (0..100_usize).prop_map(|steps| (Memory::Every(steps), 0)),
        // Half of these do not hold the tape of a run of average length.
        (0..20_000_usize).prop_map(|bytes| (Memory::Bytes(0), bytes)),
    ]
}

/// Everything that a sweep says, in bits.
fn bits<T: RealField + Copy, S: StepVjp<T>>(
    sweep: &mut Sweep<T, S::Tape>,
    step: &S,
) -> Result<Vec<u64>, Error> {
    let mut gradient = vec![T::from_subset(&0.25); step.n_parameters()];
    let cost = sweep.gradient(step, &mut gradient)?;
    let all = [cost].into_iter().chain(gradient).chain(sweep.state().to_vec());
    // In double precision, which holds every bit of single precision.
    let double = |x: T| -> f64 { x.to_subset_unchecked() };
    Ok(all.chain(sweep.state_bar().to_vec()).map(|x| double(x).to_bits()).collect())
}

/// Checks all methods in turn in one workspace, twice.
fn check<T: RealField + Copy>(
    parameters: &[f64],
    dim: usize,
    steps: usize,
    (memory, more): (Memory, usize),
) -> Result<(), BoxError> {
    let parameters: Vec<T> = parameters.iter().map(T::from_subset).collect();
    let (mut stored, mut checkpointed) = (Sweep::new(), Sweep::new().memory(memory));
    for tableau in tableau::ALL.into_iter().chain(tableau::ALL) {
        let step = Setting { tableau, dim, h: 0.1, steps, flaw: Flaw::None }.problem(&parameters)?;
        if let Memory::Bytes(_) = memory {
            let least =
                dim * size_of::<T>() + size_of::<usize>() + RungeKuttaTape::<T>::step_bytes(&tableau, dim);
            checkpointed = checkpointed.memory(Memory::Bytes(least + more));
        }
        let expected = bits(&mut stored, &step)?;
        assert_eq!(bits(&mut checkpointed, &step)?, expected, "{}, {memory:?}, {more}", tableau.name());
        // Step by step, shown on the way: every step once, the last one first.
        let (mut gradient, mut left) = (vec![T::from_subset(&0.25); step.n_parameters()], steps);
        checkpointed.cotangents(&step, (T::one(), &[]), &mut gradient, |n, _| {
            assert_eq!(n + 1, left);
            left = n;
        })?;
        let double = |x: &T| -> f64 { x.to_subset_unchecked() };
        let found: Vec<u64> = gradient.iter().map(|x| double(x).to_bits()).collect();
        assert_eq!(
            (left, &found[..]),
            (0, &expected[1..][..gradient.len()]),
            "{}, {memory:?}",
            tableau.name()
        );
        let longer = vec![T::one(); dim + 1];
        let refused = checkpointed.cotangents(&step, (T::one(), &longer), &mut gradient, |_, _| ());
        assert!(matches!(refused, Err(Error::CotangentLength { .. })), "{refused:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(super::cases())]

    #[test]
    fn checkpointed_sweep_has_the_bits_of_the_stored_one(
        (dim, parameters) in (1..5_usize).prop_flat_map(|dim| (Just(dim), parameters(dim))),
        steps in 0..80_usize,
        memory in memory(),
    ) {
        check::<f32>(&parameters, dim, steps, memory).expect("finite");
        check::<f64>(&parameters, dim, steps, memory).expect("finite");
    }
}

/// A step that counts how often it is taken.
struct Counted<S> {
    step: S,
    taken: Cell<usize>,
}

impl<S: Step<f64>> Step<f64> for Counted<S> {
    type Tape = S::Tape;

    fn dim(&self) -> usize {
        self.step.dim()
    }
    fn steps(&self) -> usize {
        self.step.steps()
    }
    fn time(&self, n: usize) -> f64 {
        self.step.time(n)
    }
    fn start(&self, x: &mut [f64]) {
        self.step.start(x);
    }
    fn rewind(&self, x: &[f64], tape: &mut Self::Tape) {
        self.step.rewind(x, tape);
    }
    fn tape_bytes(&self) -> Option<usize> {
        self.step.tape_bytes()
    }
    fn reserve(&self, steps: usize, tape: &mut Self::Tape) {
        self.step.reserve(steps, tape);
    }
    fn step(&self, n: usize, x: &mut [f64], tape: &mut Self::Tape) -> f64 {
        self.taken.set(self.taken.get() + 1);
        self.step.step(n, x, tape)
    }
}

impl<S: StepVjp<f64>> StepVjp<f64> for Counted<S> {
    fn n_parameters(&self) -> usize {
        self.step.n_parameters()
    }
    fn step_vjp(&self, n: usize, tape: &mut Self::Tape, cost_bar: f64, x_bar: &mut [f64], bar: &mut [f64]) {
        self.step.step_vjp(n, tape, cost_bar, x_bar, bar);
    }
    fn start_vjp(&self, x_bar: &mut [f64], bar: &mut [f64]) {
        self.step.start_vjp(x_bar, bar);
    }
}

#[test]
fn checkpointing_costs_one_run_more() {
    let (steps, dim) = (1000, 3);
    let setting = Setting { tableau: tableau::RK4, dim, h: 0.01, steps, flaw: Flaw::None };
    let parameters: Vec<_> = (0..setting.n_parameters()).map(|i| (1.7 * i as f64).sin()).collect();
    let step = Counted { step: setting.problem(&parameters).expect("a problem"), taken: Cell::new(0) };
    let (state, tape) =
        (dim * size_of::<f64>() + size_of::<usize>(), RungeKuttaTape::<f64>::step_bytes(&tableau::RK4, dim));
    // Two square roots of states and steps on the tape are enough; with less, states are run again more than once.
    let twice = 2 * ((steps * state * tape) as f64).sqrt() as usize;
    for (memory, taken) in [
        (Memory::Stored, steps..=steps),
        (Memory::SqrtSteps, 2 * steps - 31..=2 * steps - 31),
        (Memory::Every(100), 2 * steps - 100..=2 * steps - 100),
        (Memory::Every(0), 2 * steps - 1..=2 * steps - 1),
        (Memory::Every(usize::MAX), steps..=steps),
        (Memory::Bytes(state + steps * tape), steps..=steps),
        (Memory::Bytes(state + steps / 2 * tape), 3 * steps / 2..=3 * steps / 2 + 31),
        (Memory::Bytes(twice + state + tape), steps..=2 * steps),
        (Memory::Bytes(twice / 2), 2 * steps..=3 * steps),
        (Memory::Bytes(state + tape), steps * (steps + 1) / 2..=steps * (steps + 1) / 2),
    ] {
        step.taken.set(0);
        let mut gradient = vec![0.0; step.n_parameters()];
        Sweep::new().memory(memory).gradient(&step, &mut gradient).expect("finite");
        assert!(taken.contains(&step.taken.get()), "{memory:?}: {} steps for {taken:?}", step.taken.get());
    }
}

#[test]
fn a_budget_that_cannot_be_met_is_an_error() {
    let setting = Setting { tableau: tableau::EULER, dim: 3, h: 0.01, steps: 10, flaw: Flaw::None };
    let step = setting.problem(&vec![0.1; setting.n_parameters()]).expect("a problem");
    let mut gradient = vec![0.0; step.n_parameters()];
    let refused = Sweep::new().memory(Memory::Bytes(100)).gradient(&step, &mut gradient);
    let Err(Error::Budget { budget: 100, least }) = refused else { panic!("{refused:?}") };
    let refused = Sweep::new().memory(Memory::Bytes(least - 1)).gradient(&step, &mut gradient);
    assert!(matches!(refused, Err(Error::Budget { .. })), "{refused:?}");
    assert!(gradient.iter().all(|&g| g == 0.0));
    Sweep::new().memory(Memory::Bytes(least)).gradient(&step, &mut gradient).expect("the least budget");
}
