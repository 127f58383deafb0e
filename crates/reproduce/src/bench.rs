//! The report of `cargo xtask bench`: how the time of an exact gradient grows, what it is made of, where dense products
//! catch up, and how far it is from what the machine can do. Problems are random theta networks.

mod fit;
mod machine;
mod measure;

use spikegrad::network::Scalar;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use spikegrad::network::WorkCounters;
use spikegrad::tasks::Batch;
use spikegrad_benches::dense::Dense;
use spikegrad_benches::{Problem, Size};
use spikegrad_report::plot::{
    BLACK, BLUE, Colour, GREEN, GREY, ORANGE, Panel, Plot, Style, VERMILLION, cycle,
};

use self::machine::Bandwidth;
use crate::report::{Report, largest, least};
use crate::verdict::Verdict;
use crate::{Error, pool};

/// Seed of all problems.
const SEED: u64 = 1;
/// Rate of the networks unless it is what varies, Hz.
const RATE: f64 = 15.0;
/// Steps of a trial unless they are what varies.
const STEPS: usize = 200;
/// Operations of a neuron's equation in a step and its transpose, in f32 and f64, counted by hand in the sources of the theta
/// neuron and of its sine and cosine, and 8 of the loss. The network's counters do not know them.
const EQUATION_FLOPS: [u64; 2] = [20 + 32 + 8, 28 + 46 + 8];
/// From this batch on two threads must pay off.
const FULL_BATCH: usize = 16;

/// The arguments of `bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where the report goes: a directory of its own
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub out: PathBuf,
    /// Do little, in a few seconds: smaller networks, no band is judged
    #[arg(long)]
    pub quick: bool,
}

/// Both float types, in the order of all arrays here.
const TYPES: [(&str, Colour); 2] = [("f32", BLUE), ("f64", VERMILLION)];

/// A problem in both float types.
struct Pair {
    single: Problem<f32>,
    double: Problem<f64>,
}

impl Pair {
    fn new(size: Size) -> Result<Self, Error> {
        let double = Problem::random(size, SEED).map_err(Error::experiment)?;
        Ok(Self { single: double.to_f32(), double })
    }

    fn set_rate(&mut self, rate: f64) {
        self.single.set_rate(rate);
        self.double.set_rate(rate);
    }

    /// Work, rate and least seconds of one trial.
    fn measure(&self, rounds: usize) -> Result<[Point; 2], Error> {
        Ok([point(&self.single, rounds)?, point(&self.double, rounds)?])
    }
}

/// One trial that was counted and timed.
#[derive(Clone, Copy, Debug)]
struct Point {
    neurons: usize,
    work: WorkCounters,
    rate: f64,
    seconds: f64,
}

impl Point {
    fn merge(&mut self, other: &Self) {
        self.seconds = self.seconds.min(other.seconds);
    }

    /// Share of all columns that were visited.
    fn activity(&self) -> f64 {
        self.work.columns() as f64 / (self.work.steps as f64 * (4 * self.neurons) as f64)
    }

    /// What the law multiplies its constants with: neuron-steps, and entries of the columns visited.
    fn law(&self) -> [f64; 2] {
        let n = self.neurons as f64;
        [n * self.work.steps as f64, n * self.work.columns() as f64]
    }
}

fn point<T: Scalar>(problem: &Problem<T>, rounds: usize) -> Result<Point, Error> {
    let (work, rate) = measure::counted(problem)?;
    let seconds = measure::trial(problem, rounds)?;
    Ok(Point { neurons: problem.network.neurons(), work, rate, seconds })
}

