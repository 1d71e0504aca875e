import copy
import json
import threading
import time

import numpy as np
import pytest
import task_twin
from hypothesis import given, settings
from hypothesis import strategies as st
from task_worlds import World

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.errors import (
    EmptyPoolError,
    EstimatorError,
    NoEvidenceError,
    NoTextError,
    QueryError,
    RecordsError,
    UnknownModelError,
)
from knnrouter.estimators.correctness import correctness
from knnrouter.task_routing import TaskBenchmark, TaskScores, TaskSettings, chosen, smoothed
from knnrouter.task_routing.routing import KeptBenchmark

NAN = float("nan")
SIX = {
    **{name: [1, 0.1 * place, 0, 0] for place, name in enumerate(("c", "java", "rust"))},
    **{name: [0, 0, 1, 0.1 * place] for place, name in enumerate(("ode", "haiku", "song"))},
}
CODE, VERSE = {"c", "java", "rust"}, {"ode", "haiku", "song"}


@pytest.fixture(scope="module")
def six():
    """Tasks of two kinds; `a` is good at the one kind, `b` at the other, `c` is fair at both."""
    return World({**SIX, "go": [1, 0.05, 0, 0], "far": [0, 0, 0, -1]})


@pytest.fixture(scope="module")
def rates():
    return {task: [0.95, 0.1, 0.6] if task in CODE else [0.1, 0.9, 0.6] for task in SIX}


@pytest.fixture(scope="module")
def router(six, rates):
    return six.router(six.records(rates))


def values(mapping):
    return list(mapping.values())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 9999), kappa=st.integers(1, 30), queries=st.integers(1, 9))
def test_all_figures_as_the_twin_has_them(seed, kappa, queries):
    rng = np.random.default_rng(seed)
    here = World(
        {name: rng.normal(size=4) for name in ("law", "art", "war", "new")}, noise=1.0, seed=seed
    )
    rates = {name: rng.random(3) for name in ("law", "art", "war")}
    records = here.records(rates, rows=12, missing=0.3, seed=seed, weights=True)
    router = here.router(records)
    setting = TaskSettings(k=3, kappa=kappa, draws=50)
    asked = [*here.asked("new", queries), "blank"]  # which the embedder does not know
    decision = router.route_task(asked, settings=setting)

    weights, right = records.weights.tolist(), correctness(records, 0.5)
    vectors = np.vstack([router.evidence.vectors, router.embedder.embed(asked)])
    count = len(records)
    tested = list(range(count, count + len(asked)))
    seen = task_twin.predicted(
        vectors, range(count), tested, right, weights + [1.0] * len(asked), setting
    )
    pairs = task_twin.pairs(vectors[:count], records.tasks, right, weights, setting)
    p, spread = task_twin.smoothed(pairs, seen.u, setting.sigma)
    wanted = task_twin.scores(seen.g, p, setting)
    assert decision.u == pytest.approx(seen.u, abs=2e-6)
    np.testing.assert_allclose(values(decision.p), p, atol=1e-4)
    np.testing.assert_allclose(values(decision.p_std), spread, atol=1e-3)
    for place, found in enumerate((decision.s1, decision.s2, decision.s3)):
        np.testing.assert_allclose(values(found), [each[place] for each in wanted], atol=1e-4)
    averages = task_twin.averages(records.scores, records.tasks, weights)
    np.testing.assert_allclose(values(decision.averages), averages, atol=1e-7)
    known = [value for value in averages if value == value]
    assert decision.averages[decision.best_on_average] == pytest.approx(max(known), abs=1e-7)
    assert decision.queries == len(asked)


def test_a_near_task_gets_the_specialist(router, six):
    decision = router.route_task(six.asked("go", 30))
    assert decision.model == "a"
    assert decision.best_on_average == "c"
    assert not decision.fallback
    assert decision.confidence > 0.95
    share = f"{decision.confidence:.0%}"
    assert decision.reason == f"best s3; it beats c, the best on average, in {share} of the draws"
    assert decision.p["a"] > 0.85
    assert decision.chances["a"] > 0.95
    assert decision.s3["a"] > decision.s3["c"] > decision.s3["b"]
    assert str(decision).startswith("a: best s3; ")


