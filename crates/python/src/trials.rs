//! Trials of arrays: `trials x samples x channels` becomes one trial after the other, whose numbers are copied once.

use numpy::PyReadonlyArray;
use numpy::ndarray::Dimension;
use pyo3::prelude::*;
use spikegrad::network::{Event, InitialState, NetworkState, Spike, Trial};

use crate::arrays::{Array1, Array2, Array3, array, numbers};
use crate::error::Error;
use crate::float::{Either, Float, either};

/// The state of a run, from which another one goes on.
#[pyclass(frozen, module = "spikegrad._spikegrad")]
#[derive(Clone, Debug)]
pub(crate) struct State(pub(crate) Either<NetworkState<f32>, NetworkState<f64>>);

#[pymethods]
impl State {
    /// The state as JSON, with the network that it belongs to: numbers come back to the bit.
    fn to_json(&self) -> Result<String, Error> {
        let text = either!(&self.0, state => serde_json::to_string(state));
        text.map_err(|error| Error::Text { what: "the state", why: error.to_string() })
    }

    /// The state of JSON that `to_json` made.
    #[staticmethod]
    fn from_json(text: &str, double: bool) -> Result<Self, Error> {
        let refused = |error: serde_json::Error| Error::Text { what: "the state", why: error.to_string() };
        Ok(Self(match double {
            true => Either::Double(serde_json::from_str(text).map_err(refused)?),
            false => Either::Single(serde_json::from_str(text).map_err(refused)?),
        }))
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.name()
    }
}

/// Trials of one type of numbers, which any number of calls may use.
#[pyclass(frozen, module = "spikegrad._spikegrad")]
#[derive(Clone, Debug)]
pub(crate) struct Trials {
    pub(crate) trials: Either<Vec<Trial<f32>>, Vec<Trial<f64>>>,
    /// Samples of the longest one.
    pub(crate) samples: usize,
}

/// What trials are made of, as Python gives it.
struct Given<'a, 'py> {
    interval: f64,
    inputs: &'a Bound<'py, PyAny>,
    currents: Option<&'a Bound<'py, PyAny>>,
    events: Option<Vec<[Bound<'py, PyAny>; 3]>>,
    lengths: Option<Vec<usize>>,
    targets: Option<&'a Bound<'py, PyAny>>,
    labels: Option<&'a Bound<'py, PyAny>>,
    weights: Option<&'a Bound<'py, PyAny>>,
    target_spikes: Option<Vec<Vec<(f64, usize)>>>,
    initial: Option<&'a Bound<'py, PyAny>>,
    scale: Option<f64>,
}

#[pymethods]
impl Trials {
    #[new]
    #[pyo3(signature = (
        double, interval, inputs, *, currents=None, events=None, lengths=None, targets=None, labels=None, weights=None,
        target_spikes=None, initial=None, states=None, scale=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "the arguments of a function of Python, given by name")]
    fn new(
        double: bool,
        interval: f64,
        inputs: &Bound<'_, PyAny>,
        currents: Option<&Bound<'_, PyAny>>,
        events: Option<Vec<[Bound<'_, PyAny>; 3]>>,
        lengths: Option<Vec<usize>>,
        targets: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        weights: Option<&Bound<'_, PyAny>>,
        target_spikes: Option<Vec<Vec<(f64, usize)>>>,
        initial: Option<&Bound<'_, PyAny>>,
        states: Option<Vec<Bound<'_, State>>>,
        scale: Option<f64>,
    ) -> Result<Self, Error> {
        let given = Given {
            interval,
            inputs,
            currents,
            events,
            lengths,
            targets,
            labels,
            weights,
            target_spikes,
            initial,
            scale,
        };
        let states = states.unwrap_or_default();
        let wrong = |state: &State| Error::Type { expected: either_name(double), found: state.0.name() };
        if double {
            let states = states.iter().map(|state| match &state.get().0 {
                Either::Double(state) => Ok(state.clone()),
                Either::Single(_) => Err(wrong(state.get())),
            });
            let (trials, samples) = given.trials(&states.collect::<Result<Vec<_>, _>>()?)?;
            Ok(Self { trials: Either::Double(trials), samples })
        } else {
            let states = states.iter().map(|state| match &state.get().0 {
                Either::Single(state) => Ok(state.clone()),
                Either::Double(_) => Err(wrong(state.get())),
            });
            let (trials, samples) = given.trials(&states.collect::<Result<Vec<_>, _>>()?)?;
            Ok(Self { trials: Either::Single(trials), samples })
        }
    }

    fn __len__(&self) -> usize {
        either!(&self.trials, trials => trials.len())
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.trials.name()
    }

    #[getter]
    fn samples(&self) -> usize {
        self.samples
    }

    #[getter]
    fn lengths(&self) -> Vec<usize> {
        either!(&self.trials, trials => trials.iter().map(|trial| trial.samples).collect())
    }

    #[getter]
    fn interval(&self) -> f64 {
        either!(&self.trials, trials => trials.first().map_or(0.0, |trial| trial.interval))
    }
}

