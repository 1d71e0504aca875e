"""Two sides over the same queries: counts and differences by hand."""

import json
import math

import numpy as np
import pytest
from keyword_router import RANKINGS, keyword_pool, keyword_router

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.errors import EvaluationError
from knnrouter.evaluation import compare

PRICES = {
    "coder": {"price": {"input": 0, "output": 4}, "expected_output_tokens": 1000},
    "poet": {"price": {"input": 0, "output": 1}, "expected_output_tokens": 1000},
    "all": {"price": {"input": 0, "output": 2}, "expected_output_tokens": 1000},
}
TEXTS = ["code please", "the sea", "a sum", "more code"]
MEASURED = [
    {"query": "code please", "task": "code", "coder": 0.75, "poet": 0, "all": 0.5},
    {"query": "the sea", "task": "verse", "coder": 0, "poet": 1, "all": 0.5},
    {"query": "a sum", "task": "sums", "coder": 0, "poet": 0, "all": 1},
    {"query": "more code", "task": "code", "coder": 1, "poet": 0, "all": None},
]


@pytest.fixture
def router():
    return keyword_router(pool=keyword_pool(**PRICES))


BEST_TO_POET = (None, "cheapest_above:min_score=0")
"""From the best of each query to the cheapest of all."""
BEST_TO_ALL = (None, "cheapest_above:min_score=0.4")
"""To the cheapest that scores at least 0.4: "all" for code, "poet" for the sea."""


def test_moves_are_counted_and_costs_are_expected(router):
    found = compare(router, router, TEXTS, policies=BEST_TO_POET)
    assert (found.n, found.moved, found.share) == (4, 3, 0.75)
    assert [(each.first, each.second, each.queries) for each in found.moves] == [
        ("coder", "poet", 2),
        ("all", "poet", 1),
    ]
    # From (4 + 1 + 2 + 4) / 4 to 1 USD per 1,000 queries.
    assert found.first.expected_cost == pytest.approx(0.00275)
    assert found.second.expected_cost == pytest.approx(0.001)
    assert found.cost.estimate == pytest.approx(-0.00175)
    assert found.first.shares == {"coder": 0.5, "all": 0.25, "poet": 0.25}
    assert found.second.shares == {"poet": 1.0}


def test_texts_have_no_measured_quality(router):
    found = compare(router, router, TEXTS, policies=BEST_TO_POET)
    assert (found.measured, found.quality) == (0, None)
    assert math.isnan(found.first.quality)
    assert "measured quality" not in str(found)


def test_records_tell_what_moves_do(router):
    found = compare(router, router, RecordSet.from_rows(MEASURED), policies=BEST_TO_ALL)
    # "more code" goes to "all", which was not measured there.
    assert (found.moved, found.measured) == (2, 3)
    assert found.first.quality == pytest.approx((0.75 + 1 + 1) / 3)
    assert found.second.quality == pytest.approx((0.5 + 1 + 1) / 3)
    assert found.quality.estimate == pytest.approx(-0.25 / 3)
    tasks = {each.task: each for each in found.tasks}
    assert (tasks["code"].n, tasks["code"].moved) == (2, 2)
    assert tasks["code"].quality == pytest.approx(-0.25)
    assert tasks["code"].cost == pytest.approx(-0.002)
    assert (tasks["sums"].moved, tasks["sums"].quality, tasks["sums"].cost) == (0, 0.0, 0.0)
    assert "quality is measured on 3 of 4 queries" in found.notes[0]


def test_the_examples_change_most_first(router):
    found = compare(router, router, RecordSet.from_rows(MEASURED), policies=BEST_TO_ALL)
    assert [each.query for each in found.examples] == ["code please", "more code"]
    first = found.examples[0]
    assert (first.first.model, first.second.model) == ("coder", "all")
    assert (first.first_score, first.second_score) == (0.75, 0.5)
    assert math.isnan(found.examples[1].second_score)


def test_what_a_router_has_seen_tells_no_quality(router):
    seen = RecordSet.from_rows(
        [{"query": router.records.queries[0], "coder": 1, "poet": 1, "all": 1}, *MEASURED[:1]]
    )
    assert compare(router, router, seen).measured == 1
    fresh = Router.fit(RecordSet.from_rows(MEASURED[1:]), embedder=router.embedder)
    assert compare(router, fresh, seen).measured == 1
    assert compare(fresh, router, seen).measured == 1


def test_a_new_price_is_each_sides_own(router):
    dearer = {**PRICES, "coder": {**PRICES["coder"], "price": {"input": 0, "output": 40}}}
    weighed = "score_minus_cost:cost_weight=20"
    found = compare(
        router,
        router.with_pool(keyword_pool(**dearer)),
        TEXTS,
        policies=(weighed, weighed),
    )
    # Code: coder 1 - 20 * 0.004, then 1 - 20 * 0.04 = 0.2 against all, 0.5 - 20 * 0.002 = 0.46.
    assert [(each.first, each.second, each.queries) for each in found.moves] == [
        ("coder", "all", 2)
    ]
    assert found.cost.estimate == pytest.approx(-0.001)
    assert found.notes == ()


