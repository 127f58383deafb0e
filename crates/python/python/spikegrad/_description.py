"""Networks as they are described before there is one: populations, projections, sources and readouts by the field's names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import _spikegrad


def models() -> Dict[str, Dict[str, float]]:
    """Every neuron model by its name, with the parameters that it begins with, in the model's units."""
    return {name: parameters for name, (parameters, _) in _spikegrad.models().items()}


def _filled(value: Any) -> Dict[str, Any]:
    """The fields of a dataclass that were given."""
    return {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) is not None}


@dataclass
class Population:
    """Neurons of one model.

    Parameters
    ----------
    name : what projections and readouts call it.
    model : the neuron model, such as ``"LIF"``, ``"theta"``, ``"NIF"``, ``"AdEx"``, ``"Izhikevich"``, ``"Hodgkin-Huxley"``,
        ``"leaky integrator"``. An unknown name is refused with the list of the known ones.
    size : number of neurons.
    gate : shape of the gate (``"box"``, ``"triangular"``, ``"raised cosine"``), or a dict of ``shape`` and ``width``; ``None`` for
        neurons that never spike.
    width : width of the active zone below threshold, in the unit of the voltage.
    parameters : the model's parameters by name (ms for time constants), those of `models` unless said otherwise.
    per_neuron : whether every neuron has parameters of its own.
    sign : ``"excitatory"`` or ``"inhibitory"`` for neurons that obey Dale's law.
    rest : the state that neurons start in, by the names of its variables.
    """

    name: str
    model: str = "LIF"
    size: int = 1
    gate: Union[str, Mapping[str, Any], None] = "raised cosine"
    width: float = 0.3
    parameters: Optional[Mapping[str, float]] = None
    per_neuron: bool = False
    sign: Optional[str] = None
    rest: Optional[Mapping[str, float]] = None

    def to_dict(self) -> Dict[str, Any]:
        described = _filled(self)
        described.pop("width")
        described.pop("gate", None)
        defaults, spikes = _spikegrad.models().get(self.model, ({}, True))
        if self.gate is not None and spikes:
            described["gate"] = (
                {"shape": self.gate, "width": self.width} if isinstance(self.gate, str) else dict(self.gate)
            )
        described["parameters"] = {**defaults, **(self.parameters or {})}
        return described


@dataclass
class Projection:
    """Synapses of one kind from the neurons of a population, or of all, to those of a population, or of all.

    Parameters
    ----------
    name : the projection's name; its weights are the parameter ``NAME.weight``, post x pre.
    tau : time constant, ms.
    pre, post : the populations (or, for ``pre``, the source) that it connects; both ``None`` for all neurons.
    kinetics : ``"exponential"``, ``"alpha"`` or ``"difference of exponentials"``.
    parameters : further parameters of the synapses by name, such as ``tau_rise``.
    short_term : ``"depression"`` or ``"Tsodyks-Markram"``.
    receptor : ``"conductance"`` or ``"NMDA"``.
    delay : delay in ms, of the presynaptic neurons' axons; or a dict ``{"connection": ms}`` for delays of single connections.
    rank : rank of the weights, for weights that are a product of two factors.
    autapses : whether neurons connect to themselves.
    connector : ``"all_to_all"``, ``"one_to_one"``, ``{"probability": {"probability": p, "seed": s}}``,
        ``{"in_degree": {"degree": k, "seed": s}}`` or ``{"pairs": [(post, pre), ...]}``.
    tau_per_neuron : whether every presynaptic neuron has a time constant of its own.
    """

    name: str
    tau: float
    pre: Optional[str] = None
    post: Optional[str] = None
    kinetics: Optional[str] = None
    parameters: Optional[Mapping[str, float]] = None
    short_term: Optional[str] = None
    receptor: Optional[str] = None
    delay: Union[float, Mapping[str, float], None] = None
    rank: Optional[int] = None
    autapses: bool = True
    connector: Union[str, Mapping[str, Any], None] = None
    tau_per_neuron: bool = False

    def to_dict(self) -> Dict[str, Any]:
        described = _filled(self)
        pre, post = described.pop("pre", None), described.pop("post", None)
        if (pre is None) != (post is None):
            raise ValueError(f"projection {self.name}: give both `pre` and `post`, or none of them for all neurons")
        if pre is not None:
            described["between"] = {"pre": pre, "post": post}
        if "delay" in described and not isinstance(self.delay, Mapping):
            described["delay"] = {"axonal": self.delay}
        return described


@dataclass
class Source:
    """Channels of spikes that come from outside, ``channels`` of them. Projections come from a source as from a population."""

    name: str
    channels: int

    def to_dict(self) -> Dict[str, Any]:
        return _filled(self)


@dataclass
class Readout:
    """Outputs with a name: weighted sums of the traces of projections, of traces of their own, or of voltages.

    Parameters
    ----------
    name : the readout's name; its weights are the parameter ``NAME.weight``, outputs x what is read.
    outputs : number of outputs.
    traces : names of projections whose traces are read.
    filtered : pairs of a population (or source) and a time constant in ms.
    voltages : names of populations whose voltages are read, of neurons without a reset.
    """

    name: str
    outputs: int
    traces: Sequence[str] = ()
    filtered: Sequence[Tuple[str, float]] = ()
    voltages: Sequence[str] = ()

    def to_dict(self) -> Dict[str, Any]:
        read: List[Dict[str, Any]] = [{"traces": name} for name in self.traces]
        read += [{"filtered": {"population": name, "tau": tau}} for name, tau in self.filtered]
        read += [{"voltages": name} for name in self.voltages]
        return {"name": self.name, "outputs": self.outputs, "from": read}


@dataclass
class Loss:
    """What training makes small, by the names that the settings of the command `spikegrad` have.

    Parameters
    ----------
    kind : ``"cross-entropy"`` for classes, ``"squared-error"`` for a series or for values, ``"van-rossum"`` for spike trains.
    score : what a class or a value is read from: ``"mean"``, ``"last"`` or ``"maximum"`` of its output over time, ``"counts"`` or
        ``"first-spike"`` of the neurons of ``population``.
    population : the neurons that are classes or spike trains.
    label_smoothing : the part of a label's probability that is spread over all classes.
    activity : weight of the mean square of the traces that are read.
    time_constant : of the distance of spike trains, or the unit of times to first spikes, ms.
    rates : a dict of ``weight``, ``low`` and ``high``: a penalty on rates outside a band, Hz.
    """

    kind: str
    score: str = "mean"
    population: Optional[str] = None
    label_smoothing: float = 0.0
    activity: float = 0.0
    time_constant: float = 10.0
    rates: Optional[Mapping[str, float]] = None

    def to_dict(self) -> Dict[str, Any]:
        return _filled(self)


def plain(value: Any) -> Any:
    """What JSON writes of a description: numbers of NumPy, mappings, sequences and the classes above become plain values."""
    if hasattr(value, "to_dict"):
        return plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def to_json(value: Any, what: str) -> str:
    """JSON of a description; Infinity and NaN are refused, which JSON does not have."""
    try:
        return json.dumps(plain(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from None


def loss_json(loss: Union[str, Mapping[str, Any], Loss]) -> str:
    """JSON of a loss that is a name, a mapping or a `Loss`."""
    if isinstance(loss, str):
        loss = {"kind": loss}
    if not isinstance(loss, (Mapping, Loss)):
        raise TypeError(f"loss: give a name, a dict or a `Loss`, not {type(loss).__name__}")
    return to_json(loss, "loss")
