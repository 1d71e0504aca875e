"""Features of likeness to landmarks: a kernel over embedding and surface, made finite.

    k(x, x') = exp(-(|e - e'|² + |s - s'|² / f) / WIDTH)

with e the centered embedding, of mean square length 1; and s the `f` surface features, each of mean
0 and standard deviation 1 over the evidence. So what a text is about and how hard it looks weigh
alike; where no text is known the first term is left alone, and WIDTH is halved.

With `r` landmarks L drawn from the rows, the features k(x, L) K(L, L)^(-1/2) have inner products
that come close to k (Williams and Seeger 2001, Nyström).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .inputs import Inputs

__all__ = ["WIDTH", "Landmarks", "likeness"]

Floats = NDArray[np.float64]

WIDTH = 2.8
"""Squared distances of this size make likeness fall by a factor of e; two rows drawn at random are
about 4 apart."""

_JITTER = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Landmarks:
    """`r` rows as landmarks."""

    rows: Inputs

    mixing: Floats
    """K(L, L)^(-1/2); shape (r, r)."""

    @classmethod
    def of(cls, rows: Inputs) -> Landmarks:
        """These rows as landmarks."""
        values, vectors = np.linalg.eigh(likeness(rows, rows) + _JITTER * np.eye(len(rows)))
        mixing = vectors / np.sqrt(np.maximum(values, _JITTER)) @ vectors.T
        return cls(rows=rows, mixing=mixing)

    def features(self, inputs: Inputs) -> Floats:
        """Likeness of queries to the landmarks, so that inner products are close to k; (q, r)."""
        found: Floats = likeness(inputs, self.rows) @ self.mixing
        return found


def likeness(inputs: Inputs, others: Inputs) -> Floats:
    """The kernel k of each pair; shape (q, r).

    Example:
        >>> one = Inputs(embeddings=np.array([[1.0, 0.0]]), surfaces=np.array([[0.5]]))
        >>> other = Inputs(embeddings=np.array([[0.0, 0.0]]), surfaces=np.array([[0.0]]))
        >>> bool(np.isclose(likeness(one, other), np.exp(-(1.0 + 0.25) / 2.8)))
        True
    """
    squares = inputs.squares[:, None] + others.squares
    apart = np.maximum(squares - 2.0 * inputs.points @ others.points.T, 0.0)
    return np.asarray(np.exp(-apart / WIDTH))
