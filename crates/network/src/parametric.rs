//! A network's parameters as an optimiser sees them.

use std::ops::Range;

use spikegrad_integrators::{ParameterGroup, Parametric};

use crate::{Entry, Group, Network, Scalar};

impl<T: Scalar> Parametric<T> for Network<T> {
    type Group = Group;

    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, Group>> {
        self.parameters.layout().entries().iter().map(|Entry { group, name, range, .. }| ParameterGroup {
            group: *group,
            name,
            range: range.clone(),
            is_positive: self.is_positive(*group),
            is_trainable: self.is_trainable(*group),
        })
    }

    fn values(&self) -> &[T] {
        self.parameters.values()
    }

    fn values_mut(&mut self) -> &mut [T] {
        self.parameters.values_mut()
    }

    fn untrained(&self) -> impl Iterator<Item = Range<usize>> {
        Self::untrained(self)
    }

    fn project(&mut self) {
        Self::project(self);
    }

    fn check_values(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.validate()?)
    }
}
