//! Losses, one a file. No loss is asked about a sample of weight 0.

/// A loss of nothing but the run as a whole.
macro_rules! of_the_run_alone {
    ($loss:ty) => {
        impl<T: spikegrad_network::Scalar> spikegrad_network::Loss<T> for $loss {
            fn value(&self, _: &spikegrad_network::Sample<'_, T>) -> T {
                T::zero()
            }

            fn vjp(
                &self,
                _: &spikegrad_network::Sample<'_, T>,
                _: T,
                _: &mut spikegrad_network::SampleBar<'_, T>,
            ) {
            }

            fn over_run(&self) -> Option<&dyn spikegrad_network::RunLoss<T>> {
                Some(self)
            }

            fn reads_state(&self) -> bool {
                false
            }
        }
    };
}

mod activity;
mod charges;
mod cross_entropy;
mod first_spike;
mod quadratic;
mod rate_band;
mod score;
mod squared_error;
mod sum;
mod terms;
mod van_rossum;
mod voltage_floor;
mod weighted;

pub use activity::Activity;
pub use cross_entropy::CrossEntropy;
pub use quadratic::QuadraticLoss;
pub use rate_band::RateBand;
pub use score::Score;
pub use squared_error::SquaredError;
pub use sum::{Losses, SumOfLosses};
pub use van_rossum::VanRossum;
pub use voltage_floor::VoltageFloor;
pub use weighted::Weighted;
