//! The optimiser: a rule's steps with a learning rate for each group (equations (41), (42)), within the domains of the parameters, and
//! what pulls and averages add to them.

use spikegrad_network::{Group, Network, Parameters, Scalar};

use crate::update_rules::Step;
use crate::{Error, UpdateRule};

/// Learning rate of a group; groups that are not named are not changed.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LearningRate {
    /// The group.
    pub group: Group,
    /// Its learning rate.
    pub rate: f64,
}

/// How far a group goes back towards its initial values in each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull {
    /// The group.
    pub group: Group,
    /// The part of the way back, in `[0, 1]`.
    pub part: f64,
}

/// An optimiser with its moments.
///
/// Time constants, gate widths and other positive parameters are stepped in their logarithm, so that no learning rate can
/// make them negative. After a step, what it took out of a domain that parameters have together is projected back
/// ([`Network::project`]): weights of neurons that obey Dale's law to zero, where they can vanish and come back, unlike in their
/// logarithm; thresholds, resets, gate widths and initial voltages to where they fit together.
///
/// What is not trained is not moved, to the bit, by no step, pull, average or projection, and whether it was masked or
/// frozen before the first step or later. A step that would leave the parameters' domain is refused, and nothing has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimiser<T> {
    rule: UpdateRule,
    rates: Vec<LearningRate>,
    pulls: Vec<Pull>,
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