def test_a_far_task_gets_the_best_on_average():
    """Tasks that tell nothing of one another: who leads by S1 is not believed by S3."""
    names = [f"t{number}" for number in range(8)]
    here = World({name: np.eye(9)[place] for place, name in enumerate([*names, "new"])})
    router = here.router(here.records({name: [0.66, 0.66, 0.7] for name in names}, rows=40))
    asked = [here.asked("new", 5, start=1000 * batch) for batch in range(1, 31)]
    by_s1 = [router.route_task(each, score="s1") for each in asked]
    by_s3 = [router.route_task(each) for each in asked]
    assert {each.best_on_average for each in by_s3} == {"c"}
    assert min(each.u for each in by_s3) > 0.3
    led = [max("abc", key=each.s3.get) != "c" for each in by_s3]
    doubted = [each for each, other in zip(by_s3, led, strict=True) if other]
    assert len(doubted) >= 3
    for each in doubted:
        assert each.fallback == (each.confidence < 0.6) == (each.model == "c")
        assert each.reason.endswith("60% are asked for, so the best on average answers") == (
            each.fallback
        )
    assert sum(each.fallback for each in by_s3) >= 3
    assert sum(each.model != "c" for each in by_s1) > 2 * sum(each.model != "c" for each in by_s3)


def test_with_the_true_p_s3_is_no_worse_on_average():
    """Over worlds whose tasks are left out in turn: knowing p does not lose."""
    gains = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        names = [f"t{number}" for number in range(6)]
        here = World({name: rng.normal(size=5) for name in names}, noise=0.8, seed=seed)
        rates = {name: rng.random(4) for name in names}
        router = here.router(here.records(rates, rows=25, seed=seed))
        benchmark = TaskBenchmark.of(router.evidence)
        right = correctness(router.records, 0.5)
        for task in range(6):
            seen, rows = benchmark.predictions(task, right, TaskSettings())
            pairs = benchmark.pairs(right, TaskSettings(), without=task)
            guess, _ = smoothed(pairs, seen.u, sigma=0.09)
            truth = right[rows].mean(axis=0)
            true, guessed = (
                truth[best_by_s3(seen, p, benchmark.averages(without=task))]
                for p in (seen.accuracy(right[rows]), guess)
            )
            gains.append(true - guessed)
    assert np.mean(gains) > 0.02


def best_by_s3(seen, p, averages):
    scores = TaskScores.of(seen, p, TaskSettings(), seed=0)
    costs = np.full(len(averages), NAN)
    return chosen(scores, "s3", averages, costs, TaskSettings(), models=range(4)).ranking[0]


def test_a_true_p_can_be_given(router, six):
    asked = six.asked("go", 12)
    told = router.route_task(asked, p={"a": 0.2, "c": 1.0})
    assert (told.p["a"], told.p["c"]) == (0.2, 1.0)
    assert np.isnan(told.p_std["a"])
    estimated = router.route_task(asked)
    assert told.p["b"] == estimated.p["b"]
    assert told.s3["a"] == pytest.approx(told.s2["a"] * 0.2 + (1 - told.s2["a"]) * 0.8)
    assert told.model != estimated.model == "a"


def test_five_queries_have_no_nan(router, six):
    decision = router.route_task(six.asked("go", 5))
    for found in (decision.s1, decision.s2, decision.s3, decision.p, decision.p_std):
        assert not np.isnan(values(found)).any()
    assert not np.isnan([decision.u, decision.confidence, *values(decision.chances)]).any()
    assert sum(values(decision.chances)) == pytest.approx(1.0)


def test_where_the_kernel_vanishes_p_is_the_mean(router, six):
    narrow = router.route_task(six.asked("far", 5), settings=TaskSettings(sigma=1e-4))
    pairs = TaskBenchmark.of(router.evidence).pairs(
        correctness(router.records, 0.5), TaskSettings()
    )
    assert narrow.u > pairs.u.max() + 0.1
    assert values(narrow.p) == pytest.approx(pairs.p.mean(axis=0).tolist())


def test_unknown_words_leave_the_best_on_average(router):
    decision = router.route_task(["nonsense", "gibberish"])
    assert (decision.model, decision.fallback) == ("c", True)
    assert decision.reason == "nothing near is known of any model; it is the best on average"
    assert np.isnan(values(decision.s3)).all()
    assert np.isnan(decision.confidence)
    assert decision.to_dict()["confidence"] is None
    assert json.dumps(decision.to_dict())


def test_the_same_call_gives_the_same_and_seeds_move_the_draws_only(router, six):
    asked = six.asked("ode", 9)
    one, again, other = (router.route_task(asked, seed=seed) for seed in (1, 1, 2))
    assert one.to_dict() == again.to_dict()
    assert one.s3 == other.s3
    assert one.p == other.p
    assert one.chances != other.chances


def test_what_may_answer(router, six):
    asked = six.asked("go", 12)
    some = router.route_task(asked, allow=["b", "c"])
    assert some.ranking == ("c", "b")
    assert set(some.s1) == {"b", "c"}
    everyone = router.route_task(asked)
    assert all(some.s3[name] == everyone.s3[name] for name in "bc")
    with pytest.raises(UnknownModelError, match="the pool has no model 'nobody'"):
        router.route_task(asked, allow=["nobody"])


