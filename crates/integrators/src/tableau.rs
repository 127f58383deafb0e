//! Explicit Runge-Kutta methods as tables, and the one step, with its transpose, that all of them share (equations
//! (36), (37)).
//!
//! A method is data: a new one is a table here, and every test over [`ALL`] covers it.

use simba::scalar::RealField;

use crate::Error;

/// The most stages that a tableau may have; workspaces on the stack have this length.
pub const MAX_STAGES: usize = 7;

/// An explicit Runge-Kutta method: nodes `c`, lower-triangular matrix `a`, weights `b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tableau {
    name: &'static str,
    order: u32,
    c: &'static [f64],
    a: &'static [&'static [f64]],
    b: &'static [f64],
}

/// Explicit Euler, order 1 (Euler 1768).
pub const EULER: Tableau = Tableau { name: "Euler", order: 1, c: &[0.0], a: &[&[]], b: &[1.0] };

/// Explicit midpoint, order 2 (Runge 1895).
pub const MIDPOINT: Tableau =
    Tableau { name: "midpoint", order: 2, c: &[0.0, 0.5], a: &[&[], &[0.5]], b: &[0.0, 1.0] };

/// Heun's method, the explicit trapezoidal rule, order 2 (Heun 1900).
pub const HEUN: Tableau =
    Tableau { name: "Heun", order: 2, c: &[0.0, 1.0], a: &[&[], &[1.0]], b: &[0.5, 0.5] };

/// Ralston's method of least error bound, order 2 (Ralston 1962).
pub const RALSTON: Tableau =
    Tableau { name: "Ralston", order: 2, c: &[0.0, 2.0 / 3.0], a: &[&[], &[2.0 / 3.0]], b: &[0.25, 0.75] };

/// The classical method of order 4 (Kutta 1901).
pub const RK4: Tableau = Tableau {
    name: "RK4",
    order: 4,
    c: &[0.0, 0.5, 0.5, 1.0],
    a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
};

/// The third-order member of the pair of Bogacki & Shampine (1989), with fixed steps.
pub const BOGACKI_SHAMPINE3: Tableau = Tableau {
    name: "Bogacki-Shampine 3",
    order: 3,
    c: &[0.0, 0.5, 0.75],
    a: &[&[], &[0.5], &[0.0, 0.75]],
    b: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0],
};

/// The fifth-order member of the pair of Dormand & Prince (1980), with fixed steps.
pub const DORMAND_PRINCE5: Tableau = Tableau {
    name: "Dormand-Prince 5",
    order: 5,
    c: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0],
    a: &[
        &[],
        &[0.2],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    ],
    b: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
};

/// Every method of this crate; tests loop over it.
pub const ALL: [Tableau; 7] = [EULER, MIDPOINT, HEUN, RALSTON, BOGACKI_SHAMPINE3, RK4, DORMAND_PRINCE5];

