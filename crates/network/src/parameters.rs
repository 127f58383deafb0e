//! The parameters of a network, in one flat vector with named groups: optimisers, checks and checkpoints see ranges,
//! users see matrices. The gradient of a `Parameters` is a `Parameters`.

use std::ops::Range;
use std::sync::Arc;

use aligned_vec::{AVec, avec};
use nalgebra::{DMatrixView, DMatrixViewMut};
use spikegrad_integrators::norm;

use crate::{Error, Group, Scalar};

/// Where a group lies in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The group.
    pub group: Group,
    /// The group's name, as in `slow.weight` or `excitatory.tau_v`. Tonic currents and initial states of all neurons are the groups
    /// `bias` and `initial`, of which each population has a part with a name of its own, see [`Named`].
    pub name: String,
    /// The group's range.
    pub range: Range<usize>,
    /// Rows of its matrix; vectors are one column.
    pub rows: usize,
}

/// A parameter under its name, as in a state dict: `slow.weight`, `hidden.tau_v`, `hidden.bias`, `hidden.initial.v`,
/// `input.weight`, `readout.weight`. The names of a network cover its flat vector, each number once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Named {
    /// The name.
    pub name: String,
    /// The group that it is, or is a part of.
    pub group: Group,
    /// Where it lies in the flat vector, column-major.
    pub range: Range<usize>,
    /// The shape: `[rows, columns]` of a matrix, row = postsynaptic, or `[length]`.
    pub shape: Vec<usize>,
    /// The unit, `1` where the parameter has none.
    pub unit: String,
}

/// The groups of a network in the order of the flat vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    entries: Vec<Entry>,
    names: Vec<Named>,
    len: usize,
    /// The number of parameters that was asked for, where `len` ends at the largest number of this machine.
    asked: u128,
    /// Ranges that every step asks for, so that it need not search.
    recurrent: Vec<Range<usize>>,
    input: Range<usize>,
    bias: Range<usize>,
    readout: Range<usize>,
}

impl Layout {
    /// Adds a group that is one parameter, with its shape.
    pub(crate) fn push(&mut self, group: Group, name: String, shape: &[usize], unit: &str) {
        let columns = shape.get(1).copied().unwrap_or(1);
        let range = self.push_group(group, name.clone(), shape[0], columns);
        self.names.push(Named { name, group, range, shape: shape.to_vec(), unit: unit.to_owned() });
    }

    /// Names so many numbers of a group that lies at `start`, the first of which is number `from` of the group.
    pub(crate) fn push_part(
        &mut self,
        group: Group,
        name: String,
        start: usize,
        from: usize,
        len: usize,
        unit: &str,
    ) {
        let from = start.saturating_add(from);
        let range = from..from.saturating_add(len);
        self.names.push(Named { name, group, range, shape: vec![len], unit: unit.to_owned() });
    }

    /// Adds a group whose parts get their names by [`push_part`](Self::push_part).
    pub(crate) fn push_group(
        &mut self,
        group: Group,
        name: String,
        rows: usize,
        columns: usize,
    ) -> Range<usize> {
        let range = self.len..self.len.saturating_add(rows.saturating_mul(columns));
        self.len = range.end;
        self.asked = self.asked.saturating_add(rows as u128 * columns as u128);
        match group {
            Group::Weight(k) => {
                // Classes come in order, and those of low rank have none.
                self.recurrent.resize(k, 0..0);
                self.recurrent.push(range.clone());
            }
            Group::Input => self.input = range.clone(),
            Group::Bias => self.bias = range.clone(),
            Group::Readout(0) => self.readout = range.clone(),
            _ => {}
        }
        self.entries.push(Entry { group, name, range: range.clone(), rows });
        range
    }

    /// Bytes that the parameters would take, were there enough memory.
    pub(crate) fn bytes<T>(&self) -> f64 {
        self.asked as f64 * size_of::<T>() as f64
    }

    /// Every group, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every parameter under its name.
    pub fn names(&self) -> &[Named] {
        &self.names
    }

