//! The experiment `gradient-accumulation-tasks`: the statistics of single trials on two other tasks, on request. Delayed XOR needs a memory,
//! and a data set has classes. The results of a run are kept as a small file; a copy of both lies beside this one, and the page of
//! `gradient-accumulation` shows them with their date.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use spikegrad::data::Standardise;
use spikegrad::network::{Group, InitialState, Loss, Network, Projection, Recording, Trial};
use spikegrad::tasks::delayed_xor::{Curriculum, DelayedXor};
use spikegrad::tasks::{
    Clip, CrossEntropy, DatasetTask, LearningRate, Presentation, Purpose, Reading, Schedule, Score, Task,
    TrainingOptions, TrainingStage, evaluate, generator, train,
};

use super::results::{Results, Spread};
use super::stages::{STAGES, Stage, exponent, look_at};
use super::{QUICK, Snapshots, kept, page};
use crate::experiments::dial::{Cell, GROUPS, NEURONS, built};
use crate::experiments::intervals::Mean;
use crate::experiments::{Context, japanese_vowels};
use crate::report::Report;
use crate::{Error, file};

/// The names of the tasks on the command line.
pub(in crate::experiments) const SETS: &[&str] = &["xor", "vowels"];

/// The networks: the dial from rate to spiking.
const CELLS: [Cell; 3] = [Cell::Dial(1.0), Cell::Dial(0.5), Cell::Dial(0.2)];

/// How much is done.
struct Work {
    /// The share of the iterations of a task's recipe.
    share: f64,
    /// Trials whose gradients are taken, bootstraps, and trials by which the Lyapunov exponent is measured.
    trials: usize,
    resampled: usize,
    grown: usize,
    /// Trials that judge a network.
    judged: usize,
}

impl Work {
    fn of(context: &Context) -> Self {
        if context.quick {
            return Self { share: 0.01, trials: QUICK.look.trials, resampled: 20, grown: 4, judged: 20 };
        }
        Self { share: 1.0, trials: 2000, resampled: 200, grown: 48, judged: 370 }
    }

    fn iterations(&self, other: &Other) -> usize {
        ((self.share * other.iterations as f64) as usize).max(2)
    }
}

/// A task with its network and recipe.
struct Other {
    name: &'static str,
    /// What the score is.
    score: &'static str,
    /// What is said of the task on its page.
    says: &'static str,
    task: Phased,
    /// Time constants of the synapses that are read out, and of the recurrent synapses, ms.
    tau: [f64; 2],
    /// Whether neurons have synapses onto themselves, of weight 1 at the start: a unit then keeps what it has.
    remembers: bool,
    /// Standard deviation of the input weights and mean of the tonic currents at the start.
    input: f64,
    bias: f64,
    inputs: usize,
    outputs: usize,
    /// The step, ms.
    h: f64,
    iterations: usize,
    batch: usize,
    /// Learning rates in the order of [`GROUPS`].
    rates: [f64; GROUPS.len()],
    /// The part that trials of their own are taken from: new ones, or those of the training part, drawn at random.
    part: Part,
}

#[derive(Clone, Copy)]
enum Part {
    New,
    Training(usize),
}

/// A task whose trials start from random voltages, as those of auto-encoding do.
struct Phased(Box<dyn Task<f64>>);

impl Task<f64> for Phased {
    fn check(&self) -> Result<(), spikegrad::tasks::Error> {
        self.0.check()
    }

    fn fingerprint(&self) -> u32 {
        self.0.fingerprint()
    }

    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f64> {
        let trial = self.0.trial(stage, rng);
        let voltages = (0..NEURONS).map(|_| rng.random::<f64>()).collect();
        Trial { initial: Some(InitialState { x: voltages, s: Vec::new() }), ..trial }
    }

    fn loss(&self) -> &dyn Loss<f64> {
        self.0.loss()
    }

    fn score(&self, trial: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        self.0.score(trial, recording)
    }
}

impl Other {
    /// The task of this name; the first one where none is named.
    fn named(set: Option<&str>) -> Result<Self, Error> {
        match set.unwrap_or(SETS[0]) {
            "xor" => Ok(Self::xor()),
            "vowels" => Self::vowels(),
            other => Err(Error::UnknownTask { name: other.to_owned(), known: SETS.to_vec() }),
        }
    }

