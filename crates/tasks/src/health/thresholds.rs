//! From which figure on something is a finding, and why from there on.

/// The share of the neurons of a population that may stay out of the active zone, or be saturated, or graze. A few neurons of
/// a random network always do.
pub const IDLE_NEURONS: f64 = 0.1;

/// The share of the neurons of a population that may release parts of spikes only. Such neurons do learn, so that this is a fault only
/// where they are the most.
pub const SUBTHRESHOLD_NEURONS: f64 = 0.5;

/// The share of trials that may be silent. A silent trial adds nothing to a gradient, which is smaller by this share.
pub const SILENT_TRIALS: f64 = 0.25;

/// The part of the highest rate that step and refractory time allow from which on a neuron is saturated. There, another fifth of input
/// changes the rate by less than a fifth.
pub const SATURATED_RATE: f64 = 0.8;

/// The share of time in the active zone from which on a neuron sends its voltage and not spikes. A leaky integrate-and-fire neuron that
/// its tonic current makes fire at 5 Hz is in a gate of 0.3 for nine tenths of the time, and learns.
pub const LONG_IN_ZONE: f64 = 0.95;

/// The share of grazing spikes of a neuron from which on its own gradient is not trusted.
pub const GRAZING_NEURON: f64 = 0.5;

/// The share of trials whose gradient of a group may be zero.
pub const ZERO_GRADIENTS: f64 = 0.5;

/// The largest norm of a trial's gradient over the median one above which single trials decide the mean: as many as a mini-batch
/// has trials by default.
pub const HEAVY_TAIL: f64 = 20.0;

/// The e-foldings over a trial above which growth of the gradient back in time is chaos: a factor of 150. Random theta networks above
/// chaos have nine or more in 600 ms; below, they have none.
pub const CHAOS: f64 = 5.0;

/// The part of their largest norm below which cotangents of the cost count as gone.
pub const VANISHED: f64 = 1e-3;

/// The part of a trial from its start that the cost may not depend on.
pub const UNSEEN: f64 = 0.5;

/// The part of a trial's gradient that clipping should leave on average. At a quantile of 0.6 it leaves three fifths of the trials as
/// they are, however long the others are.
pub const CLIPPED_AWAY: f64 = 0.1;

/// By what part the cost may change with half the step. The split step is of first order, so that a tenth here is a fifth of error.
pub const COST_CHANGE: f64 = 0.1;

/// The difference between a group's gradients with a step and with half of it, over the gradient with the step. Of first order, the
/// gradient with the step is off by twice as much.
pub const GRADIENT_CHANGE: f64 = 0.3;

/// The part of itself by which the cost has to change without inputs, or the network does not see them.
pub const INPUT_EFFECT: f64 = 1e-4;

/// By what part of itself one step may raise the cost of its own trials. A trained network wanders about its best parameters by
/// steps of the size of the learning rate.
pub const RISE: f64 = 0.05;

/// By what part of its size one step may change a group. Weights that start small grow by several tenths in a first step of Adam
/// without harm.
pub const LARGE_UPDATE: f64 = 0.5;

/// By what part of its size some group should be able to change in all iterations.
pub const SMALL_COURSE: f64 = 0.01;

/// By what part of itself the cost of a handful of trials should fall in a test of learning, or the network cannot fit them.
pub const FITTED: f64 = 0.1;

/// The part of the cost of guessing below which a network has learned its trials already.
pub const LEARNED: f64 = 0.5;

/// The part of the cost of guessing from which on held-out trials are guessed.
pub const GUESSED: f64 = 0.9;

/// The part of the cost of guessing above which a network does worse than one that says nothing. A random readout of the size of the
/// targets doubles a squared error.
pub const WORSE_THAN_GUESSING: f64 = 3.0;

/// How probable it may be that a class is missing by chance where all classes are equally probable.
pub const MISSING_BY_CHANCE: f64 = 0.01;
