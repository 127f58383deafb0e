//! Gates: the density `g(v)` that turns membrane movement into synaptic charge (equations (2), (10)).
//!
//! A gate lives on the active zone `[threshold - width, threshold]`. With `u = 1 + (v - threshold) / width` in `[0, 1]`
//! across the zone, `g(v) = gamma(u) / width` and the charge released from below up to `v` is `G(v) = Gamma(u)`, where
//! `Gamma' = gamma` and `Gamma(1) = 1`: a full depolarisation delivers charge one. Sparse gradients rest on the compact
//! support; the slope of `gamma` is never needed, so a box is a legal gate.

use crate::math::{half_angle, real};
use crate::real::Real;

/// The shape `gamma` of a gate on the unit interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateShape {
    /// `gamma(u) = 1` (equation (11)).
    Box,
    /// `gamma(u) = 1 - cos 2 pi u` (equation (12)).
    RaisedCosine,
    /// `gamma(u) = 4 min(u, 1 - u)` (equation (13)).
    Triangular,
}

/// `u` confined to `[0, 1]`, without branches.
#[inline(always)]
fn unit<T: Real>(u: T) -> T {
    let u = if u > T::zero() { u } else { T::zero() };
    if u < T::one() { u } else { T::one() }
}

impl GateShape {
    /// Every shape there is; tests loop over it.
    pub const ALL: [Self; 3] = [Self::Box, Self::RaisedCosine, Self::Triangular];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Box => "box",
            Self::RaisedCosine => "raised cosine",
            Self::Triangular => "triangular",
        }
    }

    /// Calls `f` with the shape as one that the compiler knows, so that a loop in it has no branches and vectorises.
    #[inline(always)]
    pub fn known<R>(self, f: impl FnOnce(Self) -> R) -> R {
        match self {
            Self::Box => f(Self::Box),
            Self::RaisedCosine => f(Self::RaisedCosine),
            Self::Triangular => f(Self::Triangular),
        }
    }

    /// `gamma(u)`, zero outside `[0, 1]`.
    #[inline(always)]
    pub fn density<T: Real>(self, u: T) -> T {
        let w = unit(u);
        match self {
            Self::Box if u == w => T::one(),
            Self::Box => T::zero(),
            Self::RaisedCosine => {
                let (s, _) = half_angle(w);
                s * s
            }
            Self::Triangular => real::<T>(4.0) * if w < real(0.5) { w } else { T::one() - w },
        }
    }

    /// `Gamma(u)`, the integral of `gamma`: 0 for `u <= 0`, 1 for `u >= 1`.
    #[inline(always)]
    pub fn charge<T: Real>(self, u: T) -> T {
        let w = unit(u);
        match self {
            Self::Box => w,
            Self::RaisedCosine => {
                let (s, c) = half_angle(w);
                w - s * c * real(std::f64::consts::FRAC_1_PI * 0.5)
            }
            Self::Triangular => {
                let (low, high) = (real::<T>(2.0) * w * w, T::one() - w);
                if w < real(0.5) { low } else { T::one() - real::<T>(2.0) * high * high }
            }
        }
    }

    /// The number of the smooth piece that `u` lies in: two points of one piece can be compared by finite differences.
    #[inline]
    pub fn piece<T: Real>(self, u: T) -> u8 {
        if u <= T::zero() {
            0
        } else if u >= T::one() {
            3
        } else if matches!(self, Self::Triangular) && u >= real(0.5) {
            2
        } else {
            1
        }
    }

    /// How often `G` can be differentiated continuously, plus one: the order that a gate leaves to a method of higher
    /// order (2 for the box, 3 triangular, 4 raised cosine).
    pub const fn smoothness(self) -> u32 {
        match self {
            Self::Box => 2,
            Self::Triangular => 3,
            Self::RaisedCosine => 4,
        }
    }
}