    /// Single episodes of delayed XOR with gaps and delays of 15 to 40 ms.
    fn xor() -> Self {
        let curriculum = Curriculum { outside: (0.3, 0.3), ..Curriculum::default() };
        // The score looks at one output a sample: samples are steps.
        let h = 0.5;
        let (gap, delay) = (15.0..40.0, 15.0..40.0);
        let task = DelayedXor::<f64> { interval: h, gap, delay, curriculum, ..DelayedXor::default() };
        Self {
            name: "delayed XOR",
            score: "cues answered rightly",
            says: "Single episodes with gaps and delays of 15 to 40 ms: two pulses, a cue, and the exclusive-or of the signs of the pulses as the \
                   answer. Every neuron has a synapse onto itself of weight 1 at the start, the counterpart of the identity with which \
                   recurrent rate networks start.",
            task: Phased(Box::new(task)),
            tau: [20.0, 20.0],
            remembers: true,
            input: 0.02,
            bias: 0.0,
            inputs: 2,
            outputs: 1,
            h,
            iterations: 600,
            batch: 24,
            rates: [2e-3, 5e-4, 1e-4, 3e-2],
            part: Part::New,
        }
    }

    /// Nine speakers told apart by the Japanese vowels that they utter.
    fn vowels() -> Result<Self, Error> {
        let [training, test] = japanese_vowels::data()?;
        let all: Vec<usize> = (0..training.len()).collect();
        let fitted = Standardise::fit(&training, &all).map_err(Error::experiment)?;
        let presentation = Presentation { interval: 5.0, after: 0.0, warm_up: 0.0, first_neuron: 0 };
        let trials = |part| -> Result<Vec<Trial<f64>>, Error> {
            let part = fitted.apply(part).map_err(Error::experiment)?;
            presentation.trials(&part).map_err(Error::experiment)
        };
        let (utterances, test) = (trials(&training)?, trials(&test)?);
        let (loss, count) = (CrossEntropy { of: Score::Mean, smoothing: 0.0 }, utterances.len());
        let task = DatasetTask::new(utterances, Vec::new(), test, loss, Reading::Class(Score::Mean), 1);
        Ok(Self {
            name: "Japanese vowels",
            score: "test utterances of which the speaker is found",
            says: "Nine speakers are told apart by 12 channels of 7 to 29 time points, 5 ms each (270 utterances to train on, 370 to judge by). The \
                   class with the largest mean output is the answer; the loss is the cross-entropy. Gradients are of utterances of the training \
                   part, drawn with replacement, from random initial voltages. The price of activity is not part of the loss: look at the rates, at which more than half a spike in a step says nothing of spikes.",
            task: Phased(Box::new(task)),
            tau: [20.0, 5.0],
            remembers: false,
            input: 0.02,
            bias: 0.02,
            inputs: training.channels(),
            outputs: training.outputs(),
            h: 0.25,
            iterations: 400,
            batch: 20,
            rates: [3e-3, 1e-3, 5e-4, 5e-2],
            part: Part::Training(count),
        })
    }

