"""The options that say how a file of benchmark results is read, and the reading of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from knnrouter import RecordSet, read_records
from knnrouter.ingest.results import read_results

from . import output

__all__ = ["FileArgument", "OnBadRow", "Reading", "tell_notes"]


class OnBadRow(StrEnum):
    """What to do with a row that cannot be used."""

    error = "error"
    skip = "skip"


FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Benchmark results: a file, or a folder.")
]

FormatOption = Annotated[
    str, typer.Option("--format", metavar="NAME", help="One of `knnrouter formats`.")
]

BadRowOption = Annotated[
    OnBadRow, typer.Option("--on-bad-row", help="Stop at rows that cannot be used, or skip.")
]

EncodingOption = Annotated[str, typer.Option("--encoding", metavar="NAME", help="Of text files.")]

ScaleOption = Annotated[
    str | None, typer.Option("--scale", metavar="LOW,HIGH", help="The scores' range in the file.")
]

ThresholdOption = Annotated[
    float | None,
    typer.Option("--threshold", metavar="X", help="Scores above it become 1, the others 0."),
]

IgnoreOption = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="COL", help="A column to leave out; repeatable."),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How a file of benchmark results is read; each field is an option of the command."""

    format: FormatOption = "auto"
    on_bad_row: BadRowOption = OnBadRow.error
    encoding: EncodingOption = "utf-8"
    scale: ScaleOption = None
    threshold: ThresholdOption = None
    ignore: IgnoreOption = None

    def results(self, file: Path, model: str, known: RecordSet) -> RecordSet:
        """The outcomes of one model on rows of some records.

        Raises:
            RecordsError: The file, a column or a row cannot be used.
        """
        return read_results(
            file,
            model,
            dict(zip(known.ids, known.queries, strict=True)),
            format=self.format,
            on_bad_row=self.on_bad_row.value,
            encoding=self.encoding,
            scale=_range(self.scale),
            threshold=self.threshold,
            ignore=self.ignore or (),
        )

    def records(self, file: Path) -> RecordSet:
        """The records of a file.

        Raises:
            RecordsError: The file, a column or a row cannot be used.
        """
        return read_records(
            file,
            self.format,
            on_bad_row=self.on_bad_row.value,
            encoding=self.encoding,
            scale=_range(self.scale),
            threshold=self.threshold,
            ignore=self.ignore or (),
        )


def tell_notes(records: RecordSet) -> None:
    """Say what was met in reading."""
    for note in records.notes:
        output.say(f"note: {note}")


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no LOW,HIGH, such as 0,100", param_hint="--scale"
        ) from None
    return low, high
