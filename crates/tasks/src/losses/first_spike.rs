//! The time until a neuron has released its first unit of charge (equation (100)).

use spikegrad_network::Scalar;

/// The mean of `max(0, r)` over a step in which `r`, what is missing of the first unit, goes from `before` to `after` along a straight
/// line.
pub(super) fn waiting<T: Scalar>(before: T, after: T) -> T {
    let (zero, half) = (T::zero(), T::from_subset(&0.5));
    match (before > zero, after > zero) {
        (true, true) => (before + after) * half,
        (true, false) => before * before * half / (before - after),
        (false, true) => after * after * half / (after - before),
        (false, false) => zero,
    }
}

/// The derivatives of [`waiting`] by `before` and `after`, which are continuous where no charge is released at `r = 0`.
pub(super) fn waiting_derivatives<T: Scalar>(before: T, after: T) -> (T, T) {
    let (zero, half) = (T::zero(), T::from_subset(&0.5));
    // The part of the step in which `r > 0`, from the end where it is.
    let beyond = |positive: T, other: T| {
        let part = positive / (positive - other);
        (part * (T::one() - part * half), part * part * half)
    };
    match (before > zero, after > zero) {
        (true, true) => (half, half),
        (true, false) => beyond(before, after),
        (false, true) => {
            let (by_after, by_before) = beyond(after, before);
            (by_before, by_after)
        }
        (false, false) => (zero, zero),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_many_points_and_has_its_derivatives() {
        for (before, after) in [(1.0, 0.4), (0.7, -0.3), (-0.2, 0.5), (-0.2, -0.5), (0.3, 0.3), (1.0, 0.0)] {
            let points = 100_000;
            let at = |k| before + (after - before) * (f64::from(k) + 0.5) / f64::from(points);
            let mean = (0..points).map(|k| f64::max(at(k), 0.0)).sum::<f64>() / f64::from(points);
            assert!((waiting(before, after) - mean).abs() < 1e-9, "{before} {after}");
            let (by_before, by_after) = waiting_derivatives(before, after);
            let e = 1e-6;
            let slope = |a: f64, b: f64| {
                (waiting(before + a, after + b) - waiting(before - a, after - b)) / (2.0 * e)
            };
            assert!((by_before - slope(e, 0.0)).abs() < 1e-5, "{before} {after}");
            assert!((by_after - slope(0.0, e)).abs() < 1e-5, "{before} {after}");
        }
    }
}