    /// The network as training begins with it; the weights depend on the seed alone, not on the cell.
    fn network(&self, cell: Cell, seed: u64) -> Result<Network<f64>, Error> {
        let recurrent = Projection::new("recurrent", self.tau[1]);
        let recurrent = if self.remembers { recurrent } else { recurrent.without_autapses() };
        let mut network = built(cell, self.tau[0], recurrent, (self.inputs, self.outputs))?;
        let mut rng = generator(seed, Purpose::Initialisation, 0);
        let mut normal = |deviation: f64| {
            let x: f64 = StandardNormal.sample(&mut rng);
            deviation * x
        };
        let weak = 0.05 / (NEURONS as f64).sqrt();
        for (at, w) in network.parameters.group_mut(Group::Weight(1)).iter_mut().enumerate() {
            let draw = normal(weak);
            *w = match at % NEURONS == at / NEURONS {
                true => f64::from(u8::from(self.remembers)),
                false => draw,
            };
        }
        network.parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u = normal(self.input));
        let bias = |draw: f64| self.bias + 0.1 * draw;
        network.parameters.group_mut(Group::Bias).iter_mut().for_each(|b| *b = bias(normal(self.input)));
        network.parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = normal(0.1));
        Ok(network)
    }

    /// The recipe.
    fn options(&self, iterations: usize, seed: u64) -> TrainingOptions {
        let rates = GROUPS.iter().zip(self.rates).map(|(&(group, _), rate)| LearningRate { group, rate });
        TrainingOptions {
            h: self.h,
            iterations,
            batch: self.batch,
            seed,
            rates: rates.collect(),
            schedule: Schedule::Cosine { last: 0.03 },
            clip: Some(Clip { quantile: 0.5, factor: 2.0 }),
            unclipped: Vec::new(),
            short_crossings: 1.0,
            ..TrainingOptions::default()
        }
    }

    /// Trials whose gradients are looked at.
    fn trials(&self, count: usize, (seed, purpose): (u64, Purpose)) -> Vec<Trial<f64>> {
        let trial = |index: usize| {
            let rng = &mut generator(seed, purpose, 1_000_000 + index as u64);
            let stage = match self.part {
                Part::New => TrainingStage::held_out(purpose, index),
                Part::Training(utterances) => {
                    TrainingStage::held_out(Purpose::Training, rng.random_range(0..utterances))
                }
            };
            self.task.trial(stage, rng)
        };
        (0..count).map(trial).collect()
    }

    /// The mean score of test trials.
    fn judge(&self, network: &Network<f64>, seed: u64, count: usize) -> Result<f64, Error> {
        let score = |trial: &Trial<f64>, recording: &Recording<f64>| self.task.score(trial, recording);
        let scores = evaluate(network, &self.task, &self.options(1, seed), Purpose::Test, count, score);
        Ok(scores.map_err(Error::experiment)?.iter().sum::<f64>() / count as f64)
    }

    /// A network at the start, in the middle and at the end of its training, with its scores.
    fn stages(&self, context: &Context, cell: Cell, seed: u64) -> Result<Vec<Judged>, Error> {
        let work = Work::of(context);
        kept(context, &format!("stages-{}-{seed}", cell.name()), || {
            let iterations = work.iterations(self);
            let mut trained = self.network(cell, seed)?;
            let mut snapshots = Snapshots { at: iterations / 2, taken: vec![trained.clone()] };
            train(&mut trained, &self.task, &self.options(iterations, seed), &mut snapshots)
                .map_err(Error::experiment)?;
            snapshots.taken.push(trained);
            let given = self.trials(work.trials, (seed, Purpose::Test));
            let few = self.trials(work.grown, (seed, Purpose::Validation));
            let look = |network: &Network<f64>| {
                let stage = look_at(&self.task, self.h, network, &given, (work.resampled, seed))?;
                let exponents: Vec<f64> = few
                    .iter()
                    .map(|trial| exponent(&self.task, self.h, network, trial))
                    .collect::<Result<_, _>>()?;
                let lyapunov = crate::experiments::intervals::median(&exponents);
                let score = self.judge(network, seed, work.judged)?;
                Ok(Judged { score, stage: Stage { lyapunov, ..stage } })
            };
            snapshots.taken.iter().map(look).collect()
        })
    }
}

/// A network at a stage, and its score.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Judged {
    score: f64,
    stage: Stage,
}

/// What a run leaves for pages that show its results later.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stored {
    pub(super) task: String,
    /// When it was run, with which version of this package, and on what.
    pub(super) date: String,
    pub(super) version: String,
    pub(super) machine: String,
    pub(super) seeds: Vec<u64>,
    /// Trials whose gradients were taken at each stage.
    pub(super) trials: usize,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Stored {
    /// The results that come with the project: `state/summary.json` of a full run on each task.
    pub(super) fn all() -> Result<Vec<Self>, Error> {
        let texts = [include_str!("stored/xor.json"), include_str!("stored/vowels.json")];
        let parse = |text: &str| serde_json::from_str(text);
        let all = texts.into_iter().map(parse).collect::<Result<_, _>>();
        all.map_err(|source| Error::Json { name: "stored results".to_owned(), source })
    }
}