/// Measures, writes the report to `args.out` and the figures to `out`.
///
/// # Errors
///
/// If a problem cannot be computed or the report not be written.
pub fn run(args: &Args, out: &mut impl Write) -> Result<Verdict, Error> {
    let start = Instant::now();
    let name = args.out.file_name().map_or("bench".into(), |name| name.to_string_lossy());
    let mut report = Report::new(name, "The sparse exact adjoint: what it costs", SEED, args.quick);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    report
        .setting("threads of this machine", threads)
        .setting("step (ms)", 1.0)
        .setting("neuron", "theta, tau_v = 25 ms, raised-cosine gate of width 0.2")
        .setting("synapses", "20 ms and 5 ms, weights N(0, 0.05\u{b2}/N)");
    report.prose(
        "Times are the least of several, of the exact gradient of whole trials, forwards and backwards; cases that are \
         compared are timed in turn. On one thread the processor's time counts, otherwise the clock's. A column is one column of <i>W</i> or <i>W</i><sub>f</sub>, visited when its neuron \
         stands in the active zone, once forwards and once backwards. How to read this page: \
         <code>docs/reference/performance.md</code>.",
    );
    let quick = args.quick;
    growth(&mut report, quick)?;
    law(&mut report, quick)?;
    parallel(&mut report, quick, threads)?;
    crossover(&mut report, quick)?;
    roofline(&mut report, quick)?;
    report.add_seconds(start.elapsed().as_secs_f64());
    let parent = args.out.parent().map(PathBuf::from).unwrap_or_default();
    let outcome = report.write(&parent)?;
    write!(out, "{}", report.metrics().summary())?;
    writeln!(out, "  report: {}", outcome.page.display())?;
    Ok(if outcome.pass == Some(false) { Verdict::Missed } else { Verdict::Fine })
}

/// A log-log panel of time in ms with a line of the fitted power for each float type; returns the exponents.
fn powers(panel: Panel, points: &[(f64, [Point; 2])]) -> (Panel, [f64; 2]) {
    let x: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
    let (mut panel, mut exponents) = (panel.log_x().log_y(), [0.0; 2]);
    for (dtype, (label, colour)) in TYPES.into_iter().enumerate() {
        let y: Vec<f64> = points.iter().map(|(_, p)| p[dtype].seconds * 1e3).collect();
        let (exponent, factor) = fit::power(&x, &y);
        let line: Vec<f64> = x.iter().map(|x| factor * x.powf(exponent)).collect();
        panel = panel
            .scatter(&x, &y, Style::new(colour).label(format!("{label}, exponent {exponent:.2}")))
            .line(&x, &line, Style::new(colour).width(1.0));
        exponents[dtype] = exponent;
    }
    (panel, exponents)
}

/// Time against neurons, steps and spikes.
fn growth(report: &mut Report, quick: bool) -> Result<(), Error> {
    let rounds = if quick { 1 } else { 5 };
    let sweep = |values: &[usize], size: &dyn Fn(usize) -> Size| -> Result<Vec<(f64, [Point; 2])>, Error> {
        let pairs = values.iter().map(|&value| Ok((value as f64, Pair::new(size(value))?)));
        let pairs = pairs.collect::<Result<Vec<_>, Error>>()?;
        let mut points = Vec::new();
        for round in 0..rounds {
            for (at, (value, pair)) in pairs.iter().enumerate() {
                let found = pair.measure(1)?;
                if round == 0 {
                    points.push((*value, found));
                } else {
                    points[at].1.iter_mut().zip(&found).for_each(|(point, other)| point.merge(other));
                }
            }
        }
        Ok(points)
    };
    let base = Size { neurons: 256, batch: 1, steps: STEPS, rate: RATE };
    let few: &[usize] = if quick { &[64, 256] } else { &[32, 64, 128, 256, 512, 1024, 2048] };
    let by_neurons = sweep(few, &|neurons| Size { neurons, ..base })?;
    let steps: &[usize] = if quick { &[100, 400] } else { &[125, 250, 500, 1000, 2000, 4000] };
    let by_steps = sweep(steps, &|steps| Size { steps, ..base })?;
    let rates: &[usize] = if quick { &[5, 40] } else { &[2, 5, 10, 20, 40, 80] };
    let neurons = if quick { 256 } else { 1024 };
    let by_rate = sweep(rates, &|rate| Size { neurons, rate: rate as f64, ..base })?;
    let by_columns: Vec<_> = by_rate.iter().map(|(_, p)| (p[0].work.columns() as f64, *p)).collect();

    let y = "time (ms)";
    let (neurons_panel, _) = powers(Panel::new("Neurons").x_label("N").y_label(y), &by_neurons);
    let (steps_panel, in_steps) = powers(Panel::new("Steps").x_label("T"), &by_steps);
    let (columns_panel, _) = powers(Panel::new("Spikes").x_label("columns visited"), &by_columns);
    let plot = Plot::new(3)
        .letters()
        .size(720.0, 240.0)
        .panel(neurons_panel)
        .panel(steps_panel)
        .panel(columns_panel);
    report.heading("How the time grows");
    report.plot(
        "growth",
        "Time of one trial's gradient, one thread.",
        format!(
            "A: T = {STEPS}, 15 Hz; small networks cost by the neuron, large ones by the column. B: N = 256, 15 Hz. C: N = \
             {neurons}, T = {STEPS}, wanted rates from {} to {} Hz; the floor on the left is what a silent network costs.",
            rates[0],
            rates[rates.len() - 1]
        ),
        plot.render()?,
    );
    for ((label, _), exponent) in TYPES.into_iter().zip(in_steps) {
        report.figure(format!("exponent of time in T, {label}"), exponent, "", Some([0.9, 1.1]));
    }
    Ok(())
}

