"""Networks, their runs, gradients and training."""

from __future__ import annotations

import copyreg
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import _spikegrad
from ._description import Loss, Population, Projection, Readout, Source, loss_json, plain, to_json
from ._trials import ArrayLike, Dataset, as_array, dataset

State = _spikegrad.State


def _state(text: str, double: bool) -> State:
    return State.from_json(text, double)


copyreg.pickle(State, lambda state: (_state, (state.to_json(), state.dtype == "float64")))

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def _dtype(given: Any) -> np.dtype:
    try:
        dtype = np.dtype(given)
    except TypeError:
        # torch.float32 and the like.
        dtype = np.dtype(str(given).rsplit(".", 1)[-1])
    if dtype not in _DTYPES:
        raise TypeError(f"dtype: spikegrad computes in float32 or float64, not {dtype}")
    return dtype


@dataclass(frozen=True)
class Parameter:
    """What a parameter is: its shape (row = postsynaptic), unit, domain, and whether it is trained."""

    name: str
    shape: Tuple[int, ...]
    unit: str
    domain: str
    trained: bool


@dataclass(frozen=True)
class Gradient:
    """The gradient of a batch.

    Attributes
    ----------
    cost : mean cost of the trials that stayed finite.
    parameters : derivatives of the mean cost by the parameters, by name, in the shapes of `Network.state_dict`; zero for what is not
        trained.
    costs : cost of each trial; NaN for one that did not stay finite, which is left out of the mean.
    failures : why trials have no cost, by their numbers.
    """

    cost: float
    parameters: Dict[str, np.ndarray]
    costs: np.ndarray
    failures: Dict[int, str]


@dataclass(frozen=True)
class Vjp:
    """Derivatives by everything that trials were given.

    Attributes
    ----------
    parameters : by name, in the shapes of `Network.state_dict`, summed over the trials.
    inputs : in the shape of the inputs.
    currents : by a current injected into each neuron, trials x samples x neurons.
    charges : by the charges of events, an array for each trial.
    """

    parameters: Dict[str, np.ndarray]
    inputs: np.ndarray
    currents: np.ndarray
    charges: List[np.ndarray]


@dataclass(frozen=True)
class Recording:
    """What a run recorded. What was not asked for is empty.

    Attributes
    ----------
    time : ends of the steps that are recorded, ms.
    outputs : steps x outputs.
    voltages : steps x neurons.
    currents : the current held over each step, steps x neurons.
    traces : of each projection, steps x presynaptic neurons.
    synaptic_currents : of each projection, steps x postsynaptic neurons.
    spike_times, spike_neurons, spike_counts : every spike with its time inside the step, ms; the count is 1 but for neurons that fire
        very often in one step.
    cost : of the trial, where a loss was given.
    events : how many spikes, grazing spikes, crossings of the active zone and crossings in too few steps there were.
    state : the state at the end, for another run to go on from.
    """

    time: np.ndarray
    outputs: np.ndarray
    voltages: np.ndarray
    currents: np.ndarray
    traces: Dict[str, np.ndarray]
    synaptic_currents: Dict[str, np.ndarray]
    spike_times: np.ndarray
    spike_neurons: np.ndarray
    spike_counts: np.ndarray
    cost: Optional[float]
    events: Dict[str, int]
    state: State

    def counts(self, neurons: int) -> np.ndarray:
        """How often each of so many neurons fired."""
        return np.bincount(self.spike_neurons, weights=self.spike_counts, minlength=neurons).astype(np.int64)


@dataclass(frozen=True)
class CheckReport:
    """What a gradient check found. It is true if the check passed, and prints as a table."""

    passed: bool
    text: str
    details: Dict[str, Any]

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class HealthReport:
    """What is known of a network and its data: ``findings`` say what to change, causes first. It prints as a report."""

    findings: Tuple[str, ...]
    text: str
    details: Dict[str, Any]

    def __str__(self) -> str:
        return self.text


class Tape:
    """The runs of a batch, to be gone back over as often as one likes by calling it with derivatives by the outputs."""

    def __init__(self, network: "Network", tape: Any, single: bool) -> None:
        self._network, self._tape, self._single = network, tape, single

    def flat(self, output_bar: ArrayLike) -> Tuple[np.ndarray, np.ndarray, np.ndarray, List[np.ndarray]]:
        """Derivatives by the flat vector of parameters, the inputs, the currents and the charges."""
        bar = as_array("output_bar", output_bar, self._network.dtype, (2, 3) if self._single else (3,))
        return self._tape.vjp(bar[None] if bar.ndim == 2 else bar)

    def __call__(self, output_bar: ArrayLike) -> Vjp:
        parameters, inputs, currents, charges = self.flat(output_bar)
        if self._single:
            inputs, currents = inputs[0], currents[0]
        return Vjp(self._network._unflatten(parameters), inputs, currents, charges)


