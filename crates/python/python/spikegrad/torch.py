"""A spiking network as a layer of PyTorch, with its exact gradient.

>>> import torch, spikegrad
>>> from spikegrad.torch import Spiking
>>> network = spikegrad.Network(
...     populations=[spikegrad.Population("hidden", "LIF", 20)], projections=[spikegrad.Projection("slow", 20.0)],
...     inputs=4, outputs=2, dtype="float32").initialise(1)
>>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), Spiking(network), torch.nn.Linear(2, 2))
>>> model(torch.zeros(5, 100, 3)).shape
torch.Size([5, 100, 2])
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

try:
    import torch
except ImportError as error:
    raise ImportError("spikegrad.torch needs PyTorch: pip install torch") from error

from . import _spikegrad
from ._network import Network
from ._trials import Dataset

__all__ = ["Spiking"]


def _numpy(tensor: "torch.Tensor") -> np.ndarray:
    """The numbers of a tensor, without a copy where they lie one after the other in the host's memory."""
    return tensor.detach().contiguous().numpy()


class _Run(torch.autograd.Function):
    """A run of a network and its transpose. Every forward pass has a tape of its own, so that several may be alive."""

    @staticmethod
    def forward(ctx: Any, layer: "Spiking", settings: Dict[str, Any], inputs: "torch.Tensor", currents: Any, *parameters: Any) -> Any:
        flat = layer._flat.copy()
        for (start, end), tensor in zip(layer._ranges, parameters):
            # Column-major, as the network has them.
            flat[start:end] = _numpy(tensor.t() if tensor.ndim == 2 else tensor).ravel()
        core = layer.network._core.with_values(flat)
        data = Dataset(_numpy(inputs), currents=None if currents is None else _numpy(currents), **settings["trials"])
        trials = data.trials(layer.network)
        outputs, tape = core.forward(trials, settings["h"])
        ctx.tape, ctx.layer = tape, layer
        ctx.shapes = [tensor.shape for tensor in parameters]
        ctx.has_currents = currents is not None
        return torch.from_numpy(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output_bar: "torch.Tensor") -> Tuple[Any, ...]:
        by_currents = ctx.has_currents and ctx.needs_input_grad[3]
        flat, inputs, currents, _ = ctx.tape.vjp(np.ascontiguousarray(_numpy(output_bar)), by_currents)
        by_parameters: List[Optional[torch.Tensor]] = []
        for (start, end), shape, needed in zip(ctx.layer._ranges, ctx.shapes, ctx.needs_input_grad[4:]):
            bar = torch.from_numpy(flat[start:end].reshape(shape, order="F").copy()) if needed else None
            by_parameters.append(bar)
        by_inputs = torch.from_numpy(inputs) if ctx.needs_input_grad[2] else None
        return (None, None, by_inputs, torch.from_numpy(currents) if by_currents else None, *by_parameters)


class Spiking(torch.nn.Module):
    """A network of spiking neurons as a layer.

    What the network trains (`Network.unfreeze`, `Network.freeze`) are parameters of the module, in the shapes of
    `Network.state_dict`; a dot in a name becomes two underscores, as in ``slow__weight``. Everything else of the network stays as it
    is. Any optimiser and any loss of PyTorch may be used, and layers before and behind.

    Parameters
    ----------
    network : the network, which the layer copies; its dtype is that of the tensors.
    h : step, ms; the interval unless said otherwise.
    interval : time between two samples of the inputs, ms.

    Shapes
    ------
    inputs : trials x samples x inputs, or samples x inputs. Outputs are trials x samples x outputs: those at the end of each sample.
    """

    def __init__(self, network: Network, *, h: Optional[float] = None, interval: float = 1.0) -> None:
        super().__init__()
        if not isinstance(network, Network):
            raise TypeError(f"give a spikegrad.Network, not {type(network).__name__}")
        self.network = network.copy()
        self.interval = float(interval)
        self.h = self.interval if h is None else float(h)
        self._flat = self.network.flat()
        described, ranges = self.network.parameters(), {n: (a, b) for n, a, b in self.network._core.ranges()}
        self.names = [name for name, parameter in described.items() if parameter.trained and ranges[name][1] > ranges[name][0]]
        self._ranges = [ranges[name] for name in self.names]
        state = self.network.state_dict()
        for name in self.names:
            values = torch.from_numpy(np.array(state[name], order="C"))
            self.register_parameter(name.replace(".", "__"), torch.nn.Parameter(values))

    def extra_repr(self) -> str:
        return f"{self.network!r}, h={self.h}, interval={self.interval}"

    def _tensors(self) -> List["torch.Tensor"]:
        return [self._parameters[name.replace(".", "__")] for name in self.names]

    def forward(self, inputs: "torch.Tensor", *, currents: Optional["torch.Tensor"] = None, lengths: Any = None) -> "torch.Tensor":
        """The outputs at the end of each sample.

        ``currents``, trials x samples x neurons, are injected into each neuron and differentiable as the inputs are. ``lengths`` are the
        samples of each trial, where trials are shorter; their outputs behind it are zero.
        """
        dtype = torch.float64 if self.network.dtype == np.float64 else torch.float32
        tensors = self._tensors()
        for what, tensor in [("inputs", inputs), ("currents", currents), *zip(self.names, tensors)]:
            if tensor is None:
                continue
            if not isinstance(tensor, torch.Tensor):
                raise TypeError(f"{what}: give a tensor, not {type(tensor).__name__}")
            if tensor.device.type != "cpu":
                raise TypeError(f"{what}: the tensor is on {tensor.device}; spikegrad computes on the CPU: move it there by .cpu()")
            if tensor.dtype != dtype:
                raise TypeError(f"{what}: the tensor is of {tensor.dtype}, the network computes in {dtype}: convert the tensor, or "
                                f"copy the network by network.copy(dtype=...)")
        if inputs.ndim not in (2, 3):
            raise ValueError(f"inputs: give trials x samples x inputs, or samples x inputs, not {tuple(inputs.shape)}")
        single = inputs.ndim == 2
        if single:
            inputs = inputs[None]
            currents = currents[None] if currents is not None and currents.ndim == 2 else currents
        if lengths is not None:
            lengths = np.asarray(lengths)
        settings = {"h": self.h, "trials": {"interval": self.interval, "lengths": lengths}}
        outputs = _Run.apply(self, settings, inputs, currents, *tensors)
        return outputs[0] if single else outputs

    @torch.no_grad()
    def trained(self) -> Network:
        """A network with the parameters that the layer has now."""
        network = self.network.copy()
        for name, tensor in zip(self.names, self._tensors()):
            network[name] = _numpy(tensor)
        return network

    @torch.no_grad()
    def project_(self) -> "Spiking":
        """Puts parameters that an optimiser's step took out of their joint domains back, such as weights of the wrong sign: call it
        after the step. A time constant that is not positive is not helped; train such parameters by a small learning rate."""
        network = self.trained()
        network.project()
        for name, tensor in zip(self.names, self._tensors()):
            tensor.copy_(torch.from_numpy(np.array(network[name], order="C")))
        return self