/// `time = c1 N T + c2 N x columns`.
fn law(report: &mut Report, quick: bool) -> Result<(), Error> {
    let (sizes, rounds): (&[usize], _) = if quick { (&[128, 256], 1) } else { (&[512, 1024, 2048, 4096], 3) };
    let rates: &[f64] = if quick { &[2.0, 40.0] } else { &[2.0, 5.0, 10.0, 20.0, 40.0] };
    let mut points: Vec<[Point; 2]> = Vec::new();
    for &neurons in sizes {
        // Rates in turn on one network: the largest one fills hundreds of megabytes.
        let mut pair = Pair::new(Size { neurons, batch: 1, steps: STEPS, rate: RATE })?;
        let first = points.len();
        for round in 0..rounds {
            for (at, &rate) in rates.iter().enumerate() {
                pair.set_rate(rate);
                let found = pair.measure(1)?;
                if round == 0 {
                    points.push(found);
                } else {
                    points[first + at].iter_mut().zip(&found).for_each(|(point, other)| point.merge(other));
                }
            }
        }
    }
    report.heading("What the time is made of");
    report.prose(
        "The law is <code>time = c<sub>1</sub> N T + c<sub>2</sub> N \u{d7} columns</code>: a price for each neuron and \
         step, and one for each entry of a column that is visited. An entry costs more the further away it lies, so that \
         <code>c<sub>2</sub></code> grows with the network from one cache to the next: the table has it for each size. Where \
         columns are nearly all of the time, <code>c<sub>1</sub></code> cannot be told from zero.",
    );
    let mut plot = Plot::new(2).letters().size(720.0, 300.0);
    let mut constants = Vec::new();
    for (dtype, (label, _)) in TYPES.into_iter().enumerate() {
        let all: Vec<Point> = points.iter().map(|p| p[dtype]).collect();
        let pooled = fitted(&all);
        let mut panel = Panel::new(label)
            .x_label("time by the law (ms)")
            .y_label("measured time (ms)")
            .log_x()
            .log_y()
            .note(format!("R^{{2}} = {:.4}", pooled.r_squared));
        let mut ends = [f64::INFINITY, 0.0_f64];
        for (of_size, colour) in all.chunks(rates.len()).zip([BLUE, GREEN, ORANGE, VERMILLION]) {
            let neurons = of_size[0].neurons;
            constants.push(constants_row(label, neurons.to_string(), &fitted(of_size)));
            let law: Vec<f64> = of_size.iter().map(|p| 1e3 * pooled.at(p.law())).collect();
            let measured: Vec<f64> = of_size.iter().map(|p| 1e3 * p.seconds).collect();
            for &value in law.iter().chain(&measured).filter(|value| **value > 0.0) {
                ends = [ends[0].min(value), ends[1].max(value)];
            }
            panel = panel.scatter(&law, &measured, Style::new(colour).label(format!("N = {neurons}")));
        }
        plot = plot.panel(panel.line(&ends, &ends, Style::new(GREY).width(1.0)));
        constants.push(constants_row(label, "all".to_owned(), &pooled));
        let name = format!("law of time, all sizes and rates, {label}: R<sup>2</sup>");
        report.figure(name, pooled.r_squared, "", Some([0.98, 1.0]));
    }
    let caption = format!(
        "One thread, T = {STEPS}, wanted rates {} to {} Hz; one pair of constants for all sizes, by least squares.",
        rates[0],
        rates[rates.len() - 1]
    );
    report.plot("law", "The law against the clock.", caption, plot.render()?);
    report.table(
        "The constants of each size. c<sub>1</sub>: ns for a neuron and step; c<sub>2</sub>: ns for an entry of a column \
         that is visited, forwards or backwards.",
        &["", "N", "c<sub>1</sub> (ns)", "c<sub>2</sub> (ns)", "R<sup>2</sup>"],
        constants,
    );
    let rows = points.iter().map(|[single, double]| {
        vec![
            single.neurons.to_string(),
            format!("{:.1}", single.rate),
            format!("{:.1}", 100.0 * single.activity()),
            format!("{:.2}", single.seconds * 1e3),
            format!("{:.2}", double.seconds * 1e3),
        ]
    });
    report.table(
        "The points. Columns visited as a share of those of dense products.",
        &["N", "rate (Hz)", "visited (%)", "f32 (ms)", "f64 (ms)"],
        rows.collect(),
    );
    Ok(())
}

