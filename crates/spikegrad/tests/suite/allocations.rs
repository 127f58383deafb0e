//! Inner loops allocate nothing after the first trial. All memory of this program is counted, thread by thread.

use crate::common::{Model, Problem, Spec, problem, real};
use allocation_counter::measure;
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{StepVjp, tableau};
use spikegrad::models::{GateShape, for_each_neuron};
use spikegrad::network::{Loss, Network, PlainStep, Scalar, SplitStep, Trial};
use spikegrad::tasks::Batch;

/// Eight neurons, two synapse classes, everything trainable.
fn example(model: &Model, steps: usize, own_taus: bool) -> Problem {
    let spec =
        Spec { neurons: 8, classes: 2, steps, per_neuron: false, own_taus, given_start: false, seed: 2 };
    problem(&[model], GateShape::RaisedCosine, &spec)
}

/// Allocations of a gradient when its sweep has run once before.
fn second_gradient<T: Scalar, S: StepVjp<T>>(run: &S) -> u64 {
    let (mut sweep, mut gradient) = (Sweep::new(), vec![T::zero(); run.n_parameters()]);
    sweep.gradient(run, &mut gradient).expect("finite");
    let before = gradient.clone();
    let count = measure(|| {
        sweep.gradient(run, &mut gradient).expect("finite");
    });
    assert!(gradient.iter().zip(&before).any(|(a, b)| a != b), "there is no gradient");
    count.count_total
}

fn split<T: Scalar>(network: &Network<T>, trial: &Trial<T>, loss: &dyn Loss<T>, h: f64) -> u64 {
    let counts = tableau::ALL.map(|method| {
        let step = SplitStep::with_method(network, h, method).expect("a step");
        second_gradient(&step.run(trial, loss).expect("a run"))
    });
    counts.iter().sum()
}

/// Every tableau, so that none of them hides.
fn plain<T: Scalar>(network: &Network<T>, trial: &Trial<T>, loss: &dyn Loss<T>, h: f64) -> Vec<u64> {
    let count = |method| {
        let step = PlainStep::new(network, h, method).expect("a step");
        second_gradient(&step.run(trial, loss).expect("a run"))
    };
    tableau::ALL.map(count).to_vec()
}

macro_rules! tests {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn the_split_step_allocates_nothing_after_the_first_trial() {
                let model = Model::of::<$neuron>();
                for own_taus in [false, true] {
                    let Problem { network, trial, loss, h } = example(&model, 100, own_taus);
                    assert_eq!(split(&network, &trial, &loss, h), 0, "f64");
                    let (single, trial) = (network.to_f32(), trial.map(|x| x as f32));
                    assert_eq!(split(&single, &trial, &loss.map(|x| x as f32), h), 0, "f32");
                }
            }

            #[test]
            fn the_plain_step_allocates_for_its_start_alone() {
                let model = Model::of::<$neuron>();
                if !model.plain {
                    return;
                }
                for own_taus in [false, true] {
                    let counts = [40, 160].map(|steps| {
                        let Problem { network, trial, loss, h } = example(&model, steps, own_taus);
                        let double = plain(&network, &trial, &loss, h);
                        let (single, trial) = (network.to_f32(), trial.map(|x| x as f32));
                        assert_eq!(plain(&single, &trial, &loss.map(real::<f32>), h), double);
                        double
                    });
                    assert_eq!(counts[0], counts[1], "allocations depend on the number of steps");
                    assert!(counts[0].iter().all(|&count| count < 10), "{counts:?}");
                    println!("{}: {} allocations at the start", model.name, counts[0][0]);
                }
            }
        }
    };
}
for_each_neuron!(tests);

/// A run that is watched or whose events are logged needs no memory either, once it has some.
#[test]
fn forward_runs_allocate_nothing_after_the_first() {
    let model = Model::of::<spikegrad::models::Theta>();
    let Problem { network, trial, loss, h } = example(&model, 200, false);
    let step = SplitStep::new(&network, h).expect("a step");
    let run = step.run(&trial, &loss).expect("a run");
    let (mut sweep, mut log) = (Sweep::new(), spikegrad::integrators::EventLog::default());
    sweep.events(&run, &mut log).expect("finite");
    let count = measure(|| {
        sweep.cost(&run).expect("finite");
        log.clear();
        sweep.events(&run, &mut log).expect("finite");
        sweep.run(&run, |_, _, _| ()).expect("finite");
    });
    assert_eq!(count.count_total, 0);
}

/// A batch hands out results, one vector of norms for each trial; its loops over steps take nothing.
#[test]
fn a_second_batch_allocates_the_same_whatever_the_number_of_steps() {
    let model = Model::of::<spikegrad::models::Theta>();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    let counts = [50, 200].map(|steps| {
        let Problem { network, trial, loss, h } = example(&model, steps, false);
        let step = SplitStep::new(&network, h).expect("a step");
        let trials = vec![trial; 5];
        let mut gradient = network.parameters.zeros_like();
        pool.install(|| {
            let mut batch = Batch::with_lanes(2);
            let mut run = || batch.gradient(&step, &trials, &loss, None, &mut gradient).map(|_| ());
            run().expect("a gradient");
            measure(|| run().expect("a gradient")).count_total
        })
    });
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0] < 20, "{counts:?}");
}

#[test]
fn allocations_are_counted() {
    assert_eq!(measure(|| drop(std::hint::black_box(vec![1_u8; 100]))).count_total, 1);
}