/// What stays the same over the experiment.
pub(in crate::experiments) fn settings(context: &Context, report: &mut Report) {
    report.setting("task", context.set.clone().unwrap_or_default()).setting("seeds", context.seeds.clone());
    let (Ok(other), work) = (Other::named(context.set.as_deref()), Work::of(context)) else { return };
    let rates = GROUPS.iter().zip(other.rates).map(|((_, name), rate)| format!("{name} {rate}"));
    report
        .setting("neurons", NEURONS)
        .setting("networks", CELLS.map(Cell::name).to_vec())
        .setting(
            "time constants of readout and recurrent synapses, step (ms)",
            vec![other.tau[0], other.tau[1], other.h],
        )
        .setting("input weights, tonic currents at the start", vec![other.input, other.bias])
        .setting("recipe: iterations, trials a batch", vec![work.iterations(&other), other.batch])
        .setting("recipe: learning rates", rates.collect::<Vec<_>>())
        .setting("recipe: clipping of trials", vec![0.5, 2.0])
        .setting(
            "trials whose gradients are taken, bootstraps, trials for the Lyapunov exponent, test trials",
            vec![work.trials, work.resampled, work.grown, work.judged],
        );
}

/// Runs the experiment on one task.
pub(in crate::experiments) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let (other, work) = (Other::named(context.set.as_deref())?, Work::of(context));
    let bar = context.bar((context.seeds.len() * CELLS.len()) as u64, other.name);
    let (mut results, mut scores) = (Results { trials: work.trials, ..Results::default() }, Vec::new());
    for cell in CELLS {
        let mut of_cell = Vec::new();
        for &seed in &context.seeds {
            bar.set_message(cell.name());
            of_cell.push(other.stages(context, cell, seed)?);
            bar.inc(1);
        }
        let score = |stage: usize| of_cell.iter().map(|seed| seed[stage].score).collect::<Vec<_>>();
        scores.push([0, 1, 2].map(|stage| Mean::of(&score(stage))));
        let stages = of_cell.into_iter().map(|seed| seed.into_iter().map(|one| one.stage).collect());
        results.stages.push((cell.name(), stages.collect()));
    }
    bar.finish_and_clear();
    let stored = summary(context, &other, &results, &scores);
    let json = serde_json::to_string_pretty(&stored)
        .map_err(|source| Error::Json { name: report.name().to_owned(), source })?;
    file::write(&context.state.join("summary.json"), &(json + "\n"))?;
    for ((cell, _), scores) in results.stages.iter().zip(&scores) {
        for (when, score) in STAGES.into_iter().zip(scores) {
            report.figure(format!("{cell}, {when}: {}", other.score), score.mean, "", None);
        }
    }
    report.answer(answer(&other, &results, &scores));
    report.heading("The task").prose(other.says).prose(format!(
        "{NEURONS} neurons, the dial from rate (width 1) to spiking, as in <code>gradient-accumulation</code>: W<sub>f</sub> are the recurrent weights, U the \
         input weights, b the tonic currents, O the readout. All networks of a seed begin with the same weights. The growth of gradients with the length of \
         the trial was not measured.",
    ));
    table(report, &stored);
    page::of_stages(report, &results)
}

/// The answer, in words that the figures choose.
fn answer(other: &Other, results: &Results, scores: &[[Mean; STAGES.len()]]) -> String {
    let last = STAGES.len() - 1;
    let narrow = CELLS.len() - 1;
    let scale = |cell: usize| results.stage(cell, last, |s| s.adam_scale);
    let hill = |cell: usize| results.group(cell, last, 0, |g| g.hill);
    let ratio = results.over([narrow, 0], last, |s| s.adam_scale);
    format!(
        "<b>{}.</b> At the end of training ({}: {:.2} with rates, {:.2} with {}) the noise scale in Adam's metric is {} trials for the rate network and \
         {} with {}, {} times as large; the exponent of the tail of the norms by W<sub>f</sub> is {} and {}.",
        match ratio.side(super::answer::PROMINENT) {
            super::results::Side::Same => "No prominent difference between rate and spikes",
            super::results::Side::Unknown => "Rate and spikes may differ, but the seeds do not agree",
            super::results::Side::More | super::results::Side::Less => "Rate and spikes differ",
        },
        other.score,
        scores[0][last],
        scores[narrow][last],
        results.stages[narrow].0,
        scale(0).text(),
        scale(narrow).text(),
        results.stages[narrow].0,
        ratio.text(),
        hill(0).text(),
        hill(narrow).text(),
    )
}