def test_a_model_must_take_every_query(router, six):
    pool = ModelPool.from_text(
        "models: [{name: a, context_window: 20}, {name: c, context_window: 4000}]"
    )
    bounded = router.with_pool(pool)
    assert bounded.route_task(six.asked("go", 20)).model == "a"
    long = [*six.asked("go", 20), "go " + "1" * 900]
    assert bounded.route_task(long).ranking == ("c",)
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    seen = [{"role": "user", "content": [{"type": "text", "text": "go 5"}, image]}]
    both = ModelPool.from_text(
        "models: [{name: a, context_window: 20, capabilities: [vision]}, {name: c}]"
    )
    message = r"no model may answer all 2 queries: c may .* number 2, which only a may; split"
    with pytest.raises(EmptyPoolError, match=message):
        router.with_pool(both).route_task(["go " + "1" * 900, seen])


@pytest.mark.filterwarnings("ignore:.*no records.*:UserWarning")
def test_a_model_without_records_ranks_last(router, six):
    pool = ModelPool.from_text("models: [{name: new}, {name: b}, {name: Ada, aliases: [a]}]")
    decision = router.with_pool(pool).route_task(six.asked("go", 12))
    assert decision.ranking == ("Ada", "b", "new")
    assert np.isnan([decision.s1["new"], decision.chances["new"], decision.averages["new"]]).all()
    with pytest.raises(NoEvidenceError, match="allow others, or add records of these"):
        router.with_pool(pool).route_task(six.asked("go", 3), allow=["new"])


def test_labelled_queries_join_the_neighbors(router, six):
    asked = six.asked("far", 20)
    rows = [
        {"query": six.text("far", 2000 + number), "task": "far", "a": 0, "b": 1, "other": 1}
        for number in range(10)
    ]
    alone = router.route_task(asked)
    joined = router.route_task(asked, labelled=RecordSet.from_rows(rows), score="s1")
    assert joined.labelled == 10
    assert joined.queries == 20
    assert joined.u < alone.u - 0.15
    assert joined.model == "b"
    assert joined.s1["b"] > 0.9 > alone.s1["b"] + 0.3
    assert joined.s1["a"] < 0.1
    assert joined.notes == ("labels of other were left out: the evidence has no such model",)
    assert joined.averages == alone.averages  # a few rows are no task


def test_labelled_queries_as_the_twin_has_them():
    here = World({name: np.eye(4)[place] for place, name in enumerate(("t", "u", "v", "new"))})
    records = here.records({name: [0.7, 0.4] for name in "tuv"}, rows=10, weights=True)
    router = here.router(records)
    labelled = here.records({"new": [0.2, 0.9]}, rows=8, seed=5)
    asked = here.asked("new", 6)
    decision = router.route_task(asked, labelled=labelled)
    whole = RecordSet.concat([records, labelled])
    right, setting = correctness(whole, 0.5), TaskSettings()
    embedded = np.asarray(here.embedder.embed([*whole.queries, *asked]), dtype=np.float32)
    weights = [*whole.weights.tolist(), *[1.0] * 6]
    seen = task_twin.predicted(embedded, range(38), range(38, 44), right, weights, setting)
    assert decision.u == pytest.approx(seen.u, abs=2e-6)
    np.testing.assert_allclose(values(decision.s1), np.mean(seen.g, axis=0))
    pairs = TaskBenchmark.of(router.evidence).pairs(
        correctness(records, 0.5), setting, labelled=8, seed=0
    )
    p, _ = task_twin.smoothed(list(zip(pairs.u, pairs.p.tolist(), strict=True)), seen.u, 0.09)
    np.testing.assert_allclose(values(decision.p), p, atol=1e-4)
    assert len(pairs.u) == 6


def test_labelled_queries_are_not_predicted(router, six):
    asked = six.asked("go", 10)
    labelled = RecordSet.from_rows([{"query": text, "a": 0, "c": 1} for text in asked[:4]])
    decision = router.route_task(asked, labelled=labelled)
    assert decision.queries == 6
    assert decision.notes == ("4 queries that are labelled were not predicted",)
    assert decision.s1 == router.route_task(asked[4:], labelled=labelled).s1
    with pytest.raises(QueryError, match="all 4 queries are labelled"):
        router.route_task(asked[:4], labelled=labelled)


def test_labels_under_the_names_of_the_pool(router, six):
    pool = ModelPool.from_text("models: [{name: Ada, aliases: [a, ada-2]}, {name: c}]")
    renamed = router.with_pool(pool)
    asked = six.asked("far", 10)
    texts = [six.text("far", 3000 + number) for number in range(8)]
    found = [
        renamed.route_task(
            asked,
            labelled=RecordSet.from_rows([{"query": text, name: 1, "c": 0} for text in texts]),
        )
        for name in ("Ada", "a", "ada-2")
    ]
    assert found[0].s1["Ada"] > 0.95
    assert found[0].s1 == found[1].s1 == found[2].s1


