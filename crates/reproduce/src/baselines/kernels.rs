//! Products with whole matrices, stored by columns; callers inline them into code for the widest vectors of the machine.

use spikegrad::network::Scalar;
use spikegrad::network::kernels::axpy;

/// `y += M x`, one column of `M` for each entry of `x`. Columns of entries that are zero are left out.
#[inline(always)]
pub(super) fn add_product<T: Scalar>(matrix: &[T], x: &[T], y: &mut [T]) {
    for (&x, column) in x.iter().zip(matrix.chunks_exact(y.len())) {
        if x != T::zero() {
            axpy(y, x, column);
        }
    }
}

/// `M_bar += y_bar x^T`, the transpose by the matrix.
#[inline(always)]
pub(super) fn add_outer<T: Scalar>(matrix_bar: &mut [T], y_bar: &[T], x: &[T]) {
    for (&x, column) in x.iter().zip(matrix_bar.chunks_exact_mut(y_bar.len())) {
        if x != T::zero() {
            axpy(column, x, y_bar);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{DMatrix, DVector};

    #[test]
    fn products_are_those_of_nalgebra() {
        for n in [1, 5, 16, 37] {
            let m = DMatrix::from_fn(n, n, |i, j| ((3 * i + 7 * j) as f64).sin());
            let x = DVector::from_fn(n, |i, _| if i % 3 == 0 { 0.0 } else { (i as f64).cos() });
            let y = DVector::from_fn(n, |i, _| (2.0 * i as f64).cos());
            let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
            let mut out = y.clone();
            add_product(m.as_slice(), x.as_slice(), out.as_mut_slice());
            assert!(near(out.as_slice(), (&y + &m * &x).as_slice()));
            let mut out = m.clone();
            add_outer(out.as_mut_slice(), y.as_slice(), x.as_slice());
            assert!(near(out.as_slice(), (&m + &y * x.transpose()).as_slice()));
        }
    }
}
