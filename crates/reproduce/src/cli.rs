//! The command line: which experiments to run, with what, and what their verdicts mean to a shell.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use indicatif::MultiProgress;

use crate::experiments::{Context, EXPERIMENTS, Experiment};
use crate::report::Outcome;
use crate::verdict::Verdict;
use crate::{Error, bench, compare, file, index, pool, resume};

/// Reproduces the published experiments and judges their figures.
#[derive(Debug, Parser)]
#[command(name = "spikegrad-reproduce", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run experiments, write a report of each and judge their figures
    Reproduce(ReproduceArgs),
    /// Compute a stored network problem and compare with its stored gradients
    Compare(compare::Args),
    /// Measure what the exact gradient costs on this machine and write a report
    Bench(bench::Args),
}

/// The arguments of `reproduce`.
#[derive(Clone, Debug, Args)]
pub struct ReproduceArgs {
    /// Experiments to run [default: all but those on request]; names of data sets may follow `ucr`
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Repeat on so many consecutive seeds, from --seed on, what is repeated on seeds (1 to 1000) [default: 20 for
    /// predictive-coding-seeds, 6 for delayed-xor-seeds, 3 for others, at most 2 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub seeds: Option<usize>,
    /// Worker threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// The directory of the data that fashion-mnist (IDX files) or ucr (.ts files) reads
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where the reports go, one directory each
    #[arg(long, value_name = "DIR", default_value = "target/reproduce")]
    pub out: PathBuf,
    /// Do little, in about a minute: the same code, but no band is judged
    #[arg(long)]
    pub quick: bool,
    /// Run anew what is already done, instead of going on from it
    #[arg(long)]
    pub fresh: bool,
}

/// Seeds of a quick run.
const QUICK_SEEDS: usize = 2;

/// Does what the command line says; results go to `out`, progress to standard error.
///
/// # Errors
///
/// Whatever keeps an experiment from being run or written, [`Error::UnknownExperiment`] for a wrong name.
pub fn run(cli: &Cli, out: &mut impl Write) -> Result<Verdict, Error> {
    match &cli.command {
        Command::Reproduce(args) => reproduce(args, EXPERIMENTS, out),
        Command::Compare(args) => compare::run(args).map(|()| Verdict::Fine),
        Command::Bench(args) => bench::run(args, out),
    }
}

/// An experiment that is run, and the data set that it is run with, if it is made with several.
#[derive(Clone, Debug)]
struct Job {
    experiment: &'static Experiment,
    set: Option<String>,
}

impl Job {
    /// The name of its report.
    fn name(&self) -> String {
        match &self.set {
            Some(set) => format!("{}-{set}", self.experiment.name),
            None => self.experiment.name.to_owned(),
        }
    }

    /// The title of its page.
    fn title(&self) -> String {
        match &self.set {
            Some(set) => format!("{}: {set}", self.experiment.title),
            None => self.experiment.title.to_owned(),
        }
    }
}

/// What the names ask for, in the order of the registry. A name that follows an experiment with several data sets, and is that of no
/// experiment, is one of its sets.
fn choose(names: &[String], known: &'static [Experiment]) -> Result<Vec<Job>, Error> {
    let mut sets: Vec<(&str, &String)> = Vec::new();
    let mut last: Option<&Experiment> = None;
    for name in names {
        match (known.iter().find(|experiment| experiment.name == name), last) {
            (Some(found), _) => last = Some(found),
            (None, Some(before)) if !before.sets.is_empty() => sets.push((before.name, name)),
            (None, _) => {
                let known = known.iter().map(|experiment| experiment.name).collect();
                return Err(Error::UnknownExperiment { name: name.clone(), known });
            }
        }
    }
    let wanted = |experiment: &&Experiment| match names {
        [] => !experiment.on_request,
        names => names.iter().any(|name| name == experiment.name),
    };
    let jobs = |experiment: &'static Experiment| {
        let named = sets.iter().filter(|(name, _)| *name == experiment.name).map(|(_, set)| (*set).clone());
        let mut with: Vec<String> = named.collect();
        if with.is_empty() {
            with = experiment.sets.iter().map(|&set| set.to_owned()).collect();
        }
        let alone = with.is_empty().then_some(None);
        let of = move |set| Job { experiment, set };
        with.into_iter().map(Some).chain(alone).map(of).collect::<Vec<_>>()
    };
    Ok(known.iter().filter(wanted).flat_map(jobs).collect())
}

