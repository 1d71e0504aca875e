"""The commands `eval` and `report`: does routing pay on these queries, and how sure is that?"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnrouter import ModelPool, RecordSet

from . import output
from .options import (
    EmbedderOption,
    EstimatorOption,
    JsonOption,
    PolicyOption,
    PoolOption,
    RouterOption,
    SeedOption,
    embedder_of,
)
from .progress import progress
from .reading import FileArgument, Reading, tell_notes
from .routers import chosen_router

if TYPE_CHECKING:  # so that no other command waits for it
    from knnrouter.evaluation import Outcomes, Report

__all__ = ["evaluation", "report"]


class GroupsChoice(StrEnum):
    """What is drawn as a whole for intervals."""

    task = "task"
    group = "group"


FoldsOption = Annotated[
    int | None,
    typer.Option(
        "--folds",
        metavar="K",
        help="Build routers of FILE itself: each row is routed by what the other folds teach.",
    ),
]
NearOption = Annotated[
    float | None,
    typer.Option(
        "--near",
        metavar="COSINE",
        help="With --folds: rows at least this alike, such as 0.95, stay in one fold.",
    ),
]
GroupsOption = Annotated[
    GroupsChoice | None,
    typer.Option("--groups", help="Draw whole tasks or groups for intervals, not single rows."),
]
PairOption = Annotated[
    str | None,
    typer.Option(
        "--pair", metavar="STRONG,WEAK", help="The two models of PGR, APGR and CPT, where not all."
    ),
]
ChanceOption = Annotated[
    float | None,
    typer.Option("--chance", metavar="P", help="How often a guess is right, such as 0.25."),
]
DrawsOption = Annotated[
    int, typer.Option("--draws", min=1, help="How often the rows are drawn again for intervals.")
]
ConfidenceOption = Annotated[
    float, typer.Option("--confidence", metavar="P", help="How much of the draws intervals hold.")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Who is to be evaluated, and how; each field is an option of the command."""

    router: RouterOption = None
    pool: PoolOption = None
    folds: FoldsOption = None
    near: NearOption = None
    estimator: EstimatorOption = None
    policy: PolicyOption = None
    groups: GroupsOption = None
    pair: PairOption = None
    chance: ChanceOption = None
    draws: DrawsOption = 2000
    confidence: ConfidenceOption = 0.95
    embedder: EmbedderOption = "static"
    seed: SeedOption = 0


def evaluation(
    file: FileArgument,
    as_json: JsonOption = False,
    *,
    asked: Asked,
    reading: Reading,
) -> None:
    """Say whether routing pays on measured queries.

    It is compared with the best single model. Rows that the router was built from are left out.
    With --folds no router is needed: FILE teaches and tests. The verdict is the first line, and no
    finding: the exit code is 0 whatever it is.
    """
    records = reading.records(file)
    found = _evaluated(records, asked)
    if as_json:
        output.show_json(found.to_dict())
    else:
        from .report_tables import show_report

        show_report(found)


def report(
    file: FileArgument,
    out: Annotated[Path, typer.Option("--out", metavar="HTML", help="The page to write.")],
    title: Annotated[
        str, typer.Option("--title", metavar="TEXT", help="The title of the page.")
    ] = "Does routing pay?",
    as_json: JsonOption = False,
    *,
    asked: Asked,
    reading: Reading,
) -> None:
    """Write what `eval` finds as a page with charts.

    The page needs no network, and writing it the extra `plots`. One that is there already is
    replaced as a whole, or left.
    """
    if out.is_dir() or not out.parent.is_dir():
        wrong = "a folder" if out.is_dir() else "in a folder that is not there"
        raise typer.BadParameter(f"{out} is {wrong}; name a file", param_hint="--out")
    records = reading.records(file)
    found = _evaluated(records, asked)
    _replace(out, found.to_html(title=title))
    if as_json:
        output.show_json({"out": str(out), "verdict": found.verdict.answer})
    else:
        output.show(output.one_line(str(found.verdict)), style="bold")
    output.say(f"written: {out}")


def _evaluated(records: RecordSet, asked: Asked) -> Report:
    from knnrouter.evaluation import evaluate

    tell_notes(records)
    pair = None if asked.pair is None else _pair(asked.pair)
    if asked.near is not None and asked.folds is None:
        raise typer.BadParameter("it says what makes a fold; give --folds", param_hint="--near")
    if asked.estimator is not None and asked.folds is None:
        raise typer.BadParameter(
            "a router that is there has its estimator; give --folds to build some",
            param_hint="--estimator",
        )
    subject = _folded(records, asked) if asked.folds is not None else None
    with progress() as told:
        return evaluate(
            subject or chosen_router(asked.pool, asked.router, asked.embedder),
            records,
            policy=asked.policy if subject is None else None,
            groups=None if asked.groups is None else asked.groups.value,
            pair=pair,
            chance=asked.chance,
            draws=asked.draws,
            confidence=asked.confidence,
            seed=asked.seed,
            progress=told,
        )


def _folded(records: RecordSet, asked: Asked) -> Outcomes:
    from knnrouter.evaluation import by_folds

    if asked.router is not None:
        raise typer.BadParameter(
            "it builds routers of FILE itself; give --router or --folds", param_hint="--folds"
        )
    with progress() as told:
        return by_folds(
            records,
            asked.folds or 0,
            pool=None if asked.pool is None else ModelPool.from_yaml(asked.pool),
            embedder=embedder_of(asked.embedder),
            estimator=asked.estimator,
            policy=asked.policy,
            near=asked.near,
            seed=asked.seed,
            progress=told,
        )


def _pair(text: str) -> tuple[str, str]:
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2:
        raise typer.BadParameter(f"{text!r} is no STRONG,WEAK", param_hint="--pair")
    return names


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole: a crash leaves the old one. A device or a pipe is written to."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = Path(os.path.realpath(path))  # what a link points to is written, and the link kept
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
