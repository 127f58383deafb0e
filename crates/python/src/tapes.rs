//! Runs without a loss, and their transposes: what stands between the layers of another program.

use std::sync::{Arc, Mutex};

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use rayon::prelude::*;
use spikegrad::network::{Gradients, KeptTape, Network, SplitStep, Trial};

use crate::arrays::{Array3, array, numbers, shaped};
use crate::error::Error;
use crate::float::{Either, Float, either};
use crate::pool::compute;

/// Trials whose gradients by the parameters are added one after the other, before those of the lanes are: the sum depends on this
/// number, and on no number of threads.
const LANES: usize = 8;

/// The runs of some trials, with the network that they were runs of.
#[derive(Debug)]
pub(crate) struct Runs<T: 'static> {
    network: Arc<Network<T>>,
    h: f64,
    tapes: Vec<KeptTape<T>>,
    /// Samples of each trial, of the longest one, and the number of events of each.
    lengths: Vec<usize>,
    samples: usize,
}

/// Derivatives by everything that trials were given.
struct Derivatives<T> {
    parameters: Vec<T>,
    inputs: Vec<T>,
    /// If they are asked for: these are the most numbers.
    currents: Option<Vec<T>>,
    charges: Vec<Vec<T>>,
}

/// Does the same with each, and returns the first error in the order of the trials.
fn first_error<R>(results: Vec<Result<R, Error>>) -> Result<Vec<R>, Error> {
    let trials = results.into_iter().enumerate();
    trials.map(|(trial, result)| result.map_err(|error| error.of_trial(trial))).collect()
}

impl<T: Float> Runs<T> {
    /// Runs every trial, and returns the outputs at the end of each sample, `trials x samples x outputs`, zero behind the end of a trial.
    pub(crate) fn forward(
        network: &Arc<Network<T>>,
        trials: &[Trial<T>],
        samples: usize,
        h: f64,
    ) -> Result<(Vec<T>, Self), Error> {
        let scheme = SplitStep::new(network, h)?;
        let run = |trial: &Trial<T>| {
            let (outputs, tape) = scheme.forward(trial.clone())?;
            Ok((outputs, tape.keep()))
        };
        let runs = first_error(trials.par_iter().map(run).collect())?;
        let width = samples * network.outputs();
        let mut outputs = vec![T::zero(); trials.len() * width];
        let mut tapes = Vec::with_capacity(trials.len());
        for (index, (of_trial, tape)) in runs.into_iter().enumerate() {
            outputs[index * width..][..of_trial.len()].copy_from_slice(&of_trial);
            tapes.push(tape);
        }
        let lengths = trials.iter().map(|trial| trial.samples).collect();
        Ok((outputs, Self { network: Arc::clone(network), h, tapes, lengths, samples }))
    }

    /// The derivatives by all that was given, of a program with derivatives `output_bar` by the outputs. The tapes can be gone over again.
    fn vjp(&mut self, output_bar: &[T], by_currents: bool) -> Result<Derivatives<T>, Error> {
        let Self { network, h, tapes, lengths, samples } = self;
        let network: &Network<T> = network;
        let (samples, outputs) = (*samples, network.outputs());
        let scheme = SplitStep::new(network, *h)?;
        let (count, lanes) = (tapes.len(), LANES.min(tapes.len()).max(1));
        let mut of_lanes: Vec<Vec<(usize, KeptTape<T>)>> = (0..lanes).map(|_| Vec::new()).collect();
        for (trial, tape) in tapes.drain(..).enumerate() {
            of_lanes[trial % lanes].push((trial, tape));
        }
        let back = |lane: Vec<(usize, KeptTape<T>)>| {
            let (mut sum, mut done) = (None::<Vec<T>>, Vec::with_capacity(lane.len()));
            for (trial, kept) in lane {
                // A tape of this very network and step does fit.
                let mut tape = match scheme.tape(kept) {
                    Ok(tape) => tape,
                    Err(error) => {
                        done.push((trial, None, Err(error.into())));
                        continue;
                    }
                };
                let bar = &output_bar[trial * samples * outputs..][..lengths[trial] * outputs];
                let gradient = tape.vjp(bar, None).map_err(Error::from).map(|gradients| {
                    let Gradients { parameters, inputs, currents, charges, .. } = gradients;
                    match &mut sum {
                        Some(sum) => {
                            sum.iter_mut().zip(parameters.values()).for_each(|(sum, &bar)| *sum += bar)
                        }
                        None => sum = Some(parameters.values().to_vec()),
                    }
                    (inputs, currents, charges)
                });
                done.push((trial, Some(tape.keep()), gradient));
            }
            (sum, done)
        };
        let of_lanes: Vec<_> = of_lanes.into_par_iter().map(back).collect();
        let mut parameters = vec![T::zero(); network.parameters.layout().len()];
        let mut of_trials: Vec<_> = (0..count).map(|_| None).collect();
        let mut kept: Vec<_> = (0..count).map(|_| None).collect();
        for (sum, done) in of_lanes {
            if let Some(sum) = sum {
                parameters.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
            }
            for (trial, tape, gradient) in done {
                (kept[trial], of_trials[trial]) = (tape, Some(gradient));
            }
        }
        *tapes = kept.into_iter().flatten().collect();
        let of_trials = first_error(of_trials.into_iter().flatten().collect())?;
        let (inputs, neurons) = (network.inputs(), network.neurons());
        let mut all = Derivatives {
            parameters,
            inputs: vec![T::zero(); count * samples * inputs],
            currents: by_currents.then(|| vec![T::zero(); count * samples * neurons]),
            charges: Vec::with_capacity(count),
        };
        for (trial, (by_inputs, by_currents, by_charges)) in of_trials.into_iter().enumerate() {
            all.inputs[trial * samples * inputs..][..by_inputs.len()].copy_from_slice(&by_inputs);
            if let Some(currents) = &mut all.currents {
                currents[trial * samples * neurons..][..by_currents.len()].copy_from_slice(&by_currents);
            }
            all.charges.push(by_charges);
        }
        Ok(all)
    }
}

