import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter import policies
from knnrouter.errors import PolicyError, UnpricedError
from knnrouter.policies import Candidates, PerformanceEfficiency

NAN = float("nan")
NAMES = ("a", "b", "c", "d", "e")
figures = st.floats(0.0, 1.0)


def candidates(scores, costs, **more):
    return Candidates(models=NAMES[: len(scores)], scores=scores, costs=costs, **more)


def slow(alpha, scores, costs):
    """The formula of the paper, read off the page."""
    known = [score for score in scores if not math.isnan(score)]
    found = []
    for score, cost in zip(scores, costs, strict=True):
        if max(known) - min(known) > 1e-9:
            quality = (score - min(known)) / (max(known) - min(known))
        else:
            quality = NAN if math.isnan(score) else 1.0
        share = cost / max(costs) if max(costs) > 0 else 0.0
        found.append(alpha * quality + (1 - alpha) * (1 - share))
    return found


@given(
    st.floats(0.0, 1.0),
    st.lists(st.tuples(st.one_of(figures, st.just(NAN)), figures), min_size=1, max_size=5),
)
def test_the_formula(alpha, pairs):
    scores, costs = zip(*pairs, strict=True)
    if all(map(math.isnan, scores)):
        return
    policy = PerformanceEfficiency(alpha=alpha)
    found = policy.utilities(candidates(scores, costs))
    assert found == pytest.approx(slow(alpha, scores, costs), abs=1e-12, nan_ok=True)
    first = policy(candidates(scores, costs)).ranking[0]
    best = max(value for value in found if not math.isnan(value))
    assert found[NAMES.index(first)] == pytest.approx(best, abs=1e-9)


def test_the_ends_are_quality_and_cost():
    three = candidates((0.6, 0.9, 0.7), (0.1, 3.0, 0.2))
    assert PerformanceEfficiency(alpha=1)(three).ranking == ("b", "c", "a")
    assert PerformanceEfficiency(alpha=0)(three).ranking == ("a", "c", "b")
    # In between: 0 + 29/30, 1 + 0, 1/3 + 28/30, each halved.
    assert PerformanceEfficiency(alpha=0.5).utilities(three) == pytest.approx(
        [29 / 60, 0.5, 38 / 60]
    )


def test_equal_scores_leave_it_to_the_cost():
    assert PerformanceEfficiency(alpha=0.9)(candidates((0.5, 0.5), (2.0, 1.0))).ranking == (
        "b",
        "a",
    )


def test_free_models_leave_it_to_the_quality():
    free = candidates((0.5, 0.6), (0.0, 0.0))
    assert PerformanceEfficiency(alpha=0.1).utilities(free) == pytest.approx([0.9, 1.0])


def test_a_missing_cost_is_never_free():
    unpriced = candidates((0.5, 0.6), (0.1, NAN))
    with pytest.raises(UnpricedError, match="b") as error:
        PerformanceEfficiency(alpha=0.99)(unpriced)
    assert error.value.models == ("b",)
    assert PerformanceEfficiency(alpha=1)(unpriced).ranking == ("b", "a")


def test_a_model_without_a_score_ranks_last():
    some = candidates((NAN, 0.4, 0.6), (0.0, 1.0, 1.0))
    assert PerformanceEfficiency(alpha=0.5)(some).ranking == ("c", "b", "a")
    alone = candidates((NAN, 0.4), (0.0, 1.0))
    assert PerformanceEfficiency(alpha=0.5)(alone).ranking == ("b", "a")


def test_what_it_says():
    choice = PerformanceEfficiency(alpha=0.25)(candidates((0.5,), (1.0,)))
    assert choice.reason == "best quality for 0.25, least cost for 0.75"
    assert choice.reason_code == "performance_efficiency"
    assert not choice.fallback


@pytest.mark.parametrize("alpha", [-0.1, 1.5, NAN, "half", True])
def test_alpha_is_a_share(alpha):
    with pytest.raises(PolicyError, match=r"alpha is .*; give a number between 0 and 1"):
        PerformanceEfficiency(alpha=alpha)


def test_by_name():
    policy = policies.parse("performance_efficiency:alpha=0.5")
    assert policy == PerformanceEfficiency(alpha=0.5)
    assert policies.parse({"kind": "performance_efficiency", "alpha": 0.5}) == policy
    assert policies.spec(policy) == "performance_efficiency:alpha=0.5"
