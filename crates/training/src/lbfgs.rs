//! L-BFGS: minimisation over fixed trials with curvature from the last steps, for small fits (equation (103); Liu & Nocedal 1989).

use std::collections::VecDeque;
use std::ops::ControlFlow;

use nalgebra::RealField;
use spikegrad_adjoint::Memory;
use spikegrad_integrators::{ParameterGroup, first_non_finite, norm};

use crate::{DEFAULT_LANES, Error, Lanes, Program};

/// A step is long enough where the cost falls by this part of what its slope promises, and short enough where the slope has risen to
/// this part of what it was (the weak conditions of Wolfe 1969).
const FALLS: f64 = 1e-4;
const FLATTENS: f64 = 0.9;

/// Step lengths that are tried in one direction; the shortest is 1e-12 of the first.
const TRIALS: usize = 40;

/// Minimises the mean cost of fixed trials. Every step looks at all of them, so that this is for small fits; where trials are drawn
/// anew or are many, [`train`](crate::train) is right.
///
/// Positive parameters are stepped in their logarithm, and what is not trained stays as it is. A point that the program cannot be run
/// with, or at which a trial diverges, has an infinite cost, so that steps to it become shorter.
///
/// ```
/// # use rand_chacha::ChaCha8Rng;
/// # use spikegrad_adjoint::{Error as SweepError, Memory};
/// # use spikegrad_integrators::{EventCounts, ParameterGroup, Parametric};
/// # use spikegrad_training::{Error, Program, TrainingStage, TrialGradient};
/// # struct Valley([f64; 2]);
/// # impl Parametric<f64> for Valley {
/// #     type Group = &'static str;
/// #     fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
/// #         let of = |(i, name)| ParameterGroup { group: name, name, range: i..i + 1, is_positive: i == 1, is_trainable: true };
/// #         ["x", "y"].into_iter().enumerate().map(of)
/// #     }
/// #     fn values(&self) -> &[f64] { &self.0 }
/// #     fn values_mut(&mut self) -> &mut [f64] { &mut self.0 }
/// # }
/// # impl Program<f64> for Valley {
/// #     type Trial = ();
/// #     type Lane = ();
/// #     type Error = Error;
/// #     type Ready<'a> = &'a Self;
/// #     fn ready(&self) -> Result<&Self, Error> { Ok(self) }
/// #     fn trial(&self, _: TrainingStage, _: &mut ChaCha8Rng) {}
/// # }
/// # impl TrialGradient<f64> for Valley {
/// #     type Trial = ();
/// #     type Lane = ();
/// #     type Error = Error;
/// #     fn lane(&self, _: Memory) {}
/// #     fn gradient(&self, _: &(), _: &mut (), g: &mut [f64], _: Option<&mut EventCounts>) -> Result<Result<f64, SweepError>, Error> {
/// #         let [x, y] = self.0;
/// #         let (a, b) = (1.0 - x, y - x * x);
/// #         g.copy_from_slice(&[-2.0 * a - 400.0 * x * b, 200.0 * b]);
/// #         Ok(Ok(a * a + 100.0 * b * b))
/// #     }
/// # }
/// use spikegrad_training::{Lbfgs, Stopped};
///
/// // Rosenbrock's valley from (-1.2, 1); `Valley` is a `Program`.
/// let mut valley = Valley([-1.2, 1.0]);
/// let found = Lbfgs::default().minimise(&mut valley, &[()], &mut |_, _| std::ops::ControlFlow::Continue(()))?;
/// assert_eq!(found.stopped, Stopped::Converged);
/// assert!((valley.0[0] - 1.0).abs() < 1e-4 && (valley.0[1] - 1.0).abs() < 1e-4);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Lbfgs<G> {
    /// Groups that are fitted; `None` for all that are trainable.
    pub groups: Option<Vec<G>>,
    /// Steps whose curvature is remembered.
    pub memory: usize,
    /// The most iterations.
    pub iterations: usize,
    /// It has converged where the norm of the gradient, by the logarithm of what is positive, has fallen to this part of its first.
    pub tolerance: f64,
    /// Lanes of the trials: at most so many threads work at once.
    pub lanes: usize,
    /// How much each lane keeps of the trial that it works on. The result does not depend on it.
    pub keep: Memory,
}

