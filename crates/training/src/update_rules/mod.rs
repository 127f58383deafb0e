//! Which rule turns a gradient into a step: a file for each.

mod adam;
mod adam_w;
mod lion;
mod sgd;

use nalgebra::RealField;

use crate::Error;

/// Which rule turns a gradient into a step (equation (41)).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum UpdateRule {
    /// Adam (Kingma & Ba 2015).
    Adam {
        /// Decay of the first moment.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Adam with weight decay beside the gradient instead of in it (Loshchilov & Hutter 2019). What is stepped in its logarithm does not
    /// decay.
    AdamW {
        /// Decay of the first moment.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// The part of a parameter that a step with a learning rate of 1 takes away.
        decay: f64,
    },
    /// Lion (Chen et al. 2023): the sign of a momentum, so that every parameter moves by its learning rate, however small or heavy-tailed
    /// its gradient. What is stepped in its logarithm does not decay.
    Lion {
        /// The part of the momentum, as it was, in the direction of a step.
        beta_1: f64,
        /// Decay of the momentum.
        beta_2: f64,
        /// The part of a parameter that a step with a learning rate of 1 takes away.
        decay: f64,
    },
    /// Gradient descent with (heavy-ball) momentum; 0 for none.
    Sgd {
        /// What is kept of the last step.
        momentum: f64,
    },
}

/// A group in a step: the values that are moved down the gradient, and what a rule remembers of earlier ones.
pub(crate) struct Step<'a, T> {
    /// Number of the step, from 1.
    pub(crate) count: i32,
    pub(crate) rate: f64,
    /// Whether values are stepped in their logarithm, which keeps them positive.
    pub(crate) logarithmic: bool,
    pub(crate) gradient: &'a [T],
    pub(crate) values: &'a mut [T],
    pub(crate) first: &'a mut [T],
    /// Empty for a rule without a second moment.
    pub(crate) second: &'a mut [T],
}

impl<T: RealField + Copy> Step<'_, T> {
    /// The derivative by what is stepped: `dC/d ln p = p dC/dp`.
    fn derivative(&self, i: usize) -> T {
        if self.logarithmic { self.values[i] * self.gradient[i] } else { self.gradient[i] }
    }

    /// Moves value `i` down by `step`.
    fn move_down(&mut self, i: usize, step: T) {
        let value = &mut self.values[i];
        if self.logarithmic {
            *value *= (-step).exp();
        } else {
            *value -= step;
        }
    }

    /// Takes a part `rate decay` of every value away.
    fn decay(&mut self, decay: f64) {
        if !self.logarithmic && decay > 0.0 {
            let part = T::from_subset(&(self.rate * decay));
            self.values.iter_mut().for_each(|value| *value -= part * *value);
        }
    }
}

impl std::fmt::Display for UpdateRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Adam { beta_1, beta_2, epsilon } => {
                write!(f, "Adam, moments {beta_1} and {beta_2}, epsilon {epsilon:e}")
            }
            Self::AdamW { beta_1, beta_2, epsilon, decay } => {
                write!(f, "AdamW, moments {beta_1} and {beta_2}, epsilon {epsilon:e}, decay {decay}")
            }
            Self::Lion { beta_1, beta_2, decay } => {
                write!(f, "Lion, moments {beta_1} and {beta_2}, decay {decay}")
            }
            Self::Sgd { momentum } => write!(f, "gradient descent, momentum {momentum}"),
        }
    }
}

