import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import ModelPool, ModelSpec, RecordSet, Router, policies
from knnrouter.errors import PolicyError, UnknownModelError, UnpricedError
from knnrouter.policies import (
    BestScore,
    Candidates,
    Guarded,
    Reserved,
    ScoreMinusCost,
    Threshold,
    parse,
    spec,
)

NAN = float("nan")


def asked(scores, models="abc", costs=(0.001, 0.01, 0.1), **more):
    return Candidates(models=tuple(models), scores=scores, costs=costs[: len(models)], **more)


def chosen(policy, *scores, **more):
    choice = policy(asked(scores, **more))
    return choice.ranking, choice.reason_code, choice.fallback


@pytest.mark.parametrize(
    ("scores", "ranking", "code"),
    [
        ((0.6, 0.8, 0.9), ("c", "b", "a"), "reserved"),  # leads by 0.1, in floats by a bit less
        ((0.6, 0.7, 0.79), ("b", "a", "c"), "best_score"),
        ((0.9, 0.7, 0.8), ("a", "b", "c"), "best_score"),
        ((0.6, NAN, 0.8), ("c", "a", "b"), "reserved"),
        ((0.6, 0.7, NAN), ("b", "a", "c"), "best_score"),
    ],
)
def test_the_model_answers_where_it_leads(scores, ranking, code):
    assert chosen(Reserved(model="c", margin=0.1), *scores) == (ranking, code, False)


def test_where_no_other_can_be_judged_it_answers_whatever_the_margin():
    policy = Reserved(model="c", margin=5)
    assert chosen(policy, NAN, NAN, 0.1) == (("c", "a", "b"), "reserved_alone", True)
    assert chosen(policy, 0.1, models="c") == (("c",), "reserved_alone", True)
    assert policy(asked((NAN, NAN, 0.1))).reason == "only c can be judged"


def test_where_it_may_not_answer_the_others_are_ranked():
    assert chosen(Reserved(model="z", margin=0), 0.6, 0.7, 0.8) == (
        ("c", "b", "a"),
        "best_score",
        False,
    )


def test_the_reason_says_by_how_much_it_leads():
    policy = Reserved(model="c", margin=0.25)
    assert policy(asked((0.25, 0.5, 0.75))).reason == "c leads by 0.250 >= 0.25"
    reason = policy(asked((0.25, 0.5, 0.625))).reason
    assert reason == "c leads by 0.125 < 0.25: best expected score"
    assert policy(asked((0.25, 0.5, NAN))).reason == "c cannot be judged: best expected score"


def test_the_inner_policy_ranks_the_others_alone():
    """With c among them the weight would take a; of a and b it takes b."""
    policy = Reserved(model="c", margin=0.5, policy=ScoreMinusCost(cost_weight=10))
    assert policy(asked((0.6, 0.7, 0.8))).ranking == ("b", "a", "c")
    unpriced = asked((0.6, 0.7, 0.8), costs=(0.001, 0.01, NAN))
    assert policy(unpriced).ranking == ("b", "a", "c")  # c's own cost is not weighed
    with pytest.raises(UnpricedError, match="b"):
        policy(asked((0.6, 0.7, 0.8), costs=(0.001, NAN, 0.1)))


grid = st.integers(0, 8).map(lambda eighths: eighths / 8) | st.just(NAN)


@settings(max_examples=300)
@given(
    scores=st.tuples(grid, grid),
    margin=st.integers(-8, 8).map(lambda eighths: eighths / 8),
)
def test_of_two_models_it_is_the_threshold(scores, margin):
    if all(map(math.isnan, scores)):
        return
    two = asked(scores, models=("large", "small"))
    threshold = Threshold(strong="large", weak="small", threshold=(1 + margin) / 2)
    reserved = Reserved(model="large", margin=margin)
    assert reserved(two).ranking == threshold(two).ranking
    if not math.isnan(scores[0]):  # else `Reserved` lets the others choose, as it is meant to
        assert reserved(two).fallback == threshold(two).fallback


def test_text_and_names():
    policy = Reserved(model="x", margin=0.125)
    assert spec(policy) == "reserved:model=x,margin=0.125"
    assert parse("reserved:model=x,margin=0.125") == policy
    assert parse({"kind": "reserved", "model": "1e3", "margin": 0}).model == "1e3"
    assert parse("reserved:model=1e3,margin=0").model == "1e3"  # a name, whatever it looks like
    nested = Reserved(
        model="x",
        margin=0.5,
        policy=Guarded(policy=ScoreMinusCost(cost_weight=2), min_similarity=0.1, fallback="y"),
    )
    assert parse(spec(nested)) == nested
    assert policies.named_models(nested) == ("x", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reserved:model=x", "setting 'margin' is missing"),
        ("reserved:model=x,margin=-2", "margin is -2.0; give a number of at least -1"),
        ("reserved:model=x,margin=much", "margin is 'much'"),
        ("reserved:modle=x,margin=0", "unknown setting 'modle' (did you mean 'model'?)"),
    ],
)
def test_wrong_settings(text, message):
    with pytest.raises(PolicyError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_the_inner_policy_is_one():
    with pytest.raises(PolicyError, match="Reserved: policy is"):
        Reserved(model="x", margin=0, policy=BestScore)


def router(**settings):
    records = RecordSet.from_rows(
        [
            {"query": "Sort a list in C.", "small": 0.5, "large": 0.75},
            {"query": "Write an ode to rain.", "small": 0.75, "large": 0.5},
        ]
    )
    models = [ModelSpec(name="small"), ModelSpec(name="large")]
    return Router.fit(records, pool=ModelPool(models=models, router=settings))


def test_in_a_pool():
    mapping = {"kind": "reserved", "model": "large", "margin": 0.3}
    assert router(policy=mapping).policy == Reserved(model="large", margin=0.3)
    with pytest.raises(UnknownModelError, match="huge"):
        router(policy=mapping | {"model": "huge"})


def test_explain_tells_at_which_margin_it_flips():
    given = router()
    leads = given.explain("Sort a list in C.", policy="reserved:model=large,margin=0")
    lead = leads.decision.scores["large"] - leads.decision.scores["small"]
    assert lead > 0
    (flip,) = leads.flips
    assert (flip.model, flip.what, flip.below) == ("small", "margin", False)
    assert flip.at == pytest.approx(lead)
    behind = given.explain("Sort a list in C.", policy="reserved:model=large,margin=0.9")
    (flip,) = behind.flips
    assert (flip.model, flip.now, flip.below) == ("large", 0.9, True)
    assert flip.at == pytest.approx(lead)
