//! The dense output of a step (equation (47)): the chord between its ends for a method of order 1, the cubic through both ends
//! and their slopes for any other; and the first root of a cubic.

use simba::scalar::RealField;

/// The states at both ends of a step, and what the state is between them.
pub(crate) struct Dense<X> {
    pub(crate) x0: X,
    pub(crate) x1: X,
    /// The slopes at both ends, which make the dense output the cubic; `None` makes it the chord.
    // The end of a step of order 1 may lie anywhere, far above a threshold too, and its slope says nothing of the step.
    pub(crate) slopes: Option<[X; 2]>,
}

/// What `x0`, `h f0`, `x1` and `h f1` are multiplied by in the cubic.
#[inline(always)]
fn weights<T: RealField + Copy>(theta: T) -> [T; 4] {
    let (one, two, three) = (T::one(), T::from_subset(&2.0), T::from_subset(&3.0));
    let (square, back) = (theta * theta, one - theta);
    let up = square * (three - two * theta);
    [one - up, theta * back * back, up, -square * back]
}

/// Their derivatives by `theta`.
#[inline(always)]
fn weights_by_theta<T: RealField + Copy>(theta: T) -> [T; 4] {
    let (one, two, three, six) = (T::one(), T::from_subset(&2.0), T::from_subset(&3.0), T::from_subset(&6.0));
    let up = six * theta * (one - theta);
    [-up, (one - theta) * (one - three * theta), up, theta * (three * theta - two)]
}

impl<X: Copy> Dense<X> {
    /// The state after a fraction `theta` of a step of length `time`.
    pub(crate) fn at<T: RealField + Copy>(&self, time: T, theta: T) -> X
    where
        X: AsRef<[T]> + AsMut<[T]>,
    {
        let mut x = self.x0;
        let Some([f0, f1]) = &self.slopes else {
            for (x, &x1) in x.as_mut().iter_mut().zip(self.x1.as_ref()) {
                *x += theta * (x1 - *x);
            }
            return x;
        };
        let [a, b, c, d] = weights(theta);
        for (i, x) in x.as_mut().iter_mut().enumerate() {
            *x = a * *x + c * self.x1.as_ref()[i] + time * (b * f0.as_ref()[i] + d * f1.as_ref()[i]);
        }
        x
    }

    /// The derivative of variable `i` by `theta`.
    pub(crate) fn slope<T: RealField + Copy>(&self, time: T, theta: T, i: usize) -> T
    where
        X: AsRef<[T]>,
    {
        let (x0, x1) = (self.x0.as_ref()[i], self.x1.as_ref()[i]);
        let Some([f0, f1]) = &self.slopes else { return x1 - x0 };
        let [a, b, c, d] = weights_by_theta(theta);
        let by_slopes = b * f0.as_ref()[i] + d * f1.as_ref()[i];
        a * x0 + c * x1 + time * by_slopes
    }

    /// The transpose of [`at`](Self::at) for a given `theta`: adds to `bar` and returns the cotangent of `time`.
    pub(crate) fn at_vjp<T: RealField + Copy>(&self, time: T, theta: T, x_bar: &X, bar: &mut Self) -> T
    where
        X: AsRef<[T]> + AsMut<[T]>,
    {
        let mut time_bar = T::zero();
        let (Some([f0, f1]), Some([f0_bar, f1_bar])) = (&self.slopes, &mut bar.slopes) else {
            for (i, &x_bar) in x_bar.as_ref().iter().enumerate() {
                bar.x0.as_mut()[i] += (T::one() - theta) * x_bar;
                bar.x1.as_mut()[i] += theta * x_bar;
            }
            return time_bar;
        };
        let [a, b, c, d] = weights(theta);
        for (i, &x_bar) in x_bar.as_ref().iter().enumerate() {
            bar.x0.as_mut()[i] += a * x_bar;
            f0_bar.as_mut()[i] += time * b * x_bar;
            bar.x1.as_mut()[i] += c * x_bar;
            f1_bar.as_mut()[i] += time * d * x_bar;
            time_bar += x_bar * (b * f0.as_ref()[i] + d * f1.as_ref()[i]);
        }
        time_bar
    }

    /// The fraction of the step at which the first variable first reaches `level` from below.
    pub(crate) fn first_crossing<T: RealField + Copy>(&self, time: T, level: T) -> Option<T>
    where
        X: AsRef<[T]> + AsMut<[T]>,
    {
        let first = |x: &X| x.as_ref()[0];
        let real = |x: T| -> f64 { x.to_subset_unchecked() };
        let (v0, v1) = (real(first(&self.x0) - level), real(first(&self.x1) - level));
        let root = match &self.slopes {
            Some([f0, f1]) => first_root(v0, real(time * first(f0)), v1, real(time * first(f1))),
            None => first_root_of_chord(v0, v1),
        }?;
        // A last step of Newton's method in `T` makes a dual number of the root, with its derivative.
        let theta = T::from_subset(&root);
        let value = first(&self.at(time, theta));
        Some(theta - (value - level) / self.slope(time, theta, 0))
    }
}

/// The first `theta` in [0, 1] at which the chord from `v0` to `v1` is not negative.
fn first_root_of_chord(v0: f64, v1: f64) -> Option<f64> {
    if v0 >= 0.0 {
        return Some(0.0);
    }
    (v0 < 0.0 && v1 >= 0.0).then(|| v0 / (v0 - v1))
}

