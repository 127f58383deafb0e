//! The gradient check (equation (40)): central differences over a ladder of steps with Richardson extrapolation, and the
//! order of the Taylor remainder, along directions in each group of parameters.
//!
//! What makes it trustworthy on spiking programs, which are only piecewise smooth: two runs are compared only if they went
//! through the same pieces ([`EventLog::signature`]); the estimate is chosen by its own estimated error, never by its
//! distance from the gradient under test; and a direction that could not decide is counted, not passed.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use spikegrad_integrators::{EventLog, StepVjp, norm};

use crate::report::{Comparison, GradientReport, GroupReport, Limits};
use crate::{BoxError, Error, Sweep};

/// A named group of parameters that share a unit, such as a weight matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedGroup {
    /// The name, for the report.
    pub name: String,
    /// Where the group lies in the vector of all parameters.
    pub range: Range<usize>,
}

/// A cost as a function of its parameters, with the gradient that is to be checked.
pub trait Objective {
    /// The groups to check, each a non-empty range of the parameters.
    fn groups(&self) -> Vec<CheckedGroup>;

    /// The point at which to check.
    fn parameters(&self) -> Vec<f64>;

    /// Whether a parameter may be varied; directions are zero where it may not, as in the masked entries of a matrix.
    fn is_free(&self, _parameter: usize) -> bool {
        true
    }

    /// The cost at `parameters`; what makes the program only piecewise smooth goes to `log`, which comes empty.
    ///
    /// # Errors
    /// Any; at a perturbed point an error means that the point is out of bounds, and a smaller step is tried.
    fn cost(&mut self, parameters: &[f64], log: &mut EventLog) -> Result<f64, BoxError>;

    /// Adds the gradient at `parameters` to `gradient`, which comes zeroed, one entry per parameter; returns the cost.
    ///
    /// # Errors
    /// Any; it ends the check.
    fn gradient(&mut self, parameters: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError>;
}

/// The [`Objective`] of any differentiable step that can be built from a vector of parameters.
///
/// The vector is ordered as the step's `parameters_bar`: see [`StepVjp::n_parameters`].
#[derive(Clone, Debug)]
pub struct StepObjective<F, Tape> {
    parameters: Vec<f64>,
    groups: Vec<CheckedGroup>,
    build: F,
    sweep: Sweep<f64, Tape>,
}

impl<F, Tape: Default + Send> StepObjective<F, Tape> {
    /// The objective of the step that `build` makes of its parameters, to be checked at `parameters`.
    pub fn new<S, E>(parameters: Vec<f64>, build: F) -> Self
    where
        F: FnMut(&[f64]) -> Result<S, E>,
        S: StepVjp<f64, Tape = Tape>,
        E: Into<BoxError>,
    {
        Self { parameters, groups: Vec::new(), build, sweep: Sweep::new() }
    }

    /// Adds a group. Without any, all parameters form one group, named `parameters`.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>, range: Range<usize>) -> Self {
        self.groups.push(CheckedGroup { name: name.into(), range });
        self
    }
}

impl<S, E, F> Objective for StepObjective<F, S::Tape>
where
    F: FnMut(&[f64]) -> Result<S, E>,
    S: StepVjp<f64>,
    E: Into<BoxError>,
{
    fn groups(&self) -> Vec<CheckedGroup> {
        if self.groups.is_empty() {
            vec![CheckedGroup { name: "parameters".into(), range: 0..self.parameters.len() }]
        } else {
            self.groups.clone()
        }
    }

    fn parameters(&self) -> Vec<f64> {
        self.parameters.clone()
    }

    fn cost(&mut self, parameters: &[f64], log: &mut EventLog) -> Result<f64, BoxError> {
        let step = (self.build)(parameters).map_err(Into::into)?;
        Ok(self.sweep.events(&step, log)?)
    }

    fn gradient(&mut self, parameters: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
        let step = (self.build)(parameters).map_err(Into::into)?;
        Ok(self.sweep.gradient(&step, gradient)?)
    }
}

