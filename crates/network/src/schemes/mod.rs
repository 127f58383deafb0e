//! Schemes: programs that step a network through a trial.
mod grid;
mod plain;
mod pontryagin;
mod readouts;
mod record;
mod run;
mod split;
mod work;

pub use plain::{PlainRun, PlainStep, PlainTape};
pub use pontryagin::{Pontryagin, pontryagin};
pub use record::{Probes, Recording};
pub use split::{
    ApproximateAdjoint, ApproximateWork, BackwardParts, Backwards, GateSlope, GivenRanges, Gradients,
    KeptTape, Lockstep, LockstepGroup, LockstepTrial, ReadoutPath, RecurrentPath, RunTape, SideBySide,
    SideTape, SplitRun, SplitStep, SplitTape, Stepper, Stimulus,
};
pub use work::WorkCounters;
