//! `spikegrad models`: the neuron models that settings may name, and their parameters.

use spikegrad::models::{Neuron, Parameter, for_each_model};

use crate::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One model; all of them without it
    #[arg(value_name = "MODEL")]
    model: Option<String>,
}

/// What there is to say of a model.
struct Model {
    name: &'static str,
    current: &'static str,
    variables: &'static [Parameter],
    /// Each parameter with its default.
    parameters: Vec<(&'static Parameter, f64)>,
}

fn of<N: Neuron + Default>() -> Model {
    let defaults = N::default().params();
    let parameters = N::PARAMETERS.iter().zip(defaults.as_ref().iter().copied()).collect();
    Model { name: N::NAME, current: N::CURRENT, variables: N::VARIABLES, parameters }
}

fn all() -> Vec<Model> {
    let mut all = Vec::new();
    macro_rules! push {
        ($module:ident, $neuron:ty) => {
            all.push(of::<$neuron>());
        };
    }
    for_each_model!(push);
    all
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let all = all();
    if let Some(name) = &args.model
        && !all.iter().any(|model| model.name == name)
    {
        let known: Vec<_> = all.iter().map(|model| model.name).collect();
        return Err(Error::together(name, format!("is no model; there are {}", known.join(", "))));
    }
    for model in all.iter().filter(|model| args.model.as_ref().is_none_or(|name| model.name == name)) {
        let unit = |unit: &str| if unit == "1" { String::new() } else { format!(" {unit}") };
        let variable = |variable: &Parameter| match variable.unit {
            "1" => variable.name.to_owned(),
            unit => format!("{} ({unit})", variable.name),
        };
        let variables: Vec<_> = model.variables.iter().map(variable).collect();
        say!("model = \"{}\"", model.name);
        say!("  state {}; current in {}", variables.join(", "), model.current);
        for (parameter, default) in &model.parameters {
            let domain = match (parameter.positive, parameter.below_one) {
                (true, true) => ", between 0 and 1",
                (true, false) => ", positive",
                _ => "",
            };
            say!("  {:10} {default}{}{domain}", parameter.name, unit(parameter.unit));
        }
    }
    Ok(())
}
