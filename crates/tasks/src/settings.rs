//! Losses, optimisers and learning rates by the names that files of settings give them: the command and Python read the same ones.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use spikegrad_network::{Group, Loss, Network, NoLoss, Scalar};
use spikegrad_training::{LearningRate, UpdateRule};

use crate::losses::{
    Activity, CrossEntropy, Losses, QuadraticLoss, RateBand, Score, SquaredError, VanRossum,
};
use crate::{Error, Reading};

/// What training makes small, as settings say it.
///
/// ```
/// use spikegrad_models::{GateShape, Lif};
/// use spikegrad_network::{Network, Population};
/// use spikegrad_tasks::{LossKind, LossSettings, Reading, Score};
///
/// let population = Population::new("cells", Lif::default(), 4, GateShape::RaisedCosine, 0.5);
/// let network: Network<f64> = Network::builder().population(population).synapse("slow", 20.0).outputs(2).build()?;
/// let settings = LossSettings { label_smoothing: 0.1, ..LossSettings::of(LossKind::CrossEntropy) };
/// assert_eq!(settings.reading(&network, false)?, Reading::Class(Score::Mean));
/// let spikes = LossSettings::of(LossKind::VanRossum);
/// assert!(spikes.loss(&network, false).is_err_and(|error| error.to_string().contains("one of cells")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LossSettings {
    /// The kind of the loss.
    pub kind: LossKind,
    /// What a class, or a value, is read from.
    #[serde(default)]
    pub score: ScoreKind,
    /// The population whose neurons are the classes or spike trains, where these are no outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<String>,
    /// The part of a label's probability that is spread over all classes.
    #[serde(default)]
    pub label_smoothing: f64,
    /// The weight of the mean square of the traces that are read.
    #[serde(default)]
    pub activity: f64,
    /// The time constant of the distance of spike trains, or the unit of the times to first spikes, ms.
    #[serde(default = "ten")]
    pub time_constant: f64,
    /// A penalty on rates outside a band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<RateSettings>,
}

/// A penalty on rates outside a band.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// The weight of the penalty beside the loss.
    pub weight: f64,
    /// The lowest rate that costs nothing, Hz.
    pub low: f64,
    /// The highest rate that costs nothing, Hz.
    pub high: f64,
}

/// The kinds of losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LossKind {
    /// [`CrossEntropy`], for classes.
    CrossEntropy,
    /// [`QuadraticLoss`] for series, [`SquaredError`] for values.
    SquaredError,
    /// [`VanRossum`], for spike trains.
    VanRossum,
    /// Nothing but the penalties beside it.
    None,
}

/// What a score is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScoreKind {
    /// The mean of each output over time.
    #[default]
    Mean,
    /// Each output at the end.
    Last,
    /// The largest value of each output.
    Maximum,
    /// The spikes of each neuron of a population.
    Counts,
    /// The time to the first spike of each neuron of a population.
    FirstSpike,
}

/// The optimisers, with the constants of their authors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OptimiserKind {
    /// Adam.
    #[default]
    Adam,
    /// Adam with weight decay.
    AdamW,
    /// Steps by the sign of a momentum.
    Lion,
    /// Gradient descent with a momentum of 0.9.
    Sgd,
}

impl OptimiserKind {
    /// The rule of the optimiser.
    pub fn rule(self) -> UpdateRule {
        match self {
            Self::Adam => UpdateRule::ADAM,
            Self::AdamW => UpdateRule::ADAM_W,
            Self::Lion => UpdateRule::LION,
            Self::Sgd => UpdateRule::Sgd { momentum: 0.9 },
        }
    }
}

fn ten() -> f64 {
    10.0
}

impl LossSettings {
    /// The loss of a kind, with everything else as it is where settings say nothing.
    pub fn of(kind: LossKind) -> Self {
        Self {
            kind,
            score: ScoreKind::default(),
            population: None,
            label_smoothing: 0.0,
            activity: 0.0,
            time_constant: ten(),
            rates: None,
        }
    }

    /// The neurons that are classes or spike trains.
    ///
    /// # Errors
    /// [`Error::NoPopulation`] if the settings do not name a population of the network.
    pub fn neurons<T: Scalar>(&self, network: &Network<T>) -> Result<Range<usize>, Error> {
        let name = self.population.as_deref();
        let found = network.populations().find(|(known, _)| Some(*known) == name);
        found.map(|(_, neurons)| neurons).ok_or_else(|| {
            let known: Vec<&str> = network.populations().map(|(name, _)| name).collect();
            Error::NoPopulation { known: known.join(", ") }
        })
    }

    /// What a class, or a value, is read from.
    ///
    /// # Errors
    /// As [`neurons`](Self::neurons), where the score is of spikes.
    pub fn score<T: Scalar>(&self, network: &Network<T>) -> Result<Score, Error> {
        Ok(match self.score {
            ScoreKind::Mean => Score::Mean,
            ScoreKind::Last => Score::Last,
            ScoreKind::Maximum => Score::Maximum,
            ScoreKind::Counts => Score::Counts(self.neurons(network)?),
            ScoreKind::FirstSpike => {
                Score::FirstSpike { neurons: self.neurons(network)?, scale: self.time_constant }
            }
        })
    }

