"""Classifiers over the embedding: the chance that a model is right, from one line each.

The systems of Srivatsa, Maurya & Kochmar 2024 (arXiv 2405.00467), with a linear layer over a frozen
embedding: a multi-label classifier, one sigmoid a model, regularized alike; and separate ones, each
regularized on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EstimatorError
from knnrouter.estimators.ballots import exact_scores
from knnrouter.estimators.base import Estimates, Evidence
from knnrouter.estimators.surroundings import Surrounded, Surroundings
from knnrouter.neighbors import Neighbors
from knnrouter.records.sets import group_by_text

from .labels import Labels
from .logistic import FOLDS, HeldOut, Line, first_not_bettered, fitted

__all__ = ["FittedClassifier", "MultiLabel", "Separate"]


@dataclass(frozen=True, kw_only=True)
class MultiLabel:
    """One linear layer over the embedding with a sigmoid a model; fitting needs scikit-learn.

    A model whose labels are all alike, or few, gets the same chance on every query: its own share
    of right answers, shrunk toward that of all models. One that was never measured gets NaN.

    Attributes:
        c: How much the scores are trusted, above 0, as `C` in scikit-learn; one for all models.
            "auto" chooses it by cross-validation, by the log loss over all models.
        max_iter: How many steps the solver may take, at least 1.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> MultiLabel(c=0.3).max_iter
        1000
        >>> MultiLabel(c=0)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: c is 0; give a number above 0, or "auto"
    """

    kind: ClassVar[str] = "multi_label"
    c: float | Literal["auto"] = "auto"
    max_iter: int = 1000

    def __post_init__(self) -> None:
        right = self.c == "auto" or _is_strength(self.c)
        _check(
            None if right else f'c is {self.c!r}; give a number above 0, or "auto"',
            _wrong_max_iter(self.max_iter),
        )

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedClassifier:
        """Choose `c` where it is "auto", and fit a line a model.

        Args:
            evidence: Records and their vectors.
            seed: Draws the folds of the cross-validation.

        Raises:
            EstimatorError: There is not a single row.
            MissingExtraError: scikit-learn is not installed.
        """
        data = _Data.of(evidence, balance=False, max_iter=self.max_iter)
        chosen = self.c
        if chosen == "auto":
            trials = data.held_out(seed)
            chosen = first_not_bettered(lambda c: sum(trial.loss(c) for trial in trials))
        c = float(chosen)
        return data.fitted(replace(self, c=c), [c] * len(data.labels))

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedClassifier:
        """What `fit` gave, from its settings and arrays.

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        return FittedClassifier.restored(self, evidence, arrays)


