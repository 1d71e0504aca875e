"""RouterDC json: a list of `{question, scores: {model: number}}`, one file a task."""

from __future__ import annotations

from knnrouter.records import RecordSet

from .rows import Evidence, ReadOptions, build
from .scored import ignored_model_faults, scored_rows
from .sources import Format, Source

__all__ = ["ROUTERDC"]


def _matches(source: Source) -> bool:
    return {"question", "scores"} <= set(source.table.columns)


def _read(source: Source, options: ReadOptions) -> RecordSet:
    task = source.path.stem
    rows = scored_rows(source.table, task_of=lambda _: task, ignore=options.ignore)
    faults = tuple(ignored_model_faults(source.table, options.ignore))
    return build(Evidence(source=str(source.path), rows=rows, faults=faults), options)


ROUTERDC = Format(
    name="routerdc",
    looks_like="a RouterDC json file: a list of {question, scores}",
    fields=(
        "question, scores: {model: number in [0, 1]}; the task is the name of the file; where a "
        "score is the probability of the right option, threshold=0 counts a score > 0 as right"
    ),
    kinds=("JSON",),
    matches=_matches,
    read=_read,
)
