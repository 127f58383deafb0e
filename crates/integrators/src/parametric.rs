//! Programs whose parameters have names: what an optimiser needs to know of them.

use std::fmt;
use std::ops::Range;

/// A group of parameters, which is trained, clipped and frozen together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterGroup<'a, G> {
    /// The group, as settings of a training refer to it.
    pub group: G,
    /// The group's name, as messages show it.
    pub name: &'a str,
    /// Where the group lies in the flat vector.
    pub range: Range<usize>,
    /// Whether only positive values make sense. Optimisers step them in their logarithm, `dC/d ln p = p dC/dp`.
    pub is_positive: bool,
    /// Whether the gradient by the group is computed.
    pub is_trainable: bool,
}

/// A program whose parameters lie in one flat vector, in groups that have names and domains.
///
/// ```
/// use spikegrad_integrators::{ParameterGroup, Parametric};
///
/// /// A pendulum's stiffness and damping; neither may be negative.
/// struct Pendulum([f64; 2]);
///
/// impl Parametric<f64> for Pendulum {
///     type Group = &'static str;
///     fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
///         ["stiffness", "damping"].into_iter().enumerate().map(|(i, name)| ParameterGroup {
///             group: name,
///             name,
///             range: i..i + 1,
///             is_positive: true,
///             is_trainable: true,
///         })
///     }
///     fn values(&self) -> &[f64] {
///         &self.0
///     }
///     fn values_mut(&mut self) -> &mut [f64] {
///         &mut self.0
///     }
/// }
/// assert_eq!(Pendulum([4.0, 0.3]).group("damping").map(|group| group.range), Some(1..2));
/// ```
pub trait Parametric<T> {
    /// How settings refer to a group: a name, or a type of its own.
    type Group: Copy + PartialEq + fmt::Debug + fmt::Display + Send + Sync;

    /// The groups, in the order of the flat vector. They cover it, and none overlaps another: what lies in no group is not trained, and
    /// what lies in two would be trained twice.
    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, Self::Group>>;

    /// All parameters.
    fn values(&self) -> &[T];

    /// All parameters.
    fn values_mut(&mut self) -> &mut [T];

    /// What a step must leave as it is within groups that are trained, such as masked weights: by default nothing.
    fn untrained(&self) -> impl Iterator<Item = Range<usize>> {
        std::iter::empty()
    }

    /// Puts back what a step took out of a domain that parameters have together: by default there is none.
    fn project(&mut self) {}

    /// Whether a program can be run with these parameters.
    ///
    /// # Errors
    /// The parameter that is wrong, and what to change.
    fn check_values(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }

    /// The group, if there is such a one.
    fn group(&self, group: Self::Group) -> Option<ParameterGroup<'_, Self::Group>> {
        self.groups().find(|found| found.group == group)
    }
}
