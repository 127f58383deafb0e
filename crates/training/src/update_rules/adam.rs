//! Adam: a step by the mean of the gradients over the root of the mean of their squares (Kingma & Ba 2015).

use nalgebra::RealField;

use super::Step;

/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, and a step of `rate m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + epsilon)`.
pub(super) fn step<T: RealField + Copy>(group: &mut Step<'_, T>, [beta_1, beta_2, epsilon]: [f64; 3]) {
    let real = |x: f64| T::from_subset(&x);
    let correct_1 = real(1.0 / (1.0 - beta_1.powi(group.count)));
    let correct_2 = real(1.0 / (1.0 - beta_2.powi(group.count)));
    let (keep_1, add_1) = (real(beta_1), real(1.0 - beta_1));
    let (keep_2, add_2) = (real(beta_2), real(1.0 - beta_2));
    let (rate, epsilon) = (real(group.rate), real(epsilon));
    for i in 0..group.values.len() {
        let g = group.derivative(i);
        let m = keep_1 * group.first[i] + add_1 * g;
        let v = keep_2 * group.second[i] + add_2 * g * g;
        (group.first[i], group.second[i]) = (m, v);
        group.move_down(i, rate * (m * correct_1) / ((v * correct_2).sqrt() + epsilon));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_length_of_the_learning_rate() {
        let (mut x, mut first, mut second) = ([1.0_f64, 1.0], [0.0; 2], [0.0; 2]);
        let gradient = &[1e-3, -50.0][..];
        let (values, first, second) = (&mut x[..], &mut first[..], &mut second[..]);
        step(
            &mut Step { count: 1, rate: 0.1, logarithmic: false, gradient, values, first, second },
            [0.9, 0.999, 1e-8],
        );
        assert!((x[0] - 0.9).abs() < 1e-5 && (x[1] - 1.1).abs() < 1e-8, "{x:?}");
    }
}
