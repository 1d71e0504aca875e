"""The command `route-task`: one model for all queries of a new task."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from knnrouter.ingest.queries import read_queries
from knnrouter.task_routing import TaskDecision

from . import output
from .options import (
    AllowOption,
    EmbedderOption,
    JsonOption,
    PoolOption,
    RequireOption,
    RouterOption,
    SeedOption,
    TagOption,
)
from .reading import Reading, tell_notes
from .routers import chosen_router

__all__ = ["route_task"]


class TaskScore(StrEnum):
    """What models are ranked by."""

    s1 = "s1"
    s2 = "s2"
    s3 = "s3"


def route_task(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="The task's queries: .txt with one a line, or .jsonl or .csv with `query`.",
        ),
    ],
    score: Annotated[
        TaskScore,
        typer.Option("--score", help="What models are ranked by; s3 falls back when in doubt."),
    ] = TaskScore.s3,
    labelled: Annotated[
        Path | None,
        typer.Option(
            "--labelled", metavar="FILE", help="Benchmark results of a few queries of the task."
        ),
    ] = None,
    eta: Annotated[
        float, typer.Option("--eta", metavar="X", help="A score above it is a right answer.")
    ] = 0.5,
    pool: PoolOption = None,
    router: RouterOption = None,
    embedder: EmbedderOption = "static",
    allow: AllowOption = None,
    require: RequireOption = None,
    tag: TagOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    *,
    reading: Reading,
) -> None:
    """Choose one model for all queries of a new task.

    No outcome is needed: how far the task is from those that the router knows, and how well these
    predict one another, say how sure the choice is. The first line is the model and why; then the
    models, best first. The options of reading are those of --labelled; --encoding is of both files.
    """
    queries = read_queries(file, encoding=reading.encoding)
    known = None if labelled is None else reading.records(labelled)
    if known is not None:
        tell_notes(known)
    decision = chosen_router(pool, router, embedder).route_task(
        queries,
        score=score.value,
        labelled=known,
        eta=eta,
        seed=seed,
        allow=allow or None,
        require=require or (),
        tags=tag or (),
    )
    if as_json:
        output.show_json(decision.to_dict())
    else:
        _show(decision)


def _show(decision: TaskDecision) -> None:
    output.show(output.one_line(str(decision)))
    numbers = ("s1", "s2", "s3", "p", "chance", "average")
    made = output.table("model", *numbers, right=numbers)
    columns = (
        *(decision.s1, decision.s2, decision.s3),
        *(decision.p, decision.chances, decision.averages),
    )
    for name in decision.ranking:
        made.add_row(output.one_line(name), *(output.number(values[name]) for values in columns))
    output.show_table(made)
    for note in decision.notes:
        output.say(f"note: {note}")
