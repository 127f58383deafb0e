//! The page of a made-up training: `cargo run -p spikegrad-report --example training_page -- FILE`.

#![allow(clippy::print_stderr, reason = "a program says what went wrong")]

use std::process::ExitCode;

use spikegrad_report::plot::{BLACK, BLUE, GREEN, GREY, ORANGE, Panel, Plot, Style, VERMILLION};
use spikegrad_report::{Error, Page, Tone};

fn main() -> ExitCode {
    let file = std::env::args().nth(1).unwrap_or_else(|| "training.html".to_owned());
    let written = page().map_err(|error| error.to_string()).and_then(|page| {
        std::fs::write(&file, page).map_err(|error| format!("cannot write `{file}`: {error}"))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn page() -> Result<String, Error> {
    let mut page = Page::new("Spoken digits");
    page.kicker("spikegrad training")
        .meta(["digits", "seed 1", "2 min 05 s"])
        .banner(
            Tone::Caution,
            "Still learning",
            "The cost falls by 3 % in the last tenth of the iterations: train longer.",
        )
        .heading("Findings")
        .list([
            "4 of 1000 neurons are <i>silent</i>.",
            "The gate is resolved: 0.2 % of the crossings are short.",
        ])
        .heading("Learning")
        .plot("Learning.", "Cost and accuracy, with the best network of the validation.", learning()?)
        .heading("Trials")
        .plot("One trial.", "Spikes, voltages and the readout.", trial()?)
        .plot("A thousand neurons.", "So many spikes become a picture.", crowd()?)
        .heading("Scores")
        .plot("Confusion.", "Test trials by class.", classes()?)
        .heading("Weights")
        .plot("Weights.", "A small and a large matrix, and their distribution.", weights()?)
        .table(
            "Groups of parameters.",
            &["group", "number", "norm"],
            vec![
                ["hidden.weight", "401408", "12.4"].map(str::to_owned).to_vec(),
                ["readout.weight", "5120", "3.1"].map(str::to_owned).to_vec(),
            ],
        )
        .heading("Settings")
        .settings([("neurons", "512"), ("learning rate", "0.001")])
        .heading("Again")
        .code("spikegrad train digits.toml --seed 1");
    Ok(page.render())
}

/// Uniform numbers in [-0.5, 0.5).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    }
}

fn learning() -> Result<String, Error> {
    let mut noise = Noise(1);
    let iteration: Vec<f64> = (1..=2000).map(f64::from).collect();
    let cost: Vec<f64> =
        iteration.iter().map(|i| (2.3 * (-i / 300.0).exp() + 0.02) * (1.0 + 0.5 * noise.next())).collect();
    let checks: Vec<f64> = (1..=20).map(|k| f64::from(k) * 100.0).collect();
    let validation: Vec<f64> = checks.iter().map(|i| 2.3 * (-i / 300.0).exp() + 0.05).collect();
    let accuracy: Vec<f64> = checks.iter().map(|i| 96.0 - 80.0 * (-i / 250.0).exp()).collect();
    Plot::new(2)
        .panel(
            Panel::new("Cost")
                .x_label("iteration")
                .y_label("cost")
                .log_y()
                .line(&iteration, &cost, Style::new(BLUE).label("training").width(0.9))
                .line(&checks, &validation, Style::new(VERMILLION).label("validation"))
                .vline(1800.0),
        )
        .panel(
            Panel::new("Accuracy")
                .x_label("iteration")
                .y_label("accuracy (%)")
                .y_range(0.0, 100.0)
                .line(&checks, &accuracy, Style::new(VERMILLION).label("validation"))
                .scatter(&checks, &accuracy, Style::new(VERMILLION))
                .vline(1800.0),
        )
        .render()
}

fn trial() -> Result<String, Error> {
    let mut noise = Noise(2);
    let spikes = |noise: &mut Noise, from: usize, to: usize| -> (Vec<f64>, Vec<usize>) {
        (0..(to - from) * 12)
            .map(|_| {
                (250.0 + 500.0 * noise.next(), from + ((noise.next() + 0.5) * (to - from) as f64) as usize)
            })
            .unzip()
    };
    let (excitatory, inhibitory) = (spikes(&mut noise, 0, 80), spikes(&mut noise, 80, 100));
    let t: Vec<f64> = (0..5000).map(|i| f64::from(i) * 0.1).collect();
    let v: Vec<f64> = t.iter().map(|t| -65.0 + 15.0 * (t / 43.0).fract()).collect();
    let target: Vec<f64> = t.iter().map(|t| (t / 60.0).sin()).collect();
    let output: Vec<f64> = target.iter().map(|o| o + 0.1 * noise.next()).collect();
    Plot::new(1)
        .heights(&[1.2, 0.7, 0.9])
        .panel(
            Panel::new("Spikes")
                .hide_x()
                .y_label("neuron")
                .x_range(0.0, 500.0)
                .spikes(&excitatory.0, &excitatory.1, 100, Style::new(BLUE).label("excitatory"))
                .spikes(&inhibitory.0, &inhibitory.1, 100, Style::new(VERMILLION).label("inhibitory")),
        )
        .panel(
            Panel::new("Voltage of neuron 3")
                .hide_x()
                .y_label("v (mV)")
                .x_range(0.0, 500.0)
                .line(&t, &v, Style::new(GREEN))
                .hline(-50.0),
        )
        .panel(
            Panel::new("Readout")
                .x_label("time (ms)")
                .y_label("output")
                .x_range(0.0, 500.0)
                .line(&t, &output, Style::new(ORANGE).label("output"))
                .line(&t, &target, Style::new(BLACK).label("target").dashed()),
        )
        .render()
}

fn crowd() -> Result<String, Error> {
    let mut noise = Noise(3);
    let (times, neurons): (Vec<f64>, Vec<usize>) = (0..100_000)
        .map(|_| {
            let (t, i) = (1000.0 * (noise.next() + 0.5), ((noise.next() + 0.5) * 1000.0) as usize);
            (t + 30.0 * (t / 50.0).sin(), i)
        })
        .unzip();
    Plot::new(1)
        .panel(Panel::new("All spikes").x_label("time (ms)").y_label("neuron").x_range(0.0, 1000.0).spikes(
            &times,
            &neurons,
            1000,
            Style::new(BLACK).alpha(0.8),
        ))
        .render()
}

fn classes() -> Result<String, Error> {
    const NAMES: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let mut noise = Noise(4);
    let counts: Vec<Vec<u64>> = (0..10)
        .map(|row| {
            let mut other = || (6.0 * (noise.next() + 0.5)).powi(2) as u64 / 4;
            (0..10).map(|column| if row == column { 90 + other() } else { other() }).collect()
        })
        .collect();
    let recall: Vec<f64> = counts
        .iter()
        .enumerate()
        .map(|(at, row)| 100.0 * row[at] as f64 / row.iter().sum::<u64>() as f64)
        .collect();
    let training: Vec<f64> = recall.iter().map(|share| 100.0 - 0.3 * (100.0 - share)).collect();
    Plot::new(2)
        .size(720.0, 290.0)
        .panel(Panel::new("Test trials").confusion(&counts, &NAMES))
        .panel(Panel::new("Accuracy by class").y_label("accuracy (%)").y_range(0.0, 100.0).grouped_bars(
            &NAMES,
            &[(&training, Style::new(BLUE).label("training")), (&recall, Style::new(ORANGE).label("test"))],
        ))
        .render()
}

fn weights() -> Result<String, Error> {
    let mut noise = Noise(5);
    let mut normal = || (0..6).map(|_| noise.next()).sum::<f64>();
    let mut matrix = |rows: usize, columns: usize| -> Vec<Vec<f64>> {
        (0..rows).map(|_| (0..columns).map(|_| normal()).collect()).collect()
    };
    let (small, large, strip) = (matrix(40, 40), matrix(512, 784), matrix(10, 512));
    let values = small.concat();
    Plot::new(2)
        .size(720.0, 250.0)
        .heights(&[1.0, 1.0, 0.5])
        .panel(
            Panel::new("Recurrent weights")
                .x_label("from neuron")
                .y_label("to neuron")
                .heat(&small, "weight"),
        )
        .panel(Panel::new("Input weights").x_label("from pixel").y_label("to neuron").heat(&large, "weight"))
        .panel(Panel::new("Distribution").x_label("recurrent weight").y_label("number").histogram(
            &values,
            30,
            Style::new(GREY),
        ))
        .panel(
            Panel::new("Before and after")
                .x_label("before")
                .y_label("after")
                .scatter(&values[..400], &values[400..800], Style::new(BLUE).alpha(0.5))
                .identity(),
        )
        .panel(
            Panel::new("Readout")
                .columns_wide(2)
                .x_label("from neuron")
                .y_label("class")
                .heat(&strip, "weight"),
        )
        .render()
}

#[test]
fn the_page_is_whole_and_not_large() {
    let page = page().unwrap();
    roxmltree::Document::parse(&page[page.find("<html").unwrap()..]).unwrap();
    // Two of the drawings hold a hundred thousand spikes and four hundred thousand weights.
    assert!(page.len() < 700_000, "{}", page.len());
}
