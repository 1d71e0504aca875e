"""This router against other routers' recipes, and against choosing without any router.

    python benchmarks/bakeoff.py

Everyone gets the same rows to learn from, the same queries and the same vectors, those of the
bundled static embedder. Every recipe keeps its own hyperparameters (see `recipes.py`); this router
keeps its defaults. "In hindsight" marks rows that look at the test scores: they bound what could be
reached. The controls are this router with nothing to learn, and must come to the best single model.

"Unchanged" is the share of choices that stay when the words of a query change and its sense does
not, mean over six kinds of changes, on a sample of the queries. Fitting and routing are processor
time in one thread with the vectors ready-made; routing is of all that a round tests at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import routellm_mmlu
import routerdc
from bench import Embedded, Floats, Options, header, interval, options, table
from numpy.typing import NDArray
from recipes import COST_WEIGHTS, OURS, SINGLE, controls, priced_recipes, recipes
from rounds import Collection, Ran, complete, run
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # has no types

from knnrouter import evaluation, read_records
from knnrouter.evaluation import (
    Hull,
    Interval,
    aiq,
    bootstrap,
    first_choice,
    hull,
    paired_bootstrap,
)

TASKS = "best model of each task, in hindsight"
QUERIES = "best model of each query, in hindsight"
ZERO = "hull mixture, chosen in training"
ZERO_HINDSIGHT = "hull mixture, in hindsight"


def main() -> None:
    asked = options(__doc__, seeds=1, draws=300)
    bakes = []
    with threadpool_limits(1):
        for whole in collections(asked):
            collection = replace(whole, sampled=50) if asked.quick else whole
            bakes.append(bake := Bake.of(collection, asked))
            header(collection.title, asked)
            table(*quality(bake))
            if collection.priced:
                header(f"{collection.name}: costs", asked)
                table(*costs(bake))
            if collection.pair:
                header(f"{collection.name}: the gap between the two models", asked)
                table(*gap(bake))
    header("All collections: ahead of the best single model, chosen in training", asked)
    table(*summary(bakes))
    print("\nAn asterisk marks an interval that does not hold zero.")


def collections(asked: Options) -> Iterator[Collection]:
    """What is baked, in the order of the tables."""
    ulab = Embedded.of(read_records(asked.file("llmrouter/routing_train.json")))
    yield by_folds("ulab LLMRouter", ulab)
    for title, name in (("RouteLLM MMLU", "mmlu"), ("RouteLLM GSM8K", "gsm8k")):
        two = routellm_mmlu.pair(asked, name)
        weak, strong = (
            two.records.models.index(each) for each in (routellm_mmlu.WEAK, routellm_mmlu.STRONG)
        )
        yield by_folds(title, two, pair=(weak, strong))
    learned = Embedded.of(routerdc.read(asked, routerdc.TRAIN))
    for title, files in (
        ("RouterDC within", routerdc.WITHIN),
        ("RouterDC beyond", routerdc.BEYOND),
    ):
        tested = Embedded.of(routerdc.read(asked, files))
        yield from_train(title, learned, tested, by_set=True)
    arc = [
        read_records(asked.file(f"routerbench/arc_challenge_{part}.csv"))
        for part in ("train", "test")
    ]
    yield from_train("RouterBench ARC", Embedded.of(arc[0]), Embedded.of(complete(arc[1])))


def by_folds(name: str, known: Embedded, *, pair: tuple[int, int] | None = None) -> Collection:
    title = f"{name}, 5 folds of {known.records!r}"
    return Collection(name=name, title=title, tested=known, pair=pair)


def from_train(
    name: str, learned: Embedded, tested: Embedded, *, by_set: bool = False
) -> Collection:
    counts = f"{len(learned.records):,} rows to learn from, {len(tested.records):,} to test on"
    title = f"{name}, {len(learned.records.models)} models, {counts}"
    return Collection(name=name, title=title, learned=learned, tested=tested, by_set=by_set)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bake:
    """What every recipe did on a collection, and what stands beside it."""

    collection: Collection
    ran: Mapping[str, Ran]
    asked: Options

    @classmethod
    def of(cls, collection: Collection, asked: Options) -> Bake:
        """Run every recipe."""
        wanted = recipes() | (priced_recipes() if collection.priced else {}) | controls()
        found = {name: run(collection, recipe, asked.seeds) for name, recipe in wanted.items()}
        return cls(collection=collection, ran=found, asked=asked)

    @property
    def scores(self) -> Floats:
        """What was measured; shape (n, m)."""
        return self.collection.tested.scores

    @property
    def spent(self) -> Floats:
        """USD for each answer; shape (n, m)."""
        return self.collection.tested.records.costs

    @cached_property
    def quality(self) -> dict[str, Floats]:
        """What each choice scored on each query, mean over seeds; shape (n,)."""
        return {name: ran.mean(self.scores) for name, ran in self.ran.items()} | {
            "random model": evaluation.random(self.scores),
            TASKS: evaluation.task_oracle(self.scores, self.collection.tested.records.tasks),
            QUERIES: evaluation.query_oracle(self.scores),
        }

    @cached_property
    def cost(self) -> dict[str, Floats]:
        """What each choice cost on each query, USD, mean over seeds; shape (n,)."""
        everywhere = np.arange(len(self.spent))
        cheapest_best = first_choice(self.scores, costs=self.spent)
        return {name: ran.mean(self.spent) for name, ran in self.ran.items()} | {
            "random model": self.spent.mean(axis=1),
            QUERIES: self.spent[everywhere, cheapest_best],
        }

    def lead(self, name: str, over: str) -> Interval | str:
        """How far one choice is ahead of another one; nothing over itself."""
        if name == over:
            return ""
        ours, theirs = self.quality[name], self.quality[over]
        sets, draws = self.collection.sets, self.asked.draws
        return paired_bootstrap(ours, theirs, groups=sets, draws=draws)


Table = tuple[list[str], list[list[object]]]


def quality(bake: Bake) -> Table:
    """Scores with their leads, robustness and times."""
    rows: list[list[object]] = []
    for name, values in bake.quality.items():
        ran = bake.ran.get(name)
        rows.append(
            [
                name,
                interval(values, bake.asked.draws, bake.collection.sets),
                bake.lead(name, SINGLE),
                bake.lead(OURS, name),
                *(("", "", "") if ran is None else stability_and_times(ran)),
            ]
        )
    columns = ["choice", "quality", "ahead of the best single model", "ours is ahead by"]
    return [*columns, "unchanged", "fit", "route"], rows


def stability_and_times(ran: Ran) -> tuple[str, str, str]:
    fit, route = f"{ran.fit_seconds:.2f} s", f"{1e6 * ran.route_seconds:.0f} µs"
    return f"{ran.unchanged:.1%}", fit, route


def gap(bake: Bake) -> Table:
    """RouteLLM's figures for two models; the mean over folds, as in `routellm_mmlu.py`."""
    known, asked = bake.collection.tested, bake.asked
    names = [name for name in bake.ran if name != SINGLE]
    rounds = [
        routellm_mmlu.Run(
            test=bake.ran[OURS].parts[place].test,
            preferences={name: gain_of(bake.ran[name], place) for name in names}
            | {"random model": np.random.default_rng(place).random(len(part.test))},
        )
        for place, part in enumerate(bake.ran[OURS].parts)
    ]
    rows: list[list[object]] = []
    for name in rounds[0].preferences:
        own = routellm_mmlu.interval(known, rounds, name, None, asked)
        behind = "" if name == OURS else routellm_mmlu.interval(known, rounds, OURS, name, asked)
        rows.append([name, own, behind])
    return ["router", "APGR", "ours is ahead by"], rows


