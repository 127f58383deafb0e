//! What an iteration of training did, and who is told of it.

use std::fmt;
use std::ops::ControlFlow;

use spikegrad_integrators::EventCounts;

use crate::{Finding, Validated};

/// What an iteration did.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Iteration {
    /// The index of the iteration, counted from 0.
    pub iteration: usize,
    /// Mean cost of the batch before the step.
    pub cost: f64,
    /// Trials that became non-finite and were left out.
    pub skipped: usize,
    /// What was counted in some of the others ([`BatchResult::events`](crate::BatchResult::events)), and in all held-out trials if
    /// it was time for these.
    pub events: EventCounts,
    /// Factor on all learning rates.
    pub factor: f64,
    /// Level of difficulty.
    pub level: f64,
    /// What was found on held-out trials after the step, if it was time for that.
    pub validation: Option<Validated>,
}

impl Iteration {
    /// What makes this iteration's numbers worth little, and what to change.
    pub fn findings(&self) -> Vec<Finding> {
        Finding::of(&self.events)
    }
}

/// The cost, then the shares of short crossings and of grazing spikes, then the findings.
impl fmt::Display for Iteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| 100.0 * share;
        let (short, grazing) = (self.events.short_crossing_share(), self.events.grazing_share());
        write!(
            f,
            "cost {:.4e}, {:.0} % short, {:.0} % grazing",
            self.cost,
            percent(short),
            percent(grazing)
        )?;
        self.findings().iter().try_for_each(|finding| write!(f, "; {finding}"))
    }
}

/// Watches training; may end it.
pub trait Observer<P: ?Sized> {
    /// Called after every iteration with what is trained, as it is now. `Break` ends training, and nothing is lost.
    fn iteration(&mut self, done: &Iteration, trained: &P) -> ControlFlow<()>;
}

/// Watches nothing.
impl<P: ?Sized> Observer<P> for () {
    fn iteration(&mut self, _: &Iteration, _: &P) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Moves a progress bar, and makes what an [`Iteration`] displays its message: the cost and what there is to find.
/// [`progress_bar`] makes one that shows messages; `ProgressBar::new` makes one that does not. The bar decides where it is drawn.
impl<P: ?Sized> Observer<P> for indicatif::ProgressBar {
    fn iteration(&mut self, done: &Iteration, _: &P) -> ControlFlow<()> {
        self.set_position(done.iteration as u64 + 1);
        self.set_message(done.to_string());
        ControlFlow::Continue(())
    }
}

/// A progress bar for [`train`](crate::train) that shows the iteration, the time that is left, and the cost.
///
/// ```
/// # use spikegrad_training::progress_bar;
/// let mut bar = progress_bar(1000);
/// // train(&mut program, &options, &mut bar)?;
/// bar.finish_and_clear();
/// ```
pub fn progress_bar(iterations: usize) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{wide_bar} {pos}/{len} (eta {eta}) {msg}");
    // The template is a constant and does parse.
    let style = style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
    indicatif::ProgressBar::new(iterations as u64).with_style(style)
}
