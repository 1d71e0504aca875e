"""A model joins with few labels: how far are its estimates from full evaluation?

A fifth of the queries is held out. On the rest every model in turn is hidden, the router is fitted
on the others, and the model joins with outcomes on 20 to 400 rows: those that `onboarding.propose`
names, or as many drawn at random. Compared with a router that was fitted on all outcomes of all
models with the same settings:

* task means: by how much the mean estimate of the new model on a task's held-out queries differs,
  mean over the tasks;
* estimates: the same for each held-out query;
* lost: how much lower the held-out queries score that the router sends to its best model;
* inside: how many of the 95 % intervals of its task means (`onboarding.standing`) hold the mean of
  all outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from bench import Embedded, Floats, Options, best_scores, header, options, static_embedder, table
from numpy.typing import NDArray

from knnrouter import RecordSet, Router, read_records
from knnrouter.estimators import KNN, Blend, Estimates, Estimator, UniRoute, base, from_settings
from knnrouter.evaluation import Interval, Split, k_fold, paired_bootstrap, scored
from knnrouter.onboarding import propose, standing
from knnrouter.text import read_query

BUDGETS = (20, 60, 200, 400)
MEASURES = ("task means", "estimates", "lost", "inside")
ESTIMATORS: dict[str, Estimator] = {"knn": KNN(), "uniroute": UniRoute(), "blend": Blend()}


def main() -> None:
    asked = options(__doc__, seeds=3)
    known = Embedded.of(read_records(asked.file("llmrouter/routing_train.json")))
    budgets = BUDGETS[1:2] if asked.quick else BUDGETS
    for name, estimator in ESTIMATORS.items():
        header(f"{name}: a model joins, ulab LLMRouter, {known.records!r}", asked, intervals=False)
        print(f"Intervals hold 95 % of {asked.draws:,} draws of the hidden models.\n")
        found = [each for seed in asked.seeds for each in _runs(known, estimator, seed, budgets)]
        _show(found, budgets, asked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What came of one hidden model, one budget and one choice of rows."""

    model: str
    budget: int
    proposed: bool
    values: tuple[float, ...]
    """By `MEASURES`."""


def _runs(
    known: Embedded, estimator: Estimator, seed: int, budgets: tuple[int, ...]
) -> Iterator[Run]:
    split = k_fold(known.records, seed=seed)[0]
    learned = known.select(split.train).with_vectors
    whole = Router.fit(learned, embedder=static_embedder(), estimator=estimator, seed=seed)
    for model in learned.models:
        trial = Trial.of(known, split, whole, model, seed)
        for budget in budgets:
            rng = np.random.default_rng([seed, budget, learned.models.index(model)])
            drawn = rng.choice(len(learned), budget, replace=False)
            for proposed, rows in ((True, trial.proposed(budget)), (False, drawn)):
                values = trial.values(rows)
                yield Run(model=model, budget=budget, proposed=proposed, values=values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One model, hidden: what is known without it, and what full evaluation says of it."""

    known: Embedded
    split: Split
    without: Router
    model: str
    outcomes: RecordSet
    """All outcomes of the model on the learned rows."""
    full: Estimates
    """With all outcomes, on the held-out queries."""
    truth: tuple[float, ...]
    """The model's mean in each task of the learned rows."""
    seed: int

    @classmethod
    def of(cls, known: Embedded, split: Split, whole: Router, model: str, seed: int) -> Trial:
        """Hide a model of a router that knows all."""
        records = whole.records
        others = [place for place, name in enumerate(records.models) if name != model]
        settings = from_settings(whole.estimator.settings)
        without = Router.fit(
            _columns(records, others), embedder=whole.embedder, estimator=settings, seed=seed
        )
        complete = Router.fit(
            _columns(records, [*others, records.models.index(model)]),
            embedder=whole.embedder,
            estimator=settings,
            seed=seed,
        )
        own = _columns(records, [records.models.index(model)])
        tasks = np.array([task or "" for task in records.tasks])
        return cls(
            known=known,
            split=split,
            without=without,
            model=model,
            outcomes=own,
            full=_asked(complete, known.select(split.test)),
            truth=tuple(float(own.scores[tasks == task].mean()) for task in np.unique(tasks)),
            seed=seed,
        )

    def proposed(self, budget: int) -> NDArray[np.int64]:
        """The rows that are proposed."""
        place = {name: row for row, name in enumerate(self.outcomes.ids)}
        proposal = propose(self.without, budget, seed=self.seed)
        return np.array([place[name] for name in proposal.ids])

    def values(self, rows: NDArray[np.int64]) -> tuple[float, ...]:
        """By `MEASURES`, what comes of outcomes on these rows."""
        router = self.without.with_pool(None).add_model(self.model, self.outcomes.select(rows))
        found = _asked(router, self.known.select(self.split.test))
        one, other = found.scores[:, -1], self.full.scores[:, -1]
        tasks = np.array([self.known.records.tasks[row] or "" for row in self.split.test])
        apart = [abs((one - other)[tasks == task].mean()) for task in np.unique(tasks)]
        told = standing(router.records).tasks
        inside = [
            each.low[-1] <= mean <= each.high[-1]
            for each, mean in zip(told, self.truth, strict=True)
        ]
        lost = self._quality(self.full).mean() - self._quality(found).mean()
        return (
            float(np.mean(apart)),
            float(np.abs(one - other).mean()),
            float(lost),
            float(np.mean(inside)),
        )

    def _quality(self, found: Estimates) -> Floats:
        """What the choices score on the held-out queries."""
        order = [self.known.records.models.index(name) for name in found.models]
        scores = self.known.scores[:, order]
        chosen = best_scores(found, scores[self.split.train])
        return scored(scores[self.split.test], chosen)


def _columns(records: RecordSet, places: list[int]) -> RecordSet:
    """The records of some of the models."""
    fields = records.as_dict() | {"models": [records.models[place] for place in places]}
    for name in ("scores", "costs", "input_tokens", "output_tokens", "latency_ms"):
        if fields[name] is not None:
            fields[name] = fields[name][:, places]
    return RecordSet(**fields)


def _asked(router: Router, queries: Embedded) -> Estimates:
    near = router.evidence.index.search(queries.vectors, router.estimator.neighbors)
    texts = [read_query(query).text for query in queries.records.queries]
    return base.asked(router.estimator, texts, queries.vectors, near)


def _show(runs: list[Run], budgets: tuple[int, ...], asked: Options) -> None:
    rows: list[list[object]] = []
    for budget in budgets:
        these = [_values(runs, budget, proposed=proposed) for proposed in (True, False)]
        for name, values in zip(("proposed", "random"), these, strict=True):
            cells = [_interval(values[:, place], asked) for place in range(len(MEASURES))]
            rows.append([f"{budget}, {name}", *cells])
        apart = [_interval(these[0][:, place] - these[1][:, place], asked) for place in range(3)]
        rows.append([f"{budget}, proposed less random", *apart, ""])
    table(["labels", *MEASURES], rows)


def _values(runs: list[Run], budget: int, *, proposed: bool) -> Floats:
    """The mean over the seeds for each hidden model; shape (models, measures)."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for run in runs:
        if run.budget == budget and run.proposed == proposed:
            found.setdefault(run.model, []).append(run.values)
    return np.array([np.mean(values, axis=0) for values in found.values()])


def _interval(values: Floats, asked: Options) -> Interval:
    return paired_bootstrap(values, np.zeros_like(values), draws=asked.draws)


if __name__ == "__main__":
    main()
