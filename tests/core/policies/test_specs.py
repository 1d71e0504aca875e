import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import PolicyError
from knnrouter.policies import (
    BestScore,
    CheapestAbove,
    Guarded,
    MaxLatency,
    Prediction,
    RandomAmongTop,
    ScoreMinusCost,
    Threshold,
    named_models,
    parse,
    spec,
)
from knnrouter.policies.specs import as_mapping

# Names as pools allow them, with commas, equal signs and closed parentheses.
WORD = st.text(string.ascii_letters + string.digits + ":=/.,-_ é", min_size=1, max_size=8)
NAME = st.one_of(WORD, st.tuples(WORD, WORD).map(lambda two: f"{two[0]}({two[1]})")).filter(
    lambda name: name.strip() == name != ""
)
UNIT = st.floats(0, 1)
PLAIN = st.one_of(
    st.just(BestScore()),
    st.builds(ScoreMinusCost, cost_weight=st.floats(0, 1e12)),
    st.builds(CheapestAbove, min_score=UNIT),
    st.tuples(NAME, NAME, UNIT)
    .filter(lambda t: t[0] != t[1])
    .map(lambda t: Threshold(strong=t[0], weak=t[1], threshold=t[2])),
    st.builds(RandomAmongTop, threshold=UNIT, top=st.integers(1, 9), seed=st.integers(0, 10**9)),
    st.dictionaries(NAME, st.floats(-1e6, 1e6), min_size=1, max_size=4).flatmap(
        lambda factors: st.builds(
            Prediction,
            models=st.just(list(factors)),
            coefficients=st.just(list(factors.values())),
            intercept=st.floats(-1e6, 1e6),
            rule=st.sampled_from(["nearest", "above"]),
        )
    ),
)
POLICIES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.builds(MaxLatency, ms=st.floats(1e-6, 1e9), policy=inner),
        st.builds(Guarded, policy=inner, min_similarity=st.floats(-1, 1), fallback=NAME),
    ),
    max_leaves=3,
)


@given(POLICIES)
def test_round_trip(policy):
    assert parse(spec(policy)) == policy


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("best_score", BestScore()),
        (" best_score ", BestScore()),
        ("score_minus_cost:cost_weight=20", ScoreMinusCost(cost_weight=20)),
        ("score_minus_cost: cost_weight = 1e-3 ", ScoreMinusCost(cost_weight=0.001)),
        ("cheapest_above:min_score=0.6", CheapestAbove(min_score=0.6)),
        (
            "threshold:strong=big,weak=on,threshold=0.5",
            Threshold(strong="big", weak="on", threshold=0.5),
        ),
        ("threshold:strong=1,weak=2,threshold=0", Threshold(strong="1", weak="2", threshold=0)),
        ("max_latency:ms=500,policy=best_score", MaxLatency(ms=500, policy=BestScore())),
        (
            "guarded:fallback=(a,b),min_similarity=-0.5,policy=(max_latency:ms=9,policy=(cheapest_above:min_score=1))",
            Guarded(
                policy=MaxLatency(ms=9, policy=CheapestAbove(min_score=1)),
                min_similarity=-0.5,
                fallback="a,b",
            ),
        ),
        ({"kind": "best_score"}, BestScore()),
        ({"kind": "score_minus_cost", "cost_weight": 20}, ScoreMinusCost(cost_weight=20)),
        (
            {
                "kind": "guarded",
                "policy": {"kind": "cheapest_above", "min_score": 0.5},
                "min_similarity": 0.1,
                "fallback": "on",
            },
            Guarded(policy=CheapestAbove(min_score=0.5), min_similarity=0.1, fallback="on"),
        ),
        (
            {"kind": "max_latency", "ms": 5, "policy": "score_minus_cost:cost_weight=2"},
            MaxLatency(ms=5, policy=ScoreMinusCost(cost_weight=2)),
        ),
    ],
)
def test_read(text, policy):
    assert parse(text) == policy


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (BestScore(), "best_score"),
        (ScoreMinusCost(cost_weight=20.0), "score_minus_cost:cost_weight=20"),
        (ScoreMinusCost(cost_weight=1e-6), "score_minus_cost:cost_weight=1e-06"),
        (ScoreMinusCost(cost_weight=0.1 + 0.2), "score_minus_cost:cost_weight=0.30000000000000004"),
        (
            Threshold(strong="llama (8b)", weak="x", threshold=0.5),
            "threshold:strong=(llama (8b)),weak=x,threshold=0.5",
        ),
    ],
)
def test_written(policy, text):
    assert spec(policy) == text
    assert parse(text) == policy


