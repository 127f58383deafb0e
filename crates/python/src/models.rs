//! The neuron models, for descriptions that leave their parameters out.

use std::collections::BTreeMap;

use spikegrad::models::{Neuron, for_each_model, for_each_neuron};

/// The parameters that a model begins with by their names, and whether it spikes.
pub(crate) type Model = (BTreeMap<&'static str, f64>, bool);

/// Every model by its name.
pub(crate) fn models() -> BTreeMap<&'static str, Model> {
    let mut all = BTreeMap::new();
    macro_rules! add {
        ($module:ident, $neuron:ty) => {{
            let values = <$neuron>::default().params();
            let names = <$neuron as Neuron>::PARAMETERS.iter().map(|parameter| parameter.name);
            let values: &[f64] = values.as_ref();
            all.insert(<$neuron as Neuron>::NAME, (names.zip(values.iter().copied()).collect(), false));
        }};
    }
    for_each_model!(add);
    macro_rules! spikes {
        ($module:ident, $neuron:ty) => {
            if let Some((_, spikes)) = all.get_mut(<$neuron as Neuron>::NAME) {
                *spikes = true;
            }
        };
    }
    for_each_neuron!(spikes);
    all
}