impl Tableau {
    /// A method of one's own.
    ///
    /// ```
    /// use spikegrad_integrators::Tableau;
    /// let heun3 = Tableau::new(
    ///     "Heun 3", 3,
    ///     &[0.0, 1.0 / 3.0, 2.0 / 3.0],
    ///     &[&[], &[1.0 / 3.0], &[0.0, 2.0 / 3.0]],
    ///     &[0.25, 0.0, 0.75],
    /// )?;
    /// assert_eq!(heun3.stages(), 3);
    /// let typo = Tableau::new("typo", 2, &[0.0, 0.5], &[&[], &[0.6]], &[0.0, 1.0]);
    /// assert!(typo.is_err());
    /// # Ok::<(), spikegrad_integrators::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the lengths are not those of an explicit method, or if a row does not sum to its node, or the weights to one.
    pub fn new(
        name: &'static str,
        order: u32,
        c: &'static [f64],
        a: &'static [&'static [f64]],
        b: &'static [f64],
    ) -> Result<Self, Error> {
        let stages = b.len();
        if stages == 0
            || c.len() != stages
            || a.len() != stages
            || a.iter().enumerate().any(|(i, row)| row.len() != i)
        {
            return Err(Error::TableauShape { name, stages });
        }
        if stages > MAX_STAGES {
            return Err(Error::TooManyStages { name, stages, max: MAX_STAGES });
        }
        let agree = |what: String, sum: f64, expected: f64| {
            if (sum - expected).abs() <= 1e-12 {
                Ok(())
            } else {
                Err(Error::TableauSum { name, what, sum, expected })
            }
        };
        agree("the sum of b".into(), b.iter().sum(), 1.0)?;
        for (i, row) in a.iter().enumerate() {
            agree(format!("row {i} of a"), row.iter().sum(), c[i])?;
        }
        Ok(Self { name, order, c, a, b })
    }

    /// The method's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Order of convergence on smooth problems.
    pub fn order(&self) -> u32 {
        self.order
    }

    /// Number of evaluations a step.
    pub fn stages(&self) -> usize {
        self.b.len()
    }

    /// Where stage `i` lies in the step, as a fraction of `h`.
    pub fn node(&self, i: usize) -> f64 {
        self.c[i]
    }

    /// One step, equation (36): `x <- x + h sum_i b_i k_i`, `k_i = f(X_i)`, `X_i = x + h sum_j a_ij k_j`.
    ///
    /// `f(i, X_i, k_i)` writes the slope of stage `i`. `points` receives the stages `X_i`, which the transpose needs;
    /// `slopes` is work space. Both have at least [`stages`](Self::stages) entries of the state's length.
    #[inline(always)]
    pub fn step<T, X>(
        &self,
        h: T,
        x: &mut X,
        points: &mut [X],
        slopes: &mut [X],
        mut f: impl FnMut(usize, &X, &mut X),
    ) where
        T: RealField + Copy,
        X: AsRef<[T]> + AsMut<[T]>,
    {
        for (i, row) in self.a.iter().enumerate() {
            let (known, rest) = slopes.split_at_mut(i);
            points[i].as_mut().copy_from_slice(x.as_ref());
            add_combination(points[i].as_mut(), h, row, known);
            f(i, &points[i], &mut rest[0]);
        }
        add_combination(x.as_mut(), h, self.b, slopes);
    }

    /// The transpose of [`step`](Self::step), equation (37): turns `x_bar` of the step's end into that of its start.
    ///
    /// `f_vjp(i, X_i, k_i_bar, X_i_bar)` adds the field's Jacobian-transpose product to `X_i_bar`. `points_bar` and
    /// `slope_bar` are work space.
    #[inline(always)]
    pub fn step_vjp<T, X>(
        &self,
        h: T,
        points: &[X],
        x_bar: &mut X,
        points_bar: &mut [X],
        slope_bar: &mut X,
        mut f_vjp: impl FnMut(usize, &X, &X, &mut X),
    ) where
        T: RealField + Copy,
        X: AsRef<[T]> + AsMut<[T]>,
    {
        let stages = self.stages();
        for i in (0..stages).rev() {
            let weight = h * constant(self.b[i]);
            for (k, &x) in slope_bar.as_mut().iter_mut().zip(x_bar.as_ref()) {
                *k = weight * x;
            }
            for (j, point) in points_bar[..stages].iter().enumerate().skip(i + 1) {
                let a = self.a[j][i];
                if a != 0.0 {
                    add_scaled(slope_bar.as_mut(), h * constant(a), point.as_ref());
                }
            }
            points_bar[i].as_mut().fill(T::zero());
            f_vjp(i, &points[i], slope_bar, &mut points_bar[i]);
        }
        for point in &points_bar[..stages] {
            add_scaled(x_bar.as_mut(), T::one(), point.as_ref());
        }
    }
}

#[inline(always)]
fn constant<T: RealField>(x: f64) -> T {
    T::from_subset(&x)
}

#[inline(always)]
fn add_scaled<T: RealField + Copy>(y: &mut [T], factor: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

#[inline(always)]
fn add_combination<T, X>(y: &mut [T], h: T, weights: &[f64], slopes: &[X])
where
    T: RealField + Copy,
    X: AsRef<[T]>,
{
    for (&weight, slope) in weights.iter().zip(slopes) {
        if weight != 0.0 {
            add_scaled(y, h * constant(weight), slope.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_passes_its_own_constructor() {
        for t in ALL {
            assert_eq!(Tableau::new(t.name, t.order, t.c, t.a, t.b), Ok(t));
        }
    }

    #[test]
    fn a_mistyped_table_is_refused() {
        let sum = Tableau::new("sum", 1, &[0.0], &[&[]], &[0.9]);
        assert!(matches!(sum, Err(Error::TableauSum { sum, .. }) if sum == 0.9));
        let row = Tableau::new("row", 2, &[0.0, 0.5], &[&[], &[0.4]], &[0.0, 1.0]);
        assert!(row.is_err_and(|e| e.to_string().contains("row 1 of a")));
        let shape = Tableau::new("shape", 2, &[0.0, 0.5], &[&[]], &[0.0, 1.0]);
        assert!(matches!(shape, Err(Error::TableauShape { stages: 2, .. })));
    }
}
