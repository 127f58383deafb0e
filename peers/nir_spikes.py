"""The spikes of a NIR file in Norse and here, as gates become narrow and steps small.

    python peers/nir_spikes.py network.nir [trial.npz] [--recorded run.npz ...] [--snntorch]

`network.nir` is written by `spikegrad convert`, by `Network.to_nir`, or by the example `layers` of `spikegrad-nir`. `trial.npz` has `input`
(samples x channels) and `interval` (ms between two samples), as `spikegrad run --to trial.npz` writes them; the input is held from one sample
to the next. Without a trial there are 30 samples of 10 ms, of normal numbers. The package `spikegrad` runs the network for each width of the
gates; without the package, `--recorded` names recordings of `spikegrad run`, whose populations are in the order of their names.
Needs nir, norse, nirtorch and torch; `--snntorch` needs snntorch, too, and adds a line of its spikes in its one step of 0.1 ms.

A spike of NIR is a Dirac pulse in time, in seconds. A spike of Norse or snnTorch is a one that lasts for a step, and its area is `dt`.
`in_steps` gives these spikes their charge: it divides `w_in` of every CubaLIF by `dt`. Currents of an Input are not spikes, and stay as they are.
"""

import argparse
import dataclasses
import math
import sys
import warnings
from importlib.metadata import version

import nir
import numpy as np
import torch

STEPS = (1.0, 0.5, 0.1, 0.05, 0.01)
WIDTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)


def in_steps(graph, dt):
    """The graph for a simulator whose spikes last for a step of `dt` seconds."""
    nodes = {
        name: dataclasses.replace(node, w_in=node.w_in / dt) if isinstance(node, nir.CubaLIF) else node
        for name, node in graph.nodes.items()
    }
    return nir.NIRGraph(nodes, list(graph.edges))


def trial(graph, file):
    """The inputs of a file, or drawn ones, and the time between two samples, ms."""
    if file is None:
        channels = next(node.input_type["input"][0] for node in graph.nodes.values() if isinstance(node, nir.Input))
        return np.random.default_rng(3).normal(size=(30, channels)), 10.0
    with np.load(file) as arrays:
        return arrays["input"].astype(float), float(np.ravel(arrays["interval"])[0])


def spiking(graph):
    """The names of the nodes that spike, and their sizes; graphs that the simulators do not run as they are written are refused."""
    known = (nir.Input, nir.Output, nir.Affine, nir.Linear, nir.LIF, nir.CubaLIF)
    for name, node in graph.nodes.items():
        if not isinstance(node, known):
            # Norse would leave out the node and all behind it without a word.
            sys.exit(f"node `{name}` is a {type(node).__name__}, which Norse and snnTorch do not run as NIR defines it")
    kinds = (nir.LIF, nir.CubaLIF)
    found = {name: node.v_threshold.size for name, node in graph.nodes.items() if isinstance(node, kinds)}
    if any(isinstance(node, nir.LIF) and not np.allclose(node.r, 1.0) for node in graph.nodes.values()):
        sys.exit("Norse takes the resistance of a LIF to be 1, and the graph has another one")
    return found


def held(inputs, interval, dt):
    """Inputs of every step of `dt` ms; a sample lasts for `interval` ms."""
    steps = round(len(inputs) * interval / dt)
    samples = np.floor((np.arange(steps) + 0.5) * dt / interval).astype(int)
    return torch.from_numpy(inputs[samples]).float()


def watched(modules, names):
    """Lists of each node's spikes, one entry a step, which grow as the modules run."""
    spikes = {name: [] for name in names}

    def watch(name):
        def hook(_module, _inputs, output):
            z = output[0] if isinstance(output, tuple) else output
            spikes[name].append(z.detach().numpy().copy().ravel() > 0)

        return hook

    for name in names:
        modules[name].register_forward_hook(watch(name))
    return spikes


def times(spikes, dt):
    """Spike times (ms) of each neuron of each node; a spike is at the end of its step."""
    found = {}
    for name, rows in spikes.items():
        fired = np.array(rows)
        found[name] = [dt * (1.0 + np.flatnonzero(fired[:, neuron])) for neuron in range(fired.shape[1])]
    return found


def norse_spikes(graph, inputs, interval, dt):
    import norse.torch

    module = norse.torch.from_nir(in_steps(graph, 1e-3 * dt), dt=1e-3 * dt)
    spikes = watched(dict(module.named_children()), spiking(graph))
    state = None
    with torch.no_grad():
        for x in held(inputs, interval, dt):
            _, state = module(x, state)
    return times(spikes, dt)


