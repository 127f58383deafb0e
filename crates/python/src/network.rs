//! The network as Python holds it: a network of either type that calls share, and that is replaced as a whole where it changes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use spikegrad::models::GateShape;
use spikegrad::network::{Domain, Initialisation, Network, NetworkSpec, SplitStep};
use spikegrad::tasks::{Batch, LossSettings, load, save};
use spikegrad_nir::{Graph, export, import};

use crate::arrays::{Array1, array, numbers, shaped};
use crate::changes::{Change, Freeze, Initialise, Mask, Project, Train, group};
use crate::check;
use crate::error::Error;
use crate::float::{Either, Float, both, either};
use crate::losses;
use crate::pool::compute;
use crate::recordings;
use crate::tapes::{Runs, Tape};
use crate::training;
use crate::trials::Trials;

type Networks = Either<Arc<Network<f32>>, Arc<Network<f64>>>;
type Workspaces = Either<Batch<f32>, Batch<f64>>;

/// A network of either type.
#[pyclass(frozen, module = "spikegrad._spikegrad", name = "Core")]
pub(crate) struct Core {
    network: Mutex<Networks>,
    /// What the last gradient was computed in, for the next one.
    workspace: Mutex<Option<Workspaces>>,
}

/// A parameter: its name, shape, unit, domain, and whether it is trained.
type Described = (String, Vec<usize>, String, &'static str, bool);

/// A name, and the range that it is for.
type Ranged = (String, usize, usize);

impl Core {
    fn of(network: Networks) -> Self {
        Self { network: Mutex::new(network), workspace: Mutex::new(None) }
    }

    /// The network as it is now. Nothing changes it: changes replace it.
    fn now(&self) -> Networks {
        self.network.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the network, unless the change is refused.
    fn change<R>(&self, change: impl Change<R>) -> Result<R, Error> {
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *network {
            Either::Single(network) => change.make(network),
            Either::Double(network) => change.make(network),
        }
    }
}

/// Writes numbers to a range of the flat vector of parameters.
fn write<T: Float>(
    network: &mut Arc<Network<T>>,
    name: Option<&str>,
    given: &Bound<'_, PyAny>,
) -> Result<(), Error> {
    let values: Array1<'_, T> = array("values", given)?;
    let values = numbers("values", &values)?;
    let range = match name {
        Some(name) => network.parameters.layout().find(name)?.range.clone(),
        None => 0..network.parameters.layout().len(),
    };
    if range.len() != values.len() {
        let (expected, found) = (format!("give {} numbers", range.len()), values.len().to_string());
        return Err(Error::Array { what: "values", expected, found });
    }
    Arc::make_mut(network).parameters.values_mut()[range].copy_from_slice(values);
    Ok(())
}

/// The words for a domain.
fn domain(domain: Domain) -> &'static str {
    match domain {
        Domain::Any => "any",
        Domain::Positive => "positive",
        Domain::Fraction => "fraction",
        Domain::NotNegative => "not negative",
        Domain::SignOfNeuron => "sign of neuron",
        Domain::Zone => "zone",
        Domain::BelowThreshold => "below threshold",
        _ => "other",
    }
}

fn described<T: Float>(network: &Network<T>) -> Vec<Described> {
    let all = network.named_parameters();
    all.map(|p| (p.name.to_owned(), p.shape.to_vec(), p.unit.to_owned(), domain(p.domain), p.trained))
        .collect()
}

/// The description of a text in TOML, which is it or, as the settings of a training, has it in its table `network`.
fn spec_of_toml(text: &str) -> Result<NetworkSpec, toml::de::Error> {
    match toml::from_str::<toml::Table>(text)?.remove("network") {
        Some(network) => network.try_into(),
        // Read as it stands, so that a mistake is told with its line.
        None => toml::from_str(text),
    }
}

/// The mean cost, its gradient, and the cost of each trial or why it has none.
type BatchGradient<'py> = (f64, Bound<'py, PyAny>, Vec<Result<f64, String>>);

