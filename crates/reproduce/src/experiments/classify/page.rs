//! What the pages of these experiments show.

use spikegrad::data::Dataset;
use spikegrad::data::metrics::Accuracy;
use spikegrad::prelude::*;
use spikegrad_report::plot::{BLACK, Panel, Plot, Style, cycle};

use super::{Trained, mean};
use crate::Error;
use crate::report::Report;

/// Points of a learning curve.
const POINTS: usize = 300;
/// Trials that are drawn.
const TRIALS: usize = 3;

/// A row of the comparison: who answered, and how often that was right.
pub(in crate::experiments) struct Contender {
    /// What it is.
    pub(in crate::experiments) name: String,
    /// The accuracy of each seed; one entry for what knows no chance.
    pub(in crate::experiments) accuracy: Vec<Accuracy>,
    /// What else there is to say.
    pub(in crate::experiments) note: String,
}

impl Contender {
    /// What has the same answer for all seeds.
    pub(in crate::experiments) fn fixed(
        name: impl Into<String>,
        labels: &[usize],
        said: &[usize],
        note: impl Into<String>,
    ) -> Result<Self, Error> {
        let accuracy = Accuracy::of(labels, said).map_err(Error::experiment)?;
        Ok(Self { name: name.into(), accuracy: vec![accuracy], note: note.into() })
    }

    /// The trained networks.
    pub(in crate::experiments) fn gated(trained: &[Trained], note: impl Into<String>) -> Self {
        let accuracy = trained.iter().map(|one| one.judged.accuracy()).collect();
        Self { name: "spiking network, exact gradient".to_owned(), accuracy, note: note.into() }
    }

    /// The mean accuracy in per cent.
    pub(in crate::experiments) fn percent(&self) -> f64 {
        100.0 * mean(self.accuracy.iter().map(Accuracy::value))
    }
}

/// The accuracies of what stands beside the trained networks: the mean, and that of each seed where there are several.
pub(in crate::experiments) fn others(report: &mut Report, contenders: &[Contender], seeds: &[u64]) {
    for one in contenders {
        report.figure(format!("{}: accuracy", one.name), one.percent(), "%", None);
        if one.accuracy.len() < 2 {
            continue;
        }
        for (seed, accuracy) in seeds.iter().zip(&one.accuracy) {
            let name = format!("{}, seed {seed}: accuracy", one.name);
            report.figure(name, 100.0 * accuracy.value(), "%", None);
        }
    }
}

/// The table of all contenders, and below them accuracies that were published for the same split.
pub(in crate::experiments) fn comparison(
    report: &mut Report,
    contenders: &[Contender],
    published: &[(&str, f64)],
) {
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    let row = |one: &Contender| {
        let each: Vec<String> = one.accuracy.iter().map(|accuracy| percent(accuracy.value())).collect();
        // The interval says how much the choice of these test trials matters, for the accuracy of all seeds together.
        let interval = one.accuracy.first().map(|first| {
            let share = mean(one.accuracy.iter().map(Accuracy::value));
            wilson(share, first.total())
        });
        let interval =
            interval.map_or_else(String::new, |[low, high]| format!("{} to {}", percent(low), percent(high)));
        vec![one.name.clone(), format!("{:.2}", one.percent()), each.join(", "), interval, one.note.clone()]
    };
    let mut rows: Vec<Vec<String>> = contenders.iter().map(row).collect();
    for (name, accuracy) in published {
        let note = "published".to_owned();
        rows.push(vec![(*name).to_owned(), percent(*accuracy), String::new(), String::new(), note]);
    }
    report.table(
        "Accuracy on the test part, per cent. The interval of Wilson (95 %) is that of one test part of this size with the mean accuracy.",
        &["", "mean", "each seed", "interval", ""],
        rows,
    );
}

/// The 95 % interval of Wilson (1927) about a share of `n` trials, which need not be a whole number of them.
fn wilson(share: f64, n: usize) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    let square = Z * Z / n as f64;
    let half = Z * (share * (1.0 - share) / n as f64 + square / (4.0 * n as f64)).sqrt();
    let ends = [share + square / 2.0 - half, share + square / 2.0 + half];
    ends.map(|end| (end / (1.0 + square)).clamp(0.0, 1.0))
}

/// The cost of every seed over training.
fn learning(report: &mut Report, trained: &[Trained]) -> Result<(), Error> {
    let mut panel = Panel::new("cost").x_label("iteration").y_label("cross-entropy").log_y();
    for (k, one) in trained.iter().enumerate() {
        let width = one.history.len().div_ceil(POINTS).max(1);
        let parts = one.history.chunks(width).enumerate();
        let (x, y): (Vec<f64>, Vec<f64>) = parts
            .map(|(part, done)| {
                let cost = mean(done.iter().map(|done| done.cost));
                ((part * width) as f64 + 0.5 * done.len() as f64, cost.max(1e-6))
            })
            .unzip();
        panel = panel.line(&x, &y, Style::new(cycle(k)).label(format!("seed {}", one.seed)));
    }
    report.plot(
        "learning",
        "Learning curves",
        "Cost of the training batches, each point the mean of as many as lie between two points. Nothing is chosen by the test part: \
         each network is judged once, when its training has ended.",
        Plot::new(1).panel(panel).render()?,
    );
    Ok(())
}

