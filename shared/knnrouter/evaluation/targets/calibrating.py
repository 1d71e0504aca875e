"""From a goal to a policy setting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import EvaluationError
from knnrouter.policies import Policy
from knnrouter.policies.frames import reframed
from knnrouter.records import RecordSet
from knnrouter.router import Router

from .asking import Row, ask, stated
from .figures import HeldOut
from .goals import Budget, Goal, Quality, Share, check_between
from .result import Calibration
from .search import Search
from .traffic import traffic_of

__all__ = ["calibrate"]


def calibrate(
    router: Router,
    traffic: Sequence[str] | RecordSet,
    goal: Goal,
    *,
    confidence: float = 0.95,
    holdout: float = 0.5,
    seed: int = 0,
) -> Calibration:
    """Find the policy setting that keeps to a goal, and what it does on queries held out.

    * `Budget`: `ScoreMinusCost` of the least weight whose expected costs are within it.
    * `Share`: `Reserved` of the least margin, at least 0, that keeps the model to it; for a pool of
      two models `Threshold`, as RouteLLM calibrates it.
    * `Quality`: `ScoreMinusCost` of the greatest weight that can be promised to reach the part of
      the best single model's mean score (see `risk`); the best one by the router's own records.

    Guards and limits around the router's policy are kept, and hold during the search.

    Args:
        router: What chooses; its records must not hold the traffic where quality is promised.
        traffic: Texts like those to come; or records with their text, of which `Quality` needs the
            scores, and whose measured costs are told beside the expected ones.
        goal: What to keep to.
        confidence: Of the intervals of what was held out, in [0.5, 1).
        holdout: Which part of the queries is held out, in [0, 1); 0 tells nothing of new queries.
        seed: Where the split and the order of the tests come from.

    Returns:
        The policy, its text for `--policy` and for pool.yaml, and its figures.

    Raises:
        EvaluationError: The goal cannot be kept, or not be promised on so few queries.
        UnpricedError: A cost is needed that nobody stated.
        UnknownModelError: The goal names a model that the pool does not have.
        TypeError: The traffic is one text, or the goal none of the three.

    Example:
        >>> rows = [
        ...     {"query": "Sort a list in C.", "small": 0.5, "large": 1.0},
        ...     {"query": "Write an ode to rain.", "small": 0.75, "large": 0.75},
        ... ]
        >>> rows = [row | {"small|cost": 0.001, "large|cost": 0.003} for row in rows]
        >>> router = Router.fit(RecordSet.from_rows(rows))
        >>> traffic = ["Sort a list in C.", "Write an ode to rain."]
        >>> found = calibrate(router, traffic, Budget(usd_per_1000=2), holdout=0)
        >>> [router.route(text, policy=found.policy).model for text in traffic]
        ['large', 'small']
    """
    _check(router, goal, confidence, holdout)
    queries, notes = traffic_of(router, traffic, unseen=isinstance(goal, Quality))
    asked, rows = ask(router, queries.texts)
    search = Search(router=router, goal=goal, asked=asked, traffic=queries, notes=[*notes])
    kept = search.usable_rows()
    used, held = (kept[side] for side in queries.only(kept).split(holdout, seed=seed))
    inner = search.inner(used, seed)
    columns = _columns(router, inner, [rows[row] for row in held.tolist()])
    out = HeldOut(
        asked=asked.only(held),
        traffic=queries.only(held),
        chosen=columns,
        single=search.single,
        confidence=confidence,
        seed=seed,
    )
    figures = out.figures(goal.model if isinstance(goal, Share) else None)
    search.judge(figures, len(np.unique(queries.kin[held])))
    return Calibration(
        goal=goal,
        policy=stated(router, inner),
        used=len(used),
        held_out=len(held),
        figures=figures,
        shares=out.shares(),
        confidence=confidence,
        notes=tuple(search.notes),
    )


def _check(router: Router, goal: object, confidence: float, holdout: float) -> None:
    if not isinstance(goal, Budget | Share | Quality):
        raise TypeError(
            f"goal is {goal!r:.80}, of type {type(goal).__name__}; give Budget(usd_per_1000=...), "
            "Share(model=..., at_most=...) or Quality(of_best=...)"
        )
    check_between("confidence", confidence, 0.5, 1.0, such_as="0.95", below=True)
    check_between("holdout", holdout, 0.0, 1.0, such_as="0.5", below=True)
    if isinstance(goal, Share):
        router.pool.spec(goal.model)
        if goal.model not in router.pool.enabled_names:
            raise EvaluationError(
                f"{goal.model} is not enabled in the pool, so its share is 0; set `enabled: true`, "
                f"or name one of {', '.join(router.pool.enabled_names)}"
            )


def _columns(router: Router, inner: Policy, rows: Sequence[Row]) -> NDArray[np.int64]:
    """What the router chooses by this policy, within its guards and limits; shape (n,)."""
    policy, models = reframed(router.policy, inner), router.pool.enabled_names
    return np.array([models.index(row.chosen(policy)) for row in rows], dtype=np.int64)