def test_measured_costs_come_before_prices_and_that_is_told():
    rows = [{"query": "code", "coder": 1, "poet": 0, "coder|cost": 0.1, "poet|cost": 0.1}]
    router = Router.fit(RecordSet.from_rows(rows))
    pool = ModelPool.from_text(
        "models: [{name: coder, price: {input: 9, output: 9}}, {name: poet}]"
    )
    found = compare(router, router.with_pool(pool), ["code"])
    assert found.cost.estimate == 0.0
    assert "measured costs, which come before prices" in found.notes[0]


def test_nothing_moves_between_a_router_and_itself(router):
    found = compare(router, router, TEXTS)
    assert (found.moved, found.moves, found.examples) == (0, (), ())
    assert str(found) == "nothing moves: all 4 queries keep their model"


def test_unknown_costs_are_not_zero():
    found = compare(keyword_router(), keyword_router(), TEXTS)
    assert found.cost is None
    assert math.isnan(found.first.expected_cost)
    assert found.to_dict()["first"]["expected_cost"] is None


def test_the_dict_is_plain_json_without_the_evidence(router):
    made = compare(router, router, RecordSet.from_rows(MEASURED), policies=BEST_TO_ALL).to_dict()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["share"] == 0.5
    assert made["examples"][0]["first"]["ranking"] == list(RANKINGS["code"])
    assert "neighbors" not in made["examples"][0]["first"]


def test_the_same_input_gives_the_same_comparison(router):
    def made():
        found = compare(router, router, RecordSet.from_rows(MEASURED), policies=BEST_TO_ALL)
        return found.quality, found.cost, found.moves, found.tasks

    assert made() == made()


def test_progress_is_told(router):
    told = []
    compare(router, router, TEXTS, progress=lambda *step: told.append(step))
    assert told == [("route", 0, 8), ("route", 4, 8), ("route", 8, 8)]


@pytest.mark.parametrize(
    ("traffic", "why"),
    [
        ([], "there is no query"),
        (RecordSet(ids=("a",), models=("coder",), scores=np.ones((1, 1))), "1 of 1 rows keep no"),
    ],
)
def test_refusals(router, traffic, why):
    with pytest.raises(EvaluationError, match=why):
        compare(router, router, traffic)


def test_records_of_other_models_are_told(router):
    found = compare(router, router, RecordSet.from_rows([{"query": "code", "other": 1}]))
    assert (found.measured, found.quality) == (0, None)
    assert found.notes == (
        "the records measure other, none of which is in a pool of the two: give records of their "
        "models, or aliases, to see what quality does",
    )


def test_one_text_is_no_list_of_letters(router):
    assert compare(router, router, "code please").n == 1


def test_intervals_of_a_comparison_have_the_same_bounds(router):
    with pytest.raises(EvaluationError) as caught:
        compare(router, router, ["Sort."], draws=0, confidence=95)
    assert caught.value.problems == (
        "draws is 0; give at least 1, such as 2000",
        "confidence is 95; give a part between 0 and 1, such as 0.95",
    )


def test_a_price_alone_changes_the_cost_though_nothing_moves(router):
    dearer = {name: each | {"price": {"input": 0, "output": 10}} for name, each in PRICES.items()}
    found = compare(router, router.with_pool(keyword_pool(**dearer)), TEXTS)
    # From (4 + 1 + 2 + 4) / 4 to 10 USD per 1,000 queries.
    assert found.moved == 0
    assert str(found).startswith(
        "nothing moves: all 4 queries keep their model; expected cost changes by $7.2500 ["
    )


def test_a_model_of_another_name_with_the_same_evidence_is_named():
    rows = [{"query": "code", "coder": 1, "poet": 0}, {"query": "ode", "coder": 0, "poet": 1}]
    router = Router.fit(RecordSet.from_rows(rows))
    renamed = ModelPool.from_text("models: [{name: newer, aliases: [coder]}, {name: poet}]")
    found = compare(router, router.with_pool(renamed), ["code", "code!"])
    assert [(each.first, each.second, each.queries) for each in found.moves] == [
        ("coder", "newer", 2)
    ]
    assert found.notes == (
        "coder and newer have the same evidence, so 2 queries move by name alone",
    )


def test_what_either_router_has_seen_tells_no_quality(router):
    seen = RecordSet.from_rows(MEASURED[:2])
    other = Router.fit(seen, embedder=router.embedder)
    for sides in ((router, other), (other, router)):
        found = compare(*sides, seen)
        assert found.measured == 0
        assert found.quality is None
        assert "quality is measured on 0 of 2 queries" in found.notes[0]


def test_an_example_that_either_router_has_seen_shows_no_score(router):
    measured = RecordSet.from_rows(MEASURED[:1])
    second = router.with_pool(keyword_pool(**PRICES))
    shown = compare(router, second, measured, policies=BEST_TO_ALL).examples[0]
    assert (shown.first_score, shown.second_score) == (0.75, 0.5)
    taught = Router.fit(
        RecordSet.from_rows([*MEASURED[:1], {"query": "an ode", "coder": 0, "poet": 1, "all": 1}]),
        pool=router.pool,
        embedder=router.embedder,
    )
    to_poet = "cheapest_above:min_score=0"
    for sides, policies in (
        ((router, taught), (None, to_poet)),
        ((taught, router), (to_poet, None)),
    ):
        (moved,) = compare(*sides, measured, policies=policies).examples
        assert {moved.first.model, moved.second.model} == {"coder", "poet"}
        assert math.isnan(moved.first_score)
        assert math.isnan(moved.second_score)
