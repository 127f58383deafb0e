//! Gradient descent with momentum.

use nalgebra::RealField;

use super::Step;

/// `m = momentum m + g`, and a step of `rate m`.
pub(super) fn step<T: RealField + Copy>(group: &mut Step<'_, T>, momentum: f64) {
    let (keep, rate) = (T::from_subset(&momentum), T::from_subset(&group.rate));
    for i in 0..group.values.len() {
        let m = keep * group.first[i] + group.derivative(i);
        group.first[i] = m;
        group.move_down(i, rate * m);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_adds_up() {
        let (mut x, mut first) = ([0.0_f64], [0.0]);
        for count in 1..=2 {
            let (gradient, values, first) = (&[1.0][..], &mut x[..], &mut first[..]);
            step(
                &mut Step { count, rate: 0.1, logarithmic: false, gradient, values, first, second: &mut [] },
                0.5,
            );
        }
        assert!((x[0] + 0.1 * (1.0 + 1.5)).abs() < 1e-15);
    }
}