fn constants_row(label: &str, size: String, fit: &fit::Plane) -> Vec<String> {
    vec![
        label.to_owned(),
        size,
        format!("{:.2}", fit.c[0] * 1e9),
        format!("{:.3}", fit.c[1] * 1e9),
        format!("{:.4}", fit.r_squared),
    ]
}

fn fitted(points: &[Point]) -> fit::Plane {
    let x: Vec<[f64; 2]> = points.iter().map(Point::law).collect();
    let y: Vec<f64> = points.iter().map(|p| p.seconds).collect();
    fit::plane(&x, &y)
}

/// Batches on one thread and on more.
fn parallel(report: &mut Report, quick: bool, most: usize) -> Result<(), Error> {
    let batches: &[usize] = if quick { &[4, 16] } else { &[1, 2, 4, 8, 16, 32, 64] };
    let rounds = if quick { 1 } else { 25 };
    let mut counts = vec![1, 2];
    counts.extend([4, 8, 16].into_iter().filter(|&threads| threads <= most));
    let size = Size { neurons: 256, batch: batches[batches.len() - 1], steps: STEPS, rate: RATE };
    let all = Problem::random(size, SEED).map_err(Error::experiment)?.to_f32();
    let mut cases = Vec::new();
    for &batch in batches {
        for &threads in &counts {
            cases.push((pool::pool(threads)?, all.take(batch), Batch::default()));
        }
    }
    let mut gradient = all.network.parameters.zeros_like();
    // As in training, a batch follows another one: the memory of a case does not come from far away, where the cases before it
    // have left it, and for which two threads would have to share a way.
    let seconds = measure::interleaved(rounds + 1, &mut cases, |(pool, problem, batch)| {
        pool.install(|| {
            measure::batch(problem, false, batch, &mut gradient)?;
            measure::wall(|| measure::batch(problem, false, batch, &mut gradient))
        })
    })?;
    // Of each batch, for each number of threads, every round.
    let seconds: Vec<_> = seconds.chunks(counts.len()).collect();
    let x: Vec<f64> = batches.iter().map(|&batch| batch as f64).collect();
    let (mut times, mut gains) = (
        Panel::new("Time").x_label("trials in the batch").y_label("time (ms)").log_x().log_y(),
        Panel::new("Gain over one thread").x_label("trials in the batch").log_x(),
    );
    for (at, threads) in counts.iter().enumerate() {
        let colour = cycle(at);
        let label = if *threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let style = || Style::new(colour).label(label.clone());
        let time: Vec<f64> = seconds.iter().map(|row| measure::least(&row[at])[0] * 1e3).collect();
        times = times.line(&x, &time, style());
        let quotients: Vec<_> = seconds.iter().map(|row| measure::quotient(&row[0], &row[at])).collect();
        let gain: Vec<f64> = quotients.iter().map(|quotient| quotient[0]).collect();
        if at > 0 {
            gains = gains.line(&x, &gain, style());
        }
        if *threads == 2 {
            let full = || batches.iter().enumerate().filter(|(_, batch)| **batch >= FULL_BATCH);
            let least = least(full().map(|(row, _)| gain[row]));
            let more = largest(full().map(|(row, _)| 1.0 / quotients[row][1]));
            // On a machine with one core there is nothing to gain.
            let band = (most >= 2).then_some([1.8, 4.0]);
            report
                .figure(format!("gain of 2 threads, least at batch >= {FULL_BATCH}"), least, "", band)
                .figure("processor time of 2 threads over that of 1, most", more, "", None);
        }
    }
    report.heading("Batches and threads");
    report.plot(
        "parallel",
        "Batches.",
        format!(
            "N = 256, T = {STEPS}, 15 Hz, f32. Trials are the unit of parallel work, on {} lanes. Least times, and medians of the \
             quotients of times that follow one another.",
            spikegrad::tasks::DEFAULT_LANES
        ),
        Plot::new(2).letters().size(720.0, 240.0).panel(times).panel(gains).render()?,
    );
    Ok(())
}

