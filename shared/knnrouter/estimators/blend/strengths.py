"""How much each block of features may say: ridge regression whose strengths the data choose.

The model is Bayesian linear regression: targets y_j = X w_j + noise of variance s_j, with the
weights of block b drawn with variance s_j v_b. The v_b, which all targets share, are those under
which the data are likeliest. They are found by MacKay's fixed point (1992, "Bayesian
interpolation", section 4): a block's variance is the mean square of its weights over the number of
them that the data determine. A block that says nothing is shrunk to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Products", "block_variances", "penalties"]

Floats = NDArray[np.float64]

_ROUNDS = 50
_CLOSE = 0.02
"""Variances that change by less than this part are settled."""

_LEAST, _MOST = 1e-12, 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class Products:
    """Weighted sums over rows: all that the regression needs of them."""

    gram: Floats
    """X' X; shape (p, p)."""

    cross: Floats
    """X' Y; shape (p, t)."""

    squares: Floats
    """The sum of squares of each target; shape (t,)."""

    rows: float
    """How many rows there are."""

    def solved(self, penalty: Floats) -> Floats:
        """The weights of each target under a ridge penalty of each feature; shape (p, t)."""
        weights = np.linalg.solve(self.gram + np.diag(penalty), self.cross)
        return np.asarray(weights, dtype=np.float64)

    def noise(self, weights: Floats) -> Floats:
        """The variance of each target's noise, at its likeliest under these weights' penalty.

        That is y' K⁻¹ y / n, with K = 1 + X V X' the targets' covariance in units of the noise, and
        y' K⁻¹ y = y' y - y' X w. Shape (t,), above 0.
        """
        left = self.squares - (self.cross * weights).sum(axis=0)
        return np.asarray(np.maximum(left, 1e-12) / max(self.rows, 1.0))


def penalties(variances: Sequence[float], sizes: Sequence[int]) -> Floats:
    """The ridge penalty of each feature; shape (p,).

    Example:
        >>> penalties([0.5, 0.1], [1, 2]).tolist()
        [2.0, 10.0, 10.0]
    """
    return np.repeat(1.0 / np.asarray(variances, dtype=np.float64), sizes)


def block_variances(
    products: Products, sizes: Sequence[int], *, first: float | None = None
) -> list[float]:
    """The variance of the weights of each block, in units of the noise's.

    Args:
        products: Of `p` features in blocks, and `t` targets.
        sizes: How many features each block has; they add up to `p`.
        first: The variance of the first block, where it is not to be chosen.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(1000, 2))
        >>> y = x[:, :1] * 3 + rng.normal(size=(1000, 1))
        >>> found = Products(gram=x.T @ x, cross=x.T @ y, squares=(y**2).sum(axis=0), rows=1000)
        >>> said, silent = block_variances(found, [1, 1])
        >>> said > 1, silent < 0.01
        (True, True)
    """
    ends = np.cumsum(sizes)
    blocks = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    diagonal = np.diag(products.gram)
    variances = [0.01 * products.rows / max(float(diagonal[each].sum()), 1e-9) for each in blocks]
    fixed = 0 if first is None else 1
    variances[:fixed] = [] if first is None else [first]
    for _ in range(_ROUNDS):
        inverse = np.linalg.inv(products.gram + np.diag(penalties(variances, sizes)))
        weights = inverse @ products.cross
        noise = products.noise(weights)
        found = [
            _settled(weights[block], noise, np.diag(inverse)[block], variance)
            for block, variance in zip(blocks[fixed:], variances[fixed:], strict=True)
        ]
        change = np.abs(np.log(np.divide(found, variances[fixed:])))
        variances[fixed:] = found
        if (change < _CLOSE).all():
            break
    return variances


def _settled(weights: Floats, noise: Floats, diagonal: Floats, variance: float) -> float:
    """One step of the fixed point for one block."""
    determined = max(len(weights) - float(diagonal.sum()) / variance, 1e-6)
    square = float(((weights**2) / noise).sum()) / weights.shape[1]
    return float(np.clip(square / determined, _LEAST, _MOST))
