"""Networks and trials that the tests share."""

import numpy as np
import pytest

import spikegrad as sg


def make(dtype="float64", *, inputs=2, outputs=2, neurons=8, seed=3, tau=True):
    """A small recurrent network of LIF and theta neurons with two projections, whose gradient is calm."""
    network = sg.Network(
        populations=[
            sg.Population("lif", "LIF", neurons // 2, width=0.5),
            sg.Population("theta", "theta", neurons - neurons // 2),
        ],
        projections=[sg.Projection("slow", 20.0), sg.Projection("fast", 5.0, "lif", "theta")],
        inputs=inputs,
        outputs=outputs,
        read_from="slow",
    )
    network.initialise(seed, rate=30.0, input=0.5)
    if tau:
        network.unfreeze("slow.tau", "lif.tau_v")
    return network.copy(dtype=dtype)


def drive(network, trials=3, samples=80, seed=5):
    """Inputs as a smooth random walk, trials x samples x channels."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(size=(trials, samples, network.inputs)).cumsum(axis=1) / 5.0
    return walk.astype(network.dtype)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param