    /// The parameter of this name.
    ///
    /// # Errors
    /// If there is none; the error lists the names that there are.
    pub fn find(&self, name: &str) -> Result<&Named, Error> {
        self.names.iter().find(|named| named.name == name).ok_or_else(|| {
            let known = self.names.iter().map(|named| named.name.as_str()).collect::<Vec<_>>().join(", ");
            Error::Unknown { what: "parameter", name: name.to_owned(), known }
        })
    }

    /// The name of a group, or its description where the network does not have it.
    pub fn name(&self, group: Group) -> String {
        self.entry(group).map_or_else(|| group.to_string(), |entry| entry.name.clone())
    }

    /// Where `group` lies, if the network has it.
    pub fn entry(&self, group: Group) -> Option<&Entry> {
        self.entries.iter().find(|e| e.group == group)
    }

    /// The range of `group`; empty if the network does not have it.
    #[inline]
    pub fn range(&self, group: Group) -> Range<usize> {
        match group {
            Group::Weight(k) => self.recurrent.get(k).map_or(0..0, Range::clone),
            Group::Input => self.input.clone(),
            Group::Bias => self.bias.clone(),
            Group::Readout(0) => self.readout.clone(),
            other => self.entry(other).map_or(0..0, |e| e.range.clone()),
        }
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// All parameters of a network, or their gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters<T> {
    layout: Arc<Layout>,
    // A step reads columns of the weights in wide vectors, which is slower where one lies in two lines of the caches.
    values: AVec<T>,
}

/// All parameters in one flat vector.
impl<T> AsRef<[T]> for Parameters<T> {
    fn as_ref(&self) -> &[T] {
        &self.values
    }
}

impl<T: Scalar> Parameters<T> {
    /// The groups and their places.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Everything, flat.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Everything, flat.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The parameter of this name, column-major: [`Named::shape`] says what it is a matrix of.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Network, Population};
    /// # let population = Population::new("hidden", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// network.parameters.get_mut("hidden.bias")?.fill(0.01);
    /// assert_eq!(network.parameters.get("slow.tau")?, [20.0]);
    /// let error = network.parameters.get("hidden.tau").unwrap_err().to_string();
    /// assert!(error.contains("hidden.tau_v"), "{error}");
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no parameter of this name; the error lists the names that there are.
    pub fn get(&self, name: &str) -> Result<&[T], Error> {
        Ok(&self.values[self.layout.find(name)?.range.clone()])
    }

    /// The parameter of this name, as [`get`](Self::get) has it.
    ///
    /// # Errors
    /// If there is no parameter of this name; the error lists the names that there are.
    pub fn get_mut(&mut self, name: &str) -> Result<&mut [T], Error> {
        let range = self.layout.find(name)?.range.clone();
        Ok(&mut self.values[range])
    }

    /// The entries of `group`, column-major; empty if the network does not have it.
    #[inline]
    pub fn group(&self, group: Group) -> &[T] {
        &self.values[self.layout.range(group)]
    }

    /// The entries of `group`, column-major; empty if the network does not have it.
    pub fn group_mut(&mut self, group: Group) -> &mut [T] {
        let range = self.layout.range(group);
        &mut self.values[range]
    }

    /// Sets a group from its entries, column-major.
    ///
    /// # Errors
    /// If the number of entries differs.
    pub fn set(&mut self, group: Group, values: &[T]) -> Result<(), Error> {
        let target = self.group_mut(group);
        if target.len() != values.len() {
            return Err(Error::Shape {
                expected: target.len(),
                found: values.len(),
                what: self.layout.name(group),
            });
        }
        target.copy_from_slice(values);
        Ok(())
    }

    fn matrix(&self, group: Group) -> DMatrixView<'_, T> {
        let (range, rows) = self.layout.entry(group).map_or((0..0, 0), |e| (e.range.clone(), e.rows));
        let columns = range.len().checked_div(rows).unwrap_or(0);
        DMatrixView::from_slice(&self.values[range], rows, columns)
    }

