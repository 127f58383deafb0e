//! Vector fields: what a Runge-Kutta method integrates.

/// An ordinary differential equation `dx/dt = f(t, x)`.
pub trait VectorField<T> {
    /// Length of the state.
    fn dim(&self) -> usize;

    /// Writes `f(t, x)` to `dx`; both slices have length [`dim`](Self::dim).
    fn rhs(&self, t: T, x: &[T], dx: &mut [T]);
}

/// The exact derivatives of a [`VectorField`].
pub trait VectorFieldVjp<T>: VectorField<T> {
    /// Number of parameters.
    fn n_parameters(&self) -> usize;

    /// Adds `(df/dx)^T dx_bar` to `x_bar` and `(df/dp)^T dx_bar` to `parameters_bar`.
    fn rhs_vjp(&self, t: T, x: &[T], dx_bar: &[T], x_bar: &mut [T], parameters_bar: &mut [T]);
}
