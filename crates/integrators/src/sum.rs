//! Sums over many numbers: a total without the rounding of its additions, and a norm that overflows only where an entry
//! does.

use std::ops::AddAssign;

use simba::scalar::RealField;

/// A sum with the rounding of one addition, however many there are: it is kept in two numbers (Dekker 1971).
///
/// A plain sum in `f32` stands still as soon as it is 2^24 times one of its terms, which a cost per step reaches in a long run.
///
/// ```
/// use spikegrad_integrators::Total;
/// let (mut total, mut plain) = (Total::<f32>::default(), 0.0_f32);
/// for _ in 0..1_000_000 {
///     total += 0.1;
///     plain += 0.1;
/// }
/// assert_eq!(total.value(), 100_000.0);
/// assert!(plain > 100_900.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Total<T> {
    sum: T,
    /// What `sum` lost.
    rest: T,
}

impl<T: RealField + Copy> Default for Total<T> {
    fn default() -> Self {
        Self { sum: T::zero(), rest: T::zero() }
    }
}

impl<T: RealField + Copy> Total<T> {
    /// The sum of what was added; not finite if a term or the sum was not.
    pub fn value(&self) -> T {
        self.sum + self.rest
    }
}

impl<T: RealField + Copy> AddAssign<T> for Total<T> {
    #[inline(always)]
    fn add_assign(&mut self, term: T) {
        // Without a branch (Knuth 1969): right for every component of a dual number too.
        let sum = self.sum + term;
        let added = sum - self.sum;
        let rest = self.rest + ((self.sum - (sum - added)) + (term - added));
        // The rest stays small, so that what its own additions lose is of second order.
        self.sum = sum + rest;
        self.rest = rest - (self.sum - sum);
    }
}

/// The Euclidean norm. It is finite where every entry is, and above zero where an entry is: a norm beyond the largest number
/// of the float type is that number.
pub fn norm<T: RealField + Copy>(x: &[T]) -> T {
    let sum = x.iter().fold(T::zero(), |sum, &x| sum + x * x);
    if keeps_digits(sum) {
        return sum.sqrt();
    }
    // The squares left the range: once more in units of the largest entry.
    let largest = x.iter().fold(T::zero(), |largest, x| if x.abs() > largest { x.abs() } else { largest });
    if largest == T::zero() || !largest.is_finite() {
        // Squares that are zero or infinite are those of such entries.
        return sum.sqrt();
    }
    let value = largest * x.iter().fold(T::zero(), |sum, &x| sum + (x / largest) * (x / largest)).sqrt();
    T::max_value().filter(|most| value > *most).unwrap_or(value)
}

/// The first of many numbers that is not finite. Blocks are looked at as a whole first, which goes without branches.
pub fn first_non_finite<T: RealField>(x: &[T]) -> Option<usize> {
    const BLOCK: usize = 64;
    let is_bad = |block: &[T]| !block.iter().fold(true, |finite, x| finite & x.is_finite());
    let block = x.chunks(BLOCK).position(is_bad)?;
    let inside = x[block * BLOCK..].iter().position(|x| !x.is_finite())?;
    Some(block * BLOCK + inside)
}

/// Whether a number that is not negative is finite and keeps all its digits: a sum of squares that does not has left the range of the
/// float type, and [`norm`] forms it in other units.
pub fn keeps_digits<T: RealField + Copy>(x: T) -> bool {
    x.is_finite() && x * T::default_epsilon() > T::zero()
}

