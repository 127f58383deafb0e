//! What a gradient check found, group by group, and what it must show to pass.

use std::fmt;

use serde::Serialize;
use spikegrad_integrators::{EventCounts, EventLog, RESOLVED_UPSTROKE};

use crate::Error;

/// What a [`GradientReport`] must meet to pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Largest error relative to the norm of the group's gradient, beside the rounding floor.
    pub tolerance: f64,
    /// What the order of the Taylor remainder must exceed.
    pub taylor_order: f64,
    /// Largest share of directions, over all groups, that may be discarded.
    pub discarded: f64,
}

impl Default for Limits {
    /// `1e-6`, 1.8 and 5 %.
    fn default() -> Self {
        Self { tolerance: 1e-6, taylor_order: 1.8, discarded: 0.05 }
    }
}

/// One direction's derivative, analytic and numerical.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The gradient under test times the unit direction.
    pub analytic: f64,
    /// The extrapolated central difference.
    pub numerical: f64,
    /// The rounding of the numerical value.
    pub floor: f64,
    /// The disagreement over what is allowed: above 1 it is a mismatch.
    pub excess: f64,
    /// The relative step of the difference.
    pub step: f64,
}

/// What was found for one group of parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupReport {
    /// The group's name.
    pub name: String,
    /// Number of parameters that may be varied.
    pub size: usize,
    /// Norm of the group's gradient; the largest of merged reports.
    pub norm: f64,
    /// The largest `|numerical - analytic|` over the norm, of the directions that were compared; infinite if the gradient
    /// is zero and the cost is not flat.
    pub error: f64,
    /// The direction that came closest to, or furthest beyond, what is allowed.
    pub worst: Option<Comparison>,
    /// The smallest order of a Taylor remainder; none if no remainder stood above rounding.
    pub taylor_order: Option<f64>,
    /// Directions tried.
    pub directions: usize,
    /// Directions that could not be compared.
    pub discarded: usize,
    /// Directions along which gradient and differences are both zero to rounding. They agree, and prove nothing: a derivative
    /// that is zero by mistake agrees as well.
    pub flat: usize,
    /// Directions that disagree.
    pub mismatches: usize,
}

impl GroupReport {
    pub(crate) fn new(name: String, size: usize, norm: f64) -> Self {
        Self {
            name,
            size,
            norm,
            error: 0.0,
            worst: None,
            taylor_order: None,
            directions: 0,
            discarded: 0,
            flat: 0,
            mismatches: 0,
        }
    }

    /// Directions along which the gradient was put to the proof.
    pub fn compared(&self) -> usize {
        self.directions - self.discarded - self.flat
    }

    pub(crate) fn compare(&mut self, comparison: Comparison) {
        let error = (comparison.numerical - comparison.analytic).abs();
        // What agrees with zero to rounding has no relative error.
        let mismatch = comparison.excess > 1.0;
        if mismatch || self.norm > comparison.floor {
            self.error = self.error.max(error / self.norm);
        }
        self.mismatches += usize::from(mismatch);
        if self.worst.is_none_or(|worst| worst.excess < comparison.excess) {
            self.worst = Some(comparison);
        }
    }

    pub(crate) fn taylor(&mut self, order: Option<f64>) {
        if let Some(order) = order {
            self.taylor_order = Some(self.taylor_order.map_or(order, |smallest| smallest.min(order)));
        }
    }

    fn merge(&mut self, other: Self) {
        self.size = self.size.max(other.size);
        self.norm = self.norm.max(other.norm);
        self.error = self.error.max(other.error);
        self.taylor(other.taylor_order);
        self.directions += other.directions;
        self.discarded += other.discarded;
        self.flat += other.flat;
        self.mismatches += other.mismatches;
        if let Some(theirs) = other.worst
            && self.worst.is_none_or(|ours| ours.excess < theirs.excess)
        {
            self.worst = Some(theirs);
        }
    }
}

/// What a [`GradientCheck`](crate::GradientCheck) found. It prints as a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GradientReport {
    /// One entry for each group of parameters.
    pub groups: Vec<GroupReport>,
    /// Spikes, crossings and upstrokes of the unperturbed run: how far the gradient of the program is that of the equation.
    pub events: EventCounts,
    /// What must be met to pass.
    pub limits: Limits,
}

impl GradientReport {
    pub(crate) fn new(limits: Limits, log: &EventLog) -> Self {
        Self { groups: Vec::new(), events: log.counts(), limits }
    }

    /// Directions tried, over all groups.
    pub fn directions(&self) -> usize {
        self.groups.iter().map(|g| g.directions).sum()
    }

    /// Directions discarded, over all groups.
    pub fn discarded(&self) -> usize {
        self.groups.iter().map(|g| g.discarded).sum()
    }

    /// Directions along which the gradient was put to the proof, over all groups.
    pub fn compared(&self) -> usize {
        self.groups.iter().map(GroupReport::compared).sum()
    }

    /// The groups of which nothing is known: no direction of theirs was compared.
    pub fn not_compared(&self) -> impl Iterator<Item = &GroupReport> {
        self.groups.iter().filter(|group| group.compared() == 0)
    }

    /// Share of directions discarded, over all groups.
    pub fn discarded_share(&self) -> f64 {
        share(self.discarded() as f64, self.directions() as f64)
    }

