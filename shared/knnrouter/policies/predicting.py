"""A regression that predicts how sure the first right model is, and what may be done with that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import PolicyError

from .base import Candidates, Choice, ranked
from .checks import refuse

__all__ = ["Prediction"]

Order = Literal["listed", "sorted"]
Rule = Literal["above", "nearest"]

_NOBODY = 0.5
"""The target of a query on which no model is right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """The model whose expected score is the highest above the one that a regression predicts.

    The policies "Prediction" and "Sorted Prediction" of Srivatsa, Maurya & Kochmar 2024 (arXiv
    2405.00467): a linear regression, fitted to training queries by `fit`, takes the expected scores
    of all models and predicts the one of the first model, in an order, that is right; the choice is
    argmax(score - prediction).

    There is one prediction a query, which takes the same from all models. So the choice is that of
    `BestScore`, whatever was predicted. With `rule="nearest"` the prediction matters: it says how
    sure the first right model is, and the model that is as sure is taken. On public data that is
    worse than `BestScore` (see docs/explanation/srivatsa.md).

    Where a model of the regression may not answer or has no score, nothing can be predicted: the
    best expected score decides, as a fallback.

    Attributes:
        models: The models of the regression, each once.
        coefficients: What each one's expected score is multiplied by, as many.
        intercept: What is added.
        rule: "above", the paper's, or "nearest".

    Raises:
        PolicyError: A setting is wrong; all that are wrong are named.

    Example:
        >>> two = Candidates(models=("small", "large"), scores=(0.7, 0.8), costs=(0.001, 0.02))
        >>> known = {"models": ("small", "large"), "coefficients": (0.5, 0.0), "intercept": 0.2}
        >>> round(Prediction(**known).predicted(two), 3)  # 0.5 * 0.7 + 0.2
        0.55
        >>> Prediction(**known)(two).ranking, Prediction(**known, rule="nearest")(two).ranking
        (('large', 'small'), ('small', 'large'))
    """

    models: Sequence[str]
    coefficients: Sequence[float]
    intercept: float
    rule: Rule = "above"

    def __post_init__(self) -> None:
        for name in ("models", "coefficients"):
            value = getattr(self, name)
            if isinstance(value, list):  # as a YAML file holds them
                object.__setattr__(self, name, tuple(value))
        refuse(
            self,
            _names_fault(self.models),
            _coefficients_fault(self.coefficients, self.models),
            None
            if _is_finite(self.intercept)
            else f"intercept is {self.intercept!r}; give a number",
            None
            if self.rule in get_args(Rule)
            else f"rule is {self.rule!r}; give one of {', '.join(get_args(Rule))}",
        )

    @classmethod
    def fit(
        cls,
        estimated: ArrayLike,
        measured: ArrayLike,
        models: Sequence[str],
        *,
        order: Order = "listed",
        right: float = 0.5,
        rule: Rule = "above",
    ) -> Prediction:
        """The regression of training queries. Give no test query: its labels would leak.

        Expected scores of queries that the estimator was fitted to flatter it; estimate them by
        cross-validation.

        Args:
            estimated: What was expected of each model on each training query; shape (n, m). Queries
                without a score for some model are left out.
            measured: What each scored on the same queries; shape (n, m). NaN, not measured, is not
                right.
            models: The names of the columns.
            order: In which the first right model is looked for: "listed", as in `models`; or
                "sorted", those that are right least often first, as in the paper's code.
            right: A measured score above this is right.
            rule: As for the policy.

        Raises:
            PolicyError: The shapes differ, or no query is left; or the order is another one.

        Example:
            >>> found = Prediction.fit([[0.2, 0.9], [0.6, 0.9], [0.4, 0.7]],
            ...                        [[0, 1], [1, 0], [1, 1]], ("a", "b"))
            >>> [round(each, 3) for each in (*found.coefficients, found.intercept)]
            [-0.75, 1.75, -0.525]
        """
        scores, outcomes = _checked_tables(estimated, measured, models, order)
        is_right = outcomes > right
        columns = np.arange(len(models))
        if order == "sorted":
            columns = np.argsort(is_right.sum(axis=0), kind="stable")
        known = ~np.isnan(scores).any(axis=1)
        if not known.any():
            raise PolicyError(
                f"Prediction: none of {len(scores)} queries has an expected score for all of "
                f"{', '.join(models)}; leave out models that were never measured"
            )
        targets = _targets(scores[known][:, columns], is_right[known][:, columns])
        coefficients, intercept = _least_squares(scores[known], targets)
        return cls(
            models=tuple(models),
            coefficients=tuple(coefficients.tolist()),
            intercept=intercept,
            rule=rule,
        )

    def __call__(self, candidates: Candidates) -> Choice:
        """Rank by score: what is taken from every score alike changes no order.

        With `rule="nearest"`, rank the models of the regression by distance to the prediction, and
        all others after them.
        """
        predicted = self.predicted(candidates)
        if math.isnan(predicted):
            return Choice(
                ranking=ranked(candidates, candidates.scores),
                reason=(
                    "a model of the regression may not answer or cannot be judged, so nothing is "
                    "predicted; best expected score"
                ),
                reason_code="prediction_incomplete",
                fallback=True,
            )
        if self.rule == "above":
            ranking, what = ranked(candidates, candidates.scores), "highest above"
        else:
            ranking, what = self._by_distance(candidates, predicted), "nearest to"
        return Choice(
            ranking=ranking,
            reason=f"expected score {what} the predicted {predicted:.3f}",
            reason_code="prediction",
        )

    def _by_distance(self, candidates: Candidates, predicted: float) -> tuple[str, ...]:
        known = [at for at, name in enumerate(candidates.models) if name in self.models]
        others = [at for at in range(len(candidates.models)) if at not in known]
        own, rest = candidates.only(known), candidates.only(others)
        near = ranked(own, [-abs(score - predicted) for score in own.scores])
        return near + ranked(rest, rest.scores)

    def predicted(self, candidates: Candidates) -> float:
        """The predicted score of the first right model; NaN where a model's score is missing."""
        scores = dict(zip(candidates.models, candidates.scores, strict=True))
        terms = [
            factor * scores.get(name, math.nan)
            for name, factor in zip(self.models, self.coefficients, strict=True)
        ]
        return math.fsum(terms) + self.intercept


