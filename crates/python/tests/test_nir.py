"""Graphs of NIR: its reference implementation reads what is written, and writes what is read."""

import numpy as np
import pytest

nir = pytest.importorskip("nir")
pytest.importorskip("nir.serialization")

import spikegrad as sg


def make(neurons=6, delay=True):
    network = sg.Network(
        populations=[sg.Population("lif", "LIF", neurons, width=0.3), sg.Population("nif", "NIF", 4)],
        projections=[
            sg.Projection("inside", 10.0, "lif", "lif"),
            sg.Projection("across", 5.0, "lif", "nif", delay=2.0 if delay else None),
        ],
        readouts=[sg.Readout("rates", 2, traces=["across"])],
        inputs=2,
        outputs=2,
        read_from="inside",
    )
    rng = np.random.default_rng(0)
    for name, size in [("inside.weight", 0.3), ("across.weight", 0.5), ("input.weight", 0.05), ("readout.weight", 1.0), ("rates.weight", 1.0)]:
        network[name] = size * rng.normal(size=network[name].shape)
    network["lif.bias"] = 0.08
    network["nif.bias"] = 0.02
    return network


def test_the_reference_reads_what_is_written_and_we_read_what_it_writes(tmp_path):
    network = make()
    notes = network.to_nir(tmp_path / "ours.nir")
    assert any("gate of width 0.3" in note for note in notes)
    graph = nir.read(tmp_path / "ours.nir")
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds["lif"] == "LIF" and kinds["nif"] == "IF" and kinds["across_delay"] == "Delay" and kinds["inside"] == "LI"
    # In seconds, row = postsynaptic.
    assert np.array_equal(graph.nodes["inside_weight"].weight, network["inside.weight"])
    assert np.allclose(graph.nodes["lif_input"].weight, 1e3 * network["input.weight"][:6])
    assert np.allclose(graph.nodes["lif"].tau, 0.02) and np.allclose(graph.nodes["across_delay"].delay, 0.002)
    assert nir.serialization.read_version(tmp_path / "ours.nir") == "1.0.8"
    # Through the reference and back, compressed as it does.
    nir.write(tmp_path / "theirs.nir", graph)
    again = sg.Network.from_nir(tmp_path / "theirs.nir")
    for name in ("inside.weight", "across.weight", "across.delay", "inside.tau", "rates.weight"):
        assert np.allclose(again[name], network[name], rtol=4e-16, atol=0.0), name
    assert np.allclose(again["input.weight"], network["input.weight"], rtol=4e-16, atol=0.0)
    assert np.allclose(again["readout.weight"], network["readout.weight"], rtol=4e-16, atol=0.0)
    inputs = np.random.default_rng(1).normal(size=(100, 2))
    assert np.allclose(again.vjp(inputs)[0], network.vjp(inputs)[0], rtol=1e-9, atol=1e-12)


def test_a_layer_behind_one_synapse_is_current_based(tmp_path):
    network = sg.Network(
        populations=[sg.Population("first", "LIF", 8), sg.Population("second", "LIF", 4)],
        projections=[sg.Projection("forward", 5.0, "first", "second")],
        inputs=2,
    )
    network["forward.weight"] = np.arange(32.0).reshape(4, 8)
    network["first.bias"] = 0.08
    network.to_nir(tmp_path / "two.nir")
    graph = nir.read(tmp_path / "two.nir")
    second = graph.nodes["second"]
    assert isinstance(graph.nodes["first"], nir.LIF) and isinstance(second, nir.CubaLIF)
    assert np.allclose(graph.nodes["first"].r, 1.0) and np.allclose(graph.nodes["first_input"].bias, 20.0 * 0.08)
    # A spike is a pulse of the area 1, and raises the voltage by its weight in all.
    assert np.allclose(second.tau_syn, 0.005) and np.allclose(second.w_in * second.r / second.tau_mem, 1.0)
    assert np.array_equal(graph.nodes["forward_weight"].weight, network["forward.weight"])
    assert ("second", "output") in graph.edges
    nir.write(tmp_path / "theirs.nir", graph)
    again = sg.Network.from_nir(tmp_path / "theirs.nir")
    assert again.projections == ["forward"] and np.array_equal(again["forward.weight"], network["forward.weight"])


def test_graphs_of_other_programs_become_networks(tmp_path):
    two = np.ones(2)
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([3])),
            "fc": nir.Affine(np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0])),
            "lif": nir.LIF(tau=0.02 * two, r=two, v_leak=0.1 * two, v_threshold=two, v_reset=0 * two),
            "output": nir.Output(np.array([2])),
        },
        edges=[("input", "fc"), ("fc", "lif"), ("lif", "output")],
    )
    nir.write(tmp_path / "graph.nir", graph)
    network = sg.Network.from_nir(tmp_path / "graph.nir", gate="box", width=0.2, dtype="float32")
    assert network.dtype == np.float32 and network.inputs == 3
    assert np.allclose(network["input.weight"], np.arange(6.0).reshape(2, 3) / 20.0)
    assert np.allclose(network["lif.bias"], (np.array([1.0, 2.0]) + 0.1) / 20.0)
    assert network.spec["populations"][0]["gate"] == {"shape": "box", "width": pytest.approx(0.2)}


