"""The gated split step of the theta network in JAX: a jitted scan, reverse-mode automatic differentiation.

Form `late`: the gradients of the recurrent weights are not added up step by step, as differentiation of a scan does, but
taken as one product at the end, from the gradient of a current that is added at each step. It needs a trick by hand and
is the faster form for large networks.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from worker import DT, LAMBDA, PARAMETERS, TAU, TAU_F, TAU_V, WIDTH, arguments, load, serve

A, A_FAST = float(np.exp(-DT / TAU)), float(np.exp(-DT / TAU_F))


def charge(v):
    turns = jnp.floor(v)
    h = jnp.clip((v - turns - (1 - WIDTH)) / WIDTH, 0, 1)
    return turns + h - jnp.sin(2 * jnp.pi * h) / (2 * jnp.pi)


def cost(parameters, extra, x, target, v0, late):
    """The cost, and the activities of both synapses at the left end of each step if `late`."""
    w, wf = parameters["W"].T, parameters["Wf"].T
    if late:
        w, wf = lax.stop_gradient(w), lax.stop_gradient(wf)
    drive = x @ parameters["U"].T + parameters["b"] + extra

    def step(state, drive):
        v, g, s, sf = state
        current = s @ w + sf @ wf + drive
        c = jnp.cos(2 * jnp.pi * v)
        v = v + DT * ((1 + c) / TAU_V + (1 - c) * current)
        g, before = charge(v), g
        q = (g - before) / DT
        after = A * s + (1 - A) * q
        return (v, g, after, A_FAST * sf + (1 - A_FAST) * q), (after, (s, sf) if late else None)

    zero = jnp.zeros_like(v0)
    _, (s, activity) = lax.scan(step, (v0, charge(v0), zero, zero), drive)
    error = s @ parameters["O"].T - target
    return DT / v0.shape[0] * (0.5 * jnp.sum(error**2) + 0.5 * LAMBDA * jnp.sum(s**2)), activity


def gradient(parameters, x, target, v0):
    (value, _), grad = jax.value_and_grad(cost, has_aux=True)(parameters, 0.0, x, target, v0, False)
    return value, grad


def gradient_late(parameters, x, target, v0):
    extra = jnp.zeros(x.shape[:2] + v0.shape[1:], v0.dtype)
    differentiate = jax.value_and_grad(cost, argnums=(0, 1), has_aux=True)
    (value, (s, sf)), (grad, current) = differentiate(parameters, extra, x, target, v0, True)
    grad["W"], grad["Wf"] = (jnp.einsum("tbn,tbm->nm", current, activity) for activity in (s, sf))
    return value, grad


def main():
    args = arguments()
    jax.config.update("jax_enable_x64", args.dtype == "f64")
    data = {name: jnp.asarray(array) for name, array in load(args).items()}
    parameters = {name: data[name] for name in PARAMETERS}
    function = jax.jit(gradient_late if args.form == "late" else gradient)
    found = None

    def run():
        nonlocal found
        found = jax.block_until_ready(function(parameters, data["x"], data["target"], data["v0"]))

    def about():
        value, grad = found
        norms = {name: float(np.linalg.norm(np.asarray(array, np.float64))) for name, array in grad.items()}
        return {"cost": float(value), "grad_norms": norms}

    serve(run, about)


if __name__ == "__main__":
    main()