    /// The loss, for trials with a series of targets or without.
    ///
    /// # Errors
    /// As [`score`](Self::score), or if the weight of the activity is negative or not finite.
    pub fn loss<T: Scalar>(&self, network: &Network<T>, series: bool) -> Result<Losses<T>, Error> {
        let number = |x: f64| T::from_subset(&x);
        let expected = "it must be zero or positive, and finite";
        Error::unless(
            self.activity >= 0.0 && self.activity.is_finite(),
            "loss.activity",
            self.activity,
            expected,
        )?;
        let first: Box<dyn Loss<T> + Send> = match self.kind {
            LossKind::CrossEntropy => {
                Box::new(CrossEntropy { of: self.score(network)?, smoothing: self.label_smoothing })
            }
            // Its own price of activity is the same and saves a call in every step.
            LossKind::SquaredError if series => Box::new(QuadraticLoss { lambda: number(self.activity) }),
            LossKind::SquaredError => Box::new(SquaredError { of: self.score(network)? }),
            LossKind::VanRossum => {
                Box::new(VanRossum { neurons: self.neurons(network)?, tau: self.time_constant })
            }
            LossKind::None => Box::new(NoLoss),
        };
        let mut all = vec![(T::one(), first)];
        if self.activity > 0.0 && !(series && self.kind == LossKind::SquaredError) {
            all.push((T::one(), Box::new(Activity { weight: number(self.activity) })));
        }
        if let Some(RateSettings { weight, low, high }) = self.rates {
            all.push((number(weight), Box::new(RateBand { neurons: 0..network.neurons(), low, high })));
        }
        Ok(Losses(all))
    }

    /// What is read from a run, and compared with the trial.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn reading<T: Scalar>(&self, network: &Network<T>, series: bool) -> Result<Reading, Error> {
        Ok(match self.kind {
            LossKind::CrossEntropy => Reading::Class(self.score(network)?),
            LossKind::SquaredError if series => Reading::Series,
            LossKind::SquaredError => Reading::Values(self.score(network)?),
            LossKind::VanRossum | LossKind::None => Reading::Cost,
        })
    }
}

/// The learning rates of groups by their names, or by those of their parameters. What has a learning rate is trained, whatever was
/// frozen; what has none is not.
///
/// # Errors
/// [`Error::LearningRate`] for a name that the network does not have, with the ones that it has, and for two learning rates of parameters
/// that are trained together.
pub fn learning_rates<T: Scalar>(
    network: &mut Network<T>,
    rates: &BTreeMap<String, f64>,
) -> Result<Vec<LearningRate<Group>>, Error> {
    let mut all: Vec<(LearningRate<Group>, &str)> = Vec::new();
    for (name, &rate) in rates {
        let refused = |why: String| Error::LearningRate { name: name.clone(), why };
        let layout = network.parameters.layout();
        let group = match layout.entries().iter().find(|entry| entry.name == *name) {
            Some(entry) => entry.group,
            None => layout.find(name).map_err(|why| refused(why.to_string()))?.group,
        };
        match all.iter().find(|(known, _)| known.group == group) {
            // Tonic currents and initial states of all populations are one group.
            Some((known, other)) if known.rate != rate => {
                let why = format!("it is trained together with `{other}`: give both the same learning rate");
                return Err(refused(why));
            }
            Some(_) => {}
            None => all.push((LearningRate { group, rate }, name)),
        }
    }
    for (rate, _) in &all {
        network.unfreeze(rate.group)?;
    }
    Ok(all.into_iter().map(|(rate, _)| rate).collect())
}

#[cfg(test)]
mod tests {
    use spikegrad_models::{GateShape, Lif};
    use spikegrad_network::Population;

    use super::*;

    fn network() -> Network<f64> {
        let population = |name| Population::new(name, Lif::default(), 3, GateShape::RaisedCosine, 0.5);
        let built = Network::builder().population(population("a")).population(population("b"));
        built.synapse("slow", 20.0).outputs(2).inputs(1).build().expect("a network")
    }

    #[test]
    fn names_of_parameters_and_groups_have_learning_rates() {
        let mut network = network();
        let rates = |pairs: &[(&str, f64)]| -> BTreeMap<String, f64> {
            pairs.iter().map(|&(name, rate)| (name.to_owned(), rate)).collect()
        };
        network.freeze(Group::Weight(0)).expect("weights");
        let found = learning_rates(&mut network, &rates(&[("slow.weight", 0.1), ("a.bias", 0.2)]));
        let found = found.expect("known names");
        assert_eq!(found.len(), 2);
        assert!(network.is_trainable(Group::Weight(0)), "what has a learning rate is trained");
        // Tonic currents of all populations are one group.
        let error = learning_rates(&mut network, &rates(&[("a.bias", 0.2), ("b.bias", 0.1)])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`b.bias`") && text.contains("together with `a.bias`"), "{text}");
        let error = learning_rates(&mut network, &rates(&[("slow.wieght", 0.2)])).unwrap_err().to_string();
        assert!(error.contains("`slow.wieght`") && error.contains("slow.weight"), "{error}");
    }

    #[test]
    fn losses_are_made_by_name() {
        let network = network();
        let of = |text: &str| -> LossSettings { serde_json::from_str(text).expect("settings") };
        let count = of(r#"{"kind": "cross-entropy", "score": "counts", "population": "b"}"#);
        assert_eq!(count.reading(&network, false).expect("b"), Reading::Class(Score::Counts(3..6)));
        let quiet = of(
            r#"{"kind": "squared-error", "activity": 0.5, "rates": {"weight": 1.0, "low": 1.0, "high": 9.0}}"#,
        );
        assert_eq!(quiet.loss::<f64>(&network, false).expect("a loss").0.len(), 3);
        // The price of activity is inside the loss of a series.
        assert_eq!(quiet.loss::<f64>(&network, true).expect("a loss").0.len(), 2);
        let wrong = LossSettings { activity: -1.0, ..quiet };
        assert!(wrong.loss::<f64>(&network, true).err().is_some_and(|e| e.to_string().contains("activity")));
    }
}
