"""JSON lists of `{question, scores: {model: number}}`, which RouterDC and ulab LLMRouter write."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .cells import CellError, as_model
from .files import FileRow, Table
from .ignoring import ignore_faults
from .rows import Cell, Row
from .wording import shown

__all__ = ["ignored_model_faults", "scored_rows"]


def scored_rows(
    table: Table, *, task_of: Callable[[str], str | None], ignore: frozenset[str]
) -> Iterator[Row]:
    """Name the values of scored questions.

    Args:
        table: Items with `question` and `scores`; other keys are left out.
        task_of: Gives the task of a question.
        ignore: Models to leave out.

    Yields:
        A row for each item, called `<file stem>-<number>`.
    """
    for item in table.rows:
        problem = item.problem or _problem(item, ignore)
        cells = {} if problem else _cells(item, task_of, ignore)
        yield Row(item.place, f"{table.path.stem}-{item.number}", cells, problem)


def ignored_model_faults(table: Table, ignore: frozenset[str]) -> Iterator[str]:
    """Find models to be left out that no item has a score of.

    Yields:
        A fault for each.
    """
    scores = (item.values.get("scores") for item in table.rows)
    models = [model for each in scores if isinstance(each, dict) for model in each]
    yield from ignore_faults(str(table.path), ignore, models, what="model")


def _problem(item: FileRow, ignore: frozenset[str]) -> str:
    if not isinstance(item.values.get("question"), str):
        return (
            f"question: {shown(item.values.get('question'))} is not text; "
            "give the text that the models answered"
        )
    scores = item.values.get("scores")
    if not isinstance(scores, dict):
        return f"scores: {shown(scores)} is not an object; give {{model: score, …}}"
    try:
        for model in (name for name in scores if name not in ignore):
            as_model(model)
    except CellError as error:
        return f"scores: {error}"
    return ""


def _cells(
    item: FileRow, task_of: Callable[[str], str | None], ignore: frozenset[str]
) -> dict[Cell, object]:
    question, scores = item.values["question"], item.values["scores"]
    assert isinstance(question, str) and isinstance(scores, dict)  # see _problem
    cells: dict[Cell, object] = {Cell("query"): question, Cell("task"): task_of(question)}
    for model, score in scores.items():
        if model not in ignore:
            cells[Cell("score", model)] = score
    return cells