/// Sparse columns against dense products.
fn crossover(report: &mut Report, quick: bool) -> Result<(), Error> {
    let rates: &[f64] =
        if quick { &[15.0, 200.0] } else { &[2.0, 5.0, 15.0, 40.0, 80.0, 150.0, 250.0, 400.0, 800.0] };
    let rounds = if quick { 1 } else { 3 };
    let sizes: &[(usize, usize)] = if quick { &[(128, 16)] } else { &[(80, 16), (256, 16), (1024, 8)] };
    let pool = pool::pool(1)?;
    let mut plot = Plot::new(sizes.len()).letters().size(720.0, 250.0);
    let mut rows = Vec::new();
    for &(neurons, batch) in sizes {
        let size = Size { neurons, batch, steps: 100, rate: RATE };
        let mut problem = Problem::random(size, SEED).map_err(Error::experiment)?.to_f32();
        let (mut visited, mut sparse) = (Vec::new(), vec![f64::INFINITY; rates.len()]);
        // The dense path of the library, and products of nalgebra.
        let [mut path, mut vectors, mut matrices] = [f64::INFINITY; 3];
        let mut single = Dense::new(&problem.take(1));
        let mut together = Dense::new(&problem);
        let (mut work, mut gradient) = (Batch::default(), problem.network.parameters.zeros_like());
        for round in 0..=rounds {
            let mut batch_seconds = |problem: &Problem<f32>, dense: bool| {
                pool.install(|| {
                    measure::processor(|| measure::batch(problem, dense, &mut work, &mut gradient))
                })
            };
            for (&rate, least) in rates.iter().zip(&mut sparse) {
                problem.set_rate(rate);
                let seconds = batch_seconds(&problem, false)?;
                if round == 0 {
                    visited.push(problem.activity().map_err(Error::experiment)?);
                } else {
                    *least = least.min(seconds);
                }
            }
            path = path.min(batch_seconds(&problem, true)?);
            let seconds = measure::processor(|| {
                single.gradient();
                Ok(())
            })?;
            vectors = vectors.min(seconds * batch as f64);
            let seconds = measure::processor(|| {
                together.gradient();
                Ok(())
            })?;
            matrices = matrices.min(seconds);
        }
        let percent: Vec<f64> = visited.iter().map(|v| 100.0 * v).collect();
        let ms = |seconds: &[f64]| seconds.iter().map(|s| s * 1e3).collect::<Vec<f64>>();
        let flat = |seconds: f64| vec![seconds * 1e3; percent.len()];
        let mut panel = Panel::new(format!("N = {neurons}")).x_label("columns visited (%)").log_x().log_y();
        if rows.is_empty() {
            panel = panel.y_label("time (ms)");
        }
        plot = plot.panel(
            panel
                .line(&percent, &ms(&sparse), Style::new(BLUE).label("sparse"))
                .line(&percent, &flat(path), Style::new(ORANGE).label("dense path").dashed())
                .line(&percent, &flat(vectors), Style::new(VERMILLION).label("vectors").dashed())
                .line(&percent, &flat(matrices), Style::new(BLACK).label("matrices").dashed()),
        );
        let at_rate = rates.iter().position(|rate| *rate == RATE).unwrap_or(0);
        let mut row = vec![neurons.to_string(), batch.to_string(), format!("{:.1}", percent[at_rate])];
        for dense in [path, vectors, matrices] {
            let ratio: Vec<f64> = sparse.iter().map(|s| s / dense).collect();
            let lost = match fit::crossing(&percent, &ratio) {
                Some(at) => format!("{at:.0}"),
                None if ratio.iter().all(|r| *r < 1.0) => "never".to_owned(),
                None => format!("below {:.1}", percent[0]),
            };
            row.extend([format!("{:.1}", dense / sparse[at_rate]), lost]);
        }
        rows.push(row);
    }
    report.heading("Where the sparse transpose stops winning");
    report.plot(
        "crossover",
        "Sparse columns against dense products.",
        "f32, one thread, T = 100, whole gradients of 16 trials (8 at N = 1024). Dense programs visit every column: the \
         library's own dense path, and the same gradient written with products of nalgebra, one trial at a time \
         (vectors: matrix times vector) or the whole batch together (matrices: matrix times matrix).",
        plot.render()?,
    );
    report.table(
        "How many times faster the sparse program is than each dense one at 15 Hz, and the share of columns visited at \
         which that is lost.",
        &[
            "N",
            "trials",
            "visited (%)",
            "dense path",
            "lost (%)",
            "vectors",
            "lost (%)",
            "matrices",
            "lost (%)",
        ],
        rows,
    );
    Ok(())
}

