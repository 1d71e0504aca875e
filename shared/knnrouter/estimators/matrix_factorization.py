"""Matrix factorization: who wins, from a direction in the space of queries for each model.

Trained with torch (see `win_rates.factorization`), asked with numpy: what a query's row has in the
direction of a model is the model's strength there. Unlike similarity-weighted ranking it looks at
no evidence when it is asked, which makes it the fastest of RouteLLM's routers (Ong et al. 2024,
2406.18665).

What a model scores is how often it beats another one, on average over the others. Ties are left
out of the training, as in the paper, or count half a win for each, as the win rate has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError, MissingExtraError
from knnrouter.neighbors import Neighbors
from knnrouter.records import RecordSet
from knnrouter.records.sets import group_by_text

from .base import Estimates, Evidence
from .surroundings import Surrounded, Surroundings
from .win_rates.battles import Battles
from .win_rates.bradley_terry import mean_win_rates
from .win_rates.factorization import Recipe, factors
from .win_rates.stored import stored

__all__ = ["FittedMatrixFactorization", "MatrixFactorization"]

_Ties = Literal["removed", "half"]
_TIES: tuple[_Ties, ...] = get_args(_Ties)

_HELD_OUT = 0.05
"""Which part of the texts chooses the epoch."""


@dataclass(frozen=True, kw_only=True)
class MatrixFactorization:
    """Settings of matrix factorization; the defaults are those of RouteLLM's public code.

    Attributes:
        dim: The length of the models' vectors, at least 1.
        noise: The standard deviation of the noise on each number of a query's row, >= 0.
        epochs: How often all battles are seen, at least 1; the best epoch is taken.
        learning_rate: Of Adam, above 0.
        weight_decay: Of Adam, >= 0.
        batch: How many battles a step looks at, at least 1.
        ties: "removed", or "half": half a win for each.
        tie_margin: Scores that differ by no more than this tie; in [0, 1].

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> MatrixFactorization(dim=64).epochs
        100
        >>> MatrixFactorization(dim=0)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: dim is 0; give a whole number of at least 1, such as 128
    """

    kind: ClassVar[str] = "matrix_factorization"

    dim: int = 128
    noise: float = 0.1
    epochs: int = 100
    learning_rate: float = 3e-4
    weight_decay: float = 1e-5
    batch: int = 64
    ties: _Ties = "removed"
    tie_margin: float = 0.0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)!r}; give a whole number of at least 1, such as {such}"
            for name, such in (("dim", 128), ("epochs", 100), ("batch", 64))
            if not (_is_number(getattr(self, name), int) and getattr(self, name) >= 1)
        ]
        for name, allowed, most in (
            ("noise", "a number >= 0, such as 0.1", 1e6),
            ("learning_rate", "a number above 0, such as 3e-4", 1e6),
            ("weight_decay", "a number >= 0, such as 1e-5", 1e6),
            ("tie_margin", "a number in [0, 1], such as 0", 1.0),
        ):
            value = getattr(self, name)
            least = 1e-12 if name == "learning_rate" else 0.0
            if not (_is_number(value, int | float) and least <= value <= most):
                wrong.append(f"{name} is {value!r}; give {allowed}")
        if self.ties not in _TIES:
            wrong.append(f'ties is {self.ties!r}; give "removed" or "half"')
        if wrong:
            raise EstimatorError("; ".join(wrong))

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedMatrixFactorization:
        """Train on the battles of the evidence, but for 5 % that choose the epoch.

        Battles of one text, or of one group, are held out together; of fewer than 20 texts, none
        is.

        Args:
            evidence: Records, their vectors and an index over these.
            seed: Draws the start, the order, the noise, and what is held out.

        Raises:
            EstimatorError: There is no battle to learn from.
            MissingExtraError: torch is not installed.
        """
        records = evidence.records
        if len(records) == 0:
            raise EstimatorError("the records have no row, so there is nothing to learn from")
        battles = self._battles(records)
        held = _held_out(records, battles, seed=seed)
        try:
            found = factors(
                battles.where(~held),
                evidence.vectors,
                len(records.models),
                self._recipe,
                held_out=battles.where(held),
                seed=seed,
            )
        except ImportError as error:
            raise MissingExtraError("training a matrix factorization", extra="train") from error
        known = np.zeros(len(records.models), dtype=np.uint8)
        known[np.concatenate([battles.first, battles.second])] = 1
        return FittedMatrixFactorization(
            estimator=self,
            surroundings=Surroundings(records=records),
            directions=found.directions,
            known=known,
        )

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedMatrixFactorization:
        """What `fit` gave, from its settings and arrays; torch is not needed.

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        models, inputs = len(evidence.records.models), evidence.vectors.shape[1]
        return FittedMatrixFactorization(
            estimator=self,
            surroundings=Surroundings(records=evidence.records),
            directions=stored(arrays, "directions", (models, inputs)).astype(np.float32),
            known=stored(arrays, "known", (models,)).astype(np.uint8),
        )

    def _battles(self, records: RecordSet) -> Battles:
        every = Battles.of(records, tie_margin=self.tie_margin)
        battles = every.where(every.outcomes != 0.5) if self.ties == "removed" else every
        if not len(battles):
            what = (
                f"all {len(every):,} battles are ties, and ties are removed: give ties=half, or "
                "records in which scores differ"
                if len(every)
                else f"no two of the {len(records.models)} models were measured on one row: give "
                "records in which a query has scores of two models or more"
            )
            raise EstimatorError(f"of {len(records):,} rows nobody beat anybody, for {what}")
        return battles

    @property
    def _recipe(self) -> Recipe:
        return Recipe(
            dim=self.dim,
            noise=self.noise,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch=self.batch,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedMatrixFactorization(Surrounded):
    """A direction for each model, and the evidence that tells what queries cost."""

    estimator: MatrixFactorization
    directions: NDArray[np.float32]
    """Shape (m, d); of a model that is not known, it means nothing."""
    known: NDArray[np.uint8]
    """1 for a model that fought, else 0; shape (m,)."""

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Saved beside the settings: the models' directions, and which of them are known."""
        return {"directions": self.directions, "known": self.known}

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """How far each query lies in each model's direction.

        For a query whose vector is zero, in which the embedder knows no word, all are alike.
        """
        strengths = vectors.astype(np.float64) @ self.directions.T.astype(np.float64)
        strengths[:, self.known == 0] = np.nan
        strengths -= np.nanmean(strengths, axis=1, keepdims=True)
        return self.surroundings.estimates(
            mean_win_rates(strengths), neighbors, strengths=strengths
        )

    def updated(self, evidence: Evidence) -> FittedMatrixFactorization:
        """The same directions, with other evidence to tell what queries cost.

        Raises:
            EstimatorError: It has other models, of which nothing was learned.
        """
        models = evidence.records.models
        if models != self.surroundings.records.models:
            raise EstimatorError(
                f"matrix_factorization learned of {', '.join(self.surroundings.records.models)}, "
                f"and the records are now of {', '.join(models)}; fit the router anew"
            )
        return FittedMatrixFactorization(
            estimator=self.estimator,
            surroundings=Surroundings(records=evidence.records),
            directions=self.directions,
            known=self.known,
        )


def _held_out(records: RecordSet, battles: Battles, *, seed: int) -> NDArray[np.bool_]:
    """Which battles choose the epoch: all of some texts, or groups; shape (b,)."""
    _, together = group_by_text(
        records.queries
        if records.groups is None
        else [
            text if group is None else f"group {group}"
            for text, group in zip(records.queries, records.groups, strict=True)
        ]
    )
    fought = np.unique(together[battles.rows])
    drawn = np.random.default_rng(seed).permutation(fought)[: int(_HELD_OUT * len(fought))]
    return np.isin(together[battles.rows], drawn)


def _is_number(value: object, kinds: object) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)  # type: ignore[arg-type]
