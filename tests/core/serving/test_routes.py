"""Who is asked, and what answers and traces tell of a decision."""

import json
import math

import pytest

from knnrouter import Decision
from knnrouter.serving import Answer, Failure, Route, facts, stamp


def decided(**changes):
    values = {
        "id": "d1",
        "model": "small",
        "ranking": ("small", "large"),
        "scores": {"small": 0.75, "large": 0.5},
        "costs": {"small": 0.001, "large": math.nan},
        "stderr": {"small": 0.1, "large": 0.1},
        "support": {"small": 3.0, "large": 3.0},
        "similarity": 0.9,
        "reason": "the best score",
        "reason_code": "best_score",
        "policy": "best_score",
    }
    return Decision(**(values | changes))


def test_the_chosen_model_answers():
    values = Route(decision=decided(), order=("small", "large")).values(Answer("hi", "small"))
    told = [values[key] for key in ("model", "answered_by", "failed", "shadow", "reason_code")]
    assert told == ["small", "small", [], False, "best_score"]


def test_the_next_answers_and_is_the_model_from_then_on():
    answer = Answer("hi", "large", (Failure("small", "TimeoutError"),))
    values = Route(decision=decided(), order=("small", "large")).values(answer)
    assert (values["model"], values["answered_by"], values["id"]) == ("large", "large", "d1")
    assert values["failed"] == [{"model": "small", "error": "TimeoutError"}]
    assert values["reason_code"] == "model_failed"
    assert values["reason"] == "small (TimeoutError) failed; large is the next of the ranking"


def test_in_shadow_the_decision_stays_as_it_was_made():
    answer = Answer("hi", "other", (Failure("own", "TimeoutError"),))
    values = Route(decision=decided(), order=("own", "other"), shadow=True).values(answer)
    assert (values["model"], values["answered_by"], values["shadow"]) == ("small", "other", True)
    assert values["reason_code"] == "best_score"


def test_a_stamp_is_json_and_reads_back():
    values = json.loads(json.dumps(stamp(decided(), answered_by=None), allow_nan=False))
    assert values["answered_by"] is None
    again = Decision.from_summary(values)
    assert (again.model, again.ranking, again.id) == ("small", ("small", "large"), "d1")


def test_facts_are_flat_and_known():
    assert facts(decided(), "small") == {
        "knnrouter_model": "small",
        "knnrouter_chosen": "small",
        "knnrouter_decision": "d1",
        "knnrouter_score": 0.75,
        "knnrouter_cost": 0.001,
        "knnrouter_similarity": 0.9,
        "knnrouter_policy": "best_score",
        "knnrouter_reason": "best_score",
        "knnrouter_fallback": False,
    }


def test_facts_of_another_model_of_none_and_of_shadow():
    other = facts(decided(), "large")
    assert (other["knnrouter_model"], other["knnrouter_fallback"]) == ("large", True)
    outside = facts(decided(), None, shadow=True)
    assert "knnrouter_model" not in outside
    assert (outside["knnrouter_fallback"], outside["knnrouter_shadow"]) == (False, True)


@pytest.mark.parametrize("name", ["score", "cost", "similarity"])
def test_what_is_not_known_is_left_out(name):
    unknown = decided(scores={"small": math.nan}, costs={"small": math.nan}, similarity=math.nan)
    assert f"knnrouter_{name}" not in facts(unknown, "small")