def test_what_has_no_counterpart_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="population `phase` cannot be converted: .*theta"):
        sg.Network(populations=[sg.Population("phase", "theta", 2)], projections=[sg.Projection("s", 5.0)]).to_nir(tmp_path / "x")
    assert not (tmp_path / "x").exists()
    graph = nir.NIRGraph.from_list(nir.Input(np.array([2])), nir.Scale(np.ones(2)), nir.Output(np.array([2])))
    nir.write(tmp_path / "scale.nir", graph)
    with pytest.raises(ValueError, match="node `scale` cannot be converted: there is no counterpart of Scale"):
        sg.Network.from_nir(tmp_path / "scale.nir")
    (tmp_path / "no.nir").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="the file is not a NIR graph"):
        sg.Network.from_nir(tmp_path / "no.nir")
    with pytest.raises(FileNotFoundError):
        sg.Network.from_nir(tmp_path / "nowhere.nir")


def simulate(graph, inputs, interval, dt):
    """A graph by the equations of NIR on a grid of `dt` seconds: exact decay, spikes as pulses of the area 1, reset inside the step.

    It knows nothing of how spikegrad steps a network; inputs are held for `interval` seconds. Returns spike times by node, s.
    """
    from collections import defaultdict

    order = [(a, b) for a, b in graph.edges]
    nodes, size = graph.nodes, {}
    state = {n: np.zeros(len(node.tau if hasattr(node, "tau") else node.r)) for n, node in nodes.items() if hasattr(node, "r")}
    fired = {n: np.zeros(len(v)) for n, v in state.items()}
    late = {n: [np.zeros(len(node.delay))] * int(round(node.delay[0] / dt)) for n, node in nodes.items() if isinstance(node, nir.Delay)}
    spikes = defaultdict(list)
    steps = int(round(len(inputs) * interval / dt))
    for step in range(steps):
        out = {}

        def value(name):
            node = nodes[name]
            if name not in out:
                if isinstance(node, nir.Input):
                    out[name] = inputs[int(step * dt / interval + 1e-9)]
                elif isinstance(node, (nir.LIF, nir.IF)):
                    out[name] = fired[name] / dt
                elif isinstance(node, nir.LI):
                    out[name] = state[name]
                elif isinstance(node, nir.Delay):
                    out[name] = late[name][0]
                else:
                    x = sum(value(a) for a, b in order if b == name)
                    out[name] = node.weight @ x + getattr(node, "bias", 0.0)
            return out[name]

        currents = {n: sum((value(a) for a, b in order if b == n), np.zeros(1)) for n in state}
        arriving = {n: sum(value(a) for a, b in order if b == n) for n in late}
        for name, v in state.items():
            node, drive = nodes[name], nodes[name].r * currents[name]
            if isinstance(node, nir.IF):
                after = v + dt * drive
            else:
                rest = node.v_leak + drive
                after = rest + (v - rest) * np.exp(-dt / node.tau)
            if isinstance(node, nir.LI):
                state[name] = after
                continue
            crossed = after >= node.v_threshold
            for i in np.flatnonzero(crossed):
                # The crossing inside the step, and the rest of the step from the reset potential.
                if isinstance(node, nir.IF):
                    at = (node.v_threshold[i] - v[i]) / drive[i]
                    after[i] = node.v_reset[i] + (dt - at) * drive[i]
                else:
                    at = node.tau[i] * np.log((rest[i] - v[i]) / (rest[i] - node.v_threshold[i]))
                    after[i] = rest[i] + (node.v_reset[i] - rest[i]) * np.exp(-(dt - at) / node.tau[i])
                spikes[name].append((step * dt + at, i))
            fired[name] = crossed.astype(float)
            state[name] = after
        for name in late:
            late[name] = late[name][1:] + [arriving[name]]
    return spikes


def test_spikes_are_those_of_the_graph_as_gates_and_steps_become_small(tmp_path):
    network = make(delay=False)
    network.to_nir(tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    inputs = np.random.default_rng(2).normal(size=(30, 2))
    errors = []
    for h, width in [(0.05, 0.016), (0.0125, 0.004)]:
        for population in ("lif", "nif"):
            network[f"{population}.gate_width"] = width
        recording = network.run(inputs, interval=4.0, h=h, record={"spikes": True})
        theirs = simulate(graph, inputs, 4e-3, h * 1e-3)
        worst, count = 0.0, 0
        for name, part in network.populations.items():
            for neuron in range(part.stop - part.start):
                a = recording.spike_times[recording.spike_neurons == part.start + neuron]
                b = np.array([1e3 * time for time, i in theirs[name] if i == neuron])
                # A spike at the very end may be in one and not yet in the other.
                assert abs(len(a) - len(b)) <= 1, (h, name, neuron, a, b)
                both = min(len(a), len(b))
                worst, count = max([worst, *np.abs(a[:both] - b[:both])]), count + both
        errors.append(worst)
    assert count > 20
    # In ms. The step is four times as small the second time, and the scheme has order 1.
    assert errors[1] < 0.25 and errors[1] < 0.4 * errors[0], errors
