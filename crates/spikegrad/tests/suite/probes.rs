//! Probes: what is recorded is a part of the recording of everything, and takes no more memory than it says.

use super::projections::KINDS;
use super::readouts;
use super::sources::driven;
use allocation_counter::measure;
use spikegrad::integrators::Step;
use spikegrad::models::{GateShape, Theta};
use spikegrad::network::{Error, Network, NoLoss, Population, Probes, Recording, SplitRun, SplitStep, Trial};

const H: f64 = 0.5;

/// Columns of a trace of some width at every so many points.
fn columns(trace: &[f64], width: usize, of: &[usize], every: usize) -> Vec<f64> {
    let points = trace.chunks(width).skip(every - 1).step_by(every);
    points.flat_map(|point| of.iter().map(|&i| point[i])).collect()
}

/// Asserts that probes show what is there.
fn shows_a_part_of_everything(run: &SplitRun<'_, f64>) {
    let network = run.network();
    let n = network.neurons();
    let whole = run.record().expect("finite");
    assert_eq!(whole, run.probe(&Probes::everything()).expect("finite"));
    let names: Vec<_> = network.projections().map(str::to_owned).collect();
    for every in [1, 3, 7] {
        let (some, others) = ([n - 1, 0, 2], [1, 0]);
        let probes = Probes::default()
            .voltages(some)
            .currents(others)
            .spikes([2, 0])
            .traces(&names[0])
            .synaptic_currents(&names[names.len() - 1])
            .outputs()
            .every(every);
        let found = run.probe(&probes).expect("finite");
        let times: Vec<_> = whole.time.iter().skip(every - 1).step_by(every).copied().collect();
        assert_eq!(found.time, times);
        assert_eq!(found.v, columns(&whole.v, n, &some, every));
        assert_eq!(found.current, columns(&whole.current, n, &others, every));
        let all = |width: usize| (0..width).collect::<Vec<_>>();
        let outputs = network.outputs();
        assert_eq!(found.output, columns(&whole.output, outputs, &all(outputs), every));
        for k in 0..names.len() {
            let (pre, post) = network.ends(k);
            let s = columns(&whole.s[k], pre.len(), &all(if k == 0 { pre.len() } else { 0 }), every);
            assert_eq!(found.s[k], s);
            let kept = if k + 1 == names.len() { post.len() } else { 0 };
            assert_eq!(
                found.synaptic_current[k],
                columns(&whole.synaptic_current[k], post.len(), &all(kept), every)
            );
        }
        let spikes: Vec<_> =
            whole.spikes.iter().filter(|s| s.neuron == 0 || s.neuron == 2).copied().collect();
        assert_eq!(found.spikes, spikes);
        let common = |r: &Recording<f64>| (r.events, r.cost, r.state.clone());
        assert_eq!(common(&found), common(&whole));
        let counts = whole.spike_counts();
        let expected: Vec<_> = (0..n).map(|i| if i == 0 || i == 2 { counts[i] } else { 0 }).collect();
        assert_eq!(found.spike_counts(), expected);
        assert_eq!(found.spike_times()[0], whole.spike_times()[0]);
    }
    let nothing = run.probe(&Probes::default()).expect("finite");
    assert!(nothing.v.is_empty() && nothing.spikes.is_empty() && nothing.s.iter().all(Vec::is_empty));
    assert_eq!((nothing.cost, nothing.time.len()), (whole.cost, run.steps()));
}

#[test]
fn probes_show_a_part_of_everything() {
    for kind in 0..KINDS.len() {
        let (network, trial) = driven(kind, 2, 80);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        shows_a_part_of_everything(&scheme.run(&trial, &NoLoss).expect("a run"));
    }
    for seed in 0..3 {
        let (network, trial) = readouts::random(1, seed);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        shows_a_part_of_everything(&scheme.run(&trial, &NoLoss).expect("a run"));
    }
}

#[test]
fn a_recording_ends_in_the_state_from_which_another_goes_on() {
    let (network, trial) = driven(4, 1, 81);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let [first, second] = super::states::cut(&trial, &network, 15);
    let record = |trial: &Trial<f64>| scheme.run(trial, &NoLoss).expect("a run").record().expect("finite");
    let whole = record(&trial);
    let before = record(&first);
    let after = record(&Trial { state: Some(before.state), ..second });
    assert_eq!((after.state, [before.v, after.v].concat()), (whole.state, whole.v));
}

#[test]
fn what_is_not_there_or_does_not_fit_is_refused() {
    let theta = Population::new("theta", Theta::default(), 40, GateShape::RaisedCosine, 0.3);
    let mut network = Network::builder().population(theta).synapse("slow", 10.0).build().expect("a network");
    network.parameters.bias_mut().fill(0.05);
    network.set_memory_limit(Some(100_000));
    let scheme = SplitStep::new(&network, 1.0).expect("a scheme");
    let trial = Trial::silent(1000, 1.0, 0);
    let run = scheme.run(&trial, &NoLoss).expect("a run");
    let refused = |probes: Probes| run.probe(&probes).map(drop).expect_err("refused").to_string();
    let text = refused(Probes::default().voltages([0, 40]));
    assert!(text.contains("no neuron `40`: choose one of 0 to 39"), "{text}");
    assert!(refused(Probes::default().spikes([77])).contains("no neuron `77`"));
    assert!(refused(Probes::default().traces("fast")).contains("no projection `fast`: choose one of slow"));
    assert!(refused(Probes::default().every(0)).contains("step between two points"));
    // All voltages are 320 kB; every tenth of them and the times are 33 kB.
    let bytes = |probes: Probes| match run.probe(&probes) {
        Err(Error::MemoryLimit { bytes, limit: 100_000, .. }) => bytes,
        other => panic!("{:?}", other.map(drop)),
    };
    assert_eq!(bytes(Probes::default().voltages(0..40)), 328_000.0);
    assert_eq!(bytes(Probes::everything()), 1_288_000.0);
    assert!(run.probe(&Probes::default().voltages(0..40).every(10)).is_ok());
    // Spikes are counted as they come.
    let long = Trial::silent(20_000, 1.0, 0);
    let run = scheme.run(&long, &NoLoss).expect("a run");
    let refused = run.probe(&Probes::default().spikes(0..40).every(50)).map(drop);
    let Err(Error::MemoryLimit { bytes, .. }) = refused else { panic!("{refused:?}") };
    assert!(bytes < 110_000.0);
    assert!(run.probe(&Probes::default().spikes([3]).every(50)).is_ok());
}

/// A recording that is asked for little takes little, however long the run.
#[test]
fn memory_is_that_of_what_is_recorded() {
    let theta = Population::new("theta", Theta::default(), 200, GateShape::RaisedCosine, 0.3);
    let network = Network::builder().population(theta).synapse("slow", 10.0).build().expect("a network");
    let scheme = SplitStep::new(&network, 1.0).expect("a scheme");
    let most = |samples: usize| {
        let trial = Trial::silent(samples, 1.0, 0);
        let run = scheme.run(&trial, &NoLoss).expect("a run");
        let probes = Probes::default().voltages([3]).every(100);
        measure(|| drop(run.probe(&probes).expect("finite"))).bytes_max
    };
    let (short, long) = (most(1000), most(20_000));
    assert!(long - short < 20_000 / 100 * 16 + 1000, "{short} {long}");
}