@dataclass(frozen=True, kw_only=True)
class Separate:
    """A classifier of its own for each model, over the embedding; fitting needs scikit-learn.

    What `MultiLabel` says of models with few labels, and with none, holds here too.

    Attributes:
        c: How much the scores are trusted, above 0, as `C` in scikit-learn: a number for all
            models, or numbers as text, "0.3,1", one a model. "auto" chooses each model's own by
            cross-validation.
        balance: Whether "right" and "wrong" count for half of each model's weight, as
            scikit-learn's "balanced". The scores are then no chances to be right, and models that
            are rarely right look as good as others: of use where a model's ups and downs matter
            more than its level.
        max_iter: How many steps the solver may take, at least 1.

    Raises:
        EstimatorError: A setting is out of its range; all that are wrong are named.

    Example:
        >>> Separate(balance=True).c
        'auto'
        >>> Separate(c="low", balance=2)
        Traceback (most recent call last):
        knnrouter.errors.EstimatorError: c is 'low'; give a number above 0, one a model as text, \
or "auto"; balance is 2; give true or false
    """

    kind: ClassVar[str] = "separate"
    c: float | str = "auto"
    balance: bool = False
    max_iter: int = 1000

    def __post_init__(self) -> None:
        wanted = 'give a number above 0, one a model as text, or "auto"'
        _check(
            None if self.c == "auto" or _strengths(self.c) else f"c is {self.c!r}; {wanted}",
            None
            if isinstance(self.balance, bool)
            else f"balance is {self.balance!r}; give true or false",
            _wrong_max_iter(self.max_iter),
        )

    def fit(self, evidence: Evidence, *, seed: int = 0) -> FittedClassifier:
        """Choose each model's `c` where it is "auto", and fit a line a model.

        Args:
            evidence: Records and their vectors.
            seed: Draws the folds of the cross-validation.

        Raises:
            EstimatorError: There is not a single row, or `c` holds numbers for other models.
            MissingExtraError: scikit-learn is not installed.
        """
        data = _Data.of(evidence, balance=self.balance, max_iter=self.max_iter)
        many = len(data.labels)
        if self.c == "auto":
            strengths = [first_not_bettered(trial.loss) for trial in data.held_out(seed)]
            return data.fitted(replace(self, c=_written(strengths)), strengths)
        given = _strengths(self.c)
        strengths = given * many if len(given) == 1 else given
        if len(strengths) != many:
            raise EstimatorError(
                f"c is {self.c!r}, {len(strengths)} numbers for {many} models; give one a model, a "
                'number for all, or "auto", and fit the router anew'
            )
        return data.fitted(self, strengths)

    def joined(self, evidence: Evidence, known: int) -> Separate:
        """With a `c` for each model of the evidence after the first `known`, chosen with seed 0."""
        given = _strengths(self.c)
        if len(given) == 1 or len(given) != known or known >= len(evidence.records.models):
            return self
        data = _Data.of(evidence, balance=self.balance, max_iter=self.max_iter)
        chosen = [first_not_bettered(trial.loss) for trial in data.held_out(0)[known:]]
        return replace(self, c=_written(given + chosen))

    def restore(
        self, evidence: Evidence, arrays: Mapping[str, NDArray[np.generic]]
    ) -> FittedClassifier:
        """What `fit` gave, from its settings and arrays.

        Raises:
            EstimatorError: An array is missing or does not fit the records.
        """
        return FittedClassifier.restored(self, evidence, arrays)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Data:
    """What the lines of all models are fitted to."""

    surroundings: Surroundings
    vectors: NDArray[np.float64]
    labels: list[Labels]
    prior: float
    max_iter: int

    @classmethod
    def of(cls, evidence: Evidence, *, balance: bool, max_iter: int) -> _Data:
        records = evidence.records
        if len(records) == 0:
            raise EstimatorError("the records have no row, so there is nothing to learn from")
        labels = [Labels.of(scores, records.weights) for scores in exact_scores(records).T]
        wrong, right = np.sum([each.totals for each in labels], axis=0).tolist()
        return cls(
            surroundings=Surroundings(records=records),
            vectors=evidence.vectors.astype(np.float64),
            labels=[each.balanced() for each in labels] if balance else labels,
            prior=0.5 if balance else (right + 1.0) / (wrong + right + 2.0),
            max_iter=max_iter,
        )

    def held_out(self, seed: int) -> list[HeldOut]:
        """A cross-validation for each model, on the same folds."""
        _, texts = group_by_text(self.surroundings.records.queries)
        places = np.random.default_rng(seed).permutation(int(texts.max()) + 1)
        return [
            HeldOut(
                vectors=self.vectors,
                labels=labels,
                fold_of=places[texts] % FOLDS,
                prior=self.prior,
                max_iter=self.max_iter,
            )
            for labels in self.labels
        ]

    def fitted(self, estimator: MultiLabel | Separate, strengths: list[float]) -> FittedClassifier:
        lines = [self._line(labels, c) for labels, c in zip(self.labels, strengths, strict=True)]
        return FittedClassifier(
            estimator=estimator,
            surroundings=self.surroundings,
            coefficients=np.stack([line.coefficients for line in lines]),
            intercepts=np.array([line.intercept for line in lines]),
        )

    def _line(self, labels: Labels, c: float) -> Line:
        if labels.measured == 0:
            return Line(coefficients=np.zeros(self.vectors.shape[1]), intercept=np.nan)
        return fitted(self.vectors, labels, c=c, prior=self.prior, max_iter=self.max_iter)


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class FittedClassifier(Surrounded):
    """Lines that can be asked; no scikit-learn is needed any more."""

    estimator: MultiLabel | Separate
    """The settings, nothing "auto" any more."""

    coefficients: NDArray[np.float64] = field(repr=False)
    """Shape (m, d)."""

    intercepts: NDArray[np.float64]
    """Log-odds; shape (m,); NaN for a model that was never measured."""

    @classmethod
    def restored(
        cls,
        estimator: MultiLabel | Separate,
        evidence: Evidence,
        arrays: Mapping[str, NDArray[np.generic]],
    ) -> FittedClassifier:
        """From the settings and arrays of one that was saved.

        Raises:
            EstimatorError: Arrays are missing or have another shape; all are named.
        """
        models, dim = len(evidence.records.models), evidence.vectors.shape[1]
        shapes = {"coefficients": (models, dim), "intercepts": (models,)}
        wrong = [
            f"`{name}` has shape {arrays[name].shape}, not {shape}"
            if name in arrays
            else f"`{name}` is missing"
            for name, shape in shapes.items()
            if name not in arrays or arrays[name].shape != shape
        ]
        if wrong:
            raise EstimatorError(
                f"the arrays of {estimator.kind} do not fit the records: {'; '.join(wrong)}; fit "
                "the router anew"
            )
        return cls(
            estimator=estimator,
            surroundings=Surroundings(records=evidence.records),
            coefficients=arrays["coefficients"].astype(np.float64),
            intercepts=arrays["intercepts"].astype(np.float64),
        )

    @property
    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """The lines: `coefficients` and `intercepts`."""
        return {"coefficients": self.coefficients, "intercepts": self.intercepts}

    def updated(self, evidence: Evidence) -> FittedClassifier:
        """Lines of the same strength through other evidence; needs scikit-learn.

        A model that joins gets a `c` of its own, where each model has one.
        """
        estimator = self.estimator
        if isinstance(estimator, Separate):
            estimator = estimator.joined(evidence, known=len(self.intercepts))
        return estimator.fit(evidence)

    def estimate(self, vectors: NDArray[np.float32], neighbors: Neighbors) -> Estimates:
        """The chance of each model to be right; costs and the rest from the neighbors."""
        odds = vectors.astype(np.float64) @ self.coefficients.T + self.intercepts
        scores = 0.5 * (1.0 + np.tanh(odds / 2))  # the sigmoid, without overflow
        return self.surroundings.estimates(scores, neighbors)


def _check(*wrong: str | None) -> None:
    found = [each for each in wrong if each]
    if found:
        raise EstimatorError("; ".join(found))


def _is_strength(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < float(value) < float("inf")  # type: ignore[arg-type]


def _strengths(c: float | str) -> list[float]:
    """The numbers that a setting holds; none where it is wrong."""
    try:
        found = [float(part) for part in c.split(",")] if isinstance(c, str) else [c]
    except ValueError:
        return []
    return [float(each) for each in found] if all(map(_is_strength, found)) else []


def _written(strengths: list[float]) -> float | str:
    """The setting that holds these numbers."""
    alike = len(set(strengths)) == 1
    return strengths[0] if alike else ",".join(repr(each).removesuffix(".0") for each in strengths)


def _wrong_max_iter(steps: object) -> str | None:
    if isinstance(steps, int) and not isinstance(steps, bool) and steps >= 1:
        return None
    return f"max_iter is {steps!r}; give a whole number of at least 1"
