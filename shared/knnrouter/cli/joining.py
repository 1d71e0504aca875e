"""The command `add-model`: which queries to run a new model on, and what is known of it then."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from knnrouter import RecordSet, Router, store
from knnrouter.errors import RecordsError
from knnrouter.joining import check_is_new
from knnrouter.onboarding import Proposal, Standing, propose, standing

from . import output
from .options import EmbedderOption, JsonOption, SeedOption, embedder_of
from .reading import Reading, tell_notes

__all__ = ["add_model"]

_BUDGET = 60
"""How many rows are proposed where nothing is said."""


def add_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new model's name.")],
    router: Annotated[
        Path, typer.Option("--router", metavar="DIR", help="The saved router that it joins.")
    ],
    budget: Annotated[
        int | None,
        typer.Option("--budget", metavar="N", min=1, help="How many queries to propose; 60."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results", metavar="FILE", help="Its outcomes: `score`, with `id` or `query`."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="A new file for the proposed queries; with --results, where to save the router.",
        ),
    ] = None,
    embedder: EmbedderOption = "static",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    *,
    reading: Reading,
) -> None:
    """Propose what to measure a new model on, and add it.

    Without --results, the queries are written as JSON, one a line: run the model on them, and give
    each line a `score`. With --results, what is known of the model is shown; it is saved only where
    --out says, which may be the same DIR.
    """
    if budget is not None and results is not None:
        raise typer.BadParameter(
            "--results is given too; give one of the two", param_hint="--budget"
        )
    joined = Router.load(router, embedder=embedder_of(embedder))
    check_is_new(joined.records, name)
    if results is None:
        _check_can_be_run(joined.records, router)
        proposal = propose(joined, budget or _BUDGET, seed=seed)
        _tell_proposal(proposal, name, router, out, as_json=as_json)
        return
    if out is not None:
        store.check_target(out)  # before the work, rather than after it
    outcomes = reading.results(results, name, joined.records)
    tell_notes(outcomes)
    joined.add_model(name, outcomes)
    if out is not None:
        joined.save(out)
    _tell_standing(standing(joined.records), name, out, as_json=as_json)
    if out is None:
        where = shlex.quote(str(router))
        output.say(f"nothing is saved: with --out {where} it is, in place of the router there")


def _check_can_be_run(records: RecordSet, router: Path) -> None:
    """Check that rows are queries: an average over a cluster of them cannot be run."""
    if not any(records.queries) and (records.weights > 1).any():
        raise RecordsError(
            f"the rows of {router} are averages over several queries, which no model can be run "
            "on; propose from a router that was built without --condense"
        )


def _tell_proposal(
    proposal: Proposal, name: str, router: Path, out: Path | None, *, as_json: bool
) -> None:
    lines = [{"id": row.id, "query": row.query, "task": row.task} for row in proposal.rows]
    if out is not None:
        _write_new(out, lines)
    if as_json:
        output.show_json({"model": name, **proposal.to_dict()})
    elif out is not None:
        output.show(f"{len(proposal):,} of {proposal.of:,} queries in {out}", style="bold")
        _show_tasks(proposal)
    else:
        for line in lines:
            output.show_json(line, indent=None)
    if all(row.query is None for row in proposal.rows):
        output.say("the router keeps no text of its queries; look the ids up in the benchmark")
    words = ["knnrouter", "add-model", name, "--router", str(router), "--results", "FILE"]
    output.say(f"next: run {name} on them, give each line a score, and {shlex.join(words)}")


def _write_new(out: Path, lines: Sequence[object]) -> None:
    """Write a file that was not there; what somebody filled in is not written over."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    except FileExistsError as error:
        raise RecordsError(
            f"{out} is there already, and may hold results; give --out a new name, or remove it"
        ) from error


def _show_tasks(proposal: Proposal) -> None:
    if not any(proposal.tasks):
        return
    made = output.table("task", "queries", right=("queries",))
    for task, count in proposal.tasks.items():
        made.add_row(output.one_line(task or "–"), f"{count:,}")
    output.show_table(made)


def _tell_standing(found: Standing, name: str, out: Path | None, *, as_json: bool) -> None:
    if as_json:
        told: dict[str, Any] = {"model": name, "out": None if out is None else str(out)}
        output.show_json(told | found.to_dict())
        return
    place = found.models.index(name)
    count = found.overall.measured[place]
    saved = "" if out is None else f", saved in {out}"
    plural = "" if count == 1 else "s"
    output.show(f"{output.one_line(name)}: {count:,.0f} measurement{plural}{saved}", style="bold")
    _show_models(found)
    if found.tasks:
        output.show()
        _show_by_task(found, place)


def _show_models(found: Standing) -> None:
    numbers = ("mean score", "low", "high", "measured")
    made = output.table("model", *numbers, right=numbers)
    each = found.overall
    for place, name in enumerate(found.models):
        cells = (output.number(values[place]) for values in (each.means, each.low, each.high))
        made.add_row(output.one_line(name), *cells, f"{each.measured[place]:,.0f}")
    output.show_table(made)


def _show_by_task(found: Standing, place: int) -> None:
    """The new model in each task, and the best of the others there."""
    numbers = ("mean score", "low", "high", "measured")
    made = output.table("task", *numbers, "best other", "its mean", right=(*numbers, "its mean"))
    for each in found.tasks:
        others = {
            name: mean
            for other, (name, mean) in enumerate(zip(found.models, each.means, strict=True))
            if other != place and not math.isnan(mean)
        }
        best = max(others, key=others.__getitem__, default=None)
        made.add_row(
            output.one_line(each.task or "–"),
            *(output.number(values[place]) for values in (each.means, each.low, each.high)),
            f"{each.measured[place]:,.0f}",
            "–" if best is None else output.one_line(best),
            output.number(math.nan if best is None else others[best]),
        )
    output.show_table(made)
