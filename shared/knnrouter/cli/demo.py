"""The command `demo`: real decisions of the starter, with what they rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer

from knnrouter import Decision, Router, policies
from knnrouter.errors import QueryError

from . import output
from .explaining import show_explanation
from .options import JsonOption

__all__ = ["QUESTIONS", "demo"]

QUESTIONS = (
    "A bakery sells a dozen rolls for 9 euros. How much do 20 rolls cost at the same price each?",
    "Write a Python function that merges two sorted lists into one sorted list.",
    "Prove that the sum of two odd integers is even.",
    "Which river flows through the city of Vienna?",
    "Who wrote the novel Middlemarch?",
    "You want to keep milk fresh for a week. Where do you put it: oven, fridge, attic, shelf?",
    "Why does ice float on water? Choose: it is lighter, it is warmer, it is salty, it is wet.",
    "All poets are dreamers, and some dreamers are bakers. Does it follow that some poets bake?",
    "Which enzyme rises first in the blood after a heart attack? A: troponin, B: amylase",
    "Find all real x with x^2 - 5x + 6 = 0.",
    "Under common law, is an offer open forever if nobody answers it, or does it lapse?",
    "When was the last time that a total solar eclipse was seen from London?",
)
"""What the demo asks, where the reader asks nothing; written for it."""


def demo(
    questions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUESTION", show_default=False, help="Your own questions, explained."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Route a dozen questions, or your own, with the starter.

    The starter is the small router inside the package: nine open models, measured on public
    benchmarks.
    """
    if not all(question.strip() for question in questions or ()):
        raise QueryError(
            "a question is blank, so there is nothing to route on; write it out: "
            "knnrouter demo 'Why is the sky blue?'"
        )
    router = Router.starter()
    if questions:
        _explain(router, questions, as_json=as_json)
        return
    decisions = router.route_many(QUESTIONS)
    compared = _compare(router, decisions)
    if as_json:
        routed = [
            {"question": question, "decision": decision.to_dict()}
            for question, decision in zip(QUESTIONS, decisions, strict=True)
        ]
        output.show_json({"routed": routed, **compared})
        return
    _show_decisions(router, decisions)
    _show_comparison(compared)
    output.say(
        'next: knnrouter demo "a question of yours"; then build a router of your own benchmark: '
        "knnrouter formats, knnrouter build FILE --out DIR"
    )


def _explain(router: Router, questions: Sequence[str], *, as_json: bool) -> None:
    explained = [(question, router.explain(question)) for question in questions]
    if as_json:
        output.show_json(
            {"explained": [{"question": one, **found.to_dict()} for one, found in explained]}
        )
        return
    for question, explanation in explained:
        output.show(output.one_line(question))
        show_explanation(explanation, neighbors=5)
        output.show()
    output.say("next: the same with a router of your own: knnrouter explain --router DIR TEXT")


def _show_decisions(router: Router, decisions: Sequence[Decision]) -> None:
    records, policy = router.records, router.policy
    if isinstance(policy, policies.Guarded):
        policy = policy.policy
    output.show(
        f"{len(QUESTIONS)} questions, {len(router.pool.names)} models, measured on "
        f"{records.weights.sum():,.0f} benchmark queries in "
        f"{len(set(records.tasks))} tasks, held as {len(records):,} averages."
    )
    output.show(
        "For each question the chosen model and the next: expected score ± standard error, "
        "expected USD, and the similarity of the nearest evidence."
    )
    output.show(f"The policy of the pool: {policies.spec(policy)}")
    for question, decision in zip(QUESTIONS, decisions, strict=True):
        output.show()
        output.show(question)
        chosen, rival = decision.ranking[:2]
        near = f"nearest {decision.similarity:.2f}"
        output.show(f"{_expected(decision, chosen)}, {near}", style="bold", indent=2)
        output.show(f"next {_expected(decision, rival)}", indent=4)


def _expected(decision: Decision, model: str) -> str:
    score, error = decision.scores[model], decision.stderr[model]
    return f"{model}: {score:.3f} ± {error:.3f}, {output.usd(decision.costs[model])}"


def _compare(router: Router, decisions: Sequence[Decision]) -> dict[str, Any]:
    """What the questions are expected to score and cost, by policy, and with one model for all."""
    by_score = router.route_many(QUESTIONS, policy=policies.BestScore())
    return {
        "policies": [_policy_row("best_score", by_score), _policy_row("pool's policy", decisions)],
        "single_models": _single_rows(router),
    }


def _policy_row(name: str, decisions: Sequence[Decision]) -> dict[str, Any]:
    return {
        "choice": name,
        "policy": decisions[0].policy,
        "mean_score": float(np.mean([each.scores[each.model] for each in decisions])),
        "mean_cost": float(np.mean([each.costs[each.model] for each in decisions])),
        "share": {
            model: count / len(decisions)
            for model, count in Counter(each.model for each in decisions).most_common()
        },
    }


def _single_rows(router: Router) -> list[dict[str, Any]]:
    """The best model on average over the evidence, and the dearest for these questions."""
    found = router.estimate(QUESTIONS)
    costs = found.costs.mean(axis=0)
    rows = {"best single": int(np.argmax(router.lineup.means)), "dearest": int(np.argmax(costs))}
    return [
        {
            "choice": name,
            "model": found.models[place],
            "mean_score": float(found.scores[:, place].mean()),
            "mean_cost": float(costs[place]),
        }
        for name, place in rows.items()
    ]


def _show_comparison(compared: dict[str, Any]) -> None:
    output.show()
    output.show("What these questions are expected to score and cost, on average:", style="bold")
    made = output.table("choice", "score", "USD per query", right=("score", "USD per query"))
    for row in compared["policies"]:
        made.add_row(row["choice"], f"{row['mean_score']:.3f}", output.usd(row["mean_cost"]))
    for row in compared["single_models"]:
        made.add_row(
            f"always {row['model']} ({row['choice']})",
            f"{row['mean_score']:.3f}",
            output.usd(row["mean_cost"]),
        )
    output.show_table(made)
    output.show()
    _show_shares(compared["policies"])


def _show_shares(rows: Sequence[dict[str, Any]]) -> None:
    """Which share of the questions each policy gives to each model."""
    output.show("Who answers how many of them, by policy:", style="bold")
    names = [row["choice"] for row in rows]
    made = output.table("model", *names, right=names)
    for model in dict.fromkeys(model for row in rows for model in row["share"]):
        made.add_row(model, *(f"{row['share'].get(model, 0):.0%}" for row in rows))
    output.show_table(made)
