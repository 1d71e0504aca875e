import numpy as np
import pytest

from knnrouter.errors import RecordsError
from knnrouter.records import Preference, RecordSet, preferences_as_records

NAN = float("nan")


def preferring(**fields):
    rows = RecordSet.from_rows(
        [
            {"id": "1", "query": "Why?", "task": "talk", "group": "g", "s": 1, "t": 0},
            {"id": "2", "query": "Who?", "task": "people", "s": 0, "t": 0},
            {"id": "3", "query": "Why?", "task": "later", "group": "h", "s": 0, "t": 0},
        ]
    )
    likes = (
        Preference(query="Why?", model_a="s", model_b="t", winner="t"),
        Preference(query="When?", model_a="u", model_b="s", winner="u"),
        Preference(query="Why?", model_a="t", model_b="u", winner=None),
    )
    return RecordSet(**rows.as_dict() | {"preferences": likes} | fields)


def test_a_row_for_each_comparison():
    rows = preferences_as_records(preferring())
    assert rows.ids == ("preference-1", "preference-2", "preference-3")
    assert rows.models == ("s", "t", "u")
    assert rows.queries == ("Why?", "When?", "Why?")
    expected = [[0, 1, NAN], [0, NAN, 1], [NAN, 0.5, 0.5]]
    np.testing.assert_array_equal(rows.scores, expected)
    assert rows.preferences == ()


def test_a_query_that_the_records_hold_has_the_task_and_group_of_its_first_row():
    rows = preferences_as_records(preferring())
    assert rows.tasks == ("talk", None, "talk")
    assert rows.groups == ("g", None, "g")
    assert preferences_as_records(preferring(groups=None)).groups is None


def test_they_can_stand_below_the_scores():
    scored = preferring(preferences=())
    both = RecordSet.concat([scored, preferences_as_records(preferring())])
    assert len(both) == 6
    np.testing.assert_array_equal(both.scores[:2], [[1, 0, NAN], [0, 0, NAN]])


def test_without_preferences_there_is_nothing_to_make_rows_of():
    with pytest.raises(RecordsError, match="the records hold no preferences; give some"):
        preferences_as_records(preferring(preferences=()))