/// The first `theta` in [0, 1] at which the cubic with values `v0`, `v1` and slopes `d0`, `d1` at 0 and 1 is not negative.
///
/// The derivative's roots part the interval into pieces on which the cubic is monotone, so that a piece has a root if and
/// only if its end is not negative. The same numbers give the same bits everywhere.
pub(crate) fn first_root(v0: f64, d0: f64, v1: f64, d1: f64) -> Option<f64> {
    if v0 >= 0.0 {
        return Some(0.0);
    }
    // A cubic stays within the hull of its Bézier points.
    if v1 < 0.0 && v0 + d0 / 3.0 < 0.0 && v1 - d1 / 3.0 < 0.0 {
        return None;
    }
    let rise = v1 - v0;
    let cubic = Cubic { v0, d0, a2: 3.0 * rise - 2.0 * d0 - d1, a3: d0 + d1 - 2.0 * rise };
    let mut low = 0.0;
    for turn in cubic.turns().into_iter().flatten() {
        if turn > low && turn < 1.0 {
            if cubic.value(turn) >= 0.0 {
                return Some(cubic.root(low, turn));
            }
            low = turn;
        }
    }
    (v1 >= 0.0).then(|| cubic.root(low, 1.0))
}

struct Cubic {
    v0: f64,
    d0: f64,
    a2: f64,
    a3: f64,
}

impl Cubic {
    fn value(&self, theta: f64) -> f64 {
        self.v0 + theta * (self.d0 + theta * (self.a2 + theta * self.a3))
    }

    fn slope(&self, theta: f64) -> f64 {
        self.d0 + theta * (2.0 * self.a2 + theta * 3.0 * self.a3)
    }

    /// Where the slope is zero, in ascending order, by the formula that does not cancel.
    fn turns(&self) -> [Option<f64>; 2] {
        let discriminant = self.a2 * self.a2 - 3.0 * self.a3 * self.d0;
        if !(discriminant > 0.0) {
            return [None, None];
        }
        let q = -(self.a2 + discriminant.sqrt().copysign(self.a2));
        let (one, other) = (self.d0 / q, q / (3.0 * self.a3));
        if one < other { [Some(one), Some(other)] } else { [Some(other), Some(one)] }
    }

    /// The root of a monotone piece that is negative at `low` and not at `high`: Newton's method, halving where it leaves
    /// the bracket or is slow.
    fn root(&self, mut low: f64, mut high: f64) -> f64 {
        let mut theta = 0.5 * (low + high);
        for iteration in 0..100 {
            let value = self.value(theta);
            if value < 0.0 {
                low = theta
            } else {
                high = theta
            }
            let next = theta - value / self.slope(theta);
            let inside = next > low && next < high && iteration < 40;
            let next = if inside { next } else { 0.5 * (low + high) };
            if next == theta || value == 0.0 {
                break;
            }
            theta = next;
        }
        theta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_root_is_where_a_fine_scan_finds_it(
            v0 in -3.0..-0.01_f64, d0 in -8.0..8.0_f64, v1 in -3.0..3.0_f64, d1 in -8.0..8.0_f64,
        ) {
            let rise = v1 - v0;
            let cubic = Cubic { v0, d0, a2: 3.0 * rise - 2.0 * d0 - d1, a3: d0 + d1 - 2.0 * rise };
            let n = 100_000;
            let scan = (1..=n).map(|i| f64::from(i) / f64::from(n)).find(|&theta| cubic.value(theta) >= 0.0);
            match (first_root(v0, d0, v1, d1), scan) {
                (Some(root), Some(scan)) => {
                    prop_assert!(root <= scan + 1e-12 && root > scan - 1.1 / f64::from(n), "{root} {scan}");
                    prop_assert!(cubic.value(root).abs() < 1e-13 * (1.0 + d0.abs() + d1.abs()));
                }
                // A peak that is narrower than the scan.
                (Some(root), None) => prop_assert!(cubic.value(root).abs() < 1e-12),
                (None, scan) => prop_assert!(scan.is_none(), "{scan:?}"),
            }
        }
    }

    #[test]
    fn a_chord_crosses_where_its_ends_say() {
        assert_eq!(first_root_of_chord(-3.0, 1.0), Some(0.75));
        assert_eq!(first_root_of_chord(-3.0, 0.0), Some(1.0));
        assert_eq!(first_root_of_chord(0.0, -1.0), Some(0.0));
        assert_eq!(first_root_of_chord(-3.0, -1e-9), None);
        assert_eq!(first_root_of_chord(f64::NAN, 1.0), None);
        // The cubic from -58 mV at 25 mV/ms to -33 mV at 135 mV/ms first falls, and is late at -40 mV.
        let (x0, x1, slopes) = ([-58.0_f64], [-33.0], Some([[25.0], [135.0]]));
        let late = Dense { x0, x1, slopes }.first_crossing(1.0, -40.0);
        let chord = Dense { x0, x1, slopes: None }.first_crossing(1.0, -40.0);
        assert!(
            late.is_some_and(|theta| theta > 0.9)
                && chord.is_some_and(|theta: f64| (theta - 0.72).abs() < 1e-15)
        );
    }

    #[test]
    fn a_crossing_that_has_come_back_is_found() {
        // Up to a quarter above zero in the middle, and down again.
        assert!(
            first_root(-0.5, 3.0, -0.5, -3.0).is_some_and(|root| (root - 0.211_324_865_405).abs() < 1e-9)
        );
        assert_eq!(first_root(-0.76, 3.0, -0.76, -3.0), None);
        assert_eq!(first_root(f64::NAN, 3.0, f64::NAN, -3.0), None);
    }
}