/// Operations and bytes per step against what the machine can do.
fn roofline(report: &mut Report, quick: bool) -> Result<(), Error> {
    let goes = if quick { 2 } else { 8 };
    let bandwidths = machine::bandwidths(goes);
    let peaks = [machine::multiply_add_rate::<f32>(goes), machine::multiply_add_rate::<f64>(goes)];
    let sizes: &[usize] = if quick { &[80, 256] } else { &[80, 512, 2048] };
    let mut points = Vec::new();
    for &neurons in sizes {
        let pair = Pair::new(Size { neurons, batch: 1, steps: STEPS, rate: RATE })?;
        points.push(pair.measure(if quick { 1 } else { 7 })?);
    }
    for bandwidth in &bandwidths {
        let name = format!(
            "copy bandwidth, {} ({} KiB, read and written)",
            bandwidth.name,
            bandwidth.working_set >> 10
        );
        report.figure(name, bandwidth.bytes_per_second * 1e-9, "GB/s", None);
    }
    for ((label, _), peak) in TYPES.into_iter().zip(peaks) {
        report.figure(format!("multiply and add, not fused, {label}"), peak * 1e-9, "GFLOP/s", None);
    }

    let intensities: Vec<f64> = (0..=60).map(|i| 0.05 * 10_f64.powf(f64::from(i) / 20.0)).collect();
    let mut plot = Plot::new(2).letters().size(720.0, 280.0);
    let mut rows = Vec::new();
    for (dtype, (label, _)) in TYPES.into_iter().enumerate() {
        let mut panel = Panel::new(label)
            .x_label("operations per byte")
            .y_label("GFLOP/s")
            .log_x()
            .log_y()
            .direct_labels();
        for (bandwidth, colour) in bandwidths.iter().zip([GREEN, ORANGE, GREY]) {
            let roof: Vec<f64> = intensities
                .iter()
                .map(|x| 1e-9 * (x * bandwidth.bytes_per_second).min(peaks[dtype]))
                .collect();
            panel = panel.line(&intensities, &roof, Style::new(colour).label(bandwidth.name));
        }
        for (pair, colour) in points.iter().zip([BLUE, VERMILLION, BLACK]) {
            let (flops, bytes) = totals(&pair[dtype], dtype);
            let intensity = flops / bytes;
            let rate = 1e-9 * flops / pair[dtype].seconds;
            panel = panel.scatter(
                &[intensity],
                &[rate],
                Style::new(colour).label(format!("N = {}", pair[dtype].neurons)),
            );
            rows.push(row(&pair[dtype], label, dtype, &bandwidths, peaks[dtype]));
        }
        plot = plot.panel(panel);
    }
    report.heading("Against the machine");
    report.plot(
        "roofline",
        "Roofline.",
        "One trial at 15 Hz, one thread. The roofs are copies in a working set of each size and unfused multiplications \
         with additions, measured in the same run. A point may lie above a roof whose level it does not need: bytes are \
         counted as if nothing but the state stayed in a cache from one step to the next, and a neuron stands in the zone \
         for several steps in a row.",
        plot.render()?,
    );
    report.table(
        "A step forwards and backwards. Operations: the network's counters, and those of the neurons' equation and the \
         loss, counted by hand. Last: shares of the bandwidth of copies at the level that weights and gradient fit in, and of \
         the rate of multiplications with additions.",
        &[
            "",
            "N",
            "visited (%)",
            "operations",
            "bytes",
            "time (\u{b5}s)",
            "GFLOP/s",
            "GB/s",
            "of copies (%)",
            "of multiply-add (%)",
        ],
        rows,
    );
    Ok(())
}