/// The runs of some trials, to be gone back over as often as one likes. Any number of them may be there at once.
#[pyclass(frozen, module = "spikegrad._spikegrad")]
pub(crate) struct Tape(Mutex<Either<Runs<f32>, Runs<f64>>>);

impl Tape {
    pub(crate) fn new(runs: Either<Runs<f32>, Runs<f64>>) -> Self {
        Self(Mutex::new(runs))
    }
}

/// The derivatives by the parameters, the inputs, the currents and the charges.
type Arrays<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>, Vec<Bound<'py, PyAny>>);

fn vjp<'py, T: Float>(
    py: Python<'py>,
    runs: &mut Runs<T>,
    output_bar: &Bound<'py, PyAny>,
    by_currents: bool,
) -> PyResult<Arrays<'py>> {
    let output_bar: Array3<'py, T> = array("output_bar", output_bar)?;
    let (count, samples) = (runs.lengths.len(), runs.samples);
    let expected = [count, samples, runs.network.outputs()];
    if output_bar.as_array().shape() != expected {
        let found = format!("one of shape {:?}", output_bar.as_array().shape());
        let expected = format!("give an array of the shape of the outputs, {expected:?}");
        return Err(Error::Array { what: "output_bar", expected, found }.into());
    }
    if runs.tapes.len() != count {
        return Err(Error::Poisoned.into());
    }
    let values = numbers("output_bar", &output_bar)?;
    let all = compute(py, || runs.vjp(values, by_currents))??;
    let (inputs, neurons) = (runs.network.inputs(), runs.network.neurons());
    let parameters = all.parameters.len();
    let any = |array: Bound<'py, PyArrayDyn<T>>| array.into_any();
    Ok((
        any(shaped(py, all.parameters, &[parameters])?),
        any(shaped(py, all.inputs, &[count, samples, inputs])?),
        all.currents.map(|currents| shaped(py, currents, &[count, samples, neurons]).map(any)).transpose()?,
        all.charges
            .into_iter()
            .map(|charges| {
                let len = charges.len();
                shaped(py, charges, &[len]).map(any)
            })
            .collect::<PyResult<_>>()?,
    ))
}

#[pymethods]
impl Tape {
    /// Turns derivatives by the outputs into those by the parameters (one flat vector), the inputs, the currents and the charges.
    #[pyo3(signature = (output_bar, by_currents=true))]
    fn vjp<'py>(
        &self,
        py: Python<'py>,
        output_bar: &Bound<'py, PyAny>,
        by_currents: bool,
    ) -> PyResult<Arrays<'py>> {
        // Another thread that goes back over the same tape must not wait while it is attached.
        let mut runs = self.0.try_lock().map_err(|_| {
            Error::argument(
                "the tape",
                "another thread goes back over it now: give each thread a tape of its own",
            )
        })?;
        either!(&mut *runs, runs => vjp(py, runs, output_bar, by_currents))
    }

    #[getter]
    fn dtype(&self) -> PyResult<&'static str> {
        Ok(self.0.try_lock().map_err(|_| Error::Poisoned)?.name())
    }
}
