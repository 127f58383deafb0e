//! Tests of `checkpoint.rs`.

use std::fs;

use super::*;
use crate::network_on_task::NetworkOnTask;
use crate::predictive_coding::PredictiveCoding;
use crate::safetensors::Container;
use crate::{Checkpoint, TrainingOptions, Validation, train};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spikegrad_models::{GateShape, Theta};
use spikegrad_network::{Connector, Group, Population, Projection, Sign};
use spikegrad_training::checkpoint::{VERSION, load_run};

const MAGIC: [u8; 8] = *b"spikegrd";

/// What stands before the contents of a checkpoint.
fn header(contents: &[u8]) -> Vec<u8> {
    let (checksum, length) = (crc32fast::hash(contents).to_le_bytes(), (contents.len() as u64).to_le_bytes());
    [&MAGIC[..], &VERSION.to_le_bytes(), &checksum, &length].concat()
}

/// Loads a training run as one that goes on from it does.
fn load_training(path: &Path, network: &mut Network<f64>) -> Result<(), CheckpointError> {
    let task = PredictiveCoding::autoencoder(6);
    let options = TrainingOptions::default();
    load_run(path, &mut NetworkOnTask::new(network, &task, &options).expect("options")).map(|_| ())
}

fn network(n: usize) -> Network<f64> {
    let population = Population::new("theta", Theta::default(), n, GateShape::RaisedCosine, 0.3);
    let builder = Network::builder()
        .population(population)
        .synapse("slow", 20.0)
        .change("slow", |p| p.without_autapses());
    let mut network = builder.inputs(1).outputs(1).build().expect("a network");
    network.parameters.bias_mut().iter_mut().zip(0..).for_each(|(b, i)| *b = 0.1 / f64::from(i + 1));
    network.freeze(Group::Input).expect("a group");
    network.freeze_entries(Group::Bias, |row, _| row % 2 == 0).expect("a group");
    network
}

/// A network with a mask, signs and frozen entries that no other one here has.
fn particular() -> Network<f64> {
    let mut network = network(4);
    network.parameters.weight_mut(0).fill(0.25);
    network.set_signs(|neuron| [None, Some(Sign::Inhibitory), Some(Sign::Excitatory), None][neuron]);
    network.set_mask(Group::Weight(0), |post, pre| post != pre && post != 0).expect("a mask");
    network.freeze_entries(Group::Weight(0), |post, _| post == 3).expect("a group");
    network.unfreeze(Group::Bias).expect("a group");
    network
}

/// The file of a training run with everything that one can have, and its network.
fn trained(path: &Path) -> Network<f64> {
    let task = PredictiveCoding { duration: (10.0, 20.0), ..PredictiveCoding::autoencoder(6) };
    let mut network = task.network(GateShape::RaisedCosine, 0.3, 3).expect("a network");
    let validation = Validation {
        every: 1,
        trials: 2,
        rise_at: 0.0,
        fall_below: 0.0,
        go_back: Some(0.1),
        rise: 1.0,
        slow: 0.5,
        patience: 9,
    };
    let options = TrainingOptions {
        batch: 2,
        average: 3,
        pulls: vec![crate::Pull { group: Group::Weight(1), part: 0.1 }],
        validation: Some(validation),
        checkpoint: Some(Checkpoint { path: path.to_owned(), every: 1 }),
        ..task.options(3, 3)
    };
    train(&mut network, &task, &options, &mut ()).expect("trained");
    network
}

/// Changes some bytes, or how many there are; often to such as stand for long lengths and numbers out of any domain.
fn mutate(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    const SPECIAL: [f64; 6] = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300, 5e-324];
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len().max(1));
        let to = (at + rng.random_range(1..40)).min(bytes.len());
        let mut fresh = match rng.random_range(0..6) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.random_range(0..8);
                }
                continue;
            }
            1 => Vec::new(),
            2 => {
                bytes.truncate(at);
                continue;
            }
            3 => {
                let mut length = vec![253];
                length.extend((rng.next_u64() >> rng.random_range(0..64)).to_le_bytes());
                length
            }
            4 => SPECIAL[rng.random_range(0..SPECIAL.len())].to_le_bytes().to_vec(),
            _ => (0..rng.random_range(1..9)).map(|_| rng.random()).collect(),
        };
        let in_place = rng.random_bool(0.5) && at + fresh.len() <= bytes.len();
        let to = if in_place { at + fresh.len() } else { to };
        bytes.splice(at.min(bytes.len())..to, fresh.drain(..));
    }
}