impl<G> Default for Lbfgs<G> {
    fn default() -> Self {
        let (memory, iterations, tolerance) = (10, 200, 1e-6);
        Self { groups: None, memory, iterations, tolerance, lanes: DEFAULT_LANES, keep: Memory::Stored }
    }
}

/// Why a minimisation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The gradient has fallen to the tolerance.
    Converged,
    /// No step that was tried lowers the cost enough: the cost is as low as rounding lets it be, it has a kink or a jump there, or the
    /// parameters are at the edge of a domain. A number of spikes that changes is a jump.
    NoLowerCost,
    /// All iterations are done.
    Iterations,
    /// Whoever watches ended it.
    Watcher,
}

/// Where a minimisation ended. The program has these parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "it says whether the minimisation converged"]
pub struct Minimum {
    /// Mean cost of the trials.
    pub cost: f64,
    /// The norm of its gradient, by the logarithm of what is positive.
    pub gradient: f64,
    /// Iterations.
    pub iterations: usize,
    /// Gradients of all trials.
    pub evaluations: usize,
    /// Why it ended.
    pub stopped: Stopped,
}

/// A point and what was found there, in the coordinates that are stepped.
#[derive(Clone)]
struct Point<T> {
    /// The program's parameters.
    values: Vec<T>,
    x: Vec<f64>,
    gradient: Vec<f64>,
    cost: f64,
}

impl<G: Copy + PartialEq> Lbfgs<G> {
    /// Minimises the mean cost of `trials`; `watch` is told of every iteration and its cost, and may end it.
    ///
    /// # Errors
    /// If an option is out of its domain, a group cannot be fitted, a positive parameter that is fitted is not above zero, or a trial does
    /// not fit the program or has no finite cost at the start. The program then is as it was.
    pub fn minimise<T: RealField + Copy, P: Program<T, Group = G>>(
        &self,
        program: &mut P,
        trials: &[P::Trial],
        watch: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<Minimum, P::Error> {
        self.check(program)?;
        program.check()?;
        let mut search = Search::new(self, program, trials);
        let start: Vec<T> = program.values().to_vec();
        let found = search.run(self, program, watch);
        if found.is_err() {
            program.values_mut().copy_from_slice(&start);
        }
        found
    }

    fn check<T, P: spikegrad_integrators::Parametric<T, Group = G>>(&self, program: &P) -> Result<(), Error> {
        let count = |option, value: usize| Error::unless(value > 0, option, 0.0, "it must be at least 1");
        count("memory", self.memory)?;
        let is_part = (0.0..1.0).contains(&self.tolerance);
        Error::unless(is_part, "tolerance", self.tolerance, "it must lie in [0, 1)")?;
        let groups = self.groups.iter().flatten().copied();
        crate::optimiser::check_groups(program, "groups", groups)
    }
}

/// A minimisation that runs.
struct Search<'t, T, Trial, L> {
    trials: &'t [Trial],
    lanes: Lanes<T, L>,
    /// Whether a parameter is stepped, and whether in its logarithm.
    steps: Vec<bool>,
    logarithmic: Vec<bool>,
    /// The parameters at the start, of which those that are not stepped stay.
    start: Vec<T>,
    gradient: Vec<T>,
    evaluations: usize,
}

impl<'t, T: RealField + Copy, Trial, L: Send> Search<'t, T, Trial, L> {
    fn new<P: Program<T, Trial = Trial, Lane = L>>(
        options: &Lbfgs<P::Group>,
        program: &P,
        trials: &'t [Trial],
    ) -> Self {
        let n = program.values().len();
        let (mut steps, mut logarithmic) = (vec![false; n], vec![false; n]);
        for ParameterGroup { group, range, is_positive, is_trainable, .. } in program.groups() {
            let chosen = options.groups.as_ref().map_or(is_trainable, |groups| groups.contains(&group));
            steps[range.clone()].fill(chosen);
            logarithmic[range].fill(is_positive);
        }
        program.untrained().for_each(|range| steps[range].fill(false));
        let (lanes, start) = (Lanes::new(options.lanes, options.keep), program.values().to_vec());
        Self { trials, lanes, steps, logarithmic, start, gradient: vec![T::zero(); n], evaluations: 0 }
    }

