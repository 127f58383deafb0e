//! The Yin-Yang data set: a small task that a linear classifier cannot solve.

use crate::random::{Purpose, below, generator, uniform};
use crate::{Dataset, Error, Inputs, Series, Targets};

/// Radius of the two dots.
const SMALL: f64 = 0.1;
/// Radius of the whole figure.
const BIG: f64 = 0.5;

/// `len` points of the Yin-Yang data set of Kriener, Göltz and Petrovici (2022), "The Yin-Yang dataset", with
/// `r_small = 0.1` and `r_big = 0.5`.
///
/// A sample is a series of one time point and four channels, `(x, y, 1 - x, 1 - y)`, all in `[0, 1]`. There are three classes, `yin`,
/// `yang` and `dot`. The class of a sample is drawn first, each with probability 1/3; then points are drawn uniformly from the
/// disc of radius `r_big` about `(r_big, r_big)` until one is of this class. So the classes are equal in expectation.
///
/// With `l` and `r`, the distances of the point from the centres `(r_big / 2, r_big)` and `(3 r_big / 2, r_big)` of the dots,
/// the class is
///
/// - `dot` if `l < r_small` or `r < r_small`;
/// - otherwise `yang` if `l <= r_big / 2`, or if `y > r_big` and `r > r_big / 2`;
/// - otherwise `yin`.
///
/// The published generator numbers the classes in this way: 0 `yin`, 1 `yang`, 2 `dot`. The points of a seed are the same on every
/// machine; they are not those that the published generator draws from its own seeds. Sample `i` of a seed is the same for
/// every `len`.
///
/// ```
/// let data = spikegrad_data::yin_yang(5000, 42)?;
/// assert_eq!((data.channels(), data.outputs()), (4, 3));
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If `len` is 0.
pub fn yin_yang(len: usize, seed: u64) -> Result<Dataset, Error> {
    let (mut inputs, mut labels) = (Vec::with_capacity(len), Vec::with_capacity(len));
    for sample in 0..len {
        let mut rng = generator(seed, Purpose::YinYang, sample as u64);
        let label = below(&mut rng, 3);
        let (x, y) = loop {
            let (x, y) = (2.0 * BIG * uniform(&mut rng), 2.0 * BIG * uniform(&mut rng));
            if class(x, y) == Some(label) {
                break (x, y);
            }
        };
        inputs.push(Series::new(4, [x, y, 1.0 - x, 1.0 - y].map(|v| v as f32).to_vec())?);
        labels.push(label);
    }
    let names = ["yin", "yang", "dot"].map(str::to_owned).to_vec();
    Dataset::new(Inputs::Series(inputs), Targets::Classes { labels, names })
}

/// The class of a point, if it is within the figure.
fn class(x: f64, y: f64) -> Option<usize> {
    let distance = |centre_x: f64| ((x - centre_x).powi(2) + (y - BIG).powi(2)).sqrt();
    if distance(BIG) > BIG {
        return None;
    }
    let (left, right) = (distance(0.5 * BIG), distance(1.5 * BIG));
    if left < SMALL || right < SMALL {
        return Some(2);
    }
    let yang = left <= 0.5 * BIG || (y > BIG && right > 0.5 * BIG);
    Some(usize::from(yang))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_known_classes() {
        for (x, y, expected) in [
            (0.25, 0.5, Some(2)),
            (0.75, 0.59, Some(2)),
            (0.25, 0.7, Some(1)),
            (0.25, 0.3, Some(1)),
            (0.5, 0.9, Some(1)),
            (0.75, 0.7, Some(0)),
            (0.75, 0.3, Some(0)),
            (0.5, 0.1, Some(0)),
            (0.0, 0.0, None),
            (1.0, 1.0, None),
        ] {
            assert_eq!(class(x, y), expected, "({x}, {y})");
        }
    }

    #[test]
    fn classes_are_equal_in_expectation_and_points_lie_in_them() {
        let data = yin_yang(6000, 1).unwrap();
        let (Inputs::Series(inputs), Some(labels)) = (data.inputs(), data.labels()) else { panic!() };
        let (mut counts, mut crossed) = ([0_i32; 3], 0);
        for (input, &label) in inputs.iter().zip(labels) {
            counts[label] += 1;
            let [x, y, x_mirrored, y_mirrored] = input.values() else { panic!() };
            assert!((x + x_mirrored - 1.0).abs() < 1e-6 && (y + y_mirrored - 1.0).abs() < 1e-6);
            crossed += usize::from(class((*x).into(), (*y).into()) != Some(label));
        }
        // Rounding to 32 bits may take a point across a border that it all but lies on.
        assert!(crossed <= 2, "{crossed}");
        // Five standard deviations of a count are 183.
        assert!(counts.iter().all(|count| (count - 2000).abs() < 183), "{counts:?}");
    }

    #[test]
    fn a_sample_depends_on_its_seed_and_index_only() {
        let (short, long) = (yin_yang(5, 3).unwrap(), yin_yang(9, 3).unwrap());
        assert_eq!(long.subset(&[0, 1, 2, 3, 4]).unwrap(), short);
        assert_ne!(yin_yang(5, 4).unwrap(), short);
        assert!(yin_yang(0, 1).is_err());
        // It does not change between releases.
        let Inputs::Series(inputs) = short.inputs() else { panic!() };
        assert_eq!(inputs[0].values(), [0.919_485_7, 0.420_801_67, 0.080_514_304, 0.579_198_36]);
        assert_eq!(short.labels(), Some(&[0, 1, 2, 2, 0][..]));
    }
}