impl UpdateRule {
    /// Adam with its authors' constants.
    pub const ADAM: Self = Self::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };

    /// AdamW with the constants of Adam's authors and the decay of its own.
    pub const ADAM_W: Self = Self::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, decay: 0.01 };

    /// Lion with its authors' constants, without decay. Its learning rates are three to ten times smaller than those of Adam.
    pub const LION: Self = Self::Lion { beta_1: 0.9, beta_2: 0.99, decay: 0.0 };

    pub(crate) fn check(&self) -> Result<(), Error> {
        let part = |option, value: f64| {
            Error::unless((0.0..1.0).contains(&value), option, value, "it must lie in [0, 1)")
        };
        let positive = |option, value: f64| Error::unless_positive(option, value);
        let not_negative = |option, value: f64| {
            let expected = "it must be zero or positive, and finite";
            Error::unless(value >= 0.0 && value.is_finite(), option, value, expected)
        };
        match *self {
            Self::Adam { beta_1, beta_2, epsilon } => {
                part("beta_1", beta_1)?;
                part("beta_2", beta_2)?;
                positive("epsilon", epsilon)
            }
            Self::AdamW { beta_1, beta_2, epsilon, decay } => {
                part("beta_1", beta_1)?;
                part("beta_2", beta_2)?;
                positive("epsilon", epsilon)?;
                not_negative("decay", decay)
            }
            Self::Lion { beta_1, beta_2, decay } => {
                part("beta_1", beta_1)?;
                part("beta_2", beta_2)?;
                not_negative("decay", decay)
            }
            Self::Sgd { momentum } => part("momentum", momentum),
        }
    }

    /// Whether the rule remembers squares of gradients.
    pub(crate) fn has_second_moment(&self) -> bool {
        matches!(self, Self::Adam { .. } | Self::AdamW { .. })
    }

    /// Moves the values of a group.
    pub(crate) fn step<T: RealField + Copy>(&self, mut group: Step<'_, T>) {
        match *self {
            Self::Adam { beta_1, beta_2, epsilon } => adam::step(&mut group, [beta_1, beta_2, epsilon]),
            Self::AdamW { beta_1, beta_2, epsilon, decay } => {
                adam_w::step(&mut group, [beta_1, beta_2, epsilon], decay);
            }
            Self::Lion { beta_1, beta_2, decay } => lion::step(&mut group, [beta_1, beta_2], decay),
            Self::Sgd { momentum } => sgd::step(&mut group, momentum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [UpdateRule; 4] =
        [UpdateRule::ADAM, UpdateRule::ADAM_W, UpdateRule::LION, UpdateRule::Sgd { momentum: 0.9 }];

    /// Goes down `sum_i (x_i - i)^2 / 2` from 5 on, each coordinate in its logarithm or not. In its logarithm it starts near the minimum: far
    /// from there a coordinate overshoots by a rule that takes no account of how steep it was.
    fn descend(rule: UpdateRule, logarithmic: bool, rate: f64, steps: i32) -> Vec<f64> {
        let start = if logarithmic { vec![1.1, 2.2, 3.3] } else { vec![5.0; 3] };
        let (mut x, mut first, mut second) = (start, vec![0.0; 3], vec![0.0; 3]);
        for count in 1..=steps {
            let gradient: Vec<f64> = x.iter().zip(1..).map(|(x, i)| x - f64::from(i)).collect();
            // Less and less, so that a rule of constant steps comes to rest.
            let rate = rate * (1.0 - f64::from(count) / f64::from(steps + 1));
            let (gradient, values) = (&gradient[..], &mut x[..]);
            rule.step(Step {
                count,
                rate,
                logarithmic,
                gradient,
                values,
                first: &mut first,
                second: &mut second,
            });
        }
        x
    }

    #[test]
    fn every_rule_goes_down_to_the_minimum() {
        for rule in ALL {
            let rate = match rule {
                UpdateRule::Sgd { .. } => 0.02,
                UpdateRule::Lion { .. } => 0.01,
                _ => 0.1,
            };
            for logarithmic in [false, true] {
                let x = descend(rule, logarithmic, rate, 2000);
                let far = x.iter().zip(1..).map(|(x, i)| (x - f64::from(i)).abs()).fold(0.0, f64::max);
                // A decay pulls towards zero: it finds `x - i + decay x = 0` at best.
                let allowed = if rule == UpdateRule::ADAM_W && !logarithmic { 0.1 } else { 2e-3 };
                assert!(far < allowed, "{rule:?}, logarithmic {logarithmic}: {x:?}");
            }
        }
    }

    #[test]
    fn constants_have_domains() {
        ALL.iter().for_each(|rule| rule.check().expect("a rule"));
        for (rule, refused) in [
            (UpdateRule::Adam { beta_1: 1.0, beta_2: 0.9, epsilon: 1e-8 }, "beta_1 = 1"),
            (UpdateRule::Adam { beta_1: 0.9, beta_2: 0.9, epsilon: 0.0 }, "epsilon = 0"),
            (UpdateRule::Adam { beta_1: 0.9, beta_2: 0.9, epsilon: f64::INFINITY }, "epsilon = inf"),
            (UpdateRule::AdamW { beta_1: 0.9, beta_2: f64::NAN, epsilon: 1e-8, decay: 0.1 }, "beta_2 = NaN"),
            (UpdateRule::AdamW { beta_1: 0.9, beta_2: 0.9, epsilon: 1e-8, decay: -0.1 }, "decay = -0.1"),
            (UpdateRule::Lion { beta_1: 0.9, beta_2: 0.99, decay: f64::INFINITY }, "decay = inf"),
            (UpdateRule::Sgd { momentum: -0.5 }, "momentum = -0.5"),
        ] {
            let error = rule.check().expect_err(refused).to_string();
            assert!(error.starts_with(refused), "{error}");
        }
    }
}
