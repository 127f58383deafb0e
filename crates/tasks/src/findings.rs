//! What training and evaluation find about the runs that they make: whether the neurons fire, and whether the steps resolve how
//! they do.

use std::fmt;

use spikegrad_integrators::{EventCounts, RESOLVED_STEPS, RESOLVED_UPSTROKE};

/// The share of short crossings above which a run is not trusted: [`Finding::ShortCrossings`]. Training ends with an error above
/// another one, [`TrainingOptions::short_crossings`](crate::TrainingOptions::short_crossings).
pub const SHORT_CROSSINGS: f64 = 0.25;

/// The share of grazing spikes above which a run is not trusted: [`Finding::GrazingSpikes`].
pub const GRAZING_SPIKES: f64 = 0.1;

/// The share of conductances below zero above which a run is not trusted: [`Finding::NegativeConductances`].
pub const NEGATIVE_CONDUCTANCES: f64 = 0.01;

/// Something that makes a result worth little although every number in it is finite. It prints as what was found and what to
/// change.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// No neuron fired.
    Silence {
        /// Trials in which none did.
        trials: u64,
    },
    /// More than [`SHORT_CROSSINGS`] of the crossings of the active zone took too few steps.
    ShortCrossings {
        /// The share that did.
        share: f64,
        /// Crossings in all.
        crossings: u64,
    },
    /// More than [`GRAZING_SPIKES`] of the spikes crossed the threshold all but tangentially.
    GrazingSpikes {
        /// The share that did.
        share: f64,
        /// Spikes in all.
        spikes: u64,
    },
    /// The upstroke of a located spike grows by more than [`RESOLVED_UPSTROKE`] e-foldings in a step.
    SteepUpstroke {
        /// `h df/dv` at threshold.
        growth: f64,
    },
    /// More than [`NEGATIVE_CONDUCTANCES`] of the conductances were below zero.
    NegativeConductances {
        /// The share that were.
        share: f64,
    },
}

impl Finding {
    /// What is wrong with these runs, and what to change.
    pub fn of(events: &EventCounts) -> Vec<Self> {
        let mut findings = Vec::new();
        if events.runs > 0 && events.spikes == 0 {
            findings.push(Self::Silence { trials: events.runs });
        }
        if events.short_crossing_share() > SHORT_CROSSINGS {
            let (share, crossings) = (events.short_crossing_share(), events.crossings);
            findings.push(Self::ShortCrossings { share, crossings });
        }
        if events.grazing_share() > GRAZING_SPIKES {
            findings.push(Self::GrazingSpikes { share: events.grazing_share(), spikes: events.spikes });
        }
        if events.upstroke > RESOLVED_UPSTROKE {
            findings.push(Self::SteepUpstroke { growth: events.upstroke });
        }
        if events.negative_conductance_share() > NEGATIVE_CONDUCTANCES {
            findings.push(Self::NegativeConductances { share: events.negative_conductance_share() });
        }
        findings
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence { trials } => write!(
                f,
                "no neuron fires in {trials} trials: raise the tonic currents, the input weights or the inputs"
            ),
            Self::ShortCrossings { share, crossings } => write!(
                f,
                "{:.0} % of {crossings} crossings of the active zone take fewer than {RESOLVED_STEPS} steps: the gradient is not \
                 that of the equations; take a smaller step h or a wider gate",
                100.0 * share
            ),
            Self::GrazingSpikes { share, spikes } => write!(
                f,
                "{:.0} % of {spikes} spikes graze the threshold, where the cost has no derivative: move the currents away from \
                 the edge of firing, or take a smaller step h",
                100.0 * share
            ),
            Self::SteepUpstroke { growth } => write!(
                f,
                "h df/dv is {growth:.1} at the threshold of a spike, above {RESOLVED_UPSTROKE}: the gradient is not that of the \
                 equations; take steps h shorter by this factor, or cut the upstroke off lower"
            ),
            Self::NegativeConductances { share } => write!(
                f,
                "{:.0} % of the conductances are below zero, which no channel is: neurons fall back through the active zone and take \
                 back charge; take narrower gates, or move the currents away from the edge of firing",
                100.0 * share
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_say_what_to_change() {
        let said = |events: EventCounts| -> Vec<String> {
            Finding::of(&events).iter().map(Finding::to_string).collect()
        };
        assert!(said(EventCounts::default()).is_empty());
        let fine = EventCounts {
            runs: 2,
            spikes: 40,
            grazing_spikes: 4,
            crossings: 40,
            short_crossings: 10,
            upstroke: 1.0,
            conductances: 100,
            negative_conductances: 1,
        };
        assert!(said(fine).is_empty());
        let silent = EventCounts { runs: 3, ..EventCounts::default() };
        let message =
            "no neuron fires in 3 trials: raise the tonic currents, the input weights or the inputs";
        assert_eq!(said(silent), [message]);
        let coarse = said(EventCounts { grazing_spikes: 5, short_crossings: 11, upstroke: 7.6, ..fine });
        assert!(coarse[0].starts_with("28 % of 40 crossings of the active zone take fewer than 3 steps"));
        assert!(coarse[1].starts_with("12 % of 40 spikes graze the threshold"));
        assert!(
            coarse[2].starts_with("h df/dv is 7.6 at the threshold of a spike, above 1: the gradient is not")
        );
        let negative = said(EventCounts { negative_conductances: 2, ..fine });
        assert!(negative[0].starts_with("2 % of the conductances are below zero"));
        let sum: EventCounts = [fine, silent].into_iter().sum();
        assert!(said(sum).is_empty() && sum.upstroke == 1.0);
    }
}
