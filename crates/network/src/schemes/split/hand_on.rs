//! States on their way from one run to the next: whether they fit a scheme, and where their numbers go.

use std::sync::Arc;

use spikegrad_integrators::Step;

use super::run::SplitRun;
use super::scheme::SplitStep;
use crate::schemes::grid::MOST_STEPS;
use crate::{Error, NetworkState, Scalar, SpecDifference};

/// The ring of a projection's delays in the flat state.
struct Ring<'n> {
    projection: &'n str,
    start: usize,
    slots: usize,
    width: usize,
}

impl<T: Scalar> SplitStep<'_, T> {
    /// Length of the part of a run's state that is handed on: all but the drive, which the first step of a sample forms.
    pub(super) fn state_len(&self) -> usize {
        self.membrane + self.network.traces + self.network.currents + self.way
    }

    /// The rings of delays, in the order of the flat state.
    fn rings(&self) -> impl Iterator<Item = Ring<'_>> {
        let way = self.state_len() - self.way;
        self.projections.iter().zip(&self.network.wires).filter_map(move |(projection, wire)| {
            let (start, slots, width) = projection.delays()?.ring();
            Some(Ring { projection: &wire.name, start: way + start, slots, width })
        })
    }

    /// The state `x` of a run after `taken` steps since the fresh start, with what a loss has accumulated.
    pub(super) fn save_state(&self, x: &[T], m: &[T], taken: usize) -> NetworkState<T> {
        NetworkState {
            network: Arc::clone(&self.network.description),
            h: self.h.to_subset_unchecked(),
            dense: self.dense,
            taken: taken as u64,
            rings: self.rings().map(|ring| ring.slots as u64).collect(),
            x: x[..self.state_len()].to_vec(),
            m: m.to_vec(),
        }
    }

    /// Refuses a state of another network, step or path, and one that is no state at all.
    pub(super) fn check_state(&self, what: &'static str, state: &NetworkState<T>) -> Result<(), Error> {
        let differs = |field: String, left: String, right: String| {
            Err(Error::State { what, difference: Box::new(SpecDifference { field, left, right }) })
        };
        if !Arc::ptr_eq(&state.network, &self.network.description)
            && let Some(difference) = state.network.difference(&self.network.description)
        {
            return Err(Error::State { what, difference: Box::new(difference) });
        }
        let h: f64 = self.h.to_subset_unchecked();
        if state.h != h {
            return differs("step".into(), format!("{} ms", state.h), format!("{h} ms"));
        }
        let path = |dense| if dense { "dense" } else { "sparse" }.to_owned();
        if state.dense != self.dense {
            return differs("path".into(), path(state.dense), path(self.dense));
        }
        let most = MOST_STEPS.min(isize::MAX as f64);
        if state.taken as f64 > most {
            return differs("number of steps".into(), state.taken.to_string(), format!("at most {most:.1e}"));
        }
        let (mut len, mut count) = (Some(self.state_len()), 0);
        for (ring, slots) in self.rings().zip(&state.rings) {
            let other = usize::try_from(*slots).ok().and_then(|slots| slots.checked_mul(ring.width));
            len = len
                .and_then(|len| (len - ring.slots * ring.width).checked_add(other.filter(|_| *slots > 1)?));
            count += 1;
        }
        if len != Some(state.x.len()) || count != state.rings.len() || count != self.rings().count() {
            let (expected, found) = (len.unwrap_or(usize::MAX), state.x.len());
            return Err(Error::Shape { what: what.to_owned(), expected, found });
        }
        if let Some(index) = state.x.iter().chain(&state.m).position(|x| !x.is_finite()) {
            return Err(Error::NonFinite { what: what.to_owned(), index });
        }
        let mut lost = None;
        self.move_rows(state, |ring, from, to| {
            if to.is_none() && state.x[from..from + ring.width].iter().any(|x| *x != T::zero()) {
                lost = Some((format!("charge on its way in projection {}", ring.projection), ring.slots - 2));
            }
        });
        match lost {
            None => Ok(()),
            Some((field, steps)) => {
                differs(field, "later than its delays".into(), format!("at most {steps} steps away"))
            }
        }
    }

    /// Refuses a state that is no cotangent of one that this scheme reached after `taken` steps.
    pub(super) fn check_state_bar(&self, state_bar: &NetworkState<T>, taken: usize) -> Result<(), Error> {
        let what = "the cotangent of the final state";
        self.check_state(what, state_bar)?;
        let differs = |field: &str, left: String, right: String| {
            Err(Error::State {
                what,
                difference: Box::new(SpecDifference { field: field.into(), left, right }),
            })
        };
        if state_bar.taken != taken as u64 {
            return differs("number of steps", state_bar.taken.to_string(), taken.to_string());
        }
        for (ring, &slots) in self.rings().zip(&state_bar.rings) {
            if slots != ring.slots as u64 {
                let field = format!("longest delay in projection {}", ring.projection);
                let steps = |slots: u64| format!("{} steps", slots - 2);
                return differs(&field, steps(slots), steps(ring.slots as u64));
            }
        }
        Ok(())
    }

    /// Shows `visit` every row of the state's rings: where it begins there, and where in a state of this scheme, if there is room.
    fn move_rows(&self, state: &NetworkState<T>, mut visit: impl FnMut(&Ring<'_>, usize, Option<usize>)) {
        // Where the state's ring begins, by the lengths of those before.
        let (mut own, mut other) = (0, 0);
        for (ring, &slots) in self.rings().zip(&state.rings) {
            let slots = slots as usize;
            let start = ring.start - own + other;
            for row in 0..slots {
                // Row 0 is that of the next step.
                let at = (state.taken() + row) % slots * ring.width;
                let to = (state.taken() + row) % ring.slots * ring.width;
                visit(&ring, start + at, (row < ring.slots).then_some(ring.start + to));
            }
            own += ring.slots * ring.width;
            other += slots * ring.width;
        }
    }

    /// Writes a state that was checked to the state `x` of a run. Delays may have changed since: rings have other lengths then.
    pub(super) fn load_state(&self, state: &NetworkState<T>, x: &mut [T]) {
        x.fill(T::zero());
        // What lies between the rings is alike in both.
        let (mut own, mut other) = (0, 0);
        for (ring, &slots) in self.rings().zip(&state.rings) {
            let between = ring.start - own;
            x[own..ring.start].copy_from_slice(&state.x[other..other + between]);
            own = ring.start + ring.slots * ring.width;
            other += between + slots as usize * ring.width;
        }
        let rest = state.x.len() - other;
        x[own..own + rest].copy_from_slice(&state.x[other..]);
        self.move_rows(state, |ring, from, to| {
            if let Some(to) = to {
                x[to..to + ring.width].copy_from_slice(&state.x[from..from + ring.width]);
            }
        });
    }
}

