"""Queries that were asked, from plain numbers."""

from __future__ import annotations

import numpy as np
import pytest

from knnrouter.evaluation.targets.asking import Asked


@pytest.fixture
def asked_of():
    """Makes an `Asked` of scores and costs, (n, m); everything may be chosen."""

    def make(scores, costs, *, means=None, fixed=None, options=None):
        scores = np.asarray(scores, dtype=float)
        rows, models = scores.shape
        return Asked(
            models=tuple("abcdefgh"[:models]),
            means=np.full(models, 0.5) if means is None else np.asarray(means, dtype=float),
            scores=scores,
            costs=np.broadcast_to(np.asarray(costs, dtype=float), scores.shape),
            options=np.full(scores.shape, True) if options is None else np.asarray(options),
            fixed=np.full(rows, -1) if fixed is None else np.asarray(fixed),
        )

    return make