/// The gradient of a batch: its mean cost, the gradient by all parameters, and the cost of each trial or why it has none.
fn gradient<'py, T: Float>(
    py: Python<'py>,
    network: &Arc<Network<T>>,
    trials: &[spikegrad::network::Trial<T>],
    (h, loss): (f64, &LossSettings),
    batch: &mut Batch<T>,
) -> PyResult<BatchGradient<'py>> {
    let series = trials.first().is_some_and(|trial| !trial.targets.is_empty());
    let loss = loss.loss(network, series).map_err(Error::from)?;
    let (result, gradient) = compute(py, || -> Result<_, Error> {
        let scheme = SplitStep::new(network, h)?;
        let mut gradient = network.parameters.zeros_like();
        let result = batch.gradient(&scheme, trials, &loss, None, &mut gradient)?;
        Ok((result, gradient.values().to_vec()))
    })??;
    let number = |x: T| -> f64 { x.to_subset_unchecked() };
    let costs = result.trials.into_iter().map(|trial| trial.cost.map(number).map_err(|why| why.to_string()));
    let len = gradient.len();
    Ok((number(result.cost), shaped(py, gradient, &[len])?.into_any(), costs.collect()))
}

#[pymethods]
impl Core {
    /// A network of a description in JSON or TOML.
    #[new]
    fn new(text: &str, toml: bool, double: bool) -> Result<Self, Error> {
        let what = "the description of the network";
        let refused = |why: String| Error::Text { what, why };
        let spec: NetworkSpec = match toml {
            true => spec_of_toml(text).map_err(|error| refused(error.to_string()))?,
            false => serde_json::from_str(text).map_err(|error| refused(error.to_string()))?,
        };
        let network = spec.build()?;
        Ok(Self::of(match double {
            true => Either::Double(Arc::new(network)),
            false => Either::Single(Arc::new(network.to_f32())),
        }))
    }

