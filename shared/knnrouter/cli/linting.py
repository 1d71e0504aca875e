"""The command `lint`: traps in benchmark files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnrouter import ModelPool, RecordSet
from knnrouter.embedders import resolve

from . import output
from .failing import FINDINGS
from .options import FileEmbedderOption, JsonOption, SeedOption, embedder_of
from .progress import progress
from .reading import FileArgument, Reading, tell_notes

if TYPE_CHECKING:  # so that no other command waits for it
    from knnrouter.evaluation.linting import LintReport

__all__ = ["lint"]


def lint(
    file: FileArgument,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE2", show_default=False, help="What a router is to be tested on."
        ),
    ] = None,
    pool: Annotated[
        Path | None,
        typer.Option("--pool", metavar="FILE", help="A pool.yaml, for prices."),
    ] = None,
    embedder: FileEmbedderOption = "static",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    *,
    reading: Reading,
) -> None:
    """Look for traps in benchmark results.

    With FILE2 also for what leaks from one file into the other, and for models whose scores hold
    on FILE only. Both files are read by the same options.
    """
    from knnrouter.evaluation import lint as find_traps

    embeds = resolve(embedder_of(embedder))
    models = None if pool is None else ModelPool.from_yaml(pool)
    files = [file] if other is None else [file, other]
    parts: list[RecordSet] = []
    with progress() as told:
        for place, path in enumerate(files):
            told("read", place, len(files))
            records = reading.records(path)
            parts.append(records)
        told("read", len(files), len(files))
    for records in parts:
        tell_notes(records)
    report = find_traps(*parts, pool=models, embedder=embeds, seed=seed)
    if as_json:
        output.show_json(report.to_dict())
    else:
        _show(report)
    if report.findings:
        raise typer.Exit(FINDINGS)


def _show(report: LintReport) -> None:
    for sentence in report.skipped:
        output.say(f"note: {sentence}")
    heading, *_ = str(report).splitlines()
    output.show(heading, style="bold")
    for finding in report.findings:
        output.show()
        output.show(finding.code, style="bold")
        output.show(output.one_line(finding.why), indent=2)
        output.show(f"→ {output.one_line(finding.todo)}", indent=2)