def _targets(scores: NDArray[np.float64], is_right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The score of the first column that is right; `_NOBODY` where none is; shape (n,)."""
    first = is_right.argmax(axis=1)
    found: NDArray[np.float64] = scores[np.arange(len(scores)), first]
    return np.where(is_right.any(axis=1), found, _NOBODY)


def _least_squares(
    scores: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The coefficients and the intercept; of several solutions the smallest coefficients."""
    means = scores.mean(axis=0)
    coefficients, *_ = np.linalg.lstsq(scores - means, targets - targets.mean(), rcond=None)
    return coefficients, float(targets.mean() - means @ coefficients)


def _checked_tables(
    estimated: ArrayLike, measured: ArrayLike, models: Sequence[str], order: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores, outcomes = np.asarray(estimated, np.float64), np.asarray(measured, np.float64)
    wrong = []
    if scores.shape != outcomes.shape or scores.shape[1:] != (len(models),):
        wrong.append(
            f"estimated has shape {scores.shape}, measured {outcomes.shape}, for {len(models)} "
            "models; give one row a training query and one column a model in both"
        )
    if order not in get_args(Order):
        wrong.append(f"order is {order!r}; give one of {', '.join(get_args(Order))}")
    if wrong:
        raise PolicyError(f"Prediction: {'; '.join(wrong)}")
    return scores, outcomes


def _names_fault(models: object) -> str | None:
    names = models if isinstance(models, tuple) else ()
    if names and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        return None
    return f"models is {models!r}; give a list of names, each once"


def _coefficients_fault(coefficients: object, models: object) -> str | None:
    numbers = coefficients if isinstance(coefficients, tuple) else ()
    many = len(models) if isinstance(models, tuple) else len(numbers)
    if len(numbers) == many and numbers and all(map(_is_finite, numbers)):
        return None
    return (
        f"coefficients is {coefficients!r}; give a list of numbers, one for each of {many} models"
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