    /// The network of a file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, double: bool) -> Result<Self, Error> {
        py.detach(|| {
            Ok(Self::of(match double {
                true => Either::Double(Arc::new(load(&path)?)),
                false => Either::Single(Arc::new(load(&path)?)),
            }))
        })
    }

    /// The network of a graph of NIR, whose neurons get gates of a shape and a width.
    #[staticmethod]
    fn from_nir(bytes: &[u8], shape: &str, width: f64, double: bool) -> Result<Self, Error> {
        let shape = GateShape::ALL.into_iter().find(|known| known.name() == shape).ok_or_else(|| {
            let known = GateShape::ALL.map(GateShape::name).join(", ");
            Error::argument(format!("gate {shape}"), format!("there is none: choose one of {known}"))
        })?;
        let network = import(&Graph::from_bytes(bytes)?, shape, width)?;
        Ok(Self::of(match double {
            true => Either::Double(Arc::new(network)),
            false => Either::Single(Arc::new(network.to_f32())),
        }))
    }

    /// The network as the bytes of a graph of NIR, and what is not in it.
    fn to_nir<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyBytes>, Vec<String>), Error> {
        let exported = either!(&self.now(), network => export(&network.to_f64()))?;
        Ok((PyBytes::new(py, &exported.graph.to_bytes()?), exported.notes))
    }

    /// Writes the network to a file, whole or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> Result<(), Error> {
        let network = self.now();
        py.detach(|| either!(&network, network => Ok(save(network, &path)?)))
    }

    /// A copy, in the same type or the other one.
    fn copy(&self, double: bool) -> Self {
        Self::of(match (self.now(), double) {
            (Either::Single(network), true) => Either::Double(Arc::new(network.to_f64())),
            (Either::Double(network), false) => Either::Single(Arc::new(network.to_f32())),
            (network, _) => network,
        })
    }

    /// The description as JSON, with the values that the parameters have now.
    fn spec(&self) -> Result<String, Error> {
        let text = either!(&self.now(), network => serde_json::to_string(&network.spec()));
        text.map_err(|error| Error::Text { what: "the description of the network", why: error.to_string() })
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.now().name()
    }

    #[getter]
    fn neurons(&self) -> usize {
        either!(&self.now(), network => network.neurons())
    }

    #[getter]
    fn membrane(&self) -> usize {
        either!(&self.now(), network => network.membrane())
    }

    #[getter]
    fn inputs(&self) -> usize {
        either!(&self.now(), network => network.inputs())
    }

    #[getter]
    fn outputs(&self) -> usize {
        either!(&self.now(), network => network.outputs())
    }

    #[getter]
    fn channels(&self) -> usize {
        either!(&self.now(), network => network.channels())
    }

    fn populations(&self) -> Vec<Ranged> {
        let ranged =
            |(name, range): (&str, std::ops::Range<usize>)| (name.to_owned(), range.start, range.end);
        either!(&self.now(), network => network.populations().map(ranged).collect())
    }

    fn readouts(&self) -> Vec<Ranged> {
        let ranged =
            |(name, range): (&str, std::ops::Range<usize>)| (name.to_owned(), range.start, range.end);
        either!(&self.now(), network => network.readouts().map(ranged).collect())
    }

    fn projections(&self) -> Vec<String> {
        either!(&self.now(), network => network.projections().map(str::to_owned).collect())
    }

    /// The connections `(post, pre)` of a sparse projection, in the order of its weights.
    fn connections(&self, projection: &str) -> Result<Option<Vec<(usize, usize)>>, Error> {
        either!(&self.now(), network => {
            let found = network.projections().position(|name| name == projection).ok_or_else(|| {
                let known = network.projections().collect::<Vec<_>>().join(", ");
                Error::argument(format!("projection {projection}"), format!("there is none: choose one of {known}"))
            })?;
            Ok(network.connections(found).map(|list| list.pairs().collect()))
        })
    }

    fn parameters(&self) -> Vec<Described> {
        either!(&self.now(), network => described(network))
    }

    /// The names of the groups, each with the names of its parameters.
    fn groups(&self) -> Vec<(String, Vec<String>)> {
        either!(&self.now(), network => {
            let layout = network.parameters.layout();
            let parts = |group| {
                let names = layout.names().iter().filter(move |named| named.group == group);
                names.map(|named| named.name.clone()).collect()
            };
            layout.entries().iter().map(|entry| (entry.name.clone(), parts(entry.group))).collect()
        })
    }

    /// Where each parameter lies in the flat vector, by its name.
    fn ranges(&self) -> Vec<Ranged> {
        either!(&self.now(), network => {
            let names = network.parameters.layout().names().iter();
            names.map(|named| (named.name.clone(), named.range.start, named.range.end)).collect()
        })
    }

    /// The numbers of a parameter, or of all, column-major.
    fn get<'py>(&self, py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        either!(&self.now(), network => {
            let values = match name {
                Some(name) => network.parameters.get(name).map_err(Error::from)?,
                None => network.parameters.values(),
            };
            Ok(shaped(py, values.to_vec(), &[values.len()])?.into_any())
        })
    }

    /// Sets the numbers of a parameter, or of all, column-major.
    fn set(&self, name: Option<&str>, values: &Bound<'_, PyAny>) -> Result<(), Error> {
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        either!(&mut *network, network => write(network, name, values))
    }

    /// A network like this one with other numbers.
    fn with_values(&self, values: &Bound<'_, PyAny>) -> Result<Self, Error> {
        let mut network = self.now();
        either!(&mut network, network => write(network, None, values))?;
        Ok(Self::of(network))
    }

    /// Refuses parameters out of their domains, and weights of the wrong sign.
    fn validate(&self) -> Result<(), Error> {
        either!(&self.now(), network => {
            network.validate()?;
            Ok(network.check_signs()?)
        })
    }

    /// Puts parameters that a step took out of their joint domains back.
    fn project(&self) -> Result<(), Error> {
        self.change(Project)
    }

    /// Trains the groups of these names from now on, or does not.
    fn train_groups(&self, names: Vec<String>, trains: bool) -> Result<(), Error> {
        self.change(Train { names: &names, trains })
    }

    /// Whether each entry of a group exists, column-major, if not all do.
    fn mask(&self, name: &str) -> Result<Option<Vec<bool>>, Error> {
        either!(&self.now(), network => Ok(network.mask(group(network, name)?).map(<[bool]>::to_vec)))
    }

    fn set_mask(&self, name: &str, exists: Vec<bool>) -> Result<(), Error> {
        self.change(Mask { name, exists: &exists })
    }

    fn set_frozen_entries(&self, name: &str, frozen: Vec<bool>) -> Result<(), Error> {
        self.change(Freeze { name, frozen: &frozen })
    }

    /// Draws weights and tonic currents.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a function of Python, given by name")]
    fn initialise(
        &self,
        rate: f64,
        spread: f64,
        gain: f64,
        input: f64,
        readout: f64,
        h: f64,
        seed: u64,
    ) -> Result<(), Error> {
        self.change(Initialise { how: Initialisation { rate, spread, gain, input, readout, h }, seed })
    }

    /// Runs the trials and records what the probes ask for: a dictionary for each trial.
    fn run<'py>(
        &self,
        py: Python<'py>,
        trials: &Trials,
        h: f64,
        loss: Option<&str>,
        probes: &str,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let loss = loss.map(losses::read).transpose()?;
        both!(self.now(), &trials.trials, (network, trials) => {
            recordings::run(py, &network, trials, h, loss.as_ref(), probes)
        })
    }

    /// What a loss reads from each trial: the scores of classes, values, or outputs.
    fn read<'py>(
        &self,
        py: Python<'py>,
        trials: &Trials,
        h: f64,
        loss: &str,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let loss = losses::read(loss)?;
        both!(self.now(), &trials.trials, (network, trials) => {
            recordings::read(py, &network, trials, h, &loss)
        })
    }

    /// Runs the trials without a loss: outputs, and the tape to go back over.
    fn forward<'py>(&self, py: Python<'py>, trials: &Trials, h: f64) -> PyResult<(Bound<'py, PyAny>, Tape)> {
        let samples = trials.samples;
        match (self.now(), &trials.trials) {
            (Either::Single(network), Either::Single(trials)) => {
                let shape = [trials.len(), samples, network.outputs()];
                let (outputs, runs) = compute(py, || Runs::forward(&network, trials, samples, h))??;
                Ok((shaped(py, outputs, &shape)?.into_any(), Tape::new(Either::Single(runs))))
            }
            (Either::Double(network), Either::Double(trials)) => {
                let shape = [trials.len(), samples, network.outputs()];
                let (outputs, runs) = compute(py, || Runs::forward(&network, trials, samples, h))??;
                Ok((shaped(py, outputs, &shape)?.into_any(), Tape::new(Either::Double(runs))))
            }
            (network, trials) => Err(Error::Type { expected: network.name(), found: trials.name() }.into()),
        }
    }

    /// The mean cost, its gradient by all parameters, and the cost of each trial or why it has none.
    #[allow(clippy::type_complexity, reason = "a tuple of Python")]
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        trials: &Trials,
        h: f64,
        loss: &str,
    ) -> PyResult<(f64, Bound<'py, PyAny>, Vec<(Option<f64>, Option<String>)>)> {
        let loss = losses::read(loss)?;
        // Another thread that computes a gradient now gets a workspace of its own.
        let before = self.workspace.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (result, workspace) = match (self.now(), &trials.trials) {
            (Either::Single(network), Either::Single(trials)) => {
                let mut batch = match before {
                    Some(Either::Single(batch)) => batch,
                    _ => Batch::default(),
                };
                let result = gradient(py, &network, trials, (h, &loss), &mut batch);
                (result, Either::Single(batch))
            }
            (Either::Double(network), Either::Double(trials)) => {
                let mut batch = match before {
                    Some(Either::Double(batch)) => batch,
                    _ => Batch::default(),
                };
                let result = gradient(py, &network, trials, (h, &loss), &mut batch);
                (result, Either::Double(batch))
            }
            (network, trials) => {
                return Err(Error::Type { expected: network.name(), found: trials.name() }.into());
            }
        };
        *self.workspace.lock().unwrap_or_else(PoisonError::into_inner) = Some(workspace);
        let (cost, gradient, costs) = result?;
        let costs = costs.into_iter().map(|cost| match cost {
            Ok(cost) => (Some(cost), None),
            Err(why) => (None, Some(why)),
        });
        Ok((cost, gradient, costs.collect()))
    }

    #[allow(clippy::too_many_arguments, reason = "the arguments of a function of Python")]
    /// The gradient check in double precision: whether it passed, the report in words, and as JSON.
    fn check(
        &self,
        py: Python<'_>,
        trials: &Trials,
        h: f64,
        loss: &str,
        directions: usize,
        discarded: f64,
        seed: u64,
    ) -> PyResult<(bool, String, String)> {
        let loss = losses::read(loss)?;
        both!(self.now(), &trials.trials, (network, trials) => {
            let checked = check::Settings { h, directions, discarded, seed };
            Ok(compute(py, || check::check(&network, trials, &loss, &checked))??)
        })
    }

    /// The report on the network's health: in words, its findings, and as JSON.
    fn health(
        &self,
        py: Python<'_>,
        trials: &Trials,
        held_out: Option<&Trials>,
        loss: &str,
        options: &str,
    ) -> PyResult<(String, Vec<String>, String)> {
        let (loss, options) = (losses::read(loss)?, training::Options::read(options)?);
        match (self.now(), &trials.trials, held_out.map(|trials| &trials.trials)) {
            (Either::Single(network), Either::Single(trials), None) => {
                Ok(compute(py, || check::health(&network, trials, &[], &loss, &options))??)
            }
            (Either::Single(network), Either::Single(trials), Some(Either::Single(held_out))) => {
                Ok(compute(py, || check::health(&network, trials, held_out, &loss, &options))??)
            }
            (Either::Double(network), Either::Double(trials), None) => {
                Ok(compute(py, || check::health(&network, trials, &[], &loss, &options))??)
            }
            (Either::Double(network), Either::Double(trials), Some(Either::Double(held_out))) => {
                Ok(compute(py, || check::health(&network, trials, held_out, &loss, &options))??)
            }
            (network, trials, held_out) => {
                let wrong = held_out.map(Either::name).filter(|&name| name != network.name());
                let found = wrong.unwrap_or(trials.name());
                Err(Error::Type { expected: network.name(), found }.into())
            }
        }
    }

    /// Trains the network, which changes when training ends, for whatever reason. `watch` is called after every iteration with what it
    /// did, as JSON, and ends training by returning true. Returns the history as JSON.
    fn train(
        &self,
        py: Python<'_>,
        trials: &Trials,
        validation: Option<&Trials>,
        loss: &str,
        options: &str,
        watch: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let (loss, options) = (losses::read(loss)?, training::Options::read(options)?);
        let validation = validation.map(|trials| &trials.trials);
        let (trained, history) = match (self.now(), &trials.trials, validation) {
            (Either::Single(network), Either::Single(trials), None) => {
                let (network, history) =
                    training::train(py, &network, (trials, &[]), &loss, &options, watch.as_ref())?;
                (Either::Single(network), history)
            }
            (Either::Single(network), Either::Single(trials), Some(Either::Single(validation))) => {
                let (network, history) =
                    training::train(py, &network, (trials, validation), &loss, &options, watch.as_ref())?;
                (Either::Single(network), history)
            }
            (Either::Double(network), Either::Double(trials), None) => {
                let (network, history) =
                    training::train(py, &network, (trials, &[]), &loss, &options, watch.as_ref())?;
                (Either::Double(network), history)
            }
            (Either::Double(network), Either::Double(trials), Some(Either::Double(validation))) => {
                let (network, history) =
                    training::train(py, &network, (trials, validation), &loss, &options, watch.as_ref())?;
                (Either::Double(network), history)
            }
            (network, trials, validation) => {
                let wrong = validation.map(Either::name).filter(|&name| name != network.name());
                let found = wrong.unwrap_or(trials.name());
                return Err(Error::Type { expected: network.name(), found }.into());
            }
        };
        // What was learned is kept, also where training was interrupted or failed.
        *self.network.lock().unwrap_or_else(PoisonError::into_inner) = trained;
        history
    }
}
