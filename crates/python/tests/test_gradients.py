"""Gradients: against differences, against each other, and whatever else is alive meanwhile."""

import json
import os
import threading

import numpy as np
import pytest

import spikegrad as sg

from conftest import drive, make

LOSSES = [
    (sg.Loss("cross-entropy"), "labels"),
    (sg.Loss("cross-entropy", score="last", label_smoothing=0.1), "labels"),
    (sg.Loss("squared-error", activity=0.1), "series"),
    (sg.Loss("squared-error", score="maximum"), "values"),
    (sg.Loss("van-rossum", population="theta"), "spikes"),
    (sg.Loss("squared-error", rates={"weight": 1e-3, "low": 5.0, "high": 10.0}), "series"),
]


def judged(network, kind, trials=3):
    rng = np.random.default_rng(0)
    if kind == "labels":
        return {"targets": np.arange(trials) % 2}
    if kind == "values":
        return {"targets": rng.normal(size=(trials, 2))}
    if kind == "series":
        return {"targets": rng.normal(size=(trials, 80, 2))}
    return {"target_spikes": [(np.array([10.0, 30.0]), np.array([4, 6])) for _ in range(trials)]}


@pytest.mark.parametrize("loss, kind", LOSSES)
def test_every_loss_passes_the_gradient_check(loss, kind):
    network = make()
    report = network.check_gradient(drive(network), loss=loss, h=0.5, **judged(network, kind))
    assert report, report
    assert report.details["groups"] and "Taylor" in str(report)


def test_a_gradient_is_the_differences_of_its_cost():
    network = make()
    inputs, targets = drive(network), np.zeros((3, 80, 2))
    gradient = network.gradient(inputs, targets, "squared-error", h=0.5)
    assert gradient.cost == pytest.approx(gradient.costs.mean(), rel=1e-12) and gradient.failures == {}
    rng, flat = np.random.default_rng(1), network.flat()
    for name in ("slow.weight", "input.weight", "readout.weight", "slow.tau", "lif.tau_v", "theta.bias"):
        direction = rng.normal(size=network[name].shape)
        size = 1e-6 * max(1.0, np.abs(network[name]).max())

        def cost(sign):
            network[name] = network.unflatten(flat)[name] + sign * size * direction
            found = network.gradient(inputs, targets, "squared-error", h=0.5).cost
            network.set_flat(flat)
            return found

        numeric = (cost(1.0) - cost(-1.0)) / (2.0 * size)
        exact = float((gradient.parameters[name] * direction).sum())
        assert exact == pytest.approx(numeric, rel=1e-5, abs=1e-9), name


def test_the_transpose_of_a_run_is_the_gradient_of_a_loss_outside(dtype):
    network = make(dtype)
    inputs = drive(network)
    targets = np.random.default_rng(2).normal(size=(3, 80, 2)).astype(dtype)
    # With a step a sample, the loss looks at every output; its mean over time and trials is taken outside.
    outputs, tape = network.vjp(inputs)
    bar = tape((outputs - targets) / (80 * 3))
    inside = network.gradient(inputs, targets, "squared-error")
    # In float32 the crossings of two sums differ by rounding.
    tolerance = 1e-11 if dtype == "float64" else 2e-3
    for name, values in inside.parameters.items():
        size = np.abs(values).max()
        assert np.allclose(bar.parameters[name], values, rtol=0.0, atol=tolerance * max(size, 1e-12)), name
    assert bar.inputs.shape == inputs.shape and bar.inputs.dtype == dtype and bar.currents.shape == (3, 80, 8)
    cost = 0.5 * ((outputs.astype(float) - targets) ** 2).sum() / (80 * 3)
    assert inside.cost == pytest.approx(cost, rel=1e-5)


def test_derivatives_by_inputs_and_currents_are_their_differences():
    network = make()
    inputs = drive(network, 2)
    weights = np.random.default_rng(3).normal(size=(2, 80, 2))
    currents = np.zeros((2, 80, 8))
    _, tape = network.vjp(inputs, currents=currents, h=0.5)
    bar = tape(weights)

    def cost(inputs, currents):
        return float((network.vjp(inputs, currents=currents, h=0.5)[0] * weights).sum())

    rng = np.random.default_rng(4)
    for given, derivative, at in [(inputs, bar.inputs, 0), (currents, bar.currents, 1)]:
        direction = rng.normal(size=given.shape)
        pair = [[inputs, currents], [inputs, currents]]
        pair[0][at], pair[1][at] = given + 1e-6 * direction, given - 1e-6 * direction
        numeric = (cost(*pair[0]) - cost(*pair[1])) / 2e-6
        assert float((derivative * direction).sum()) == pytest.approx(numeric, rel=1e-5)