/// How to check a gradient; the default is what this project asserts everywhere.
///
/// Each group gets the directions of its single entries if it has few, otherwise random unit directions and the gradient's
/// own. Along each, `C(p + e d)` and `C(p - e d)` are compared for a ladder of steps, each half the one before. Steps are
/// relative: `e` stands for `e` times the group's norm, or for `e` times what the norm would be if every entry were
/// [`scale_floor`](Self::scale_floor), if that is more.
///
/// - Two neighbouring steps whose four runs have the event signature of the unperturbed run give one extrapolated value. Its
///   error is estimated by twice its distance from the values before and after it, plus rounding; the value with the least
///   estimated error wins, unless a finer step contradicts it by more than the errors of both: then the ladder goes on below.
/// - The *rounding floor* of a value is `3 noise / e`, where `noise` is 8 units of rounding of the cost or 4 standard
///   deviations of its measured noise (fourth differences of runs a hair's breadth apart; Hamming 1973, Moré & Wild
///   2011), whichever is more: the noise of a sensitive program is far above a rounding unit of its cost. More than `1e-8`
///   of the cost is not believed to be noise.
/// - A direction agrees if `|numerical - analytic| <= tolerance |g| + floor`, `g` the group's gradient. It is *discarded* if
///   no steps are comparable, if the estimated error is above `1e-4 |g|`, or if it is above the disagreement. A gradient
///   that agrees and is itself no more than rounding passes as zero: it belongs to an unused parameter, or to a run in which
///   nothing happens. Such a direction is *flat*; a check in which all of them are proves nothing and fails.
/// - The Taylor remainder, the larger of those along `d` and `-d`, is fitted over steps between `1e-3` and `1e-5`, and over
///   smaller ones where these are too large for the quadratic term to lead; the order must exceed 1.8. A remainder that is
///   lost in rounding has no order, and passes.
///
/// ```
/// use spikegrad_adjoint::GradientCheck;
/// let thorough = GradientCheck { directions: 20, seed: 7, ..GradientCheck::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct GradientCheck {
    /// Random directions for each group that is not checked entry by entry.
    pub directions: usize,
    /// Groups up to this size are checked entry by entry.
    pub every_entry_up_to: usize,
    /// Seed of the random directions.
    pub seed: u64,
    /// The largest relative step.
    pub largest: f64,
    /// The smallest relative step, at least `1e-18` of the largest.
    pub smallest: f64,
    /// The least magnitude of an entry that steps are relative to, for groups near zero.
    pub scale_floor: f64,
    /// What a report must meet to pass.
    pub limits: Limits,
}

impl Default for GradientCheck {
    fn default() -> Self {
        Self {
            directions: 4,
            every_entry_up_to: 5,
            seed: 0,
            largest: 1e-2,
            smallest: 1e-8,
            scale_floor: 1e-2,
            limits: Limits::default(),
        }
    }
}

/// Estimated errors above this share of the gradient's norm decide nothing.
const UNDECIDED: f64 = 1e-4;
/// Rounding units of the cost that are always allowed for.
const ROUNDING_UNITS: f64 = 8.0;
/// Standard deviations of the measured noise that are allowed for.
const NOISE_DEVIATIONS: f64 = 4.0;
/// Noise above this share of the cost is not rounding.
const LARGEST_NOISE: f64 = 1e-8;
/// A Taylor remainder must stand this far above the noise to be fitted.
const ABOVE_NOISE: f64 = 30.0;
/// The ladder's halvings between two remainders of a fit: steps fall by 4.
const TAYLOR_STRIDE: usize = 2;
/// The ladder's halvings between two steps that confirm an estimate: they fall by 16.
const CONFIRMING_STRIDE: usize = 4;

impl GradientCheck {
    /// Checks the gradient of `objective`. A wrong gradient is not an error here but stands in the report: ask
    /// [`GradientReport::verdict`], or use [`assert`](Self::assert).
    ///
    /// # Errors
    /// [`Error::Group`] for a range outside the parameters, [`Error::Objective`] if the unperturbed program fails,
    /// [`Error::CostMismatch`], [`Error::NonFiniteGradient`].
    pub fn run<O: Objective + ?Sized>(&self, objective: &mut O) -> Result<GradientReport, Error> {
        let parameters = objective.parameters();
        let groups = objective.groups();
        for CheckedGroup { name, range } in &groups {
            if range.is_empty() || range.end > parameters.len() {
                return Err(Error::Group {
                    name: name.clone(),
                    start: range.start,
                    end: range.end,
                    parameters: parameters.len(),
                });
            }
        }
        let mut log = EventLog::default();
        let cost = objective.cost(&parameters, &mut log).map_err(Error::Objective)?;
        let mut gradient = vec![0.0; parameters.len()];
        let gradient_cost = objective.gradient(&parameters, &mut gradient).map_err(Error::Objective)?;
        let difference = (gradient_cost - cost).abs();
        if difference.is_nan() || difference > 1e-9 * cost.abs() {
            return Err(Error::CostMismatch { cost, gradient_cost });
        }
        if let Some(parameter) = gradient.iter().position(|g| !g.is_finite()) {
            return Err(Error::NonFiniteGradient { parameter });
        }
        let mut report = GradientReport::new(self.limits, &log);
        let mut line = Line {
            signature: log.signature(),
            point: parameters.clone(),
            parameters,
            cost,
            log,
            objective,
            free: Vec::new(),
            direction: Vec::new(),
            scale: 1.0,
            noise: 0.0,
            pairs: Vec::new(),
        };
        for (i, group) in groups.into_iter().enumerate() {
            let free: Vec<_> = group.range.clone().filter(|&i| line.objective.is_free(i)).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(i as u64);
            report.groups.push(self.group(&mut line, group.name, &free, &gradient, &mut rng));
        }
        Ok(report)
    }

