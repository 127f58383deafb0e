//! The log of what makes a program only piecewise smooth: which piece every event function lies in, spikes, crossings.
//!
//! Two runs can be compared by finite differences if their signatures agree. The counts tell how far a gradient can be
//! trusted: grazing spikes have no derivative, and a zone crossed in fewer than three steps, or an upstroke that outruns the
//! step, keeps its charge but not the gradient of the equation that the program stands for.

use std::iter::Sum;
use std::ops::AddAssign;

/// Crossings of the active zone in fewer steps than this are counted as short.
pub const RESOLVED_STEPS: u32 = 3;

/// The steepest upstroke, `h df/dv` at threshold, at which a step still finds a spike so well that the gradient of the program
/// is that of the equation to a tenth or better.
pub const RESOLVED_UPSTROKE: f64 = 1.0;

/// What an [`EventLog`] counts. Counts of several logs are added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventCounts {
    /// Runs whose first step was logged by [`EventLog::step`].
    pub runs: u64,
    /// Spikes.
    pub spikes: u64,
    /// Spikes whose threshold crossing was all but tangential: there the cost has no derivative.
    pub grazing_spikes: u64,
    /// Full crossings of an active zone.
    pub crossings: u64,
    /// Full crossings of an active zone that took fewer than [`RESOLVED_STEPS`] steps: the gradient of the program is exact, but no
    /// longer that of the equation that the program stands for.
    pub short_crossings: u64,
    /// The steepest [`upstroke`](EventLog::upstroke) of all spikes, `h df/dv` at threshold, 0 if none was steep. Above
    /// [`RESOLVED_UPSTROKE`] the time of a spike depends on where in its step the spike falls, and the gradient of the program is
    /// that of this error.
    pub upstroke: f64,
    /// Conductances of neurons that were looked at, step by step; 0 where there are none.
    pub conductances: u64,
    /// Conductances that were below zero, because neurons took back charge that they had released.
    pub negative_conductances: u64,
}

impl EventCounts {
    /// The share of conductances that were below zero; 0 where there are none.
    pub fn negative_conductance_share(&self) -> f64 {
        self.negative_conductances as f64 / self.conductances.max(1) as f64
    }

    /// The share of crossings that took too few steps; 0 where there are none.
    pub fn short_crossing_share(&self) -> f64 {
        self.short_crossings as f64 / self.crossings.max(1) as f64
    }

    /// The share of spikes that grazed the threshold; 0 where there are none.
    pub fn grazing_share(&self) -> f64 {
        self.grazing_spikes as f64 / self.spikes.max(1) as f64
    }
}

impl AddAssign for EventCounts {
    fn add_assign(&mut self, other: Self) {
        // A voltage that goes round more often than can be counted is counted as often as can be.
        for (count, other) in [
            (&mut self.runs, other.runs),
            (&mut self.spikes, other.spikes),
            (&mut self.grazing_spikes, other.grazing_spikes),
            (&mut self.crossings, other.crossings),
            (&mut self.short_crossings, other.short_crossings),
            (&mut self.conductances, other.conductances),
            (&mut self.negative_conductances, other.negative_conductances),
        ] {
            *count = count.saturating_add(other);
        }
        self.upstroke = self.upstroke.max(other.upstroke);
    }
}

impl Sum for EventCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, counts| {
            sum += counts;
            sum
        })
    }
}

/// What [`Step::events`](crate::Step::events) writes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventLog {
    signature: u64,
    counts: EventCounts,
    /// Number of the step that is logged, over all runs; no two runs have steps that follow each other.
    now: u64,
    /// How many steps in a row each neuron touched the zone, and the last one.
    dwell: Vec<(u32, u64)>,
    /// Grazing spikes of the neuron that [`zone`](Self::zone) will report next.
    grazed: u64,
    /// Grazing spikes of each neuron, as far as there were any.
    grazing: Vec<u64>,
}

