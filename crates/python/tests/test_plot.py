"""Plots show what was recorded."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from spikegrad import plot

from conftest import drive, make


def test_plots_show_what_was_recorded():
    network = make()
    recording = network.run(drive(network)[0])
    axes = plot.raster(recording, network)
    shown = sum(len(line.get_xdata()) for line in axes.lines)
    assert shown == len(recording.spike_times) > 0 and len(axes.lines) == 2
    assert plot.raster(recording, axes=axes) is axes
    axes = plot.voltages(recording, [0, 5])
    assert np.array_equal(axes.lines[1].get_ydata(), recording.voltages[:, 5])
    axes = plot.outputs(recording, np.zeros((80, 2)))
    assert len(axes.lines) == 4 and np.array_equal(axes.lines[0].get_ydata(), recording.outputs[:, 0])
    with pytest.raises(ValueError, match="neuron 8 was not recorded"):
        plot.voltages(recording, [8])
    with pytest.raises(ValueError, match="no voltages were recorded"):
        plot.voltages(network.run(drive(network)[0], record={"outputs": True}))
    history = [{"iteration": i, "cost": 1.0 / (i + 1), "validation": {"cost": 0.5} if i % 2 else None} for i in range(4)]
    axes = plot.learning_curve(history)
    assert [len(line.get_xdata()) for line in axes.lines] == [4, 2]
    with pytest.raises(ValueError, match="history is empty"):
        plot.learning_curve([])
    matplotlib.pyplot.close("all")
