import pytest

from knnrouter import Router
from knnrouter.cli.demo import QUESTIONS


@pytest.fixture(scope="module")
def starter():
    return Router.starter()


def test_a_dozen_questions_are_routed_for_real(knn, starter):
    ran = knn("demo")
    lines = ran.out.splitlines()
    assert len(QUESTIONS) == 12
    for question, decision in zip(QUESTIONS, starter.route_many(QUESTIONS), strict=True):
        place = lines.index(question)
        chosen, rival = decision.ranking[:2]
        assert lines[place + 1] == (
            f"  {chosen}: {decision.scores[chosen]:.3f} ± {decision.stderr[chosen]:.3f}, "
            f"${decision.costs[chosen]:.6f}, nearest {decision.similarity:.2f}"
        )
        assert lines[place + 2].startswith(f"    next {rival}: {decision.scores[rival]:.3f} ± ")
    assert "9 models, measured on 5,608 benchmark queries in 14 tasks" in lines[0]
    assert "knnrouter build FILE --out DIR" in ran.err


def test_the_questions_differ(starter):
    decisions = starter.route_many(QUESTIONS)
    assert len({decision.model for decision in decisions}) >= 3
    assert len({decision.neighbors[0].task for decision in decisions}) >= 6


def test_the_comparison(knn, starter):
    found = knn("demo", "--json").json
    assert list(found) == ["routed", "policies", "single_models"]
    assert [each["question"] for each in found["routed"]] == list(QUESTIONS)
    best, pools = found["policies"]
    decisions = starter.route_many(QUESTIONS)
    costs = [decision.costs[decision.model] for decision in decisions]
    assert pools["mean_cost"] == pytest.approx(sum(costs) / 12)
    chosen = [decision.model for decision in decisions]
    assert pools["share"] == {model: chosen.count(model) / 12 for model in chosen}
    assert sum(best["share"].values()) == pytest.approx(1)
    single, dearest = found["single_models"]
    assert single["model"] == "llama-3.1-nemotron-51b-instruct"
    assert best["mean_score"] >= pools["mean_score"] >= single["mean_score"] - 0.05
    assert pools["mean_cost"] < best["mean_cost"] <= dearest["mean_cost"]


def test_a_question_of_the_reader(knn, starter):
    question = "How many minutes are there in 3 days?"
    ran = knn("demo", question)
    decision = starter.route(question)
    lines = ran.out.splitlines()
    assert lines[0] == question
    assert lines[1].startswith(f"{decision.model}: ")
    assert "The nearest 5 of " in ran.out
    assert decision.neighbors[0].id in ran.out
    found = knn("demo", question, "Why is the sky blue?", "--json").json
    assert [each["question"] for each in found["explained"]] == [question, "Why is the sky blue?"]
    assert found["explained"][0]["decision"]["model"] == decision.model
    err = knn("demo", question, " ", code=2).err
    assert err.startswith(
        "error: a question is blank, so there is nothing to route on; write it out"
    )
    assert err.endswith(": knnrouter demo 'Why is the sky blue?'\n")
