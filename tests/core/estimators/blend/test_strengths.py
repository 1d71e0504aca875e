"""The ridge regression with strengths of blocks, against the likelihood that they maximize."""

import numpy as np
import pytest

from knnrouter.estimators.blend.strengths import Products, block_variances, penalties


def drawn(rng, *, n=200, sizes=(3, 4), spread=(1.0, 0.2), targets=2):
    x = rng.normal(size=(n, sum(sizes)))
    scale = np.repeat(spread, sizes)[:, None]
    y = x @ (scale * rng.normal(size=(sum(sizes), targets))) + rng.normal(size=(n, targets))
    return x, y


def products(x, y):
    return Products(gram=x.T @ x, cross=x.T @ y, squares=(y**2).sum(axis=0), rows=len(x))


def log_likelihood(x, y, variances, sizes):
    """Of the targets, the noise of each at its best: with K the covariance in units of it."""
    covariance = np.eye(len(x)) + x * np.repeat(variances, sizes) @ x.T
    _, log_det = np.linalg.slogdet(covariance)
    quadratic = np.einsum("nt,nt->t", y, np.linalg.solve(covariance, y))
    n = len(x)
    return float((-0.5 * (n * np.log(quadratic / n) + log_det)).sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_has_its_top_there(seed):
    sizes = (3, 4)
    x, y = drawn(np.random.default_rng(seed), sizes=sizes)
    found = np.array(block_variances(products(x, y), sizes))
    top = log_likelihood(x, y, found, sizes)
    for step in ([1.5, 1], [1 / 1.5, 1], [1, 1.5], [1, 1 / 1.5]):
        assert log_likelihood(x, y, found * step, sizes) < top + 0.05


def test_a_block_of_noise_falls_silent():
    rng = np.random.default_rng(7)
    x, y = drawn(rng, n=500, sizes=(2, 30), spread=(1.0, 0.0))
    said, silent = block_variances(products(x, y), (2, 30))
    assert said > 0.1
    assert silent < 0.005


def test_ridge_as_in_scikit_learn():
    from sklearn.linear_model import Ridge

    x, y = drawn(np.random.default_rng(3))
    found = products(x, y).solved(np.full(7, 2.5))
    wanted = Ridge(alpha=2.5, fit_intercept=False).fit(x, y).coef_.T
    np.testing.assert_allclose(found, wanted)


def test_noise_is_the_likeliest():
    x, y = drawn(np.random.default_rng(4))
    sums = products(x, y)
    variances = [0.5, 0.1]
    covariance = np.eye(len(x)) + x * np.repeat(variances, (3, 4)) @ x.T
    wanted = np.einsum("nt,nt->t", y, np.linalg.solve(covariance, y)) / len(x)
    found = sums.noise(sums.solved(penalties(variances, (3, 4))))
    np.testing.assert_allclose(found, wanted)


def test_a_variance_that_is_stated_stays():
    x, y = drawn(np.random.default_rng(6))
    found = block_variances(products(x, y), (3, 4), first=0.05)
    assert found[0] == 0.05
    top = log_likelihood(x, y, np.array(found), (3, 4))
    for step in (1.5, 1 / 1.5):
        assert log_likelihood(x, y, np.array([0.05, found[1] * step]), (3, 4)) < top + 0.05
