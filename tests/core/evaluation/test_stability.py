"""How stable decisions are: figures by hand on routers whose decisions are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from knnrouter import ModelPool, RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EvaluationError
from knnrouter.estimators import KNN
from knnrouter.evaluation import Perturbation, flip_rate, robustness
from knnrouter.policies import Choice

IDENTITY = Perturbation(name="identity", kind="none", change=lambda text, _: text)
X = Perturbation(name="x", kind="letters", change=lambda text, _: text + "x")
XXX = Perturbation(name="xxx", kind="letters", change=lambda text, _: text + "xxx")
LOUD = Perturbation(name="loud", kind="case", change=lambda text, _: text.upper())
TEXTS = ["aaaaa", "aaaa", "aa"]


def letters(texts):
    """How many x, and how many other letters, a text has; it knows no capitals."""
    return [[text.count("x"), len(text) - text.count("x") + 1e-9] for text in texts]


@pytest.fixture
def router():
    """Takes `ex` where more than half of the letters are x, else `other`."""
    rows = [{"query": "x", "ex": 1, "other": 0}, {"query": "a", "ex": 0, "other": 1}]
    return Router.fit(
        RecordSet.from_rows(rows),
        embedder=FunctionEmbedder(letters, 2, "letters"),
        estimator=KNN(k=1, weights="uniform", shrinkage=0.0),
    )


def test_nothing_changes_under_the_identity(router):
    found = robustness(router, TEXTS, perturbations=[IDENTITY])
    assert found.overall.unchanged.estimate == 1.0
    assert (found.overall.unchanged.low, found.overall.unchanged.high) == (1.0, 1.0)
    assert (found.flip_rate, found.flips, found.overall.flips) == (0.0, (), 0)
    assert found.overall.flip_cost is None
    assert found.overall.quality_change is None


def test_shares_by_hand(router):
    # One x turns no decision; three of them turn those on "aa" alone: "aaxxx" has more x.
    found = robustness(router, TEXTS, perturbations=[X, XXX, LOUD])
    by_name = {each.name: each.unchanged.estimate for each in found.perturbations}
    assert by_name == pytest.approx({"x": 1.0, "xxx": 2 / 3, "loud": 1.0})
    by_kind = {each.name: each.unchanged.estimate for each in found.kinds}
    assert by_kind == pytest.approx({"letters": 5 / 6, "case": 1.0})
    assert found.overall.unchanged.estimate == pytest.approx(11 / 12)  # kinds count alike
    assert found.flip_rate == pytest.approx(1 / 12)
    assert flip_rate(router, TEXTS, perturbations=[X, XXX, LOUD]) == pytest.approx(1 / 12)
    (flip,) = found.flips
    assert (flip.query, flip.perturbed, flip.perturbation) == ("aa", "aaxxx", "xxx")
    assert (flip.before, flip.after) == ("other", "ex")
    assert found.n == 3


def test_what_flips_cost(router):
    records = RecordSet.from_rows(
        [
            {"query": "aaaa", "ex": 0.5, "other": 1.0},
            {"query": "aa", "ex": 0.25, "other": 1.0},  # flips: loses 0.75
            {"query": "a", "ex": 1.0, "other": 0.5},  # flips: gains 0.5
            {"query": "aax", "ex": None, "other": 1.0},  # flips, and nobody knows at what cost
        ]
    )
    with np.errstate(all="raise"):
        found = robustness(router, records, perturbations=[XXX, IDENTITY])
    letters, none = found.kinds
    assert letters.flips == 3
    assert letters.flip_cost.estimate == pytest.approx((0.75 - 0.5) / 2)
    assert letters.quality_change.estimate == pytest.approx((0 - 0.75 + 0.5) / 3)
    assert none.flip_cost is None
    assert none.quality_change.estimate == 0.0
    assert found.overall.quality_change.estimate == pytest.approx(-0.25 / 3 / 2)


def test_the_interval_draws_queries_not_pairs(router):
    # Of two queries one flips, under both changes: draws are of 0, one half or 1.
    again = Perturbation(name="again", kind="letters", change=XXX.change)
    found = robustness(router, ["aa", "aaaaaaaa"], perturbations=[XXX, again])
    assert found.overall.unchanged.estimate == 0.5
    assert (found.overall.unchanged.low, found.overall.unchanged.high) == (0.0, 1.0)


def test_both_intervals_hold_as_much_as_is_asked(router):
    # Both of two queries flip, at a cost of 1 and of 0; of four, the other two do not.
    rows = [{"query": "aa", "ex": 0, "other": 1}, {"query": "a", "ex": 1, "other": 1}]
    rows += [{"query": "a" * many, "ex": 1, "other": 1} for many in (8, 9)]
    records = RecordSet.from_rows(rows)
    for confidence, flip_cost, unchanged in ((0.95, (0, 1), (0, 1)), (0.2, (0.5, 0.5), (0.5, 0.5))):
        found = robustness(router, records, perturbations=[XXX], confidence=confidence).overall
        assert (found.flip_cost.low, found.flip_cost.high) == flip_cost
        assert (found.unchanged.low, found.unchanged.high) == unchanged


def test_the_policy_decides_what_flips(router):
    def first(candidates):
        return Choice(ranking=candidates.models, reason="first", reason_code="first")

    assert flip_rate(router, TEXTS, perturbations=[XXX]) == pytest.approx(1 / 3)
    assert flip_rate(router, TEXTS, perturbations=[XXX], policy=first) == 0.0


def test_scores_are_found_under_the_names_of_the_pool(router):
    text = "models: [{name: one, aliases: [ex]}, {name: two, aliases: [other]}]"
    renamed = router.with_pool(ModelPool.from_text(text))
    records = RecordSet.from_rows([{"query": "aa", "ex": 0.0, "other": 1.0}])
    found = robustness(renamed, records, perturbations=[XXX])
    assert [flip.after for flip in found.flips] == ["one"]
    assert found.overall.flip_cost.estimate == 1.0


def test_a_limit_draws_queries_by_the_seed(router):
    texts = ["a" * length for length in range(1, 30)]
    one, same, other = (
        robustness(router, texts, perturbations=[XXX], limit=9, seed=seed).flips
        for seed in (1, 1, 2)
    )
    assert one == same != other
    assert robustness(router, texts, perturbations=[XXX], limit=9).n == 9
    assert robustness(router, texts, perturbations=[XXX], limit=90).n == 29


def test_all_figures_are_the_same_again():
    texts = ["Sort a list of numbers in C.", "Write a sonnet on the sea and the moon."]
    rows = [
        {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        {"query": "Write a haiku on the moon.", "coder": 0, "poet": 1},
    ]
    router = Router.fit(RecordSet.from_rows(rows))
    found = [robustness(router, texts, seed=3).to_dict() for _ in range(2)]
    assert found[0] == found[1]
    assert found[0]["overall"]["unchanged"]["estimate"] == 1.0
    assert len(found[0]["perturbations"]) == 23


def test_as_a_dict_and_as_text(router):
    records = RecordSet.from_rows([{"query": "aa", "ex": 0.0, "other": 1.0}])
    found = robustness(router, records, perturbations=[XXX])
    values = json.loads(json.dumps(found.to_dict()))
    assert list(values) == ["n", "flip_rate", "overall", "kinds", "perturbations"]
    assert values["overall"]["flip_cost"] == {"estimate": 1.0, "low": 1.0, "high": 1.0}
    assert values["overall"]["flip_rate"] == values["flip_rate"] == 1.0
    assert str(found).splitlines()[:2] == [
        "1 queries",
        "all: unchanged 0.0000 [0.0000, 0.0000], 1 flips, a flip costs 1.0000 [1.0000, 1.0000]",
    ]


@pytest.mark.parametrize(
    ("queries", "settings", "told"),
    [
        ([], {}, "there is no query to ask; give at least one text"),
        ("Why?", {}, r"queries is one text, 'Why\?'; give a list of texts"),
        (["a", None, 3], {}, "2 of 3 queries are no text, the first is number 1, None"),
        (["a"], {"limit": 0}, "limit is 0; give at least 1, or None for all queries"),
        (["a"], {"perturbations": ["shuffle"]}, "'shuffle': no perturbation"),
    ],
)
def test_what_cannot_be_asked(router, queries, settings, told):
    with pytest.raises(EvaluationError, match=told):
        robustness(router, queries, **settings)
