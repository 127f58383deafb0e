//! Schedules of learning rates (equation (42)).

use std::f64::consts::PI;

use crate::Error;

/// How the learning rates change over training: a factor for each iteration.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// The factor falls from 1 to `last` along half a cosine.
    Cosine {
        /// The factor at the end, in [0, 1].
        last: f64,
    },
    /// 1 for a part `hold` of training, then down to `last` along half a cosine.
    HeldCosine {
        /// The part, in [0, 1).
        hold: f64,
        /// The factor at the end, in [0, 1].
        last: f64,
    },
    /// The factor falls from 1 to `last` geometrically.
    Exponential {
        /// The factor at the end, in (0, 1].
        last: f64,
    },
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Cosine { last } => write!(f, "half a cosine down to {last}"),
            Self::HeldCosine { hold, last } => {
                write!(f, "held at 1 for {hold} of the training, then half a cosine down to {last}")
            }
            Self::Exponential { last } => write!(f, "geometrically down to {last}"),
        }
    }
}

impl Schedule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let expected = "the last factor must lie in [0, 1]";
        let cosine = |last| Error::unless((0.0..=1.0).contains(&last), "schedule.last", last, expected);
        match *self {
            Self::Constant => Ok(()),
            Self::Cosine { last } => cosine(last),
            Self::HeldCosine { hold, last } => {
                let expected = "the part of training that is held must lie in [0, 1)";
                Error::unless((0.0..1.0).contains(&hold), "schedule.hold", hold, expected)?;
                cosine(last)
            }
            // A geometric way to zero has no end.
            Self::Exponential { last } => {
                let expected = "the last factor must lie in (0, 1]";
                Error::unless(last > 0.0 && last <= 1.0, "schedule.last", last, expected)
            }
        }
    }

    /// The factor of iteration `n` of `total`.
    ///
    /// ```
    /// use spikegrad_training::Schedule;
    /// let cosine = Schedule::Cosine { last: 0.1 };
    /// assert_eq!(cosine.factor(0, 101), 1.0);
    /// assert!((cosine.factor(100, 101) - 0.1).abs() < 1e-12);
    /// ```
    pub fn factor(&self, n: usize, total: usize) -> f64 {
        let part = n as f64 / total.saturating_sub(1).max(1) as f64;
        let cosine = |last: f64, part: f64| last + (1.0 - last) * 0.5 * (1.0 + (PI * part).cos());
        match *self {
            Self::Constant => 1.0,
            Self::Cosine { last } => cosine(last, part),
            Self::HeldCosine { hold, last } => cosine(last, ((part - hold) / (1.0 - hold)).max(0.0)),
            Self::Exponential { last } => last.powf(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_have_domains() {
        let nan = f64::NAN;
        for (schedule, refused) in [
            (Schedule::Cosine { last: nan }, "schedule.last = NaN"),
            (Schedule::Cosine { last: -0.1 }, "schedule.last = -0.1"),
            (Schedule::Cosine { last: 1.5 }, "schedule.last = 1.5"),
            (Schedule::HeldCosine { hold: 1.0, last: 0.1 }, "schedule.hold = 1"),
            (Schedule::HeldCosine { hold: nan, last: 0.1 }, "schedule.hold = NaN"),
            (Schedule::HeldCosine { hold: 0.5, last: f64::INFINITY }, "schedule.last = inf"),
            (Schedule::Exponential { last: 0.0 }, "schedule.last = 0"),
            (Schedule::Exponential { last: -0.5 }, "schedule.last = -0.5"),
        ] {
            let error = schedule.check().expect_err(refused).to_string();
            assert!(error.starts_with(refused), "{error}");
        }
        for schedule in [
            Schedule::Constant,
            Schedule::Cosine { last: 0.0 },
            Schedule::HeldCosine { hold: 0.0, last: 1.0 },
            Schedule::Exponential { last: 1e-300 },
        ] {
            schedule.check().expect("a schedule");
            let factors = (0..=10).map(|n| schedule.factor(n, 11));
            assert!(factors.into_iter().all(|f| (0.0..=1.0).contains(&f)), "{schedule:?}");
        }
    }

    #[test]
    fn a_held_cosine_holds_and_then_falls() {
        let schedule = Schedule::HeldCosine { hold: 0.5, last: 0.1 };
        assert_eq!((schedule.factor(0, 101), schedule.factor(50, 101)), (1.0, 1.0));
        assert!((schedule.factor(75, 101) - 0.55).abs() < 1e-12);
        assert!((schedule.factor(100, 101) - 0.1).abs() < 1e-12);
    }
}
