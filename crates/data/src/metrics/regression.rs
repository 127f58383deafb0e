//! Metrics of values: explained variance and relative error.

use super::classification::check_lengths;
use crate::Error;

/// The coefficient of determination, `R^2 = 1 - sum (y - x)^2 / sum (y - mean y)^2`, of outputs `x` for targets `y`.
///
/// 1 is a perfect fit, 0 that of the targets' mean; it is negative for worse fits.
///
/// ```
/// use spikegrad_data::metrics::r_squared;
///
/// assert_eq!(r_squared(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0])?, 1.0);
/// assert_eq!(r_squared(&[1.0, 2.0, 3.0], &[2.0, 2.0, 2.0])?, 0.0);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If there are none, not as many outputs as targets, or all targets are equal.
pub fn r_squared<T: Into<f64> + Copy>(targets: &[T], outputs: &[T]) -> Result<f64, Error> {
    let (error, variance) = errors(targets, outputs)?;
    Ok(1.0 - error / variance)
}

/// The root of the mean squared error, divided by the standard deviation of the targets (of the population): `sqrt(1 - R^2)`.
///
/// # Errors
/// As those of [`r_squared`].
pub fn nrmse<T: Into<f64> + Copy>(targets: &[T], outputs: &[T]) -> Result<f64, Error> {
    let (error, variance) = errors(targets, outputs)?;
    Ok((error / variance).sqrt())
}

/// The mean squared error and the variance of the targets.
fn errors<T: Into<f64> + Copy>(targets: &[T], outputs: &[T]) -> Result<(f64, f64), Error> {
    check_lengths(targets.len(), outputs.len(), "outputs")?;
    let count = targets.len() as f64;
    let number = |x: &T| -> f64 { (*x).into() };
    let mean = targets.iter().map(number).sum::<f64>() / count;
    let variance = targets.iter().map(|y| (number(y) - mean).powi(2)).sum::<f64>() / count;
    let first = number(&targets[0]);
    // The variance of equal numbers may be a rounding error instead of 0.
    let vary = targets.iter().any(|y| number(y) != first);
    Error::unless(vary, "target", first, "all targets have this value; nothing is left to explain")?;
    let error =
        targets.iter().zip(outputs).map(|(y, x)| (number(y) - number(x)).powi(2)).sum::<f64>() / count;
    Ok((error, variance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        // Errors 1, 0, 1 and deviations 1, 0, 1: the error is as large as the variance.
        let (targets, outputs) = ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]);
        assert_eq!((r_squared(&targets, &outputs).unwrap(), nrmse(&targets, &outputs).unwrap()), (0.0, 1.0));
        let outputs = [1.5, 2.0, 2.5];
        assert_eq!((r_squared(&targets, &outputs).unwrap(), nrmse(&targets, &outputs).unwrap()), (0.75, 0.5));
        let outputs = [3.0, 2.0, 1.0];
        assert_eq!(r_squared(&targets, &outputs).unwrap(), -3.0);
        assert_eq!(nrmse(&[1.0_f32, 3.0], &[1.0, 3.0]).unwrap(), 0.0);
    }

    #[test]
    fn what_has_no_variance_is_refused() {
        assert!(r_squared(&[0.1; 7], &[0.2; 7]).unwrap_err().to_string().contains("target = 0.1"));
        assert!(nrmse::<f64>(&[], &[]).is_err() && r_squared(&[1.0, 2.0], &[1.0]).is_err());
    }
}
