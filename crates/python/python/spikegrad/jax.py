"""A spiking network as a function of JAX, with its exact gradient.

``spiking(network)`` returns ``apply(parameters, inputs)`` and the parameters to begin with. Under ``jax.grad``, ``jax.jit`` and
``jax.vmap`` it is a function like any other; forward mode and second derivatives are refused by JAX, as of any ``custom_vjp``.

A function of JAX has no state, so that the backward pass runs the trials again before it goes back over them.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ImportError("spikegrad.jax needs JAX: pip install jax") from error

from ._network import Network
from ._trials import Dataset

__all__ = ["spiking"]


def spiking(
    network: Network, *, h: Optional[float] = None, interval: float = 1.0
) -> Tuple[Callable[..., "jax.Array"], Dict[str, "jax.Array"]]:
    """The network as a function.

    Parameters
    ----------
    network : the network, which is copied. In float64, JAX must be told: ``jax.config.update("jax_enable_x64", True)``.
    h : step, ms; the interval unless said otherwise.
    interval : time between two samples of the inputs, ms.

    Returns
    -------
    ``apply(parameters, inputs)``, of a dict of arrays and inputs of the shape trials x samples x inputs or samples x inputs, which
    returns the outputs at the end of each sample; and the parameters that the network trains, by name.
    """
    held = network.copy()
    dtype = held.dtype
    if dtype == np.float64 and not jax.config.jax_enable_x64:
        raise TypeError('the network computes in float64, and JAX in float32: call jax.config.update("jax_enable_x64", True) before, '
                        'or copy the network by network.copy(dtype="float32")')
    interval = float(interval)
    step = interval if h is None else float(h)
    flat = held.flat()
    ranges = {name: (start, end) for name, start, end in held._core.ranges()}
    names = [name for name, p in held.parameters().items() if p.trained and ranges[name][1] > ranges[name][0]]
    start = {name: jnp.asarray(held[name]) for name in names}

    def run(parameters: Dict[str, Any], inputs: Any) -> Tuple[np.ndarray, Any]:
        """Any number of axes before samples and inputs is a batch: `vmap` adds them, to inputs or parameters."""
        values = flat.copy()
        for name in names:
            first, last = ranges[name]
            values[first:last] = np.asarray(parameters[name], dtype).ravel(order="F")
        inputs = np.ascontiguousarray(inputs, dtype)
        trials = Dataset(inputs.reshape(-1, *inputs.shape[-2:]), interval=interval).trials(held)
        return held._core.with_values(values).forward(trials, step)

    def forward(parameters: Dict[str, Any], inputs: Any) -> np.ndarray:
        outputs, _ = run(parameters, inputs)
        return outputs.reshape(*np.shape(inputs)[:-1], held.outputs)

    def backward(parameters: Dict[str, Any], inputs: Any, output_bar: Any) -> Tuple[Dict[str, np.ndarray], np.ndarray]:
        _, tape = run(parameters, inputs)
        bar = np.ascontiguousarray(output_bar, dtype)
        by_parameters, by_inputs, _, _ = tape.vjp(bar.reshape(-1, *bar.shape[-2:]), False)
        named = held._unflatten(by_parameters)
        return {name: np.ascontiguousarray(named[name]) for name in names}, by_inputs.reshape(np.shape(inputs))

    def shape(array: Any) -> "jax.ShapeDtypeStruct":
        return jax.ShapeDtypeStruct(jnp.shape(array), dtype)

    def check(parameters: Dict[str, Any], inputs: Any) -> None:
        if set(parameters) != set(names):
            raise ValueError(f"parameters: give {', '.join(names)}, not {', '.join(map(str, parameters))}")
        if jnp.ndim(inputs) not in (2, 3) or jnp.shape(inputs)[-1] != held.inputs:
            raise ValueError(f"inputs: give trials x samples x {held.inputs}, or samples x {held.inputs}, not {jnp.shape(inputs)}")
        for what, array in [("inputs", inputs), *parameters.items()]:
            if jnp.result_type(array) != dtype:
                raise TypeError(f"{what}: the array is of {jnp.result_type(array)}, the network computes in {dtype}")

    @jax.custom_vjp
    def apply(parameters: Dict[str, Any], inputs: Any) -> "jax.Array":
        check(parameters, inputs)
        result = jax.ShapeDtypeStruct((*jnp.shape(inputs)[:-1], held.outputs), dtype)
        return jax.pure_callback(forward, result, parameters, inputs, vmap_method="sequential")

    def apply_forward(parameters: Dict[str, Any], inputs: Any) -> Tuple["jax.Array", Tuple[Any, Any]]:
        return apply(parameters, inputs), (parameters, inputs)

    def apply_backward(kept: Tuple[Any, Any], output_bar: Any) -> Tuple[Dict[str, Any], Any]:
        parameters, inputs = kept
        result = ({name: shape(parameters[name]) for name in names}, shape(inputs))
        return jax.pure_callback(backward, result, parameters, inputs, output_bar, vmap_method="sequential")

    apply.defvjp(apply_forward, apply_backward)
    return apply, start