def snntorch_spikes(graph, inputs, interval):
    """snnTorch has one step, 0.1 ms, and asks a CubaLIF for `r = tau_mem / dt`; the charge of its spikes stays as it is."""
    from snntorch.import_nir import import_from_nir

    dt = 1e-4
    nodes = {
        name: dataclasses.replace(node, r=node.tau_mem / dt, w_in=node.w_in * node.r / node.tau_mem * dt)
        if isinstance(node, nir.CubaLIF)
        else node
        for name, node in graph.nodes.items()
    }
    module = import_from_nir(in_steps(nir.NIRGraph(nodes, list(graph.edges)), dt))
    spikes = watched(dict(module.named_children()), spiking(graph))
    state = None
    with torch.no_grad():
        for x in held(inputs, interval, 1e3 * dt):
            _, state = module(x, state)
    return times(spikes, 1e3 * dt)


def our_spikes(file, inputs, interval, width, names):
    import spikegrad as sg

    network = sg.Network.from_nir(file, gate="raised cosine", width=width)
    # Some steps have to fall into the active zone.
    steps = 2 ** math.ceil(math.log2(interval / min(0.05, 0.25 * width)))
    recording = network.run(inputs, interval=interval, h=interval / steps, record={"spikes": True})
    parts = {name: network.populations[name] for name in names}
    return by_neuron(recording.spike_times, recording.spike_neurons, parts)


def recorded_spikes(file, names):
    with np.load(file) as arrays:
        spike_times, neurons = arrays["spike_time"], arrays["spike_neuron"].astype(int)
    parts, first = {}, 0
    for name in sorted(names):
        parts[name] = slice(first, first + names[name])
        first += names[name]
    return by_neuron(spike_times, neurons, parts)


def by_neuron(spike_times, neurons, parts):
    return {
        name: [np.sort(spike_times[neurons == neuron]) for neuron in range(part.start, part.stop)]
        for name, part in parts.items()
    }


def count(spikes):
    return sum(map(len, spikes))


def compare(ours, theirs):
    """Mean and median difference (ms) between spikes of one number of a neuron.

    A single spike may move much farther than the others; the mean sees it, the median does not.
    """
    differences = []
    for a, b in zip(ours, theirs):
        both = min(len(a), len(b))
        differences.extend(np.abs(a[:both] - b[:both]))
    if not differences:
        return "no spikes"
    return f"{np.mean(differences):.4f} ({np.median(differences):.4f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("graph")
    parser.add_argument("trial", nargs="?")
    parser.add_argument("--recorded", nargs="*", default=[])
    parser.add_argument("--snntorch", action="store_true")
    parser.add_argument("--steps", type=float, nargs="*", default=STEPS)
    parser.add_argument("--widths", type=float, nargs="*", default=WIDTHS)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(1)
    graph = nir.read(args.graph)
    names = spiking(graph)
    inputs, interval = trial(graph, args.trial)
    if args.recorded:
        ours = {file: recorded_spikes(file, names) for file in args.recorded}
    else:
        ours = {f"width {width}": our_spikes(args.graph, inputs, interval, width, names) for width in args.widths}
    peers = ["nir", "nirtorch", "norse", "torch"] + ["snntorch"] * args.snntorch
    print(", ".join(f"{peer} {version(peer)}" for peer in peers))
    theirs = {f"Norse, {dt} ms": norse_spikes(graph, inputs, interval, dt) for dt in args.steps}
    if args.snntorch:
        theirs["snnTorch, 0.1 ms"] = snntorch_spikes(graph, inputs, interval)
    last, narrowest = list(ours.items())[-1]
    for name in names:
        print(f"\n`{name}` ({type(graph.nodes[name]).__name__}): spikes, and mean (median) differences of their times, ms\n")
        print("| | spikes |" + "".join(f" {label} |" for label in ours))
        print("|---|---|" + "---|" * len(ours))
        print("| spikes here | |" + "".join(f" {count(own[name])} |" for own in ours.values()))
        for label, found in [*theirs.items(), (f"here, {last}", narrowest)]:
            compared = (compare(own[name], found[name]) for own in ours.values())
            print(f"| {label} | {count(found[name])} |" + "".join(f" {text} |" for text in compared))


if __name__ == "__main__":
    main()
