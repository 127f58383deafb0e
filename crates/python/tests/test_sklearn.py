"""The estimators, by scikit-learn's own checks and on series."""

import pickle

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from spikegrad.sklearn import SpikingClassifier, SpikingRegressor

SMALL = {"n_neurons": 12, "epochs": 10, "batch_size": 16, "interval": 10.0, "h": 1.0, "random_state": 0, "learning_rate": 0.05}

# All of them pass but one that does not apply to series: the score of the regressor on a table one of whose columns decides. Its tag
# `poor_score` says so, and `test_numbers_are_predicted_one_or_several` has the score on series in its place.
@parametrize_with_checks([SpikingClassifier(**SMALL), SpikingRegressor(**SMALL)])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def series(cases=40, channels=2, points=25, classes=2, seed=0):
    """Sines whose frequency is the class, in noise: cases x channels x points."""
    rng = np.random.default_rng(seed)
    y = np.arange(cases) % classes
    phase = rng.uniform(0.0, 0.5, size=(cases, channels, 1))
    X = np.sin(2.0 * np.pi * ((1.0 + 2.0 * y)[:, None, None] * np.linspace(0.0, 1.0, points) + phase))
    return X + 0.1 * rng.normal(size=X.shape), y


def test_series_are_classified():
    X, y = series()
    names = np.array(["slow", "fast"])[y]
    classifier = SpikingClassifier(24, epochs=60, random_state=0, learning_rate=0.05).fit(X, names)
    assert list(classifier.classes_) == ["fast", "slow"]
    test, labels = series(seed=1)
    assert classifier.score(test, np.array(["slow", "fast"])[labels]) >= 0.9
    probabilities = classifier.predict_proba(test)
    assert probabilities.shape == (40, 2) and np.allclose(probabilities.sum(axis=1), 1.0)
    again = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(again.predict_proba(test), probabilities)
    assert classifier.history_[-1]["cost"] < classifier.history_[0]["cost"]


def test_series_of_unequal_lengths_are_those_that_are_cut():
    X, y = series()
    lengths = np.where(np.arange(40) % 3 == 0, 15, 25)
    cut = [case[:, :length] for case, length in zip(X, lengths)]
    classifier = SpikingClassifier(**SMALL).fit(cut, y)
    first = classifier.predict_proba(cut)
    # A series' neighbours do not change what is made of it.
    assert np.allclose(classifier.predict_proba([case[:, :15] for case in cut[:1]]), first[:1])
    with pytest.raises(ValueError, match="same number of channels"):
        classifier.predict([cut[0], cut[1][:1]])
    with pytest.raises(ValueError):
        classifier.predict(X[:, :1])


def test_numbers_are_predicted_one_or_several():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1, 20)).cumsum(axis=2) / 4.0
    y = 3.0 + X.mean(axis=(1, 2))
    regressor = SpikingRegressor(24, epochs=80, random_state=0, learning_rate=0.05).fit(X, y)
    assert regressor.predict(X).shape == (60,) and regressor.score(X, y) > 0.6
    both = SpikingRegressor(**SMALL).fit(X, np.stack([y, -y], axis=1))
    assert both.predict(X).shape == (60, 2)


def test_tools_of_scikit_learn_take_them():
    X, y = series()
    flat = X[:, 0]
    scores = cross_val_score(make_pipeline(SpikingClassifier(**SMALL)), flat, y, cv=2)
    assert scores.shape == (2,)
    search = GridSearchCV(SpikingClassifier(**{**SMALL, "epochs": 2}), {"n_neurons": [6, 8]}, cv=2).fit(X, y)
    assert search.best_params_["n_neurons"] in (6, 8)
    estimator = SpikingClassifier(7, optimiser="lion")
    assert clone(estimator).get_params()["optimiser"] == "lion" and estimator.set_params(h=2.0).h == 2.0


def test_a_network_of_ones_own_and_held_out_cases():
    from conftest import make

    X, y = series()
    network = make("float32")
    classifier = SpikingClassifier(network=network, epochs=3, interval=5.0, validation_fraction=0.25, random_state=0).fit(X, y)
    assert any(done["validation"] for done in classifier.history_)
    # Held-out cases may find nothing better than the start, which is then what comes back; without them the last parameters do.
    trained = SpikingClassifier(network=network, epochs=3, interval=5.0, random_state=0).fit(X, y)
    assert not np.array_equal(trained.network_["slow.weight"], network["slow.weight"])
    with pytest.raises(ValueError, match="the network has 2 inputs"):
        SpikingClassifier(network=network).fit(X[:, :1], y)
    with pytest.raises(ValueError, match="validation_fraction"):
        SpikingClassifier(validation_fraction=1.0).fit(X, y)
