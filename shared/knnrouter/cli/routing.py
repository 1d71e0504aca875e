"""The commands that route: `route`, which decides, and `explain`, which says why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from knnrouter import Decision, Router
from knnrouter.errors import EmptyPoolError, KnnRouterError, NoEvidenceError, QueryError

from . import output
from .explaining import show_explanation
from .failing import FINDINGS
from .options import (
    AllowOption,
    EmbedderOption,
    JsonOption,
    MessagesOption,
    PolicyOption,
    PoolOption,
    RequireOption,
    RouterOption,
    TagOption,
    TextArgument,
)
from .queries import piped_lines, query_of
from .routers import chosen_router

__all__ = ["explain", "route"]

_OF_ONE_QUERY = (QueryError, NoEvidenceError, EmptyPoolError)
"""Errors that say something of one query, not of the router or an option."""


def route(
    text: TextArgument = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Route each line of standard input.")
    ] = False,
    messages: MessagesOption = None,
    pool: PoolOption = None,
    router: RouterOption = None,
    embedder: EmbedderOption = "static",
    policy: PolicyOption = None,
    allow: AllowOption = None,
    require: RequireOption = None,
    tag: TagOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the model for a query.

    One line for a query: the model, why, what it is expected to score and cost, and how near the
    nearest evidence is. With --lines --json, one JSON object a line; a line that cannot be routed
    is named on standard error, the others are answered, and the exit code is 1.
    """
    if lines and (text is not None or messages is not None):
        raise typer.BadParameter("it reads standard input; give no query", param_hint="--lines")
    asked = None if lines else query_of(text, messages, command="route")
    answerer = chosen_router(pool, router, embedder)
    wanted: dict[str, Any] = {
        "policy": policy,
        "allow": allow or None,
        "require": require or (),
        "tags": tag or (),
    }
    if lines:
        _route_lines(answerer, wanted, as_json=as_json)
    else:
        _show(answerer.route(asked, **wanted), as_json=as_json, indent=2)


def _route_lines(router: Router, wanted: dict[str, Any], *, as_json: bool) -> None:
    """Route standard input, line by line; at the end, fail if a line could not be routed."""
    hard = {name: value for name, value in wanted.items() if name != "policy"}
    router.pool.eligible(**hard)  # else every line would fail, for the same reason
    failed = 0
    for batch in piped_lines():
        good = [line for line in batch if not line.problem]
        answers = _answers(router, [line.text for line in good], wanted)
        for line in batch:
            problem = line.problem or next(answers)
            if isinstance(problem, Decision):
                _show(problem, as_json=as_json, indent=None)
            else:
                output.complain(f"line {line.number}: {problem}")
                failed += 1
        output.flush()
    if failed:
        raise typer.Exit(FINDINGS)


def _answers(
    router: Router, texts: Sequence[str], wanted: dict[str, Any]
) -> Iterator[Decision | KnnRouterError]:
    """A decision for each text, or what kept it from being routed."""
    try:
        yield from router.route_many(texts, **wanted)
        return
    except _OF_ONE_QUERY:
        pass  # then find out which
    for text in texts:
        try:
            yield router.route(text, **wanted)
        except _OF_ONE_QUERY as error:
            yield error


def _show(decision: Decision, *, as_json: bool, indent: int | None) -> None:
    if as_json:
        output.show_json(decision.to_dict(), indent=indent)
        return
    output.show(output.one_line(str(decision)))
    for note in decision.notes:
        output.say(f"note: {note}")


def explain(
    text: TextArgument = None,
    messages: MessagesOption = None,
    neighbors: Annotated[
        int, typer.Option("--neighbors", min=0, metavar="N", help="How many neighbors to show.")
    ] = 10,
    pool: PoolOption = None,
    router: RouterOption = None,
    embedder: EmbedderOption = "static",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a model is chosen for a query.

    The models, best first; by how much the chosen one leads; the nearest benchmark queries with
    what each model scored on them; and at which setting or price another model would be chosen.
    With --json, all neighbors.
    """
    asked = query_of(text, messages, command="explain")
    explanation = chosen_router(pool, router, embedder).explain(asked, policy=policy)
    if as_json:
        output.show_json(explanation.to_dict())
    else:
        show_explanation(explanation, neighbors=neighbors)
