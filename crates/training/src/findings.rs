//! What is wrong with a network, its data and its runs although every number is finite, in words that say what to change.

use std::fmt;

use spikegrad_integrators::{EventCounts, RESOLVED_STEPS, RESOLVED_UPSTROKE};

/// The share of short crossings above which a run is not trusted: [`Finding::ShortCrossings`]. Training ends with an error above
/// another one, `short_crossings` of the options of a network.
pub const SHORT_CROSSINGS: f64 = 0.25;

/// The share of grazing spikes above which a run is not trusted: [`Finding::GrazingSpikes`].
pub const GRAZING_SPIKES: f64 = 0.1;

/// The share of conductances below zero above which a run is not trusted: [`Finding::NegativeConductances`].
pub const NEGATIVE_CONDUCTANCES: f64 = 0.01;

/// Something that makes a result worth little, or keeps a network from learning, although every number may be finite. It prints as
/// what was found and what to change. Runs alone show the first five ([`Finding::of`]); the others are what
/// `Health` of `spikegrad-tasks` finds.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
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
    /// A number of a trial's data that is NaN or infinite.
    NonFiniteData {
        /// The array: `inputs`, `targets`, `weights`, `currents` or `label`.
        what: &'static str,
        /// The trial, counted from 0.
        trial: usize,
        /// The sample, counted from 0; 0 in a label.
        sample: usize,
        /// The channel, output or neuron.
        channel: usize,
        /// Trials that have such a number somewhere.
        trials: usize,
    },
    /// Input channels that are zero in every sample of every trial.
    ZeroInputs {
        /// The channels.
        channels: Vec<usize>,
        /// Input channels in all.
        of: usize,
    },
    /// Input channels that have one value, which is not zero, in every sample of every trial.
    ConstantInputs {
        /// The channels.
        channels: Vec<usize>,
        /// Input channels in all.
        of: usize,
    },
    /// Channels of event sources without an event in any trial.
    SilentChannels {
        /// The channels.
        channels: Vec<usize>,
        /// Channels in all.
        of: usize,
    },
    /// A target that is the same in every sample of every trial.
    ConstantTarget {
        /// The output.
        output: usize,
        /// The target of the output.
        value: f64,
    },
    /// Classes that no trial has, where so many trials should have.
    MissingClasses {
        /// The classes.
        classes: Vec<usize>,
        /// Classes in all.
        of: usize,
        /// Trials whose labels were looked at.
        trials: usize,
    },
    /// A readout whose weights are all zero.
    ZeroReadout {
        /// The name of its weights.
        name: String,
    },
    /// The cost of a trial is the same without its inputs.
    InputsWithoutEffect {
        /// By what part the cost changes without inputs.
        change: f64,
    },
    /// Trials whose state, cost or gradient did not stay finite.
    Diverged {
        /// How many.
        trials: usize,
        /// Trials that were run.
        of: usize,
        /// What happened in the first of them.
        first: String,
    },
    /// Some trials without a spike.
    SilentTrials {
        /// How many.
        silent: usize,
        /// Trials that were run.
        of: usize,
    },
    /// Neurons that no gradient goes through.
    NeverActive {
        /// The population.
        population: String,
        /// How many of its neurons.
        neurons: usize,
        /// Neurons of the population.
        of: usize,
    },
    /// Neurons that enter the active zone and never complete a spike.
    NeverSpike {
        /// The population.
        population: String,
        /// How many of its neurons.
        neurons: usize,
        /// Neurons of the population.
        of: usize,
    },
    /// Neurons that fire about as fast as they can.
    Saturated {
        /// The population.
        population: String,
        /// How many of its neurons.
        neurons: usize,
        /// Neurons of the population.
        of: usize,
        /// The highest rate, Hz.
        rate: f64,
        /// The rate that the step and the refractory time allow, Hz.
        most: f64,
    },
    /// Neurons that are in the active zone for most of the time.
    LongInZone {
        /// The population.
        population: String,
        /// How many of its neurons.
        neurons: usize,
        /// Neurons of the population.
        of: usize,
        /// The largest share of time.
        share: f64,
    },
    /// Neurons most of whose spikes graze the threshold.
    GrazingNeurons {
        /// The population.
        population: String,
        /// How many of its neurons.
        neurons: usize,
        /// Neurons of the population.
        of: usize,
    },
    /// Groups that are trained and whose gradients are zero in most trials.
    NoGradient {
        /// The groups' names.
        groups: Vec<String>,
        /// Trials in which the gradient is zero, of the group that has the fewest.
        zero: usize,
        /// Trials that were run.
        of: usize,
    },
    /// Groups of which single trials have far larger gradients than others.
    HeavyTail {
        /// The groups' names.
        groups: Vec<String>,
        /// The largest norm of a trial's gradient over the median one, of the worst group.
        ratio: f64,
    },
    /// Cotangents that grow on their way back in time.
    Chaos {
        /// The time in which they grow by a factor e, ms.
        folding: f64,
        /// The factor over a trial, as a power of ten.
        decades: f64,
    },
    /// Cotangents that are gone before the way back comes to the first inputs.
    Vanishing {
        /// The time before which the cost depends on nothing, ms.
        before: f64,
        /// The trial's duration, ms.
        duration: f64,
        /// The time in which cotangents decay by a factor e, ms.
        folding: Option<f64>,
    },
    /// Groups of whose gradients clipping leaves little.
    ClippedAway {
        /// The groups' names.
        groups: Vec<String>,
        /// The part of a trial's gradient that is left on average, of the group of which least is left.
        left: f64,
    },
    /// Cost or gradient that are other ones with half the step.
    CoarseStep {
        /// The step, ms.
        h: f64,
        /// By what part the cost changes.
        cost: f64,
        /// The group whose gradient changes most, if the network has a gradient.
        group: Option<String>,
        /// The cosine between both gradients of the group; 1 without a gradient.
        cosine: f64,
        /// The norm of that with half the step over that with the step; 1 without a gradient.
        ratio: f64,
    },
    /// A step of the learning rates that raises the cost of the trials that it was taken for.
    CostRises {
        /// The cost before the step.
        before: f64,
        /// The cost after the step; `None` if it is not finite, or the step was refused.
        after: Option<f64>,
        /// The factor on all learning rates with which the cost falls; `None` if none of those that were tried does.
        falls_at: Option<f64>,
    },
    /// A step that changes a group by much of its size.
    LargeUpdate {
        /// The group's name.
        group: String,
        /// The norm of the step over that of the group.
        size: f64,
    },
    /// Learning rates with which training cannot come far.
    SmallUpdates {
        /// By what part of its size the fastest group can change in all iterations.
        size: f64,
        /// Number of iterations.
        iterations: usize,
    },
    /// A handful of trials whose cost the gradient does not bring down.
    CannotFit {
        /// Number of trials.
        trials: usize,
        /// Number of steps.
        steps: usize,
        /// The cost before.
        before: f64,
        /// The lowest cost that was reached with any of the learning rates that were tried.
        after: f64,
    },
    /// A handful of trials that the network learns with other learning rates only.
    OtherRates {
        /// Number of steps.
        steps: usize,
        /// The cost before.
        before: f64,
        /// The lowest cost with the learning rates.
        after: f64,
        /// A factor on all learning rates that does better.
        factor: f64,
        /// The lowest cost with it.
        better: f64,
    },
    /// A cost above that of readouts that say nothing.
    WorseThanGuessing {
        /// The cost.
        cost: f64,
        /// The cost with all readouts zero.
        guessing: f64,
    },
    /// A network that does well on the trials and no better than guessing on held-out ones.
    DoesNotGeneralise {
        /// The cost of the trials.
        cost: f64,
        /// The cost of the held-out trials.
        held_out: f64,
        /// The cost of the held-out trials with all readouts zero.
        guessing: f64,
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

/// Some numbers of a list, so that a message stays short.
fn some(numbers: &[usize]) -> String {
    const SHOWN: usize = 8;
    let shown = numbers.iter().take(SHOWN).map(usize::to_string).collect::<Vec<_>>().join(", ");
    if numbers.len() > SHOWN { format!("{shown}, ...") } else { shown }
}

/// The form of a verb for one or for many.
fn verb(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
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
            Self::NonFiniteData { what: "label", trial, channel, trials, .. } => write!(
                f,
                "the label of trial {trial} is not finite at entry {channel} ({trials} trials have such numbers and were left out): \
                 look where the data come from, or leave these trials out"
            ),
            Self::NonFiniteData { what, trial, sample, channel, trials } => write!(
                f,
                "the {what} of trial {trial} are not finite at sample {sample}, channel {channel} ({trials} trials have such numbers \
                 and were left out): look where the data come from, or leave these trials out"
            ),
            Self::ZeroInputs { channels, of } => write!(
                f,
                "{} of {of} input channels {} zero in all trials (channel {}), so that the weights behind get no gradient; look whether the data \
                 are read as they should be, or leave these channels out",
                channels.len(),
                verb(channels.len(), "is", "are"),
                some(channels)
            ),
            Self::ConstantInputs { channels, of } => write!(
                f,
                "{} of {of} input channels {} the same value in all samples of all trials (channel {}), which tells nothing and acts \
                 as a tonic current; look whether the data are read as they should be, or leave these channels out",
                channels.len(),
                verb(channels.len(), "has", "have"),
                some(channels)
            ),
            Self::SilentChannels { channels, of } => write!(
                f,
                "{} of {of} channels of event sources {} no event in any trial (channel {}), so that the weights behind get no gradient; look \
                 whether the data are read as they should be",
                channels.len(),
                verb(channels.len(), "has", "have"),
                some(channels)
            ),
            Self::ConstantTarget { output, value } => write!(
                f,
                "the target of output {output} is {value} in all samples of all trials: a constant would solve the task; look whether \
                 the targets are read as they should be"
            ),
            Self::MissingClasses { classes, of, trials } => write!(
                f,
                "{} of {of} classes {} in none of {trials} trials (class {}): nothing teaches the network about them; look whether \
                 labels are counted from 0, and shuffle the trials",
                classes.len(),
                verb(classes.len(), "is", "are"),
                some(classes)
            ),
            Self::ZeroReadout { name } => write!(
                f,
                "{name} is all zero: no gradient goes back through it to the neurons before its own first step; give it small random \
                 values"
            ),
            Self::InputsWithoutEffect { change } => write!(
                f,
                "the cost changes by {change:.0e} of itself when the inputs are taken away: the network does not see them; raise the \
                 input weights, or scale the inputs up"
            ),
            Self::Diverged { trials, of, first } => {
                write!(f, "{trials} of {of} trials have no finite cost and gradient. The first one: {first}")
            }
            Self::SilentTrials { silent, of } => write!(
                f,
                "no neuron fires in {silent} of {of} trials, which teach nothing: raise the tonic currents, the input weights or the \
                 inputs"
            ),
            Self::NeverActive { population, neurons, of } => write!(
                f,
                "{neurons} of {of} neurons of `{population}` never enter the active zone: no gradient reaches them; raise their tonic \
                 currents or input weights, or widen the gate"
            ),
            Self::NeverSpike { population, neurons, of } => write!(
                f,
                "{neurons} of {of} neurons of `{population}` enter the active zone and never spike: all that they send is parts of \
                 spikes, some of which they take back; raise their tonic currents or input weights"
            ),
            Self::Saturated { population, neurons, of, rate, most } => write!(
                f,
                "{neurons} of {of} neurons of `{population}` fire at up to {rate:.0} Hz, where step and refractory time allow \
                 {most:.0} Hz: they are saturated, and more or less input changes little; lower their tonic currents or weights, or take \
                 a smaller step h"
            ),
            Self::LongInZone { population, neurons, of, share } => write!(
                f,
                "{neurons} of {of} neurons of `{population}` are in the active zone for up to {:.0} % of the time: they send their \
                 voltage and not spikes; narrow the gate, or lower their tonic currents or weights",
                100.0 * share
            ),
            Self::GrazingNeurons { population, neurons, of } => write!(
                f,
                "{neurons} of {of} neurons of `{population}` graze the threshold with most of their spikes: their gradient is not to be \
                 trusted; raise or lower their tonic currents, away from the edge of firing"
            ),
            Self::NoGradient { groups, zero, of } => write!(
                f,
                "the gradient of {} is zero in {zero} of {of} trials: nothing that it does reaches the cost there; look at silent \
                 neurons, at weights of zero on the way to the cost, and at masks, or freeze the group",
                groups.join(", ")
            ),
            Self::HeavyTail { groups, ratio } => write!(
                f,
                "single trials have gradients of {} up to {} times as long as the median one, and decide the mean: clip each trial's \
                 gradient, or lower the recurrent weights",
                groups.join(", "),
                if *ratio < 1e4 { format!("{ratio:.0}") } else { format!("{ratio:.0e}") }
            ),
            Self::Chaos { folding, decades } => write!(
                f,
                "the gradient grows by a factor e every {folding:.1} ms going back in time, by 10^{decades:.1} over a trial: the network \
                 is chaotic and its gradient useless; lower the recurrent weights, shorten the trials, or clip each trial's gradient"
            ),
            Self::Vanishing { before, duration, folding } => {
                write!(f, "the cost does not feel what comes before {before:.0} of {duration:.0} ms")?;
                if let Some(folding) = folding {
                    write!(
                        f,
                        ", since the gradient decays by a factor e every {folding:.1} ms going back in time"
                    )?;
                }
                f.write_str(
                    ": inputs before that teach nothing; take longer time constants, stronger recurrent weights, or a cost that comes \
                     earlier",
                )
            }
            Self::ClippedAway { groups, left } => write!(
                f,
                "clipping leaves {:.1} % of a trial's gradient of {} on average: what is learned from depends on the clip and not on the \
                 cost; raise the quantile or the factor of the clip",
                100.0 * left,
                groups.join(", ")
            ),
            Self::CoarseStep { h, cost, group, cosine, ratio } => {
                write!(f, "with half of the step h = {h} ms the cost changes by {:.0} %", 100.0 * cost)?;
                if let Some(group) = group {
                    write!(
                        f,
                        ", and the gradient of {group} becomes {ratio:.2} times as long with a cosine of {cosine:.2} to this one"
                    )?;
                }
                f.write_str(
                    ": the step is too coarse, and the gradient is not that of the equations; take a smaller step h, and where that does not \
                     help, lower the recurrent weights, to which the run is too sensitive",
                )
            }
            Self::CostRises { before, after, falls_at } => {
                match after {
                    Some(after) => write!(
                        f,
                        "one step raises the cost of its own trials from {before:.3} to {after:.3}"
                    )?,
                    None => write!(
                        f,
                        "after one step the cost of its own trials is not finite, or the step is refused"
                    )?,
                }
                match falls_at {
                    Some(factor) => write!(f, ": lower the learning rates; with {factor} times these the cost falls"),
                    None => f.write_str(
                        ", and so do much smaller steps: the gradient is not that of the cost as it goes on; look at chaos and at \
                         the step h first",
                    ),
                }
            }
            Self::LargeUpdate { group, size } => write!(
                f,
                "one step changes {group} by {:.0} % of its size: lower its learning rate",
                100.0 * size
            ),
            Self::SmallUpdates { size, iterations } => write!(
                f,
                "{iterations} iterations can change no group by more than {:.1e} of its size: raise the learning rates",
                size
            ),
            Self::CannotFit { trials, steps, before, after } => write!(
                f,
                "the network cannot fit even {trials} trials: {steps} steps bring their cost from {before:.3} to {after:.3} at best, with \
                 smaller and larger learning rates as well; the cause is one of the other findings, or the task asks for what the \
                 network cannot do: give it more neurons, or longer time constants"
            ),
            Self::OtherRates { steps, before, after, factor, better } => write!(
                f,
                "{steps} steps bring the cost of a few trials from {before:.3} to {after:.3} at best, and to {better:.3} with {factor} \
                 times the learning rates: {} the learning rates",
                if *factor > 1.0 { "raise" } else { "lower" }
            ),
            Self::WorseThanGuessing { cost, guessing } => write!(
                f,
                "the cost is {cost:.3}, and {guessing:.3} with all readouts zero: the network does worse than one that says nothing; give \
                 the readouts smaller weights to start with"
            ),
            Self::DoesNotGeneralise { cost, held_out, guessing } => write!(
                f,
                "the network fits its trials (cost {cost:.3}) and not the held-out ones ({held_out:.3}, guessing is {guessing:.3}): get \
                 more data, or look for labels that do not belong to the inputs"
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
