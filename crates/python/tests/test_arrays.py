"""What is no array of trials is refused by a typed error that says what to change."""

import numpy as np
import pytest

import spikegrad as sg

from conftest import drive, make


def same(network, a, b):
    first, second = network.run(a), network.run(b)
    assert all(np.array_equal(x.outputs, y.outputs) for x, y in zip(first, second))


def test_any_layout_and_type_of_numbers_is_taken(dtype):
    network = make(dtype)
    inputs = drive(network)
    strided = np.repeat(inputs, 2, axis=1)[:, ::2]
    fortran = np.asfortranarray(inputs)
    backwards = inputs[:, :, ::-1].copy()[:, :, ::-1]
    frozen = inputs.copy()
    frozen.setflags(write=False)
    swapped = inputs.astype(inputs.dtype.newbyteorder())
    for other in (strided, fortran, backwards, frozen, swapped, inputs.tolist()):
        same(network, inputs, other)
    whole = np.round(inputs)
    same(network, whole, whole.astype(np.int16))
    same(network, whole, whole.astype(np.float64))
    same(network, np.abs(whole) > 0, (np.abs(whole) > 0).astype(dtype))
    # Nothing is written to what was given.
    assert not frozen.flags.writeable
    outputs, tape = network.vjp(frozen)
    outputs.setflags(write=False)
    tape(outputs)
    tape(np.repeat(outputs, 2, axis=2)[:, :, ::2])


def test_shapes_are_checked_in_words():
    network = make()
    inputs = drive(network)
    for bad, words in [
        (np.zeros(5), r"inputs: give an array with 2 or 3 axes, not one of shape \(5,\)"),
        (np.zeros((3, 80, 3)), "inputs: the network has 2 channels, the array 3"),
        (np.zeros((0, 80, 2)), "at least one trial and one sample"),
        (np.zeros((3, 0, 2)), "at least one trial and one sample"),
        (np.zeros((1, 1, 80, 2)), "2 or 3 axes"),
    ]:
        with pytest.raises(ValueError, match=words):
            network.run(bad)
    for targets, words in [
        (np.zeros((2, 80, 2)), "targets: give one for each of 3 trials, not 2"),
        (np.zeros((3, 79, 2)), "targets: the inputs have 80 samples, the targets 79"),
        (np.zeros((3, 80, 1)), "targets"),
        (None, "label"),
    ]:
        with pytest.raises(ValueError, match=words):
            network.gradient(inputs, targets, "squared-error")
    for labels in ([0, 1, 2], [0, -1, 1], [0, 1]):
        with pytest.raises(ValueError, match="targets"):
            network.gradient(inputs, np.array(labels), "cross-entropy")
    for weights, words in [(np.ones((2, 80)), "weights"), (np.ones(79), "weights")]:
        with pytest.raises(ValueError, match=words):
            network.gradient(inputs, np.zeros((3, 80, 2)), "squared-error", weights=weights)
    _, tape = network.vjp(inputs)
    for bar in (np.zeros((3, 80, 1)), np.zeros((2, 80, 2)), np.zeros(6)):
        with pytest.raises(ValueError, match="output_bar"):
            tape(bar)


def test_what_are_no_numbers_is_refused():
    network = make()
    inputs = drive(network)
    for bad in (inputs.astype(complex), inputs.astype(str), np.full(inputs.shape, None), inputs.astype("datetime64[s]")):
        with pytest.raises(TypeError, match="inputs: give real numbers"):
            network.run(bad)
    with pytest.raises((TypeError, ValueError), match="inputs"):
        network.run([[1.0, 2.0], [3.0]])
    for number in (np.nan, np.inf, -np.inf):
        bad = inputs.copy()
        bad[1, 7, 1] = number
        with pytest.raises(ValueError, match="trial 1: .*non-finite value at index 15"):
            network.run(bad)
        with pytest.raises(ValueError, match="non-finite"):
            network.gradient(bad, np.zeros((3, 80, 2)), "squared-error")
        with pytest.raises(ValueError, match="non-finite"):
            network.vjp(bad)
        with pytest.raises(ValueError):
            network.gradient(inputs, np.full((3, 80, 2), number), "squared-error")


def test_numbers_of_another_device_or_with_a_gradient_are_refused():
    class Device:
        type = "cuda"

        def __str__(self):
            return "cuda:0"

    class Tensor:
        device = Device()

    class Tracked:
        requires_grad = True

    network = make()
    with pytest.raises(TypeError, match="on cuda:0; spikegrad computes on the CPU"):
        network.run(Tensor())
    with pytest.raises(TypeError, match="requires a gradient"):
        network.run(Tracked())


def test_losses_are_refused_by_name():
    network = make()
    inputs, labels = drive(network), np.array([0, 1, 0])
    for loss, error, words in [
        ("hinge", ValueError, "the loss: unknown variant `hinge`"),
        ({"kind": "cross-entropy", "smooth": 1}, ValueError, "unknown field `smooth`"),
        (sg.Loss("cross-entropy", score="counts"), ValueError, "one of lif, theta"),
        (None, TypeError, "give a loss"),
        (3, TypeError, "give a name"),
        (sg.Loss("cross-entropy", label_smoothing=2.0), ValueError, "smoothing"),
        (sg.Loss("squared-error", activity=-1.0), ValueError, "activity"),
    ]:
        with pytest.raises(error, match=words):
            network.gradient(inputs, labels, loss)


def test_steps_are_checked():
    network = make()
    for h, words in [(0.0, "h"), (-1.0, "h"), (0.3, "multiple of h"), (np.nan, "h")]:
        with pytest.raises(ValueError, match=words):
            network.run(drive(network), h=h)
    with pytest.raises(ValueError):
        network.run(drive(network), interval=0.0, h=1.0)


def test_the_rust_module_trusts_nothing():
    from spikegrad import _spikegrad

    network = make()
    good = np.zeros((2, 10, 2))
    make_trials = _spikegrad.Trials
    for bad in (good.astype(np.float32), good[:, ::2], np.zeros((2, 2)), [1.0], None):
        with pytest.raises(ValueError, match="inputs"):
            make_trials(True, 1.0, bad)
    with pytest.raises(ValueError, match="targets"):
        make_trials(True, 1.0, good, targets=np.zeros((2, 9, 2)))
    with pytest.raises(ValueError, match="lengths"):
        make_trials(True, 1.0, good, lengths=[1])
    # Numbers of channels that do not fit are found by the network.
    with pytest.raises(ValueError, match="give 20 entries, not 30"):
        network._core.forward(make_trials(True, 1.0, np.zeros((2, 10, 3))), 1.0)
    with pytest.raises(ValueError, match="float64, and these trials are in float32"):
        network._core.forward(make_trials(False, 1.0, good.astype(np.float32)), 1.0)
    for name in ("set", "with_values"):
        with pytest.raises((ValueError, TypeError)):
            getattr(network._core, name)(*([None] if name == "set" else []), np.zeros(3))
