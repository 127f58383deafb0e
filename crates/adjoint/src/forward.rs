//! Forward sensitivity, for a recurrent network known as real-time recurrent learning (equation (39); Williams & Zipser
//! 1989): the tangent of the program itself, in dual numbers. It uses none of the transposes, so it checks them.

use num_dual::Dual64;

/// The gradient of `program` at `parameters`, and its value.
///
/// The program gets the parameters as dual numbers and returns the cost; [`Sweep::cost`](crate::Sweep::cost) of a
/// `Step<Dual64>` built from them is one. It is run once for every parameter, so that a recurrent network of `N` neurons
/// with `N^2` weights costs `N^2` forward runs, each about twice as dear as one in `f64`; memory does not grow with time.
///
/// ```
/// use spikegrad_adjoint::forward_sensitivity;
/// let (value, gradient) =
///     forward_sensitivity(&[3.0, 2.0], |p| Ok::<_, std::convert::Infallible>(p[0] * p[0] * p[1]))?;
/// assert_eq!((value, gradient), (18.0, vec![12.0, 9.0]));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
///
/// # Errors
/// The program's own.
#[doc(alias = "RTRL")]
pub fn forward_sensitivity<E>(
    parameters: &[f64],
    mut program: impl FnMut(&[Dual64]) -> Result<Dual64, E>,
) -> Result<(f64, Vec<f64>), E> {
    let mut point: Vec<_> = parameters.iter().map(|&p| Dual64::new(p, 0.0)).collect();
    if point.is_empty() {
        return Ok((program(&point)?.re, Vec::new()));
    }
    let (mut value, mut gradient) = (0.0, Vec::with_capacity(point.len()));
    for i in 0..point.len() {
        point[i].eps = 1.0;
        let result = program(&point)?;
        point[i].eps = 0.0;
        value = result.re;
        gradient.push(result.eps);
    }
    Ok((value, gradient))
}

/// The value of `program` at `parameters` and its derivative along `direction`, in one run: enough to test a gradient
/// `g` of many parameters by `g . direction`.
///
/// Entries of `direction` beyond the parameters are ignored; missing ones are zero.
///
/// ```
/// use spikegrad_adjoint::directional_derivative;
/// let (value, slope) =
///     directional_derivative(&[3.0, 2.0], &[1.0, 1.0], |p| Ok::<_, std::convert::Infallible>(p[0] * p[1]))?;
/// assert_eq!((value, slope), (6.0, 5.0));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
///
/// # Errors
/// The program's own.
pub fn directional_derivative<E>(
    parameters: &[f64],
    direction: &[f64],
    program: impl FnOnce(&[Dual64]) -> Result<Dual64, E>,
) -> Result<(f64, f64), E> {
    let direction = direction.iter().copied().chain(std::iter::repeat(0.0));
    let point: Vec<_> = parameters.iter().zip(direction).map(|(&p, d)| Dual64::new(p, d)).collect();
    program(&point).map(|result| (result.re, result.eps))
}
