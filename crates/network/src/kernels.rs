//! The loops over vectors of neurons that a step's cost is made of. Sums run in a fixed number of lanes in a
//! fixed order, so that the vector width of the machine does not change a bit. They are inlined into their callers, which
//! may be compiled for the widest vectors of the machine; programs of one's own may use them too.

use std::sync::LazyLock;

use crate::Scalar;

/// Partial sums of a dot product.
pub(crate) const LANES: usize = 16;

/// `y = f(y, x)` for each entry of some vectors that are written and some that are only read, over the shortest of them, whole
/// lanes first: from loops of a fixed length the compiler does not make long ones, for which there are too few neurons, with
/// slow rests. A loop costs more to set up than what an entry of it does, so that what can be done in one is done in one.
#[inline(always)]
pub(crate) fn each<T: Scalar, const W: usize, const R: usize>(
    written: [&mut [T]; W],
    read: [&[T]; R],
    f: impl Fn([T; W], [T; R]) -> [T; W],
) {
    let mut len = usize::MAX;
    for y in &written {
        len = len.min(y.len());
    }
    for x in &read {
        len = len.min(x.len());
    }
    let whole = len / LANES;
    for i in whole * LANES..len {
        let (mut y, mut x) = ([T::zero(); W], [T::zero(); R]);
        for w in 0..W {
            y[w] = written[w][i];
        }
        for r in 0..R {
            x[r] = read[r][i];
        }
        y = f(y, x);
        for w in 0..W {
            written[w][i] = y[w];
        }
    }
    // Cut to one length, so that no access is checked.
    let ys = written.map(
        #[inline(always)]
        |y| y[..len].as_chunks_mut::<LANES>().0,
    );
    let xs = read.map(
        #[inline(always)]
        |x| x[..len].as_chunks::<LANES>().0,
    );
    for block in 0..whole {
        let (mut y, mut x) = ([[T::zero(); LANES]; W], [[T::zero(); LANES]; R]);
        for w in 0..W {
            y[w] = ys[w][block];
        }
        for r in 0..R {
            x[r] = xs[r][block];
        }
        for i in 0..LANES {
            let (mut old, mut given) = ([T::zero(); W], [T::zero(); R]);
            for w in 0..W {
                old[w] = y[w][i];
            }
            for r in 0..R {
                given[r] = x[r][i];
            }
            let new = f(old, given);
            for w in 0..W {
                y[w][i] = new[w];
            }
        }
        for w in 0..W {
            ys[w][block] = y[w];
        }
    }
}

/// `y += factor x`, over the shorter of the two.
#[inline(always)]
pub fn axpy<T: Scalar>(y: &mut [T], factor: T, x: &[T]) {
    each(
        [y],
        [x],
        #[inline(always)]
        |[y], [x]| [y + factor * x],
    );
}

/// `y = factor y`.
#[inline(always)]
pub(crate) fn scale<T: Scalar>(y: &mut [T], factor: T) {
    each(
        [y],
        [],
        #[inline(always)]
        |[y], []| [y * factor],
    );
}

/// `y = x`, over the shorter of the two: for vectors so short that to call the library would take longer.
#[inline(always)]
pub(crate) fn copy<T: Scalar>(y: &mut [T], x: &[T]) {
    each(
        [y],
        [x],
        #[inline(always)]
        |_, x| x,
    );
}

/// `y = sum_k factor_k x_k`, term by term.
#[inline(always)]
pub(crate) fn combine<T: Scalar, const K: usize>(y: &mut [T], terms: [(T, &[T]); K]) {
    each(
        [y],
        terms.map(
            #[inline(always)]
            |(_, x)| x,
        ),
        #[inline(always)]
        |_, x| {
            let mut sum = terms[0].0 * x[0];
            for k in 1..K {
                sum += terms[k].0 * x[k];
            }
            [sum]
        },
    );
}

/// Bytes of a line of the caches.
pub(crate) const LINE: usize = 64;

/// Asks for numbers that will be read soon, so that they are in the nearest cache by then.
#[inline(always)]
pub(crate) fn prefetch<T>(x: &[T]) {
    prefetch_from(x, 0, x.len());
}

