"""Wide tables to rows: a column for each model, others named by what they hold.

RouterBench and RouteLLM files are wide tables with other column names; they differ only in the
`Layout` that they give.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .cells import CellError, as_model, as_number
from .files import FileRow
from .rows import Cell, Row
from .wording import shown

__all__ = ["Layout", "model_name_faults", "rows_of", "text_column_faults"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What each column of a wide table is."""

    cells: Mapping[str, Cell]
    """What a column holds, by its name; columns that are not named here are left out."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models, in the order of their score columns."""
        return tuple(cell.model for cell in self.cells.values() if cell.field == "score")

    def without(self, columns: Sequence[str]) -> Layout:
        """Leave out columns."""
        kept = {name: cell for name, cell in self.cells.items() if name not in columns}
        return Layout(cells=kept)


def rows_of(rows: Sequence[FileRow], layout: Layout, *, stem: str) -> Iterator[Row]:
    """Name the values of file rows by what they are.

    Args:
        rows: Rows of one file.
        layout: What its columns are.
        stem: Rows without an id are called `<stem>-<number>`.
    """
    for row in rows:
        cells = {layout.cells[name]: v for name, v in row.values.items() if name in layout.cells}
        yield Row(row.place, f"{stem}-{row.number}", cells, row.problem)


def model_name_faults(source: str, layout: Layout) -> Iterator[str]:
    """Find score columns whose names cannot be those of models.

    Args:
        source: The path of the file, for messages.
        layout: What its columns are.

    Yields:
        A fault for each.
    """
    for name, cell in layout.cells.items():
        if cell.field != "score":
            continue
        try:
            as_model(cell.model)
        except CellError as error:
            yield f"{source}: column {shown(name)}: {error}"


def text_column_faults(rows: Sequence[FileRow], layout: Layout) -> dict[str, str]:
    """Find score columns that hold no number at all.

    Returns:
        A fault for each such column, by its name.
    """
    faults = {}
    for name, cell in layout.cells.items():
        if cell.field != "score":
            continue
        example = _text_example(rows, name)
        if example is not None:
            faults[name] = (
                f"{example.place}: column {name!r} holds no numbers, but texts such as "
                f"{shown(example.values[name])}; the scores of a model are numbers in [0, 1] or "
                "true/false, and `scale=` maps other ranges: correct it, or leave the column out "
                f"with ignore=[{name!r}]"
            )
    return faults


def _text_example(rows: Sequence[FileRow], column: str) -> FileRow | None:
    """The first row with a text in the column; None if one row has a number, or none a value."""
    example = None
    for row in rows:
        number = as_number(row.values.get(column))
        if number is None:
            example = example or row
        elif not math.isnan(number):
            return None
    return example
