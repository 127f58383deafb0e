//! Training of networks on tasks.

use std::ops::ControlFlow;

use spikegrad_network::{Network, Scalar};
use spikegrad_training::{Iteration, Observer};

use crate::network_on_task::NetworkOnTask;
use crate::{Error, Task, TrainingOptions};

/// Trains `network` on `task` and returns what every iteration did.
///
/// The same network, options and seed give the same weights to the bit, on any number of threads. With a checkpoint in
/// the options, training that was stopped or killed goes on from it, to the same bits as if nothing had happened; the
/// history then has the earlier iterations as well. Training that has done all of its iterations goes on when it is given
/// more: to the bits of one that was given them at once where neither schedule nor task asks for their number, and with the
/// schedule of the new number otherwise. The file is that of one network's start and one task, and of no other: fingerprints
/// of the initial parameters, and of the task's trials (the first one, where they are drawn) and its loss, tell.
///
/// With validation in the options, the network ends with the best parameters that were seen at the last level of
/// difficulty; without, or if that level was not reached, with those of the last iteration or their average.
///
/// It is [`spikegrad_training::train`] for a network and its task; that one trains any other program.
///
/// # Errors
/// If an option is out of its domain, the checkpoint cannot be written, or is that of another network, task or start or of
/// other options: all this before the first iteration. If the network was never given weights that a signal could go
/// through, a trial does not fit, every trial of a batch becomes non-finite, a step would take a parameter out of its
/// domain, or most crossings of the active zone take too few steps; the network, and the checkpoint, then hold the last good parameters.
pub fn train<T: Scalar>(
    network: &mut Network<T>,
    task: &dyn Task<T>,
    options: &TrainingOptions,
    observer: &mut dyn Observer<Network<T>>,
) -> Result<Vec<Iteration>, Error> {
    let mut program = NetworkOnTask::new(network, task, options)?;
    spikegrad_training::train(&mut program, &options.of_any_program(), &mut OfNetwork(observer))
}

/// Shows the network of a program that is trained.
struct OfNetwork<'o, T: Scalar>(&'o mut dyn Observer<Network<T>>);

impl<T: Scalar> Observer<NetworkOnTask<'_, T>> for OfNetwork<'_, T> {
    fn iteration(&mut self, done: &Iteration, trained: &NetworkOnTask<'_, T>) -> ControlFlow<()> {
        self.0.iteration(done, trained.network)
    }
}

#[cfg(test)]
mod tests;