impl<T: Scalar> SplitRun<'_, T> {
    /// The state `x` at the end of this run, as [`Sweep::state`] has it, to be handed on to another one.
    ///
    /// [`Sweep::state`]: https://docs.rs/spikegrad-adjoint/latest/spikegrad_adjoint/struct.Sweep.html#method.state
    ///
    /// # Errors
    /// If `x` has not [`Step::dim`] entries.
    pub fn state(&self, x: &[T]) -> Result<NetworkState<T>, Error> {
        if x.len() != self.dim() {
            let what = "the state at the end of the run".to_owned();
            return Err(Error::Shape { what, expected: self.dim(), found: x.len() });
        }
        let len = self.scheme.state_len();
        let kept = self.run.trial().state.as_ref().map_or(&[][..], |state| &state.m);
        let accumulated =
            if self.run.accumulators == 0 { kept } else { &x[len..len + self.run.accumulators] };
        Ok(self.scheme.save_state(x, accumulated, self.run.first + self.run.steps))
    }

    /// Refuses a state in which the loss of the earlier run had accumulated something else.
    pub(super) fn check_accumulators(&self) -> Result<(), Error> {
        let found = self.run.trial().state.as_ref().map_or(0, |state| state.m.len());
        let expected = self.run.accumulators;
        if found == 0 || expected == 0 || found == expected {
            return Ok(());
        }
        let field = "number of what the loss has accumulated".into();
        let difference = SpecDifference { field, left: found.to_string(), right: expected.to_string() };
        Err(Error::State { what: "the trial's state", difference: Box::new(difference) })
    }

    /// Writes the state in which this run starts: an earlier one, if the trial brings it. What the loss accumulates starts afresh unless
    /// the earlier run had the same.
    pub(super) fn start_from(&self, state: &NetworkState<T>, x: &mut [T]) {
        self.scheme.load_state(state, x);
        if state.m.len() == self.run.accumulators {
            let len = self.scheme.state_len();
            x[len..len + self.run.accumulators].copy_from_slice(&state.m);
        } else {
            self.start_accumulators(x);
        }
    }

    /// Writes what the loss accumulates at a fresh start.
    pub(super) fn start_accumulators(&self, x: &mut [T]) {
        if let Some(over_run) = self.run.over_run {
            let len = self.scheme.state_len();
            over_run.start(self.scheme.network.outputs, &mut x[len..len + self.run.accumulators]);
        }
    }
}
