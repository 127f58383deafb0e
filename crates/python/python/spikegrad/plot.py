"""Plots of recordings and of training, by matplotlib.

Each function draws into ``axes``, or into new ones, and returns them.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

import numpy as np

try:
    import matplotlib.pyplot as plt
except ImportError as error:
    raise ImportError("spikegrad.plot needs matplotlib: pip install matplotlib") from error

from ._network import Network, Recording

__all__ = ["learning_curve", "outputs", "raster", "voltages"]


def _axes(axes: Any) -> Any:
    return plt.subplots(layout="constrained")[1] if axes is None else axes


def raster(recording: Recording, network: Optional[Network] = None, *, axes: Any = None) -> Any:
    """Every spike as a mark at its time; with a network, in a colour for each population."""
    axes = _axes(axes)
    populations = {"": slice(0, None)} if network is None else network.populations
    neurons = recording.spike_neurons
    for name, part in populations.items():
        inside = (neurons >= part.start) & (neurons < (part.stop if part.stop is not None else np.inf))
        axes.plot(recording.spike_times[inside], neurons[inside], "|", markersize=4, label=name or None)
    axes.set(xlabel="time (ms)", ylabel="neuron")
    if network is not None:
        axes.set_ylim(-0.5, network.neurons - 0.5)
        if len(populations) > 1:
            axes.legend(loc="upper right")
    return axes


def voltages(recording: Recording, neurons: Sequence[int] = (0, 1, 2), *, axes: Any = None) -> Any:
    """The voltages of some columns of ``recording.voltages``, with spikes as marks on top where all neurons were recorded."""
    axes = _axes(axes)
    recorded = recording.voltages.shape[1] if recording.voltages.ndim == 2 else 0
    if recorded == 0:
        raise ValueError("no voltages were recorded: run with record='all', or with voltages=True")
    for neuron in neurons:
        if not 0 <= neuron < recorded:
            raise ValueError(f"neuron {neuron} was not recorded: choose from 0 to {recorded - 1}")
        axes.plot(recording.time, recording.voltages[:, neuron], label=f"neuron {neuron}")
    axes.set(xlabel="time (ms)", ylabel="voltage")
    axes.legend(loc="upper right")
    return axes


def outputs(recording: Recording, targets: Optional[Any] = None, *, interval: float = 1.0, axes: Any = None) -> Any:
    """The outputs; with targets, samples x outputs at every ``interval`` ms, these dashed beside them."""
    axes = _axes(axes)
    lines = axes.plot(recording.time, recording.outputs)
    if targets is not None:
        targets = np.asarray(targets)
        targets = targets[:, None] if targets.ndim == 1 else targets
        time = interval * (1 + np.arange(len(targets)))
        for output, line in zip(range(targets.shape[1]), lines):
            axes.plot(time, targets[:, output], "--", color=line.get_color())
    axes.set(xlabel="time (ms)", ylabel="output")
    return axes


def learning_curve(history: Sequence[Dict[str, Any]], *, axes: Any = None) -> Any:
    """The cost of every iteration, and the cost of held-out trials where there are any."""
    axes = _axes(axes)
    if not history:
        raise ValueError("the history is empty: there was no iteration")
    axes.plot([done["iteration"] for done in history], [done["cost"] for done in history], lw=0.8, label="training")
    held_out = [(done["iteration"], done["validation"]["cost"]) for done in history if done.get("validation")]
    if held_out:
        axes.plot(*zip(*held_out), "o-", label="held out")
        axes.legend(loc="upper right")
    axes.set(xlabel="iteration", ylabel="cost", yscale="log" if min(d["cost"] for d in history) > 0 else "linear")
    return axes
