//! The picture at the top of the README: what a trained network does and what it has learned, in three panels.

use spikegrad_report::plot::{BLACK, BLUE, Panel, Plot, Style, VERMILLION};

use crate::Error;
use crate::report::Report;

/// How much of the trial is shown, ms. Over a longer time single spikes cannot be told apart.
const SHOWN: f64 = 400.0;

/// What the picture is drawn from.
pub(super) struct Seen<'a> {
    /// Times of the steps, ms.
    pub(super) time: &'a [f64],
    /// Both readouts, step by step.
    pub(super) output: &'a [f64],
    /// Both targets, step by step.
    pub(super) targets: &'a [f64],
    /// Spike times of each neuron, ms.
    pub(super) spikes: &'a [Vec<f64>],
    /// The fast weights that theory derives, without the diagonal.
    pub(super) theory: &'a [f64],
    /// The fast weights that were learned, in the same order.
    pub(super) learned: &'a [f64],
}

/// Adds the picture to the report.
pub(super) fn picture(report: &mut Report, seen: &Seen<'_>) -> Result<(), Error> {
    let component =
        |values: &[f64], d: usize| -> Vec<f64> { values.iter().skip(d).step_by(2).copied().collect() };
    let mut readout = Panel::new("Readout against target")
        .x_label("time (ms)")
        .y_label("readout (1/ms)")
        .x_range(0.0, SHOWN);
    for (d, colour) in [BLUE, VERMILLION].into_iter().enumerate() {
        let name = format!("o_{{{}}}", d + 1);
        readout = readout.line(seen.time, &component(seen.output, d), Style::new(colour).label(name));
    }
    for d in 0..2 {
        let style = Style::new(BLACK).dashed().width(1.0);
        let style = if d == 0 { style.label("targets") } else { style };
        readout = readout.line(seen.time, &component(seen.targets, d), style);
    }
    let shown: Vec<Vec<f64>> =
        seen.spikes.iter().map(|row| row.iter().copied().filter(|&at| at <= SHOWN).collect()).collect();
    let plot = Plot::new(3)
        .size(960.0, 270.0)
        .widths(&[1.25, 1.25, 1.0])
        .panel(
            Panel::new("Spikes of 30 neurons")
                .x_label("time (ms)")
                .y_label("neuron")
                .x_range(0.0, SHOWN)
                .raster(&shown, BLACK),
        )
        .panel(readout)
        .panel(
            Panel::new("Recurrent weights")
                .x_label("derived by theory")
                .y_label("learned")
                .scatter(seen.theory, seen.learned, Style::new(BLUE).alpha(0.35))
                .identity(),
        );
    report.plot(
        "overview",
        "What was learned.",
        format!(
            "The first {SHOWN} ms of a held-out trial: the spikes of the trained network, what its readout makes of them, and \
             its fast recurrent weights against those that theory derives from the other weights. The grey line is equality.",
        ),
        plot.render()?,
    );
    Ok(())
}