PREDICTION = Prediction(models=["a", "b,c"], coefficients=[0.5, 1], intercept=0.25)


def test_lists():
    text = "prediction:models=(a,(b,c)),coefficients=(0.5,1),intercept=0.25"
    mapping = {
        "kind": "prediction",
        "models": ["a", "b,c"],
        "coefficients": [0.5, 1],
        "intercept": 0.25,
    }
    assert spec(PREDICTION) == text
    assert as_mapping(PREDICTION) == mapping
    assert parse(text) == parse(mapping) == PREDICTION
    assert named_models(PREDICTION) == ("a", "b,c")
    guarded = Guarded(policy=PREDICTION, min_similarity=0.5, fallback="d")
    assert named_models(guarded) == ("d", "a", "b,c")
    assert parse(spec(guarded)) == parse(as_mapping(guarded)) == guarded


def test_settings_at_their_defaults_are_not_written():
    assert spec(RandomAmongTop()) == "random_among_top"
    assert as_mapping(RandomAmongTop(top=2)) == {"kind": "random_among_top", "top": 2}
    assert parse("random_among_top:top=2,seed=7") == RandomAmongTop(top=2, seed=7)
    near = Prediction(models=["a"], coefficients=[1], intercept=0, rule="nearest")
    assert spec(near) == "prediction:models=(a),coefficients=(1),intercept=0,rule=nearest"


def test_a_function_goes_by_its_name():
    def cheapest(candidates):
        raise NotImplementedError

    class Mine:
        def __call__(self, candidates):
            raise NotImplementedError

    assert spec(cheapest) == "cheapest"
    assert spec(Mine()) == "Mine"
    wrapped = Guarded(policy=cheapest, min_similarity=0.25, fallback="a")
    assert spec(wrapped) == "guarded:policy=cheapest,min_similarity=0.25,fallback=a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("best", "unknown policy 'best'; known: best_score, score_minus_cost, cheapest_above, "),
        ("best_scor", "unknown policy 'best_scor' (did you mean 'best_score'?); known: "),
        ("", "unknown policy ''; known: "),
        ({}, "unknown policy ''; known: "),
        ({"kind": 5}, "unknown policy '5'"),
        (
            "best_score:weight=2",
            "policy best_score: unknown setting 'weight'; its settings: none",
        ),
        (
            "score_minus_cost",
            "policy score_minus_cost: setting 'cost_weight' is missing; its settings: cost_weight",
        ),
        (
            "score_minus_cost:cost_wieght=2",
            "unknown setting 'cost_wieght' (did you mean 'cost_weight'?); setting 'cost_weight' is "
            "missing; its settings: cost_weight",
        ),
        (
            "threshold:strong=a",
            "setting 'weak' is missing; setting 'threshold' is missing; its settings: strong, weak,"
            " threshold",
        ),
        (
            "score_minus_cost:20",
            "policy 'score_minus_cost:20': '20' is no setting; write kind:setting=value",
        ),
        (
            "score_minus_cost:cost_weight=1,cost_weight=2",
            "setting 'cost_weight' is given twice; give it once",
        ),
        ("score_minus_cost:cost_weight=much", "cost_weight is 'much'; give a number of at least 0"),
        ("score_minus_cost:cost_weight=", "cost_weight is ''; give a number"),
        ("score_minus_cost:cost_weight=nan", "cost_weight is nan; give a number"),
        ("cheapest_above:min_score=60", "min_score is 60.0; give a number between 0 and 1"),
        ("max_latency:ms=5,policy=fast", "unknown policy 'fast'; known: "),
        (
            {"kind": "max_latency", "ms": 5, "policy": 7},
            "MaxLatency: policy is 7; give a policy, such as BestScore()",
        ),
        (
            {"kind": "guarded", "policy": "best_score", "min_similarity": True, "fallback": "a"},
            "Guarded: min_similarity is True",
        ),
    ],
)
def test_what_cannot_be_read(text, message):
    with pytest.raises(PolicyError, match=re.escape(message)):
        parse(text)


def test_models_that_a_policy_names():
    threshold = Threshold(strong="large", weak="small", threshold=0.5)
    assert named_models(threshold) == ("large", "small")
    wrapped = Guarded(
        policy=MaxLatency(ms=5, policy=threshold), min_similarity=0.3, fallback="medium"
    )
    assert named_models(wrapped) == ("medium", "large", "small")
    assert named_models(BestScore()) == ()
    assert named_models(lambda candidates: None) == ()
