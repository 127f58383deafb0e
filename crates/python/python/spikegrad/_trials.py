"""Trials: what arrays say, checked and brought to the numbers of a network."""

from __future__ import annotations

import os
from typing import Any, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import _spikegrad

#: What NumPy can make an array of.
ArrayLike = Any


def as_array(what: str, given: ArrayLike, dtype: np.dtype, axes: Tuple[int, ...]) -> np.ndarray:
    """An array of real numbers with one of the numbers of axes, contiguous and of the type.

    Nothing is copied where the array is already so. Tensors of other libraries are taken where their memory is the host's.
    """
    if isinstance(given, np.ndarray):
        array = given
    else:
        if getattr(getattr(given, "device", None), "type", "cpu") not in ("cpu", "meta"):
            raise TypeError(f"{what}: the tensor is on {given.device}; spikegrad computes on the CPU: move it there by .cpu()")
        if getattr(given, "requires_grad", False):
            raise TypeError(f"{what}: the tensor requires a gradient, which would be lost; use spikegrad.torch, or .detach()")
        try:
            array = np.asarray(given)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{what}: no array can be made of it: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what}: give real numbers, not an array of {array.dtype}")
    if array.ndim not in axes:
        expected = " or ".join(str(n) for n in axes)
        raise ValueError(f"{what}: give an array with {expected} axes, not one of shape {array.shape}")
    # Not `ascontiguousarray`, which gives a single number an axis.
    return np.asarray(array, dtype=dtype, order="C")