def test_thresholds_by_task(six, rates):
    records = six.records(rates)
    halved = RecordSet(**records.as_dict() | {"scores": records.scores * 0.4})
    router, low = six.router(records), six.router(halved)
    asked = six.asked("go", 12)
    assert low.route_task(asked, eta=0.3).s1 == router.route_task(asked).s1
    assert low.route_task(asked, eta=dict.fromkeys(SIX, 0.3)).s3 == router.route_task(asked).s3
    assert set(values(low.route_task(asked).s1)) == {0.0}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"score": "s4"}, EstimatorError, "score is 's4'; give one of"),
        ({"eta": 1}, EstimatorError, "eta is 1; give a number of at least 0 and below 1"),
        (
            {"eta": {"c": -1, "cc": 0.2}, "p": {"a": 2}},
            EstimatorError,
            "eta of 'c' is -1; .*; eta names the tasks 'cc'; the records have c, haiku, .*"
            "; p of 'a' is 2; give a number in",
        ),
        ({"p": {"z": 0.5}}, UnknownModelError, "p names 'z'; the models are a, b, c"),
        ({"labelled": [1]}, TypeError, "labelled is .*, of type list; give a RecordSet"),
    ],
)
def test_bad_options(router, six, options, error, message):
    with pytest.raises(error, match=message):
        router.route_task(six.asked("go", 3), **options)


def test_bad_queries(router, six):
    with pytest.raises(QueryError, match="the task has 0 queries"):
        router.route_task([])
    with pytest.raises(NoTextError):
        router.route_task(["go 1", "  "])
    with pytest.raises(TypeError, match="route_task takes several queries"):
        router.route_task("go 1")
    strange = RecordSet.from_rows([{"query": "go 1", "x": 1}])
    with pytest.raises(RecordsError, match="measure x, none of which is a model of the evidence"):
        router.route_task(["go 2"], labelled=strange)


def test_two_tasks_are_too_few(six):
    records = six.records({"c": [1, 0], "ode": [0, 1]})
    with pytest.raises(EstimatorError, match=r"the records name 2 tasks \(c, ode\)"):
        six.router(records).route_task(["go 1"])


def test_saved_without_queries_it_decides_alike(router, six, tmp_path):
    router.save(tmp_path / "router", keep_queries=False)
    again = Router.load(tmp_path / "router", embedder=six.embedder)
    asked = six.asked("go", 12)
    assert again.route_task(asked).to_dict() == router.route_task(asked).to_dict()


def test_threads_share_one_benchmark(six, rates, monkeypatch):
    fresh = six.router(six.records(rates))
    made, real = [], TaskBenchmark.of.__func__

    def counted(cls, evidence):
        made.append(1)
        time.sleep(0.05)  # long enough for the others to come
        return real(cls, evidence)

    monkeypatch.setattr(TaskBenchmark, "of", classmethod(counted))
    asked, found, start = six.asked("go", 5), [], threading.Barrier(8)

    def ask():
        start.wait()
        found.append(fresh.route_task(asked).to_dict())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)
    assert sum(made) == 1
    fresh.route_task(asked)
    assert sum(made) == 1


def test_a_copy_makes_its_own_benchmark(router):
    kept = KeptBenchmark(router.evidence)
    one = kept.pairs(0.5, TaskSettings(), labelled=0, seed=0)
    assert kept.pairs(0.5, TaskSettings(), labelled=0, seed=7) is one
    assert kept.pairs({"c": 0.5}, TaskSettings(), labelled=0, seed=0) is not one
    again = copy.copy(kept).pairs(0.5, TaskSettings(), labelled=0, seed=0)
    np.testing.assert_array_equal(again.p, one.p)
    assert again is not one


def test_a_query_that_is_repeated_counts_once(router, six):
    queries = six.asked("go", 4)
    once, often = router.route_task(queries), router.route_task(queries * 50)
    assert (often.s1, often.chances, often.u) == (once.s1, once.chances, once.u)
    assert once.notes == ()
    assert often.notes == ("196 of 200 queries are repeats, which count once",)


def test_a_model_of_one_easy_task_is_not_the_best_on_average(six, rates):
    records = six.records(rates)
    scores = records.scores.copy()
    scores[[task != "c" for task in records.tasks], 0] = NAN
    router = six.router(RecordSet(**records.as_dict() | {"scores": scores}))
    decision = router.route_task(six.asked("far", 6))
    first = records.models[0]
    assert np.isnan(decision.averages[first])
    assert decision.best_on_average != first
    assert decision.model != first
