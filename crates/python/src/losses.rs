//! Losses by their names, as the settings of the command have them.

use std::ops::Range;

use serde::Deserialize;
use spikegrad::network::{Loss, Network, NoLoss, Scalar};
use spikegrad::tasks::{
    Activity, CrossEntropy, Losses, QuadraticLoss, RateBand, Reading, Score, SquaredError, VanRossum,
};

use crate::error::Error;

/// What is made small.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossSpec {
    kind: Kind,
    #[serde(default)]
    score: ScoreKind,
    /// The population whose neurons are the classes or the spike trains.
    #[serde(default)]
    population: Option<String>,
    #[serde(default)]
    label_smoothing: f64,
    #[serde(default)]
    activity: f64,
    #[serde(default = "ten")]
    time_constant: f64,
    #[serde(default)]
    rates: Option<Rates>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    CrossEntropy,
    SquaredError,
    VanRossum,
    None,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum ScoreKind {
    #[default]
    Mean,
    Last,
    Maximum,
    Counts,
    FirstSpike,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rates {
    weight: f64,
    low: f64,
    high: f64,
}

fn ten() -> f64 {
    10.0
}

impl LossSpec {
    /// The loss of a JSON object.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Text { what: "the loss", why: error.to_string() })
    }

    /// The neurons that are classes or spike trains.
    fn neurons<T: Scalar>(&self, network: &Network<T>) -> Result<Range<usize>, Error> {
        let name = self.population.as_deref();
        let found = network.populations().find(|(known, _)| Some(*known) == name);
        found.map(|(_, neurons)| neurons).ok_or_else(|| {
            let known: Vec<&str> = network.populations().map(|(name, _)| name).collect();
            let why = format!("name the population whose spikes are looked at, one of {}", known.join(", "));
            Error::argument("the loss's population", why)
        })
    }

    /// What is read from a run.
    fn score<T: Scalar>(&self, network: &Network<T>) -> Result<Score, Error> {
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
    pub(crate) fn loss<T: Scalar>(&self, network: &Network<T>, series: bool) -> Result<Losses<T>, Error> {
        let number = |x: f64| T::from_subset(&x);
        let first: Box<dyn Loss<T> + Send> = match self.kind {
            Kind::CrossEntropy => {
                Box::new(CrossEntropy { of: self.score(network)?, smoothing: self.label_smoothing })
            }
            // Its own price of activity is the same and saves a call in every step.
            Kind::SquaredError if series => Box::new(QuadraticLoss { lambda: number(self.activity) }),
            Kind::SquaredError => Box::new(SquaredError { of: self.score(network)? }),
            Kind::VanRossum => {
                Box::new(VanRossum { neurons: self.neurons(network)?, tau: self.time_constant })
            }
            Kind::None => Box::new(NoLoss),
        };
        let mut all = vec![(T::one(), first)];
        if self.activity != 0.0 {
            if !(self.activity > 0.0 && self.activity.is_finite()) {
                let why = "give a finite number that is not negative";
                return Err(Error::argument(format!("the loss's activity = {}", self.activity), why));
            }
            if !(series && self.kind == Kind::SquaredError) {
                all.push((T::one(), Box::new(Activity { weight: number(self.activity) })));
            }
        }
        if let Some(Rates { weight, low, high }) = self.rates {
            all.push((number(weight), Box::new(RateBand { neurons: 0..network.neurons(), low, high })));
        }
        Ok(Losses(all))
    }

    /// What is read from a run, and compared with the trial.
    pub(crate) fn reading<T: Scalar>(&self, network: &Network<T>, series: bool) -> Result<Reading, Error> {
        Ok(match self.kind {
            Kind::CrossEntropy => Reading::Class(self.score(network)?),
            Kind::SquaredError if series => Reading::Series,
            Kind::SquaredError => Reading::Values(self.score(network)?),
            Kind::VanRossum | Kind::None => Reading::Cost,
        })
    }
}
