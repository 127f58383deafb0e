//! A population as its network is assembled: its model, its values in the model's order, and its units.

use std::collections::BTreeMap;
use std::ops::Range;

use spikegrad_integrators::tableau;
use spikegrad_models::{GateShape, Reset};

use crate::Error;
use crate::kernels::ARCH;
use crate::populations::{Context, GateSpec, ModelLoops, Offsets, PopulationSpec, variable_names};

/// A population with its model, and its values in the model's order.
pub(crate) struct Ready<'a> {
    pub(crate) spec: &'a PopulationSpec,
    pub(crate) loops: ModelLoops,
    pub(crate) parameters: Vec<f64>,
    pub(crate) variables: Vec<String>,
    pub(crate) rest: Vec<f64>,
}

impl<'a> Ready<'a> {
    pub(crate) fn new(spec: &'a PopulationSpec, loops: Option<ModelLoops>) -> Result<Self, Error> {
        let Some(loops) = loops else {
            return Err(Error::ModelName { population: spec.name.clone(), model: spec.model.clone() });
        };
        let model = loops.of::<f64>();
        let names: Vec<_> = model.parameters().iter().map(|p| p.name.to_owned()).collect();
        let of = || format!("population `{}`", spec.name);
        let parameters = in_order(of, &names, &spec.parameters)?;
        let variables = variable_names(model);
        let rest = match &spec.rest {
            Some(rest) => in_order(of, &variables, rest)?,
            None => model.rest(&parameters),
        };
        Ok(Self { spec, loops, parameters, variables, rest })
    }

    /// What the loops of a population that is in no network yet need to know, to ask its model.
    pub(crate) fn probe(&self) -> Context<'_, f64> {
        Context {
            arch: *ARCH,
            h: 1.0,
            tableau: tableau::EULER,
            exponential: None,
            parameters: &self.parameters,
            conductance: &[],
            per_neuron: false,
            shape: self.gate().shape,
            width: self.gate().width,
            growth: None,
            offsets: Offsets::default(),
        }
    }

    /// The gate, or one that is never asked.
    pub(crate) fn gate(&self) -> GateSpec {
        self.spec.gate.unwrap_or(GateSpec { shape: GateShape::Box, width: 1.0 })
    }

    /// Whether the neurons ever spike.
    pub(crate) fn spikes(&self) -> bool {
        !matches!(self.loops.of::<f64>().reset(&self.probe(), 0), Reset::Never)
    }

    /// The model's unit of voltage.
    pub(crate) fn voltage(&self) -> &'static str {
        self.loops.of::<f64>().variables().first().map_or("1", |variable| variable.unit)
    }
}

/// The values of these names; every one, and no other.
pub(crate) fn in_order(
    of: impl Fn() -> String,
    names: &[String],
    values: &BTreeMap<String, f64>,
) -> Result<Vec<f64>, Error> {
    let known = || if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    if let Some(name) = values.keys().find(|name| !names.contains(name)) {
        return Err(Error::UnknownValue { of: of(), name: name.clone(), known: known() });
    }
    if let Some(name) = names.iter().find(|name| !values.contains_key(*name)) {
        return Err(Error::MissingValue { of: of(), name: name.clone(), known: known() });
    }
    Ok(names.iter().filter_map(|name| values.get(name).copied()).collect())
}

/// The unit of weights onto neurons with currents of this unit: a trace is a rate in 1/ms.
pub(crate) fn weight_unit(current: &str) -> String {
    match current.strip_suffix("/ms") {
        Some(of) => of.to_owned(),
        None if current == "1" => "ms".to_owned(),
        None => format!("{current} ms"),
    }
}

/// The unit of the currents of some neurons, `various` where their models differ.
pub(crate) fn current_unit(ready: &[Ready<'_>], neurons: Range<usize>) -> &'static str {
    unit_of(ready, neurons, |population| population.loops.of::<f64>().current())
}

/// The unit of some neurons, `various` where their models differ.
fn unit_of(
    ready: &[Ready<'_>],
    neurons: Range<usize>,
    of: impl Fn(&Ready<'_>) -> &'static str,
) -> &'static str {
    let mut start = 0_usize;
    let mut unit = None;
    for population in ready {
        let end = start.saturating_add(population.spec.size);
        if start < neurons.end && neurons.start < end {
            let current = of(population);
            match unit {
                Some(other) if other != current => return "various",
                _ => unit = Some(current),
            }
        }
        start = end;
    }
    unit.unwrap_or("1")
}

/// The unit of the voltages of some neurons, `various` where their models differ.
pub(crate) fn voltage_unit(ready: &[Ready<'_>], neurons: Range<usize>) -> &'static str {
    unit_of(ready, neurons, |population| population.voltage())
}
