"""From queries to all that the evidence says of them: one embedding batch and one search."""

from __future__ import annotations

from collections.abc import Sequence

from knnrouter.text import Query

from .choosing import LookedUp
from .embedders import Embedder
from .estimators.base import asked
from .state import State
from .vectors import Row, rows_of

__all__ = ["clipped", "look_up"]


def look_up(
    state: State,
    embedder: Embedder,
    read: Sequence[Query],
    given: Sequence[object],
    vectors: Sequence[Row | None] = (),
) -> LookedUp:
    """Embed queries, find their neighbors, and ask the estimator.

    Args:
        state: What the router knows.
        embedder: What embedded its evidence.
        read: `q` queries as they were read.
        given: The same as they were given, for counting their tokens.
        vectors: For each its unit row, or None; nothing where none is known.
    """
    texts, notes = clipped(read, embedder)
    rows = rows_of(texts, embedder, vectors)
    near = state.evidence.index.search(rows, state.estimator.neighbors)
    found = asked(state.estimator, [query.text for query in read], rows, near)
    pairs = zip(read, given, strict=True)
    tokens = [state.lineup.prompt_tokens(query, one) for query, one in pairs]
    return LookedUp(
        queries=read,
        notes=notes,
        estimates=found,
        costs=state.lineup.costs(found, tokens),
        neighbors=near,
        records=state.evidence.records,
    )


def clipped(read: Sequence[Query], embedder: Embedder) -> tuple[list[str], list[tuple[str, ...]]]:
    """The texts that the embedder will read, and what to note of each query."""
    clip = getattr(embedder, "clip", None)
    if clip is None:
        return [query.text for query in read], [query.notes for query in read]
    texts, notes = [], []
    for query in read:
        text = clip(query.text)
        texts.append(text)
        notes.append(query.notes if text is query.text else (*query.notes, _cut(query.text, text)))
    return texts, notes


def _cut(whole: str, part: str) -> str:
    return (
        f"of {len(whole):,} characters, head and tail were read, {len(part):,} in all; "
        "the embedder's window holds no more"
    )