    fn matrix_mut(&mut self, group: Group) -> DMatrixViewMut<'_, T> {
        let (range, rows) = self.layout.entry(group).map_or((0..0, 0), |e| (e.range.clone(), e.rows));
        let columns = range.len().checked_div(rows).unwrap_or(0);
        DMatrixViewMut::from_slice(&mut self.values[range], rows, columns)
    }

    /// Weights of a projection, `N_post x N_pre`, row = postsynaptic; `S x 1` for the `S` connections of a sparse one, which
    /// [`Network::connections`](crate::Network::connections) lists; `0 x 0` if there is no such projection, or if its weights are of
    /// low rank.
    #[doc(alias = "W")]
    pub fn weight(&self, class: usize) -> DMatrixView<'_, T> {
        self.matrix(Group::Weight(class))
    }

    /// Weights of a projection, as [`weight`](Self::weight) has them.
    pub fn weight_mut(&mut self, class: usize) -> DMatrixViewMut<'_, T> {
        self.matrix_mut(Group::Weight(class))
    }

    /// Left factor of the weights of a projection of low rank, `N_post x r`; `0 x 0` if it has none.
    #[doc(alias = "L")]
    pub fn left(&self, class: usize) -> DMatrixView<'_, T> {
        self.matrix(Group::Left(class))
    }

    /// Left factor of the weights of a projection of low rank, `N_post x r`; `0 x 0` if it has none.
    pub fn left_mut(&mut self, class: usize) -> DMatrixViewMut<'_, T> {
        self.matrix_mut(Group::Left(class))
    }

    /// Right factor of the weights of a projection of low rank, `r x N_pre`; `0 x 0` if it has none.
    #[doc(alias = "R")]
    pub fn right(&self, class: usize) -> DMatrixView<'_, T> {
        self.matrix(Group::Right(class))
    }

    /// Right factor of the weights of a projection of low rank, `r x N_pre`; `0 x 0` if it has none.
    pub fn right_mut(&mut self, class: usize) -> DMatrixViewMut<'_, T> {
        self.matrix_mut(Group::Right(class))
    }

    /// Input weights, `N x inputs`.
    #[doc(alias = "U")]
    pub fn input(&self) -> DMatrixView<'_, T> {
        self.matrix(Group::Input)
    }

    /// Input weights, `N x inputs`.
    pub fn input_mut(&mut self) -> DMatrixViewMut<'_, T> {
        self.matrix_mut(Group::Input)
    }

    /// Weights of a readout, `outputs x N`; 0 is the network's own.
    #[doc(alias = "O")]
    pub fn readout(&self, readout: usize) -> DMatrixView<'_, T> {
        self.matrix(Group::Readout(readout))
    }

    /// Weights of a readout, as [`readout`](Self::readout) has them.
    pub fn readout_mut(&mut self, readout: usize) -> DMatrixViewMut<'_, T> {
        self.matrix_mut(Group::Readout(readout))
    }

    /// Tonic currents, `N`.
    #[doc(alias = "I_o")]
    pub fn bias(&self) -> &[T] {
        self.group(Group::Bias)
    }

    /// Tonic currents, `N`.
    pub fn bias_mut(&mut self) -> &mut [T] {
        self.group_mut(Group::Bias)
    }

    /// The same parameters with another scalar.
    pub fn map<U>(&self, f: impl FnMut(T) -> U) -> Parameters<U> {
        Parameters {
            layout: Arc::clone(&self.layout),
            values: AVec::from_iter(0, self.values.iter().copied().map(f)),
        }
    }
}

impl<T: Scalar> Parameters<T> {
    /// Zeros, if there is memory for them.
    pub(crate) fn zeros(layout: Arc<Layout>) -> Result<Self, Error> {
        let mut values = AVec::new(0);
        if values.try_reserve_exact(layout.len()).is_err() {
            let bytes = layout.bytes::<T>();
            return Err(Error::OutOfMemory { what: "the network's parameters".into(), bytes });
        }
        values.resize(layout.len(), T::zero());
        Ok(Self { layout, values })
    }

    /// A gradient of zeros with the same groups.
    pub fn zeros_like(&self) -> Self {
        Self { layout: Arc::clone(&self.layout), values: avec![T::zero(); self.layout.len()] }
    }

    /// The Euclidean norm of a group, as [`norm`] forms it.
    pub fn norm(&self, group: Group) -> T {
        norm(self.group(group))
    }
}
