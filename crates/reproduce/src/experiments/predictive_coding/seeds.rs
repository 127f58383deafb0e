//! The figures of the experiment on many seeds, without the networks of theory and without a look inside.

use super::{MEASURES, NEURONS, PredictiveCoding, amounts, seed_key, train_network};
use crate::Error;
use crate::error::explain;
use crate::experiments::Context;
use crate::experiments::seeds::Seeds;
use crate::report::Report;

/// One seed in so many may miss a band.
const ONE_IN: usize = 20;

/// Runs the experiment.
pub(crate) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let (iterations, held_out) = amounts(context);
    let task = PredictiveCoding::autoencoder(NEURONS);
    let all = context.seeds.len();
    let bar = context.bar((all * iterations) as u64, "predictive coding");
    let mut seeds = Seeds::new(MEASURES.map(|(measure, _)| measure));
    for &seed in &context.seeds {
        let trained = train_network(context, &seed_key(seed), &task, iterations, seed, &bar);
        match trained.and_then(|trained| trained.figures(held_out)) {
            Ok(figures) => seeds.push(seed, MEASURES.map(|(_, of)| of(&figures))),
            // A seed without figures is a seed that misses.
            Err(error) if error.diverged() => {
                report.prose(format!("Seed {seed} has no figures: {}.", explain(&error)));
                seeds.push(seed, []);
            }
            Err(error) => return Err(error),
        }
    }
    bar.finish_and_clear();
    report.prose(
        "The seed decides the network before training, the signals that it is trained on, and those that it is judged by. \
         Every seed is trained and judged in the same way, with the bands of the experiment on a few seeds; one seed in \
         twenty may miss.",
    );
    seeds.report(report, "", all - all / ONE_IN);
    Ok(())
}
