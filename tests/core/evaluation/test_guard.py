"""A guard found on made-up tasks, where what an unknown task costs is known.

Half of the queries of each task are common: they lie around one direction, where the specialist is
right nine times of ten and the generalist six. The others are odd: they lie in a direction of
their own task, at a cosine of 0.4 to the common ones, and there the specialist is right twice of
ten, the generalist eight times. A router that does not know the task asks the common neighbors
about odd queries, takes the specialist, and loses 0.6; on common ones it wins 0.3.
"""

import re

import numpy as np
import pytest

from knnrouter import ModelPool, ModelSpec, RecordSet, Router, policies
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EvaluationError, EvaluationWarning, PoolError
from knnrouter.estimators import KNN
from knnrouter.evaluation import UnseenTasks, guard, unseen_tasks
from knnrouter.evaluation.unseen import best_on_average
from knnrouter.lineup import Lineup
from knnrouter.pool import RouterSettings

DIM = 16
VOTE = KNN(k=80, weights="uniform", shrinkage=0.0)


def vector(text):
    """Of texts such as "common 7 of task 3"."""
    kind, number, task = re.fullmatch(r"(\w+) (\d+) of task (\d+)", text).groups()
    row = np.zeros(DIM)
    row[0], row[1 + int(task)] = (0.4, np.sqrt(1 - 0.4**2)) if kind == "odd" else (1.0, 0.0)
    row[-1] = 0.0 if kind == "odd" else 0.01 * (int(number) % 7)
    return row / np.linalg.norm(row)


EMBEDDER = FunctionEmbedder(lambda texts: [vector(text) for text in texts], DIM, "tasks-16")


def made(tasks=8, each=30, seed=0, rates=None):
    """Records of so many queries of each kind in each task; the scores are drawn."""
    rates = rates or {"common": (0.9, 0.6), "odd": (0.2, 0.8)}
    random = np.random.default_rng(seed)
    rows = [
        {
            "query": f"{kind} {number} of task {task}",
            "task": f"task {task}",
            "specialist": float(random.random() < rates[kind][0]),
            "generalist": float(random.random() < rates[kind][1]),
        }
        for task in range(tasks)
        for kind in rates
        for number in range(each)
    ]
    return RecordSet.from_rows(rows)


def seen(records, **settings):
    return unseen_tasks(records, embedder=EMBEDDER, estimator=VOTE, **settings)


def test_what_unknown_tasks_cost_is_what_was_built_in():
    records = made(each=100)
    found = seen(records)
    odd = np.char.startswith(records.queries, "odd")
    assert found.rows.tolist() == list(range(len(records)))
    assert found.tasks == records.tasks
    assert set(found.models) == {"specialist"}
    assert found.fallbacks == ("generalist",) * len(records)
    assert found.similarity[odd] == pytest.approx(0.4, abs=1e-6)
    assert (found.similarity[~odd] > 0.99).all()
    assert found.regret[odd].mean() == pytest.approx(0.6, abs=0.07)
    assert found.regret[~odd].mean() == pytest.approx(-0.3, abs=0.07)
    routed = records.scores[:, records.models.index("specialist")]
    single = records.scores[:, records.models.index("generalist")]
    assert found.regret.tolist() == (single - routed).tolist()


def test_the_seed_is_that_of_every_router(monkeypatch):
    fit, seeds = Router.fit, []

    def spy(*given, seed, **settings):
        seeds.append(seed)
        return fit(*given, seed=seed, **settings)

    monkeypatch.setattr(Router, "fit", spy)
    guard(made(), embedder=EMBEDDER, estimator=VOTE, draws=50, seed=7)
    assert seeds == [7] * 8
    seen(made(tasks=2), seed=5)
    assert seeds[8:] == [5, 5]


