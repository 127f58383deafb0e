//! The three loops over a presynaptic column that a step's cost is made of. Sums run in a fixed number of lanes in a
//! fixed order, so that the vector width of the machine does not change a bit.

use nalgebra::RealField;

/// Partial sums of a dot product.
const LANES: usize = 16;

/// `y += factor x`.
#[inline(always)]
pub(crate) fn axpy<T: RealField + Copy>(y: &mut [T], factor: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// Adds the lanes pairwise, in a fixed tree.
#[inline(always)]
fn tree<T: RealField + Copy>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            let other = lanes[i + width];
            lanes[i] += other;
        }
        width /= 2;
    }
    lanes[0]
}

/// `x . y`.
#[inline(always)]
pub(crate) fn dot<T: RealField + Copy>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder());
    let rest = rest.fold(T::zero(), |sum, (&x, &y)| sum + x * y);
    for (x, y) in xs.zip(ys) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    tree(lanes) + rest
}

/// `g += factor y` and `x . y` in one pass.
#[inline(always)]
pub(crate) fn dot_axpy<T: RealField + Copy>(x: &[T], y: &[T], factor: T, g: &mut [T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let (x_rest, y_rest) = (xs.remainder(), ys.remainder());
    let mut gs = g.chunks_exact_mut(LANES);
    for ((x, y), g) in xs.zip(ys).zip(&mut gs) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
            g[i] += factor * y[i];
        }
    }
    let mut rest = T::zero();
    for ((&x, &y), g) in x_rest.iter().zip(y_rest).zip(gs.into_remainder()) {
        rest += x * y;
        *g += factor * y;
    }
    tree(lanes) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_and_two_give_the_same_bits() {
        for n in [0, 1, 15, 16, 17, 80, 100] {
            let x: Vec<f64> = (0..n).map(|i| f64::from(i).sin()).collect();
            let y: Vec<f64> = (0..n).map(|i| f64::from(i * i).cos()).collect();
            let (mut g, mut h) = (x.clone(), x.clone());
            axpy(&mut h, 0.3, &y);
            assert_eq!(dot_axpy(&x, &y, 0.3, &mut g).to_bits(), dot(&x, &y).to_bits());
            assert_eq!(g, h);
            let plain: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert!((dot(&x, &y) - plain).abs() < 1e-13);
        }
    }
}
