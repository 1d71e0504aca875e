"""Goals on real benchmark files: the settings keep to them, and figures agree with routing."""

import os
from pathlib import Path

import numpy as np
import pytest

from knnrouter import ModelPool, ModelSpec, Router, read_records
from knnrouter.errors import EvaluationError
from knnrouter.estimators import KNN
from knnrouter.evaluation import (
    Budget,
    Quality,
    Share,
    calibrate,
    random_split,
    win_rate_threshold,
)
from knnrouter.records import Price

BESIDE = Path(__file__).parents[5] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not (DATA / "llmrouter").is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)

FIXED = KNN(k=100, weights="uniform", shrinkage=10)
"""Nothing to choose, so that fitting takes no time."""

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"


@pytest.fixture(scope="module")
def gsm8k():
    """RouteLLM's GSM8K with prices: a router of one half, and the other half."""
    records = read_records(DATA / "routellm" / "gsm8k")
    models = [
        ModelSpec(name=STRONG, price=Price(10, 30), expected_output_tokens=150),
        ModelSpec(name=WEAK, price=Price(0.6, 0.6), expected_output_tokens=150),
    ]
    learned, rest = random_split(records, 0.5)
    router = Router.fit(records.select(learned), pool=ModelPool(models=models), estimator=FIXED)
    return router, records.select(rest)


@pytest.fixture(scope="module")
def ulab():
    """Nine models with the prices that the records state."""
    records = read_records(DATA / "llmrouter")
    models = [
        ModelSpec(name=name, price=records.prices[name], expected_output_tokens=200)
        for name in records.models
    ]
    learned, rest = random_split(records, 0.5)
    router = Router.fit(records.select(learned), pool=ModelPool(models=models), estimator=FIXED)
    return router, records.select(rest[:2000])


@pytest.fixture(scope="module")
def arc():
    """RouterBench's ARC: measured costs of eleven models, and its own split."""
    folder = DATA / "routerbench"
    router = Router.fit(read_records(folder / "arc_challenge_train.csv"), estimator=FIXED)
    return router, read_records(folder / "arc_challenge_test.csv")


def spent(decisions):
    return 1000 * float(np.mean([each.costs[each.model] for each in decisions]))


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5])
def test_a_share_of_two_models_is_routellms_threshold(gsm8k, part):
    router, traffic = gsm8k
    found = calibrate(router, traffic.queries, Share(model=STRONG, at_most=part), holdout=0)
    decisions = router.route_many(traffic.queries, policy=found.policy)
    rates = [(1 + each.scores[STRONG] - each.scores[WEAK]) / 2 for each in decisions]
    assert found.policy.threshold == pytest.approx(max(0.5, win_rate_threshold(rates, part)))
    strong = float(np.mean([each.model == STRONG for each in decisions]))
    assert part - 0.07 < strong <= part  # votes of a hundred neighbors often tie


@pytest.mark.parametrize("data", ["gsm8k", "ulab", "arc"])
def test_budgets_are_kept_and_used(request, data):
    router, traffic = request.getfixturevalue(data)
    texts = traffic.queries[:600]
    dear = spent(router.route_many(texts, policy="best_score"))
    cheap = spent(router.route_many(texts, policy="score_minus_cost:cost_weight=1e9"))
    for part in (0.25, 0.75):
        usd = cheap + part * (dear - cheap)
        found = calibrate(router, texts, Budget(usd_per_1000=usd), holdout=0)
        assert 0.9 * usd < spent(router.route_many(texts, policy=found.policy)) <= usd
    with pytest.raises(EvaluationError, match="the cheapest choices are expected to cost"):
        calibrate(router, texts, Budget(usd_per_1000=0.99 * cheap), holdout=0)


def test_measured_costs_are_told_beside_the_expected(arc):
    router, traffic = arc
    found = calibrate(router, traffic, Budget(usd_per_1000=2))
    expected, measured = (found.figures[name] for name in ("usd_per_1000", "measured_usd_per_1000"))
    assert measured.estimate == pytest.approx(expected.estimate, rel=0.1)
    assert expected.low < 2.4 < 4 < found.figures["best_score_usd_per_1000"].low


def test_promises_of_quality_on_nine_models(ulab):
    """The dearer the promise, the more it costs; and what was held out bears it out."""
    router, traffic = ulab
    costs = []
    for part in (0.9, 0.95):
        figures = calibrate(router, traffic, Quality(of_best=part)).figures
        assert figures["of_best"].high > part
        costs.append(figures["usd_per_1000"].estimate)
    assert costs == sorted(costs)
    assert costs[0] < 0.3 * figures["best_score_usd_per_1000"].estimate


def test_few_queries_are_refused_and_seen_ones_are_not_used(arc):
    router, traffic = arc
    with pytest.raises(EvaluationError, match="labeled queries cannot promise it"):
        calibrate(router, traffic, Quality(of_best=0.999))
    seen = read_records(DATA / "routerbench" / "arc_challenge_train.csv")
    with pytest.raises(EvaluationError, match="stand in the router's own records"):
        calibrate(router, seen, Quality(of_best=0.9))
