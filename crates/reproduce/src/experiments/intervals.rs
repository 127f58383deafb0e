//! Means over seeds with their confidence intervals, medians, the difference of two vectors, and the larger of two errors.

use spikegrad_report::numbers::plain;

/// Quantiles 0.975 of Student's distribution by degrees of freedom, from 1 on; the last one stands for more.
const STUDENT: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/// From here on decimals say nothing.
const LARGE: f64 = 1e4;

/// A mean and half the width of its 95 % confidence interval, which is not a number for less than two values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    pub(super) mean: f64,
    pub(super) half: f64,
}

impl Mean {
    /// The mean of all values; not a number if one of them is none.
    pub(super) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        let student = match values.len() {
            0 | 1 => f64::NAN,
            count => STUDENT[(count - 2).min(STUDENT.len() - 1)],
        };
        Self { mean, half: student * (variance / n).sqrt() }
    }
}

/// The mean and the half-width, with three decimals where the format does not ask for others, or with a power of ten where one of them is
/// large.
impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.mean.is_finite() {
            return f.write_str("no number");
        }
        let digits = f.precision().unwrap_or(3);
        // No sign before nothing but zeros.
        let unit = 10_f64.powi(-(digits as i32));
        let largest = self.mean.abs().max(if self.half.is_finite() { self.half } else { 0.0 });
        let text = |x: f64| {
            let x = if x.abs() < 0.5 * unit { 0.0 } else { x };
            if largest < LARGE { format!("{x:.digits$}") } else { plain(Some(x)) }
        };
        if self.half.is_finite() {
            write!(f, "{} ± {}", text(self.mean), text(self.half))
        } else {
            f.write_str(&text(self.mean))
        }
    }
}

/// The larger of two errors; one that is no number is the largest.
pub(super) fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}

/// The largest difference of two vectors over the largest entry of the first one; infinite or not a number where that has none.
pub(super) fn relative_difference(a: &[f64], b: &[f64]) -> f64 {
    let largest = a.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let most = a.iter().zip(b).fold(0.0, |most, (x, y)| worse(most, (x - y).abs()));
    if most == 0.0 { 0.0 } else { most / largest }
}

/// The median; not a number for no values, values that are no number last.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_measured_by_the_largest_entry() {
        assert_eq!(relative_difference(&[4.0, -8.0], &[4.0, -6.0]), 0.25);
        assert_eq!(relative_difference(&[0.0], &[0.0]), 0.0);
        assert_eq!(relative_difference(&[0.0], &[1.0]), f64::INFINITY);
        assert!(relative_difference(&[1.0, f64::NAN], &[1.0, 2.0]).is_nan());
    }

    #[test]
    fn intervals_are_those_of_student() {
        let found = Mean::of(&[1.0, 2.0, 3.0]);
        // 4.303 / sqrt(3), the standard deviation being 1.
        assert!(found.mean == 2.0 && (found.half - 2.4843).abs() < 1e-4, "{found:?}");
        assert!(Mean::of(&[1.0]).half.is_nan() && Mean::of(&[]).mean.is_nan());
        assert_eq!(Mean::of(&[1.0, f64::NAN]).to_string(), "no number");
        assert_eq!(Mean::of(&[0.5, 0.5]).to_string(), "0.500 ± 0.000");
        assert_eq!(Mean::of(&[2e80, 2e80]).to_string(), "2e80 ± 0");
        assert_eq!(Mean::of(&[12_345.6]).to_string(), "12346");
        assert_eq!(format!("{:.1}", Mean::of(&[0.5])), "0.5");
        assert_eq!(format!("{:.1} {:.1}", Mean::of(&[-0.04]), Mean::of(&[-0.06])), "0.0 -0.1");
    }
}
