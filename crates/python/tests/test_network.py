"""Networks as descriptions, parameters under their names, and files."""

import copy
import pickle

import numpy as np
import pytest

import spikegrad as sg

from conftest import drive, make

TOML = """
inputs = 2
outputs = 1
[[populations]]
name = "hidden"
model = "LIF"
size = 5
gate = { shape = "raised cosine", width = 0.3 }
parameters = { tau_v = 20.0, v_theta = 1.0, v_reset = 0.0 }
[[projections]]
name = "slow"
tau = 20.0
between = { pre = "hidden", post = "hidden" }
"""


def test_every_way_to_describe_a_network_makes_the_same_one(tmp_path):
    parts = sg.Network(
        populations=[sg.Population("hidden", "LIF", 5)],
        projections=[sg.Projection("slow", 20.0, "hidden", "hidden")],
        inputs=2,
        outputs=1,
    )
    path = tmp_path / "network.toml"
    path.write_text(TOML)
    settings = tmp_path / "settings.toml"
    table = TOML.replace("[[populations]]", "[[network.populations]]").replace("[[projections]]", "[[network.projections]]")
    settings.write_text("seed = 1\n[network]\n" + table + "\n[loss]\nkind = 'cross-entropy'\n")
    for spec in (TOML, path, str(path), settings, parts.spec, dict(parts.spec)):
        assert sg.Network(spec).spec == parts.spec
    by_dicts = sg.Network(
        populations=[
            {
                "name": "hidden",
                "model": "LIF",
                "size": np.int64(5),
                "gate": {"shape": "raised cosine", "width": np.float32(0.25) + 0.05},
                "parameters": {"tau_v": 20.0, "v_theta": 1.0, "v_reset": 0.0},
            }
        ],
        projections=[{"name": "slow", "tau": 20.0, "between": {"pre": "hidden", "post": "hidden"}}],
        inputs=2,
        outputs=1,
    )
    assert list(by_dicts.parameters()) == list(parts.parameters())


def test_all_parts_of_a_description_are_known():
    network = sg.Network(
        populations=[
            sg.Population("e", "LIF", 6, per_neuron=True),
            sg.Population("i", "NIF", 3),
            sg.Population("out", "leaky integrator", 2, parameters={"tau_v": 50.0}),
        ],
        sources=[sg.Source("events", 4)],
        projections=[
            sg.Projection("in", 5.0, "events", "e"),
            sg.Projection("ee", 20.0, "e", "e", kinetics="alpha", delay=1.5, autapses=False),
            sg.Projection("ei", 5.0, "e", "i", connector={"probability": {"probability": 0.5, "seed": 1}}),
            sg.Projection("ii", 5.0, "i", "i", rank=2),
            sg.Projection("eo", 5.0, "e", "out"),
        ],
        readouts=[sg.Readout("choice", 2, voltages=["out"]), sg.Readout("rate", 1, filtered=[("e", 50.0)])],
    )
    assert (network.neurons, network.channels, network.outputs) == (11, 4, 3)
    assert network["ee.delay"].shape == (6,) and network["e.tau_v"].shape == (6,)
    pairs = network.connections("ei")
    assert pairs.shape == (len(network["ei.weight"]), 2) and network.connections("ee") is None
    assert network.readouts == {"readout": slice(0, 0), "choice": slice(0, 2), "rate": slice(2, 3)}
    assert network.populations["i"] == slice(6, 9)
    assert "rate.e.tau" in network and "nothing" not in network


@pytest.mark.parametrize(
    "spec, words",
    [
        ({"populations": [{"name": "a", "model": "LIFE", "size": 1}]}, "LIFE"),
        ({"populatons": []}, "unknown field `populatons`"),
        ({}, "there is no population"),
        ("inputs = two", "description of the network"),
        ({"inputs": float("nan")}, "not JSON compliant"),
    ],
)
def test_descriptions_of_nothing_are_refused_in_words(spec, words):
    with pytest.raises(ValueError, match=words):
        sg.Network(spec)


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="either a whole description or its parts"):
        sg.Network(TOML, inputs=3)
    with pytest.raises(TypeError, match="dtype"):
        sg.Network(TOML, dtype="int32")
    with pytest.raises(TypeError, match="give a dict"):
        sg.Network(3)
    with pytest.raises(FileNotFoundError):
        sg.Network("nowhere.toml")
    with pytest.raises(ValueError, match="both `pre` and `post`"):
        sg.Projection("a", 1.0, pre="x").to_dict()


def test_parameters_are_matrices_whose_rows_are_postsynaptic(dtype):
    network = make(dtype)
    state = network.state_dict()
    assert state["slow.weight"].shape == (8, 8) and state["fast.weight"].shape == (4, 4)
    assert state["input.weight"].shape == (8, 2) and state["readout.weight"].shape == (2, 8)
    assert all(values.dtype == dtype for values in state.values())
    # Column-major in the flat vector: the input weights of channel 0 come first.
    flat, network2 = network.flat(), make(dtype)
    assert np.array_equal(network.unflatten(flat)["input.weight"], state["input.weight"])
    weights = np.arange(16.0).reshape(8, 2)
    network2["input.weight"] = weights
    assert np.array_equal(network2["input.weight"], weights)
    at = [(a, b) for name, a, b in network2._core.ranges() if name == "input.weight"][0]
    assert np.array_equal(network2.flat()[at[0] : at[1]], weights.ravel(order="F"))
    # The presynaptic neuron is the column: channel 1 alone reaches neuron 2.
    network2["input.weight"] = 0.0
    weights = np.zeros((8, 2))
    weights[2, 1] = 1.0
    network2["input.weight"] = weights
    network2["slow.weight"] = 0.0
    network2["fast.weight"] = 0.0
    inputs = np.zeros((20, 2))
    base = network2.run(inputs).currents
    inputs[:, 1] = 0.5
    change = network2.run(inputs).currents - base
    assert np.allclose(change[:, 2], 0.5) and np.allclose(np.delete(change, 2, axis=1), 0.0)


