//! Five numbers that say how values are spread.

/// The least, the quartiles and the greatest of some values.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Quantiles {
    /// The least value.
    pub min: f64,
    /// The value that a quarter of the values do not exceed.
    pub lower: f64,
    /// The median.
    pub median: f64,
    /// The value that three quarters of the values do not exceed.
    pub upper: f64,
    /// The greatest value.
    pub max: f64,
}

impl Quantiles {
    /// The quantiles of the finite ones of some values, by linear interpolation; `None` if there are none.
    ///
    /// ```
    /// use spikegrad_tasks::health::Quantiles;
    /// let found = Quantiles::of([3.0, 1.0, f64::NAN, 2.0]).map(|q| (q.min, q.lower, q.median, q.max));
    /// assert_eq!(found, Some((1.0, 1.5, 2.0, 3.0)));
    /// ```
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |q: f64| {
            let at = q * last as f64;
            let (low, part) = (at.floor() as usize, at.fract());
            sorted[low] + part * (sorted[(low + 1).min(last)] - sorted[low])
        };
        Some(Self { min: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75), max: at(1.0) })
    }
}

/// The median of the finite ones of some values.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    Quantiles::of(values).map(|quantiles| quantiles.median)
}
