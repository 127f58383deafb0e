//! Least squares for the scaling plots.

/// The exponent `b` and the factor `a` of `y = a x^b`, by least squares of the logarithms.
pub(super) fn power(x: &[f64], y: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let (lx, ly): (Vec<f64>, Vec<f64>) =
        (x.iter().map(|x| x.ln()).collect(), y.iter().map(|y| y.ln()).collect());
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mx, my) = (mean(&lx), mean(&ly));
    let cross: f64 = lx.iter().zip(&ly).map(|(x, y)| (x - mx) * (y - my)).sum();
    let square: f64 = lx.iter().map(|x| (x - mx) * (x - mx)).sum();
    let exponent = cross / square;
    (exponent, (my - exponent * mx).exp())
}

/// A fit `y = c1 x1 + c2 x2`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub(super) c: [f64; 2],
    /// Share of the variance of `y` that it explains.
    pub(super) r_squared: f64,
}

impl Plane {
    pub(super) fn at(&self, x: [f64; 2]) -> f64 {
        self.c[0] * x[0] + self.c[1] * x[1]
    }
}

/// Least squares with constants that are not negative, as prices are not.
pub(super) fn plane(x: &[[f64; 2]], y: &[f64]) -> Plane {
    let sum = |f: &dyn Fn([f64; 2], f64) -> f64| x.iter().zip(y).map(|(&x, &y)| f(x, y)).sum::<f64>();
    let (aa, ab, bb) = (sum(&|x, _| x[0] * x[0]), sum(&|x, _| x[0] * x[1]), sum(&|x, _| x[1] * x[1]));
    let (ay, by) = (sum(&|x, y| x[0] * y), sum(&|x, y| x[1] * y));
    let determinant = aa * bb - ab * ab;
    let free = [(ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant];
    let c = match free {
        [c1, _] if c1 < 0.0 => [0.0, by / bb],
        [_, c2] if c2 < 0.0 => [ay / aa, 0.0],
        free => free,
    };
    let mut plane = Plane { c, r_squared: 0.0 };
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
    let left = sum(&|x, y| (y - plane.at(x)).powi(2));
    plane.r_squared = 1.0 - left / total;
    plane
}

/// Where `y` passes 1 on its way up, on logarithmic axes; none if it does not.
pub(super) fn crossing(x: &[f64], y: &[f64]) -> Option<f64> {
    let pairs = x.windows(2).zip(y.windows(2));
    pairs.into_iter().find(|(_, y)| y[0] < 1.0 && y[1] >= 1.0).map(|(x, y)| {
        let share = -y[0].ln() / (y[1].ln() - y[0].ln());
        (x[0].ln() + share * (x[1].ln() - x[0].ln())).exp()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_found_again() {
        let x = [1.0, 2.0, 8.0, 20.0];
        let (exponent, factor) = power(&x, &x.map(|x: f64| 3.0 * x.powf(1.5)));
        assert!((exponent - 1.5).abs() < 1e-12 && (factor - 3.0).abs() < 1e-12);
        let points = [[1.0, 5.0], [2.0, 1.0], [30.0, 40.0]];
        let fit = plane(&points, &points.map(|[a, b]| 2.0 * a + 0.5 * b));
        assert!((fit.c[0] - 2.0).abs() < 1e-9 && (fit.c[1] - 0.5).abs() < 1e-9);
        assert!(fit.r_squared > 1.0 - 1e-12);
        assert_eq!(plane(&[[1.0, 1.0], [1.0, 2.0]], &[1.0, 3.0]).c, [0.0, 1.4]);
        assert!(plane(&points, &[1.0, 9.0, 10.0]).r_squared < 0.9);
    }

    #[test]
    fn a_crossing_lies_between_its_neighbours() {
        let at = crossing(&[0.01, 0.1, 1.0], &[0.1, 0.5, 2.0]);
        assert!((at.unwrap() - 0.1 * 10_f64.sqrt()).abs() < 1e-12);
        assert_eq!(crossing(&[0.1, 1.0], &[0.1, 0.5]), None);
    }
}
