//! The optimiser: a rule's steps with a learning rate for each group (equations (41), (42)), within the domains of the parameters, and
//! what pulls and averages add to them.

use nalgebra::RealField;
use spikegrad_adjoint::BoxError;
use spikegrad_integrators::{ParameterGroup, Parametric};

use crate::update_rules::Step;
use crate::{Error, UpdateRule};

/// Learning rate of a group; groups that are not named are not changed.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LearningRate<G> {
    /// The group.
    pub group: G,
    /// The group's learning rate.
    pub rate: f64,
}

/// How far a group goes back towards its initial values in each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull<G> {
    /// The group.
    pub group: G,
    /// The part of the way back, in `[0, 1]`.
    pub part: f64,
}

/// An optimiser with its moments.
///
/// Time constants, gate widths and other positive parameters are stepped in their logarithm, so that no learning rate can
/// make them negative. After a step, what it took out of a domain that parameters have together is projected back
/// ([`Parametric::project`]): weights of neurons that obey Dale's law to zero, where they can vanish and come back, unlike in their
/// logarithm; thresholds, resets, gate widths and initial voltages to where they fit together.
///
/// What is not trained is not moved, to the bit, by no step, pull, average or projection, and whether it was masked or
/// frozen before the first step or later. A step that would leave the parameters' domain is refused, and nothing has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser<T, G> {
    rule: UpdateRule,
    rates: Vec<LearningRate<G>>,
    pulls: Vec<Pull<G>>,
    average: usize,
    state: OptimiserState<T>,
    /// Where a step is taken; once it is accepted, the state before it.
    next: OptimiserState<T>,
    /// The same for the parameters.
    values: Vec<T>,
}

/// What an optimiser has to remember.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OptimiserState<T> {
    pub(crate) step: i32,
    pub(crate) first: Vec<T>,
    pub(crate) second: Vec<T>,
    /// The parameters that it started from; empty if nothing is pulled towards them.
    pub(crate) start: Vec<T>,
    /// The averaged parameters; empty if nothing is averaged.
    pub(crate) mean: Vec<T>,
}

impl<T: Copy> OptimiserState<T> {
    /// Becomes a copy of `other`, all but where it started from, without taking memory a second time.
    fn follow(&mut self, other: &Self) {
        self.step = other.step;
        for (target, source) in [
            (&mut self.first, &other.first),
            (&mut self.second, &other.second),
            (&mut self.mean, &other.mean),
        ] {
            target.clear();
            target.extend_from_slice(source);
        }
    }
}

impl<T: RealField + Copy, G: Copy + PartialEq> Optimiser<T, G> {
    /// An optimiser for the parameters of `program`.
    ///
    /// # Errors
    /// If a constant or a rate is out of its domain, or a rate's group does not exist, is frozen or is named twice.
    pub fn new(
        program: &impl Parametric<T, Group = G>,
        rule: UpdateRule,
        rates: &[LearningRate<G>],
    ) -> Result<Self, Error> {
        rule.check()?;
        for &LearningRate { rate, .. } in rates {
            let expected = "a learning rate must be zero or positive, and finite";
            Error::unless(rate >= 0.0 && rate.is_finite(), "rate", rate, expected)?;
        }
        check_groups(program, "rates", rates.iter().map(|rate| rate.group))?;
        let n = program.values().len();
        let second = if rule.has_second_moment() { n } else { 0 };
        let zeros = |n| vec![T::zero(); n];
        let (first, second) = (zeros(n), zeros(second));
        let state = OptimiserState { step: 0, first, second, start: Vec::new(), mean: Vec::new() };
        let next = state.clone();
        Ok(Self {
            rule,
            rates: rates.to_vec(),
            pulls: Vec::new(),
            average: 1,
            state,
            next,
            values: Vec::new(),
        })
    }

    /// Pulls groups towards the values that they have in `program` now: in each step they go a part of the way back, times the
    /// step's factor. It is decoupled weight decay (Loshchilov & Hutter 2019) towards the start (Li,
    /// Grandvalet & Davoine 2018), and keeps the noise of thousands of steps from adding up to chaos.
    ///
    /// # Errors
    /// If a part is not in [0, 1], or its group does not exist, is frozen or is named twice.
    pub fn pull(mut self, program: &impl Parametric<T, Group = G>, pulls: &[Pull<G>]) -> Result<Self, Error> {
        for &Pull { part, .. } in pulls {
            Error::unless((0.0..=1.0).contains(&part), "pull", part, "a pull must lie in [0, 1]")?;
        }
        check_groups(program, "pulls", pulls.iter().map(|pull| pull.group))?;
        self.pulls = pulls.to_vec();
        self.state.start = if pulls.is_empty() { Vec::new() } else { program.values().to_vec() };
        Ok(self)
    }

