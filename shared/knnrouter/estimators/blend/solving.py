"""The weights of a blend's features: one ridge regression a target, with strengths in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.ballots import PRIOR_WEIGHT

from .strengths import Products, block_variances, penalties

__all__ = ["Features", "Solution", "solved"]

Floats = NDArray[np.float64]

_DIRECTIONS = 128
"""In how many directions it is kept how sure the weights are."""

_ENOUGH = 0.5
"""Strengths are chosen on the models that were measured on at least this part of what the most
measured one was."""


class Features(Protocol):
    """Rows as features: a constant first, then other blocks."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many features each block has, 1 for the first; `p` in all."""

    @property
    def weights(self) -> Floats:
        """How much each row counts; shape (n,)."""

    def features(self) -> Iterator[tuple[slice, Floats]]:
        """Some rows at a time, and their features."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """What was solved: `p` features, `t` targets, `k` directions."""

    means: Floats
    """The mean of each feature, which the weights are for the distance from; 0 for the constant."""

    columns: Floats
    """The weights of each target, NaN for what was never measured; and then directions in which
    the rows say most of them. Shape (p, t + k)."""

    noise: Floats
    """Variance of what is left of each target; shape (t,)."""

    parts: Floats
    """How much each target was measured, of what the most measured one was; shape (t,)."""

    gains: Floats
    """How much the rows say in each direction, in units of what was known before; shape (k,)."""

    variances: list[float]
    """Of the weights of each block, in units of the noise's; 0 for a block without features."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pattern:
    """Targets that the same rows measured."""

    targets: list[int]
    rows: NDArray[np.bool_]


def solved(rows: Features, wanted: Floats) -> Solution:
    """Solve for the weights.

    Args:
        rows: `n` rows.
        wanted: The targets; shape (n, t), NaN where not measured. The last one, the level, has no
            say in the strengths.
    """
    patterns = _patterns(wanted)
    means, sums = _sums(rows, wanted, patterns)
    said = [bool(set(each.targets) - {wanted.shape[1] - 1}) for each in patterns]
    counts = [each.gram[0, 0] for each in sums]  # the constant counts the weights
    most = int(
        np.argmax([count if does else -1.0 for count, does in zip(counts, said, strict=True)])
    )
    sizes = [size for size in rows.sizes if size]
    shared = _shared(sums, patterns, counts, most, wanted.shape[1] - 1)
    variances = block_variances(shared, sizes, first=1.0 / PRIOR_WEIGHT)
    penalty = penalties(variances, sizes)
    directions, gains = _directions(sums[most].gram, penalty)
    columns = np.full((len(means), wanted.shape[1]), np.nan)
    noise = np.full(wanted.shape[1], np.nan)
    parts = np.zeros(wanted.shape[1])
    for pattern, found, count in zip(patterns, sums, counts, strict=True):
        weights = found.solved(penalty)
        columns[:, pattern.targets] = weights
        noise[pattern.targets] = found.noise(weights)
        parts[pattern.targets] = count / counts[most]
    left = iter(variances)
    return Solution(
        means=means,
        columns=np.concatenate([columns, directions], axis=1),
        noise=noise,
        parts=parts,
        gains=gains,
        variances=[next(left) if size else 0.0 for size in rows.sizes],
    )


def _patterns(wanted: Floats) -> list[_Pattern]:
    """The targets by the rows that measured them; those that none did are left out."""
    found: dict[bytes, _Pattern] = {}
    for target, rows in enumerate(~np.isnan(wanted).T):
        if rows.any():
            found.setdefault(rows.tobytes(), _Pattern(targets=[], rows=rows)).targets.append(target)
    return list(found.values())


def _sums(
    rows: Features, wanted: Floats, patterns: Sequence[_Pattern]
) -> tuple[Floats, list[Products]]:
    """The mean of each feature, and the sums over the rows of each pattern, in one pass."""
    size = sum(rows.sizes)
    total = np.zeros(size)
    grams = [np.zeros((size, size)) for _ in patterns]
    crosses = [np.zeros((size, len(each.targets))) for each in patterns]
    for some, features in rows.features():
        total += rows.weights[some] @ features
        for pattern, gram, cross in zip(patterns, grams, crosses, strict=True):
            weighed = features * (rows.weights[some] * pattern.rows[some])[:, None]
            scores = np.nan_to_num(wanted[some][:, pattern.targets])
            np.add(gram, weighed.T @ features, out=gram)
            np.add(cross, weighed.T @ scores, out=cross)
    means = total / rows.weights.sum()
    means[0] = 0.0
    return means, [
        Products(
            gram=gram - np.outer(gram[0], means) - np.outer(means, gram[0] - gram[0, 0] * means),
            cross=cross - np.outer(means, cross[0]),
            squares=rows.weights @ np.nan_to_num(wanted[:, pattern.targets]) ** 2,
            rows=float(pattern.rows.sum()),
        )
        for gram, cross, pattern in zip(grams, crosses, patterns, strict=True)
    ]


def _shared(
    sums: Sequence[Products],
    patterns: Sequence[_Pattern],
    counts: Sequence[float],
    most: int,
    level: int,
) -> Products:
    """The sums that the strengths are chosen on; a row without a score counts as on average."""
    crosses, squares = [], []
    for found, pattern, count in zip(sums, patterns, counts, strict=True):
        if count >= _ENOUGH * counts[most]:
            kept = [place for place, target in enumerate(pattern.targets) if target != level]
            crosses.append(found.cross[:, kept])
            squares.append(found.squares[kept])
    return Products(
        gram=sums[most].gram,
        cross=np.concatenate(crosses, axis=1),
        squares=np.concatenate(squares),
        rows=sums[most].rows,
    )


def _directions(gram: Floats, penalty: Floats) -> tuple[Floats, Floats]:
    """Directions of the weights that the rows say most of, and how much; (p, k) and (k,)."""
    root = 1.0 / np.sqrt(penalty)
    gains, vectors = np.linalg.eigh(root[:, None] * gram * root)
    kept = slice(-1, -1 - _DIRECTIONS, -1)
    return root[:, None] * vectors[:, kept], np.maximum(gains[kept], 0.0)
