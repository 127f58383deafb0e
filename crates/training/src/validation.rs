//! Validation: held-out trials that steer training. The level of difficulty rises with the score, what is best is
//! kept, and training ends when nothing gets better.

use nalgebra::RealField;

use crate::Error;

/// How training is steered by trials that it is not trained on: a staircase of levels of difficulty, up where the score is
/// good and down where it is bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// Iterations between two validations.
    pub every: usize,
    /// Number of trials; they are the same ones every time, at the level that training has reached.
    pub trials: usize,
    /// Mean score from which on the level rises; minus infinity for a task without levels, whose training begins at the last one.
    pub rise_at: f64,
    /// Mean score below which it falls again, as it does for a score of NaN. The last level is not left any more.
    pub fall_below: f64,
    /// Whether earlier parameters are gone back to: training by noisy gradients now and then crosses a bifurcation from where
    /// it is a long way back. A network whose score falls below `fall_below` becomes what it was when the level last rose, at the
    /// level at which it was good enough for that. At the last level it becomes the best one, where its score falls by more than
    /// this number below that one's, or is NaN; as long as there is no best one, what it was when the level last rose.
    pub go_back: Option<f64>,
    /// By how much the level changes, on the way from the first, 0, to the last, 1.
    pub rise: f64,
    /// Factor on all learning rates at the last level; on the way there it falls geometrically.
    pub slow: f64,
    /// Training ends after so many validations at the last level without a better one.
    pub patience: usize,
}

impl std::fmt::Display for Validation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { every, trials, rise_at, fall_below, go_back, rise, slow, patience } = self;
        write!(f, "{trials} trials every {every} iterations")?;
        if *rise_at > f64::NEG_INFINITY {
            write!(f, ", the level rises by {rise} at a score of {rise_at} and falls below {fall_below}")?;
        }
        // Without levels the last one holds from the start, and with it the factor on learning rates.
        if *slow != 1.0 {
            write!(f, ", learning rates fall to {slow} of themselves")?;
        }
        if let Some(by) = go_back {
            write!(f, ", parameters go back where the score falls by {by}")?;
        }
        match *patience {
            usize::MAX => Ok(()),
            patience => write!(f, ", the end after {patience} validations without a better one"),
        }
    }
}

impl Validation {
    /// A validation at the start and after every so many iterations that keeps the best network, for a task without levels of difficulty.
    pub fn keep_best(every: usize, trials: usize, patience: usize) -> Self {
        let never = f64::NEG_INFINITY;
        Self {
            every,
            trials,
            rise_at: never,
            fall_below: never,
            go_back: None,
            rise: 1.0,
            slow: 1.0,
            patience,
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let count = |option, value: usize| Error::unless(value > 0, option, 0.0, "it must be at least 1");
        count("validation.every", self.every)?;
        count("validation.trials", self.trials)?;
        count("validation.patience", self.patience)?;
        let part = |option, value: f64| {
            Error::unless(value > 0.0 && value <= 1.0, option, value, "it must lie in (0, 1]")
        };
        part("validation.rise", self.rise)?;
        part("validation.slow", self.slow)?;
        if let Some(margin) = self.go_back {
            Error::unless(margin >= 0.0, "validation.go_back", margin, "it must be zero or positive")?;
        }
        let expected = "the score to fall at must not be above the one to rise at, `rise_at`";
        Error::unless(self.fall_below <= self.rise_at, "validation.fall_below", self.fall_below, expected)
    }
}

/// What a validation found. Whatever is not a number is worse than every number: a score of NaN is reached by nothing, falls
/// below everything and is never the best.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Validated {
    /// Mean score over the validation trials; NaN if one of them has none, because its state became non-finite.
    pub score: f64,
    /// Their mean cost; NaN likewise.
    pub cost: f64,
}

impl Validated {
    /// Whether the score is at least `least`.
    pub fn reaches(&self, least: f64) -> bool {
        self.score >= least
    }

    /// Whether this is at least as good: a higher score, or the same one at no higher cost.
    pub fn beats(&self, other: &Self) -> bool {
        let rank = |x: f64| if x.is_nan() { f64::NEG_INFINITY } else { x };
        let [this, that] = [self, other].map(|found| (rank(found.score), rank(-found.cost)));
        !self.score.is_nan() && this >= that
    }
}