def gain_of(ran: Ran, place: int) -> Floats:
    found = ran.parts[place].gain
    assert found is not None  # the collection names its pair
    return found


def costs(bake: Bake) -> Table:
    """What the choices cost, how far above the hull of the single models, and AIQ."""
    knobs = knob_points(bake)
    rows: list[list[object]] = []
    for name in [*bake.cost, *(each for each in knobs if each not in bake.cost)]:
        line: list[object] = [name, "", "", "", "", ""]
        if name in bake.cost:
            line[1] = f"{bake.quality[name].mean():.4f}"
            line[2] = f"{1000 * bake.cost[name].mean():.3f}"
            line[3] = above_hull(bake, name)
        if name in knobs:
            line[4] = aiq_interval(bake, knobs[name], None)
            line[5] = "" if name == OURS else aiq_interval(bake, knobs[OURS], knobs[name])
        rows.append(line)
    columns = ["choice", "quality", "USD per 1,000", "above the hull", "AIQ"]
    return [*columns, "our AIQ is ahead by"], rows


Points = tuple[Floats, Floats]
"""Costs and scores at each of p settings on each query; both of shape (p, n)."""


def knob_points(bake: Bake) -> dict[str, Points]:
    """Whatever can be set between quality and cost."""
    found: dict[str, Points] = {}
    for name, ran in bake.ran.items():
        spent, reached = ran.swept(bake.spent), ran.swept(bake.scores)
        if spent is not None and reached is not None:
            found[name] = spent, reached
    learned = bake.collection.learned
    assert learned is not None  # no priced collection is tested by folds
    means = np.nanmean(learned.scores, axis=0)
    chosen = hull(learned.records.costs.mean(axis=0), means).columns
    found[ZERO] = bake.spent.T[chosen], bake.scores.T[chosen]
    found[ZERO_HINDSIGHT] = bake.spent.T, bake.scores.T
    everywhere = np.arange(len(bake.spent))
    sweep = [
        first_choice(bake.scores - weight * bake.spent, costs=bake.spent) for weight in COST_WEIGHTS
    ]
    found[QUERIES] = (
        np.array([bake.spent[everywhere, each] for each in sweep]),
        np.array([bake.scores[everywhere, each] for each in sweep]),
    )
    return found