    /// [`run`](Self::run), with a report that does not pass as an error.
    ///
    /// # Errors
    /// Those of [`run`](Self::run) and of [`GradientReport::verdict`].
    pub fn assert<O: Objective + ?Sized>(&self, objective: &mut O) -> Result<GradientReport, Error> {
        let report = self.run(objective)?;
        report.verdict()?;
        Ok(report)
    }

    fn group<O: Objective + ?Sized>(
        &self,
        line: &mut Line<'_, O>,
        name: String,
        free: &[usize],
        gradient: &[f64],
        rng: &mut ChaCha8Rng,
    ) -> GroupReport {
        let of_group = |all: &[f64]| free.iter().map(|&i| all[i]).collect::<Vec<_>>();
        let gradient = of_group(gradient);
        let norm = norm(&gradient);
        let mut report = GroupReport::new(name, free.len(), norm);
        let least = self.scale_floor * (free.len() as f64).sqrt();
        line.scale = self::norm(&of_group(&line.parameters)).max(least);
        line.free = free.to_vec();
        for (i, direction) in self.directions(&gradient, norm, rng).into_iter().enumerate() {
            let analytic: f64 = direction.iter().zip(&gradient).map(|(d, g)| d * g).sum();
            line.turn(direction);
            if i == 0 {
                line.noise = line.measured_noise(self.smallest);
            }
            report.directions += 1;
            let tolerance = self.limits.tolerance * norm;
            let Some(estimate) = line.estimate(self, norm) else {
                report.discarded += 1;
                continue;
            };
            let error = (estimate.value - analytic).abs();
            let allowed = tolerance + estimate.floor;
            let agrees = error <= allowed;
            // Measured noise cannot vouch for a zero: it may be that of a jump that was not logged.
            let step = self.relative(estimate.level);
            let flat = agrees && norm <= line.floor(line.rounding(), step);
            let decided =
                if agrees { flat || estimate.error <= UNDECIDED * norm } else { error > estimate.error };
            if !decided {
                report.discarded += 1;
                continue;
            }
            report.flat += usize::from(flat);
            report.compare(Comparison {
                analytic,
                numerical: estimate.value,
                floor: estimate.floor,
                excess: if error > 0.0 { error / allowed } else { 0.0 },
                step,
            });
            if norm > estimate.floor {
                report.taylor(line.taylor_order(self, analytic));
            }
        }
        report
    }

    fn directions(&self, gradient: &[f64], norm: f64, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let n = gradient.len();
        if n <= self.every_entry_up_to {
            return (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        }
        let unit = |mut d: Vec<f64>| {
            let length = self::norm(&d);
            d.iter_mut().for_each(|d| *d /= length);
            d
        };
        let own = (norm > 0.0).then(|| unit(gradient.to_vec()));
        let random = (0..self.directions).map(|_| unit((0..n).map(|_| rng.sample(StandardNormal)).collect()));
        own.into_iter().chain(random).collect()
    }

    /// The relative step of a level of the ladder.
    fn relative(&self, level: usize) -> f64 {
        self.largest * 0.5_f64.powi(level as i32)
    }

    /// The levels of the ladder.
    fn levels(&self) -> impl Iterator<Item = usize> + use<> {
        let Self { largest, smallest, .. } = self.clone();
        (0..60).take_while(move |&level| largest * 0.5_f64.powi(level as i32) >= smallest)
    }
}

/// Checks the gradient of `objective` with the default [`GradientCheck`].
///
/// # Errors
/// If the gradient is wrong ([`Error::GradientMismatch`], [`Error::TaylorOrder`]), if too little could be compared
/// ([`Error::TooManyDiscarded`], [`Error::NothingCompared`], [`Error::FlatCost`]), or if the check could not be run: see
/// [`GradientCheck::run`].
pub fn assert_gradient<O: Objective + ?Sized>(objective: &mut O) -> Result<GradientReport, Error> {
    GradientCheck::default().assert(objective)
}

/// A derivative along a direction, from central differences.
struct Estimate {
    value: f64,
    /// Estimated error, rounding included.
    error: f64,
    /// The part of it that is rounding.
    floor: f64,
    /// The level of the ladder with the larger of the two steps.
    level: usize,
}

/// The cost along one direction of one group.
struct Line<'a, O: ?Sized> {
    objective: &'a mut O,
    parameters: Vec<f64>,
    cost: f64,
    signature: u64,
    /// Where the group's parameters lie among all.
    free: Vec<usize>,
    direction: Vec<f64>,
    /// What relative steps are relative to.
    scale: f64,
    /// The measured noise of the cost that is allowed for.
    noise: f64,
    /// What is known of `C(p + e d)` and `C(p - e d)` at each level: not yet, not comparable, or the costs.
    pairs: Vec<Option<Option<[f64; 2]>>>,
    point: Vec<f64>,
    log: EventLog,
}

