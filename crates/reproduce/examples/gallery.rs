//! Every kind of plot, table and verdict on made-up data: `cargo run -p spikegrad-reproduce --example gallery -- DIR`.

use std::path::PathBuf;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use spikegrad_report::plot::{
    BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, Panel, Plot, SKY, Style, VERMILLION, cycle,
};
use spikegrad_reproduce::index;
use spikegrad_reproduce::report::Report;

fn main() -> Result<(), spikegrad::Failure> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/gallery".to_owned()));
    for (name, quick) in [("gallery", false), ("gallery-quick", true)] {
        let mut report = Report::new(name, "A gallery of every kind of plot", 1, quick);
        report
            .setting("neurons", 30)
            .setting("time constants (ms)", vec![1.0, 10.0])
            .setting("gate", "raised cosine")
            .figure("normalised RMSE of the readout", 0.0471, "", Some([0.0, 0.06]))
            .figure("W<sub>f</sub> against \u{2212}UO, correlation", 0.9934, "", Some([0.985, 1.0]))
            .figure("W<sub>f</sub> against \u{2212}UO, slope", if quick { 0.91 } else { 0.87 }, "", Some([0.88, 1.1]))
            .figure("mean rate", 36.2, "Hz", Some([0.0, 45.0]))
            .figure("silent neurons", 0.0, "", Some([0.0, 0.0]))
            .figure("charge error, largest", 3.2e-14, "", Some([0.0, 1e-12]))
            .figure("analytic network: normalised RMSE", 0.064, "", None)
            .prose("Data are <i>made up</i>; only the looks matter. Traces are of <code>o</code> and o<sub>d</sub>.")
            .add_seconds(134.2)
            .plot("traces", "Traces.", "Lines, dashes, spans, shared axes and direct labels.", traces()?)
            .heading("Populations")
            .plot("population", "A population.", "Raster, rates and a histogram.", population()?)
            .plot("matrices", "Matrices.", "Two square ones, a strip, and one against the other.", matrices()?)
            .plot("learning", "Learning.", "Log axes, bars, areas and a small-number axis.", learning()?)
            .plot("single", "A single panel.", "A wide plot by itself.", single()?)
            .table(
                "What each part does.",
                &["part left out", "accuracy (%)", "iterations", "remark"],
                vec![
                    ["nothing", "97.4 \u{b1} 0.5", "4000", "the recipe"].map(str::to_owned).to_vec(),
                    ["quantile clipping", "61.0 \u{b1} 4.2", "4000", "diverges & recovers"].map(str::to_owned).to_vec(),
                    ["autapses", "33.3", "4000", "silent plateau"].map(str::to_owned).to_vec(),
                ],
            );
        report.write(&dir)?;
    }
    index::write(&dir)?;
    Ok(())
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    rng.random::<f64>() - 0.5
}

/// A filtered random walk.
fn signal(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let (mut a, mut b) = (0.0, 0.0);
    (0..n)
        .map(|_| {
            a += (uniform(rng) * 12.0 - a) / 200.0;
            b += (a - b) / 200.0;
            b
        })
        .collect()
}

fn traces() -> Result<String, spikegrad_report::Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let t: Vec<f64> = (0..10_000).map(|i| f64::from(i) * 0.1).collect();
    let target = signal(&mut rng, t.len());
    let readout: Vec<f64> = target.iter().map(|x| x + 0.06 * uniform(&mut rng)).collect();
    let fast: Vec<f64> = target.iter().map(|x| -x + 0.4 * uniform(&mut rng)).collect();
    let total: Vec<f64> = target.iter().zip(&fast).map(|(a, b)| a + b).collect();
    let v: Vec<f64> = t.iter().map(|t| (t / 43.0).fract()).collect();
    Plot::new(2)
        .letters()
        .widths(&[1.4, 1.0])
        .panel(
            Panel::new("Readout follows the target")
                .hide_x()
                .y_label("output")
                .span(200.0, 300.0)
                .line(&t, &readout, Style::new(VERMILLION).label("readout o"))
                .line(&t, &target, Style::new(BLACK).label("target o_{d}").dashed()),
        )
        .panel(
            Panel::new("Currents cancel")
                .hide_x()
                .y_label("current (1/ms)")
                .line(&t, &target, Style::new(BLUE).label("U i"))
                .line(&t, &fast, Style::new(ORANGE).label("W_{f} s_{f}").width(0.8))
                .line(&t, &total, Style::new(BLACK).label("total").width(0.6))
                .direct_labels(),
        )
        .panel(
            Panel::new("Membrane")
                .x_label("time (ms)")
                .y_label("voltage v")
                .hline(1.0)
                .line(&t, &v, Style::new(GREEN).label("v with the fast current, a rather long name"))
                .line(&t, &target, Style::new(PURPLE).label("virtual v, without it")),
        )
        .panel(Panel::new("Error").x_label("time (ms)").y_label("error").line(
            &t,
            &readout.iter().zip(&target).map(|(a, b)| (a - b) * 0.01).collect::<Vec<_>>(),
            Style::new(GREY),
        ))
        .render()
}

