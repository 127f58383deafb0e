//! How a sample of a data set becomes a trial.

use spikegrad_data::{Dataset, Input, Sample, Target};
use spikegrad_network::{Event, Scalar, Spike, Trial};

use crate::Error;

/// The most samples that a trial of a data set has.
const MOST_SAMPLES: f64 = 1e9;

/// How a sample of a data set becomes a trial.
///
/// The channels of a series are the inputs of the network, each value held for an interval. The spikes of spike events are events of the
/// network's sources, with a charge of 1. A class becomes a label with a 1 at its index, values become the label, a series becomes the
/// targets, and spike trains become the target spikes of as many neurons.
///
/// ```
/// use spikegrad_data::{Dataset, Inputs, Series, Targets};
/// use spikegrad_tasks::Presentation;
///
/// let inputs = Inputs::Series(vec![Series::new(1, vec![0.5, 1.0])?]);
/// let names = vec!["pulse".to_owned(), "step".to_owned()];
/// let data = Dataset::new(inputs, Targets::Classes { labels: vec![1], names })?;
/// let presentation = Presentation { interval: 10.0, after: 20.0, warm_up: 10.0, first_neuron: 0 };
/// let trials = presentation.trials::<f64>(&data)?;
/// assert_eq!((trials[0].samples, trials[0].inputs[..].to_vec()), (4, vec![0.5, 1.0, 0.0, 0.0]));
/// assert_eq!((&trials[0].label[..], &trials[0].weights[..]), (&[0.0, 1.0][..], &[0.0, 1.0, 1.0, 1.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Presentation {
    /// Time between two time points of a series, ms. Trials of spike events have samples as long as this.
    pub interval: f64,
    /// Time without input after each sample, ms; a whole number of intervals.
    pub after: f64,
    /// Time at the start of each trial at which the loss does not look, ms; a whole number of intervals.
    pub warm_up: f64,
    /// The neuron that the first of several target spike trains is for; the others are for those behind it.
    pub first_neuron: usize,
}

impl Presentation {
    /// The trials of all samples, in order.
    ///
    /// # Errors
    /// If an interval is not positive, a time is no whole number of intervals, or a target does not fit its input. An error names the sample.
    pub fn trials<T: Scalar>(&self, data: &Dataset) -> Result<Vec<Trial<T>>, Error> {
        let outputs = data.outputs();
        let trial = |(index, sample)| self.trial(sample, outputs).map_err(|error| error.in_sample(index));
        data.samples().enumerate().map(trial).collect()
    }

    /// The trial of one sample, whose data set has so many classes or outputs.
    ///
    /// # Errors
    /// As [`trials`](Self::trials).
    pub fn trial<T: Scalar>(&self, sample: Sample<'_>, outputs: usize) -> Result<Trial<T>, Error> {
        let (interval, number) = (self.interval, |x: f32| T::from_subset(&f64::from(x)));
        Error::unless_positive("interval", interval)?;
        let (after, warm_up) = (self.samples("after", self.after)?, self.samples("warm_up", self.warm_up)?);
        let (seen, channels) = match sample.input {
            Input::Series(series) => (series.time_points(), series.channels()),
            Input::Spikes(spikes) => {
                // A duration of a whole number of intervals may miss it by a rounding error.
                let samples = (spikes.duration() / interval - 1e-9).ceil().max(1.0);
                let expected = "it makes too many samples of these spike events; take a longer one";
                Error::unless(samples <= MOST_SAMPLES, "interval", interval, expected)?;
                // A spike at the very end needs one sample more, in which it arrives.
                let late = spikes.times().last().is_some_and(|&time| time >= samples * interval);
                (samples as usize + usize::from(late), 0)
            }
        };
        let mut trial = Trial::silent(seen + after, interval, channels);
        match sample.input {
            Input::Series(series) => {
                trial
                    .inputs
                    .iter_mut()
                    .zip(series.values())
                    .for_each(|(input, &value)| *input = number(value));
            }
            Input::Spikes(spikes) => {
                let event = |(&time, &channel): (&f64, &u32)| Event { time, channel, charge: T::one() };
                trial.events = spikes.times().iter().zip(spikes.units()).map(event).collect();
            }
        }
        // The samples that the loss looks at.
        let mut looked_at = warm_up..trial.samples;
        match sample.target {
            Target::None => {}
            Target::Class(class) => {
                trial.label = vec![T::zero(); outputs];
                trial.label[class] = T::one();
            }
            Target::Values(values) => trial.label = values.iter().copied().map(number).collect(),
            Target::Series(series) => {
                let (found, expected) = (series.time_points(), seen);
                if found != expected {
                    return Err(Error::TargetLength { found, expected });
                }
                looked_at.end = seen;
                trial.targets = series.values().iter().copied().map(number).collect();
                trial.targets.resize(trial.samples * series.channels(), T::zero());
            }
            Target::Spikes(spikes) => {
                let spike = |(&time, &unit): (&f64, &u32)| Spike {
                    time,
                    neuron: self.first_neuron + unit as usize,
                    count: 1,
                };
                trial.target_spikes = spikes.times().iter().zip(spikes.units()).map(spike).collect();
            }
        }
        let expected = "nothing of the trial is left for the loss; take a shorter one";
        Error::unless(!looked_at.is_empty(), "warm_up", self.warm_up, expected)?;
        trial.scale = interval * looked_at.len() as f64;
        if looked_at != (0..trial.samples) {
            trial.weights = vec![T::zero(); trial.samples];
            trial.weights[looked_at].fill(T::one());
        }
        Ok(trial)
    }

    /// How many samples a time takes.
    fn samples(&self, option: &'static str, time: f64) -> Result<usize, Error> {
        let samples = (time / self.interval).round();
        let whole = (samples * self.interval - time).abs() <= 1e-9 * self.interval.max(time);
        let expected = "it must be zero or a positive whole number of intervals";
        Error::unless(time >= 0.0 && whole && samples <= MOST_SAMPLES, option, time, expected)?;
        Ok(samples as usize)
    }
}