/// What no validation has found yet, and every number beats.
const NONE: Validated = Validated { score: f64::NEG_INFINITY, cost: f64::INFINITY };

/// What training does after a validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    GoOn,
    /// It goes on from earlier parameters.
    GoBack,
    /// It ends: nothing has got better for long.
    End,
}

/// How far validation has brought a training run: the level of difficulty, and the best parameters.
///
/// [`train`](crate::train) keeps one; a training loop of one's own may too.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Course {
    /// How far up the staircase training is, in steps.
    steps: usize,
    /// The parameters with which the level last rose, and from where, in steps.
    good: Option<(usize, Vec<f64>)>,
    /// The best validation at the last level, and the parameters that it was of.
    best: Option<(Validated, Vec<f64>)>,
    /// Validations at the last level since then.
    waited: usize,
}

impl Course {
    /// The level of difficulty; the last one, 1, if nothing is validated.
    pub fn level(&self, validation: Option<&Validation>) -> f64 {
        let levels = validation.filter(|v| v.rise_at > f64::NEG_INFINITY);
        levels.map_or(1.0, |v| (self.steps as f64 * v.rise).min(1.0))
    }

    /// The factor on all learning rates at this level.
    pub fn factor(&self, validation: Option<&Validation>) -> f64 {
        validation.map_or(1.0, |v| v.slow.powf(self.level(validation)))
    }

    /// Takes note of a validation of what training starts from, at the last level. It competes with what training finds, so that a training
    /// that only makes things worse returns what it was given.
    pub fn start<T: RealField + Copy>(&mut self, found: Validated, parameters: &[T]) {
        if found.beats(&NONE) {
            self.best = Some((found, values(parameters)));
        }
    }

    /// Takes note of a validation of the network with these parameters, which become earlier ones where the score fell too
    /// far and [`Validation::go_back`] says so.
    pub fn take<T: RealField + Copy>(
        &mut self,
        validation: &Validation,
        found: Validated,
        parameters: &mut [T],
    ) -> Next {
        if self.level(Some(validation)) < 1.0 {
            self.climb(validation, found, parameters)
        } else {
            self.keep_best(validation, found, parameters)
        }
    }

    /// Decides before the last level whether training goes up, down, or on at the same level.
    fn climb<T: RealField + Copy>(
        &mut self,
        validation: &Validation,
        found: Validated,
        parameters: &mut [T],
    ) -> Next {
        if found.reaches(validation.rise_at) {
            self.good = Some((self.steps, values(parameters)));
            self.steps += 1;
        } else if !found.reaches(validation.fall_below) {
            if let Some((steps, good)) = self.good.as_ref().filter(|_| validation.go_back.is_some()) {
                // Below the level that they were good at, earlier parameters may be bad again.
                self.steps = *steps;
                restore(good, parameters);
                return Next::GoBack;
            }
            self.steps = self.steps.saturating_sub(1);
        }
        Next::GoOn
    }

    /// Decides at the last level.
    fn keep_best<T: RealField + Copy>(
        &mut self,
        validation: &Validation,
        found: Validated,
        parameters: &mut [T],
    ) -> Next {
        // Without a best one every number will do.
        let best = self.best.as_ref().map_or(NONE, |(best, _)| *best);
        if found.beats(&best) {
            self.best = Some((found, values(parameters)));
            self.waited = 0;
            return Next::GoOn;
        }
        self.waited += 1;
        if self.waited >= validation.patience {
            return Next::End;
        }
        let earlier = self.best.as_ref().map(|(_, values)| values);
        let earlier = earlier.or(self.good.as_ref().map(|(_, values)| values));
        match (validation.go_back, earlier) {
            (Some(margin), Some(earlier)) if !found.reaches(best.score - margin) => {
                restore(earlier, parameters);
                Next::GoBack
            }
            _ => Next::GoOn,
        }
    }

    /// Whether training has not ended yet.
    pub fn goes_on(&self, validation: Option<&Validation>) -> bool {
        validation.is_none_or(|v| self.waited < v.patience)
    }

    /// Writes the best parameters that were seen at the last level, if there were any.
    pub fn apply_best<T: RealField + Copy>(&self, parameters: &mut [T]) {
        if let Some((_, best)) = &self.best {
            restore(best, parameters);
        }
    }