    fn run<P: Program<T, Trial = Trial, Lane = L>>(
        &mut self,
        options: &Lbfgs<P::Group>,
        program: &mut P,
        watch: &mut dyn FnMut(usize, f64) -> ControlFlow<()>,
    ) -> Result<Minimum, P::Error> {
        for ParameterGroup { name, range, .. } in program.groups() {
            let outside = |&i: &usize| self.steps[i] && self.logarithmic[i] && !(self.start[i] > T::zero());
            if let Some(i) = range.clone().find(outside) {
                let (name, index) = (name.to_owned(), i - range.start);
                let value = self.start[i].to_subset_unchecked();
                return Err(Error::NotPositive { name, index, value }.into());
            }
        }
        let mut at = self.evaluate(program, None)??;
        let enough = options.tolerance * norm(&at.gradient);
        let rounding: f64 = T::default_epsilon().to_subset_unchecked();
        let mut curvature: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
        let (mut iterations, mut stopped) = (0, Stopped::Iterations);
        while iterations < options.iterations {
            if norm(&at.gradient) <= enough {
                stopped = Stopped::Converged;
                break;
            }
            let mut next = self.line_search(program, &at, &curvature)?;
            if next.is_none() && !curvature.is_empty() {
                // Curvature of before a kink may point anywhere; the gradient still points down.
                curvature.clear();
                next = self.line_search(program, &at, &curvature)?;
            }
            let Some(next) = next else {
                stopped = Stopped::NoLowerCost;
                break;
            };
            if next.cost >= at.cost && norm(&next.gradient) >= norm(&at.gradient) {
                // Rounding alone moves it.
                stopped = Stopped::NoLowerCost;
                break;
            }
            let (s, y) = (minus(&next.x, &at.x), minus(&next.gradient, &at.gradient));
            if dot(&s, &y) > rounding * norm(&s) * norm(&y) {
                curvature.truncate(options.memory - 1);
                curvature.push_front((s, y));
            }
            at = next;
            iterations += 1;
            if watch(iterations, at.cost).is_break() {
                stopped = Stopped::Watcher;
                break;
            }
        }
        if stopped == Stopped::Iterations && norm(&at.gradient) <= enough {
            stopped = Stopped::Converged;
        }
        program.values_mut().copy_from_slice(&at.values);
        let (gradient, evaluations) = (norm(&at.gradient), self.evaluations);
        Ok(Minimum { cost: at.cost, gradient, iterations, evaluations, stopped })
    }

    /// The first point along the direction of L-BFGS at which the cost has fallen and flattened enough, by bisection (Lewis & Overton
    /// 2013), which also ends at kinks.
    fn line_search<P: Program<T, Trial = Trial, Lane = L>>(
        &mut self,
        program: &mut P,
        from: &Point<T>,
        curvature: &VecDeque<(Vec<f64>, Vec<f64>)>,
    ) -> Result<Option<Point<T>>, P::Error> {
        let mut direction = downhill(&from.gradient, curvature);
        let mut has_length = !curvature.is_empty();
        if !(dot(&direction, &from.gradient) < 0.0) {
            direction = from.gradient.iter().map(|g| -g).collect();
            has_length = false;
        }
        let (mut short, mut long) = (0.0, f64::INFINITY);
        // Without curvature, the gradient says nothing of the length.
        let mut length = if has_length { 1.0 } else { 1.0_f64.min(1.0 / norm(&from.gradient)) };
        let mut lower = None;
        for _ in 0..TRIALS {
            let x: Vec<f64> = from.x.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            long = match self.evaluate(program, Some(&x))? {
                Ok(point) => {
                    // Where the step was projected, it is judged by where it led.
                    let moved = minus(&point.x, &from.x);
                    let promised = dot(&moved, &from.gradient);
                    if promised < 0.0 && point.cost <= from.cost + FALLS * promised {
                        if dot(&moved, &point.gradient) >= FLATTENS * promised {
                            return Ok(Some(point));
                        }
                        short = length;
                        lower = Some(point);
                        long
                    } else {
                        length
                    }
                }
                Err(_) => length,
            };
            length = if long.is_finite() { 0.5 * (short + long) } else { 2.0 * short };
        }
        // A point that is lower is one to go on from, however steep it is there.
        Ok(lower)
    }

