"""Memory, forked and spawned processes."""

import gc
import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

import spikegrad as sg

from conftest import drive, make


def resident():
    """Resident memory of this process, bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's account of memory")
def test_ten_thousand_calls_leak_nothing():
    network = make(neurons=4, tau=False)
    inputs, labels = drive(network, 1, 10), np.array([0])

    def calls(count):
        for index in range(count):
            outputs, tape = network.vjp(inputs)
            tape(outputs)
            network.gradient(inputs, labels, "cross-entropy")
            network.run(inputs)
            if index % 100 == 0:
                network["slow.weight"] = network["slow.weight"]
            with pytest.raises(ValueError):
                network.gradient(inputs, labels, "hinge")

    calls(1000)
    gc.collect()
    before = resident()
    calls(2500)
    gc.collect()
    # Four calls each. A leak of one trial's tape or arrays in each call, 2 kB or more, would be 5 MB or more.
    assert resident() - before < 3_000_000


def in_a_child(queue):
    network = make()
    outputs, tape = network.vjp(drive(network))
    queue.put((outputs, tape(outputs).inputs))


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_children_compute_whatever_the_parent_did_before(method):
    network = make()
    # The parent's threads are there: they do not come along into a forked child.
    outputs, tape = network.vjp(drive(network))
    expected = tape(outputs).inputs
    context = multiprocessing.get_context(method)
    for _ in range(2):
        queue = context.Queue()
        child = context.Process(target=in_a_child, args=(queue,))
        child.start()
        found = queue.get(timeout=60)
        child.join(60)
        assert child.exitcode == 0
        assert np.array_equal(found[0], outputs) and np.array_equal(found[1], expected)
    # The parent goes on.
    assert np.array_equal(network.vjp(drive(network))[0], outputs)


def test_nothing_else_is_imported():
    """The package needs NumPy alone."""
    code = (
        "import sys, spikegrad; "
        "loaded = [m for m in ('torch', 'jax', 'sklearn', 'matplotlib', 'tqdm', 'nir') if m in sys.modules]; "
        "sys.exit(', '.join(loaded) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert sg.__version__ == version("spikegrad")