/// The table of stored results.
pub(super) fn table(report: &mut Report, stored: &Stored) {
    let seeds: Vec<String> = stored.seeds.iter().map(u64::to_string).collect();
    let header: Vec<&str> = stored.header.iter().map(String::as_str).collect();
    report.table(
        format!(
            "{}: run on {}, version {}, {}; seeds {}, {} trials at each stage. Means over seeds with 95 % confidence intervals.",
            stored.task,
            stored.date,
            stored.version,
            stored.machine,
            seeds.join(", "),
            stored.trials
        ),
        &header,
        stored.rows.clone(),
    );
}

fn summary(context: &Context, other: &Other, results: &Results, scores: &[[Mean; STAGES.len()]]) -> Stored {
    let mut header = vec!["network".to_owned(), other.score.to_owned()];
    header.extend(STAGES.map(|when| format!("noise scale (Adam), {when}")));
    header.extend(
        ["tail exponent of W_f, end", "cosine by W_f, end", "Lyapunov (1/ms), end", "spikes (Hz), end"]
            .map(str::to_owned),
    );
    let last = STAGES.len() - 1;
    let row = |(cell, scores): (usize, &[Mean; STAGES.len()])| {
        let mut row = vec![results.stages[cell].0.clone(), format!("{:.2}", scores[last])];
        let scale = |stage| -> Spread { results.stage(cell, stage, |s| s.adam_scale) };
        row.extend((0..STAGES.len()).map(|stage| scale(stage).text()));
        row.push(results.group(cell, last, 0, |g| g.hill).text());
        row.push(format!("{:.2}", results.mean(cell, last, |s| s.groups[0].cosine)));
        row.push(format!("{:.3}", results.mean(cell, last, |s| s.lyapunov)));
        row.push(format!("{:.0}", results.mean(cell, last, |s| s.rate)));
        row
    };
    Stored {
        task: other.name.to_owned(),
        date: today(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine(context.threads),
        seeds: context.seeds.clone(),
        trials: results.trials,
        header,
        rows: scores.iter().enumerate().map(row).collect(),
    }
}

/// The date of today, UTC.
fn today() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    date(since.map_or(0, |since| since.as_secs() / 86_400))
}

/// The date so many days after 1 January 1970.
fn date(mut days: u64) -> String {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

/// The kind of machine: its processor, where the system tells, and the threads of this run.
fn machine(threads: usize) -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{model}, {threads} threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_calendars_do() {
        let dates = [0, 58, 59, 365, 789, 11_016, 11_017, 20_786].map(date);
        let known = [
            "1970-01-01",
            "1970-02-28",
            "1970-03-01",
            "1971-01-01",
            "1972-02-29",
            "2000-02-29",
            "2000-03-01",
            "2026-11-29",
        ];
        assert_eq!(dates, known);
    }

    #[test]
    fn every_task_has_stored_results_of_all_networks() {
        let stored = Stored::all().unwrap();
        assert_eq!(stored.len(), SETS.len());
        for (set, stored) in SETS.iter().zip(&stored) {
            assert_eq!(stored.task, Other::named(Some(set)).unwrap().name);
            let names: Vec<&str> = stored.rows.iter().map(|row| row[0].as_str()).collect();
            assert_eq!(names, CELLS.map(Cell::name));
            assert!(stored.rows.iter().all(|row| row.len() == stored.header.len()));
            assert!(!stored.date.is_empty() && !stored.machine.is_empty() && !stored.version.is_empty());
        }
        let error = Other::named(Some("ucr")).err().unwrap().to_string();
        assert_eq!(error, "there is no task `ucr`; choose from: xor, vowels");
    }

    #[test]
    fn networks_of_one_seed_differ_in_their_gate_alone_and_trials_in_their_phases() {
        for set in SETS {
            let other = Other::named(Some(set)).unwrap();
            let [rate, spikes] = [1.0, 0.2].map(|width| other.network(Cell::Dial(width), 3).unwrap());
            for (group, name) in GROUPS {
                assert_eq!(rate.parameters.group(group), spikes.parameters.group(group), "{name}");
            }
            let diagonal = rate.parameters.weight(1).diagonal().into_owned();
            assert!(diagonal.iter().all(|w| *w == f64::from(u8::from(other.remembers))));
            let trials = other.trials(3, (1, Purpose::Test));
            assert_eq!(trials, other.trials(3, (1, Purpose::Test)));
            let voltages = |k: usize| &trials[k].initial.as_ref().unwrap().x;
            assert!(voltages(0).len() == NEURONS && voltages(0) != voltages(1));
        }
    }
}
