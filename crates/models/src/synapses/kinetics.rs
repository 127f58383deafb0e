//! What the kinetics of a synapse are: a cascade of exponential filters of the charge, as data.

use std::fmt::Debug;

use crate::{Array, Parameter, Real};

/// How the charge that a presynaptic neuron releases becomes a current: by a cascade of exponential filters, each of unit area
/// (equation (76)),
///
/// `tau_1 dr_1/dt = -r_1 + drive`, `tau_i dr_i/dt = -r_i + r_{i-1}`, `s = r_R`,
///
/// where the drive is `g(v) dv/dt`, charge in a unit of time. Whatever the kinetics, the integral of the trace `s` (1/ms) over time
/// is the charge. Time constants may be equal: the equations do not divide by their difference.
///
/// A kinetics of its own is a list of parameters, and which of them is the time constant of which filter:
///
/// ```
/// use spikegrad_models::{AlphaSynapse, Kinetics};
///
/// let alpha = AlphaSynapse { tau: 5.0 };
/// // The two filters of an alpha function have one time constant. By Euler steps, a unit of charge released at once:
/// let (mut r, h, mut peak) = ([0.0, 0.0], 1e-3, (0.0, 0.0));
/// for n in 0..40_000 {
///     let drive = if n == 0 { 1.0 / h } else { 0.0 };
///     let rate = AlphaSynapse::rhs(&alpha.params(), &r, drive);
///     r = [r[0] + h * rate[0], r[1] + h * rate[1]];
///     if r[1] > peak.1 {
///         peak = (h * f64::from(n), r[1]);
///     }
/// }
/// // The alpha function t exp(-t / tau) / tau^2 is largest at tau, with 1 / (e tau).
/// assert!((peak.0 - 5.0).abs() < 0.01 && (peak.1 - 0.2 / std::f64::consts::E).abs() < 1e-5);
/// ```
pub trait Kinetics: Copy + Debug + Send + Sync + 'static {
    /// The name, as descriptions of networks write it.
    const NAME: &'static str;
    /// The parameters, time constants in ms; the first one is called `tau`.
    const PARAMETERS: &'static [Parameter];
    /// For every filter of the cascade, in order, which of the parameters is its time constant. The last one's is `tau`.
    const STAGES: &'static [usize];

    /// The parameters of one synapse as an array.
    type Params<T: Real>: Array<T>;
    /// The traces of the filters as an array.
    type State<T: Real>: Array<T>;

    /// The parameter values.
    fn params(&self) -> Self::Params<f64>;

    /// The time derivatives of the traces `r`, for the charge that is released in a unit of time; the current follows the last one.
    #[inline(always)]
    fn rhs<T: Real>(params: &Self::Params<T>, r: &Self::State<T>, drive: T) -> Self::State<T> {
        let (params, r) = (params.as_ref(), r.as_ref());
        Self::State::from_fn(|i| {
            (if i == 0 { drive - r[0] } else { r[i - 1] - r[i] }) / params[Self::STAGES[i]]
        })
    }

    /// The transpose of [`rhs`](Self::rhs): adds to `r_bar` and `params_bar` and returns the cotangent of the drive.
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        params: &Self::Params<T>,
        r: &Self::State<T>,
        drive: T,
        f_bar: &Self::State<T>,
        r_bar: &mut Self::State<T>,
        params_bar: &mut Self::Params<T>,
    ) -> T {
        let f = Self::rhs(params, r, drive);
        let mut drive_bar = T::zero();
        for (i, &stage) in Self::STAGES.iter().enumerate() {
            let tau = params.as_ref()[stage];
            let by = f_bar.as_ref()[i] / tau;
            params_bar.as_mut()[stage] -= by * f.as_ref()[i];
            r_bar.as_mut()[i] -= by;
            if i == 0 {
                drive_bar += by;
            } else {
                r_bar.as_mut()[i - 1] += by;
            }
        }
        drive_bar
    }
}
