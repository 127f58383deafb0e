"""Training: it learns, it can be watched and interrupted, and it keeps what it has learned."""

import os
import signal
import threading

import numpy as np
import pytest

import spikegrad as sg

from conftest import drive, make


def task(network, trials=24, samples=40, seed=0):
    """Which of the two channels is on."""
    rng = np.random.default_rng(seed)
    labels = np.arange(trials) % 2
    inputs = 0.1 * rng.normal(size=(trials, samples, 2))
    inputs[np.arange(trials), :, labels] += 1.0
    return inputs.astype(network.dtype), labels


LOSS = sg.Loss("cross-entropy")
OPTIONS = {"loss": LOSS, "h": 0.5, "interval": 2.0, "epochs": 8, "batch": 8, "progress": False}


def test_a_network_learns(dtype):
    network = make(dtype)
    inputs, labels = task(network)
    before = network.gradient(inputs, labels, LOSS, h=0.5, interval=2.0).cost
    history = network.train(inputs, labels, **{**OPTIONS, "epochs": 45})
    after = network.gradient(inputs, labels, LOSS, h=0.5, interval=2.0).cost
    assert len(history) == 135 and after < 0.5 * before and history[-1]["cost"] < history[0]["cost"]
    scores = network.predict(inputs, LOSS, h=0.5, interval=2.0)
    assert (scores.argmax(axis=1) == labels).mean() > 0.9


def test_training_is_the_same_on_any_number_of_threads():
    found = []
    for threads in (1, 2):
        network = make("float32")
        sg.set_num_threads(threads)
        try:
            network.train(*task(network), **OPTIONS)
        finally:
            sg.set_num_threads(0)
        found.append(network.flat())
    assert np.array_equal(*found)


def test_a_callback_sees_every_iteration_and_ends_training():
    network, seen = make(), []
    history = network.train(*task(network), **OPTIONS, callback=lambda done: seen.append(done) or len(seen) == 5)
    assert len(history) == len(seen) == 5 and history == seen
    assert [done["iteration"] for done in seen] == list(range(5))
    changed = network.flat()
    assert not np.array_equal(changed, make().flat())

    class Stop(Exception):
        pass

    def fail(done):
        if done["iteration"] == 2:
            raise Stop("enough")

    with pytest.raises(Stop, match="enough"):
        network.train(*task(network), **OPTIONS, callback=fail)
    # What was learned before is kept.
    assert not np.array_equal(network.flat(), changed)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_training_and_keeps_what_was_learned():
    network = make("float32", neurons=40)
    inputs, labels = task(network, trials=64, samples=100)
    start = network.flat()
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            network.train(inputs, labels, **{**OPTIONS, "epochs": 1e5})
    finally:
        timer.cancel()
    assert not np.array_equal(network.flat(), start) and np.isfinite(network.flat()).all()
    # And the object is there to go on with.
    network.train(inputs, labels, **{**OPTIONS, "epochs": 0.2})


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    whole, parts = make(), make()
    data = task(whole)
    expected = whole.train(*data, **OPTIONS, checkpoint=tmp_path / "whole")
    path = tmp_path / "parts"
    parts.train(*data, **OPTIONS, checkpoint=path, callback=lambda done: done["iteration"] == 6)
    again = make()
    history = again.train(*data, **OPTIONS, checkpoint=path)
    assert history == expected and np.array_equal(again.flat(), whole.flat())
    with pytest.raises(ValueError, match="does not fit the options"):
        make().train(*data, **{**OPTIONS, "batch": 7}, checkpoint=path)


def test_held_out_trials_choose_the_best_network():
    network = make()
    inputs, labels = task(network)
    history = network.train(inputs, labels, **OPTIONS, validation=task(network, 12, seed=1))
    validated = [done["validation"]["score"] for done in history if done["validation"]]
    assert len(validated) == 8 and max(validated) > 0.9


def test_options_are_refused_in_words():
    network = make()
    data = task(network)
    for change, error, words in [
        ({"rates": {"slow.wait": 0.1}}, ValueError, "slow.wait"),
        ({"rates": {}}, ValueError, "nothing would be trained"),
        ({"rates": {"lif.bias": 0.1, "theta.bias": 0.2}}, ValueError, "trained together"),
        ({"optimiser": "adagrad"}, ValueError, "adagrad"),
        ({"epochs": 0}, ValueError, "epochs = 0"),
        ({"batch": 0}, ValueError, "batch"),
        ({"clip": -1.0}, ValueError, "clip"),
        ({"loss": "hinge"}, ValueError, "hinge"),
        ({"h": 0.7}, ValueError, "multiple"),
    ]:
        before = network.flat()
        with pytest.raises(error, match=words):
            network.train(*data, **{**OPTIONS, **change})
        assert np.array_equal(network.flat(), before)


def test_health_names_what_is_wrong():
    network = make()
    inputs, labels = task(network)
    inputs[:, :, 1] = 0.0
    report = network.health(inputs, labels, loss=LOSS, h=0.5, interval=2.0)
    assert "1 of 2 input channels is zero in all trials (channel 1)" in report.findings[0], str(report)
    assert report.details["trials"] == 8 and str(report).count("\n") > 5
    other = network.health(*task(network), loss=LOSS, h=0.5, interval=2.0, held_out=task(network, 8, seed=1))
    assert not any("channels is zero" in finding for finding in other.findings)
    assert other.details["cost"]["held_out"] > 0.0


def test_a_bar_is_shown_where_it_is_wanted(capsys):
    network = make()
    network.train(*task(network), **{**OPTIONS, "epochs": 1, "progress": True})
    shown = capsys.readouterr().err
    assert "3/3" in shown and "cost" in shown
    network.train(*task(network), **{**OPTIONS, "epochs": 1})
    assert capsys.readouterr().err == ""