def above_hull(bake: Bake, name: str) -> Interval:
    """How far a choice lies above what mixing single models reaches at its cost, in hindsight."""
    cost, score = bake.cost[name][None], bake.quality[name][None]

    def above(rows: NDArray[np.int64]) -> float:
        reached, singles = drawn(cost, score, rows), zero(bake, rows)
        spent = max(float(reached.costs[0]), float(singles.costs[0]))
        return float(reached.quality[0]) - singles.quality_at(spent)

    return bootstrap(above, len(bake.spent), draws=bake.asked.draws)


def aiq_interval(bake: Bake, points: Points, less: Points | None) -> Interval:
    """AIQ between the costs of the cheapest and the dearest single model, less another one's."""

    def figure(rows: NDArray[np.int64]) -> float:
        singles = mean_of(bake.spent.T, rows)
        low, high = float(singles.min()), float(singles.max())

        def of(each: Points) -> float:
            return aiq(drawn(*each, rows), low=low, high=high)

        return of(points) - (0.0 if less is None else of(less))

    return bootstrap(figure, len(bake.spent), draws=bake.asked.draws)


def zero(bake: Bake, rows: NDArray[np.int64]) -> Hull:
    """The hull of the single models over these rows."""
    return drawn(bake.spent.T, bake.scores.T, rows)


def drawn(spent: Floats, reached: Floats, rows: NDArray[np.int64]) -> Hull:
    return hull(mean_of(spent, rows), mean_of(reached, rows))


def mean_of(values: Floats, rows: NDArray[np.int64]) -> Floats:
    """The mean over these rows, some of them repeated; shape (p,)."""
    counts = np.bincount(rows, minlength=values.shape[1])
    return np.asarray(values @ counts / len(rows))


def summary(bakes: Sequence[Bake]) -> Table:
    """Each choice's lead in every collection, and the means of what is not about quality."""
    names = max((list(bake.quality) for bake in bakes), key=len)
    rows: list[list[object]] = []
    for name in names:
        found = [bake.ran[name] for bake in bakes if name in bake.ran]
        stayed = f"{np.mean([ran.unchanged for ran in found]):.1%}" if found else ""
        rows.append([name, *(short_lead(bake, name) for bake in bakes), stayed])
    return ["choice", *(bake.collection.name for bake in bakes), "unchanged, mean"], rows


def short_lead(bake: Bake, name: str) -> str:
    lead = bake.lead(name, SINGLE) if name in bake.quality else ""
    if isinstance(lead, str):
        return lead
    return f"{lead.estimate:+.4f}{' *' if lead.excludes(0.0) else ''}"


if __name__ == "__main__":
    main()
