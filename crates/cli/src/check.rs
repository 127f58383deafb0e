//! `spikegrad check`: the gradient check on this network and this data.

use spikegrad::adjoint::Limits;
use spikegrad::prelude::*;

use crate::prepare::Prepared;
use crate::{Error, Part, Source};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The part of the data that trials are taken from
    #[arg(long, value_enum, default_value_t = Part::Training)]
    part: Part,
    /// Number of trials
    #[arg(long, value_name = "N", default_value_t = 1)]
    trials: usize,
}

/// The check of a network that somebody brings. A trial of thousands of spikes has some that are about to come or to go at any step that
/// differences can be taken with; the directions that they spoil are counted, and at most half of all may be.
fn check() -> GradientCheck {
    let usual = GradientCheck::default();
    GradientCheck { directions: 8, limits: Limits { discarded: 0.5, ..usual.limits }, ..usual }
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let prepared = Prepared::new(&args.source)?;
    let network = prepared.trained_or_fresh()?;
    let trials = prepared.task.part(args.part.purpose());
    let h = prepared.options.h;
    say!(
        "checking the gradient of {} parameters in f64, on {} {} {}, by central differences ...",
        network.parameters.layout().len(),
        args.trials.min(trials.len()),
        args.part.name(),
        if args.trials == 1 { "trial" } else { "trials" },
    );
    let mut whole: Option<GradientReport> = None;
    for index in 0..args.trials.min(trials.len()) {
        let trial = prepared.trial(args.part, index)?.map(f64::from);
        let network = network.to_f64();
        let loss = prepared.loss(&network)?;
        let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), h);
        let report = check().run(&mut objective)?;
        match &mut whole {
            Some(whole) => whole.merge(report),
            None => whole = Some(report),
        }
    }
    let Some(report) = whole else {
        return Err(Error::NoTrial { index: 0, part: args.part.name(), count: trials.len() });
    };
    say!("{report}");
    for finding in Finding::of(&report.events) {
        say!("note: {finding}");
    }
    if report.passed() { Ok(()) } else { Err(Error::Check) }
}