    /// The largest error of a group, relative to the norm of its gradient.
    pub fn error(&self) -> f64 {
        self.groups.iter().fold(0.0, |worst, g| worst.max(g.error))
    }

    /// The smallest order of a Taylor remainder; none if no remainder stood above rounding.
    pub fn taylor_order(&self) -> Option<f64> {
        self.groups.iter().filter_map(|g| g.taylor_order).reduce(f64::min)
    }

    /// Adds the findings of another check, groups of the same name to each other: how several small checks are judged as
    /// one. Keeps its own limits.
    pub fn merge(&mut self, other: Self) {
        self.events += other.events;
        for group in other.groups {
            match self.groups.iter_mut().find(|ours| ours.name == group.name) {
                Some(ours) => ours.merge(group),
                None => self.groups.push(group),
            }
        }
    }

    /// Whether everything that could be compared agrees, however much had to be discarded. A harness that runs many small
    /// checks asks this of each, and [`verdict`](Self::verdict) of the merged report.
    ///
    /// # Errors
    /// [`Error::GradientMismatch`] or [`Error::TaylorOrder`].
    pub fn agreement(&self) -> Result<(), Error> {
        for group in &self.groups {
            if let (true, Some(worst)) = (group.mismatches > 0, group.worst) {
                return Err(Error::GradientMismatch {
                    group: group.name.clone(),
                    analytic: worst.analytic,
                    numerical: worst.numerical,
                    error: group.error,
                    tolerance: self.limits.tolerance,
                });
            }
            if let Some(order) = group.taylor_order
                && order <= self.limits.taylor_order
            {
                let limit = self.limits.taylor_order;
                return Err(Error::TaylorOrder { group: group.name.clone(), order, limit });
            }
        }
        Ok(())
    }

    /// Whether the gradient is proved: all that was compared agrees, something was compared, and no more than the allowed
    /// share of all directions, and not all of a group's, was discarded. Of a group whose gradient and differences are zero to
    /// rounding nothing is proved; it passes beside groups that were compared, and the printed report names it.
    ///
    /// # Errors
    /// [`Error::GradientMismatch`], [`Error::TaylorOrder`], [`Error::TooManyDiscarded`], [`Error::NothingCompared`] or
    /// [`Error::FlatCost`].
    pub fn verdict(&self) -> Result<(), Error> {
        self.agreement()?;
        if self.discarded_share() > self.limits.discarded {
            return Err(Error::TooManyDiscarded {
                discarded: self.discarded(),
                directions: self.directions(),
                share: self.limits.discarded,
            });
        }
        match self.groups.iter().find(|g| g.size > 0 && g.discarded == g.directions) {
            Some(group) => Err(Error::NothingCompared { group: group.name.clone() }),
            None if self.compared() == 0 => Err(Error::FlatCost { directions: self.directions() }),
            None => Ok(()),
        }
    }

    /// Whether the [`verdict`](Self::verdict) is good.
    pub fn passed(&self) -> bool {
        self.verdict().is_ok()
    }
}

impl fmt::Display for GradientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.groups.iter().map(|g| g.name.chars().count()).max().unwrap_or(0).max(5);
        writeln!(f, "{:width$}    size    |gradient|    error  Taylor  directions  discarded", "group")?;
        for g in &self.groups {
            write!(f, "{:width$}  {:>6}  {:>12.4e}  {:>7.1e}", g.name, g.size, g.norm, g.error)?;
            match g.taylor_order {
                Some(order) => write!(f, "  {order:>6.2}")?,
                None => write!(f, "  {:>6}", "-")?,
            }
            let remark = match g.compared() {
                0 if g.size == 0 => "  nothing to vary",
                0 if g.flat > 0 => "  not compared: zero to rounding",
                0 => "  not compared",
                _ => "",
            };
            writeln!(f, "  {:>10}  {:>9}{remark}", g.directions, g.discarded)?;
        }
        writeln!(
            f,
            "{} spikes, {} grazing; {} zone crossings, {} in too few steps ({:.1} %)",
            self.events.spikes,
            self.events.grazing_spikes,
            self.events.crossings,
            self.events.short_crossings,
            100.0 * self.events.short_crossing_share()
        )?;
        if self.events.upstroke > RESOLVED_UPSTROKE {
            writeln!(
                f,
                "h df/dv is {:.1} at threshold, above {RESOLVED_UPSTROKE}: the gradient is that of the program, but may be far \
                 from that of the equation; take steps shorter by this factor, or cut the upstroke off lower",
                self.events.upstroke
            )?;
        }
        if self.events.negative_conductances > 0 {
            writeln!(
                f,
                "{:.1} % of the conductances are below zero, because neurons take back charge",
                100.0 * self.events.negative_conductance_share()
            )?;
        }
        match self.verdict() {
            Ok(()) => {
                let unknown: Vec<_> = self.not_compared().map(|group| group.name.as_str()).collect();
                write!(f, "passed")?;
                if !unknown.is_empty() {
                    write!(f, "; nothing is known of the gradient by {}", unknown.join(", "))?;
                }
                Ok(())
            }
            Err(error) => write!(f, "failed: {error}"),
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}
