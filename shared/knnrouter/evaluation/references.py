"""What a router must be compared with. Most give what its choices scored, a number a query.

`scores` are what was measured: shape (n, m), one row a query, one column a model, NaN where it was
not measured. Two kinds of references must never be mixed up: those that could be had in practice,
chosen on training queries (`best_single`, `by_length`, `random`, `matched_random`), and those that
look at the test scores, and so bound what could be reached (`task_oracle`, `query_oracle`,
`chance_corrected_oracle`).
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import Floats, group_numbers, table, vectors
from .arrays import columns as checked_columns
from .ties import first_choice

__all__ = [
    "best_single",
    "by_length",
    "chance_corrected_oracle",
    "matched_random",
    "oracle_columns",
    "oracle_costs",
    "query_oracle",
    "random",
    "scored",
    "task_oracle",
]

_Scores = NDArray[np.floating]


def scored(scores: _Scores, columns: ArrayLike) -> NDArray[np.float64]:
    """What the models in these columns, one for each query or one for all, scored; shape (n,).

    NaN where the model was not measured on the query.

    Raises:
        EvaluationError: There is not one column a query, or it is none of the scores.

    Example:
        >>> scored(np.array([[0.0, 1.0], [0.5, 0.0]]), [1, 0]).tolist()
        [1.0, 0.5]
    """
    given = np.asarray(columns)
    given = given if given.ndim else np.full(len(scores), given)
    chosen = checked_columns(given, *scores.shape, name="columns")
    return scores[np.arange(len(scores)), chosen].astype(np.float64)


def best_single(train: _Scores, test: _Scores) -> NDArray[np.float64]:
    """The one model with the best mean on the training queries answers everything.

    Give the test scores twice for the best in hindsight, and then say so.

    Raises:
        EvaluationError: No model was measured in training.

    Example:
        >>> train, test = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])
        >>> best_single(train, test).tolist()
        [0.0, 1.0]
    """
    return scored(test, _best_column(train))


def by_length(
    train_lengths: ArrayLike,
    train: _Scores,
    test_lengths: ArrayLike,
    test: _Scores,
    *,
    bins: int = 10,
) -> NDArray[np.float64]:
    """Prompt length alone: in each length class, the model with the best mean on training queries.

    Args:
        train_lengths: Lengths of the training queries, in any unit; shape (t,).
        train: Their scores; shape (t, m).
        test_lengths: Lengths of the test queries in the same unit; shape (n,).
        test: Their scores; shape (n, m).
        bins: How many classes, as many training queries in each; at least 1.

    Raises:
        EvaluationError: There is not one length a query, or nothing to learn from; or `bins` is
            below 1.

    Example:
        >>> train = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> by_length([5, 50], train, [9, 99], np.array([[0.3, 0.7], [0.2, 0.8]]), bins=2).tolist()
        [0.3, 0.8]
    """
    (known,), (asked,) = vectors(train_lengths=train_lengths), vectors(test_lengths=test_lengths)
    if (len(known), len(asked)) != (len(train), len(test)) or bins < 1:
        raise EvaluationError(
            f"there are {len(known)} lengths of {len(train)} training queries and {len(asked)} of "
            f"{len(test)} test queries, and bins is {bins}; give one length a query, and 1 bin or "
            "more"
        )
    edges = np.quantile(known, np.linspace(0.0, 1.0, bins + 1)[1:-1])
    train_class, test_class = np.searchsorted(edges, known), np.searchsorted(edges, asked)
    columns = np.full(bins, _best_column(train))
    for each in np.unique(train_class):
        columns[each] = _best_column(train[train_class == each])
    return scored(test, columns[test_class])


def random(scores: _Scores) -> NDArray[np.float64]:
    """A model drawn anew for each query: what it scores on average; shape (n,).

    The mean is over the models that were measured; each query needs at least one.

    Raises:
        EvaluationError: A query has no score at all.

    Example:
        >>> random(np.array([[0.0, 1.0], [0.5, np.nan]])).tolist()
        [0.5, 0.5]
    """
    return np.asarray(np.nanmean(_with_scores(scores), axis=1))


def task_oracle(scores: _Scores, tasks: Sequence[Hashable]) -> NDArray[np.float64]:
    """Knows each query's task, and which model is the best on it over these very queries.

    Raises:
        EvaluationError: There is not one task a query, or nothing was measured on a task.

    Example:
        >>> scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.5]])
        >>> task_oracle(scores, ["a", "a", "a", "b"]).tolist()
        [1.0, 1.0, 0.0, 0.5]
    """
    names, task_of = group_numbers(tasks, len(scores))
    columns = np.array([_best_column(scores[task_of == task]) for task in range(len(names))])
    return scored(scores, columns[task_of])


def query_oracle(scores: _Scores) -> NDArray[np.float64]:
    """Knows which model is the best on each query; what it scores, shape (n,).

    Looks at the models that were measured; each query needs at least one.

    Raises:
        EvaluationError: A query has no score at all.

    Example:
        >>> query_oracle(np.array([[0.0, 1.0], [0.5, np.nan]])).tolist()
        [1.0, 0.5]
    """
    return np.asarray(np.nanmax(_with_scores(scores), axis=1))


def oracle_columns(scores: _Scores, costs: ArrayLike | None = None) -> NDArray[np.int64]:
    """Whom the query oracle chooses: the best model of each query, the cheapest of several; (n,).

    Where all score alike, such as 0, that is the cheapest of all. What it scores is `query_oracle`.

    Args:
        scores: What was measured; shape (n, m).
        costs: What it cost, shape (n, m) or (m,). None: of several, the first.

    Raises:
        EvaluationError: A query has no score at all.

    Example:
        >>> oracle_columns(np.array([[1.0, 1.0], [0.0, 1.0]]), [[0.2, 0.1], [0.2, 0.1]]).tolist()
        [1, 1]
    """
    return first_choice(scores, costs=costs)


def oracle_costs(
    scores: _Scores, costs: ArrayLike, *, unsolved: Literal["cheapest", "free"] = "cheapest"
) -> Floats:
    """What the query oracle spends on each query; shape (n,).

    Args:
        scores: What was measured; shape (n, m).
        costs: What it cost, USD; shape (n, m).
        unsolved: Where every model scores 0, `cheapest` pays the cheapest of them; `free` asks none
            and pays nothing, as RouterBench counts it (arXiv 2403.12031).

    Raises:
        EvaluationError: A query has no score at all; the shapes differ; or `unsolved` is neither.

    Example:
        >>> scores, costs = np.array([[0.0, 1.0], [0.0, 0.0]]), [[0.1, 0.2], [0.1, 0.2]]
        >>> oracle_costs(scores, costs).tolist()
        [0.2, 0.1]
        >>> oracle_costs(scores, costs, unsolved="free").tolist()
        [0.2, 0.0]
    """
    if unsolved not in ("cheapest", "free"):
        raise EvaluationError(
            f"unsolved is {unsolved!r}; it is 'cheapest' or 'free': give one of them"
        )
    spent = np.asarray(costs, dtype=np.float64)
    if spent.shape != scores.shape:
        raise EvaluationError(
            f"costs has shape {spent.shape}, and scores {scores.shape}; give one row a query and "
            "one column a model, in the same order"
        )
    paid = scored(spent, oracle_columns(scores, spent))
    return paid if unsolved == "cheapest" else np.where(query_oracle(scores) > 0, paid, 0.0)


def matched_random(scores: _Scores, shares: ArrayLike) -> Floats:
    """As often each model as the router has it, but on queries drawn at random; shape (n,).

    The sum over the models of share times score: EmbedLLM's weighted random (arXiv 2410.02223). A
    router that scores no more knows who is good, and nothing of the queries.

    Args:
        scores: What was measured; shape (n, m). A model that is never chosen may be NaN.
        shares: As `selection_shares` gives them; shape (m,).

    Raises:
        EvaluationError: There is not one share a model, or they do not sum to 1.

    Example:
        >>> matched_random(np.array([[0.0, 1.0], [1.0, 1.0]]), [0.75, 0.25]).tolist()
        [0.25, 1.0]
    """
    (parts,) = vectors(shares=shares)
    if len(parts) != scores.shape[1] or (parts < 0).any() or abs(parts.sum() - 1.0) > 1e-6:
        raise EvaluationError(
            f"there are {len(parts)} shares, which sum to {parts.sum():g}, for {scores.shape[1]} "
            "models; give one share a model, 0 or more, that sum to 1"
        )
    used = parts > 0
    return np.asarray(scores[:, used].astype(np.float64) @ parts[used], dtype=np.float64)


def chance_corrected_oracle(scores: _Scores, chance: ArrayLike) -> float:
    """What the query oracle would score if nobody were right by luck: its mean score, corrected.

    With M models that guess, each right by chance g, some model is right on 1 - (1 - g)^M of the
    queries that none understands: nearly all of them, for eleven models and two options. So when u
    is the part of the queries that some model understands, the oracle scores
    O = u + (1 - u) (1 - (1 - g)^M). Solved for u, this is u = 1 - (1 - O) / (1 - g)^M, cut to
    [0, 1]; and who is sent to a model that understands, and to any that guesses elsewhere, scores
    u + (1 - u) g. That never counts for less than the best single model's mean, which was measured.
    Guesses are taken to be independent; models that guess alike are lucky together, the correction
    is then too strong, and the figure too low.

    Args:
        scores: What was measured, 0 or 1; shape (n, m). O is the mean of each query's best score.
        chance: The chance g to be right by guessing, in [0, 1), such as 0.25 of four options: one
            for all, or one a query, shape (n,). Queries of like chance are corrected together.

    Raises:
        EvaluationError: A score is not measured, or a chance is outside [0, 1).

    Example:
        >>> scores = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
        >>> chance_corrected_oracle(scores, 0.0), chance_corrected_oracle(scores, 0.25)
        (0.75, 0.6666666666666667)
    """
    measured = table(scores)
    (guess,) = vectors(chance=np.broadcast_to(np.asarray(chance, np.float64), len(measured)))
    if guess.min() < 0 or guess.max() >= 1:
        raise EvaluationError(
            f"chance goes from {guess.min():g} to {guess.max():g}; it lies in [0, 1): give 1 / the "
            "number of options, and 0 for free answers"
        )
    best, reached = measured.max(axis=1), 0.0
    for each in np.unique(guess).tolist():
        alike = guess == each
        nobody = max((1.0 - each) ** measured.shape[1], sys.float_info.min)  # guesses right
        understood = 1.0 - min(1.0, float(1.0 - best[alike].mean()) / nobody)
        reached += alike.mean() * (understood + (1.0 - understood) * each)
    return float(max(reached, measured.mean(axis=0).max()))


def _with_scores(scores: _Scores) -> Floats:
    """The scores, at least one on each query."""
    bare = np.flatnonzero(np.isnan(scores).all(axis=1))
    if len(bare):
        raise EvaluationError(
            f"nothing was measured on {len(bare)} of {len(scores)} queries, the first in row "
            f"{bare[0]}; one score a query is needed: leave those queries out"
        )
    return scores.astype(np.float64)


def _best_column(scores: _Scores) -> int:
    """The first of the models with the highest mean; those that were never measured stand back."""
    measured = ~np.isnan(scores)
    if not measured.any():
        raise EvaluationError(
            f"no model was measured on any of {len(scores)} queries, so none is the best; give at "
            "least one score"
        )
    sums = np.where(measured, scores, 0.0).sum(axis=0, dtype=np.float64)
    means = np.where(measured.any(axis=0), sums / np.maximum(measured.sum(axis=0), 1), -np.inf)
    return int(means.argmax())
