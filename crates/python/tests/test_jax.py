"""The function of JAX."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp

from spikegrad.jax import spiking

from conftest import drive, make


def test_gradients_are_those_of_the_network_to_the_bit(dtype):
    network = make(dtype)
    apply, parameters = spiking(network, h=0.5)
    inputs = drive(network)
    outputs, back = jax.vjp(apply, parameters, jnp.asarray(inputs))
    bar = np.random.default_rng(0).normal(size=outputs.shape).astype(dtype)
    by_parameters, by_inputs = back(jnp.asarray(bar))
    expected, tape = network.vjp(inputs, h=0.5)
    expected_bar = tape(bar)
    assert outputs.dtype == dtype and np.array_equal(outputs, expected)
    assert np.array_equal(by_inputs, expected_bar.inputs)
    assert set(by_parameters) == {name for name, p in network.parameters().items() if p.trained}
    for name, values in by_parameters.items():
        assert np.array_equal(values, expected_bar.parameters[name]), name


def test_numerical_derivatives_agree():
    network = make(neurons=4)
    apply, parameters = spiking(network, h=0.5)
    inputs = jnp.asarray(drive(network)[:2, :30])

    def cost(parameters, inputs):
        return jnp.sum(jnp.sin(apply(parameters, jnp.tanh(inputs))))

    jax.test_util = pytest.importorskip("jax.test_util")
    jax.test_util.check_grads(cost, (parameters, inputs), order=1, modes=["rev"], eps=1e-6, atol=1e-5, rtol=1e-4)


def test_it_may_be_compiled_and_mapped():
    network = make()
    apply, parameters = spiking(network, h=0.5)
    inputs = jnp.asarray(drive(network))
    assert np.array_equal(jax.jit(apply)(parameters, inputs), apply(parameters, inputs))
    assert np.array_equal(jax.vmap(apply, (None, 0))(parameters, inputs), apply(parameters, inputs))
    gradient = jax.jit(jax.grad(lambda p, x: apply(p, x).sum()))(parameters, inputs)
    plain = jax.grad(lambda p, x: apply(p, x).sum())(parameters, inputs)
    assert all(np.array_equal(gradient[name], plain[name]) for name in plain)
    # A gradient for each trial.
    each = jax.vmap(jax.grad(lambda p, x: apply(p, x).sum()), (None, 0))(parameters, inputs)
    assert each["slow.weight"].shape == (3, 8, 8)
    assert np.allclose(each["slow.weight"].sum(axis=0), plain["slow.weight"])


def test_what_does_not_fit_is_refused():
    network = make()
    apply, parameters = spiking(network)
    inputs = jnp.asarray(drive(network))
    with pytest.raises(TypeError, match="computes in float64"):
        apply(parameters, inputs.astype(jnp.float32))
    with pytest.raises(ValueError, match="inputs: give trials"):
        apply(parameters, inputs[:, :, :1])
    with pytest.raises(ValueError, match="parameters: give"):
        apply({}, inputs)
