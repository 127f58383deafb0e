//! The experiment `delayed-xor`: 80 theta neurons learn to keep two pulses in mind, some hundred milliseconds apart, and to
//! answer a cue with their exclusive-or (the paper's Fig. 3); judged on held-out trials, looked into, and set beside other
//! networks on the same task.

pub(super) mod ablation;
mod analysis;
mod compared;
mod figures;
mod scoring;
pub(super) mod seeds;
mod training;

use spikegrad::tasks::delayed_xor::{Answer, Curriculum, DelayedXor};

use super::Context;
use super::seeds::{Judged, judged};
use crate::Error;
use crate::report::Report;
use scoring::{Draw, Responder, Scores, score, wilson};
use training::Trained;

/// Neurons of every network, and units of the rate network.
const NEURONS: usize = 80;

/// How much is done.
struct Amounts {
    /// Iterations of training, if not those of the plan.
    iterations: Option<usize>,
    /// Networks that a training begins with and the iterations after which one is chosen, if not those of the plan.
    starts: Option<(usize, usize)>,
    /// Trials of a batch, if not those of the recipe.
    batch: Option<usize>,
    /// Iterations that a baseline is trained for at most.
    baseline: usize,
    /// Cues of the trials that confirm what a training has found.
    confirmed: usize,
    /// Held-out trials that a network is judged by.
    held_out: usize,
    /// Held-out trials for each delay.
    per_delay: usize,
    /// For how long the first pulse has to be kept, in the tests by delay, ms.
    memories: &'static [f64],
    /// Trials that readouts are fitted to and scored on.
    decoded: usize,
}

impl Amounts {
    fn of(context: &Context) -> Self {
        if context.quick {
            Self {
                iterations: Some(15),
                starts: Some((2, 5)),
                batch: Some(8),
                baseline: 10,
                confirmed: 20,
                held_out: 20,
                per_delay: 4,
                memories: &[100.0, 550.0, 1000.0],
                decoded: 40,
            }
        } else {
            Self {
                iterations: None,
                starts: None,
                batch: None,
                baseline: 8000,
                confirmed: 4000,
                held_out: 1000,
                per_delay: 200,
                memories: &[100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0],
                decoded: 400,
            }
        }
    }
}

/// What networks are tested on.
struct Test {
    /// The short name of the test.
    key: &'static str,
    /// The name of the test in figures.
    name: &'static str,
    /// Whether the cue's timing gives nothing away.
    controlled: f64,
    /// Episodes in a row.
    episodes: usize,
}

const TESTS: [Test; 4] = [
    Test { key: "standard", name: "standard", controlled: 0.0, episodes: 1 },
    Test { key: "controlled", name: "timing-controlled", controlled: 1.0, episodes: 1 },
    Test { key: "standard-stream", name: "streams of five", controlled: 0.0, episodes: 5 },
    Test {
        key: "controlled-stream",
        name: "streams of five, timing-controlled",
        controlled: 1.0,
        episodes: 5,
    },
];

impl Test {
    /// Trials with the delays that networks are trained on.
    fn task(&self) -> DelayedXor<f32> {
        DelayedXor {
            controlled: self.controlled,
            stream: (self.episodes, self.episodes),
            ..DelayedXor::default()
        }
    }

    /// Trials in which the first pulse of two has to be kept for `memory` ms, half of it before the second pulse.
    fn task_of_memory(&self, memory: f64) -> DelayedXor<f32> {
        let task = self.task();
        let delay = ((memory - task.pulse) / 2.0).round();
        DelayedXor { gap: delay..delay, delay: delay..delay, ..task }
    }
}

/// A network's scores on the tests, and by delay.
struct Scored {
    /// The scores in the order of [`TESTS`].
    tests: Vec<Scores>,
    /// The scores by test and memory.
    memories: Vec<Vec<Scores>>,
}

fn scored(amounts: &Amounts, seed: u64, who: [&dyn Responder; 4], tick: impl Fn()) -> Result<Scored, Error> {
    let (mut tests, mut memories) = (Vec::new(), Vec::new());
    for (test, who) in TESTS.iter().zip(who) {
        let trials = amounts.held_out.div_ceil(test.episodes);
        tests.push(score(who, &test.task(), trials, Draw::test(seed))?);
        tick();
        let by_memory = amounts.memories.iter().map(|&memory| {
            let scores = score(
                who,
                &test.task_of_memory(memory),
                amounts.per_delay.div_ceil(test.episodes),
                Draw::test(seed),
            );
            tick();
            scores
        });
        memories.push(by_memory.collect::<Result<_, _>>()?);
    }
    Ok(Scored { tests, memories })
}