/// The seeds that an experiment is made with.
fn seeds_of(
    experiment: &Experiment,
    args: &ReproduceArgs,
    known: &'static [Experiment],
) -> Result<Vec<u64>, Error> {
    if args.seeds.is_some() && experiment.seeds == 1 {
        let repeated =
            known.iter().filter(|experiment| experiment.seeds > 1).map(|experiment| experiment.name);
        return Err(Error::OneSeed { name: experiment.name, repeated: repeated.collect() });
    }
    let usual = if args.quick { experiment.seeds.min(QUICK_SEEDS) } else { experiment.seeds };
    let seeds = args.seeds.unwrap_or(usual);
    let seed = |k: usize| args.seed.checked_add(k as u64);
    (0..seeds).map(seed).collect::<Option<_>>().ok_or(Error::LastSeed { seed: args.seed, seeds })
}

fn reproduce(
    args: &ReproduceArgs,
    known: &'static [Experiment],
    out: &mut impl Write,
) -> Result<Verdict, Error> {
    let jobs = choose(&args.names, known)?;
    let seeds = jobs.iter().map(|job| seeds_of(job.experiment, args, known));
    let seeds = seeds.collect::<Result<Vec<_>, _>>()?;
    let threads = pool::threads(args.threads);
    let pool = pool::pool(threads)?;
    announce(args, &jobs, threads, out)?;
    let mut verdict = Verdict::Fine;
    let mut failures = Vec::new();
    for (job, seeds) in jobs.into_iter().zip(seeds) {
        let name = job.name();
        let context = Context {
            seed: args.seed,
            seeds,
            threads,
            quick: args.quick,
            progress: MultiProgress::new(),
            data: args.data.clone(),
            set: job.set.clone(),
            state: args.out.join(file::safe_name(&name)).join("state"),
        };
        // Results of the others are kept when one fails, so an error waits until all have run.
        match run_one(&job, &context, &pool, args) {
            Ok((outcome, done_before)) => {
                tell(out, &name, &outcome, done_before, args.quick)?;
                if outcome.pass == Some(false) {
                    verdict = Verdict::Missed;
                }
            }
            Err(error) => failures.push((name, error)),
        }
        // After each one: an interrupted run leaves an index of what is done.
        index::write(&args.out)?;
    }
    writeln!(out, "all reports: {}", args.out.join("index.html").display())?;
    if failures.is_empty() { Ok(verdict) } else { Err(Error::Failed { failures }) }
}

/// Says what is going to be done, how long it takes and where the results will be, before a minute has passed without a word.
fn announce(args: &ReproduceArgs, jobs: &[Job], threads: usize, out: &mut impl Write) -> Result<(), Error> {
    let names: Vec<String> = jobs.iter().map(Job::name).collect();
    let how = if args.quick { " in short" } else { "" };
    // What a single experiment takes depends on it; these two are what the README says.
    let long = match (args.names.is_empty(), args.quick) {
        (true, true) => ", about a minute on two cores",
        (true, false) => ", about an hour on two cores; --quick does it in a minute, without a verdict",
        (false, _) => "",
    };
    writeln!(out, "experiments{how}, on {threads} threads: {}{long}", names.join(", "))?;
    writeln!(
        out,
        "results: {}, after each experiment; stopped by Ctrl-C, the same command goes on from what is done\n",
        args.out.join("index.html").display()
    )?;
    Ok(())
}

/// Runs an experiment, or finds that it was done before.
fn run_one(
    job: &Job,
    context: &Context,
    pool: &rayon::ThreadPool,
    args: &ReproduceArgs,
) -> Result<(Outcome, bool), Error> {
    let start = Instant::now();
    let mut report = context.report(&job.name(), &job.title());
    (job.experiment.settings)(context, &mut report);
    if !args.fresh
        && let Some(outcome) = resume::finished(&report.metrics(), &args.out)
    {
        return Ok((outcome, true));
    }
    resume::prepare(&report.metrics(), &context.state, args.fresh)?;
    pool.install(|| (job.experiment.run)(context, &mut report))
        .map_err(|error| error.about_state(&context.state))?;
    report.add_seconds(start.elapsed().as_secs_f64());
    Ok((report.write(&args.out)?, false))
}

