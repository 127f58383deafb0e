//! Lion: a step by the sign of a momentum (Chen et al. 2023).

use nalgebra::RealField;

use super::Step;

/// A step of `rate sign(b1 m + (1 - b1) g)` and of `rate decay x`, then `m = b2 m + (1 - b2) g`.
pub(super) fn step<T: RealField + Copy>(group: &mut Step<'_, T>, [beta_1, beta_2]: [f64; 2], decay: f64) {
    let real = |x: f64| T::from_subset(&x);
    let (keep_1, add_1) = (real(beta_1), real(1.0 - beta_1));
    let (keep_2, add_2) = (real(beta_2), real(1.0 - beta_2));
    let rate = real(group.rate);
    // A logarithmic group does not decay, so that its derivatives by the values before and after are the same.
    group.decay(decay);
    for i in 0..group.values.len() {
        let (m, g) = (group.first[i], group.derivative(i));
        let direction = keep_1 * m + add_1 * g;
        group.first[i] = keep_2 * m + add_2 * g;
        // The sign of zero is zero: what has no gradient stays.
        if direction > T::zero() {
            group.move_down(i, rate);
        } else if direction < T::zero() {
            group.move_down(i, -rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_moves_by_the_learning_rate_or_not_at_all() {
        let (mut x, mut first) = ([1.0, 1.0, 1.0], [0.0; 3]);
        let (gradient, values, first) = (&[1e-12, -7.0, 0.0][..], &mut x[..], &mut first[..]);
        let mut group =
            Step { count: 1, rate: 0.25, logarithmic: false, gradient, values, first, second: &mut [] };
        step(&mut group, [0.9, 0.99], 0.0);
        assert_eq!(x, [0.75, 1.25, 1.0]);
    }
}