fn population() -> Result<String, spikegrad_report::Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let rows: Vec<Vec<f64>> =
        (0..80).map(|i| (0..8 + i / 8).map(|_| 600.0 * rng.random::<f64>()).collect()).collect();
    let rates: Vec<f64> = rows.iter().map(|row| row.len() as f64 / 0.6).collect();
    Plot::new(3)
        .letters()
        .size(720.0, 230.0)
        .panel(
            Panel::new("Spikes")
                .columns_wide(2)
                .x_label("time (ms)")
                .y_label("neuron")
                .x_range(0.0, 600.0)
                .span(100.0, 150.0)
                .raster(&rows, BLACK),
        )
        .panel(
            Panel::new("Rates")
                .x_label("rate (Hz)")
                .y_label("neurons")
                .histogram(&rates, 12, Style::new(SKY).label("trained"))
                .vline(28.0),
        )
        .render()
}

fn matrices() -> Result<String, spikegrad_report::Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let n = 30;
    let angle = |i: usize| i as f64 * std::f64::consts::TAU / n as f64;
    let ideal: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| -(angle(i) - angle(j)).cos()).collect()).collect();
    let learned: Vec<Vec<f64>> =
        ideal.iter().map(|row| row.iter().map(|w| 0.9 * w + 0.15 * uniform(&mut rng)).collect()).collect();
    let strip: Vec<Vec<f64>> =
        [0.0, 1.57].iter().map(|phase| (0..n).map(|i| (angle(i) + phase).cos() * 3e-3).collect()).collect();
    let (x, y) = (ideal.concat(), learned.concat());
    Plot::new(2)
        .letters()
        .heights(&[1.3, 0.6])
        .panel(
            Panel::new("Learned W_{f}")
                .x_label("from neuron")
                .y_label("to neuron")
                .heat(&learned, "weight")
                .heat_limit(1.2),
        )
        .panel(
            Panel::new("Against \u{2212}U O")
                .x_label("element of \u{2212}U O")
                .y_label("element of W_{f}")
                .scatter(&x, &y, Style::new(BLUE).alpha(0.5).label("weights"))
                .identity()
                .fit(0.9, 0.0)
                .note("r = 0.99, slope 0.90"),
        )
        .panel(Panel::new("Readout O").x_label("neuron").y_label("dim.").heat(&strip, "O"))
        .panel(Panel::new("Spectrum").x_label("real part").y_label("imaginary").scatter(
            &strip[0],
            &strip[1],
            Style::new(VERMILLION),
        ))
        .render()
}

fn learning() -> Result<String, spikegrad_report::Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let steps: Vec<f64> = (1..5000).map(f64::from).collect();
    let mut left =
        Panel::new("Cost").log_x().log_y().x_label("iteration").y_label("cost").x_range(1.0, 5000.0);
    for seed in 0..3 {
        let cost: Vec<f64> = steps
            .iter()
            .map(|s| (1.0 + 0.3 * uniform(&mut rng)) / (1.0 + s / 30.0 * (1.0 + f64::from(seed))))
            .collect();
        left = left.line(
            &steps,
            &cost,
            Style::new(cycle(seed as usize)).label(format!("seed {seed}")).width(1.0),
        );
    }
    let delays: Vec<f64> = (0..12).map(|i| f64::from(i) * 50.0 + 50.0).collect();
    let accuracy: Vec<f64> = delays.iter().map(|d| 98.0 - (d / 300.0).powi(4)).collect();
    let low: Vec<f64> = accuracy.iter().map(|a| a - 2.0).collect();
    let high: Vec<f64> = accuracy.iter().map(|a| (a + 1.5).min(100.0)).collect();
    let h: Vec<f64> = (0..8).map(|i| 0.5_f64.powi(i)).collect();
    let order = |p: i32| h.iter().map(|h| 0.1 * h.powi(p)).collect::<Vec<_>>();
    Plot::new(2)
        .letters()
        .panel(left)
        .panel(
            Panel::new("Accuracy against delay")
                .x_label("delay (ms)")
                .y_label("accuracy (%)")
                .span(100.0, 250.0)
                .area(&delays, &low, &high, Style::new(BLUE))
                .line(&delays, &accuracy, Style::new(BLUE).label("theta"))
                .scatter(&delays, &accuracy, Style::new(BLUE))
                .hline(94.0),
        )
        .panel(Panel::new("Ablations").y_label("accuracy (%)").y_range(0.0, 100.0).bars(
            &[
                ("full recipe", 97.4),
                ("no quantile clipping", 61.0),
                ("no autapses", 33.3),
                ("one rate", 45.0),
            ],
            SKY,
        ))
        .panel(
            Panel::new("Order of convergence")
                .log_x()
                .log_y()
                .x_label("step h (ms)")
                .y_label("error")
                .line(&h, &order(1), Style::new(BLUE).label("Euler"))
                .line(&h, &order(2), Style::new(ORANGE).label("Heun"))
                .line(&h, &order(4), Style::new(GREEN).label("RK4"))
                .scatter(&h, &order(4), Style::new(GREEN))
                .direct_labels(),
        )
        .render()
}

fn single() -> Result<String, spikegrad_report::Error> {
    let x: Vec<f64> = (0..400).map(|i| f64::from(i) * 250.0).collect();
    let y: Vec<f64> = x.iter().map(|x| 3e-5 * (x / 9000.0).sin()).collect();
    Plot::new(1)
        .panel(Panel::new("").x_label("trials").y_label("gradient").line(&x, &y, Style::new(PURPLE).dashed()))
        .render()
}
