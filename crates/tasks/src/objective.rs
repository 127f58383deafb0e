//! A network's cost and gradient as an objective of the gradient check.

use spikegrad_adjoint::{BoxError, CheckedGroup, Objective, Sweep};
use spikegrad_integrators::{EventLog, Method, Tableau};
use spikegrad_network::{Loss, Network, PlainStep, PlainTape, SplitStep, SplitTape, Trial};

/// A scheme to check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scheme {
    /// [`SplitStep`] with this method for all neurons, or with that which each model names.
    Split(Option<Method>),
    /// [`PlainStep`] with this method.
    Plain(Tableau),
}

impl Default for Scheme {
    fn default() -> Self {
        Self::Split(None)
    }
}

/// The cost of a network on one trial, to be given to a [`GradientCheck`](spikegrad_adjoint::GradientCheck). The groups
/// checked are the network's trainable ones.
///
/// ```
/// use spikegrad_adjoint::GradientCheck;
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::{Network, Population, Trial};
/// use spikegrad_tasks::{NetworkObjective, QuadraticLoss, Scheme};
///
/// let mut network = Network::builder()
///     .population(Population::new("theta", Theta::default(), 3, GateShape::RaisedCosine, 0.3))
///     .synapse("slow", 20.0)
///     .outputs(1)
///     .build()?;
/// network.parameters.bias_mut().copy_from_slice(&[0.053, 0.042, 0.031]);
/// network.parameters.readout_mut(0).fill(0.5);
/// let mut trial = Trial::silent(60, 1.0, 0);
/// trial.targets = vec![0.1; 60];
/// let loss = QuadraticLoss { lambda: 0.01 };
/// let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), 1.0);
/// let report = GradientCheck::default().run(&mut objective)?;
/// assert!(report.passed(), "{report}");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct NetworkObjective<'a> {
    network: Network<f64>,
    trial: &'a Trial<f64>,
    loss: &'a dyn Loss<f64>,
    scheme: Scheme,
    h: f64,
    split: Sweep<f64, SplitTape<f64>>,
    plain: Sweep<f64, PlainTape<f64>>,
}

impl<'a> NetworkObjective<'a> {
    /// The cost of `network` on `trial` under a scheme with steps of `h` ms.
    pub fn new(
        network: Network<f64>,
        trial: &'a Trial<f64>,
        loss: &'a dyn Loss<f64>,
        scheme: Scheme,
        h: f64,
    ) -> Self {
        Self { network, trial, loss, scheme, h, split: Sweep::new(), plain: Sweep::new() }
    }

    fn set(&mut self, parameters: &[f64]) {
        self.network.parameters.values_mut().copy_from_slice(parameters);
    }
}

impl Objective for NetworkObjective<'_> {
    fn groups(&self) -> Vec<CheckedGroup> {
        let entries = self.network.parameters.layout().entries().iter();
        entries
            .filter(|e| self.network.is_trainable(e.group) && !e.range.is_empty())
            .map(|e| CheckedGroup { name: e.name.clone(), range: e.range.clone() })
            .collect()
    }

    fn parameters(&self) -> Vec<f64> {
        self.network.parameters.values().to_vec()
    }

    fn is_free(&self, parameter: usize) -> bool {
        let entries = self.network.parameters.layout().entries();
        let Some(entry) = entries.iter().find(|e| e.range.contains(&parameter)) else { return false };
        let index = parameter - entry.range.start;
        self.network.mask(entry.group).is_none_or(|exists| exists[index])
            && self.network.frozen_entries(entry.group).is_none_or(|frozen| !frozen[index])
    }

    fn cost(&mut self, parameters: &[f64], log: &mut EventLog) -> Result<f64, BoxError> {
        self.set(parameters);
        Ok(match self.scheme {
            Scheme::Split(method) => {
                let step = SplitStep::with_method(&self.network, self.h, method)?;
                self.split.events(&step.run(self.trial, self.loss)?, log)?
            }
            Scheme::Plain(tableau) => {
                let step = PlainStep::new(&self.network, self.h, tableau)?;
                self.plain.events(&step.run(self.trial, self.loss)?, log)?
            }
        })
    }

    fn gradient(&mut self, parameters: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
        self.set(parameters);
        Ok(match self.scheme {
            Scheme::Split(method) => {
                let step = SplitStep::with_method(&self.network, self.h, method)?;
                self.split.gradient(&step.run(self.trial, self.loss)?, gradient)?
            }
            Scheme::Plain(tableau) => {
                let step = PlainStep::new(&self.network, self.h, tableau)?;
                self.plain.gradient(&step.run(self.trial, self.loss)?, gradient)?
            }
        })
    }
}
