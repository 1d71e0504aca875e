"""Splits by task and by time: what is tested, what is left out, what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from knnrouter import RecordSet
from knnrouter.errors import EvaluationError
from knnrouter.evaluation import few_shot, k_fold, leave_one_task_out, random_split, temporal


def by_task(tasks, texts=None, groups=None):
    count = len(tasks)
    return RecordSet(
        ids=[f"r{row}" for row in range(count)],
        queries=texts or [None] * count,
        tasks=tasks,
        groups=groups,
        models=("m",),
        scores=np.ones((count, 1)),
    )


def by_time(stamps, texts=None):
    count = len(stamps)
    return RecordSet(
        ids=[f"r{row}" for row in range(count)],
        queries=texts or [None] * count,
        timestamps=stamps,
        models=("m",),
        scores=np.ones((count, 1)),
    )


def plain(split):
    return split.train.tolist(), split.test.tolist()


def test_each_task_is_tested_by_the_others():
    splits = leave_one_task_out(by_task(["b", "a", None, "b", "c"]))
    assert [(each.task, *plain(each)) for each in splits] == [
        ("b", [1, 2, 4], [0, 3]),
        ("a", [0, 2, 3, 4], [1]),
        ("c", [0, 1, 2, 3], [4]),
    ]


def test_kin_of_a_tested_row_is_not_learnt_from_even_through_rows_without_a_task():
    texts, groups = ["same", "same", None, None, None], [None, "g", "g", None, None]
    first, second = leave_one_task_out(by_task(["a", None, "b", "b", "a"], texts, groups))
    assert plain(first) == ([3], [0, 4])
    assert plain(second) == ([4], [2, 3])


def test_a_near_duplicate_in_another_task_is_not_learnt_from():
    records = by_task(["a", "a", "b", "b"])
    vectors = np.array([[1, 0], [0, 1], [0.96, 0.28], [-1, 0]], dtype=np.float32)
    first, second = leave_one_task_out(records, near=vectors)
    assert plain(first) == ([3], [0, 1])
    assert plain(second) == ([1], [2, 3])
    assert plain(leave_one_task_out(records, near=vectors, at_least=0.97)[0]) == ([2, 3], [0, 1])


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (["a", "a"], r"the records name 1 tasks \('a'\); to leave one out there must be two"),
        ([None, None], r"the records name 0 tasks; to leave one out there must be two or more"),
    ],
)
def test_too_few_tasks(tasks, message):
    with pytest.raises(EvaluationError, match=message):
        leave_one_task_out(by_task(tasks))


def test_tasks_that_belong_together_as_a_whole():
    with pytest.raises(EvaluationError, match=r"all rows outside of the task 'a' belong with one"):
        leave_one_task_out(by_task(["a", "b"], ["same", "same"]))


def test_shots_are_counted_as_shnitzer_does():
    records = by_task(["a"] * 100 + ["b"] * 300)
    for alpha, count in ((0.0, 0), (0.02, 2), (0.28, 28), (0.29, 29), (0.999, 50)):
        train, test = plain(few_shot(records, "a", alpha))
        assert len([row for row in train if row < 100]) == count
        assert [row for row in train if row >= 100] == list(range(100, 400))
        assert len(test) == 100 - count
    assert len(few_shot(records, "a", 0.999, at_most=99).test) == 1
    assert len(few_shot(by_task(["a"] * 9 + ["b"]), "a", 0.1).train) == 1  # floor(0.9) is 0


def test_no_shots_are_leaving_the_task_out():
    records = by_task(["a", "b", "a", "b", None], ["t", "t", None, None, None])
    assert plain(few_shot(records, "a", 0.0)) == (
        leave_one_task_out(records)[0].train.tolist(),
        [0, 2],
    )
    assert plain(few_shot(records, "a", 0.0)) == ([3, 4], [0, 2])


def test_more_shots_keep_those_that_were_drawn():
    records = by_task(["a"] * 40 + ["b"] * 5)
    before = set()
    for alpha in (0.1, 0.2, 0.5):
        shots = {row for row in few_shot(records, "a", alpha, seed=3).train.tolist() if row < 40}
        assert before < shots
        before = shots


def test_kin_of_a_shot_are_on_neither_side():
    records = by_task(["a"] * 4 + ["b"], ["same", "same", "other", "other", None])
    split = few_shot(records, "a", 0.25)
    (shot,) = (row for row in split.train.tolist() if row < 4)
    assert split.test.tolist() == ([2, 3] if shot < 2 else [0, 1])


def test_bad_shots():
    records = by_task(["a", "b"])
    with pytest.raises(EvaluationError) as caught:
        few_shot(records, "c", 1.0, at_most=-1)
    assert len(caught.value.problems) == 3
    assert "task 'c' is none of the records; name one ('a', 'b')" in str(caught.value)
    assert "alpha is 1.0; give the share of the task to learn from, in [0, 1)" in str(caught.value)
    assert "at_most is -1; give a number of rows, 0 or more" in str(caught.value)
    with pytest.raises(
        EvaluationError, match="with 1 of the 2 rows of the task 'a' drawn there is"
    ):
        few_shot(by_task(["a", "a", "b"], ["same", "same", None]), "a", 0.5)
    with pytest.raises(EvaluationError, match="nothing left to learn from"):
        few_shot(by_task(["a"]), "a", 0.0)


def test_time_zones_are_read():
    stamps = ["2026-03-02t08:30z", "2026-03-02 09:00:00+02:00", "2026-03-02T09:30:00.5+01:00"]
    records = by_time(stamps)  # 08:30, 07:00 and 08:30:00.5 in Greenwich
    assert plain(temporal(records, 1 / 3)) == ([0, 1], [2])
    assert plain(temporal(records, 2 / 3)) == ([1], [0, 2])
    assert plain(temporal(records, at="2026-03-02T10:30:00+02:00")) == ([1], [0, 2])
    noon = datetime(2026, 3, 2, 3, 30, 0, 100, tzinfo=timezone(timedelta(hours=-5)))
    assert plain(temporal(records, at=noon)) == ([0, 1], [2])


def test_forms_of_dates():
    stamps = ["2026-03-02", "20260303", "2026-W10-3", "2026-03-05t00:00", "20260306T000000"]
    assert plain(temporal(by_time(stamps), 0.4)) == ([0, 1, 2], [3, 4])
    assert plain(temporal(by_time(stamps), at="2026-03-04")) == ([0, 1], [2, 3, 4])
    assert plain(temporal(by_time(stamps), at=datetime(2026, 3, 3))) == ([0], [1, 2, 3, 4])


def test_training_is_strictly_before_and_ties_stay_together():
    stamps = ["2026-03-02", "2026-03-01", "2026-03-02", "2026-03-02T00:00:00", "2026-03-03"]
    assert plain(temporal(by_time(stamps), 0.6)) == ([1], [0, 2, 3, 4])  # 4 of 5, or 1 of 5
    assert plain(temporal(by_time(stamps), at="2026-03-02")) == ([1], [0, 2, 3, 4])
    assert plain(temporal(by_time(stamps), 0.2)) == ([0, 1, 2, 3], [4])
    assert plain(temporal(by_time(stamps))) == ([0, 1, 2, 3], [4])


def test_an_old_row_that_is_asked_again_is_not_learnt_from():
    records = by_time([f"2026-03-0{day}" for day in (1, 2, 3, 4)], ["x", "y", "z", "x"])
    assert plain(temporal(records, 0.25)) == ([1, 2], [3])
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0.6, 0.8]], dtype=np.float32)
    assert plain(temporal(records, 0.25, near=vectors)) == ([1], [3])


def test_timestamps_that_cannot_be_used_are_named():
    stamps = [None, "1712010512345", "yesterday", "2026-03-02T09:00", "2026-03-02T09:00Z", None]
    with pytest.raises(EvaluationError) as caught:
        temporal(by_time(stamps))
    without, unread, zones = caught.value.problems
    assert without.startswith("2 of 6 rows (r0, r5) have no timestamp; leave them out")
    assert unread.startswith(
        "2 of 6 rows (r1 ('1712010512345'), r2 ('yesterday')) have a timestamp"
    )
    assert zones.startswith("1 of 6 rows (r3) state no time zone, and others do, such as r4; state")


def test_no_timestamps_at_all():
    with pytest.raises(
        EvaluationError, match=r"8 of 8 rows \(r0, r1, r2, r3, r4, \.\.\.\) have no"
    ):
        temporal(by_task(["a"] * 8))
    with pytest.raises(EvaluationError, match="there are no records"):
        temporal(by_time(["2026-03-02"]).select([]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 0.5, "at": "2026-03-02"}, "share is 0.5 and at is '2026-03-02'; give one"),
        ({"share": 1.0}, "share is 1.0; give a share above 0 and below 1"),
        ({"share": float("nan")}, "share is nan; give a share above 0 and below 1"),
        ({"at": "soon"}, "at is 'soon', which is not ISO 8601; give a moment such as 2026"),
        ({"at": 5}, "at is 5, which is not ISO 8601; give a moment such as 2026"),
        ({"at": "2026-03-02T00:00Z"}, "with a time zone, and the timestamps of the records do not"),
        ({"at": "2026-03-01"}, "0 of 2 rows are older than 2026-03-01T00:00:00, and 0 of them"),
        (
            {"at": "2026-03-04"},
            "2 of 2 rows are older than .* rows are from 2026-03-01T00:00:00 to",
        ),
    ],
)
def test_bad_moments(arguments, message):
    with pytest.raises(EvaluationError, match=message):
        temporal(by_time(["2026-03-01", "2026-03-03"]), **arguments)


def test_records_of_one_moment():
    stamps = ["2026-03-02T08:00Z", "2026-03-02T09:00+01:00"]
    with pytest.raises(EvaluationError, match="all 2 rows are of 2026-03-02T08:00:00"):
        temporal(by_time(stamps))
    with pytest.raises(
        EvaluationError, match="with no time zone, and the timestamps of the records"
    ):
        temporal(by_time(stamps), at=datetime(2026, 3, 2))
    with pytest.raises(EvaluationError, match=r"2 of 2 rows are older than .*, and 2 of them"):
        temporal(by_time(stamps), at=datetime(2026, 3, 3, tzinfo=UTC))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, float("nan")])
def test_bad_shares(share):
    with pytest.raises(EvaluationError, match=r"share is .*; give a share above 0 and below 1"):
        random_split(by_task(["a", "b"]), share)


def test_a_share_is_met_as_nearly_as_whole_sets_allow():
    assert len(random_split(by_task([None] * 50), 0.2).test) == 10
    assert len(random_split(by_task([None] * 50)).test) == 10
    assert len(random_split(by_task([None] * 3), 0.01).test) == 1
    assert len(random_split(by_task([None] * 3), 0.99).train) == 1
    groups = ["g"] * 30 + ["h"] * 10
    sizes = {
        len(random_split(by_task([None] * 40, groups=groups), 0.25, seed=seed).test)
        for seed in range(9)
    }
    assert sizes == {10, 30}  # whichever group comes first


def test_rows_that_all_belong_together_cannot_be_parted():
    records = by_task(["a"] * 3, ["same"] * 3)
    with pytest.raises(EvaluationError, match="all 3 rows belong together, so none can be tested"):
        random_split(records)
    with pytest.raises(
        EvaluationError, match=r"folds is 5, of 1 rows or sets .*; give more records"
    ):
        k_fold(records)
