"""Runs of trials: shapes, what is recorded, and what trials may bring."""

import pickle

import numpy as np
import pytest

import spikegrad as sg

from conftest import drive, make


def test_a_batch_is_its_trials(dtype):
    network = make(dtype)
    inputs = drive(network)
    batch = network.run(inputs, h=0.5)
    assert len(batch) == 3
    for recording, trial in zip(batch, inputs):
        alone = network.run(trial, h=0.5)
        assert np.array_equal(alone.outputs, recording.outputs) and alone.outputs.dtype == dtype
        assert recording.outputs.shape == (160, 2) and recording.voltages.shape == (160, 8)
        assert recording.time[0] == 0.5 and recording.time[-1] == 80.0
        assert recording.traces["slow"].shape == (160, 8) and recording.traces["fast"].shape == (160, 4)
        assert recording.synaptic_currents["fast"].shape == (160, 4)
        assert recording.events["spikes"] == recording.spike_counts.sum() > 0
        assert np.array_equal(recording.counts(8).sum(), recording.spike_counts.sum())
        assert (np.diff(recording.spike_times) >= 0.0).all() and recording.cost is None


def test_outputs_of_a_tape_are_those_at_the_ends_of_the_samples(dtype):
    network = make(dtype)
    inputs = drive(network)
    outputs, _ = network.vjp(inputs, h=0.25)
    assert outputs.shape == (3, 80, 2) and outputs.dtype == dtype
    for of_trial, recording in zip(outputs, network.run(inputs, h=0.25)):
        assert np.array_equal(of_trial, recording.outputs[3::4])
    assert np.array_equal(network.vjp(inputs[0], h=0.25)[0], outputs[0])


def test_only_what_is_asked_for_is_recorded():
    network = make()
    inputs = drive(network, 1)[0]
    whole = network.run(inputs)
    part = network.run(inputs, record={"voltages": [0, 7], "spikes": "theta", "traces": "fast", "every": 10})
    assert part.voltages.shape == (8, 2) and np.array_equal(part.voltages, whole.voltages[9::10][:, [0, 7]])
    assert part.outputs.size == 0 and list(part.traces) == ["fast"] and part.synaptic_currents == {}
    assert np.array_equal(part.spike_times, whole.spike_times[whole.spike_neurons >= 4])
    with pytest.raises(ValueError, match="record: there is no 'volts'"):
        network.run(inputs, record={"volts": True})
    with pytest.raises(ValueError, match="there is no population 'gamma'"):
        network.run(inputs, record={"spikes": "gamma"})
    with pytest.raises(ValueError, match="there is no projection"):
        network.run(inputs, record={"traces": ["slower"]})
    with pytest.raises(ValueError, match="there is no neuron"):
        network.run(inputs, record={"voltages": [8]})


def test_two_runs_in_a_row_are_one(dtype):
    network = make(dtype)
    inputs = drive(network, 2)
    whole = network.run(inputs)
    first = network.run(inputs[:, :50])
    states = [pickle.loads(pickle.dumps(recording.state)) for recording in first]
    second = network.run(inputs[:, 50:], states=states)
    for a, b, c in zip(first, second, whole):
        assert np.array_equal(np.concatenate([a.outputs, b.outputs]), c.outputs)
    with pytest.raises(ValueError, match="give one for each of 2 trials"):
        network.run(inputs, states=states[:1])
    other = "float32" if dtype == "float64" else "float64"
    with pytest.raises(ValueError, match=f"computes in {other}"):
        network.copy(dtype=other).run(inputs, states=states)


def test_trials_may_be_shorter_than_their_array(dtype):
    network = make(dtype)
    inputs = drive(network)
    lengths = np.array([80, 30, 1])
    targets = np.ones((3, 80, 2))
    outputs, tape = network.vjp(inputs, lengths=lengths)
    gradient = network.gradient(inputs, targets, "squared-error", lengths=lengths)
    for i, length in enumerate(lengths):
        alone = network.vjp(inputs[i, :length])[0]
        assert np.array_equal(outputs[i, :length], alone) and not outputs[i, length:].any()
        cost = network.gradient(inputs[i : i + 1, :length], targets[i : i + 1, :length], "squared-error").cost
        assert gradient.costs[i] == pytest.approx(cost, rel=1e-6)
    # What is said about samples that are not there is not heard.
    bar = np.ones_like(outputs)
    first = tape(bar)
    bar[1, 30:] = 100.0
    again = tape(bar)
    assert np.array_equal(first.inputs, again.inputs) and not first.inputs[1, 30:].any()
    for bad in ([80, 30], [80, 0, 1], [80, 81, 1]):
        with pytest.raises(ValueError, match="lengths"):
            network.run(inputs, lengths=bad)
    with pytest.raises(TypeError, match="lengths"):
        network.run(inputs, lengths=[80.0, 1.0, 1.0])