/// All operations and bytes of a trial.
fn totals(point: &Point, dtype: usize) -> (f64, f64) {
    let equations = EQUATION_FLOPS[dtype] as f64 * point.law()[0];
    (point.work.flops as f64 + equations, point.work.bytes as f64)
}

fn row(point: &Point, label: &str, dtype: usize, bandwidths: &[Bandwidth], peak: f64) -> Vec<String> {
    let (flops, bytes) = totals(point, dtype);
    let steps = point.work.steps as f64;
    // Two classes of weights and their gradients.
    let resident = 4 * point.neurons * point.neurons * if dtype == 0 { 4 } else { 8 };
    // A level is twice to four times as large as the working set that stands for it.
    let level = bandwidths.iter().find(|b| resident <= 2 * b.working_set).or(bandwidths.last());
    let share = level.map_or(String::new(), |level| {
        format!("{:.0} ({})", 100.0 * bytes / point.seconds / level.bytes_per_second, level.name)
    });
    vec![
        label.to_owned(),
        point.neurons.to_string(),
        format!("{:.1}", 100.0 * point.activity()),
        format!("{:.0}", flops / steps),
        format!("{:.0}", bytes / steps),
        format!("{:.2}", 1e6 * point.seconds / steps),
        format!("{:.2}", 1e-9 * flops / point.seconds),
        format!("{:.2}", 1e-9 * bytes / point.seconds),
        share,
        format!("{:.0}", 100.0 * flops / point.seconds / peak),
    ]
}

#[cfg(test)]
mod tests;