impl<T: Scalar> Optimiser<T> {
    /// An optimiser for the parameters of `network`.
    ///
    /// # Errors
    /// If a constant or a rate is out of its domain, or a rate's group does not exist, is frozen or is named twice.
    pub fn new(network: &Network<T>, rule: UpdateRule, rates: &[LearningRate]) -> Result<Self, Error> {
        rule.check()?;
        for &LearningRate { rate, .. } in rates {
            let expected = "a learning rate must be zero or positive, and finite";
            Error::unless(rate >= 0.0 && rate.is_finite(), "rate", rate, expected)?;
        }
        check_groups(network, "rates", rates.iter().map(|rate| rate.group))?;
        let n = network.parameters.values().len();
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

    /// Pulls groups towards the values that they have in `network` now: in each step they go a part of the way back, times the
    /// step's factor. It is decoupled weight decay (Loshchilov & Hutter 2019) towards the start (Li,
    /// Grandvalet & Davoine 2018), and keeps the noise of thousands of steps from adding up to chaos.
    ///
    /// # Errors
    /// If a part is not in [0, 1], or its group does not exist, is frozen or is named twice.
    pub fn pull(mut self, network: &Network<T>, pulls: &[Pull]) -> Result<Self, Error> {
        for &Pull { part, .. } in pulls {
            Error::unless((0.0..=1.0).contains(&part), "pull", part, "a pull must lie in [0, 1]")?;
        }
        check_groups(network, "pulls", pulls.iter().map(|pull| pull.group))?;
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
        Error::unless(steps > 0, "average", 0.0, "it must be at least 1, which is no average")?;
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

    /// Takes one step down `gradient`, all learning rates times `factor`. Masked and frozen entries stay where they are.
    ///
    /// # Errors
    /// If the gradient is one of another network, or the factor is negative or not finite; if the step would make a parameter,
    /// a moment or an average non-finite or take it out of its domain. Network and optimiser are then as they were before.
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
        let expected = "the factor on all learning rates must be zero or positive, and finite";
        Error::unless(factor >= 0.0 && factor.is_finite(), "factor", factor, expected)?;
        self.next.follow(&self.state);
        self.values.clear();
        self.values.extend_from_slice(network.parameters.values());
        self.move_values(network, gradient, factor);
        if let Err(error) = self.check_values(network, factor) {
            self.values.clear();
            return Err(error);
        }

        // From here on `values` are the earlier ones.
        network.parameters.values_mut().swap_with_slice(&mut self.values);
        network.project();
        let accepted = network.validate().map_err(|reason| self.refusal(reason));
        let accepted = accepted.and_then(|()| self.add_to_mean(network));
        match accepted {
            Ok(()) => self.exchange(),
            Err(_) => {
                network.parameters.values_mut().swap_with_slice(&mut self.values);
                self.values.clear();
            }
        }
        accepted
    }

    /// Takes the last step back, if there was one since the last time.
    pub(crate) fn undo(&mut self, network: &mut Network<T>) {
        if !self.values.is_empty() {
            network.parameters.values_mut().swap_with_slice(&mut self.values);
            self.values.clear();
            self.exchange();
        }
    }

    /// The next state becomes the state and the other way round; where it all started from stays.
    fn exchange(&mut self) {
        std::mem::swap(&mut self.state, &mut self.next);
        std::mem::swap(&mut self.state.start, &mut self.next.start);
    }

    /// The error of a step whose network would be refused.
    pub(crate) fn refusal(&self, reason: spikegrad_network::Error) -> Error {
        Error::StepRefused { iteration: self.steps(), reason }
    }

    /// Moments and parameters of the next step; what is not trained has no moments and keeps its value.
    fn move_values(&mut self, network: &Network<T>, gradient: &Parameters<T>, factor: f64) {
        let Self { next, values, .. } = self;
        next.step += 1;
        for &LearningRate { group, rate } in &self.rates {
            let range = network.parameters.layout().range(group);
            self.rule.step(Step {
                count: next.step,
                rate: rate * factor,
                logarithmic: network.is_positive(group),
                gradient: &gradient.values()[range.clone()],
                values: &mut values[range.clone()],
                first: &mut next.first[range.clone()],
                second: next.second.get_mut(range).unwrap_or_default(),
            });
        }
        for &Pull { group, part } in &self.pulls {
            let range = network.parameters.layout().range(group);
            let part = T::from_subset(&(part * factor));
            let start = &self.state.start[range.clone()];
            for (x, &start) in values[range].iter_mut().zip(start) {
                *x -= part * (*x - start);
            }
        }
        for range in network.untrained() {
            values[range.clone()].copy_from_slice(&network.parameters.values()[range.clone()]);
            for moments in [&mut next.first, &mut next.second] {
                if let Some(moments) = moments.get_mut(range.clone()) {
                    moments.fill(T::zero());
                }
            }
        }
    }

    /// Whether what a step moved is finite and, where only positive values make sense, positive.
    fn check_values(&self, network: &Network<T>, factor: f64) -> Result<(), Error> {
        let layout = network.parameters.layout();
        let rates = self.rates.iter().map(|&LearningRate { group, rate }| (group, rate));
        let pulls = self.pulls.iter().map(|&Pull { group, part }| (group, part));
        for (group, rate) in rates.chain(pulls) {
            let range = layout.range(group);
            let positive = network.is_positive(group);
            let value = |x: &T| x.is_finite() && (!positive || *x > T::zero());
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
            let name = layout.name(group);
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
    fn add_to_mean(&mut self, network: &mut Network<T>) -> Result<(), Error> {
        let mean = &mut self.next.mean;
        if mean.is_empty() {
            return Ok(());
        }
        let part = T::one() / T::from_subset(&f64::from(self.next.step).min(self.average as f64));
        let values = network.parameters.values();
        for (mean, &x) in mean.iter_mut().zip(values) {
            *mean += part * (x - *mean);
        }
        for range in network.untrained() {
            mean[range.clone()].copy_from_slice(&values[range]);
        }
        // An average of what lies on the edge of a domain may round to the other side of it.
        network.parameters.values_mut().swap_with_slice(mean);
        network.project();
        let accepted = network.validate();
        network.parameters.values_mut().swap_with_slice(mean);
        accepted.map_err(|reason| self.refusal(reason))
    }
}

/// Whether every group of a list can be stepped, and is there once.
fn check_groups<T: Scalar>(
    network: &Network<T>,
    what: &'static str,
    groups: impl Iterator<Item = Group>,
) -> Result<(), Error> {
    let mut seen = Vec::new();
    for group in groups {
        let layout = network.parameters.layout();
        let name = layout.name(group);
        let why = match layout.entry(group) {
            None => "the network does not have: remove it",
            Some(_) if !network.is_trainable(group) => "is frozen: remove it, or unfreeze it",
            Some(_) if seen.contains(&group) => return Err(Error::Twice { what, group, name }),
            Some(_) => {
                seen.push(group);
                continue;
            }
        };
        return Err(Error::Untrainable { what, group, name, why });
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
        let pulls = [Pull { group: Group::Bias, part: 0.25 }];
        let optimiser =
            Optimiser::new(&network, UpdateRule::Sgd { momentum: 0.0 }, &[]).expect("an optimiser");
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
        let optimiser =
            Optimiser::new(&network, UpdateRule::Sgd { momentum: 0.0 }, &[]).expect("an optimiser");
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
        let pulls = [Pull { group: Group::Bias, part: 1.5 }];
        let optimiser = Optimiser::new(&network(), UpdateRule::ADAM, &[]).expect("an optimiser");
        let error = optimiser.pull(&network(), &pulls).expect_err("refused").to_string();
        assert!(error.contains("pull") && error.contains("[0, 1]"), "{error}");
    }

    /// What is frozen or masked once an optimiser has its momenta, a pull and an average stays as it is, to the bit.
    #[test]
    fn what_is_not_trained_is_not_moved() {
        for rule in [UpdateRule::ADAM, UpdateRule::Sgd { momentum: 0.9 }] {
            let population = Population::new("theta", Theta::default(), 3, GateShape::Box, 0.3);
            let builder = Network::builder().population(population).synapse("slow", 20.0).inputs(2);
            let mut network = builder.build().expect("a network");
            network
                .parameters
                .values_mut()
                .iter_mut()
                .enumerate()
                .for_each(|(i, x)| *x += 0.01 * (i + 1) as f64);
            let weights = Group::Weight(0);
            let groups = [weights, Group::Input, Group::Bias];
            let rates = groups.map(|group| LearningRate { group, rate: 0.01 });
            let pulls = groups.map(|group| Pull { group, part: 0.1 });
            let mut optimiser = Optimiser::new(&network, rule, &rates).expect("an optimiser");
            optimiser =
                optimiser.pull(&network, &pulls).expect("a pull").average(&network, 3).expect("an average");
            let mut gradient = network.parameters.zeros_like();
            gradient.values_mut().fill(1.0);
            (0..3).for_each(|_| optimiser.step(&mut network, &gradient, 1.0).expect("a step"));

            network.set_mask(weights, |post, pre| post != pre).expect("a mask");
            network.freeze_entries(Group::Input, |row, _| row == 1).expect("a group");
            network.freeze(Group::Bias).expect("a group");
            // Of the wrong sign, which is as good as any other where nothing is trained.
            network.freeze_entries(weights, |post, pre| (post, pre) == (0, 1)).expect("a group");
            network.set_signs(|neuron| (neuron == 1).then_some(spikegrad_network::Sign::Excitatory));
            network.parameters.weight_mut(0)[(0, 1)] = -0.5;
            network.parameters.weight_mut(0)[(2, 1)] = -0.5;
            let before = network.parameters.clone();
            // Also those of a gradient that somebody formed without the network's masks.
            optimiser.step(&mut network, &gradient, 1.0).expect("a step");
            optimiser.step(&mut network, &gradient, 1.0).expect("a step");
            let (after, mean) = (network.parameters.values(), optimiser.mean().expect("an average"));
            let fixed: Vec<usize> = network.untrained().flatten().collect();
            for &i in &fixed {
                assert_eq!(after[i].to_bits(), before.values()[i].to_bits(), "{rule:?}: entry {i} has moved");
                assert_eq!(
                    mean[i].to_bits(),
                    before.values()[i].to_bits(),
                    "{rule:?}: the mean of entry {i}"
                );
            }
            let w = network.parameters.weight(0);
            assert_eq!((w[(0, 1)], w[(1, 1)], w[(2, 1)]), (-0.5, 0.0, 0.0));
            for group in [weights, Group::Input] {
                let range = network.parameters.layout().range(group);
                assert!(
                    range.clone().any(|i| !fixed.contains(&i) && after[i] != before.values()[i]),
                    "{group}"
                );
            }
            // Nothing is left of what was remembered, either.
            network.unfreeze(Group::Bias).expect("a group");
            let none = network.parameters.zeros_like();
            let bias = network.parameters.layout().range(Group::Bias);
            let mut unpulled = optimiser.clone();
            unpulled.pulls.clear();
            unpulled.step(&mut network, &none, 1.0).expect("a step");
            assert_eq!(network.parameters.values()[bias.clone()], before.values()[bias]);
        }
    }

    #[test]
    fn a_group_that_is_named_twice_is_refused() {
        let network = network();
        let twice = [1e-3, 1e-2].map(|rate| LearningRate { group: Group::Bias, rate });
        let refused = |error: Error, what: &str| {
            assert!(matches!(error, Error::Twice { group: Group::Bias, .. }), "{error}");
            assert!(error.to_string().starts_with(&format!("{what} name bias twice")), "{error}");
        };
        refused(Optimiser::new(&network, UpdateRule::ADAM, &twice).expect_err("refused"), "rates");
        let optimiser = Optimiser::new(&network, UpdateRule::ADAM, &[]).expect("an optimiser");
        let twice = twice.map(|rate| Pull { group: rate.group, part: 0.5 });
        refused(optimiser.pull(&network, &twice).expect_err("refused"), "pulls");
    }

    #[test]
    fn a_step_out_of_the_domain_changes_nothing() {
        let mut network = network();
        network.unfreeze(Group::Tau(0)).expect("a group");
        let tau = [LearningRate { group: Group::Tau(0), rate: 1.0 }];
        let bias = [LearningRate { group: Group::Bias, rate: 1e308 }];
        let sgd = UpdateRule::Sgd { momentum: 0.5 };
        for (rates, slope, value) in
            [(tau, 1e3, 0.0), (tau, -1e3, f64::INFINITY), (bias, -1e10, f64::INFINITY)]
        {
            let mut optimiser = Optimiser::new(&network, sgd, &rates).expect("an optimiser");
            optimiser = optimiser.average(&network, 2).expect("an average");
            let (mut stepped, mut twin, mut other) = (network.clone(), network.clone(), optimiser.clone());
            let mut gradient = network.parameters.zeros_like();
            gradient.values_mut().fill(slope);
            let error = optimiser.step(&mut stepped, &gradient, 1.0).expect_err("refused");
            assert!(matches!(error, Error::Step { iteration: 0, value: v, .. } if v == value), "{error}");
            let name = if rates == tau { "slow.tau" } else { "bias" };
            assert!(error.to_string().contains(&format!("would take {name} at entry 0 to")), "{error}");
            assert_eq!((&stepped.parameters, optimiser.steps()), (&network.parameters, 0));
            // It goes on as one that never saw that gradient.
            gradient.values_mut().fill(slope.signum() * 1e-310);
            optimiser.step(&mut stepped, &gradient, 1.0).expect("a step");
            other.step(&mut twin, &gradient, 1.0).expect("a step");
            assert_eq!((stepped.parameters, optimiser.state), (twin.parameters, other.state));
        }
        for factor in [f64::NAN, -1.0, f64::INFINITY] {
            let mut optimiser = Optimiser::new(&network, sgd, &[]).expect("an optimiser");
            let none = network.parameters.zeros_like();
            let error = optimiser.step(&mut network.clone(), &none, factor).expect_err("refused").to_string();
            assert!(error.starts_with("factor = "), "{error}");
        }
    }

    /// A second moment that is infinite would stop its entry for good, without a word.
    #[test]
    fn moments_that_overflow_are_refused() {
        let mut network = network().to_f32();
        let rates = [LearningRate { group: Group::Bias, rate: 1e-3 }];
        let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates).expect("an optimiser");
        let mut gradient = network.parameters.zeros_like();
        gradient.group_mut(Group::Bias)[2] = 1e21;
        let before = network.parameters.clone();
        let error = optimiser.step(&mut network, &gradient, 1.0).expect_err("refused").to_string();
        assert!(error.contains("the second moment of bias at entry 2 to inf"), "{error}");
        assert_eq!(network.parameters, before);
    }

    #[test]
    fn what_a_step_takes_out_of_a_joint_domain_comes_back_to_its_edge() {
        let population = Population::new("lif", spikegrad_models::Lif::default(), 3, GateShape::Box, 0.9);
        let builder = Network::builder().population(population).synapse("slow", 20.0);
        let mut network = builder.build().expect("a network");
        let (width, start) = (Group::GateWidth(0), Group::Initial);
        [width, start].into_iter().for_each(|group| network.unfreeze(group).expect("a group"));
        let rates = [width, start].map(|group| LearningRate { group, rate: 1.0 });
        let optimiser =
            Optimiser::new(&network, UpdateRule::Sgd { momentum: 0.0 }, &rates).expect("an optimiser");
        let mut optimiser = optimiser.average(&network, 7).expect("an average");
        let mut gradient = network.parameters.zeros_like();
        gradient.group_mut(width).fill(-1.0);
        gradient.group_mut(start)[1] = -1.0;
        for _ in 0..10 {
            optimiser.step(&mut network, &gradient, 1.0).expect("a step");
            assert!((network.parameters.group(width)[0] - 1.0).abs() < 1e-14);
            let x = network.parameters.group(start);
            assert!(x[1] < 1.0 && x[1] > 1.0 - 1e-6 && (x[0], x[2]) == (0.0, 0.0), "{x:?}");
        }
    }
}
