//! Synapses: how charge becomes current, how much of a charge is released, and conductances. Each has a file of its own.

mod alpha;
mod conductance;
mod depression;
mod difference;
mod exponential;
mod kinetics;
mod nmda;
mod receptor;
mod short_term;
mod tsodyks_markram;

pub use alpha::AlphaSynapse;
pub use conductance::Conductance;
pub use depression::Depression;
pub use difference::DifferenceOfExponentials;
pub use exponential::ExponentialSynapse;
pub use kinetics::Kinetics;
pub use nmda::Nmda;
pub use receptor::Receptor;
pub use short_term::ShortTermPlasticity;
pub use tsodyks_markram::TsodyksMarkram;