fn either_name(double: bool) -> &'static str {
    if double { f64::NAME } else { f32::NAME }
}

/// Refuses an array whose first axes are not those of the trials.
fn check_axes(what: &'static str, found: &[usize], expected: &[usize]) -> Result<(), Error> {
    if found.starts_with(expected) {
        return Ok(());
    }
    let expected = format!("give one whose shape begins with {expected:?}, as the inputs' does");
    Err(Error::Array { what, expected, found: format!("one of shape {found:?}") })
}

/// A row of an array for each trial, or one for all.
struct Rows<'a, T> {
    values: &'a [T],
    width: usize,
}

impl<T: Clone> Rows<'_, T> {
    /// The numbers of the first samples of a trial.
    fn of(&self, trial: usize, all: usize, samples: usize) -> Vec<T> {
        self.values[trial * all * self.width..][..samples * self.width].to_vec()
    }
}

/// The rows of an array, if there is one; the last axis is their width.
fn rows<'a, T: Float, D: Dimension>(
    what: &'static str,
    array: &'a Option<PyReadonlyArray<'_, T, D>>,
) -> Result<Option<Rows<'a, T>>, Error> {
    let Some(array) = array else { return Ok(None) };
    let width = array.as_array().shape().last().copied().unwrap_or(0);
    Ok(Some(Rows { values: numbers(what, array)?, width }))
}

