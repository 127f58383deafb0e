//! The gradients of single trials, group by group: their norms, what clipping does to them, how half the step changes them.

use super::quantiles::{Quantiles, median};
use super::trial::Figures;
use crate::RunningQuantile;
use crate::{Clip, Error};

/// The gradients of a group in single trials.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct GroupHealth {
    /// The group's name, as in `slow.weight`.
    pub name: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Trials whose gradient is finite.
    pub trials: usize,
    /// Norms over the trials whose gradient is finite.
    pub norms: Option<Quantiles>,
    /// Trials in which the gradient is zero.
    pub zero: usize,
    /// The largest norm over the median of those that are not zero.
    pub tail: Option<f64>,
    /// What clipping does, if the options clip this group.
    pub clipped: Option<Clipped>,
    /// The median cosine between the gradients with the step and with half of it.
    pub cosine: Option<f64>,
    /// The median ratio of the norm with half the step over that with the step.
    pub ratio: Option<f64>,
}

/// What clipping does to a group's gradients in these trials.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Clipped {
    /// The norm that gradients are clipped to.
    pub largest: f64,
    /// The share of the gradients above zero that are clipped.
    pub share: f64,
    /// The part of such a gradient that is left, on average.
    pub left: f64,
}

impl GroupHealth {
    /// The group `g` of those that are trained, whose gradients are clipped as `clip` says.
    pub(super) fn of(
        (g, name, parameters): (usize, &str, usize),
        figures: &[Figures],
        clip: Option<Clip>,
    ) -> Result<Self, Error> {
        let norms: Vec<f64> = figures.iter().filter_map(|trial| trial.norms.get(g).copied()).collect();
        let above = Quantiles::of(norms.iter().copied().filter(|norm| *norm > 0.0));
        let halved = || figures.iter().filter_map(|trial| trial.halved.as_ref()?.groups.get(g).copied()?);
        Ok(Self {
            name: name.to_owned(),
            parameters,
            trials: norms.len(),
            norms: Quantiles::of(norms.iter().copied()),
            zero: norms.iter().filter(|norm| **norm == 0.0).count(),
            tail: above.map(|norms| norms.max / norms.median),
            clipped: clip.map(|clip| Clipped::of(clip, &norms)).transpose()?.flatten(),
            cosine: median(halved().map(|(cosine, _)| cosine)),
            ratio: median(halved().map(|(_, ratio)| ratio.min(f64::MAX))),
        })
    }
}

impl Clipped {
    fn of(clip: Clip, norms: &[f64]) -> Result<Option<Self>, Error> {
        let mut running = RunningQuantile::default();
        norms.iter().for_each(|&norm| running.push(norm));
        let Some(quantile) = running.quantile(clip.quantile)? else { return Ok(None) };
        let largest = quantile * clip.factor;
        let above: Vec<f64> = norms.iter().copied().filter(|norm| *norm > 0.0).collect();
        let part =
            |of: &dyn Fn(f64) -> f64| above.iter().map(|&norm| of(norm)).sum::<f64>() / above.len() as f64;
        let (share, left) =
            (part(&|norm| f64::from(u8::from(norm > largest))), part(&|norm| (largest / norm).min(1.0)));
        Ok(Some(Self { largest, share, left }))
    }
}
