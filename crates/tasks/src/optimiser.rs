//! Optimisers with a step size for each group (equations (41), (42)), and step-size schedules.

use std::f64::consts::PI;

use nalgebra::RealField;
use spikegrad_network::{Group, Network, Parameters};

use crate::Error;

/// Which rule turns a gradient into a step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Rule {
    /// Adam (Kingma & Ba 2015).
    Adam {
        /// Decay of the first moment.
        beta_1: f64,
        /// Decay of the second moment.
        beta_2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Gradient descent with (heavy-ball) momentum; 0 for none.
    Sgd {
        /// What is kept of the last step.
        momentum: f64,
    },
}

impl Rule {
    /// Adam with its authors' constants.
    pub const ADAM: Self = Self::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };

    fn check(&self) -> Result<(), Error> {
        let part = |option, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::Option { option, value, expected: "it must lie in [0, 1)" })
            }
        };
        match *self {
            Self::Adam { beta_1, beta_2, epsilon } => {
                part("beta_1", beta_1)?;
                part("beta_2", beta_2)?;
                if !(epsilon > 0.0) {
                    let expected = "it must be positive";
                    return Err(Error::Option { option: "epsilon", value: epsilon, expected });
                }
                Ok(())
            }
            Self::Sgd { momentum } => part("momentum", momentum),
        }
    }
}

/// How the step sizes change over training: a factor for each iteration.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// From 1 down to `last` along half a cosine.
    Cosine {
        /// The factor at the end.
        last: f64,
    },
    /// 1 for a part `hold` of training, then down to `last` along half a cosine.
    HeldCosine {
        /// The part, in [0, 1).
        hold: f64,
        /// The factor at the end.
        last: f64,
    },
    /// From 1 down to `last`, geometrically.
    Exponential {
        /// The factor at the end.
        last: f64,
    },
}

impl Schedule {
    /// The factor of iteration `n` of `total`.
    ///
    /// ```
    /// use spikegrad_tasks::Schedule;
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

/// Step size of a group; groups that are not named are not changed.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rate {
    /// The group.
    pub group: Group,
    /// Its step size.
    pub rate: f64,
}

/// An optimiser with its moments.
///
/// Time constants, gate widths and other positive parameters are stepped in their logarithm, so that no step size can
/// make them negative. Weights of neurons that obey Dale's law are stepped as they are and then put back to zero where the
/// step went past it (equation (69)): unlike in their logarithm, they can vanish, and come back.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser<T> {
    rule: Rule,
    rates: Vec<Rate>,
    pulls: Vec<Rate>,
    average: usize,
    state: OptimiserState<T>,
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

impl<T: RealField + Copy> Optimiser<T> {
    /// An optimiser for the parameters of `network`.
    ///
    /// # Errors
    /// If a constant or a rate is out of its domain, or a rate's group does not exist or is frozen.
    pub fn new(network: &Network<T>, rule: Rule, rates: &[Rate]) -> Result<Self, Error> {
        rule.check()?;
        check_rates(network, rates)?;
        let n = network.parameters.values().len();
        let second = if matches!(rule, Rule::Adam { .. }) { n } else { 0 };
        let zeros = |n| vec![T::zero(); n];
        let (first, second) = (zeros(n), zeros(second));
        let state = OptimiserState { step: 0, first, second, start: Vec::new(), mean: Vec::new() };
        Ok(Self { rule, rates: rates.to_vec(), pulls: Vec::new(), average: 1, state })
    }

    /// Pulls groups towards the values that they have in `network` now: in each step they go the part `rate` of the way
    /// back, times the step's factor. It is decoupled weight decay (Loshchilov & Hutter 2019) towards the start (Li,
    /// Grandvalet & Davoine 2018), and keeps the noise of thousands of steps from adding up to chaos.
    ///
    /// # Errors
    /// If a rate is not in [0, 1], or its group does not exist or is frozen.
    pub fn pull(mut self, network: &Network<T>, pulls: &[Rate]) -> Result<Self, Error> {
        check_rates(network, pulls)?;
        if let Some(bad) = pulls.iter().find(|p| p.rate > 1.0) {
            let expected = "a pull must lie in [0, 1]";
            return Err(Error::Option { option: "pull", value: bad.rate, expected });
        }
        self.pulls = pulls.to_vec();
        self.state.start = if pulls.is_empty() { Vec::new() } else { network.parameters.values().to_vec() };
        Ok(self)
    }

