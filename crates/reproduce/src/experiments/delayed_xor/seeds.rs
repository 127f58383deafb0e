//! The figures of the experiment on three seeds, without the baselines and without a look inside.

use super::{Amounts, TESTS, gated_settings, judge, percent, scored_gated, training};
use crate::Error;
use crate::experiments::Context;
use crate::file;
use crate::report::Report;

/// How many seeds, from that of the command line on.
const SEEDS: u64 = 3;

/// The amounts of the experiment, without the tests by delay.
fn amounts(context: &Context) -> Amounts {
    Amounts { memories: &[], ..Amounts::of(context) }
}

/// What stays the same.
pub(crate) fn settings(context: &Context, report: &mut Report) {
    gated_settings(context, &amounts(context), report);
    report.setting("seeds", (context.seed..context.seed + SEEDS).collect::<Vec<_>>());
}

/// Runs the experiment.
pub(crate) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let amounts = amounts(context);
    let mut rows = Vec::new();
    for seed in context.seed..context.seed + SEEDS {
        let state = context.state.join(format!("seed-{seed}"));
        file::create_dir(&state)?;
        let context = Context { seed, state, ..context.clone() };
        let trained = training::trained(&context, &amounts)?;
        let scores = scored_gated(&amounts, seed, &trained, || ())?.tests;
        judge(report, &format!("seed {seed}, "), &scores, &trained);
        let mut row = vec![seed.to_string()];
        row.extend(scores.iter().map(|scores| percent(scores.cues())));
        row.push(format!("{:.0} %", 100.0 * scores[0].error_ratio()));
        row.push(format!("{:.1}", scores[0].rate()));
        rows.push(row);
    }
    report.heading("Three seeds");
    report.prose(
        "The seed decides the network before training, the trials that it is trained on, and those that it is judged by.",
    );
    let mut head = vec!["seed"];
    head.extend(TESTS.iter().map(|test| test.name));
    head.extend(["error", "rate (Hz)"]);
    report.table(
        "Accuracy on held-out trials with its 95 % confidence interval; squared error over the whole standard trial in per \
         cent of that of silence; mean rate.",
        &head,
        rows,
    );
    Ok(())
}
