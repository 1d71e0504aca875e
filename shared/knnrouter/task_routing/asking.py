"""A task as a router is asked for it: queries in, one model out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from knnrouter.embedders import Embedder
from knnrouter.looking_up import clipped
from knnrouter.records import RecordSet
from knnrouter.routing import with_text
from knnrouter.state import State
from knnrouter.text import Query
from knnrouter.vectors import rows_of

from .decision import TaskDecision
from .new_task import Labelled, NewTask, eligible_for_all, labelled_rows, without_labelled
from .routing import TaskQuestion, route_task

__all__ = ["task_decision"]


def task_decision(
    state: State,
    embedder: Embedder,
    given: Sequence[object],
    question: TaskQuestion,
    labelled: RecordSet | None,
    *,
    allow: Collection[str] | None,
    require: Collection[str],
    tags: Collection[str],
) -> TaskDecision:
    """One model for all queries of a task; see `Router.route_task`."""
    read = with_text(given)
    eligible = eligible_for_all(read, given, state.lineup, allow=allow, require=require, tags=tags)
    task = _new_task(state, embedder, read, labelled)
    return route_task(state.tasks, state.evidence, state.lineup, task, question, eligible=eligible)


def _new_task(
    state: State, embedder: Embedder, read: Sequence[Query], labelled: RecordSet | None
) -> NewTask:
    known: Labelled | None = None
    read, notes = _distinct(read)
    if labelled is not None:
        known, strange = labelled_rows(labelled, state.evidence.records, state.lineup, embedder)
        kept, told = without_labelled(read, labelled)
        read, notes = [read[place] for place in kept], (*notes, *strange, *told)
    texts, _ = clipped(read, embedder)
    return NewTask(vectors=rows_of(texts, embedder), labelled=known, notes=notes)


def _distinct(read: Sequence[Query]) -> tuple[Sequence[Query], tuple[str, ...]]:
    """The queries of different texts: asking one again says nothing more of the task."""
    found = list({query.text: query for query in reversed(read)}.values())[::-1]
    repeats = len(read) - len(found)
    return found, (f"{repeats:,} of {len(read):,} queries are repeats, which count once",) * bool(
        repeats
    )