    /// Averages the parameters over about the last `steps` steps (equation (72)), from those that `network` has now: a
    /// network that learns from noisy gradients wanders about a better one (Polyak & Juditsky 1992). 1 for no average.
    ///
    /// # Errors
    /// If `steps` is 0.
    pub fn average(mut self, network: &Network<T>, steps: usize) -> Result<Self, Error> {
        if steps == 0 {
            let expected = "it must be at least 1, which is no average";
            return Err(Error::Option { option: "average", value: 0.0, expected });
        }
        self.average = steps;
        self.state.mean = if steps == 1 { Vec::new() } else { network.parameters.values().to_vec() };
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

    /// Takes one step down `gradient`, all step sizes times `factor`. Masked and frozen entries, whose gradient is
    /// zero, stay where they are.
    ///
    /// # Errors
    /// If the gradient is one of another network.
    pub fn step(
        &mut self,
        network: &mut Network<T>,
        gradient: &Parameters<T>,
        factor: f64,
    ) -> Result<(), Error> {
        let expected = network.parameters.values().len();
        for (what, found) in
            [("the gradient", gradient.values().len()), ("the optimiser", self.state.first.len())]
        {
            if found != expected {
                return Err(Error::Length { what, expected, found });
            }
        }
        let state = &mut self.state;
        state.step += 1;
        for &Rate { group, rate } in &self.rates {
            let range = network.parameters.layout().range(group);
            let rate = T::from_subset(&(rate * factor));
            let logarithmic = network.is_positive(group);
            let values = &mut network.parameters.values_mut()[range.clone()];
            let gradient = &gradient.values()[range.clone()];
            let first = &mut state.first[range.clone()];
            // dC/d ln p = p dC/dp
            let by = |x: T, g: T| if logarithmic { x * g } else { g };
            let update = |x: &mut T, step: T| if logarithmic { *x *= (-step).exp() } else { *x -= step };
            match self.rule {
                Rule::Adam { beta_1, beta_2, epsilon } => {
                    let real = |x: f64| T::from_subset(&x);
                    let correct_1 = real(1.0 / (1.0 - beta_1.powi(state.step)));
                    let correct_2 = real(1.0 / (1.0 - beta_2.powi(state.step)));
                    let (keep_1, add_1) = (real(beta_1), real(1.0 - beta_1));
                    let (keep_2, add_2) = (real(beta_2), real(1.0 - beta_2));
                    let moments = first.iter_mut().zip(&mut state.second[range]);
                    for ((x, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                        let g = by(*x, g);
                        *m = keep_1 * *m + add_1 * g;
                        *v = keep_2 * *v + add_2 * g * g;
                        update(x, rate * (*m * correct_1) / ((*v * correct_2).sqrt() + real(epsilon)));
                    }
                }
                Rule::Sgd { momentum } => {
                    let keep = T::from_subset(&momentum);
                    for ((x, &g), m) in values.iter_mut().zip(gradient).zip(first) {
                        *m = keep * *m + by(*x, g);
                        update(x, rate * *m);
                    }
                }
            }
        }
        for &Rate { group, rate } in &self.pulls {
            let range = network.parameters.layout().range(group);
            let rate = T::from_subset(&(rate * factor));
            let start = &state.start[range.clone()];
            for (x, &start) in network.parameters.values_mut()[range].iter_mut().zip(start) {
                *x -= rate * (*x - start);
            }
        }
        network.keep_signs();
        let part = T::one() / T::from_subset(&f64::from(state.step).min(self.average as f64));
        for (mean, &x) in state.mean.iter_mut().zip(network.parameters.values()) {
            *mean += part * (x - *mean);
        }
        Ok(())
    }
}

fn check_rates<T: RealField + Copy>(network: &Network<T>, rates: &[Rate]) -> Result<(), Error> {
    if let Some(bad) = rates.iter().find(|r| !(r.rate >= 0.0 && r.rate.is_finite())) {
        let expected = "a step size must be zero or positive, and finite";
        return Err(Error::Option { option: "rate", value: bad.rate, expected });
    }
    for &Rate { group, .. } in rates {
        let why = match network.parameters.layout().entry(group) {
            None => "the network does not have",
            Some(_) if !network.is_trainable(group) => "is frozen",
            Some(_) => continue,
        };
        return Err(Error::Untrainable { group, why });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikegrad_models::{GateShape, Theta};
    use spikegrad_network::Population;

    fn network() -> Network<f64> {
        let population = Population::new("theta", Theta::default(), 3, GateShape::RaisedCosine, 0.3);
        Network::builder().population(population).synapse("slow", 20.0).build().expect("a network")
    }

    #[test]
    fn a_pull_goes_part_of_the_way_back_to_the_start() {
        let mut network = network();
        network.parameters.bias_mut().fill(2.0);
        let pulls = [Rate { group: Group::Bias, rate: 0.25 }];
        let optimiser = Optimiser::new(&network, Rule::Sgd { momentum: 0.0 }, &[]).expect("an optimiser");
        let mut optimiser = optimiser.pull(&network, &pulls).expect("a pull");
        network.parameters.bias_mut().fill(6.0);
        let none = network.parameters.zeros_like();
        optimiser.step(&mut network, &none, 1.0).expect("a step");
        assert_eq!(network.parameters.group(Group::Bias), [5.0; 3]);
        optimiser.step(&mut network, &none, 0.5).expect("half a step");
        assert_eq!(network.parameters.group(Group::Bias), [4.625; 3]);
    }

    #[test]
    fn parameters_are_averaged_over_the_last_steps() {
        let mut network = network();
        let optimiser = Optimiser::new(&network, Rule::Sgd { momentum: 0.0 }, &[]).expect("an optimiser");
        assert!(optimiser.mean().is_none());
        assert!(optimiser.clone().average(&network, 0).is_err());
        let mut optimiser = optimiser.average(&network, 2).expect("an average");
        let none = network.parameters.zeros_like();
        let range = network.parameters.layout().range(Group::Bias);
        let mut see = |bias: f64| {
            network.parameters.bias_mut().fill(bias);
            optimiser.step(&mut network, &none, 1.0).expect("a step");
            optimiser.mean().expect("an average")[range.start]
        };
        // The first value, the mean of two, and then half of each new one.
        assert_eq!([see(4.0), see(2.0), see(5.0), see(0.0)], [4.0, 3.0, 4.0, 2.0]);
        let values = vec![7.0; network.parameters.values().len()];
        optimiser.go_on_from(&values);
        assert_eq!(optimiser.mean(), Some(values.as_slice()));
    }

    #[test]
    fn a_pull_beyond_the_start_is_refused() {
        let pulls = [Rate { group: Group::Bias, rate: 1.5 }];
        let optimiser = Optimiser::new(&network(), Rule::ADAM, &[]).expect("an optimiser");
        let error = optimiser.pull(&network(), &pulls).expect_err("refused").to_string();
        assert!(error.contains("pull") && error.contains("[0, 1]"), "{error}");
    }

    #[test]
    fn a_held_cosine_holds_and_then_falls() {
        let schedule = Schedule::HeldCosine { hold: 0.5, last: 0.1 };
        assert_eq!((schedule.factor(0, 101), schedule.factor(50, 101)), (1.0, 1.0));
        assert!((schedule.factor(75, 101) - 0.55).abs() < 1e-12);
        assert!((schedule.factor(100, 101) - 0.1).abs() < 1e-12);
    }
}