class Network:
    """A network of spiking neurons with gated synapses, its parameters and their exact gradient.

    A network is made of a description: populations, projections, sources and readouts, each an object of these names or a dict of
    the same fields; or of a whole description as a dict, as TOML, or as the path of a ``.toml`` file.

    Parameters
    ----------
    spec : a description as a dict, TOML text, or the path of a ``.toml`` file (of a training: its table ``network``).
    populations, projections, sources, readouts : the parts of a description, instead of ``spec``.
    inputs, outputs : numbers of input channels and of outputs of the network's own readout.
    read_from : the projection whose traces the network's own readout reads; the first one unless said otherwise.
    frozen : names of groups that are not trained; all but weights, tonic currents and readouts unless said otherwise.
    dtype : ``"float32"`` or ``"float64"``, the numbers that it computes in.

    Weights, tonic currents and readouts are zero until they are set, loaded or drawn by `initialise`.
    """

    def __init__(
        self,
        spec: Union[str, os.PathLike, Mapping[str, Any], None] = None,
        *,
        populations: Sequence[Union[Population, Mapping[str, Any]]] = (),
        projections: Sequence[Union[Projection, Mapping[str, Any]]] = (),
        sources: Sequence[Union[Source, Mapping[str, Any]]] = (),
        readouts: Sequence[Union[Readout, Mapping[str, Any]]] = (),
        inputs: int = 0,
        outputs: int = 0,
        read_from: Optional[str] = None,
        frozen: Optional[Sequence[str]] = None,
        dtype: Any = "float64",
    ) -> None:
        double = _dtype(dtype) == np.float64
        parts = {"populations": populations, "projections": projections, "sources": sources, "readouts": readouts}
        described: Dict[str, Any] = {name: plain(list(part)) for name, part in parts.items() if part}
        numbers = {"inputs": inputs, "outputs": outputs}
        described.update({name: plain(number) for name, number in numbers.items() if number})
        if read_from is not None:
            described["read_from"] = read_from
        if frozen is not None:
            described["frozen"] = list(frozen)
        if spec is None:
            self._core = _spikegrad.Core(to_json(described, "the description of the network"), False, double)
            return
        if described:
            raise TypeError(f"give either a whole description or its parts, not both ({', '.join(described)})")
        if isinstance(spec, Mapping):
            self._core = _spikegrad.Core(to_json(spec, "the description of the network"), False, double)
        elif isinstance(spec, (str, os.PathLike)):
            self._core = _spikegrad.Core(_toml(spec), True, double)
        else:
            raise TypeError(f"spec: give a dict, TOML or the path of a .toml file, not {type(spec).__name__}")

    @classmethod
    def _of(cls, core: Any) -> "Network":
        network = cls.__new__(cls)
        network._core = core
        return network

    # Files

    @classmethod
    def load(cls, path: Union[str, os.PathLike], *, dtype: Any = "float64") -> "Network":
        """The network of a file that `save`, a training or the command `spikegrad` wrote, in numbers of ``dtype``."""
        return cls._of(_spikegrad.Core.load(Path(path), _dtype(dtype) == np.float64))

    def save(self, path: Union[str, os.PathLike]) -> None:
        """Writes the network to a file, whole or not at all: a safetensors file of the parameters with the description beside them."""
        self._core.save(Path(path))

    @classmethod
    def from_nir(
        cls, path: Union[str, os.PathLike], *, gate: str = "raised cosine", width: float = 0.3, dtype: Any = "float64"
    ) -> "Network":
        """The network of a file of the Neuromorphic Intermediate Representation, as `nir.write` makes them.

        Its neurons have hard spikes: here they get gates of this shape and width. What has no counterpart is refused by its name.
        """
        return cls._of(_spikegrad.Core.from_nir(Path(path).read_bytes(), gate, float(width), _dtype(dtype) == np.float64))

    def to_nir(self, path: Union[str, os.PathLike]) -> List[str]:
        """Writes the network as a graph of the Neuromorphic Intermediate Representation, which `nir.read` reads.

        Returns what the graph does not say, such as gates: a neuron of NIR has hard spikes. What NIR has no counterpart of is refused
        by its name.
        """
        written, notes = self._core.to_nir()
        Path(path).write_bytes(written)
        return notes

    def __getstate__(self) -> Dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            self.save(path)
            return {"file": path.read_bytes(), "dtype": self.dtype.name}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            path.write_bytes(state["file"])
            self._core = Network.load(path, dtype=state["dtype"])._core

    def copy(self, *, dtype: Any = None) -> "Network":
        """A network of its own with the same numbers, in the same type or another one."""
        double = (self.dtype if dtype is None else _dtype(dtype)) == np.float64
        return self._of(self._core.copy(double))

    # What it is

    @property
    def dtype(self) -> np.dtype:
        """The type of the numbers that it computes in."""
        return np.dtype(self._core.dtype)

    @property
    def neurons(self) -> int:
        """Number of neurons of all populations."""
        return self._core.neurons

    @property
    def inputs(self) -> int:
        """Number of input channels."""
        return self._core.inputs

    @property
    def outputs(self) -> int:
        """Number of outputs of all readouts."""
        return self._core.outputs

    @property
    def channels(self) -> int:
        """Number of channels of all event sources."""
        return self._core.channels

    @property
    def populations(self) -> Dict[str, slice]:
        """Each population's neurons among all."""
        return {name: slice(start, end) for name, start, end in self._core.populations()}

    @property
    def readouts(self) -> Dict[str, slice]:
        """Each readout's outputs among all; the network's own one is called ``readout``."""
        return {name: slice(start, end) for name, start, end in self._core.readouts()}

    @property
    def projections(self) -> List[str]:
        """Names of the projections."""
        return self._core.projections()

    def connections(self, projection: str) -> Optional[np.ndarray]:
        """The connections of a sparse projection in the order of its weights, S x 2, (post, pre); ``None`` for a matrix."""
        found = self._core.connections(projection)
        return None if found is None else np.array(found, dtype=np.int64).reshape(-1, 2)

    @property
    def spec(self) -> Dict[str, Any]:
        """The description, from which `Network` makes a network of the same structure."""
        return json.loads(self._core.spec())

    def parameters(self) -> Dict[str, Parameter]:
        """Every parameter under its name."""
        all_of_them = self._core.parameters()
        return {p[0]: Parameter(p[0], tuple(p[1]), p[2], p[3], p[4]) for p in all_of_them}

    def groups(self) -> Dict[str, List[str]]:
        """The groups that are trained and frozen together, each with the names of its parameters."""
        return dict(self._core.groups())

    def __repr__(self) -> str:
        populations = ", ".join(f"{name} ({s.stop - s.start})" for name, s in self.populations.items())
        return f"Network({populations}; {self.inputs} inputs, {self.outputs} outputs, {self.dtype.name})"

    # Parameters

    def _unflatten(self, flat: np.ndarray) -> Dict[str, np.ndarray]:
        """Parts of the flat vector by name, row = postsynaptic. They are views: the vector is column-major."""
        shapes = {name: shape for name, shape, *_ in self._core.parameters()}
        return {
            name: flat[start:end].reshape(shapes[name], order="F") for name, start, end in self._core.ranges()
        }

    def flat(self) -> np.ndarray:
        """All parameters in one vector, a copy; `unflatten` gives its parts their names."""
        return self._core.get(None)

    def unflatten(self, flat: ArrayLike) -> Dict[str, np.ndarray]:
        """The parameters of a flat vector by name, as views of it."""
        array = as_array("flat", flat, self.dtype, (1,))
        if len(array) != len(self.flat()):
            raise ValueError(f"flat: the network has {len(self.flat())} parameters, the array {len(array)}")
        return self._unflatten(array)

    def set_flat(self, values: ArrayLike) -> None:
        """Sets all parameters from one vector."""
        self._core.set(None, as_array("values", values, self.dtype, (1,)))

    def state_dict(self) -> Dict[str, np.ndarray]:
        """Every parameter under its name, copies: ``slow.weight`` (post x pre), ``hidden.bias``, ``hidden.tau_v``, ..."""
        return self._unflatten(self.flat())

    def load_state_dict(self, state: Mapping[str, ArrayLike], *, strict: bool = True) -> None:
        """Sets parameters by their names.

        With ``strict``, names that are missing or unknown are refused; otherwise those that are known are set. Nothing is set where
        anything is refused.
        """
        known = self.parameters()
        missing, unknown = [n for n in known if n not in state], [n for n in state if n not in known]
        if strict and (missing or unknown):
            words = [f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names]
            raise ValueError(f"the state dict does not fit the network; {'; '.join(words)}. Set what there is by strict=False")
        flat = self.flat()
        named = self._unflatten(flat)
        for name, values in state.items():
            if name in known:
                named[name][...] = self._shaped(name, values, named[name].shape)
        self.set_flat(flat)

    def _shaped(self, name: str, values: ArrayLike, shape: Tuple[int, ...]) -> np.ndarray:
        array = as_array(name, values, self.dtype, (0, 1, 2))
        if array.ndim and array.shape != shape:
            raise ValueError(f"{name}: give an array of shape {shape}, not {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: there is a number that is not finite: remove it")
        return array

    def __getitem__(self, name: str) -> np.ndarray:
        """A copy of the parameter of this name; an unknown one is refused with the list of the known ones."""
        values = self._core.get(name)
        return values.reshape(dict((p[0], p[1]) for p in self._core.parameters())[name], order="F")

    def __setitem__(self, name: str, values: ArrayLike) -> None:
        """Sets the parameter of this name, from an array of its shape or from a number for all entries."""
        now = self[name]
        now[...] = self._shaped(name, values, now.shape)
        self._core.set(name, np.ascontiguousarray(now.ravel(order="F")))

    def __contains__(self, name: object) -> bool:
        return name in self.parameters()

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters())

    def freeze(self, *names: str) -> None:
        """Leaves the groups of these parameters untrained; their gradient is zero."""
        self._core.train_groups(list(names), False)

    def unfreeze(self, *names: str) -> None:
        """Trains the groups of these parameters."""
        self._core.train_groups(list(names), True)

    def set_mask(self, name: str, exists: ArrayLike) -> None:
        """Restricts a matrix of weights to the entries for which ``exists`` is true; the others are zero and stay so."""
        self._core.set_mask(name, self._flags(name, exists))

    def freeze_entries(self, name: str, frozen: ArrayLike) -> None:
        """Leaves those entries of a parameter untrained for which ``frozen`` is true."""
        self._core.set_frozen_entries(name, self._flags(name, frozen))

    def _flags(self, name: str, flags: ArrayLike) -> List[bool]:
        shape = self[name].shape
        array = np.asarray(flags)
        if array.dtype != bool or array.shape != shape:
            raise ValueError(f"{name}: give an array of bool of shape {shape}, not one of {array.dtype} of shape {array.shape}")
        return array.ravel(order="F").tolist()

    def mask(self, name: str) -> Optional[np.ndarray]:
        """Which entries of a matrix of weights exist; ``None`` where all do."""
        found = self._core.mask(name)
        return None if found is None else np.array(found).reshape(self[name].shape, order="F")

    def initialise(
        self, seed: int = 1, *, rate: float = 10.0, spread: float = 0.1, gain: float = 0.1, input: float = 0.3,
        readout: float = 0.3, h: float = 0.1,
    ) -> "Network":
        """Draws weights, tonic currents and readouts; the same seed gives the same numbers on all machines.

        Parameters
        ----------
        rate : that each population fires at by its tonic current alone, Hz.
        spread : standard deviation of the tonic currents, as a part of them.
        gain : size of the recurrent currents, as a part of the tonic ones. Networks are below chaos at 0.1.
        input : the current that an input of 1 in every channel gives, as a part of the tonic one.
        readout : standard deviation of the readouts.
        h : step of the runs that look for the tonic currents, ms.
        """
        self._core.initialise(float(rate), float(spread), float(gain), float(input), float(readout), float(h), int(seed))
        return self

    def validate(self) -> None:
        """Refuses parameters out of their domains, such as a time constant that is not positive or a weight of the wrong sign."""
        self._core.validate()

    def project(self) -> None:
        """Puts weights back to the signs of their neurons, and thresholds, resets, gate widths and initial voltages to where they
        fit together: for optimisers that do not know of these domains, after their step."""
        self._core.project()

    # Runs

    def run(
        self,
        inputs: Any = None,
        *,
        h: Optional[float] = None,
        loss: Union[str, Mapping[str, Any], Loss, None] = None,
        targets: Optional[ArrayLike] = None,
        record: Union[str, Mapping[str, Any]] = "all",
        **trials: Any,
    ) -> Union[Recording, List[Recording]]:
        """Runs trials and records what they do.

        Parameters
        ----------
        inputs : trials x samples x channels, samples x channels for a single trial, or a `Dataset`.
        h : step, ms; the interval of the samples unless said otherwise.
        loss, targets : for the cost of each trial.
        record : ``"all"``, or a dict of what is recorded: ``outputs`` (bool), ``voltages``, ``currents``, ``spikes`` (``True``, the
            name of a population, or a list of neurons), ``traces``, ``synaptic_currents`` (``True`` or names of projections), and
            ``every``, the steps between two points.
        **trials : further arguments of `Dataset`.

        Returns
        -------
        A `Recording`, or a list of one for each trial if the inputs have an axis for trials.
        """
        data = dataset(inputs, targets, trials)
        made = data.trials(self)
        text = None if loss is None else loss_json(loss)
        found = self._core.run(made, self._step(h, data), text, self._probes(record))
        recordings = [Recording(**recording) for recording in found]
        return recordings[0] if data.single or data.inputs is None and len(recordings) == 1 else recordings

    @staticmethod
    def _step(h: Optional[float], data: Dataset) -> float:
        return data.interval if h is None else float(h)

    def _probes(self, record: Union[str, Mapping[str, Any]]) -> str:
        known = ("outputs", "voltages", "currents", "spikes", "traces", "synaptic_currents", "every")
        if record == "all":
            record = {name: True for name in known[:-1]}
        if not isinstance(record, Mapping):
            raise TypeError(f"record: give 'all' or a dict of {', '.join(known)}, not {record!r}")
        unknown = [name for name in record if name not in known]
        if unknown:
            raise ValueError(f"record: there is no {', '.join(map(repr, unknown))}: choose from {', '.join(known)}")

        def neurons(wanted: Any) -> List[int]:
            if wanted is True:
                return list(range(self.neurons))
            if wanted is False or wanted is None:
                return []
            if isinstance(wanted, str):
                if wanted not in self.populations:
                    raise ValueError(f"record: there is no population {wanted!r}: choose from {', '.join(self.populations)}")
                wanted = range(self.neurons)[self.populations[wanted]]
            return [int(neuron) for neuron in wanted]

        def names(wanted: Any) -> List[str]:
            if wanted is True:
                return self.projections
            return [] if not wanted else [wanted] if isinstance(wanted, str) else list(wanted)

        probes: Dict[str, Any] = {"outputs": bool(record.get("outputs", False)), "every": int(record.get("every", 1))}
        probes.update({name: neurons(record.get(name)) for name in known[1:4]})
        probes.update({name: names(record.get(name)) for name in known[4:6]})
        return json.dumps(probes)

    def predict(
        self, inputs: Any, loss: Union[str, Mapping[str, Any], Loss], *, h: Optional[float] = None, **trials: Any
    ) -> np.ndarray:
        """What the loss reads from each trial: the scores of classes or values, trials x outputs; outputs for a series."""
        data = dataset(inputs, None, trials)
        found = self._core.read(data.trials(self), self._step(h, data), loss_json(loss))
        return np.array(found) if len({len(one) for one in found}) <= 1 else np.array(found, dtype=object)

    def vjp(self, inputs: Any = None, *, h: Optional[float] = None, **trials: Any) -> Tuple[np.ndarray, Tape]:
        """Runs trials without a loss, and returns the outputs at the end of each sample and a tape.

        Calling the tape with derivatives of anything by the outputs gives those by all parameters, inputs, currents and charges. So
        any other program's loss may stand behind the network, and any layer before it. Several tapes may be alive.
        """
        data = dataset(inputs, None, trials)
        made = data.trials(self)
        outputs, tape = self._core.forward(made, self._step(h, data))
        return (outputs[0] if data.single else outputs), Tape(self, tape, data.single)

    def gradient(
        self,
        inputs: Any = None,
        targets: Optional[ArrayLike] = None,
        loss: Union[str, Mapping[str, Any], Loss, None] = None,
        *,
        h: Optional[float] = None,
        **trials: Any,
    ) -> Gradient:
        """The exact gradient of the mean cost of a batch.

        Parameters
        ----------
        inputs, targets : as `Dataset` has them, or a `Dataset` in place of both.
        loss : the name of a loss, a dict or a `Loss`.
        h : step, ms; the interval of the samples unless said otherwise.
        """
        data = dataset(inputs, targets, trials)
        cost, flat, costs = self._core.gradient(self._judged(data, loss), self._step(h, data), loss_json(_given(loss)))
        failures = {trial: why for trial, (_, why) in enumerate(costs) if why is not None}
        numbers = np.array([np.nan if cost is None else cost for cost, _ in costs])
        return Gradient(cost, self._unflatten(flat), numbers, failures)

    def _judged(self, data: Dataset, loss: Any) -> Any:
        """The trials, for a loss that may look at the neurons of a population."""
        described = json.loads(loss_json(_given(loss)))
        population = described.get("population")
        classes = None
        if described.get("score") in ("counts", "first-spike") and population in self.populations:
            neurons = self.populations[population]
            classes = neurons.stop - neurons.start
        return data.trials(self, classes)

    def check_gradient(
        self,
        inputs: Any = None,
        targets: Optional[ArrayLike] = None,
        loss: Union[str, Mapping[str, Any], Loss, None] = None,
        *,
        h: Optional[float] = None,
        directions: int = 8,
        discarded: float = 0.5,
        seed: int = 1,
        **trials: Any,
    ) -> CheckReport:
        """Compares the gradient with central differences, in double precision, along random directions of each group.

        ``discarded`` is the share of directions that may be left out because spikes come or go along them. The report prints as a table
        and is true if the check passed.
        """
        data = dataset(inputs, targets, trials)
        passed, text, details = self._core.check(
            self._judged(data, loss), self._step(h, data), loss_json(_given(loss)), int(directions), float(discarded), int(seed)
        )
        return CheckReport(passed, text, json.loads(details))

    # Training

    def suggested_rates(self, relative: float = 0.02) -> Dict[str, float]:
        """A learning rate for every group that is trained, as a part of the size of its numbers."""
        trained = {name for name, p in self.parameters().items() if p.trained}
        state, rates = self.state_dict(), {}
        for group, names in self.groups().items():
            values = np.concatenate([state[name].ravel() for name in names]) if names else np.zeros(0)
            size = float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0
            if size > 0.0 and trained.issuperset(names):
                rates[group] = relative * size
        return rates

    def _options(self, h: float, options: Mapping[str, Any]) -> str:
        rates = options.get("rates")
        rates = self.suggested_rates() if rates is None else rates
        return to_json({**options, "h": h, "rates": dict(rates)}, "the options of the training")

    def train(
        self,
        inputs: Any,
        targets: Optional[ArrayLike] = None,
        *,
        loss: Union[str, Mapping[str, Any], Loss],
        validation: Any = None,
        h: Optional[float] = None,
        epochs: float = 10.0,
        batch: int = 20,
        seed: int = 1,
        optimiser: str = "adam",
        rates: Optional[Mapping[str, float]] = None,
        last_rate: float = 0.1,
        clip: float = 0.9,
        short_crossings: float = 0.5,
        patience: Optional[int] = None,
        checkpoint: Union[str, os.PathLike, None] = None,
        progress: Optional[bool] = None,
        callback: Optional[Callable[[Dict[str, Any]], Any]] = None,
        **trials: Any,
    ) -> List[Dict[str, Any]]:
        """Trains the network on trials, and returns what every iteration did.

        Ctrl-C ends the training after the iteration that is running, and the network keeps what it has learned, as it does where a
        step is refused. The same network, options and seed give the same weights to the bit, on any number of threads.

        Parameters
        ----------
        inputs, targets : as `Dataset` has them; or a `Dataset`, or a pair, in place of both.
        loss : what is made small.
        validation : held-out trials, a `Dataset` or a pair: they are scored once an epoch, and the best network is kept.
        h : step, ms; the interval of the samples unless said otherwise.
        epochs : how often the training goes through the trials; may be broken.
        batch : trials in a batch.
        optimiser : ``"adam"``, ``"adam-w"``, ``"lion"`` or ``"sgd"``.
        rates : learning rates by names of groups or parameters. What is named is trained, and nothing else is; `suggested_rates` unless
            said otherwise.
        last_rate : the learning rates at the end, as a part of those at the start; they fall along half a cosine.
        clip : quantile of earlier norms at which each trial's gradient is clipped, group by group, readouts excepted; 1 clips nothing.
        short_crossings : share of crossings of the active zone that may take too few steps in the first batch.
        patience : training ends after so many epochs without a better validation.
        checkpoint : a file in which training is kept, and from which it goes on if the file is there.
        progress : whether a bar is shown; in terminals and notebooks unless said otherwise.
        callback : called after every iteration with a dict of what it did; training ends where it returns something true.
        """
        data = dataset(inputs, targets, trials)
        made = self._judged(data, loss)
        held_out = None
        if validation is not None:
            held = dataset(validation, None, {} if isinstance(validation, Dataset) else {"interval": data.interval})
            held_out = self._judged(held, loss)
        options = self._options(
            self._step(h, data),
            {
                "epochs": float(epochs), "batch": int(batch), "seed": int(seed), "optimiser": optimiser, "rates": rates,
                "last_rate": float(last_rate), "clip": float(clip), "short_crossings": float(short_crossings),
                "patience": patience, "checkpoint": None if checkpoint is None else os.path.abspath(os.fspath(checkpoint)),
            },
        )
        iterations = max(1, int(np.ceil(float(epochs) * len(made) / max(1, int(batch)))))
        with _Bar(iterations, progress) as bar:

            def watch(text: str) -> bool:
                done = json.loads(text)
                bar.show(done)
                return bool(callback(done)) if callback is not None else False

            wanted = bar.shown or callback is not None
            history = self._core.train(made, held_out, loss_json(loss), options, watch if wanted else None)
        return json.loads(history)

    def health(
        self,
        inputs: Any,
        targets: Optional[ArrayLike] = None,
        *,
        loss: Union[str, Mapping[str, Any], Loss],
        held_out: Any = None,
        h: Optional[float] = None,
        batch: int = 20,
        optimiser: str = "adam",
        rates: Optional[Mapping[str, float]] = None,
        clip: float = 0.9,
        epochs: float = 10.0,
        seed: int = 1,
        **trials: Any,
    ) -> HealthReport:
        """Why the network does not learn: runs some of the trials with their gradients, and says what to change."""
        data = dataset(inputs, targets, trials)
        made, held = self._judged(data, loss), None
        if held_out is not None:
            other = dataset(held_out, None, {} if isinstance(held_out, Dataset) else {"interval": data.interval})
            held = self._judged(other, loss)
        options = self._options(
            self._step(h, data),
            {
                "epochs": float(epochs), "batch": int(batch), "seed": int(seed), "optimiser": optimiser, "rates": rates,
                "last_rate": 1.0, "clip": float(clip), "short_crossings": 1.0, "patience": None, "checkpoint": None,
            },
        )
        text, findings, details = self._core.health(made, held, loss_json(loss), options)
        return HealthReport(tuple(findings), text, json.loads(details))


