"""What is evaluated: whom a router chose on each query, and what every model did there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from knnrouter.decision import Decision
from knnrouter.errors import EvaluationError

__all__ = ["Basis", "Outcomes"]

Basis = Literal["train", "hindsight"]
"""Where the best single model was chosen: on other queries, or on these very ones."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Outcomes:
    """Choices on `n` queries among `m` models, every one of which was measured on every query.

    Raises:
        EvaluationError: There is no query, a score is NaN, or an array has another shape; all that
            is wrong is named.

    Example:
        >>> outcomes = Outcomes(
        ...     ids=("q1", "q2"), queries=("2 + 2?", "Why?"), tasks=(None, None),
        ...     models=("small", "large"), scores=np.array([[1.0, 1.0], [0.0, 1.0]]),
        ...     costs=None, chosen=np.array([0, 1]), single=np.array([1, 1]),
        ... )
        >>> outcomes.routed.tolist(), outcomes.alone.tolist()
        ([1.0, 1.0], [1.0, 1.0])
    """

    ids: tuple[str, ...]
    """A name for each query."""
    queries: tuple[str | None, ...]
    """Their texts; None where not kept."""
    tasks: tuple[str | None, ...]
    """Their tasks; None where unknown."""
    models: tuple[str, ...]
    """The models that could have been chosen."""
    scores: NDArray[np.float64]
    """What was measured, in [0, 1]; shape (n, m); no NaN."""
    costs: NDArray[np.float64] | None
    """USD per query; shape (n, m); None where they are not known of every model on every query."""
    chosen: NDArray[np.int64]
    """The column of the chosen model; shape (n,)."""
    single: NDArray[np.int64]
    """The column of the best single model, chosen on what taught the router; shape (n,)."""
    basis: Basis = "train"
    """Where `single` was chosen."""
    train_means: NDArray[np.float64] | None = None
    """Mean score of each model there, shape (m,), of several folds the mean; None if unknown."""
    estimated_scores: NDArray[np.float64] | None = None
    """What the router expected, in [0, 1]; shape (n, m); NaN for a model that could not answer."""
    estimated_costs: NDArray[np.float64] | None = None
    """The costs that it expected, USD; shape (n, m)."""
    similarity: NDArray[np.float64] | None = None
    """Cosine similarity of the nearest neighbor; shape (n,)."""
    elapsed_ms: NDArray[np.float64] | None = None
    """Milliseconds that each decision took; shape (n,)."""
    decisions: tuple[Decision, ...] = ()
    """The decisions, with their evidence; empty where only choices are known."""
    left_out: tuple[str, ...] = ()
    """What of the records does not count here, and why, a sentence each."""
    notes: tuple[str, ...] = ()
    """How figures are known, a sentence each."""

    def __post_init__(self) -> None:
        problems = [*self._wrong_shapes()]
        if not problems and np.isnan(self.scores).any():
            problems.append(
                f"{int(np.isnan(self.scores).sum()):,} scores are NaN; every model must be "
                "measured on every query here: leave out the queries where one was not"
            )
        if problems:
            raise EvaluationError(problems)

    def _wrong_shapes(self) -> list[str]:
        count, models = len(self.ids), len(self.models)
        if not count or not models:
            return [f"there are {count} queries and {models} models; give at least one of each"]
        wanted: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(_MATRICES, (count, models)),
            **dict.fromkeys(_ROWS, (count,)),
        }
        return [
            f"{name} has shape {array.shape}, not {shape}; give one value a query"
            for name, shape in wanted.items()
            if (array := getattr(self, name)) is not None and array.shape != shape
        ]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def routed(self) -> NDArray[np.float64]:
        """What the chosen models scored; shape (n,)."""
        return self.scores[np.arange(len(self)), self.chosen]

    @property
    def alone(self) -> NDArray[np.float64]:
        """What the best single model scored; shape (n,)."""
        return self.scores[np.arange(len(self)), self.single]

    @property
    def paid(self) -> NDArray[np.float64] | None:
        """What the chosen models cost, USD; shape (n,); None where costs are not known."""
        return None if self.costs is None else self.costs[np.arange(len(self)), self.chosen]

    @property
    def single_name(self) -> str:
        """The best single model; where folds disagree, the one that most of them chose."""
        return self.models[int(np.bincount(self.single, minlength=len(self.models)).argmax())]

    @property
    def task_labels(self) -> NDArray[np.str_]:
        """The task of each query as text, "" where unknown; shape (n,)."""
        return np.array([task or "" for task in self.tasks])

    @classmethod
    def concat(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """Put outcomes of the same models below one another, such as those of several folds.

        Raises:
            EvaluationError: There is none, or the models differ.
        """
        if not parts or len({part.models for part in parts}) > 1:
            raise EvaluationError(
                f"{len(parts)} parts with models {sorted({part.models for part in parts})}; give "
                "at least one, all with the same models in the same order"
            )
        return cls(**{each.name: _joined(parts, each.name) for each in fields(cls)})


_MATRICES = ("scores", "costs", "estimated_scores", "estimated_costs")
_ROWS = ("chosen", "single", "similarity", "elapsed_ms")


def _joined(parts: Sequence[Outcomes], name: str) -> Any:  # noqa: ANN401  # one field's value
    values = [getattr(part, name) for part in parts]
    if name == "models":
        return values[0]
    if name == "train_means":
        return None if any(value is None for value in values) else np.mean(values, axis=0)
    if name == "basis":
        return "hindsight" if "hindsight" in values else "train"
    if name in ("left_out", "notes"):
        return tuple(dict.fromkeys(note for each in values for note in each))
    if any(value is None for value in values):
        return None
    if isinstance(values[0], tuple):
        return tuple(item for each in values for item in each)
    return np.concatenate(values)
