import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.errors import EvaluationError, UnpricedError
from knnrouter.evaluation import Share, calibrate
from knnrouter.evaluation.targets.asking import ask, stated
from knnrouter.policies import (
    BestScore,
    Candidates,
    CheapestAbove,
    Guarded,
    MaxLatency,
    Reserved,
    ScoreMinusCost,
)
from knnrouter.records import Price

NAN = float("nan")
tenth = st.integers(0, 10).map(lambda x: x / 10)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), models=st.integers(1, 4), weight=st.sampled_from([0, 0.5, 1, 3, 1e6]))
def test_columns_are_those_of_the_policy(data, models, weight, asked_of):
    """Scores, costs and means tie often; scores and means may be NaN."""
    row = st.lists(tenth | st.just(NAN), min_size=models, max_size=models)
    scores = data.draw(st.lists(row, min_size=1, max_size=5))
    costs = [data.draw(st.lists(tenth, min_size=models, max_size=models)) for _ in scores]
    means = data.draw(row)
    asked = asked_of(scores, costs, means=means)
    policy = ScoreMinusCost(cost_weight=weight)
    chosen = [
        policy(Candidates(models=asked.models, scores=one, costs=cost, means=means)).ranking[0]
        for one, cost in zip(scores, costs, strict=True)
    ]
    assert [asked.models[column] for column in asked.columns_at(weight)] == chosen


def test_what_is_fixed_stays(asked_of):
    asked = asked_of([[0.9, 0.1]] * 2, [1, 2], fixed=[-1, 1])
    assert asked.columns_at(0).tolist() == [0, 1]
    barred = asked_of([[0.9, 0.1]] * 2, [1, 2], options=[[True, True], [False, True]])
    assert barred.columns_at(0).tolist() == [0, 1]


def test_costs_that_matter_must_be_known(asked_of):
    scores, costs = [[0.9, 0.1]], [[1.0, NAN]]
    with pytest.raises(UnpricedError) as caught:
        asked_of(scores, costs).check_priced("score_minus_cost")
    assert caught.value.models == ("b",)
    asked_of(scores, costs, options=[[True, False]]).check_priced("score_minus_cost")
    with pytest.raises(UnpricedError):
        asked_of(scores, costs, options=[[False, False]], fixed=[1]).check_priced("x")


ROWS = [
    {"query": "Sort a list of numbers in C.", "small": 0.25, "large": 1.0},
    {"query": "Sort an array of words in C.", "small": 0.5, "large": 1.0},
    {"query": "Write an ode to the rain.", "small": 0.75, "large": 0.5},
    {"query": "Write a sonnet on the sea.", "small": 1.0, "large": 0.5},
]
TEXTS = [
    "Sort the words of a list in C.",
    "Write a poem on the rain.",
    "ᚠᚡ",  # no word that the embedder knows
    "Quels sont les affluents du Danube ?",
    "",
]


def router_of(**settings):
    rows = [
        row
        | {"small|cost": 0.001, "large|cost": 0.003}
        | {"small|latency_ms": 100, "large|latency_ms": 900}
        for row in ROWS
    ]
    pool = ModelPool(
        models=[
            ModelSpec(name="small"),
            ModelSpec(name="large"),
            ModelSpec(name="off", enabled=False),
        ],
        router=settings,
    )
    return Router.fit(RecordSet.from_rows(rows), pool=pool)


FRAMES = [
    {},
    {"min_similarity": 0.5},
    {"policy": {"kind": "max_latency", "ms": 500, "policy": "best_score"}},
    {
        "policy": {
            "kind": "guarded",
            "policy": "best_score",
            "min_similarity": 0.9,
            "fallback": "small",
        }
    },
    {
        "min_similarity": 0.3,
        "policy": {"kind": "max_latency", "ms": 5, "policy": "best_score"},
    },
]


@pytest.mark.filterwarnings("ignore:off")
@pytest.mark.parametrize("settings", FRAMES)
@pytest.mark.parametrize(
    "inner",
    [
        BestScore(),
        ScoreMinusCost(cost_weight=1000),
        CheapestAbove(min_score=0.7),
        Reserved(model="large", margin=0.2),
    ],
)
def test_rows_choose_as_the_router_does(settings, inner):
    """With a default, so that also queries without text are answered."""
    router = router_of(default="large", **settings)
    asked, rows = ask(router, TEXTS)
    policy = stated(router, inner)
    decided = [router.route(text, policy=policy) for text in TEXTS]
    assert [row.chosen(policy_of(router, inner)) for row in rows] == [
        each.model for each in decided
    ]
    assert asked.models == ("small", "large")
    for row, decision in enumerate(decided):
        if asked.fixed[row] >= 0:
            assert decision.model == asked.models[asked.fixed[row]]
        costs = [decision.costs[name] for name in asked.models]
        np.testing.assert_allclose(asked.costs[row], costs)


def policy_of(router, inner):
    from knnrouter.policies.frames import reframed

    return reframed(router.policy, inner)


@pytest.mark.filterwarnings("ignore:off")
def test_without_a_default_unknown_words_are_the_policys_own():
    router = router_of()
    asked, _ = ask(router, TEXTS[:3])
    assert asked.fixed.tolist() == [-1, -1, -1]
    decision = router.route(TEXTS[2])
    assert (decision.reason_code, decision.model) == ("unknown_words", "large")
    assert asked.columns_at(0)[2] == 1
    assert asked.columns_at(1000)[2] == 0
    assert router.route(TEXTS[2], policy=ScoreMinusCost(cost_weight=1000)).model == "small"
    fixed, _ = ask(router_of(default="small"), TEXTS[:3])
    assert fixed.fixed.tolist() == [-1, -1, 0]


@pytest.mark.filterwarnings("ignore")
def test_models_that_nobody_measured_leave_it_to_the_default():
    """Neither of two can be judged, so no policy is asked."""
    pool = ModelPool(
        models=[
            *(ModelSpec(name=name, price=Price(1, 1)) for name in ("new", "newer")),
            *(ModelSpec(name=name, enabled=False) for name in ("small", "large")),
        ],
        router={"default": "newer"},
    )
    router = Router.fit(RecordSet.from_rows(ROWS), pool=pool)
    assert router.route(TEXTS[0]).reason_code == "no_evidence"
    asked, rows = ask(router, TEXTS[:2])
    assert asked.fixed.tolist() == [1, 1]
    assert [row.chosen(BestScore()) for row in rows] == ["newer", "newer"]
    with pytest.raises(EvaluationError, match=r"measure none of .* new, newer, so .*; add records"):
        calibrate(router, TEXTS[:2], Share(model="new", at_most=0.5))


@pytest.mark.filterwarnings("ignore:off")
def test_guards_of_the_policy_are_stated_and_the_pools_own_is_not():
    inner = ScoreMinusCost(cost_weight=3)
    assert stated(router_of(default="large", min_similarity=0.5), inner) == inner
    guard = {"kind": "guarded", "policy": "best_score", "min_similarity": 0.9, "fallback": "small"}
    assert stated(router_of(policy=guard), inner) == Guarded(
        policy=inner, min_similarity=0.9, fallback="small"
    )
    limit = {"kind": "max_latency", "ms": 500, "policy": "best_score"}
    both = router_of(default="large", min_similarity=0.5, policy=limit)
    assert stated(both, inner) == MaxLatency(ms=500, policy=inner)
    assert math.isclose(both.policy.min_similarity, 0.5)
