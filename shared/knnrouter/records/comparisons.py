"""Preferences as rows that a router can learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from knnrouter.errors import RecordsError

if TYPE_CHECKING:
    from knnrouter.records.record_set import RecordSet

__all__ = ["preferences_as_records"]


def preferences_as_records(records: RecordSet) -> RecordSet:
    """Make a row of each of a record set's `preferences`: the winner scores 1, the loser 0.

    In a tie both score 0.5; all other models are not measured. A comparison of a query that the
    records hold has its task and group. `RecordSet.concat` puts the rows below those with scores,
    where both are to be learned from.

    Args:
        records: Their preferences are read; their scores are not.

    Returns:
        A row for each preference, with the models of the records and those that only preferences
        name, and without preferences.

    Raises:
        RecordsError: There is no preference.

    Example:
        >>> from knnrouter.records import Preference, RecordSet
        >>> asked = RecordSet.from_rows([{"query": "2 + 2?", "small": 1, "large": 1}])
        >>> likes = [Preference(query="Why?", model_a="small", model_b="large", winner="large")]
        >>> rows = preferences_as_records(RecordSet(**asked.as_dict() | {"preferences": likes}))
        >>> rows.queries, rows.models, rows.scores.tolist()
        (('Why?',), ('small', 'large'), [[0.0, 1.0]])
    """
    from knnrouter.records.record_set import RecordSet

    pairs = records.preferences
    if not pairs:
        raise RecordsError(
            "the records hold no preferences; give some as RecordSet(preferences=...), or read "
            'them from a file: read_records(path, format="preferences")'
        )
    named = (name for pair in pairs for name in (pair.model_a, pair.model_b))
    models = tuple(dict.fromkeys((*records.models, *named)))
    column = {model: place for place, model in enumerate(models)}
    scores = np.full((len(pairs), len(models)), np.nan, dtype=np.float32)
    for row, pair in enumerate(pairs):
        for model in (pair.model_a, pair.model_b):
            scores[row, column[model]] = 0.5 if pair.winner is None else model == pair.winner
    known = {text: row for row, text in reversed(list(enumerate(records.queries))) if text}
    rows = [known.get(pair.query) for pair in pairs]
    groups = records.groups
    return RecordSet(
        ids=tuple(f"preference-{number}" for number in range(1, len(pairs) + 1)),
        models=models,
        queries=tuple(pair.query for pair in pairs),
        tasks=tuple(None if row is None else records.tasks[row] for row in rows),
        groups=groups and tuple(None if row is None else groups[row] for row in rows),
        scores=scores,
        prices=records.prices,
    )