def _given(loss: Any) -> Any:
    if loss is None:
        raise TypeError("give a loss: a name such as 'cross-entropy', a dict or a `Loss`")
    return loss


def _toml(spec: Union[str, os.PathLike]) -> str:
    """The text of a description in TOML, or of the file that has it."""
    if isinstance(spec, str) and ("\n" in spec or "=" in spec):
        return spec
    return Path(spec).read_text(encoding="utf-8")


def _short(number: Optional[float]) -> str:
    """A number in few figures; JSON has none for NaN."""
    return "nan" if number is None else f"{number:.4g}"


class _Bar:
    """A bar that shows how far a training is, by tqdm where it is there, by a line of its own otherwise."""

    def __init__(self, total: int, shown: Optional[bool]) -> None:
        self.total, self._bar, self._line = total, None, False
        self.shown = self._is_seen() if shown is None else shown

    @staticmethod
    def _is_seen() -> bool:
        return "ipykernel" in sys.modules or bool(getattr(sys.stderr, "isatty", lambda: False)())

    def __enter__(self) -> "_Bar":
        if self.shown:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                self._line = True
            else:
                self._bar = tqdm(total=self.total, unit="it")
        return self

    def show(self, done: Mapping[str, Any]) -> None:
        if not self.shown:
            return
        words = f"cost {_short(done['cost'])}"
        if done.get("validation"):
            words += f", validation {_short(done['validation']['score'])}"
        at = done["iteration"] + 1
        if self._bar is not None:
            self._bar.update(at - self._bar.n)
            self._bar.set_postfix_str(words, refresh=False)
        elif self._line:
            sys.stderr.write(f"\r{at}/{self.total} {words}   ")
            sys.stderr.flush()

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line:
            sys.stderr.write("\n")