/// The scores of the gated networks, of each test by the one that serves it.
fn scored_gated(amounts: &Amounts, seed: u64, trained: &[Trained], tick: impl Fn()) -> Result<Scored, Error> {
    let gated = TESTS.each_ref().map(|test| &serving(trained, test).gated as &dyn Responder);
    scored(amounts, seed, gated, tick)
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    let amounts = Amounts::of(context);
    gated_settings(context, &amounts, report);
    compared::settings(&amounts, context.seed, report);
}

/// The part of the settings that belongs to the gated networks.
fn gated_settings(context: &Context, amounts: &Amounts, report: &mut Report) {
    let plan = &training::PLANS[0];
    let (task, options) = (plan.task(), plan.options(amounts, context.seed));
    let streams = training::PLANS.iter().map(|plan| {
        let (least, most) = plan.task().stream;
        if least == most { format!("{least}") } else { format!("{least} to {most}") }
    });
    let streams: Vec<String> = streams.collect();
    let starts = training::PLANS.iter().map(|plan| {
        let (starts, iterations) = plan.starts(amounts);
        format!("{starts} after {iterations}")
    });
    report
        .setting("neurons", NEURONS)
        .setting("neuron", "theta, tau_v 25 ms")
        .setting("tau, tau_f (ms)", vec![20.0, 5.0])
        .setting("gate", format!("{}, width {}", training::GATE.0.name(), training::GATE.1))
        .setting("h (ms)", options.h)
        .setting("pulse, cue, response (ms)", vec![task.pulse, task.cue, task.response])
        .setting("response after the cue's beginning (ms)", task.latency)
        .setting("silence between pulses (ms)", vec![task.gap.start, task.gap.end])
        .setting("silence before the cue (ms)", vec![task.delay.start, task.delay.end])
        .setting("part of episodes with one pulse", task.single)
        .setting("part of training trials with controlled timing", task.controlled)
        .setting("episodes of a training trial, for each network", streams)
        .setting("curriculum, single episodes", in_words(&task.curriculum))
        .setting("curriculum, streams", in_words(&training::PLANS[1].task().curriculum))
        .setting("validation", options.validation.map(|validation| validation.to_string()))
        .setting("schedule", options.schedule.to_string())
        .setting(
            "iterations, for each network",
            training::PLANS.iter().map(|plan| plan.iterations(amounts)).collect::<Vec<_>>(),
        )
        .setting(
            "networks that a training begins with, and iterations after which one is chosen, for each network",
            starts.collect::<Vec<String>>(),
        )
        .setting("trials a batch", options.batch)
        .setting("cues that confirm a training", amounts.confirmed)
        .setting("held-out cues for each test", amounts.held_out)
        .setting("held-out cues for each delay", amounts.per_delay);
    for plan in &training::PLANS {
        let rates = plan.options(amounts, context.seed).rates;
        let rates: Vec<_> = rates.iter().map(|r| format!("{} {}", r.group, r.rate)).collect();
        report.setting(format!("learning rates, {}", plan.name), rates);
    }
}

/// How training grows harder, for the settings.
fn in_words(curriculum: &Curriculum) -> String {
    let Curriculum { shorten, outside: (first, last), stretched } = curriculum;
    format!(
        "gaps and delays times {shorten} at level 0 and at full length from level {stretched} on; from there the weight outside the \
         responses goes from {first} to {last}"
    )
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let amounts = Amounts::of(context);
    let trained = training::trained(context, &amounts)?;
    let compared = compared::trained(context, &amounts)?;

    let bar = context
        .bar((TESTS.len() * (1 + amounts.memories.len()) * (1 + compared.len())) as u64, "held-out trials");
    let ours = scored_gated(&amounts, context.seed, &trained, || bar.inc(1))?;
    let mut others = Vec::new();
    for other in &compared {
        others.push(scored(&amounts, context.seed, [other.responder.as_ref(); 4], || bar.inc(1))?);
    }
    bar.finish_and_clear();

    judge(report, &ours.tests, &trained);
    explain(report);
    figures::starts(report, trained.iter().map(|one| (context.seed, one)));
    figures::trials(report, &serving(&trained, &TESTS[0]).gated)?;
    figures::by_class(report, &ours);
    figures::by_memory(report, &amounts, &ours, &compared, &others)?;
    figures::comparison(report, &trained, &ours, &compared, &others)?;
    figures::inside(context, report, &amounts, serving(&trained, &TESTS[1]))?;
    Ok(())
}

