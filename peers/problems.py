"""Makes the problems that all systems compute, in the reference format of `spikegrad-reproduce compare`."""

import os
import sys

import numpy as np

TAU_V = 25.0  # ms
INPUTS = 2

# Standard deviation of the recurrent weights, times sqrt N. Much stronger ones make networks whose gradients grow without
# bound over a trial: then no two systems agree at f32 and nothing could be checked. The work does not depend on it.
COUPLING = 0.01

# Neurons, batch, steps of 1 ms, rate in Hz.
SIZES = {
    "a": (80, 50, 1000, 15.0),
    "b": (512, 32, 500, 15.0),
    "c": (2048, 8, 200, 15.0),
    "c5": (2048, 8, 200, 5.0),
}


def make(name, steps):
    n, batch, _, rate = SIZES[name]
    random = np.random.default_rng([20180, sorted(SIZES).index(name)])
    # A theta neuron that a constant current I drives fires 2 sqrt(I / tau_v) spikes per ms.
    rates = 1e-3 * rate * random.uniform(0.8, 1.2, n)
    time = np.arange(steps)[:, None, None]

    def waves(channels):
        """A slow wave for each trial and channel, of standard deviation one."""
        period = random.uniform(50.0, 200.0, (1, batch, channels))
        phase = random.uniform(0.0, 2 * np.pi, (1, batch, channels))
        return np.sqrt(2) * np.sin(2 * np.pi * time / period + phase)

    return {
        "W": random.normal(0.0, COUPLING / np.sqrt(n), (n, n)),
        "Wf": random.normal(0.0, COUPLING / np.sqrt(n), (n, n)),
        "U": random.normal(0.0, 0.1 * TAU_V * (0.5e-3 * rate) ** 2, (n, INPUTS)),
        "b": TAU_V * (rates / 2) ** 2,
        "O": random.normal(0.0, 10 / np.sqrt(n), (1, n)),
        "v0": random.uniform(0.0, 1.0, (batch, n)),
        "x": waves(INPUTS),
        "target": 0.2 * waves(1),
    }


def main():
    """Arguments: a size, the number of steps, the file to write."""
    name, steps, path = sys.argv[1:]
    # Under its name only when it is whole.
    np.savez(path + ".part.npz", **make(name, int(steps)))
    os.replace(path + ".part.npz", path)


if __name__ == "__main__":
    main()