    /// Mean cost and gradient at a point, `None` for where the program is, or why there is none. The program is left there.
    fn evaluate<P: Program<T, Trial = Trial, Lane = L>>(
        &mut self,
        program: &mut P,
        x: Option<&[f64]>,
    ) -> Result<Result<Point<T>, Error>, P::Error> {
        self.evaluations += 1;
        if let Some(x) = x {
            self.place(program, x);
            program.project();
            // What is not fitted stays, also where a projection would move it.
            let fixed = self.start.iter().zip(&self.steps).filter(|(_, steps)| !**steps);
            let places = program.values_mut().iter_mut().zip(&self.steps).filter(|(_, steps)| !**steps);
            places.zip(fixed).for_each(|((place, _), (&start, _))| *place = start);
        }
        let outside = |(i, &p): (usize, &T)| {
            self.steps[i] && !(p.is_finite() && (!self.logarithmic[i] || p > T::zero()))
        };
        if program.values().iter().enumerate().any(outside) {
            return Ok(Err(Error::program("a parameter leaves its domain")));
        }
        if let Err(reason) = program.check_values() {
            return Ok(Err(Error::Program(reason)));
        }
        let x = self.coordinates(program);
        let found = {
            let ready = match program.ready() {
                Ok(ready) => ready,
                Err(reason) => return Ok(Err(Error::Program(Box::new(reason)))),
            };
            let groups = program.groups().map(|group| (group.name, group.range));
            self.lanes.gradient(&ready, groups, self.trials, None, &mut self.gradient)?
        };
        let cost: f64 = found.cost.to_subset_unchecked();
        let mut failed = found.trials.into_iter().enumerate();
        if let Some((trial, why)) = failed.find_map(|(trial, found)| Some((trial, found.cost.err()?))) {
            return Ok(Err(Error::NotFinite { trial, why }));
        }
        if !cost.is_finite() || first_non_finite(&self.gradient).is_some() {
            return Ok(Err(Error::program("the cost or its gradient is not finite")));
        }
        let by = |(i, (&g, &p)): (usize, (&T, &T))| -> f64 {
            let (g, p): (f64, f64) = (g.to_subset_unchecked(), p.to_subset_unchecked());
            match (self.steps[i], self.logarithmic[i]) {
                (false, _) => 0.0,
                (true, false) => g,
                (true, true) => g * p,
            }
        };
        let gradient = self.gradient.iter().zip(program.values()).enumerate().map(by).collect();
        Ok(Ok(Point { values: program.values().to_vec(), x, gradient, cost }))
    }

    fn coordinates(&self, program: &impl Program<T>) -> Vec<f64> {
        let by = |(i, &p): (usize, &T)| -> f64 {
            let p: f64 = p.to_subset_unchecked();
            match (self.steps[i], self.logarithmic[i]) {
                (false, _) => 0.0,
                (true, true) => p.ln(),
                (true, false) => p,
            }
        };
        program.values().iter().enumerate().map(by).collect()
    }

    /// Gives the program the parameters of a point; those that are not stepped keep their bits.
    fn place(&self, program: &mut impl Program<T>, x: &[f64]) {
        for (i, (p, &x)) in program.values_mut().iter_mut().zip(x).enumerate() {
            if self.steps[i] {
                *p = T::from_subset(&if self.logarithmic[i] { x.exp() } else { x });
            }
        }
    }
}

/// The direction `-H g`, with the inverse `H` of the curvature that the last steps have shown, latest first.
fn downhill(gradient: &[f64], curvature: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut parts = Vec::with_capacity(curvature.len());
    for (s, y) in curvature {
        let part = dot(s, &direction) / dot(s, y);
        direction.iter_mut().zip(y).for_each(|(d, y)| *d -= part * y);
        parts.push(part);
    }
    if let Some((s, y)) = curvature.front() {
        let scale = dot(s, y) / dot(y, y);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for ((s, y), part) in curvature.iter().zip(parts).rev() {
        let back = dot(y, &direction) / dot(s, y);
        direction.iter_mut().zip(s).for_each(|(d, s)| *d += (part - back) * s);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests;