/// The bytes of a network, with the checksum inside that fits what a mutation left of them.
fn resealed(bytes: Vec<u8>) -> Vec<u8> {
    match Container::read(&bytes) {
        Ok(mut container) => {
            network_file::seal(&mut container);
            container.write().expect("bytes")
        }
        Err(_) => bytes,
    }
}

fn bytes_of(network: &Network<f64>) -> Vec<u8> {
    network_file::encode(Path::new("memory"), network).expect("encoded")
}

#[test]
fn a_checkpoint_gives_its_network_and_says_what_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    let trained = trained(&path);
    let loaded: Network<f64> = load(&path).expect("loaded");
    assert_eq!(bytes_of(&loaded), bytes_of(&trained));
    assert_eq!(describe(&path).expect("a description"), trained.spec());
    // An iteration of training needs a checkpoint, not a network alone.
    save(&trained, &path).expect("saved");
    let error = load_training(&path, &mut trained.clone()).expect_err("refused").to_string();
    assert!(error.contains("it has `a file of another kind`"), "{error}");
}

#[test]
fn checkpoints_of_older_formats_are_refused_by_their_number() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    fs::write(&path, [&MAGIC[..], &7_u32.to_le_bytes(), &[0; 40]].concat()).expect("written");
    let error = load::<f64>(&path).expect_err("refused");
    assert!(matches!(error, CheckpointError::Version { found: 7, .. }), "{error}");
}

#[test]
fn checkpoints_of_other_connections_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    let listed = |pairs: &[(u32, u32)]| {
        let population = Population::new("theta", Theta::default(), 3, GateShape::Box, 0.3);
        let slow = Projection::new("slow", 20.0).connected(Connector::Pairs(pairs.to_vec()));
        Network::builder().population(population).projection(slow).build().expect("a network")
    };
    save(&listed(&[(0, 1), (2, 0)]), &path).expect("saved");
    load_into(&mut listed(&[(2, 0), (0, 1)]), &path).expect("the same connections");
    let error = load_into(&mut listed(&[(0, 1), (2, 1)]), &path).expect_err("refused").to_string();
    assert!(error.contains("projections[0].connector = a list of 2 pairs"), "{error}");
}

#[test]
fn ten_thousand_forged_files_do_no_harm() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    let rng = &mut ChaCha8Rng::seed_from_u64(18);
    let runs = trained(&path);
    let run = fs::read(&path).expect("bytes");
    save(&particular(), &path).expect("saved");
    let alone = fs::read(&path).expect("bytes");
    let (_, state_of_run) = parts(&path, &run).expect("a checkpoint");
    let (network_of_run, state_of_run) = (bytes_of(&runs), state_of_run.expect("a state").to_vec());
    let (mut loaded, mut refused) = (0, 0);
    for case in 0..10_000 {
        let of_run = case % 2 == 0;
        let (good, network) = if of_run { (&run, &runs) } else { (&alone, &particular()) };
        let mut bytes = good.clone();
        if case % 8 < 2 {
            mutate(&mut bytes, rng);
        } else {
            // The checksums fit: it is the decoders and the checks behind them that are attacked.
            let mut saved = if of_run { network_of_run.clone() } else { alone.clone() };
            let mut state = state_of_run.clone();
            if of_run && case % 4 == 0 {
                mutate(&mut state, rng);
            } else {
                mutate(&mut saved, rng);
                saved = resealed(saved);
            }
            bytes = saved;
            if of_run {
                let length = (bytes.len() as u64).to_le_bytes();
                let contents = [&length[..], &bytes, &state].concat();
                bytes = [header(&contents), contents].concat();
            }
        }
        // A file that is written over is flushed to the disk at once, a new one is not.
        fs::remove_file(&path).expect("removed");
        fs::write(&path, &bytes).expect("written");
        let mut target = network.clone();
        let mut result = None;
        let used = allocation_counter::measure(|| {
            result = Some(match of_run {
                true => load_training(&path, &mut target),
                false => load_into(&mut target, &path),
            });
        });
        assert!(used.bytes_max < (8 << 20) + 64 * bytes.len() as u64, "case {case}: {used:?}");
        match result.expect("measured") {
            Ok(()) => {
                loaded += 1;
                target.validate().expect("a valid network");
                target.check_signs().expect("signs");
                let (saved, _) = parts(&path, &bytes).expect("a good file");
                let (found, again) = (Container::read(saved), bytes_of(&target));
                let again = Container::read(&again).expect("read").tensors;
                assert!(found.expect("read").tensors == again, "case {case}: not what the file says");
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("run"), "{error}");
                assert!(
                    bytes_of(&target) == bytes_of(network),
                    "case {case}: changed by a file that was refused"
                );
            }
        }
    }
    assert!(loaded > 100 && refused > 5_000, "loaded {loaded}, refused {refused}");
}