/// Asks for `count` numbers from number `start` on, some of which may lie behind the end: nothing is read.
#[inline(always)]
pub(crate) fn prefetch_from<T>(x: &[T], start: usize, count: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(sse) = pulp::core_arch::x86::Sse::try_new() {
        let start = x.as_ptr().wrapping_add(start).cast::<i8>();
        for line in 0..(count * size_of::<T>()).div_ceil(LINE) {
            sse._mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(start.wrapping_add(line * LINE));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, start, count);
}

/// Adds the lanes, a power of two of them, pairwise in a fixed tree, for which they are used up.
#[inline(always)]
pub(crate) fn tree<T: Scalar>(lanes: &mut [T]) -> T {
    let mut width = lanes.len() / 2;
    while width > 0 {
        for i in 0..width {
            let other = lanes[i + width];
            lanes[i] += other;
        }
        width /= 2;
    }
    lanes[0]
}

/// Writes the partial sums of `x . y`. A caller with many products keeps their lanes in memory and adds them up
/// afterwards: stores of whole lanes are what makes the compiler keep them in vectors.
#[inline(always)]
pub(crate) fn dot_lanes<T: Scalar>(x: &[T], y: &[T], lanes: &mut [T; LANES]) {
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    let mut sum = [T::zero(); LANES];
    for (x, y) in xs.iter().zip(ys) {
        for i in 0..LANES {
            sum[i] += x[i] * y[i];
        }
    }
    *lanes = sum;
    for ((&x, &y), lane) in x_rest.iter().zip(y_rest).zip(lanes) {
        *lane += x * y;
    }
}

/// `x . y`, over the shorter of the two, in 16 partial sums that are added up in a fixed tree.
#[inline(always)]
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    dot_lanes(x, y, &mut lanes);
    tree(&mut lanes)
}

/// The sum of the squares of a matrix of so many rows, column by column, each in 16 partial sums that are added up in a fixed tree.
pub fn sum_by_columns<T: Scalar>(matrix: &[T], rows: usize) -> T {
    matrix.chunks_exact(rows).fold(T::zero(), |sum, column| sum + dot(column, column))
}

/// Runs an operation in vectors of a machine. For none of them it stands apart: what it needs of the stack would be taken for the
/// others, too. Vectors are named one by one, because what is left to `Arch::dispatch` is compiled once more for none of them.
#[inline(always)]
pub(crate) fn dispatch<F: pulp::WithSimd>(arch: pulp::Arch, f: F) -> F::Output {
    #[inline(never)]
    fn plain<F: pulp::WithSimd>(f: F) -> F::Output {
        f.with_simd(pulp::Scalar::new())
    }
    match arch {
        pulp::Arch::Scalar => plain(f),
        #[cfg(all(target_arch = "x86_64", not(debug_assertions)))]
        pulp::Arch::V4(simd) => pulp::Simd::vectorize(simd, f),
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V3(simd) => pulp::Simd::vectorize(simd, f),
        #[cfg(not(target_arch = "x86_64"))]
        arch => arch.dispatch(f),
        #[cfg(target_arch = "x86_64")]
        _ => plain(f),
    }
}

/// Runs `f`, compiled for every width of vectors, for scalars that gain from it, and once for others.
#[inline(always)]
pub(crate) fn vectorise<T: Scalar, F: pulp::NullaryFnOnce>(arch: pulp::Arch, f: F) -> F::Output {
    if const { T::VECTORISES } { dispatch(arch, f) } else { f.call() }
}

/// The widest vectors of this machine, looked up once; in debug builds at most those of 256 bits, since each width is a good part of the
/// time that this crate takes to compile. The bits do not depend on it.
pub(crate) static ARCH: LazyLock<pulp::Arch> = LazyLock::new(|| {
    #[cfg(all(target_arch = "x86_64", debug_assertions))]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return pulp::Arch::V3(simd);
    }
    pulp::Arch::new()
});

/// Loops that are compiled for the machine's widest vectors by themselves: for callers that are not.
pub mod wide {
    use crate::Scalar;

    use super::{ARCH, vectorise};

    // A closure that only borrows reaches the wide vectors through a shim that is not inlined, and so never sees them; this
    // is a closure written out.
    struct Axpy<'a, T>(&'a mut [T], T, &'a [T]);

    impl<T: Scalar> pulp::NullaryFnOnce for Axpy<'_, T> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            super::axpy(self.0, self.1, self.2);
        }
    }

    /// `y += factor x`, over the shorter of the two.
    pub fn axpy<T: Scalar>(y: &mut [T], factor: T, x: &[T]) {
        vectorise::<T, _>(*ARCH, Axpy(y, factor, x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_plain_loops() {
        for n in [0, 1, 15, 16, 17, 80, 100] {
            let x: Vec<f64> = (0..n).map(|i| f64::from(i).sin()).collect();
            let mut y: Vec<f64> = (0..n).map(|i| f64::from(i * i).cos()).collect();
            let plain: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert!((dot(&x, &y) - plain).abs() < 1e-13);
            let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y + 0.3 * x).collect();
            axpy(&mut y, 0.3, &x);
            assert_eq!(y, expected);
            let (mut at_once, mut one_by_one) = (vec![f64::NAN; x.len()], y.clone());
            combine(&mut at_once, [(1.0, &y), (0.3, &x), (-0.7, &expected)]);
            axpy(&mut one_by_one, 0.3, &x);
            axpy(&mut one_by_one, -0.7, &expected);
            assert_eq!(at_once, one_by_one);
        }
    }
}