impl<'py> Given<'_, 'py> {
    fn trials<T: Float>(self, states: &[NetworkState<T>]) -> Result<(Vec<Trial<T>>, usize), Error> {
        let inputs: Array3<'py, T> = array("inputs", self.inputs)?;
        let inputs_shape = inputs.as_array().shape().to_vec();
        let (count, samples) = (inputs_shape[0], inputs_shape[1]);
        let axes = [count, samples];
        let of_samples = |what, given: Option<&Bound<'py, PyAny>>| -> Result<_, Error> {
            let Some(given) = given else { return Ok(None) };
            let array: Array3<'py, T> = array(what, given)?;
            check_axes(what, array.as_array().shape(), &axes)?;
            Ok(Some(array))
        };
        let of_trials = |what, given: Option<&Bound<'py, PyAny>>, axes: &[usize]| -> Result<_, Error> {
            let Some(given) = given else { return Ok(None) };
            let array: Array2<'py, T> = array(what, given)?;
            check_axes(what, array.as_array().shape(), axes)?;
            Ok(Some(array))
        };
        let (currents, targets) =
            (of_samples("currents", self.currents)?, of_samples("targets", self.targets)?);
        let labels = of_trials("labels", self.labels, &axes[..1])?;
        let weights = of_trials("weights", self.weights, &axes)?;
        let initial = of_trials("initial", self.initial, &axes[..1])?;
        let lengths = self.lengths.unwrap_or_else(|| vec![samples; count]);
        if lengths.len() != count || lengths.iter().any(|&length| length == 0 || length > samples) {
            let why = format!("give one number between 1 and {samples} for each of {count} trials");
            return Err(Error::argument("lengths", why));
        }
        for (what, found) in [
            ("events", self.events.as_ref().map(Vec::len)),
            ("target_spikes", self.target_spikes.as_ref().map(Vec::len)),
            ("states", Some(states.len()).filter(|&found| found > 0)),
        ] {
            if found.is_some_and(|found| found != count) {
                return Err(Error::argument(what, format!("give one for each of {count} trials")));
            }
        }
        let input = Rows { values: numbers("inputs", &inputs)?, width: inputs_shape[2] };
        let (currents, targets) = (rows("currents", &currents)?, rows("targets", &targets)?);
        let (labels, weights) = (rows("labels", &labels)?, rows("weights", &weights)?);
        let initial = rows("initial", &initial)?;
        let mut trials = Vec::with_capacity(count);
        for (index, &length) in lengths.iter().enumerate() {
            let part =
                |given: &Option<Rows<'_, T>>| given.as_ref().map(|rows| rows.of(index, samples, length));
            let row = |given: &Option<Rows<'_, T>>| given.as_ref().map(|rows| rows.of(index, 1, 1));
            let weights = row(&weights).map(|mut weights| {
                weights.truncate(length);
                weights
            });
            let looked_at = weights.as_ref().map_or(length, |weights| {
                weights.iter().filter(|&&weight| weight != T::zero()).count().max(1)
            });
            let spikes = self.target_spikes.as_ref().map(|all| &all[index]);
            trials.push(Trial {
                inputs: input.of(index, samples, length),
                targets: part(&targets).unwrap_or_default(),
                weights: weights.unwrap_or_default(),
                currents: part(&currents).unwrap_or_default(),
                events: match &self.events {
                    Some(events) => given_events(&events[index]).map_err(|e| e.of_trial(index))?,
                    None => Vec::new(),
                },
                label: row(&labels).unwrap_or_default(),
                target_spikes: spikes
                    .into_iter()
                    .flatten()
                    .map(|&(time, neuron)| Spike { time, neuron, count: 1 })
                    .collect(),
                initial: row(&initial).map(|x| InitialState { x, s: Vec::new() }),
                state: states.get(index).cloned(),
                scale: self.scale.unwrap_or(self.interval * looked_at as f64),
                ..Trial::silent(length, self.interval, 0)
            });
        }
        Ok((trials, samples))
    }
}

/// Events of arrays of their times, channels and charges.
fn given_events<'py, T: Float>(events: &[Bound<'py, PyAny>; 3]) -> Result<Vec<Event<T>>, Error> {
    let [times, channels, charges] = events;
    let times: Array1<'py, f64> = array("times of events", times)?;
    let charges: Array1<'py, T> = array("charges of events", charges)?;
    let refused = |found: String| Error::Array {
        what: "channels of events",
        expected: "give an array of uint32 with one axis".into(),
        found,
    };
    let channels =
        channels.extract::<Array1<'py, u32>>().map_err(|_| refused(channels.get_type().to_string()))?;
    let (times, charges) = (numbers("times of events", &times)?, numbers("charges of events", &charges)?);
    let channels = numbers("channels of events", &channels)?;
    if times.len() != channels.len() || times.len() != charges.len() {
        let found = format!("{} channels and {} charges", channels.len(), charges.len());
        let expected = format!("give one of each for each of {} times", times.len());
        return Err(Error::Array { what: "events", expected, found });
    }
    let event = |((&time, &channel), &charge): ((&f64, &u32), &T)| Event { time, channel, charge };
    Ok(times.iter().zip(channels).zip(charges).map(event).collect())
}