/// The network that a test judges.
fn serving<'a>(trained: &'a [Trained], test: &Test) -> &'a Trained {
    trained.iter().find(|one| one.tests.contains(&test.key)).unwrap_or(&trained[0])
}

/// A band that a part of 1 meets from `low` on.
const fn from(low: f64) -> Option<[f64; 2]> {
    Some([low, 1.0])
}

/// The figures of single episodes, of scores in the order of [`TESTS`], and their bands.
const SINGLE: [Judged<[Scores]>; 7] = [
    judged("standard: accuracy", "", from(0.97), |s| s[0].accuracy()),
    judged("standard: accuracy of the worst class", "", from(0.94), |s| s[0].worst_class()),
    judged("timing-controlled: accuracy", "", from(0.94), |s| s[1].accuracy()),
    judged("timing-controlled: accuracy of the worst class", "", from(0.90), |s| s[1].worst_class()),
    judged("standard: squared error of the whole trial over that of silence", "", Some([0.0, 0.35]), |s| {
        s[0].error_ratio()
    }),
    judged("timing-controlled: squared error of the whole trial over that of silence", "", None, |s| {
        s[1].error_ratio()
    }),
    judged("mean rate", "Hz", Some([0.0, 40.0]), |s| s[0].rate()),
];

/// The same of streams.
const STREAMS: [Judged<[Scores]>; 2] = [
    judged("streams of five: accuracy", "", from(0.94), |s| s[2].accuracy()),
    judged("streams of five, timing-controlled: accuracy", "", None, |s| s[3].accuracy()),
];

/// The longest training that meets its band, min.
const WALL_TIME: f64 = 20.0;

/// The figures that have a band, of scores in the order of [`TESTS`].
fn judge(report: &mut Report, scores: &[Scores], trained: &[Trained]) {
    for (measure, of) in SINGLE.iter().chain(&STREAMS) {
        report.figure(measure.name, of(scores), measure.unit, measure.band);
    }
    for one in trained {
        report.figure(one.wall_time(), one.seconds / 60.0, "min", Some([0.0, WALL_TIME]));
        report.add_seconds(one.seconds_before);
    }
}

fn explain(report: &mut Report) {
    report.heading("The task");
    report.prose(
        "Input 1 shows one or two pulses, each positive or negative; input 2 shows a go-cue, some time later. If there were \
         two pulses, the output answers with a pulse: positive if the signs were opposite, negative if they were the same. If \
         there was one, it stays silent. Delays are random, and nothing but the spikes of the network keeps the pulses. In \
         <b>standard</b> trials the cue follows the last pulse, so that it comes earlier if there was one only; in \
         <b>timing-controlled</b> trials it comes when it would have come with two, and time tells nothing. In <b>streams</b> \
         several episodes follow each other without a reset.",
    );
    report.prose(
        "An answer counts by the output's projection on the response pulse: above 0.5, below \u{2212}0.5 or between. The \
         squared error is taken over the whole trial, so that an output that answers rightly and flutters meanwhile pays for \
         it. Every trial is fresh; none of those that judge was trained on or looked at before.",
    );
}

/// An accuracy in per cent with its confidence interval.
fn percent(cues: (usize, usize)) -> String {
    let [low, high] = wilson(cues);
    if cues.0 == 0 {
        return "\u{2013}".to_owned();
    }
    format!("{:.1} % ({:.1} to {:.1})", 100.0 * cues.1 as f64 / cues.0 as f64, 100.0 * low, 100.0 * high)
}

/// What an answer is called.
fn name_of(answer: Answer) -> &'static str {
    match answer {
        Answer::Same => "same signs",
        Answer::Nothing => "one pulse",
        Answer::Opposite => "opposite signs",
    }
}