def _classes(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels as probabilities: numbers of classes become rows with a 1."""
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"targets: class {bad} is not one of {classes}, which are counted from 0")
    probabilities = np.zeros((len(labels), classes))
    probabilities[np.arange(len(labels)), labels] = 1.0
    return probabilities


class Dataset:
    """Trials: inputs, and what a network is to make of them.

    Parameters
    ----------
    inputs : array, trials x samples x channels, or samples x channels for a single trial. Each value is held for ``interval`` ms.
        ``None`` for trials without input, whose number is then 1 and whose length ``samples`` says.
    targets : what the loss compares with. Whole numbers, one a trial, are classes, counted from 0. Floating-point numbers with one or
        two axes are values or the probabilities of classes, trials x outputs; with three axes a series, trials x samples x outputs.
    interval : time between two samples, ms.
    lengths : number of samples of each trial, where trials are shorter than the array.
    weights : weight of each sample in the loss, trials x samples or samples.
    currents : currents injected into each neuron, trials x samples x neurons.
    events : for each trial the charges that come from event sources: a pair of arrays (times in ms, channels) or a triple with charges,
        in order of time.
    target_spikes : for each trial a pair of arrays (times in ms, neurons), for losses that compare spike trains.
    initial : membrane states that trials start in, trials x variables (the voltages of all neurons, then the other variables).
    states : states in which earlier runs ended, one a trial, to go on from.
    scale : ``None`` for costs that are the mean over the time that has a weight; a number in ms that the integral is divided by.
    """

    def __init__(
        self,
        inputs: Optional[ArrayLike] = None,
        targets: Optional[ArrayLike] = None,
        *,
        interval: float = 1.0,
        samples: Optional[int] = None,
        lengths: Optional[ArrayLike] = None,
        weights: Optional[ArrayLike] = None,
        currents: Optional[ArrayLike] = None,
        events: Optional[Sequence[Sequence[ArrayLike]]] = None,
        target_spikes: Optional[Sequence[Sequence[ArrayLike]]] = None,
        initial: Optional[ArrayLike] = None,
        states: Optional[Sequence[Any]] = None,
        scale: Optional[float] = None,
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.interval = float(interval)
        self.samples = samples
        self.lengths = lengths
        self.weights = weights
        self.currents = currents
        self.events = events
        self.target_spikes = target_spikes
        self.initial = initial
        self.states = states
        self.scale = scale
        #: Whether the arrays are those of one trial, without an axis for trials.
        self.single = False

    @classmethod
    def from_npz(cls, path: Union[str, os.PathLike], *, interval: Optional[float] = None) -> "Dataset":
        """The trials of a file of arrays ``x``, ``y``, and where they are there ``lengths`` and ``interval``.

        The command `spikegrad` reads the same files. ``interval`` in ms takes the place of the file's, which is in s.
        """
        with np.load(path, allow_pickle=False) as arrays:
            if "x" not in arrays:
                raise ValueError(f"{os.fspath(path)} has no array `x`: give a file with trials x samples x channels under this name")
            held = {name: arrays[name] for name in ("y", "lengths", "interval") if name in arrays}
            x = arrays["x"]
        if interval is None:
            interval = float(held["interval"]) * 1000.0 if "interval" in held else 1.0
        return cls(x[:, :, None] if x.ndim == 2 else x, held.get("y"), interval=interval, lengths=held.get("lengths"))

    def subset(self, indices: ArrayLike) -> "Dataset":
        """The trials of these numbers, in this order."""
        indices = np.asarray(indices)
        if self.inputs is None or np.ndim(self.inputs) != 3:
            raise ValueError("a subset needs inputs of the shape trials x samples x channels")

        def rows(values: Any) -> Any:
            return None if values is None else np.asarray(values)[indices]

        def items(values: Any) -> Any:
            return None if values is None else [values[i] for i in np.arange(len(self))[indices]]

        weights = self.weights if self.weights is None or np.ndim(self.weights) == 1 else rows(self.weights)
        return Dataset(
            rows(self.inputs), rows(self.targets), interval=self.interval, lengths=rows(self.lengths), weights=weights,
            currents=rows(self.currents), events=items(self.events), target_spikes=items(self.target_spikes),
            initial=rows(self.initial), states=items(self.states), scale=self.scale,
        )

    def __len__(self) -> int:
        return 1 if self.inputs is None or np.ndim(self.inputs) != 3 else len(self.inputs)

    def trials(self, network: Any, classes: Optional[int] = None) -> "_spikegrad.Trials":
        """The trials in the numbers of a network; ``classes`` is the number of classes that whole numbers may be."""
        dtype = network.dtype
        if self.inputs is not None:
            inputs = as_array("inputs", self.inputs, dtype, (2, 3))
            if self.samples is not None and self.samples != inputs.shape[-2]:
                raise ValueError(f"samples = {self.samples}, but the inputs have {inputs.shape[-2]}: give one of them")
        else:
            like = self.currents if self.currents is not None else self.targets if np.ndim(self.targets) == 3 else None
            shape = (1, self.samples) if like is None else np.shape(like)[:-1]
            if None in shape:
                raise ValueError("give inputs, or `samples` for trials without any")
            inputs = np.zeros((*shape, network.inputs), dtype)
        self.single = inputs.ndim == 2
        if self.single:
            inputs = inputs[None]
        count, samples, channels = inputs.shape
        if channels != network.inputs:
            raise ValueError(f"inputs: the network has {network.inputs} channels, the array {channels}")
        if count == 0 or samples == 0:
            raise ValueError(f"inputs: give at least one trial and one sample, not an array of shape {inputs.shape}")

        def batch(what: str, given: ArrayLike, axes: int, kind: np.dtype = dtype) -> np.ndarray:
            """With an axis for trials; a single trial needs none."""
            array = as_array(what, given, kind, (axes - 1, axes) if self.single or what == "weights" else (axes,))
            if array.ndim == axes - 1:
                array = np.ascontiguousarray(np.broadcast_to(array, (count, *array.shape)))
            if array.shape[0] != count:
                raise ValueError(f"{what}: give one for each of {count} trials, not {array.shape[0]}")
            return array

        keywords: dict = {"scale": None if self.scale is None else float(self.scale)}
        if self.lengths is not None:
            lengths = np.atleast_1d(np.asarray(self.lengths))
            if lengths.dtype.kind not in "iu" or lengths.ndim != 1:
                raise TypeError("lengths: give whole numbers, one for each trial")
            if len(lengths) and lengths.min() < 1:
                raise ValueError(f"lengths: give numbers from 1 on, not {lengths.min()}")
            keywords["lengths"] = [int(length) for length in lengths]
        if self.weights is not None:
            keywords["weights"] = batch("weights", self.weights, 2)
        if self.currents is not None:
            keywords["currents"] = batch("currents", self.currents, 3)
            if keywords["currents"].shape[2] != network.neurons:
                raise ValueError(f"currents: the network has {network.neurons} neurons, the array {keywords['currents'].shape[2]}")
        if self.initial is not None:
            keywords["initial"] = batch("initial", self.initial, 2)
        if self.states is not None:
            states = self.states if isinstance(self.states, (list, tuple)) else [self.states]
            keywords["states"] = list(states)
        if self.events is not None:
            keywords["events"] = [
                self._events(trial, dtype) for trial in self._of_trials("events", self.events, count)
            ]
        if self.target_spikes is not None:
            keywords["target_spikes"] = [
                [(float(time), int(neuron)) for time, neuron in zip(*trial)]
                for trial in self._of_trials("target_spikes", self.target_spikes, count)
            ]
        if self.targets is not None:
            keywords.update(self._targets(dtype, count, samples, network.outputs if classes is None else classes))
        return _spikegrad.Trials(dtype == np.float64, self.interval, inputs, **keywords)

    def _of_trials(self, what: str, given: Sequence[Any], count: int) -> List[Any]:
        """One entry a trial; a single trial may give its own alone."""
        given = list(given)
        if self.single and len(given) in (2, 3) and np.ndim(given[0]) == 1 and not isinstance(given[0], (list, tuple)):
            given = [tuple(given)]
        if len(given) != count:
            raise ValueError(f"{what}: give one for each of {count} trials, not {len(given)}")
        return given

    @staticmethod
    def _events(trial: Sequence[ArrayLike], dtype: np.dtype) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        if len(trial) not in (2, 3):
            raise ValueError("events: give times and channels for each trial, or times, channels and charges")
        times = as_array("times of events", trial[0], np.dtype(np.float64), (1,))
        channels = np.asarray(trial[1])
        if channels.size and (channels.dtype.kind not in "iu" or channels.min() < 0):
            raise ValueError("channels of events: give whole numbers that are not negative")
        charges = np.ones(len(times)) if len(trial) == 2 else trial[2]
        return times, np.ascontiguousarray(channels, np.uint32), as_array("charges of events", charges, dtype, (1,))

    def _targets(self, dtype: np.dtype, count: int, samples: int, classes: int) -> dict:
        given = np.asarray(self.targets)
        if given.dtype.kind in "iu" and given.ndim <= 1:
            # Classes.
            array = as_array("targets", _classes(np.atleast_1d(given), classes), dtype, (2,))
        else:
            array = as_array("targets", given, dtype, (1, 2, 3))
            if self.single and array.ndim < 3 and not (array.ndim == 2 and len(array) == 1 != samples):
                # The series, or the values, of a single trial.
                array = array[None]
            elif array.ndim == 1:
                array = array[:, None]
        if len(array) != count:
            raise ValueError(f"targets: give one for each of {count} trials, not {len(array)}")
        if array.ndim == 3 and array.shape[1] != samples:
            raise ValueError(f"targets: the inputs have {samples} samples, the targets {array.shape[1]}")
        return {"targets": array} if array.ndim == 3 else {"labels": array}


def dataset(given: Any, targets: Any, keywords: dict) -> Dataset:
    """The trials of the arguments of a call: a `Dataset`, a pair of inputs and targets, or arrays."""
    if isinstance(given, Dataset):
        if targets is not None or keywords:
            extra = ", ".join(["targets"] * (targets is not None) + sorted(keywords))
            raise TypeError(f"a Dataset has all that belongs to its trials: leave {extra} out, or make another Dataset")
        return given
    if isinstance(given, tuple) and len(given) == 2 and targets is None:
        given, targets = given
    return Dataset(given, targets, **keywords)
