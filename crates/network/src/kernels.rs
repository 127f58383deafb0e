//! The loops over a presynaptic column that a step's cost is made of. Sums run in a fixed number of lanes in a
//! fixed order, so that the vector width of the machine does not change a bit. They are inlined into their callers, which
//! may be compiled for the widest vectors of the machine; programs of one's own may use them too.

use std::sync::LazyLock;

use nalgebra::RealField;

/// Partial sums of a dot product.
pub(crate) const LANES: usize = 16;

/// `y = f(y, x)` for each pair of entries, over the shorter of the two, whole lanes first: from loops of a fixed length the compiler
/// does not make long ones, for which there are too few neurons, with slow rests.
#[inline(always)]
fn each<T: Copy>(y: &mut [T], x: &[T], f: impl Fn(T, T) -> T) {
    let len = y.len().min(x.len());
    let (ys, y_rest) = y[..len].as_chunks_mut::<LANES>();
    let (xs, x_rest) = x[..len].as_chunks::<LANES>();
    for (y, x) in ys.iter_mut().zip(xs) {
        let mut lanes = *y;
        for i in 0..LANES {
            lanes[i] = f(lanes[i], x[i]);
        }
        *y = lanes;
    }
    for (y, &x) in y_rest.iter_mut().zip(x_rest) {
        *y = f(*y, x);
    }
}

/// `y += factor x`, over the shorter of the two.
#[inline(always)]
pub fn axpy<T: RealField + Copy>(y: &mut [T], factor: T, x: &[T]) {
    each(
        y,
        x,
        #[inline(always)]
        |y, x| y + factor * x,
    );
}

/// `y = factor y + x`, over the shorter of the two.
#[inline(always)]
pub(crate) fn xpay<T: RealField + Copy>(y: &mut [T], factor: T, x: &[T]) {
    each(
        y,
        x,
        #[inline(always)]
        |y, x| factor * y + x,
    );
}

/// `y = factor y`.
#[inline(always)]
pub(crate) fn scale<T: RealField + Copy>(y: &mut [T], factor: T) {
    for y in y {
        *y *= factor;
    }
}

/// Adds the lanes, a power of two of them, pairwise in a fixed tree, for which they are used up.
#[inline(always)]
pub(crate) fn tree<T: RealField + Copy>(lanes: &mut [T]) -> T {
    let mut width = lanes.len() / 2;
    while width > 0 {
        for i in 0..width {
            let other = lanes[i + width];
            lanes[i] += other;
        }
        width /= 2;
    }
    lanes[0]
}

/// Writes the partial sums of `x . y`. A caller with many products keeps their lanes in memory and adds them up
/// afterwards: stores of whole lanes are what makes the compiler keep them in vectors.
#[inline(always)]
pub(crate) fn dot_lanes<T: RealField + Copy>(x: &[T], y: &[T], lanes: &mut [T; LANES]) {
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    let mut sum = [T::zero(); LANES];
    for (x, y) in xs.iter().zip(ys) {
        for i in 0..LANES {
            sum[i] += x[i] * y[i];
        }
    }
    *lanes = sum;
    for ((&x, &y), lane) in x_rest.iter().zip(y_rest).zip(lanes) {
        *lane += x * y;
    }
}

/// `x . y`, over the shorter of the two, in 16 partial sums that are added up in a fixed tree.
#[inline(always)]
pub fn dot<T: RealField + Copy>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    dot_lanes(x, y, &mut lanes);
    tree(&mut lanes)
}

/// The widest vectors of this machine, looked up once.
pub(crate) static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Some of the same, compiled for the machine's widest vectors by themselves: for callers that are not.
pub mod wide {
    use nalgebra::RealField;

    use super::ARCH;
    use crate::population::vectorise;

    /// `y += factor x`, over the shorter of the two.
    pub fn axpy<T: RealField + Copy>(y: &mut [T], factor: T, x: &[T]) {
        vectorise::<T, _>(
            *ARCH,
            #[inline(always)]
            || super::axpy(y, factor, x),
        );
    }

    /// `x . y`, over the shorter of the two, in the same order.
    pub fn dot<T: RealField + Copy>(x: &[T], y: &[T]) -> T {
        vectorise::<T, _>(
            *ARCH,
            #[inline(always)]
            || super::dot(x, y),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_plain_loops() {
        for n in [0, 1, 15, 16, 17, 80, 100] {
            let x: Vec<f64> = (0..n).map(|i| f64::from(i).sin()).collect();
            let mut y: Vec<f64> = (0..n).map(|i| f64::from(i * i).cos()).collect();
            let plain: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert!((dot(&x, &y) - plain).abs() < 1e-13);
            let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y + 0.3 * x).collect();
            axpy(&mut y, 0.3, &x);
            assert_eq!(y, expected);
        }
    }
}
