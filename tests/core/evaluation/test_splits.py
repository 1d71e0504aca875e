import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knnrouter import RecordSet
from knnrouter.evaluation import draw, k_fold

TEXTS = st.lists(st.sampled_from([None, *"abcdefgh"]), min_size=12, max_size=40)


def records(texts, groups=None):
    return RecordSet(
        ids=[str(row) for row in range(len(texts))],
        queries=texts,
        groups=groups,
        models=("m",),
        scores=np.ones((len(texts), 1)),
    )


def apart(texts, split):
    """No text on both sides; rows without text are texts of their own."""
    train = {texts[row] for row in split.train} - {None}
    return train.isdisjoint(texts[row] for row in split.test)


@settings(deadline=None)
@given(TEXTS, st.integers(2, 4), st.integers(0, 9))
def test_folds_test_every_row_once_and_do_not_leak(texts, folds, seed):
    if len(set(texts) - {None}) + texts.count(None) < folds:
        return
    splits = k_fold(records(texts), folds, seed=seed)
    assert len(splits) == folds
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested.tolist()) == list(range(len(texts)))
    for split in splits:
        rows = np.concatenate([split.train, split.test])
        assert sorted(rows.tolist()) == list(range(len(texts)))
        assert split.test.size > 0
        assert apart(texts, split)


def test_folds_are_as_equal_as_can_be():
    sizes = [len(split.test) for split in k_fold(records([None] * 23), 5)]
    assert sorted(sizes) == [4, 4, 5, 5, 5]


@settings(deadline=None)
@given(TEXTS, st.integers(1, 11), st.integers(0, 9))
def test_a_draw_learns_from_as_many_as_asked_and_does_not_leak(texts, rows, seed):
    texts = [*texts, *[None] * (rows + 1)]  # so that one text at least is left to test on
    split = draw(records(texts), rows, seed=seed)
    assert len(set(split.train.tolist())) == rows
    assert apart(texts, split)
    left = set(range(len(texts))) - set(split.train.tolist()) - set(split.test.tolist())
    known = {texts[row] for row in split.train}
    assert all(texts[row] in known for row in left)  # only copies of what is known are left out


def test_seeds():
    many = records([None] * 50)
    one, same, other = (draw(many, 10, seed=seed).train.tolist() for seed in (1, 1, 2))
    assert one == same != other
    one, same, other = (k_fold(many, seed=seed)[0].test.tolist() for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("folds", [0, 1, 3])
def test_bad_folds(folds):
    with pytest.raises(
        ValueError,
        match=f"folds is {folds}, of 2 rows or sets of .*; give at least 2 and at most 2",
    ):
        k_fold(records(["a", "b", "a"]), folds)


@pytest.mark.parametrize("rows", [0, 3])
def test_bad_draws(rows):
    with pytest.raises(ValueError, match=f"rows is {rows}, of 3 in all; give at least 1 and leave"):
        draw(records(["a", "b", "c"]), rows)


def test_a_draw_that_leaves_no_other_text():
    with pytest.raises(
        ValueError, match="the 1 rows that were drawn belong together with each of the 2, so none"
    ):
        draw(records(["a", "a"]), 1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([None, *"ghij"])), min_size=8))
def test_texts_and_groups_are_never_split_apart(pairs):
    texts, groups = zip(*pairs, strict=True)
    alone = [f"{number}" for number in range(3)]  # so that there is something to part
    many = records([*texts, *alone], [*groups, None, None, None])
    for split in (*k_fold(many, 3), draw(many, 1)):
        sides = [set(split.train.tolist()), set(split.test.tolist())]
        for values in (many.queries, many.groups):
            one, other = ({values[row] for row in side} - {None} for side in sides)
            assert one.isdisjoint(other)


def test_rows_linked_through_others_go_together():
    chain = records(["a", "a", "b", "b", "c"], [None, "g", "g", "h", None])
    assert sorted(split.test.tolist() for split in k_fold(chain, 2)) == [[0, 1, 2, 3], [4]]
