//! The gated split step (equations (17)-(21)) and its sparse exact transpose (equations (22)-(27)): an exact gradient
//! whose cost follows the spikes.
//!
//! `J_k = W_k s_k` is a state of its own, so that a step touches only the columns of neurons that released charge, and
//! its transpose only those of neurons in the active zone. The dense path, for time constants that differ between
//! neurons, forms the product anew at every step.

mod accumulate;
mod approximate;
mod backwards;
mod conductances;
mod forward;
mod hand_on;
mod lockstep;
mod phases;
mod run;
mod scheme;
mod side_by_side;
mod side_steps;
mod stepper;
mod steps;
mod tape;
mod together;

pub use approximate::{
    ApproximateAdjoint, ApproximateWork, BackwardParts, GateSlope, ReadoutPath, RecurrentPath,
};
pub use backwards::Backwards;
pub use forward::{Gradients, KeptTape, RunTape};
pub use lockstep::{Lockstep, LockstepGroup, LockstepTrial};
pub use run::{GivenRanges, SplitRun};
pub use scheme::SplitStep;
pub use side_by_side::{SideBySide, SideTape};
pub use stepper::{Stepper, Stimulus};
pub use tape::SplitTape;