/// Adds all items to the first, in a tree that depends on nothing but their number.
pub fn add_in_tree<A>(items: &mut [A], add: impl Fn(&mut A, &A)) {
    let mut width = items.len();
    while width > 1 {
        let half = width.div_ceil(2);
        let (low, high) = items.split_at_mut(half);
        low.iter_mut().zip(&high[..width - half]).for_each(|(low, high)| add(low, high));
        width = half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_dual::Dual64;

    #[test]
    fn a_total_keeps_what_a_plain_sum_in_single_precision_loses() {
        let (mut total, mut plain) = (Total::default(), 0.0_f32);
        for _ in 0..20_000_000 {
            total += 0.1_f32;
            plain += 0.1;
        }
        assert_eq!((total.value(), plain), (2_000_000.0, 2_097_152.0));
    }

    #[test]
    fn a_total_is_right_for_terms_of_any_size_and_for_dual_numbers() {
        let of = |terms: &[f64]| {
            let mut total = Total::default();
            terms.iter().for_each(|&term| total += term);
            total.value()
        };
        assert_eq!(of(&[]), 0.0);
        assert_eq!(of(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(of(&[1.0, 1e16, 1.0, -1e16]), 2.0);
        assert!(!of(&[1.0, f64::INFINITY]).is_finite() && !of(&[f64::MAX, f64::MAX]).is_finite());
        let mut total = Total::default();
        for (re, eps) in [(1e16, 1.0), (1.0, 1e16), (-1e16, 1.0), (0.0, -1e16)] {
            total += Dual64::new(re, eps);
        }
        assert_eq!((total.value().re, total.value().eps), (1.0, 2.0));
    }

    #[test]
    fn a_norm_leaves_the_range_only_where_an_entry_does() {
        assert_eq!(norm(&[3.0_f32, 4.0]), 5.0);
        assert_eq!(norm::<f32>(&[]), 0.0);
        assert_eq!(norm(&[0.0_f32, 0.0]), 0.0);
        // The squares of these are infinite, or zero.
        for size in [1e-250_f64, 1e-160, 1e160, 1e250] {
            assert!((norm(&[3.0 * size, 4.0 * size]) / (5.0 * size) - 1.0).abs() < 1e-15, "{size}");
        }
        for size in [1e-38_f32, 1e-25, 1e25, 1e37] {
            assert!((norm(&[3.0 * size, 4.0 * size]) / (5.0 * size) - 1.0).abs() < 1e-6, "{size}");
        }
        assert_eq!(norm(&[3e-44_f32, 0.0]), 3e-44);
        assert!((norm(&vec![9.5e18_f32; 10_000]) / 9.5e20 - 1.0).abs() < 1e-5);
        assert_eq!(norm(&[f32::MAX; 9]), f32::MAX);
        assert_eq!(norm(&[1.0, f32::NEG_INFINITY]), f32::INFINITY);
        assert!(norm(&[1e30, f32::NAN]).is_nan() && norm(&[f32::NAN, 1.0]).is_nan());
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_found() {
        for len in [0, 1, 63, 64, 65, 200] {
            let mut x = vec![1.0; len];
            assert_eq!(first_non_finite(&x), None);
            for at in (0..len).rev() {
                x[at] = if at % 2 == 0 { f64::NAN } else { f64::NEG_INFINITY };
                assert_eq!(first_non_finite(&x), Some(at));
            }
        }
    }

    #[test]
    fn a_norm_within_the_range_has_the_bits_of_the_plain_sum() {
        let x: Vec<f32> = (1..1000_u16).map(|i| 1e-3 * f32::from(i).sin()).collect();
        assert_eq!(norm(&x), x.iter().map(|x| x * x).sum::<f32>().sqrt());
    }

    #[test]
    fn items_are_added_in_one_tree() {
        let sum = |count: usize| {
            let mut items: Vec<String> = (0..count).map(|i| i.to_string()).collect();
            add_in_tree(&mut items, |low, high| *low = format!("({low}+{high})"));
            items.swap_remove(0)
        };
        assert_eq!(sum(1), "0");
        assert_eq!(sum(3), "((0+2)+1)");
        assert_eq!(sum(5), "(((0+3)+2)+(1+4))");
        assert_eq!(sum(8), "(((0+4)+(2+6))+((1+5)+(3+7)))");
    }
}
