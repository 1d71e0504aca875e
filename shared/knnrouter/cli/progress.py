"""Progress of a long run: a bar with the time left for each stage; only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from . import output

__all__ = ["Told", "progress"]

Told = Callable[[str, int, int], None]
"""Is told the stage, how many of its steps are done, and of how many."""

_STAGES = {
    "read": "Reading the file",
    "condense": "Condensing",
    "embed": "Embedding the queries",
    "index": "Building the index",
    "fit": "Choosing the settings",
    "save": "Saving",
    "folds": "Routing by folds",
    "route": "Routing the queries",
}


@contextmanager
def progress() -> Iterator[Told]:
    """Bars on standard error, one for each stage that is told; none off a terminal."""
    page = output.console(sys.stderr)
    if not page.is_terminal:
        yield _untold
        return
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<22}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=page) as bars:
        tasks: dict[str, TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for before in tasks.values():
                    bars.update(before, completed=1, total=1)
                tasks[stage] = bars.add_task(_STAGES.get(stage, stage), total=None)
            if total > 1 or done:  # else a single step, which moves, but has no percentage
                bars.update(tasks[stage], completed=done, total=total)

        yield told


def _untold(stage: str, done: int, total: int) -> None:
    """Shows nothing."""
