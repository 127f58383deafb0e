//! The experiment `plausible-rules`: the exact adjoint with one part replaced, as biologically plausible rules replace it. How far the
//! direction is from the exact gradient, by group and through training, and what networks learn by each rule, with one protocol for
//! the learning rates of all.

mod angles;
mod page;
mod program;
mod rules;
mod training;

use spikegrad::network::{BackwardParts, Network, ReadoutPath};

use super::Context;
use super::small_tasks::SmallTask;
use crate::Error;
use crate::report::Report;
use angles::Compared;
use rules::{RULES, Rule};
use training::{Plan, Trained, Tuned};

/// The parts of training after which angles are measured; the first is its start.
const SNAPSHOTS: [f64; 5] = [0.0, 0.05, 0.2, 0.5, 1.0];
/// What is added to the first seed for the networks and trials by which learning rates are chosen.
const TUNING: u64 = 1_000_000;

/// How much is done.
struct Amounts {
    /// The share of a task's iterations that a training has.
    share: f64,
    /// The share of these that a training has by which a learning rate is chosen.
    tuning_share: f64,
    /// Trials of a batch, if not as many as the recipe of the task has.
    batch: Option<usize>,
    /// Factors on the learning rates of the recipe.
    factors: &'static [f64],
    /// Held-out trials that judge a network.
    judged: usize,
    /// Trials whose directions are compared.
    compared: usize,
}

impl Amounts {
    fn of(context: &Context) -> Self {
        if context.quick {
            return Self {
                share: 0.02,
                tuning_share: 0.5,
                batch: Some(8),
                factors: &[1.0, 3.0],
                judged: 4,
                compared: 4,
            };
        }
        Self {
            share: 1.0,
            tuning_share: 0.4,
            batch: None,
            factors: &[0.3, 1.0, 3.0],
            judged: 60,
            compared: 32,
        }
    }

    /// Iterations of a training.
    fn iterations(&self, small: &SmallTask) -> usize {
        (self.share * small.iterations as f64).round() as usize
    }

    /// Iterations of a training by which a learning rate is chosen.
    fn tuning(&self, small: &SmallTask) -> usize {
        (self.tuning_share * self.iterations(small) as f64).round() as usize
    }
}

/// Both tasks.
fn tasks() -> [SmallTask; 2] {
    [SmallTask::autoencoding(), SmallTask::xor()]
}

/// Everything that was found on a task.
struct Found {
    small: SmallTask,
    /// The rules that are others than each other on this task, the exact one first.
    rules: Vec<Rule>,
    tuned: Vec<Tuned>,
    /// The trainings, by rule, then by seed.
    trained: Vec<Vec<Trained>>,
    /// Scores before training, by seed.
    untrained: Vec<f64>,
    /// Angles along the training by the exact gradient, by seed, then by snapshot.
    along: Vec<Vec<Compared>>,
    /// Angles of each rule in the network that it trained itself, by rule, then by seed.
    own: Vec<Vec<Compared>>,
    /// The cosine of readout and random matrix before and after training, by rule, then by seed; not a number for other rules.
    aligned: Vec<Vec<[f64; 2]>>,
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    let amounts = Amounts::of(context);
    for small in tasks() {
        let options = small.options(amounts.iterations(&small), 0, 1.0);
        let rates: Vec<_> =
            options.rates.iter().map(|rate| format!("{} {}", rate.group, rate.rate)).collect();
        report
            .setting(
                format!("{}: iterations, in the choice of a learning rate", small.name),
                vec![amounts.iterations(&small), amounts.tuning(&small)],
            )
            .setting(format!("{}: trials a batch", small.name), amounts.batch.unwrap_or(options.batch))
            .setting(format!("{}: learning rates, times a factor", small.name), rates)
            .setting(
                format!("{}: clipping of trials", small.name),
                options.clip.map(|c| vec![c.quantile, c.factor]),
            )
            .setting(format!("{}: h (ms)", small.name), options.h);
    }
    report
        .setting("factors that are tried", amounts.factors.to_vec())
        .setting("rules", RULES.iter().map(|rule| rule.name).collect::<Vec<_>>())
        .setting("angles after parts of training", SNAPSHOTS.to_vec())
        .setting("held-out trials that judge, that are compared", vec![amounts.judged, amounts.compared])
        .setting("seeds", context.seeds.clone());
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let amounts = Amounts::of(context);
    let mut found = Vec::new();
    for small in tasks() {
        found.push(on_task(context, &amounts, small)?);
    }
    page::write(report, &found)
}

fn on_task(context: &Context, amounts: &Amounts, small: SmallTask) -> Result<Found, Error> {
    let first = small.network(context.seed)?;
    let rules: Vec<Rule> = RULES.into_iter().filter(|rule| rule.is_of(&first)).collect();
    let trainings = rules.len()
        * (context.seeds.len() * amounts.iterations(&small) + amounts.factors.len() * amounts.tuning(&small));
    let bar = context.bar(trainings as u64, small.name);
    let plan = Plan { context, small: &small, amounts, bar: &bar };
    let (mut tuned, mut trained) = (Vec::new(), Vec::new());
    for rule in &rules {
        bar.set_message(rule.name);
        let best = plan.tune(rule, context.seed.wrapping_add(TUNING))?;
        let each = context.seeds.iter().map(|&seed| plan.train(rule, seed, best.factor));
        trained.push(each.collect::<Result<Vec<_>, Error>>()?);
        tuned.push(best);
    }
    bar.finish_and_clear();

    let (mut untrained, mut along) = (Vec::new(), Vec::new());
    let mut own: Vec<Vec<Compared>> = rules.iter().map(|_| Vec::new()).collect();
    let mut aligned = vec![Vec::new(); rules.len()];
    let steps = context.seeds.len() * (SNAPSHOTS.len() + rules.len());
    let bar = context.bar(steps as u64, format!("{}, angles", small.name));
    for (k, &seed) in context.seeds.iter().enumerate() {
        let start = &trained[0][k].start;
        untrained.push(small.judge(start, spikegrad::tasks::Purpose::Test, seed, amounts.judged)?);
        let parts: Vec<BackwardParts<f64>> = rules.iter().map(|rule| rule.parts(start, seed)).collect();
        let mut snapshots = Vec::new();
        for values in &trained[0][k].snapshots {
            let mut network: Network<f64> = start.clone();
            network.parameters.values_mut().copy_from_slice(values);
            snapshots.push(angles::compare(&small, &network, &parts, seed, amounts.compared)?);
            bar.inc(1);
        }
        along.push(snapshots);
        for (number, parts) in parts.iter().enumerate() {
            let network = &trained[number][k].network;
            let only = std::slice::from_ref(parts);
            own[number].push(angles::compare(&small, network, only, seed, amounts.compared)?);
            aligned[number].push(match &parts.readout {
                ReadoutPath::Fixed(fixed) => {
                    [start, network].map(|network| angles::alignment(network, fixed))
                }
                ReadoutPath::Exact => [f64::NAN; 2],
            });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(Found { small, rules, tuned, trained, untrained, along, own, aligned })
}