impl EventLog {
    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        let (mut dwell, mut grazing) = (std::mem::take(&mut self.dwell), std::mem::take(&mut self.grazing));
        dwell.clear();
        grazing.clear();
        *self = Self { dwell, grazing, ..Self::default() };
    }

    /// Adds the number of a smooth piece, a spike count or a branch taken to the signature.
    pub fn piece(&mut self, value: u64) {
        // One round of an FNV-like mix, with a rotation so that high bits come back down.
        self.signature =
            (self.signature ^ value.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0x0100_0000_01b3);
        self.signature = self.signature.rotate_left(23);
    }

    /// Begins step `n` of a run: a neuron that [`zone`](Self::zone) does not report in a step did not touch the zone in it.
    pub fn step(&mut self, n: usize) {
        self.now += 1 + u64::from(n == 0);
        self.counts.runs += u64::from(n == 0);
    }

    /// Reports a step of `neuron`: whether it touched the active zone and how many spikes it completed.
    pub fn zone(&mut self, neuron: usize, touched: bool, spikes: u64) {
        if self.dwell.len() <= neuron {
            self.dwell.resize(neuron + 1, (0, 0));
        }
        let (dwell, last) = &mut self.dwell[neuron];
        let goes_on = touched && *last + 1 >= self.now;
        *dwell = if goes_on { dwell.saturating_add(1) } else { u32::from(touched) };
        *last = self.now;
        if spikes > 0 {
            // All but the first of several spikes in one step cross the zone within it.
            let short_crossings = spikes - u64::from(*dwell >= RESOLVED_STEPS);
            self.counts +=
                EventCounts { spikes, crossings: spikes, short_crossings, ..EventCounts::default() };
            *dwell = 0;
        }
        if self.grazed > 0 {
            self.note_grazing(neuron);
        }
    }

    #[cold]
    fn note_grazing(&mut self, neuron: usize) {
        if self.grazing.len() <= neuron {
            self.grazing.resize(neuron + 1, 0);
        }
        self.grazing[neuron] += std::mem::take(&mut self.grazed);
    }

    /// Counts a threshold crossing that is tangential to rounding or nearly so, of the neuron that [`zone`](Self::zone) reports next.
    pub fn grazing(&mut self) {
        self.counts.grazing_spikes += 1;
        self.grazed += 1;
    }

    /// Grazing spikes of a neuron since the log was cleared.
    pub fn grazing_of(&self, neuron: usize) -> u64 {
        self.grazing.get(neuron).copied().unwrap_or(0)
    }

    /// Reports a spike that is located inside a step of `h`, with `h df/dv` at threshold: by how many e-foldings in a step a
    /// disturbance grows on the upstroke.
    pub fn upstroke(&mut self, growth: f64) {
        self.counts.upstroke = self.counts.upstroke.max(growth);
    }

    /// Reports how many conductances a step held, and how many of these were below zero.
    pub fn conductances(&mut self, all: u64, negative: u64) {
        self.counts +=
            EventCounts { conductances: all, negative_conductances: negative, ..EventCounts::default() };
    }

    /// A number that is equal for runs with the same pieces.
    pub fn signature(&self) -> u64 {
        self.signature
    }

    /// What was counted.
    pub fn counts(&self) -> EventCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_depends_on_order_and_value() {
        let of = |pieces: &[u64]| {
            let mut log = EventLog::default();
            pieces.iter().for_each(|&p| log.piece(p));
            log.signature()
        };
        assert_ne!(of(&[0, 1]), of(&[1, 0]));
        assert_ne!(of(&[0, 0]), of(&[0]));
        assert_eq!(of(&[3, 1, 2]), of(&[3, 1, 2]));
    }

    #[test]
    fn more_spikes_than_can_be_counted_do_not_overflow() {
        let mut log = EventLog::default();
        (0..3).for_each(|_| log.zone(0, true, u64::MAX));
        assert_eq!(
            (log.counts().spikes, log.counts().crossings, log.counts().short_crossings),
            (u64::MAX, u64::MAX, u64::MAX)
        );
    }

    #[test]
    fn grazing_spikes_are_those_of_the_neuron_that_is_reported_next() {
        let mut log = EventLog::default();
        for neuron in [2, 0, 2] {
            log.grazing();
            log.zone(neuron, true, 1);
            log.zone(1, true, 1);
        }
        assert_eq!([0, 1, 2, 3].map(|neuron| log.grazing_of(neuron)), [1, 0, 2, 0]);
        log.clear();
        assert_eq!(log.grazing_of(2), 0);
    }

    #[test]
    fn short_crossings_are_counted_per_neuron() {
        let mut log = EventLog::default();
        for step in 0..4 {
            log.zone(1, true, u64::from(step == 3));
            log.zone(0, step >= 2, if step == 3 { 2 } else { 0 });
        }
        assert_eq!((log.counts().spikes, log.counts().crossings, log.counts().short_crossings), (3, 3, 2));
    }

    #[test]
    fn a_neuron_that_is_not_reported_has_left_the_zone() {
        let mut log = EventLog::default();
        let mut crossing = |steps: &[usize]| {
            let before = log.counts().short_crossings;
            for &n in steps {
                log.step(n);
                if n != 5 {
                    log.zone(0, true, u64::from(n == 7));
                }
            }
            log.counts().short_crossings - before
        };
        assert_eq!(crossing(&[4, 5, 6, 7]), 1);
        assert_eq!(crossing(&[1, 2, 3]), 0);
        // Three steps, but of two runs.
        assert_eq!(crossing(&[0, 7]), 1);
        assert_eq!(crossing(&[6, 7, 8]), 1);
    }
}
