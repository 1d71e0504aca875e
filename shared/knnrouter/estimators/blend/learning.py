"""From evidence to a blend: the features of its rows, their sums, and the weights that follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.estimators.ballots import task_numbers
from knnrouter.estimators.base import Evidence
from knnrouter.estimators.texts import known_texts
from knnrouter.records.sets import group_by_text
from knnrouter.text.surface import surface

from .inputs import Inputs, Scale
from .landmarks import Landmarks
from .readout import Readout
from .recognition import Recognized, recognized
from .solving import Solution, solved
from .targets import Targets

__all__ = ["learned"]

Floats = NDArray[np.float64]

_FOLDS = 5
_CHUNK = 4096
"""How many rows are turned into features at a time."""


def learned(evidence: Evidence, *, landmarks: int, texts: bool, seed: int) -> Readout:
    """Learn from evidence; see `Blend` for what the arguments mean."""
    records = evidence.records
    found = known_texts(evidence) if texts else None
    surfaces = np.empty((len(records), 0)) if found is None else surface(found)
    scale = Scale.of(evidence.vectors, surfaces)
    inputs = scale.inputs(evidence.vectors, surfaces)
    draw = np.random.default_rng(seed)
    tasks = _tasks(evidence, inputs, draw, seed)
    marks = np.sort(draw.permutation(len(records))[:landmarks])
    chosen = inputs.select(marks)
    rows = _Rows(
        inputs=inputs,
        landmarks=Landmarks.of(chosen),
        posterior=np.empty((len(records), 0)) if tasks is None else tasks.posterior,
        weights=records.weights,
    )
    targets = Targets.of(records)
    solution = solved(rows, targets.together)
    return Readout(
        scale=scale,
        recognition=None if tasks is None else tasks.recognition,
        marks=marks,
        landmarks=chosen,
        columns=_folded(solution, rows),
        offsets=_offsets(solution, rows.sizes),
        grand=targets.grand,
        noise=solution.noise,
        parts=solution.parts,
        gains=solution.gains,
        variances=np.array(solution.variances),
    )


def _folded(solution: Solution, rows: _Rows) -> Floats:
    """The weights and directions, those of the landmarks for likeness itself; (p, c)."""
    columns = solution.columns.copy()
    first = len(columns) - len(rows.landmarks.rows)
    columns[first:] = rows.landmarks.mixing @ columns[first:]
    return columns


def _offsets(solution: Solution, sizes: Sequence[int]) -> Floats:
    """What the mean of each block's features comes to; shape (blocks, c)."""
    ends = np.cumsum(sizes)[:-1]
    means = np.split(solution.means, ends)
    columns = np.split(solution.columns, ends)
    return np.stack([mean @ part for mean, part in zip(means, columns, strict=True)])


def _tasks(
    evidence: Evidence, inputs: Inputs, draw: np.random.Generator, seed: int
) -> Recognized | None:
    """None where there is one task only, or one text, so that none can be left out.

    Of fewer texts than folds, each is a fold of its own.
    """
    numbers = task_numbers(evidence, seed=seed)
    numbers = np.unique(numbers, return_inverse=True)[1].reshape(-1)
    _, text_of = group_by_text(evidence.records.queries)
    fold_of = draw.permutation(int(text_of.max()) + 1)[text_of] % _FOLDS
    if numbers.max() == 0 or fold_of.max() == 0:
        return None
    return recognized(inputs.together, numbers, fold_of)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The rows of the evidence, and what their features are made of."""

    inputs: Inputs
    landmarks: Landmarks
    posterior: Floats
    """Of each row's task, by a discriminant that left it out; shape (n, t)."""
    weights: Floats
    """Shape (n,)."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many features each block has: the constant, tasks, landmarks."""
        return 1, self.posterior.shape[1], len(self.landmarks.rows)

    def features(self) -> Iterator[tuple[slice, Floats]]:
        """Some rows at a time, and their features: 1, tasks, landmarks."""
        for start in range(0, len(self.inputs), _CHUNK):
            some = slice(start, start + _CHUNK)
            part = self.inputs.select(some)
            near = self.landmarks.features(part)
            yield some, np.column_stack([np.ones(len(part)), self.posterior[some], near])