def test_the_seed_is_that_of_the_draws_of_tasks_too():
    found = drawn(0)  # whose tasks differ more than their queries
    one, same, other = (found.curve(draws=50, seed=seed).bounds[:50] for seed in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()
    for seed, bounds in ((1, one), (2, other)):
        curve = guard(found, target=1.0, draws=50, seed=seed).curve
        assert curve.bounds[:50].tolist() == bounds.tolist()


def test_the_guard_lets_through_what_is_common():
    records = made()
    report = guard(records, embedder=EMBEDDER, estimator=VOTE)
    assert report.min_similarity == 0.41
    assert report.fallback == "generalist"
    assert report.needed
    assert report.coverage == 0.5
    assert report.regret.estimate == pytest.approx(-0.3, abs=0.07)
    assert report.regret.low < report.regret.estimate < report.regret.high < 0.0
    assert report.n == 480
    assert report.tasks == tuple(f"task {task}" for task in range(8))
    assert report.curve.thresholds[0] == 0.4
    assert report.curve.risks[0] == pytest.approx(0.15, abs=0.07)
    assert str(report).startswith("at a similarity of 0.41 and more: 50.0% of 480 queries of 8")
    assert str(report).endswith("target 0; below it generalist answers")


def test_a_router_under_the_guard_that_was_found():
    """It loses to the best single model on unknown tasks without the guard, and wins with it."""
    records, new = made(), made(tasks=9, seed=1).select(range(480, 540))
    policy = guard(records, embedder=EMBEDDER, estimator=VOTE).policy(policies.BestScore())
    assert policy == policies.Guarded(
        policy=policies.BestScore(), min_similarity=0.41, fallback="generalist"
    )
    quality = {}
    for name, chosen in (("bare", policies.BestScore()), ("guarded", policy)):
        router = Router.fit(records, embedder=EMBEDDER, estimator=VOTE, policy=chosen)
        decisions = router.route_many(new.queries)
        columns = [new.models.index(decision.model) for decision in decisions]
        quality[name] = new.scores[np.arange(len(new)), columns].mean()
    single = new.scores[:, new.models.index("generalist")].mean()
    assert quality["bare"] < single < quality["guarded"]
    for decision, text in zip(decisions, new.queries, strict=True):
        odd = text.startswith("odd")
        assert decision.model == ("generalist" if odd else "specialist")
        assert decision.reason_code == ("low_similarity" if odd else "best_score")
        assert decision.fallback == odd


def drawn(seed, tasks=10, each=80):
    """Regrets that fall by 0.2 as similarity rises from 0.2 to 0.9; tasks differ by 0.05."""
    random = np.random.default_rng(seed)
    similarity = random.uniform(0.2, 0.9, size=(tasks, each))
    mean = 0.1 - 0.3 * (similarity - 0.2) + random.normal(0.0, 0.05, size=(tasks, 1))
    count = tasks * each
    return UnseenTasks(
        rows=np.arange(count),
        tasks=tuple(f"task {row // each}" for row in range(count)),
        models=("a",) * count,
        fallbacks=("b",) * count,
        fallback="b",
        similarity=similarity.ravel(),
        regret=(random.random(count) < 0.4 + mean.ravel()) - 0.4,
        weights=np.ones(count),
    )


def test_the_promise_holds_on_other_tasks():
    """The true mean regret at and above a threshold is at most the target, as often as stated."""
    kept = broken = 0
    for seed in range(200):
        try:
            report = guard(drawn(seed), target=0.02, draws=200, seed=seed)
        except EvaluationError:
            continue
        kept += 1
        true = 0.1 - 0.3 * ((report.min_similarity + 0.9) / 2 - 0.2)
        broken += true > 0.02
    assert kept > 100
    assert broken <= 0.05 * 200 + 6  # two standard deviations


def test_no_guard_is_needed_where_routing_never_loses():
    records = made(rates={"common": (0.9, 0.6), "odd": (0.9, 0.5)})
    report = guard(records, embedder=EMBEDDER, estimator=VOTE, target=0.05)
    assert not report.needed
    assert report.coverage == 1.0
    assert report.min_similarity == 0.4
    assert str(report).startswith("no guard is needed: 100.0% of 480 queries")


def test_a_target_that_is_out_of_reach_is_refused_with_the_best_figure():
    with pytest.raises(EvaluationError) as caught:
        guard(seen(made()), target=-0.5)
    said = str(caught.value)
    best = re.search(
        r"the best is (-?[\d.]+) \(measured (-?[\d.]+)\) at a similarity of ([\d.]+)", said
    )
    bound, measured, threshold = map(float, best.groups())
    assert measured == pytest.approx(-0.3, abs=0.07)
    assert measured < bound < 0.0
    assert threshold > 0.4
    assert "no threshold reaches it with a confidence of 0.95" in said
    assert said.endswith("or let generalist answer queries of unknown tasks")


def test_one_measurement_serves_several_targets():
    found = seen(made())
    one, other = (guard(found, target=target) for target in (0.0, 0.4))
    assert (one.min_similarity, other.min_similarity) == (0.41, 0.4)
    assert one.curve.bounds.tolist() == pytest.approx(other.curve.bounds.tolist(), nan_ok=True)


class Watcher:
    """Notes what each router learns from, and votes as usual."""

    def __init__(self):
        self.known = []

    def fit(self, evidence, *, seed=0):
        self.known.append(evidence.records)
        return VOTE.fit(evidence, seed=seed)


def test_nothing_of_the_tested_task_is_learnt():
    records, watcher = made(tasks=5), Watcher()
    rows = [{"query": "common 1 of task 0", "task": "task 4", "specialist": 1, "generalist": 0}]
    records = RecordSet.concat([records, RecordSet.from_rows([row | {"id": "x"} for row in rows])])
    unseen_tasks(records, embedder=EMBEDDER, estimator=watcher)
    assert len(watcher.known) == 5
    for task, known in enumerate(watcher.known):
        assert f"task {task}" not in known.tasks
        tested = {
            text
            for text, each in zip(records.queries, records.tasks, strict=True)
            if each == f"task {task}"
        }
        assert tested.isdisjoint(known.queries)
        lost = len(records) - records.tasks.count(f"task {task}") - len(known)
        assert lost == (1 if task in (0, 4) else 0)  # the text that both have


def test_the_best_single_model_is_of_the_other_tasks_only():
    """Model b is the best of all, but only by its own task; without that one, it is a."""
    rows = [
        {"query": f"common {number} of task {task}", "task": str(task), "a": a, "b": b}
        for task, (a, b) in enumerate([(0, 1), (0.6, 0.5), (0.6, 0.5)])
        for number in range(10)
    ]
    found = seen(RecordSet.from_rows(rows))
    assert found.fallback == "b"
    assert found.fallbacks == ("a",) * 10 + ("b",) * 20


def test_the_texts_are_embedded_once():
    read = []

    def embed(texts):
        read.extend(texts)
        return [vector(text) for text in texts]

    records = made(tasks=6, each=4)
    told = []
    unseen_tasks(
        records,
        embedder=FunctionEmbedder(embed, DIM, "counting"),
        estimator=VOTE,
        progress=lambda *step: told.append(step),
    )
    assert sorted(read) == sorted(records.queries)
    assert [step for step in told if step[0] == "task"] == [("task", done, 6) for done in range(7)]


def test_weights_count():
    records = made(tasks=6, each=20)
    heavy = RecordSet(
        **records.as_dict()
        | {"weights": [3.0 if "odd" in text else 1.0 for text in records.queries]}
    )
    assert guard(seen(heavy), target=0.0).coverage == pytest.approx(0.25)


def test_records_without_text_are_routed_by_their_vectors():
    records = made(tasks=6, each=20)
    bare = RecordSet(
        **records.as_dict()
        | {
            "queries": None,
            "vectors": EMBEDDER.embed(records.queries),
            "embedder": EMBEDDER.id,
        }
    )
    assert seen(bare).regret.tolist() == seen(records).regret.tolist()


def test_queries_that_were_not_measured_are_left_out():
    records = made(tasks=6, each=20)
    scores = np.array(records.scores)
    scores[:7, records.models.index("specialist")] = np.nan
    holes = RecordSet(**records.as_dict() | {"scores": scores})
    with pytest.warns(EvaluationWarning, match="7 of 240 queries were left out, since the chosen"):
        found = seen(holes)
    assert found.rows.tolist() == list(range(7, 240))
    assert not np.isnan(found.regret).any()


def test_models_that_never_meet():
    rows = [
        {"query": f"common {number} of task {task}", "task": str(task), model: 1}
        for task, model in enumerate("ab")
        for number in range(5)
    ]
    with pytest.raises(EvaluationError, match="on none of the 10 queries both the chosen model"):
        seen(RecordSet.from_rows(rows))


def pool(**router):
    names = ("specialist", "generalist", "idle")
    return ModelPool(
        models=tuple(ModelSpec(name=name, enabled=name != "idle") for name in names),
        router=RouterSettings(**router),
    )


def test_the_pools_own_guard_is_left_aside():
    guarded = pool(min_similarity=0.9, default="generalist")
    rows = made(tasks=6, each=20)
    records = RecordSet(**rows.as_dict() | with_idle(rows))
    found = seen(records, pool=guarded)
    assert set(found.models) == {"specialist"}
    assert found.fallback == "generalist"  # idle is better, and may not answer
    assert guarded.router.min_similarity == 0.9


def with_idle(records):
    scores = np.hstack([records.scores, np.ones((len(records), 1))])
    return {"models": (*records.models, "idle"), "scores": scores, "costs": None}


def test_bad_input():
    records = made(tasks=6, each=5)
    inner = policies.Guarded(policy=policies.BestScore(), min_similarity=0.3, fallback="generalist")
    with pytest.raises(EvaluationError, match=r"the policy is guarded already, from a .* 0\.3 on;"):
        guard(records, embedder=EMBEDDER, policy=inner)
    with pytest.raises(EvaluationError, match=r"target is 2; give a difference of mean scores"):
        guard(records, embedder=EMBEDDER, target=2)
    with pytest.raises(
        EvaluationError, match=r"the records name 1 tasks \('task 0'\); to leave one"
    ):
        guard(made(tasks=1), embedder=EMBEDDER)
    with pytest.raises(EvaluationError, match=r"there are 4 tasks; .* takes at least 5"):
        guard(made(tasks=4, each=10), embedder=EMBEDDER, estimator=VOTE)
    with pytest.raises(
        EvaluationError, match=r"no threshold covers enough of the 20 queries and 5"
    ):
        guard(made(tasks=5, each=2), embedder=EMBEDDER, estimator=VOTE)
    with pytest.raises(PoolError):
        guard(records, embedder=EMBEDDER, pool=ModelPool(models=(ModelSpec(name="a"),) * 2))


def test_a_report_as_plain_values():
    values = guard(seen(made()), target=0.0).to_dict()
    assert values["min_similarity"] == 0.41
    assert set(values["regret"]) == {"estimate", "low", "high"}
    assert len(values["curve"]["bounds"]) == len(values["curve"]["thresholds"])
    assert values["tasks"][0] == "task 0"


def test_records_of_another_kind():
    with pytest.raises(TypeError, match=r"records is 'file\.csv', of type str; give a RecordSet"):
        guard("file.csv")


def test_the_fallback_of_equals_is_the_cheaper_one():
    rows = [{"query": str(n), "dear": 1, "cheap": 1, "worse": 0} for n in range(3)]
    costs = {"dear|cost": 0.2, "cheap|cost": 0.1, "worse|cost": 0.0}
    priced = RecordSet.from_rows(row | costs for row in rows)
    assert best_on_average(Lineup.of(priced, None)) == "cheap"
    assert best_on_average(Lineup.of(RecordSet.from_rows(rows), None)) == "dear"
