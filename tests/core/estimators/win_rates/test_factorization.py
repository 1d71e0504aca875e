import numpy as np
import pytest

from knnrouter.estimators.win_rates.battles import Battles
from knnrouter.estimators.win_rates.factorization import Recipe, factors

pytest.importorskip("torch", reason="the extra `train`")

BETAS, EPSILON = (0.9, 0.999), 1e-8  # Adam's, as Kingma and Ba 2015 give them


def recipe(**settings):
    defaults = {
        "dim": 5,
        "noise": 0.0,
        "epochs": 4,
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "batch": 1000,
    }
    return Recipe(**defaults | settings)


def some_battles(rng, *, rows, models, count):
    first = rng.integers(0, models - 1, count)
    return Battles(
        rows=rng.integers(0, rows, count),
        first=first,
        second=rng.integers(first + 1, models),
        outcomes=rng.choice([0.0, 0.5, 1.0], count),
        weights=rng.choice([1.0, 3.0], count),
    )


def none():
    return some_battles(np.random.default_rng(0), rows=1, models=2, count=0)


def deltas(found, vectors):
    """w · (v ∘ W q), a model and a query at a time; v has length 1."""
    return np.array(
        [
            [
                sum(found.head * (model / np.linalg.norm(model)) * (found.projection @ query))
                for model in found.models
            ]
            for query in vectors
        ]
    )


def test_directions_are_the_formula(twin):
    rng = np.random.default_rng(1)
    vectors = twin.unit(rng.normal(size=(9, 4)))
    battles = some_battles(rng, rows=9, models=3, count=20)
    found = factors(battles, vectors, 3, recipe(), held_out=none(), seed=2)
    np.testing.assert_allclose(vectors @ found.directions.T, deltas(found, vectors), atol=1e-5)


def slowly(start, battles, vectors, recipe):
    """Gradients written out, and Adam by hand, over all battles at once; double precision."""
    parts = [part.astype(float) for part in (start.models, start.projection, start.head)]
    means, squares = ([np.zeros_like(part) for part in parts] for _ in range(2))
    for step in range(1, recipe.epochs + 1):
        gradients = [np.zeros_like(part) for part in parts]
        models, projection, head = parts
        lengths = np.linalg.norm(models, axis=1)
        for place in range(len(battles)):
            one, other = battles.first[place], battles.second[place]
            query = vectors[battles.rows[place]].astype(float)
            gap = models[one] / lengths[one] - models[other] / lengths[other]
            inner = projection @ query
            rate = 1 / (1 + np.exp(-(head * gap) @ inner))
            share = battles.weights[place] / battles.weights.mean() / len(battles)
            push = share * (rate - battles.outcomes[place])
            gradients[2] += push * gap * inner
            gradients[1] += push * np.outer(head * gap, query)
            for model, sign in ((one, 1), (other, -1)):
                of_unit = sign * push * head * inner
                unit = models[model] / lengths[model]
                gradients[0][model] += (of_unit - unit * (unit @ of_unit)) / lengths[model]
        for part, gradient, mean, square in zip(parts, gradients, means, squares, strict=True):
            gradient += recipe.weight_decay * part
            mean += (1 - BETAS[0]) * (gradient - mean)
            square += (1 - BETAS[1]) * (gradient**2 - square)
            root = np.sqrt(square / (1 - BETAS[1] ** step)) + EPSILON
            part -= recipe.learning_rate * mean / (1 - BETAS[0] ** step) / root
    return parts


@pytest.mark.parametrize("seed", range(3))
def test_training_is_adam_on_the_cross_entropy(twin, seed):
    rng = np.random.default_rng(seed)
    vectors = twin.unit(rng.normal(size=(9, 4)))
    battles = some_battles(rng, rows=9, models=4, count=25)
    start = factors(battles, vectors, 4, recipe(epochs=0), held_out=none(), seed=seed)
    found = factors(battles, vectors, 4, recipe(), held_out=none(), seed=seed)
    expected = slowly(start, battles, vectors, recipe())
    for part, its in zip((found.models, found.projection, found.head), expected, strict=True):
        np.testing.assert_allclose(part, its, rtol=1e-3, atol=2e-5)
    assert np.abs(found.head - start.head).max() > 0.02


def test_the_start_is_torchs_own():
    start = factors(
        some_battles(np.random.default_rng(0), rows=1, models=2, count=1),
        np.ones((1, 400), np.float32),
        300,
        recipe(epochs=0, dim=100),
        held_out=none(),
        seed=0,
    )
    assert start.models.std() == pytest.approx(1.0, abs=0.02)
    assert np.abs(start.projection).max() == pytest.approx(0.05, abs=1e-3)  # 1 / sqrt(400)
    assert np.abs(start.head).max() == pytest.approx(0.1, abs=0.01)  # 1 / sqrt(100)
    for part in (start.projection, start.head):
        assert abs(part.mean()) < 0.01


def test_the_epoch_that_does_best_on_others_is_taken(twin):
    """Trained on nonsense, the battles held out are lost from the start."""
    rng = np.random.default_rng(3)
    vectors = twin.unit(rng.normal(size=(40, 6)))
    battles = some_battles(rng, rows=40, models=2, count=60)
    fields = {name: getattr(battles, name) for name in ("rows", "first", "second", "weights")}
    against = Battles(**fields, outcomes=1.0 - battles.outcomes)
    steps = recipe(epochs=6, learning_rate=0.05, weight_decay=0.0)
    found = factors(battles, vectors, 2, steps, held_out=against, seed=1)
    assert len(found.losses) == 6
    best = int(np.argmin(found.losses))
    assert best < 5
    fewer = recipe(epochs=best + 1, learning_rate=0.05, weight_decay=0.0)
    upto = factors(battles, vectors, 2, fewer, held_out=against, seed=1)
    np.testing.assert_array_equal(found.directions, upto.directions)
    last = factors(battles, vectors, 2, steps, held_out=none(), seed=1)
    assert last.losses == ()
    assert not np.array_equal(found.directions, last.directions)


def test_the_loss_held_out_is_the_cross_entropy(twin):
    rng = np.random.default_rng(4)
    vectors = twin.unit(rng.normal(size=(12, 3)))
    battles = some_battles(rng, rows=12, models=3, count=30)
    others = some_battles(rng, rows=12, models=3, count=10)
    found = factors(battles, vectors, 3, recipe(epochs=1), held_out=others, seed=0)
    deltas = vectors @ found.directions.T
    gaps = deltas[others.rows, others.first] - deltas[others.rows, others.second]
    rates = 1 / (1 + np.exp(-gaps))
    said = others.outcomes * np.log(rates) + (1 - others.outcomes) * np.log(1 - rates)
    assert found.losses[0] == pytest.approx(-np.average(said, weights=others.weights), rel=1e-5)


def test_noise_and_order_are_drawn_from_the_seed(twin):
    rng = np.random.default_rng(5)
    vectors = twin.unit(rng.normal(size=(20, 4)))
    battles = some_battles(rng, rows=20, models=3, count=50)
    noisy = recipe(noise=0.3, batch=8)

    def found(seed, recipe):
        return factors(battles, vectors, 3, recipe, held_out=none(), seed=seed).directions

    np.testing.assert_array_equal(found(1, noisy), found(1, noisy))
    assert not np.array_equal(found(1, noisy), found(2, noisy))
    assert not np.array_equal(found(1, noisy), found(1, recipe(batch=8)))