/// Says on the terminal how an experiment came out.
fn tell(
    out: &mut impl Write,
    name: &str,
    outcome: &Outcome,
    done_before: bool,
    quick: bool,
) -> Result<(), Error> {
    let words = match outcome.pass {
        Some(true) => "pass",
        Some(false) => "FAIL: a band was missed",
        None if quick => "quick run, no band is judged",
        None => "no band to judge",
    };
    let before = if done_before { ", done before with the same settings; --fresh runs it anew" } else { "" };
    writeln!(out, "{name}: {words} ({:.1} s{before})", outcome.metrics.seconds)?;
    write!(out, "{}", outcome.metrics.summary())?;
    writeln!(out, "  report: {}\n", outcome.page.display())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::error::explain;
    use crate::report::Report;

    const FAKES: &[Experiment] = &[
        named("good", |context, report| fake(context, report, 0.5)),
        named("bad", |context, report| fake(context, report, 2.0)),
        named("broken", |_, _| Err(Error::Missing { what: "broken" })),
        named("long", in_two_halves),
        named("trained", trained),
        Experiment { seeds: 4, on_request: true, ..named("many", tell_seeds) },
        Experiment { sets: &["one", "two"], on_request: true, ..named("sets", tell_set) },
    ];

    const fn named(name: &'static str, run: fn(&Context, &mut Report) -> Result<(), Error>) -> Experiment {
        Experiment { name, title: name, on_request: false, seeds: 1, sets: &[], claims: &[], settings, run }
    }

    fn settings(_: &Context, report: &mut Report) {
        report.setting("rate", 0.1 + 0.2);
    }

    fn fake(context: &Context, report: &mut Report, value: f64) -> Result<(), Error> {
        assert_eq!(rayon::current_num_threads(), context.threads);
        report.figure("f", value, "ms", Some([0.0, 1.0]));
        Ok(())
    }

    /// A figure for every seed.
    fn tell_seeds(context: &Context, report: &mut Report) -> Result<(), Error> {
        for seed in &context.seeds {
            report.figure(format!("seed {seed}"), 1.0, "", None);
        }
        Ok(())
    }

    /// A figure with the name of the data set.
    fn tell_set(context: &Context, report: &mut Report) -> Result<(), Error> {
        report.figure(context.set.clone().unwrap(), 1.0, "", None);
        Ok(())
    }

    /// A fake that is stopped half-way, and goes on from there.
    fn in_two_halves(context: &Context, report: &mut Report) -> Result<(), Error> {
        let half = context.state.join("half");
        if !half.exists() {
            std::fs::write(half, "done").unwrap();
            return Err(Error::Missing { what: "power" });
        }
        fake(context, report, 0.5)
    }

    /// Loads what is left of an earlier run, and leaves something that cannot be loaded.
    fn trained(context: &Context, report: &mut Report) -> Result<(), Error> {
        let path = context.checkpoint("fake", 1).path;
        if path.exists() {
            use spikegrad::models::{GateShape, Nif};
            use spikegrad::network::{Network, Population};
            let population = Population::new("nif", Nif, 2, GateShape::Box, 0.3);
            let mut network =
                Network::builder().population(population).synapse("slow", 10.0).build().unwrap();
            let loaded = spikegrad::tasks::load_into(&mut network, &path);
            loaded.map_err(|error| Error::experiment(spikegrad::tasks::Error::from(error)))?;
        }
        std::fs::write(path, b"spikegrd half").unwrap();
        fake(context, report, 2.0)
    }

    /// Runs the fakes with these words after `reproduce`: the result, what was printed, and where the reports are.
    fn run_fakes(words: &str) -> (Result<Verdict, Error>, String, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (result, printed) = run_fakes_in(dir.path(), words);
        (result, printed, dir)
    }

    fn run_fakes_in(dir: &std::path::Path, words: &str) -> (Result<Verdict, Error>, String) {
        let place = dir.display().to_string();
        let words = ["x", "reproduce", "--out", &place].into_iter().chain(words.split_whitespace());
        let Command::Reproduce(args) = Cli::parse_from(words).command else { panic!("not reproduce") };
        let mut out = Vec::new();
        let result = reproduce(&args, FAKES, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_as_documented() {
        let Command::Reproduce(args) = Cli::parse_from(["x", "reproduce"]).command else {
            panic!("not reproduce")
        };
        assert_eq!((args.seed, args.threads, args.quick), (1, None, false));
        assert_eq!(args.out, PathBuf::from("target/reproduce"));
        let Command::Compare(args) =
            Cli::parse_from(["x", "compare", "a.npz", "--dtype", "f32", "--json"]).command
        else {
            panic!("not compare")
        };
        assert_eq!((args.dtype, args.json), (compare::Dtype::F32, true));
        assert!(Cli::try_parse_from(["x", "reproduce", "--threads", "0"]).is_err());
        for (seeds, fits) in
            [("0", false), ("1", true), ("1000", true), ("1001", false), ("-1", false), ("x", false)]
        {
            let parsed = Cli::try_parse_from(["x", "reproduce", "--seeds", seeds]);
            assert_eq!(parsed.is_ok(), fits, "--seeds {seeds}");
        }
    }

    #[test]
    fn met_bands_are_fine() {
        let (result, printed, dir) = run_fakes("good --threads 1");
        assert_eq!(result.unwrap(), Verdict::Fine);
        assert!(printed.contains("good: pass") && printed.contains("report.html"), "{printed}");
        assert!(dir.path().join("index.html").is_file());
        assert!(dir.path().join("good").join("metrics.json").is_file());
    }

    #[test]
    fn a_missed_band_is_told_unless_quick() {
        assert_eq!(run_fakes("good bad").0.unwrap(), Verdict::Missed);
        let (result, printed, _dir) = run_fakes("good bad --quick --threads 2");
        assert_eq!(result.unwrap(), Verdict::Fine);
        assert!(printed.contains("no band is judged"), "{printed}");
    }

    #[test]
    fn what_is_repeated_is_repeated_on_consecutive_seeds() {
        let seeds = |words: &str| -> Vec<String> {
            let (result, printed, _dir) = run_fakes(words);
            assert_eq!(result.unwrap(), Verdict::Fine);
            let named = printed.lines().filter_map(|line| line.trim().strip_prefix("seed "));
            named.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
        };
        assert_eq!(seeds("many"), ["1", "2", "3", "4"]);
        assert_eq!(seeds("many --seed 5 --seeds 3"), ["5", "6", "7"]);
        assert_eq!(seeds("many --quick"), ["1", "2"]);
        assert_eq!(seeds("many --quick --seeds 1"), ["1"]);
        assert_eq!(seeds(&format!("many --seeds 1 --seed {}", u64::MAX)), [u64::MAX.to_string()]);
    }

    #[test]
    fn every_data_set_has_a_report_of_its_own() {
        let reports = |words: &str| -> Vec<String> {
            let (result, printed, dir) = run_fakes(words);
            assert_eq!(result.unwrap(), Verdict::Fine, "{printed}");
            let all = crate::file::children(dir.path()).unwrap().into_iter().filter(|path| path.is_dir());
            all.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(reports("sets"), ["sets-one", "sets-two"]);
        assert_eq!(reports("sets Three good"), ["good", "sets-three"]);
        assert_eq!(reports("sets two one good"), ["good", "sets-one", "sets-two"]);
        // Only behind the experiment is a name that of a data set.
        let error = run_fakes("good three sets").0.unwrap_err();
        assert!(error.to_string().starts_with("there is no experiment `three`"), "{error}");
    }

    #[test]
    fn seeds_that_nothing_is_repeated_on_are_refused() {
        // Before anything is run: what comes first on the command line has no report.
        let (result, _, dir) = run_fakes("good many --seeds 2");
        assert_eq!(
            result.unwrap_err().to_string(),
            "`good` is made with one seed; name with --seeds only what is repeated: many"
        );
        assert!(!dir.path().join("many").exists() && !dir.path().join("good").exists());
        let error = run_fakes(&format!("many --seed {}", u64::MAX)).0.unwrap_err();
        assert!(error.to_string().contains("choose a smaller --seed"), "{error}");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = run_fakes("good god").0.unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no experiment `god`; choose from: good, bad, broken, long, trained, many, sets"
        );
    }

    #[test]
    fn an_error_waits_until_the_others_are_written() {
        let (result, _, dir) = run_fakes("good bad broken");
        assert!(matches!(&result, Err(Error::Failed { failures }) if failures.len() == 1), "{result:?}");
        assert!(dir.path().join("bad").join("report.html").is_file());
    }

    #[test]
    fn what_is_done_is_not_run_again() {
        let dir = tempfile::tempdir().unwrap();
        let again = |words: &str| run_fakes_in(dir.path(), words).1.contains("done before");
        assert!(!again("good"));
        assert!(again("good"));
        // Another seed or a quick run is another result, and takes the place of the first.
        assert!(!again("good --seed 2") && !again("good --seed 2 --quick") && again("good --seed 2 --quick"));
        assert!(!again("good --seed 2 --quick --fresh"));
        // A verdict stays what it was.
        assert_eq!(run_fakes_in(dir.path(), "bad").0.unwrap(), Verdict::Missed);
        let (result, printed) = run_fakes_in(dir.path(), "bad");
        assert!(printed.contains("FAIL") && printed.contains("MISSED") && printed.contains("done before"));
        assert_eq!(result.unwrap(), Verdict::Missed);
        // A verdict that the figures do not have is none.
        let path = dir.path().join("bad").join("metrics.json");
        let forged = std::fs::read_to_string(&path).unwrap().replace("\"pass\": false", "\"pass\": true");
        std::fs::write(&path, forged).unwrap();
        assert!(!again("bad"));
        // Half a report is none.
        std::fs::remove_file(dir.path().join("bad").join("report.html")).unwrap();
        assert!(!again("bad"));
    }

    #[test]
    fn an_interrupted_run_goes_on_from_what_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let run = |words: &str| run_fakes_in(dir.path(), words);
        assert!(run("good long").0.is_err());
        let (result, printed) = run("good long");
        assert_eq!(result.unwrap(), Verdict::Fine);
        assert!(printed.contains("good: pass") && printed.contains("done before"), "{printed}");
        assert!(printed.contains("long: pass"), "{printed}");
        // What another run left is not gone on from, nor what was there before a fresh one.
        assert!(run("long --seed 2").0.is_err());
        assert!(run("long --seed 2").0.is_ok());
        assert!(run("long --seed 2 --fresh").0.is_err());
    }

    #[test]
    fn damaged_state_is_told_with_what_helps() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("trained").join("state");
        assert!(run_fakes_in(dir.path(), "trained").0.is_ok());
        std::fs::remove_file(dir.path().join("trained").join("metrics.json")).unwrap();
        let error = run_fakes_in(dir.path(), "trained").0.unwrap_err().to_string();
        assert!(error.contains("--fresh") && error.contains(&state.display().to_string()), "{error}");
        assert!(error.contains("fake.checkpoint has version") || error.contains("is damaged"), "{error}");
        assert!(run_fakes_in(dir.path(), "trained --fresh").0.is_ok());
    }

    #[test]
    fn too_many_threads_are_refused_before_anything_is_run() {
        let (result, printed, dir) = run_fakes("good --threads 100000");
        assert!(matches!(result, Err(Error::TooManyThreads { threads: 100_000, .. })), "{result:?}");
        assert!(printed.is_empty() && !dir.path().join("good").exists());
    }

    #[test]
    fn causes_are_told_once() {
        let cause = std::io::Error::other("the disk is on fire");
        let error = Error::Io { action: "write", path: "a".into(), source: cause };
        assert!(explain(&error).ends_with(": the disk is on fire"));
        let error = Error::experiment(std::io::Error::other("the disk is on fire"));
        assert_eq!(explain(&error).matches("fire").count(), 1);
    }
}