    /// Whether the kept parameters are as many as these.
    pub(crate) fn fits(&self, parameters: usize) -> bool {
        self.kept().all(|values| values.len() == parameters)
    }

    /// The parameters that are kept to go back to.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &[f64]> {
        let best = self.best.iter().map(|(_, values)| values.as_slice());
        best.chain(self.good.iter().map(|(_, values)| values.as_slice()))
    }
}

fn values<T: RealField + Copy>(parameters: &[T]) -> Vec<f64> {
    parameters.iter().map(|x| x.to_subset_unchecked()).collect()
}

fn restore<T: RealField + Copy>(values: &[f64], parameters: &mut [T]) {
    for (target, value) in parameters.iter_mut().zip(values) {
        *target = T::from_subset(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAIRS: Validation = Validation {
        every: 1,
        trials: 1,
        rise_at: 0.9,
        fall_below: 0.5,
        go_back: None,
        rise: 0.5,
        slow: 1.0,
        patience: 9,
    };

    #[test]
    fn a_score_that_falls_takes_the_network_back() {
        let validation = Validation { go_back: Some(0.3), ..STAIRS };
        let mut course = Course::default();
        let mut see = |parameter: f64, score| {
            let mut parameters = [parameter];
            let next = course.take(&validation, Validated { score, cost: 0.0 }, &mut parameters);
            assert_eq!(next == Next::GoBack, parameters[0] != parameter);
            assert_ne!(next, Next::End);
            (parameters[0], course.level(Some(&validation)))
        };
        // Nothing to go back to yet.
        assert_eq!(see(1.0, 0.4), (1.0, 0.0));
        assert_eq!(see(2.0, 0.9), (2.0, 0.5));
        assert_eq!(see(3.0, 0.6), (3.0, 0.5));
        assert_eq!(see(4.0, 0.4), (2.0, 0.0));
        assert_eq!(see(5.0, 0.9), (5.0, 0.5));
        assert_eq!(see(6.0, 0.9), (6.0, 1.0));
        // At the last level it is the best that is gone back to.
        assert_eq!(see(7.0, 0.8), (7.0, 1.0));
        assert_eq!(see(8.0, 0.7), (8.0, 1.0));
        assert_eq!(see(9.0, 0.4), (7.0, 1.0));
        assert_eq!(see(10.0, 0.98), (10.0, 1.0));
        assert_eq!(see(11.0, 0.7), (11.0, 1.0));
        assert_eq!(see(12.0, 0.6), (10.0, 1.0));
    }

    #[test]
    fn a_score_that_is_no_number_is_the_worst() {
        let of = |score, cost| Validated { score, cost };
        let nan = f64::NAN;
        for worse in [of(nan, 0.0), of(nan, nan), of(0.5, nan), of(0.5, 2.0), of(-1e300, 0.0)] {
            assert!(of(0.5, 1.0).beats(&worse) && !worse.beats(&of(0.5, 1.0)), "{worse:?}");
        }
        assert!(!of(nan, 0.0).beats(&of(nan, 0.0)) && !of(nan, 0.0).reaches(f64::NEG_INFINITY));

        // The level rises to the last; what is found there first is no number.
        for go_back in [None, Some(0.1)] {
            let validation = Validation { go_back, rise: 1.0, ..STAIRS };
            let mut course = Course::default();
            let mut see = |parameter: f64, score| {
                let mut parameters = [parameter];
                let next = course.take(&validation, of(score, 0.0), &mut parameters);
                (next, parameters[0])
            };
            assert_eq!(see(1.0, 0.95), (Next::GoOn, 1.0));
            let back = |parameter: f64, to: f64| match go_back {
                None => (Next::GoOn, parameter),
                Some(_) => (Next::GoBack, to),
            };
            assert_eq!(see(2.0, nan), back(2.0, 1.0));
            assert_eq!(see(3.0, 0.5), (Next::GoOn, 3.0));
            assert_eq!(see(4.0, nan), back(4.0, 3.0));
            assert_eq!(see(5.0, 0.99), (Next::GoOn, 5.0));
            let mut best = [0.0];
            course.apply_best(&mut best);
            assert_eq!(best, [5.0]);
        }

        // On the way there as well, whatever score the level falls at.
        let validation = Validation { go_back: Some(0.1), fall_below: f64::NEG_INFINITY, ..STAIRS };
        let mut course = Course::default();
        assert_eq!(course.take(&validation, of(0.9, 0.0), &mut [1.0]), Next::GoOn);
        let mut parameters = [2.0];
        assert_eq!(course.take(&validation, of(nan, nan), &mut parameters), Next::GoBack);
        assert_eq!((parameters, course.level(Some(&validation))), ([1.0], 0.0));
    }

    #[test]
    fn nothing_but_nan_at_the_last_level_ends_by_patience_without_a_best() {
        let validation = Validation { rise: 1.0, patience: 3, ..STAIRS };
        let mut course = Course::default();
        let mut see = |score| course.take(&validation, Validated { score, cost: 0.0 }, &mut [0.0]);
        assert_eq!([0.9, f64::NAN, f64::NAN, f64::NAN].map(&mut see).last(), Some(&Next::End));
        let mut parameters = [7.0];
        course.apply_best(&mut parameters);
        assert_eq!(parameters, [7.0]);
    }

    #[test]
    fn a_margin_below_zero_is_refused_by_name() {
        let validation = |go_back| Validation { go_back, ..STAIRS };
        assert!(validation(None).check().is_ok() && validation(Some(0.0)).check().is_ok());
        for margin in [-0.1, f64::NAN] {
            let error = validation(Some(margin)).check().expect_err("refused").to_string();
            assert!(error.contains("validation.go_back") && error.contains("zero or positive"), "{error}");
        }
    }

    #[test]
    fn a_network_goes_back_to_the_level_it_was_good_at_and_no_further() {
        let validation = Validation { go_back: Some(0.3), rise: 0.125, ..STAIRS };
        let mut course = Course::default();
        let mut level_after = |parameter: f64, score| {
            let mut parameters = [parameter];
            course.take(&validation, Validated { score, cost: 0.0 }, &mut parameters);
            (parameters[0], course.level(Some(&validation)))
        };
        assert_eq!(level_after(1.0, 0.9), (1.0, 0.125));
        assert_eq!(level_after(2.0, 0.9), (2.0, 0.25));
        assert_eq!(level_after(3.0, 0.9), (3.0, 0.375));
        for attempt in [4.0, 5.0, 6.0] {
            assert_eq!(level_after(attempt, 0.4), (3.0, 0.25));
        }
        assert_eq!(level_after(7.0, 0.9), (7.0, 0.375));
        assert_eq!(level_after(8.0, 0.4), (7.0, 0.25));
    }

    #[test]
    fn level_follows_the_score_then_the_best_is_kept_and_patience_ends() {
        let validation = Validation { go_back: None, rise: 0.1, slow: 0.25, patience: 2, ..STAIRS };
        let (mut course, good) = (Course::default(), Validated { score: 0.9, cost: 1.0 });
        assert_eq!(course.take(&validation, Validated { score: 0.89, cost: 0.0 }, &mut [0.0]), Next::GoOn);
        assert_eq!((course.level(Some(&validation)), course.factor(Some(&validation))), (0.0, 1.0));
        (0..5).for_each(|_| assert_eq!(course.take(&validation, good, &mut [0.0]), Next::GoOn));
        assert_eq!((course.level(Some(&validation)), course.factor(Some(&validation))), (0.5, 0.5));
        assert_eq!(course.take(&validation, Validated { score: 0.49, cost: 0.0 }, &mut [0.0]), Next::GoOn);
        assert_eq!(course.level(Some(&validation)), 0.4);
        (0..6).for_each(|_| assert_eq!(course.take(&validation, good, &mut [0.0]), Next::GoOn));
        assert_eq!(course.level(Some(&validation)), 1.0);
        let mut see = |parameter: f64, score, cost| {
            course.take(&validation, Validated { score, cost }, &mut [parameter])
        };
        assert_eq!(see(1.0, 0.8, 1.0), Next::GoOn);
        assert_eq!(see(2.0, 0.8, 0.5), Next::GoOn);
        assert_eq!(see(3.0, 0.8, 0.6), Next::GoOn);
        assert_eq!(see(4.0, 0.7, 0.1), Next::End);
        let mut parameters = [0.0_f32];
        course.apply_best(&mut parameters);
        assert_eq!(parameters, [2.0]);
    }
}