impl<O: Objective + ?Sized> Line<'_, O> {
    fn turn(&mut self, direction: Vec<f64>) {
        self.direction = direction;
        self.pairs.clear();
    }

    /// The cost at `p + e d`, if it is in the piece of the unperturbed run.
    fn at(&mut self, e: f64) -> Option<f64> {
        self.point.copy_from_slice(&self.parameters);
        for (&i, d) in self.free.iter().zip(&self.direction) {
            self.point[i] += e * d;
        }
        self.log.clear();
        // An error beside the point under test is a parameter out of bounds: the step was too large.
        let cost = self.objective.cost(&self.point, &mut self.log).ok()?;
        (self.log.signature() == self.signature && cost.is_finite()).then_some(cost)
    }

    fn pair(&mut self, check: &GradientCheck, level: usize) -> Option<[f64; 2]> {
        if self.pairs.len() <= level {
            self.pairs.resize(level + 1, None);
        }
        if let Some(known) = self.pairs[level] {
            return known;
        }
        let e = check.relative(level) * self.scale;
        let pair = self.at(e).and_then(|plus| self.at(-e).map(|minus| [plus, minus]));
        self.pairs[level] = Some(pair);
        pair
    }

    fn central_difference(&mut self, check: &GradientCheck, level: usize) -> Option<f64> {
        let [plus, minus] = self.pair(check, level)?;
        Some((plus - minus) / (2.0 * check.relative(level) * self.scale))
    }

    /// The extrapolated difference where the ladder settles, if no finer step contradicts it. A cost with a small feature on a
    /// fine scale looks smooth to steps that pass over the feature: there the ladder settles on the slope of all the rest. Such
    /// steps are left, and the ladder goes on below them.
    fn estimate(&mut self, check: &GradientCheck, norm: f64) -> Option<Estimate> {
        let good_enough = 0.01 * check.limits.tolerance * norm;
        let mut first = 0;
        loop {
            let estimate = self.settle(check, first, good_enough)?;
            if !self.is_contradicted(check, &estimate, norm) {
                return Some(estimate);
            }
            first = estimate.level + 1;
        }
    }

    /// The extrapolated difference with the least estimated error, of steps from the level `first` on. The error is twice the
    /// distance from both of its neighbours: from one alone it may be small by chance. A value with one neighbour is taken if
    /// there is none with two. The ladder ends where rounding alone exceeds the best error, or where that is `good_enough`.
    fn settle(&mut self, check: &GradientCheck, first: usize, good_enough: f64) -> Option<Estimate> {
        let (mut best, mut fallback) = (None::<Estimate>, None::<Estimate>);
        let keep_better = |best: &mut Option<Estimate>, new: Estimate| {
            if best.as_ref().is_none_or(|best| new.error < best.error) {
                *best = Some(new);
            }
        };
        // The value before, with its floor and its distance from the one before it.
        let mut previous = None::<(Estimate, Option<f64>)>;
        for fine in check.levels().skip(first + 1) {
            let level = fine - 1;
            let floor = self.floor(self.rounding().max(self.noise), check.relative(level));
            if best.as_ref().is_some_and(|best| best.error <= floor.max(good_enough)) {
                break;
            }
            let coarse = self.central_difference(check, level);
            let fine = if coarse.is_some() { self.central_difference(check, fine) } else { None };
            let (Some(coarse), Some(fine)) = (coarse, fine) else {
                previous = None;
                continue;
            };
            let value = (4.0 * fine - coarse) / 3.0;
            let mut distance = None;
            if let Some((previous, before)) = previous.take() {
                let between = (value - previous.value).abs();
                distance = Some(between);
                let target = if before.is_some() { &mut best } else { &mut fallback };
                let error = previous.floor + 2.0 * between.max(before.unwrap_or(0.0));
                keep_better(target, Estimate { error, ..previous });
                keep_better(&mut fallback, Estimate { value, error: floor + between, floor, level });
            }
            previous = Some((Estimate { value, error: f64::INFINITY, floor, level }, distance));
        }
        best.or(fallback)
    }

    /// Whether a plain central difference of a finer step is further from an estimate than both their errors allow. Steps whose
    /// rounding is above the gradient's norm tell nothing.
    fn is_contradicted(&mut self, check: &GradientCheck, estimate: &Estimate, norm: f64) -> bool {
        let Some(coarse) = self.central_difference(check, estimate.level) else { return false };
        // The error of a difference falls with the square of the step.
        let truncation = (coarse - estimate.value).abs() / check.relative(estimate.level).powi(2);
        for level in check.levels().skip(estimate.level + 2).step_by(CONFIRMING_STRIDE) {
            let step = check.relative(level);
            let floor = self.floor(self.rounding().max(self.noise), step);
            if floor > norm {
                break;
            }
            if let Some(difference) = self.central_difference(check, level)
                && (difference - estimate.value).abs() > estimate.error + floor + truncation * step * step
            {
                return true;
            }
        }
        false
    }

    /// The order with which the Taylor remainder falls, if it stands above rounding.
    fn taylor_order(&mut self, check: &GradientCheck, analytic: f64) -> Option<f64> {
        let levels = check.levels().skip_while(|&level| check.relative(level) > 1e-3);
        let mut points = Vec::new();
        let mut order = None;
        for level in levels.step_by(TAYLOR_STRIDE) {
            let Some([plus, minus]) = self.pair(check, level) else { continue };
            let step = check.relative(level) * self.scale;
            let remainder =
                (plus - self.cost - step * analytic).abs().max((minus - self.cost + step * analytic).abs());
            if remainder <= ABOVE_NOISE * self.rounding().max(self.noise) {
                break;
            }
            points.push([step.ln(), remainder.ln()]);
            let window = &points[points.len().saturating_sub(3)..];
            if window.len() > 1 {
                order = Some(slope(window));
            }
            if window.len() == 3 && order > Some(check.limits.taylor_order) {
                break;
            }
        }
        order
    }

    /// The rounding of the cost that is always allowed for.
    fn rounding(&self) -> f64 {
        ROUNDING_UNITS * f64::EPSILON * self.cost.abs()
    }

    /// What an error of `noise` in each cost makes of an extrapolated difference with the relative step `step`.
    fn floor(&self, noise: f64, step: f64) -> f64 {
        3.0 * noise / (step * self.scale)
    }

    /// [`NOISE_DEVIATIONS`] of the cost's rounding, from fourth differences: nothing smooth is left in them when the runs
    /// are a hair's breadth apart. Zero if an event lies there, or if it is more than rounding can be.
    fn measured_noise(&mut self, smallest: f64) -> f64 {
        const RUNS: usize = 8;
        let spacing = 0.01 * smallest * self.scale;
        let mut costs = [0.0; RUNS];
        for (i, cost) in costs.iter_mut().enumerate() {
            match self.at((i as f64 - 3.0) * spacing) {
                Some(value) => *cost = value - self.cost,
                None => return 0.0,
            }
        }
        for order in 1..=4 {
            for i in 0..RUNS - order {
                costs[i] = costs[i + 1] - costs[i];
            }
        }
        // The coefficients of a fourth difference are 1, 4, 6, 4, 1: the sum of their squares is 70.
        let differences = &costs[..RUNS - 4];
        let variance = differences.iter().map(|d| d * d).sum::<f64>() / (70.0 * differences.len() as f64);
        let noise = NOISE_DEVIATIONS * variance.sqrt();
        if noise <= LARGEST_NOISE * self.cost.abs() { noise } else { 0.0 }
    }
}

/// The slope of the least-squares line through points `[x, y]`.
fn slope(points: &[[f64; 2]]) -> f64 {
    let n = points.len() as f64;
    let mean = |i: usize| points.iter().map(|p| p[i]).sum::<f64>() / n;
    let (x, y) = (mean(0), mean(1));
    let covariance: f64 = points.iter().map(|p| (p[0] - x) * (p[1] - y)).sum();
    covariance / points.iter().map(|p| (p[0] - x).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests;
