"""The command `calibrate`: from a goal to a policy setting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnrouter.errors import EvaluationError

from . import output
from .options import EmbedderOption, JsonOption, PoolOption, RouterOption, SeedOption
from .reading import Reading
from .routers import chosen_router
from .traffic import read_traffic

if TYPE_CHECKING:
    from knnrouter import evaluation

__all__ = ["calibrate"]

_UNITS = {
    "usd_per_1000": "expected USD per 1,000 queries",
    "best_score_usd_per_1000": "the same with best_score",
    "measured_usd_per_1000": "measured USD per 1,000 queries",
    "share": "share of the calls",
    "quality": "quality",
    "of_best": "quality, of the best single model's",
}


def calibrate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Benchmark results, or queries alone: .txt with one a line, or .jsonl or .csv "
            "with `query`.",
        ),
    ],
    router: RouterOption = None,
    pool: PoolOption = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="USD", help="At most so much per 1,000 queries."),
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(
            "--share", metavar="MODEL=PART", help="At most such a part of the calls: large=0.3."
        ),
    ] = None,
    quality: Annotated[
        float | None,
        typer.Option(
            "--quality",
            metavar="PART",
            help="At least such a part of the best single model's quality: 0.98.",
        ),
    ] = None,
    confidence: Annotated[
        float,
        typer.Option(
            "--confidence", metavar="PART", help="Of the intervals, and of --quality's promise."
        ),
    ] = 0.95,
    holdout: Annotated[
        float,
        typer.Option("--holdout", metavar="PART", help="Which part of the queries is held out."),
    ] = 0.5,
    embedder: EmbedderOption = "static",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    *,
    reading: Reading,
) -> None:
    """Find the policy that keeps to a goal.

    Give one of --budget, --share and --quality. The policy is chosen on a part of the queries; what
    it does is told of the rest, which had no part in the choice. --quality needs benchmark results
    that the router did not learn from, and promises at the confidence or refuses.
    """
    from knnrouter import evaluation  # whose measures no other command waits for

    goal = _goal(budget, share, quality, confidence)
    answerer = chosen_router(pool, router, embedder)
    traffic = read_traffic(file, reading, (answerer,))
    found = evaluation.calibrate(
        answerer, traffic, goal, confidence=confidence, holdout=holdout, seed=seed
    )
    if as_json:
        output.show_json(found.to_dict())
    else:
        _show(found)


def _goal(
    budget: float | None, share: str | None, quality: float | None, confidence: float
) -> evaluation.Budget | evaluation.Share | evaluation.Quality:
    from knnrouter import evaluation

    given = [goal for goal in (budget, share, quality) if goal is not None]
    if len(given) != 1:
        raise typer.BadParameter(
            f"{len(given)} goals are given; give one of --budget, --share and --quality"
        )
    if budget is not None:
        with _told_of("--budget"):
            return evaluation.Budget(usd_per_1000=budget)
    if quality is not None:
        with _told_of("--quality"):
            return evaluation.Quality(of_best=quality, confidence=confidence)
    model, equals, part = str(share).rpartition("=")
    try:
        at_most = float(part)
    except ValueError:
        equals = ""
    if not equals or not model:
        raise typer.BadParameter(
            f"{share!r} is no MODEL=PART, such as large=0.3", param_hint="--share"
        )
    with _told_of("--share"):
        return evaluation.Share(model=model, at_most=at_most)


@contextmanager
def _told_of(option: str) -> Iterator[None]:
    """Say which option a goal was, that cannot be one."""
    try:
        yield
    except EvaluationError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _show(found: evaluation.Calibration) -> None:
    output.show(str(found.goal), style="bold")
    output.show(f"policy: {output.one_line(found.spec)}")
    output.show("in pool.yaml:")
    for line in found.yaml.splitlines():
        output.show(line, indent=2)
    output.show(f"queries: {found.used:,} to choose on, {found.held_out:,} held out")
    numbers = ("estimate", "low", "high")
    made = output.table("on those held out", *numbers, right=numbers)
    for name, value in found.figures.items():
        cells = (output.number(each, ".4g") for each in (value.estimate, value.low, value.high))
        made.add_row(_UNITS[name], *cells)
    for name, part in found.shares.items():
        if part:
            made.add_row(f"calls to {output.one_line(name)}", output.number(part, ".4g"), "", "")
    if found.figures:
        output.show_table(made)
    for note in found.notes:
        output.say(f"note: {note}")
