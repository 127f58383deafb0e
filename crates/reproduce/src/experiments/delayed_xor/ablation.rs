//! What each part of the training recipe does: the same training without it.

use rand_distr::{Distribution, StandardNormal};
use spikegrad::network::Network;
use spikegrad::tasks::delayed_xor::{Curriculum, DelayedXor};
use spikegrad::tasks::{Purpose, TrainingOptions, generator, train};

use super::scoring::{Draw, Gated, score};
use super::{TESTS, training};
use crate::Error;
use crate::experiments::Context;
use crate::report::Report;

/// A training to be changed.
struct Recipe {
    task: DelayedXor<f32>,
    network: Network<f32>,
    options: TrainingOptions,
}

/// What is left out, and how.
type Part = (&'static str, fn(&mut Recipe));

const PARTS: [Part; 12] = [
    ("nothing", |_| ()),
    ("clipping at a quantile", |recipe| recipe.options.clip = None),
    ("autapses (weights of the same size drawn at random instead)", |recipe| {
        let mut rng = generator(recipe.options.seed, Purpose::Initialisation, 4);
        let mut weights = recipe.network.parameters.weight_mut(0);
        let n = weights.nrows();
        // Each row keeps its sum of squares on average: the autapse is dealt out over all connections.
        for i in 0..n {
            let each = std::mem::take(&mut weights[(i, i)]) / (n as f32).sqrt();
            for w in weights.row_mut(i).iter_mut() {
                let x: f32 = StandardNormal.sample(&mut rng);
                *w += each * x;
            }
        }
    }),
    ("short delays at first", |recipe| {
        recipe.task.curriculum = Curriculum { shorten: 1.0, ..recipe.task.curriculum };
    }),
    ("weight of the response at first (equal weights)", |recipe| {
        recipe.task.curriculum = Curriculum { outside: (1.0, 1.0), ..recipe.task.curriculum };
    }),
    ("a learning rate for each group (that of W for all)", |recipe| {
        let of_weights = recipe.options.rates[0].rate;
        recipe.options.rates.iter_mut().for_each(|rate| rate.rate = of_weights);
    }),
    ("the pull towards the initial weights", |recipe| recipe.options.pulls.clear()),
    ("weak cue (three times as strong)", |recipe| {
        recipe.network.parameters.input_mut().column_mut(1).iter_mut().for_each(|u| *u *= 3.0);
    }),
    ("the price of activity", |recipe| recipe.task.loss.lambda = 0.0),
    ("the large batch (half of it)", |recipe| recipe.options.batch /= 2),
    ("the average of parameters", |recipe| recipe.options.average = 1),
    ("the way back", |recipe| {
        recipe.options.validation.iter_mut().for_each(|validation| validation.go_back = None);
    }),
];

fn amounts(context: &Context) -> (usize, usize) {
    if context.quick { (10, 20) } else { (2000, 1000) }
}

fn recipe(context: &Context) -> Result<Recipe, Error> {
    let plan = &training::PLANS[0];
    let task = plan.task();
    let network = task.network(training::GATE.1, context.seed).map_err(Error::experiment)?.to_f32();
    let options = task.options(amounts(context).0, context.seed);
    Ok(Recipe { task, network, options })
}

/// What stays the same.
pub(crate) fn settings(context: &Context, report: &mut Report) {
    let (iterations, held_out) = amounts(context);
    let options = training::PLANS[0].task().options(iterations, context.seed);
    report.setting("recipe", format!("{options:?}")).setting("held-out trials", held_out);
}

/// Runs the experiment.
pub(crate) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let (iterations, held_out) = amounts(context);
    let mut rows = Vec::new();
    let bar = context.bar((PARTS.len() * iterations) as u64, "ablation");
    for (index, (name, leave_out)) in PARTS.iter().enumerate() {
        let mut recipe = recipe(context)?;
        leave_out(&mut recipe);
        let Recipe { task, mut network, mut options } = recipe;
        options.checkpoint = Some(context.checkpoint(&format!("part-{index}"), 100));
        let trained =
            train(&mut network, &task, &options, &mut Watch { bar: &bar, start: index * iterations });
        let mut row = vec![(*name).to_owned()];
        match trained {
            Ok(history) => {
                let reached = history.iter().find(|done| done.level >= 1.0).map(|done| done.iteration);
                let level = history.iter().map(|done| done.level).fold(0.0, f64::max);
                let gated = Gated { network, h: options.h };
                let [standard, controlled] =
                    [0, 1].map(|k| score(&gated, &TESTS[k].task(), held_out, Draw::test(context.seed)));
                let (standard, controlled) = (standard?, controlled?);
                row.push(format!("{level:.2}"));
                row.push(reached.map_or_else(|| "never".to_owned(), |at| at.to_string()));
                row.push(super::percent(standard.cues()));
                row.push(super::percent(controlled.cues()));
                row.push(format!("{:.0} %", 100.0 * standard.error_ratio()));
                row.push(format!("{:.1}", standard.rate()));
            }
            Err(error) => {
                row.push(error.to_string());
                row.extend(std::iter::repeat_n(String::new(), 5));
            }
        }
        rows.push(row);
        bar.set_position(((index + 1) * iterations) as u64);
    }
    bar.finish_and_clear();
    report.heading("What each part of the recipe does");
    report.prose(
        "The same network, trials and number of iterations, each time without one part. A training that does not reach the last \
         level ends with the network that it has come to; it is judged on trials of full length all the same.",
    );
    report.table(
        "Highest level reached, of 0 to 1, and at which iteration the last one was; accuracy on held-out single episodes with its 95 % confidence interval; squared error over the whole trial in per cent of that of silence; mean rate.",
        &["left out", "level", "last level at", "standard", "timing-controlled", "error", "rate (Hz)"],
        rows,
    );
    Ok(())
}

/// A bar that all trainings share.
struct Watch<'a> {
    bar: &'a indicatif::ProgressBar,
    start: usize,
}

impl spikegrad::tasks::Observer<Network<f32>> for Watch<'_> {
    fn iteration(
        &mut self,
        done: &spikegrad::tasks::Iteration,
        _: &Network<f32>,
    ) -> std::ops::ControlFlow<()> {
        self.bar.set_position((self.start + done.iteration + 1) as u64);
        self.bar.set_message(format!("cost {:.2e}, level {:.2}", done.cost, done.level));
        std::ops::ControlFlow::Continue(())
    }
}
