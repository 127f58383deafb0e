//! Recordings as dictionaries of arrays.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;
use serde::Deserialize;
use spikegrad::network::{Network, NoLoss, Probes, Recording, SplitStep, Trial};
use spikegrad::tasks::LossSettings;

use crate::arrays::shaped;
use crate::error::Error;
use crate::float::{Either, Float};
use crate::pool::compute;
use crate::trials::State;

/// What is recorded. What is not named is not.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    voltages: Neurons,
    currents: Neurons,
    spikes: Neurons,
    traces: Vec<String>,
    synaptic_currents: Vec<String>,
    outputs: bool,
    every: usize,
}

/// Neurons by their numbers.
type Neurons = Vec<usize>;

impl Wanted {
    fn probes(&self) -> Probes {
        let probes = Probes::default()
            .voltages(self.voltages.iter().copied())
            .currents(self.currents.iter().copied())
            .spikes(self.spikes.iter().copied())
            .every(self.every);
        let probes = self.traces.iter().fold(probes, |probes, name| probes.traces(name));
        let probes =
            self.synaptic_currents.iter().fold(probes, |probes, name| probes.synaptic_currents(name));
        if self.outputs { probes.outputs() } else { probes }
    }
}

/// Does the same with each trial on all threads, and returns the first error in the order of the trials.
fn each<T: Float, R: Send>(
    trials: &[Trial<T>],
    work: impl Fn(&Trial<T>) -> Result<R, Error> + Sync + Send,
) -> Result<Vec<R>, Error> {
    let results: Vec<_> = trials.par_iter().map(work).collect();
    let results = results.into_iter().enumerate();
    results.map(|(trial, result)| result.map_err(|error| error.of_trial(trial))).collect()
}

/// Whether the trials have series of targets.
fn is_series<T: Float>(trials: &[Trial<T>]) -> bool {
    trials.first().is_some_and(|trial| !trial.targets.is_empty())
}

/// Runs the trials and records what is wanted.
pub(crate) fn run<'py, T: Held>(
    py: Python<'py>,
    network: &Network<T>,
    trials: &[Trial<T>],
    h: f64,
    loss: Option<&LossSettings>,
    wanted: &str,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let refused = |error: serde_json::Error| Error::Text { what: "the probes", why: error.to_string() };
    let wanted: Wanted = serde_json::from_str(wanted).map_err(refused)?;
    let loss =
        loss.map(|loss| loss.loss::<T>(network, is_series(trials))).transpose().map_err(Error::from)?;
    let probes = wanted.probes();
    let recordings = compute(py, || -> Result<_, Error> {
        let scheme = SplitStep::new(network, h)?;
        each(trials, |trial| {
            let run = match &loss {
                Some(loss) => scheme.run(trial, loss)?,
                None => scheme.run(trial, &NoLoss)?,
            };
            Ok(run.probe(&probes)?)
        })
    })??;
    let has_cost = loss.is_some();
    recordings.into_iter().map(|recording| dictionary(py, network, recording, &wanted, has_cost)).collect()
}

/// What the loss reads from the run of each trial.
pub(crate) fn read<'py, T: Held>(
    py: Python<'py>,
    network: &Network<T>,
    trials: &[Trial<T>],
    h: f64,
    loss: &LossSettings,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let reading = loss.reading(network, is_series(trials)).map_err(Error::from)?;
    let probes = Probes::default().outputs().spikes(0..network.neurons());
    let scores = compute(py, || -> Result<_, Error> {
        let scheme = SplitStep::new(network, h)?;
        each(trials, |trial| Ok(reading.read(trial, &scheme.run(trial, &NoLoss)?.probe(&probes)?)))
    })??;
    let array = |scores: Vec<f64>| {
        let len = scores.len();
        shaped(py, scores, &[len]).map(Bound::into_any)
    };
    scores.into_iter().map(array).collect()
}

/// Numbers whose states Python can hold.
pub(crate) trait Held: Float {
    /// The state, for Python.
    fn held(state: spikegrad::network::NetworkState<Self>) -> State;
}

impl Held for f32 {
    fn held(state: spikegrad::network::NetworkState<Self>) -> State {
        State(Either::Single(state))
    }
}

impl Held for f64 {
    fn held(state: spikegrad::network::NetworkState<Self>) -> State {
        State(Either::Double(state))
    }
}

/// A recording by the names of its parts.
fn dictionary<'py, T: Held>(
    py: Python<'py>,
    network: &Network<T>,
    recording: Recording<T>,
    wanted: &Wanted,
    has_cost: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let found = PyDict::new(py);
    let points = recording.time.len();
    let rows = |values: Vec<T>| {
        let width = values.len().checked_div(points).unwrap_or(0);
        shaped(py, values, &[points, width])
    };
    let named = |traces: Vec<Vec<T>>, names: &[String]| -> PyResult<_> {
        let by_name = PyDict::new(py);
        for (name, trace) in network.projections().zip(traces) {
            if names.iter().any(|wanted| wanted == name) {
                by_name.set_item(name, rows(trace)?)?;
            }
        }
        Ok(by_name)
    };
    let number = |x: T| -> f64 { x.to_subset_unchecked() };
    found.set_item("cost", has_cost.then(|| number(recording.cost)))?;
    found.set_item("time", shaped(py, recording.time.clone(), &[points])?)?;
    found.set_item("voltages", rows(recording.v)?)?;
    found.set_item("currents", rows(recording.current)?)?;
    found.set_item("outputs", rows(recording.output)?)?;
    found.set_item("traces", named(recording.s, &wanted.traces)?)?;
    found.set_item("synaptic_currents", named(recording.synaptic_current, &wanted.synaptic_currents)?)?;
    let spikes = recording.spikes.len();
    let times = recording.spikes.iter().map(|spike| spike.time).collect();
    let neurons = recording.spikes.iter().map(|spike| spike.neuron as i64).collect();
    let counts = recording.spikes.iter().map(|spike| spike.count.min(i64::MAX as u64) as i64).collect();
    found.set_item("spike_times", shaped::<f64>(py, times, &[spikes])?)?;
    found.set_item("spike_neurons", shaped::<i64>(py, neurons, &[spikes])?)?;
    found.set_item("spike_counts", shaped::<i64>(py, counts, &[spikes])?)?;
    let events = PyDict::new(py);
    events.set_item("spikes", recording.events.spikes)?;
    events.set_item("grazing_spikes", recording.events.grazing_spikes)?;
    events.set_item("crossings", recording.events.crossings)?;
    events.set_item("short_crossings", recording.events.short_crossings)?;
    found.set_item("events", events)?;
    found.set_item("state", Bound::new(py, T::held(recording.state))?)?;
    Ok(found.into_any())
}