    /// Averages the parameters over about the last `steps` steps (equation (72)), from those that `program` has now: what
    /// learns from noisy gradients wanders about a better one (Polyak & Juditsky 1992). 1 for no average.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn average(mut self, program: &impl Parametric<T>, steps: usize) -> Result<Self, Error> {
        Error::unless(steps > 0, "average", 0.0, "it must be at least 1, which is no average")?;
        self.average = steps;
        self.state.mean = if steps == 1 { Vec::new() } else { program.values().to_vec() };
        Ok(self)
    }

    /// The averaged parameters, if there is an average.
    pub fn mean(&self) -> Option<&[T]> {
        (self.average > 1).then_some(&self.state.mean)
    }

    /// Goes on from `values`: the average starts there, and the momentum, which led away from them, is gone. The scales that
    /// Adam has found for the gradients stay.
    pub(crate) fn go_on_from(&mut self, values: &[T]) {
        self.state.first.fill(T::zero());
        if self.average > 1 {
            self.state.mean.copy_from_slice(values);
        }
    }

    /// What is to be kept to go on from here.
    pub(crate) fn state(&self) -> &OptimiserState<T> {
        &self.state
    }

    /// Goes on from where [`state`](Self::state) was taken; `false` if it is that of another optimiser.
    pub(crate) fn restore(&mut self, state: OptimiserState<T>) -> bool {
        let lengths = |s: &OptimiserState<T>| (s.first.len(), s.second.len(), s.start.len(), s.mean.len());
        let fits = lengths(&state) == lengths(&self.state);
        if fits {
            self.state = state;
        }
        fits
    }

    /// Steps taken so far.
    pub fn steps(&self) -> usize {
        self.state.step as usize
    }

    /// Takes one step down `gradient`, all learning rates times `factor`. Masked and frozen entries stay where they are.
    ///
    /// # Errors
    /// If the gradient has another length, or the factor is negative or not finite; if the step would make a parameter,
    /// a moment or an average non-finite or take it out of its domain. Program and optimiser are then as they were before.
    pub fn step(
        &mut self,
        program: &mut impl Parametric<T, Group = G>,
        gradient: &(impl AsRef<[T]> + ?Sized),
        factor: f64,
    ) -> Result<(), Error> {
        let (gradient, expected) = (gradient.as_ref(), program.values().len());
        for (what, found) in [("the gradient", gradient.len()), ("the optimiser", self.state.first.len())] {
            if found != expected {
                return Err(Error::Length { what, expected, found });
            }
        }
        let expected = "the factor on all learning rates must be zero or positive, and finite";
        Error::unless(factor >= 0.0 && factor.is_finite(), "factor", factor, expected)?;
        self.next.follow(&self.state);
        self.values.clear();
        self.values.extend_from_slice(program.values());
        self.move_values(program, gradient, factor);
        if let Err(error) = self.check_values(program, factor) {
            self.values.clear();
            return Err(error);
        }

        // From here on `values` are the earlier ones.
        program.values_mut().swap_with_slice(&mut self.values);
        program.project();
        let accepted = program.check_values().map_err(|reason| self.refusal(reason));
        let accepted = accepted.and_then(|()| self.add_to_mean(program));
        match accepted {
            Ok(()) => self.exchange(),
            Err(_) => {
                program.values_mut().swap_with_slice(&mut self.values);
                self.values.clear();
            }
        }
        accepted
    }

    /// Takes the last step back, if there was one since the last time.
    pub(crate) fn undo(&mut self, program: &mut impl Parametric<T>) {
        if !self.values.is_empty() {
            program.values_mut().swap_with_slice(&mut self.values);
            self.values.clear();
            self.exchange();
        }
    }

    /// The next state becomes the state and the other way round; where it all started from stays.
    fn exchange(&mut self) {
        std::mem::swap(&mut self.state, &mut self.next);
        std::mem::swap(&mut self.state.start, &mut self.next.start);
    }

    /// The error of a step to what would be refused.
    pub(crate) fn refusal(&self, reason: BoxError) -> Error {
        Error::StepRefused { iteration: self.steps(), reason }
    }

    /// Moments and parameters of the next step; what is not trained has no moments and keeps its value.
    fn move_values(&mut self, program: &impl Parametric<T, Group = G>, gradient: &[T], factor: f64) {
        let Self { next, values, .. } = self;
        next.step += 1;
        for &LearningRate { group, rate } in &self.rates {
            let Some(ParameterGroup { range, is_positive, .. }) = program.group(group) else { continue };
            self.rule.step(Step {
                count: next.step,
                rate: rate * factor,
                logarithmic: is_positive,
                gradient: &gradient[range.clone()],
                values: &mut values[range.clone()],
                first: &mut next.first[range.clone()],
                second: next.second.get_mut(range).unwrap_or_default(),
            });
        }
        for &Pull { group, part } in &self.pulls {
            let Some(ParameterGroup { range, .. }) = program.group(group) else { continue };
            let part = T::from_subset(&(part * factor));
            let start = &self.state.start[range.clone()];
            for (x, &start) in values[range].iter_mut().zip(start) {
                *x -= part * (*x - start);
            }
        }
        for range in program.untrained() {
            values[range.clone()].copy_from_slice(&program.values()[range.clone()]);
            for moments in [&mut next.first, &mut next.second] {
                if let Some(moments) = moments.get_mut(range.clone()) {
                    moments.fill(T::zero());
                }
            }
        }
    }

    /// Whether what a step moved is finite and, where only positive values make sense, positive.
    fn check_values(&self, program: &impl Parametric<T, Group = G>, factor: f64) -> Result<(), Error> {
        let rates = self.rates.iter().map(|&LearningRate { group, rate }| (group, rate));
        let pulls = self.pulls.iter().map(|&Pull { group, part }| (group, part));
        for (group, rate) in rates.chain(pulls) {
            let Some(ParameterGroup { name, range, is_positive, .. }) = program.group(group) else {
                continue;
            };
            let value = |x: &T| x.is_finite() && (!is_positive || *x > T::zero());
            let moment = |x: &T| x.is_finite();
            let values = self.values[range.clone()].iter().position(|x| !value(x));
            let find = |moments: &[T]| moments.get(range.clone())?.iter().position(|x| !moment(x));
            let (what, index, of) = if let Some(index) = values {
                ("", index, &self.values)
            } else if let Some(index) = find(&self.next.first) {
                ("the first moment of ", index, &self.next.first)
            } else if let Some(index) = find(&self.next.second) {
                ("the second moment of ", index, &self.next.second)
            } else {
                continue;
            };
            return Err(Error::Step {
                iteration: self.steps(),
                what: format!("{what}{name}"),
                index,
                value: of[range.start + index].to_subset_unchecked(),
                rate: rate * factor,
            });
        }
        Ok(())
    }

    /// Adds the parameters of the next step to their average; what is not trained is no average.
    fn add_to_mean(&mut self, program: &mut impl Parametric<T>) -> Result<(), Error> {
        let mean = &mut self.next.mean;
        if mean.is_empty() {
            return Ok(());
        }
        let part = T::one() / T::from_subset(&f64::from(self.next.step).min(self.average as f64));
        let values = program.values();
        for (mean, &x) in mean.iter_mut().zip(values) {
            *mean += part * (x - *mean);
        }
        for range in program.untrained() {
            mean[range.clone()].copy_from_slice(&values[range]);
        }
        // An average of what lies on the edge of a domain may round to the other side of it.
        program.values_mut().swap_with_slice(mean);
        program.project();
        let accepted = program.check_values();
        program.values_mut().swap_with_slice(mean);
        accepted.map_err(|reason| self.refusal(reason))
    }
}

/// Whether every group of a list can be stepped, and is there once.
pub(crate) fn check_groups<T, P: Parametric<T>>(
    program: &P,
    what: &'static str,
    groups: impl Iterator<Item = P::Group>,
) -> Result<(), Error> {
    let mut seen = Vec::new();
    for group in groups {
        let found = program.group(group);
        let name = found.as_ref().map_or_else(|| group.to_string(), |found| found.name.to_owned());
        let why = match found {
            None => "does not exist: remove it",
            Some(found) if !found.is_trainable => "is frozen: remove it, or unfreeze it",
            Some(_) if seen.contains(&group) => return Err(Error::Twice { what, name }),
            Some(_) => {
                seen.push(group);
                continue;
            }
        };
        return Err(Error::Untrainable { what, name, why });
    }
    Ok(())
}
