"""How a router behaves: whom it chooses, how surely, and on which queries it fails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnrouter.errors import EvaluationError

from .arrays import Floats, columns, table, vectors

__all__ = [
    "Recall",
    "average_rank",
    "best_on_average_share",
    "collapsed",
    "entropy_bits",
    "model_recall",
    "query_entropy",
    "selection_shares",
]


def selection_shares(chosen: ArrayLike, models: int) -> Floats:
    """What part of the queries each model gets; shape (m,), summing to 1.

    Args:
        chosen: The column of the choice on each query; shape (n,).
        models: How many models there are, m.

    Raises:
        EvaluationError: There is no query, or a column is none of the `models`.

    Example:
        >>> selection_shares([0, 0, 2, 0], 3).tolist()
        [0.75, 0.0, 0.25]
    """
    rows = np.asarray(chosen)
    if not rows.size:
        raise EvaluationError("there is no query; shares need at least 1: give the choices made")
    taken = columns(rows, rows.size, models)
    return np.bincount(taken, minlength=models) / len(taken)


def entropy_bits(shares: ArrayLike) -> float:
    """How evenly the models are used: - sum p log2 p; 0 for one model alone, log2 m for all alike.

    Args:
        shares: As `selection_shares` gives them; shape (m,).

    Raises:
        EvaluationError: They are no shares that sum to 1.

    Example:
        >>> entropy_bits([0.5, 0.25, 0.25]), entropy_bits([1.0, 0.0])
        (1.5, 0.0)
    """
    used = _checked_shares(shares)
    used = used[used > 0]
    return float(max(0.0, -(used * np.log2(used)).sum()))


def collapsed(shares: ArrayLike, most: float = 0.95) -> bool:
    """Whether one model gets more than this share of the queries: then nothing is routed.

    Raises:
        EvaluationError: They are no shares that sum to 1.

    Example:
        >>> collapsed([0.96, 0.04]), collapsed([0.95, 0.05])
        (True, False)
    """
    return bool(_checked_shares(shares).max() > most)


def query_entropy(estimated_scores: ArrayLike) -> float:
    """RouterEval's E_p: how undecided the estimates are, in bits, on average over the queries.

    E_p = -(1/N) sum_i sum_m p_im log2 p_im with p_i the softmax of the estimated scores of query i,
    as they are (arXiv 2503.10657). At most log2 m; scores in [0, 1] are close together for a
    softmax, so compare the figures of routers with as many models, and no others.

    Args:
        estimated_scores: Expected score of each model on each query; shape (n, m). Where it is NaN,
            nothing is known of the model, and it has no part.

    Raises:
        EvaluationError: Nothing is known of any model on a query, or it is no such table.

    Example:
        >>> query_entropy([[0.5, 0.5], [0.5, 0.5]])
        1.0
    """
    given = np.asarray(estimated_scores, dtype=np.float64)
    expected = np.where(np.isnan(given), -np.inf, given)
    if expected.ndim != 2:
        table(expected, name="estimated_scores")
    best = np.max(expected, axis=1, keepdims=True, initial=-np.inf)
    table(best, name="the best estimated score")
    raised = np.exp(expected - best)
    chances = raised / raised.sum(axis=1, keepdims=True)
    bits = chances * np.log2(chances, out=np.zeros_like(chances), where=chances > 0)
    return float(-bits.sum(axis=1).mean())


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Recall:
    """How often the choice is right, by how many models are.

    Attributes:
        solvers: Exactly so many models are right: 1 to m; shape (m,).
        queries: How many queries there are of each kind; shape (m,).
        recall: On what part of them the choice is right; shape (m,). NaN where there are none.
    """

    solvers: NDArray[np.int64]
    queries: NDArray[np.int64]
    recall: Floats


def model_recall(scores: ArrayLike, chosen: ArrayLike, *, right: float = 0.5) -> Recall:
    """LLMRouterBench's model recall: accuracy on queries that exactly 1, 2, ... models solve.

    A router that knows who is good at what finds the one model that can; one that knows only who is
    good in general does not (arXiv 2601.07206: 23 to 24 % where 1 to 3 of 20 models are right). A
    random choice has a recall of solvers / m.

    Args:
        scores: What each model scored; shape (n, m).
        chosen: The column of the choice on each query; shape (n,).
        right: A score above this is right.

    Example:
        >>> found = model_recall([[1, 0], [0, 1], [1, 1]], [0, 0, 1])
        >>> found.solvers.tolist(), found.queries.tolist(), found.recall.tolist()
        ([1, 2], [2, 1], [0.5, 1.0])
    """
    solved = table(scores) > right
    rows, models = solved.shape
    taken = columns(chosen, rows, models)
    solvers = solved.sum(axis=1)
    queries = np.bincount(solvers, minlength=models + 1)[1:]
    succeeded = solved[np.arange(rows), taken].astype(np.float64)
    hits = np.bincount(solvers, weights=succeeded, minlength=models + 1)[1:]
    recall = np.divide(hits, queries, out=np.full(models, np.nan), where=queries > 0)
    return Recall(solvers=np.arange(1, models + 1), queries=queries, recall=recall)


def average_rank(scores: ArrayLike, chosen: ArrayLike) -> float:
    """The mean place of the choice among the models: 1 is best, (m + 1) / 2 is chance.

    Models that score alike share the mean of their places. Rows are queries, or tasks with their
    mean scores, which is Shnitzer's figure (arXiv 2309.15789).

    Args:
        scores: What each model scored; shape (n, m).
        chosen: The column of the choice in each row; shape (n,).

    Example:
        >>> average_rank([[0.9, 0.5, 0.7], [1.0, 1.0, 0.0]], [2, 0])  # places 2 and 1.5
        1.75
    """
    measured = table(scores)
    taken = columns(chosen, *measured.shape)
    own = measured[np.arange(len(taken)), taken][:, None]
    better, alike = (measured > own).sum(axis=1), (measured == own).sum(axis=1)
    return float((better + (alike + 1) / 2).mean())


def best_on_average_share(chosen: ArrayLike, means: ArrayLike) -> float:
    """How often the choice is the model with the highest mean: Shnitzer's % BMA, as a share.

    Args:
        chosen: The column of the choice on each query or task; shape (n,).
        means: Mean score of each model, from training; shape (m,). The first of the best counts.

    Example:
        >>> best_on_average_share([1, 1, 0, 2], [0.5, 0.7, 0.6])
        0.5
    """
    (known,) = vectors(means=means)
    return float(selection_shares(chosen, len(known))[known.argmax()])


def _checked_shares(shares: ArrayLike) -> Floats:
    (used,) = vectors(shares=shares)
    if (used < 0).any() or abs(used.sum() - 1.0) > 1e-6:
        raise EvaluationError(
            f"shares sum to {used.sum():g}, and the least is {used.min():g}; they are parts of all "
            "queries and sum to 1: give what selection_shares gives"
        )
    return used