def test_events_and_currents_drive_a_network():
    network = sg.Network(
        populations=[sg.Population("lif", "LIF", 3)],
        sources=[sg.Source("events", 2)],
        projections=[sg.Projection("in", 5.0, "events", "lif")],
        readouts=[sg.Readout("out", 1, filtered=[("lif", 20.0)])],
    )
    network["in.weight"] = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    network["out.weight"] = 1.0
    times, channels = np.array([5.0, 5.5, 6.0, 40.0]), np.array([0, 0, 0, 1])
    recording = network.run(samples=60, events=[(times, channels)])
    assert recording.counts(3)[0] > 0 and recording.counts(3)[2] == 0
    outputs, tape = network.vjp(samples=60, events=[(times, channels, np.ones(4))])
    bar = tape(np.ones_like(outputs))
    assert [charges.shape for charges in bar.charges] == [(4,)] and bar.charges[0][:3].any()
    currents = np.zeros((1, 60, 3))
    currents[:, :, 2] = 0.2
    driven = network.run(currents=currents)
    assert driven[0].counts(3)[2] > 0 if isinstance(driven, list) else driven.counts(3)[2] > 0
    for events, words in [
        ([(times, channels[:-1])], "events: give one of each"),
        ([(times[::-1], channels)], "event"),
        ([(times, channels + 5)], "event"),
        ([(times, channels.astype(float))], "whole numbers"),
        ([(times,)], "times and channels"),
        ([], "give one for each of 1 trials"),
    ]:
        with pytest.raises(ValueError, match=words):
            network.run(samples=60, events=events)
    with pytest.raises(ValueError, match="3 neurons, the array 2"):
        network.run(currents=np.zeros((1, 60, 2)))


def test_trials_start_where_they_say():
    network = make(tau=False)
    initial = np.tile(np.linspace(-0.5, 0.5, 8), (2, 1))
    recording = network.run(drive(network, 2), initial=initial, h=0.1)
    assert np.allclose(recording[0].voltages[0], initial[0], atol=0.05)
    with pytest.raises(ValueError):
        network.run(drive(network, 2), initial=initial[:, :5])


def test_a_dataset_holds_trials():
    network = make()
    inputs, labels = drive(network), np.array([0, 1, 1])
    data = sg.Dataset(inputs, labels, interval=2.0)
    loss = sg.Loss("cross-entropy")
    assert network.gradient(data, loss=loss, h=1.0).cost == network.gradient(inputs, labels, loss, h=1.0, interval=2.0).cost
    part = network.gradient(data.subset([2, 0]), loss=loss, h=1.0)
    assert len(part.costs) == 2 and len(data) == 3
    with pytest.raises(TypeError, match="leave targets, interval out"):
        network.gradient(data, labels, loss, interval=1.0)
    scores = network.predict(data, loss, h=1.0)
    assert scores.shape == (3, 2)
    outputs, _ = network.vjp(sg.Dataset(inputs, interval=2.0), h=1.0)
    means = np.array([r.outputs.mean(axis=0) for r in network.run(sg.Dataset(inputs, interval=2.0), h=1.0)])
    assert np.allclose(scores, means)


def test_files_of_the_command_are_read(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.zeros((3, 10, 2)), y=np.array([0, 1, 0]), lengths=np.array([10, 5, 2]), interval=np.array(0.002))
    data = sg.Dataset.from_npz(path)
    assert len(data) == 3 and data.interval == 2.0 and list(data.lengths) == [10, 5, 2]
    np.savez(path, y=np.zeros(3))
    with pytest.raises(ValueError, match="no array `x`"):
        sg.Dataset.from_npz(path)


def test_a_run_that_does_not_stay_finite_says_where():
    network = sg.Network(populations=[sg.Population("theta", "theta", 20)], projections=[sg.Projection("slow", 1e-3)], outputs=1)
    network["theta.bias"] = 0.1
    network["readout.weight"] = np.finfo(float).max
    with pytest.raises(RuntimeError, match="trial 0: .*output 0"):
        network.vjp(samples=300)
    network["slow.weight"] = np.finfo(float).max
    with pytest.raises(RuntimeError, match="trial 0: the state of neuron [0-9]+ is not finite after step"):
        network.run(samples=300)
