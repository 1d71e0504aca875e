"""The command `build`: from benchmark results to a saved router."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from knnrouter import ModelPool, RecordSet, Router, store
from knnrouter.embedders import resolve
from knnrouter.errors import KnnRouterError
from knnrouter.making import check_estimator

from . import output
from .options import EstimatorOption, FileEmbedderOption, JsonOption, SeedOption, embedder_of
from .progress import progress
from .reading import FileArgument, Reading, tell_notes
from .voting import Vote

__all__ = ["build"]


def build(
    file: FileArgument,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Where to save; a saved router is replaced."),
    ],
    pool: Annotated[
        Path | None,
        typer.Option("--pool", metavar="FILE", help="A pool.yaml that the records must fit."),
    ] = None,
    condense: Annotated[
        int | None,
        typer.Option(
            "--condense", metavar="ROWS", min=1, help="Keep averages over clusters, about so many."
        ),
    ] = None,
    no_queries: Annotated[
        bool, typer.Option("--no-queries", help="Save no text of the queries.")
    ] = False,
    embedder: FileEmbedderOption = "static",
    estimator: EstimatorOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    *,
    vote: Vote,
    reading: Reading,
) -> None:
    """Learn from benchmark results, and save a router.

    What is left open is chosen on FILE itself. An interrupted build leaves a whole router
    where there was one in DIR: the old one, or the new one if it was complete already.
    """
    start = time.monotonic()
    chosen = vote.estimator(estimator)
    embeds = resolve(embedder_of(embedder))
    store.check_target(out)  # before the work, rather than after it
    models = None if pool is None else ModelPool.from_yaml(pool)
    with progress() as told:
        told("read", 0, 1)
        records = reading.records(file)
        told("read", 1, 1)
    tell_notes(records)
    with progress() as told:
        if condense is not None:
            told("condense", 0, 1)
            records = records.condense(embeds, rows=condense, seed=seed)
            told("condense", 1, 1)
        router = Router.fit(
            records, pool=models, embedder=embeds, estimator=chosen, seed=seed, progress=told
        )
        told("save", 0, 1)
        router.save(out, keep_queries=not no_queries)
        told("save", 1, 1)
    _tell_another_estimator(router, out, models)
    summary = _summary(router, out, seconds=time.monotonic() - start)
    if as_json:
        output.show_json(summary)
    else:
        _show(summary, next_step=_next_step(out, pool, models))


def _tell_another_estimator(router: Router, out: Path, pool: ModelPool | None) -> None:
    """Say so where an option overruled the pool, which then refuses the router."""
    try:
        check_estimator(router.estimator.settings, pool, out)
    except KnnRouterError as error:
        output.say(f"warning: {error}")


def _summary(router: Router, out: Path, *, seconds: float) -> dict[str, Any]:
    records = router.records
    return {
        "out": str(out),
        "rows": len(records),
        "tasks": len({task for task in records.tasks if task is not None}),
        "models": [_about(records, column) for column in range(len(records.models))],
        "embedder": router.embedder.id,
        "estimator": dict(router.estimator.settings),
        "notes": list(records.notes),
        "seconds": seconds,
    }


def _about(records: RecordSet, column: int) -> dict[str, Any]:
    """A model of the records: how often it was measured, and what it scored and cost on average."""
    scores, costs = records.scores[:, column], records.costs[:, column]
    return {
        "name": records.models[column],
        "measured": int((~np.isnan(scores)).sum()),
        "mean_score": _mean(scores, records.weights),
        "mean_cost": _mean(costs, records.weights),
    }


def _mean(values: np.ndarray[Any, np.dtype[np.floating]], weights: np.ndarray[Any, Any]) -> float:
    """The weighted mean of what is measured; NaN where nothing is."""
    measured = ~np.isnan(values)
    if not measured.any():
        return float("nan")
    return float(np.average(values[measured], weights=weights[measured]))


def _show(summary: dict[str, Any], *, next_step: str) -> None:
    output.show(
        f"saved {summary['out']}: {summary['rows']:,} rows, {summary['tasks']:,} tasks",
        style="bold",
    )
    numbers = ("mean score", "mean USD", "rows measured")
    made = output.table("model", *numbers, right=numbers)
    for model in summary["models"]:
        made.add_row(
            output.one_line(model["name"]),
            output.number(model["mean_score"]),
            output.usd(model["mean_cost"]),
            f"{model['measured']:,}",
        )
    output.show_table(made)
    output.show(f"estimator: {output.settings(summary['estimator'])}")
    output.show(f"embedder: {summary['embedder']}")
    output.say(f"built in {summary['seconds']:.1f} s")
    output.say(f"next: {next_step}")


def _next_step(out: Path, pool: Path | None, models: ModelPool | None) -> str:
    """A command that routes with what was built."""
    words = ["knnrouter", "route"]
    named = None if models is None else models.index_path
    if named is None or named.resolve() != out.resolve():
        words += ["--router", str(out)]
    if pool is not None:
        words += ["--pool", str(pool)]
    return shlex.join([*words, "Why is the sky blue?"])