def test_state_dicts_come_back_and_are_refused_by_name(dtype):
    network, other = make(dtype), make(dtype, seed=9)
    state = network.state_dict()
    assert not np.array_equal(other.flat(), network.flat())
    other.load_state_dict(state)
    assert np.array_equal(other.flat(), network.flat())
    # Copies: what is done to them changes nothing.
    state["slow.weight"][...] = 7.0
    assert np.array_equal(other.flat(), network.flat())
    before = other.flat()
    with pytest.raises(ValueError, match="missing: .*slow.tau.*unknown: nothing"):
        other.load_state_dict({"slow.weight": state["slow.weight"], "nothing": 1.0})
    with pytest.raises(ValueError, match=r"slow.weight: give an array of shape \(8, 8\)"):
        other.load_state_dict({"slow.weight": np.zeros((8, 7))}, strict=False)
    with pytest.raises(ValueError, match="not finite"):
        other["slow.weight"] = np.nan
    assert np.array_equal(other.flat(), before)
    other.load_state_dict({"slow.weight": np.zeros((8, 8)), "nothing": 1.0}, strict=False)
    assert not other["slow.weight"].any()
    with pytest.raises(ValueError, match="there is no parameter `slow.weigth`: choose one of .*slow.weight"):
        other["slow.weigth"]


def test_files_come_back_to_the_bit_and_other_programs_read_them(tmp_path, dtype):
    network = make(dtype)
    mask = np.ones((8, 8), bool)
    mask[0, 3] = False
    network.set_mask("slow.weight", mask)
    path = tmp_path / "network.safetensors"
    network.save(path)
    again = sg.Network.load(path, dtype=dtype)
    assert again.spec == network.spec and np.array_equal(again.flat(), network.flat())
    assert np.array_equal(again.mask("slow.weight"), mask) and again.mask("fast.weight") is None
    safetensors = pytest.importorskip("safetensors.numpy")
    held = safetensors.load_file(path)
    assert np.array_equal(held["slow.weight"], network["slow.weight"])
    with pytest.raises(FileNotFoundError, match="nothing"):
        sg.Network.load(tmp_path / "nothing")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError):
        sg.Network.load(path)


def test_copies_and_pickles_are_networks_of_their_own(dtype):
    network = make(dtype)
    for other in (network.copy(), copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert other.dtype == network.dtype and np.array_equal(other.flat(), network.flat())
        assert {n: p.trained for n, p in other.parameters().items()} == {n: p.trained for n, p in network.parameters().items()}
        other["slow.weight"] = 0.0
        assert network["slow.weight"].any()
    double = network.copy(dtype="float64")
    assert double.dtype == np.float64 and np.allclose(double.flat(), network.flat())


def test_what_is_frozen_or_masked_has_no_gradient():
    network = make()
    inputs, targets = drive(network), np.zeros((3, 80, 2))
    network.freeze("fast.weight", "lif.bias")
    frozen = np.zeros((8, 8), bool)
    frozen[:, 2] = True
    network.freeze_entries("slow.weight", frozen)
    gradient = network.gradient(inputs, targets, "squared-error").parameters
    assert not gradient["fast.weight"].any() and not gradient["lif.bias"].any() and not gradient["theta.bias"].any()
    assert not gradient["slow.weight"][:, 2].any() and gradient["slow.weight"].any()
    assert not network.parameters()["fast.weight"].trained
    with pytest.raises(ValueError, match="there is no parameter `nothing`"):
        network.freeze("nothing")
    with pytest.raises(ValueError, match="array of bool of shape"):
        network.set_mask("slow.weight", np.ones((8, 8)))


def test_parameters_out_of_their_domain_are_refused_or_projected():
    network = make()
    network["slow.tau"] = -1.0
    with pytest.raises(ValueError, match="slow"):
        network.validate()
    with pytest.raises(ValueError):
        network.run(drive(network))
    signed = sg.Network(
        populations=[sg.Population("e", "LIF", 4, sign="excitatory")], projections=[sg.Projection("slow", 20.0)]
    )
    signed["slow.weight"] = np.linspace(-1.0, 1.0, 16).reshape(4, 4)
    with pytest.raises(ValueError, match="slow.weight"):
        signed.validate()
    with pytest.raises(ValueError):
        signed.validate()
    signed.project()
    signed.validate()
    assert signed["slow.weight"].min() == 0.0 and signed["slow.weight"].max() == 1.0


def test_initialisation_depends_on_the_seed_alone():
    first, again, other = make(seed=1), make(seed=1), make(seed=2)
    assert np.array_equal(first.flat(), again.flat()) and not np.array_equal(first.flat(), other.flat())
    assert np.array_equal(make("float32", seed=1).flat(), first.flat().astype(np.float32))