/// A gate in place: its shape on the active zone `[threshold - width, threshold]`, in the unit of the voltage.
///
/// ```
/// use spikegrad_models::{Gate, GateShape};
///
/// let gate = Gate { shape: GateShape::RaisedCosine, width: 0.3_f64, threshold: 1.0 };
/// assert_eq!(gate.charge(0.7), 0.0);
/// assert!((gate.charge(0.85) - 0.5).abs() < 1e-15);
/// assert_eq!(gate.charge(1.0), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate<T> {
    /// The shape of the density.
    pub shape: GateShape,
    /// Width `Delta` of the active zone, positive.
    #[doc(alias = "Delta")]
    pub width: T,
    /// Upper end `v_theta` of the active zone.
    #[doc(alias = "v_theta")]
    pub threshold: T,
}

impl<T: Real> Gate<T> {
    /// Lower end of the active zone.
    #[inline(always)]
    pub fn lower(&self) -> T {
        self.threshold - self.width
    }

    /// Position `u` of `v` in the zone: 0 at the lower end, 1 at threshold.
    #[inline(always)]
    pub fn position(&self, v: T) -> T {
        T::one() + (v - self.threshold) * (T::one() / self.width)
    }

    /// `g(v)`, per unit of voltage.
    #[doc(alias = "g")]
    #[inline(always)]
    pub fn density(&self, v: T) -> T {
        self.shape.density(self.position(v)) * (T::one() / self.width)
    }

    /// `G(v)`, the charge released from below the zone up to `v`.
    #[doc(alias = "G")]
    #[inline(always)]
    pub fn charge(&self, v: T) -> T {
        self.shape.charge(self.position(v))
    }

    /// The derivative of `G(v)` by the width, `g(v) (1 - u)`. The derivative by the threshold is `-g(v)`.
    #[inline(always)]
    pub fn charge_by_width(&self, v: T) -> T {
        let u = self.position(v);
        self.shape.density(u) / self.width * (T::one() - u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_dual::Dual64;
    use proptest::prelude::*;

    #[test]
    fn unit_integral_and_compact_support() {
        for shape in GateShape::ALL {
            let gate = Gate { shape, width: 0.3, threshold: 1.0 };
            let n = 200_000;
            let integral: f64 =
                (0..n).map(|i| gate.density(0.5 + (f64::from(i) + 0.5) / f64::from(n))).sum::<f64>()
                    / f64::from(n);
            assert!((integral - 1.0).abs() < 1e-5, "{shape:?}: {integral}");
            assert_eq!((gate.density(0.69), gate.density(1.01)), (0.0, 0.0));
            assert_eq!(
                (gate.charge(-3.0), gate.charge(0.6), gate.charge(1.0), gate.charge(7.0)),
                (0.0, 0.0, 1.0, 1.0)
            );
        }
    }

    proptest! {
        #[test]
        fn charge_has_the_density_as_its_derivative(v in 0.0..1.2, width in 0.05..0.9_f64) {
            for shape in GateShape::ALL {
                let u: f64 = 1.0 + (v - 1.0) / width;
                prop_assume!(u.abs() > 1e-9 && (u - 1.0).abs() > 1e-9);
                let by_v = Gate { shape, width: Dual64::from(width), threshold: Dual64::from(1.0) }.charge(Dual64::from(v).derivative());
                let by_width = Gate { shape, width: Dual64::from(width).derivative(), threshold: Dual64::from(1.0) }.charge(Dual64::from(v));
                let by_threshold = Gate { shape, width: Dual64::from(width), threshold: Dual64::from(1.0).derivative() }.charge(Dual64::from(v));
                let gate = Gate { shape, width, threshold: 1.0 };
                let tolerance = 1e-12 * (1.0 + 1.0 / width);
                prop_assert!((by_v.eps - gate.density(v)).abs() < tolerance);
                prop_assert!((by_width.eps - gate.charge_by_width(v)).abs() < tolerance);
                prop_assert!((by_threshold.eps + gate.density(v)).abs() < tolerance);
                prop_assert!(gate.density(v) >= 0.0);
            }
        }
    }
}