/// How often the class of each row was taken for that of each column, by all seeds together.
fn confusion(report: &mut Report, trained: &[Trained], data: &Dataset) -> Result<(), Error> {
    let names = data.class_names().unwrap_or_default();
    let count = |label: usize, said: usize| -> u64 {
        trained.iter().map(|one| one.judged.confusion.count(label, said) as u64).sum()
    };
    let rows: Vec<Vec<u64>> =
        (0..names.len()).map(|label| (0..names.len()).map(|said| count(label, said)).collect()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Room for a number in every cell.
    let height = (130.0 + 28.0 * names.len() as f64).clamp(230.0, 700.0);
    let panel = Panel::new("test trials of all seeds").confusion(&rows, &names);
    report.plot(
        "confusion",
        "Confusion",
        "Test trials of each class (rows) by the class that the networks say (columns).",
        Plot::new(1).panel(panel).size(820.0, height).render()?,
    );
    Ok(())
}

/// What the trained networks do besides being right: as hard spikes, in spikes a second, in time.
pub(in crate::experiments) fn figures(report: &mut Report, trained: &[Trained]) {
    let of = |value: fn(&Trained) -> f64| mean(trained.iter().map(value));
    let hard = 100.0 * of(|one| one.judged.hard.value());
    report
        .figure("as hard spikes, without retraining: accuracy, mean of all seeds", hard, "%", None)
        .figure("mean rate of the hidden neurons", of(|one| one.judged.rate), "Hz", None)
        .figure("wall time of training, mean of all seeds", of(|one| one.seconds), "s", None);
}

/// Learning curves, confusion, and what the first of the networks does in some trials.
pub(in crate::experiments) fn pictures(
    report: &mut Report,
    trained: &[Trained],
    test: &Dataset,
) -> Result<(), Error> {
    learning(report, trained)?;
    confusion(report, trained, test)?;
    trained.first().map_or(Ok(()), |first| activity(report, first, test))
}

/// Spikes of the hidden neurons and scores of the classes in some test trials.
fn activity(report: &mut Report, one: &Trained, data: &Dataset) -> Result<(), Error> {
    let scheme = SplitStep::new(&one.network, one.h).map_err(Error::experiment)?;
    let names = data.class_names().unwrap_or_default();
    let hidden = one.network.populations().next().map_or(0, |(_, range)| range.len());
    let test = one.task.part(Purpose::Test);
    let count = test.len().min(TRIALS);
    let mut plot = Plot::new(count.max(1));
    let mut scores = Vec::new();
    // Neighbours are often of one class.
    for index in (0..count).map(|k| k * test.len() / count) {
        let trial = &test[index];
        let recording =
            scheme.run(trial, one.task.loss()).and_then(|run| run.record()).map_err(Error::experiment)?;
        let class = trial.label.iter().position(|&p| p == 1.0).unwrap_or_default();
        let title = names.get(class).map_or_else(String::new, |name| format!("{name}, trial {index}"));
        let mut raster = recording.spike_times();
        raster.truncate(hidden);
        plot = plot.panel(
            Panel::new(title).y_label("hidden neuron").x_range(0.0, trial.duration()).raster(&raster, BLACK),
        );
        let mut panel = Panel::new("").x_label("time (ms)").y_label("score").x_range(0.0, trial.duration());
        let classes = one.network.outputs();
        for k in 0..classes {
            let curve: Vec<f64> =
                recording.output.iter().skip(k).step_by(classes).map(|&o| f64::from(o)).collect();
            let style = Style::new(cycle(k)).width(if k == class { 2.5 } else { 0.8 });
            panel = panel.line(&recording.time, &curve, style);
        }
        scores.push(panel);
    }
    for panel in scores {
        plot = plot.panel(panel);
    }
    report.plot(
        "activity",
        "What the network does",
        format!(
            "Spikes of the hidden neurons and the score of every class in test trials of seed {}; the score of the right class is thick.",
            one.seed
        ),
        plot.render()?,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_whole_numbers_of_trials() {
        let accuracy = Accuracy::of(&[0, 0, 0, 1, 1, 1, 0, 1], &[0, 0, 0, 1, 1, 1, 0, 0]).unwrap();
        let (low, high) = accuracy.interval();
        assert_eq!(wilson(7.0 / 8.0, 8), [low, high]);
    }
}
