//! AdamW: Adam with weight decay beside the gradient (Loshchilov & Hutter 2019).

use nalgebra::RealField;

use super::{Step, adam};

/// Takes `rate decay x` away from every value `x`, then steps as Adam does.
pub(super) fn step<T: RealField + Copy>(group: &mut Step<'_, T>, constants: [f64; 3], decay: f64) {
    group.decay(decay);
    adam::step(group, constants);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_gradient_decays() {
        for (logarithmic, after) in [(false, 2.0 * (1.0 - 0.1 * 0.05)), (true, 2.0)] {
            let (mut x, mut first, mut second) = ([2.0], [0.0], [0.0]);
            let (gradient, values) = (&[0.0][..], &mut x[..]);
            let (first, second) = (&mut first[..], &mut second[..]);
            let mut group = Step { count: 1, rate: 0.1, logarithmic, gradient, values, first, second };
            step(&mut group, [0.9, 0.999, 1e-8], 0.05);
            assert_eq!(x, [after]);
        }
    }
}
