"""The layer of PyTorch."""

import copy
import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import spikegrad as sg
from spikegrad.torch import Spiking

from conftest import drive, make


def layer(dtype="float64", **keywords):
    network = make(dtype, **keywords)
    return Spiking(network, h=0.5), torch.from_numpy(drive(network))


def test_gradcheck_passes():
    spiking, inputs = layer(neurons=4)
    inputs = inputs[:2, :30].clone().requires_grad_()
    parameters = [p.detach().clone().requires_grad_() for p in spiking.parameters()]
    names = [name for name, _ in spiking.named_parameters()]

    def run(inputs, *parameters):
        return torch.func.functional_call(spiking, dict(zip(names, parameters)), (inputs,))

    assert torch.autograd.gradcheck(run, (inputs, *parameters), eps=1e-6, atol=1e-5, rtol=1e-4)


def test_gradients_are_those_of_the_network_to_the_bit(dtype):
    spiking, inputs = layer(dtype)
    inputs.requires_grad_()
    outputs = spiking(inputs)
    bar = torch.from_numpy(np.random.default_rng(0).normal(size=outputs.shape).astype(dtype))
    outputs.backward(bar)
    expected, tape = make(dtype).vjp(inputs.detach().numpy(), h=0.5)
    expected_bar = tape(bar.numpy())
    assert np.array_equal(outputs.detach().numpy(), expected)
    assert np.array_equal(inputs.grad.numpy(), expected_bar.inputs)
    names = dict(spiking.named_parameters())
    assert set(names) == {name.replace(".", "__") for name, p in make().parameters().items() if p.trained}
    for name, parameter in names.items():
        assert np.array_equal(parameter.grad.numpy(), expected_bar.parameters[name.replace("__", ".")]), name
        assert parameter.grad.shape == parameter.shape


def test_currents_are_differentiable_as_inputs_are():
    spiking, inputs = layer(neurons=4)
    inputs = inputs[:1, :20]
    currents = torch.zeros(1, 20, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: spiking(inputs, currents=c), (currents,), eps=1e-6, atol=1e-5, rtol=1e-4)
    single = spiking(inputs[0], currents=currents[0])
    assert torch.equal(single, spiking(inputs, currents=currents)[0])


def test_a_model_with_a_spiking_layer_learns():
    torch.manual_seed(0)
    network = make("float32", inputs=4, outputs=4)
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), Spiking(network, h=0.5, interval=2.0), torch.nn.Linear(4, 2))
    labels = torch.arange(16) % 2
    inputs = 0.1 * torch.randn(16, 30, 2)
    inputs[torch.arange(16), :, labels] += 1.0
    optimiser = torch.optim.Adam(
        [{"params": [p], "lr": 1e-3 if "tau" in n else 2e-2} for n, p in model.named_parameters()]
    )
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(model(inputs).mean(dim=1), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
    trained = model[1].trained()
    assert np.array_equal(trained["slow.weight"], model[1].slow__weight.detach().numpy())
    assert not np.array_equal(trained["slow.weight"], network["slow.weight"])


def test_several_forward_passes_are_alive_at_once():
    spiking, inputs = layer()
    first, second = inputs.clone().requires_grad_(), (-inputs).requires_grad_()
    a, b = spiking(first), spiking(second)
    (a.sum() * 2.0 + b.sum()).backward()
    alone = inputs.clone().requires_grad_()
    spiking(alone).sum().mul(2.0).backward()
    assert torch.equal(first.grad, alone.grad) and second.grad.abs().sum() > 0
    outputs = spiking(alone)
    grads = [torch.autograd.grad(outputs.sum(), alone, retain_graph=True)[0] for _ in range(2)]
    assert torch.equal(*grads)
    # A second derivative is refused, not zero.
    (grad,) = torch.autograd.grad(spiking(alone).sum(), alone, create_graph=True)
    with pytest.raises(RuntimeError):
        grad.sum().backward()


def test_state_dicts_copies_and_files_of_torch_work(tmp_path):
    spiking, inputs = layer()
    other = Spiking(make(seed=8), h=0.5)
    assert not torch.equal(other(inputs), spiking(inputs))
    other.load_state_dict(spiking.state_dict())
    assert torch.equal(other(inputs), spiking(inputs))
    assert torch.equal(copy.deepcopy(spiking)(inputs), spiking(inputs))
    file = io.BytesIO()
    torch.save(spiking, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(inputs), spiking(inputs))
    with torch.no_grad():
        assert not spiking(inputs).requires_grad


def test_what_does_not_fit_is_refused():
    spiking, inputs = layer()
    with pytest.raises(TypeError, match="the network computes in torch.float64"):
        spiking(inputs.float())
    with pytest.raises(TypeError, match="on meta"):
        spiking(inputs.to("meta"))
    with pytest.raises(TypeError, match="give a tensor"):
        spiking(inputs.numpy())
    with pytest.raises(ValueError, match="2 channels, the array 3"):
        spiking(torch.zeros(2, 10, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="non-finite"):
        spiking(inputs * float("nan"))
    with pytest.raises(TypeError, match="spikegrad.Network"):
        Spiking(spiking)
    network = make()
    with pytest.raises(TypeError, match="requires a gradient"):
        network.run(inputs.requires_grad_())
    # A tensor without one is an array like any other.
    assert len(network.run(inputs.detach())) == 3


def test_projection_keeps_the_signs_of_neurons():
    network = sg.Network(
        populations=[sg.Population("e", "LIF", 4, sign="excitatory")], projections=[sg.Projection("slow", 20.0)]
    )
    spiking = Spiking(network)
    with torch.no_grad():
        spiking.slow__weight.fill_(-1.0)
    with pytest.raises(ValueError, match="slow.weight"):
        spiking.trained().validate()
    spiking.project_()
    assert float(spiking.slow__weight.detach().min()) == 0.0


def test_threads_of_torch_and_ours_do_not_wait_for_each_other():
    spiking, inputs = layer("float32")
    linear = torch.nn.Linear(2, 2)
    torch.set_num_threads(2)
    for _ in range(20):
        (linear(spiking(linear(inputs)))).sum().backward()