def test_tapes_live_beside_each_other_and_know_the_network_of_their_run(dtype):
    network = make(dtype)
    inputs = drive(network)
    outputs, first = network.vjp(inputs)
    expected = first(np.ones_like(outputs))
    again = first(np.ones_like(outputs))
    _, second = network.vjp(-inputs)
    network["slow.weight"] = 0.0
    later, third = network.vjp(inputs)
    assert not np.array_equal(later, outputs)
    second(np.ones_like(outputs))
    last = first(np.ones_like(outputs))
    for found in (again, last):
        assert np.array_equal(found.inputs, expected.inputs)
        assert all(np.array_equal(found.parameters[n], expected.parameters[n]) for n in expected.parameters)
    assert not np.array_equal(third(np.ones_like(outputs)).inputs, expected.inputs)
    # A derivative that is refused leaves the tape as it was.
    bad = np.ones_like(outputs)
    bad[1, 3, 0] = np.nan
    with pytest.raises(ValueError, match="trial 1: .*derivatives by the outputs"):
        first(bad)
    assert np.array_equal(first(np.ones_like(outputs)).inputs, expected.inputs)


def test_results_do_not_depend_on_the_number_of_threads(dtype):
    network = make(dtype)
    inputs, labels = drive(network, 20), np.arange(20) % 2
    found = []
    try:
        for threads in (1, 2, 3):
            sg.set_num_threads(threads)
            assert sg.num_threads() == threads
            outputs, tape = network.vjp(inputs)
            gradient = network.gradient(inputs, labels, "cross-entropy")
            found.append((gradient.cost, gradient.parameters["slow.weight"], outputs, tape(outputs).parameters["slow.weight"]))
    finally:
        sg.set_num_threads(0)
    for cost, *arrays in found[1:]:
        assert cost == found[0][0] and all(np.array_equal(a, b) for a, b in zip(arrays, found[0][1:]))


def test_single_precision_is_double_precision_to_rounding():
    single, double = make("float32"), make("float32").copy(dtype="float64")
    inputs = drive(single)
    outputs = [network.vjp(inputs)[0] for network in (single, double)]
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-3 * np.abs(outputs[1]).max()


def test_trials_that_diverge_are_left_out_by_name():
    network = sg.Network(populations=[sg.Population("lif", "LIF", 2)], projections=[sg.Projection("slow", 5.0)], outputs=1)
    currents = np.zeros((2, 20, 2))
    currents[1] = 1e300
    gradient = network.gradient(currents=currents, targets=np.ones((2, 20, 1)), loss="squared-error")
    assert list(gradient.failures) == [1] and "not finite" in gradient.failures[1]
    assert np.isnan(gradient.costs[1]) and gradient.costs[0] == 0.5 == gradient.cost


def test_calls_from_several_threads_do_not_disturb_each_other():
    network = make()
    inputs, labels = drive(network), np.array([0, 1, 0])
    expected = network.gradient(inputs, labels, "cross-entropy").parameters["slow.weight"]
    outputs, tape = network.vjp(inputs)
    wrong = []

    def work():
        for _ in range(30):
            found = network.gradient(inputs, labels, "cross-entropy").parameters["slow.weight"]
            wrong.extend([] if np.array_equal(found, expected) else ["gradient"])
            wrong.extend([] if np.array_equal(network.vjp(inputs)[0], outputs) else ["outputs"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert not any(thread.is_alive() for thread in threads) and not wrong


def test_other_threads_of_python_go_on_while_a_network_computes():
    network = make(neurons=60, tau=False)
    inputs = drive(network, 8, 4000)
    done, counted = threading.Event(), [0]

    def count():
        while not done.is_set():
            counted[0] += 1
            done.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    outputs, _ = network.vjp(inputs)
    after = counted[0]
    done.set()
    thread.join()
    # A call that held the lock would let the other thread run at its end alone.
    assert after - before >= 5


@pytest.mark.skipif("SPIKEGRAD_FIGURES" not in os.environ, reason="`cargo xtask python` writes the figures of Rust")
def test_figures_are_those_of_rust_to_the_bit():
    with open(os.environ["SPIKEGRAD_FIGURES"], encoding="utf-8") as file:
        figures = json.load(file)
    for dtype in ("float64", "float32"):
        network = sg.Network(figures["spec"], dtype=dtype)
        held = {name: np.array(values, dtype=dtype) for name, values in figures["parameters"].items()}
        for name, values in held.items():
            network[name] = values.reshape(network[name].shape, order="F")
        inputs = np.array(figures["inputs"], dtype=dtype).reshape(figures["trials"], figures["samples"], network.inputs)
        labels = np.array(figures["labels"])
        expected = figures[dtype]
        found = network.gradient(inputs, labels, "cross-entropy", h=figures["h"], interval=figures["interval"])
        assert found.cost == expected["cost"]
        flat = np.concatenate([found.parameters[name].ravel(order="F") for name in network])
        assert np.array_equal(flat, np.array(expected["gradient"], dtype=dtype))
        for trial in range(figures["trials"]):
            outputs, tape = network.vjp(inputs[trial], h=figures["h"], interval=figures["interval"])
            assert np.array_equal(outputs.ravel(), np.array(expected["outputs"][trial], dtype=dtype))
            bar = tape(outputs)
            assert np.array_equal(bar.inputs.ravel(), np.array(expected["inputs_bar"][trial], dtype=dtype))
            flat = np.concatenate([bar.parameters[name].ravel(order="F") for name in network])
            assert np.array_equal(flat, np.array(expected["vjp"][trial], dtype=dtype))
