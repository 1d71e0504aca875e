"""Whatever belongs together stays together: in every split, against a slow and obvious twin."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from knnrouter import RecordSet
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import EmbedderError, EvaluationError, RecordsError
from knnrouter.evaluation import (
    draw,
    few_shot,
    k_fold,
    kinship,
    leave_one_task_out,
    random_split,
    temporal,
)

TEXTS = st.sampled_from([None, *"abcdefgh"])
GROUPS = st.sampled_from([None, None, None, *"ghij"])
TASKS = st.sampled_from([None, "x", "x", "y", "z"])
ANGLES = st.sampled_from([None, *range(0, 360, 15)])  # in degrees; 15 apart have a cosine of 0.966
DAYS = st.integers(1, 6)
ROWS = st.lists(st.tuples(TEXTS, GROUPS, TASKS, ANGLES, DAYS), min_size=4, max_size=30)


def names(count):
    return [f"row {row}" for row in range(count)]


def made(rows):
    """Records of such rows, and unit rows in the plane; a row of zeros where there is no angle."""
    texts, groups, tasks, angles, days = zip(*rows, strict=True)
    vectors = [
        (0.0, 0.0) if angle is None else (np.cos(np.radians(angle)), np.sin(np.radians(angle)))
        for angle in angles
    ]
    records = RecordSet(
        ids=names(len(rows)),
        queries=texts,
        groups=groups,
        tasks=tasks,
        timestamps=[f"2026-03-0{day}" for day in days],
        models=("m",),
        scores=np.ones((len(rows), 1)),
    )
    return records, np.array(vectors, dtype=np.float32)


def related(records, vectors, one, other):
    """Whether two rows are linked directly."""
    same = [records.queries, records.groups]
    named = any(values[one] is not None and values[one] == values[other] for values in same)
    return named or float(vectors[one].astype(float) @ vectors[other].astype(float)) >= 0.95 - 1e-7


def obvious(records, vectors):
    """The sets of rows that belong together: pairs are merged until nothing changes."""
    sets = [{row} for row in range(len(records))]
    for one, other in itertools.combinations(range(len(records)), 2):
        if related(records, vectors, one, other):
            mine = next(each for each in sets if one in each)
            theirs = next(each for each in sets if other in each)
            if mine is not theirs:
                sets.remove(theirs)
                mine |= theirs
    return sorted(sorted(each) for each in sets)


def together(kin):
    return sorted(np.flatnonzero(kin == each).tolist() for each in range(kin.max() + 1))


@settings(deadline=None)
@given(ROWS)
def test_kinship_is_what_merging_pairs_gives(rows):
    records, vectors = made(rows)
    assert together(kinship(records, near=vectors)) == obvious(records, vectors)


def splits_of(records, near, seed):
    """Every split that these rows allow."""
    calls = {
        "k_fold": lambda: k_fold(records, 3, seed=seed, near=near),
        "random_split": lambda: [random_split(records, 0.3, seed=seed, near=near)],
        "draw": lambda: [draw(records, 2, seed=seed, near=near)],
        "leave_one_task_out": lambda: leave_one_task_out(records, near=near),
        "few_shot": lambda: [few_shot(records, "x", 0.5, seed=seed, near=near)],
        "temporal": lambda: [temporal(records, 0.4, near=near)],
    }
    found = {}
    for name, call in calls.items():
        try:
            found[name] = [(split.train.tolist(), split.test.tolist()) for split in call()]
        except EvaluationError:
            continue
    return found


@settings(deadline=None, max_examples=25)
@given(ROWS, st.integers(0, 9))
def test_no_kin_on_both_sides_of_any_split(rows, seed):
    records, vectors = made(rows)
    kin = obvious(records, vectors)
    found = splits_of(records, vectors, seed)
    assume(found)
    for splits in found.values():
        for train, test in splits:
            assert train == sorted(set(train))
            assert test == sorted(set(test))
            assert train
            assert test
            assert not any(set(train) & set(each) and set(test) & set(each) for each in kin)


@settings(deadline=None, max_examples=25)
@given(ROWS, st.integers(0, 9))
def test_what_is_tested_and_what_is_lost(rows, seed):
    records, vectors = made(rows)
    count, kin = len(records), obvious(records, vectors)
    found = splits_of(records, vectors, seed)
    for name in ("k_fold", "random_split"):
        for train, test in found.get(name, ()):
            assert sorted(train + test) == list(range(count))
    if "k_fold" in found:
        tested = itertools.chain.from_iterable(test for _, test in found["k_fold"])
        assert sorted(tested) == list(range(count))
    for name, splits in found.items():
        for train, test in splits:
            lost = set(range(count)) - set(train) - set(test)
            for row in lost:  # only for the sake of kin on the other side
                mine = next(each for each in kin if row in each)
                assert set(mine) & set(train + test), name


@settings(deadline=None, max_examples=25)
@given(ROWS, st.integers(0, 9))
def test_one_seed_one_split(rows, seed):
    records, vectors = made(rows)
    assert splits_of(records, vectors, seed) == splits_of(records, vectors, seed)


def test_seeds_matter():
    records, vectors = made([(None, None, "x", None, 1)] * 40 + [(None, None, "y", None, 2)])
    one, other = (splits_of(records, vectors, seed) for seed in (0, 1))
    differ = {name for name in one if one[name] != other[name]}
    assert differ == {"k_fold", "random_split", "draw", "few_shot"}


def test_long_chains_are_followed_to_their_end():
    count = 5000
    texts = [str((row + 1) // 2) for row in range(count)]
    groups = [str(row // 2) for row in range(count)]
    records = RecordSet(
        ids=names(count), queries=texts, groups=groups, models=("m",), scores=np.ones((count, 1))
    )
    assert kinship(records).tolist() == [0] * count


def test_a_thousand_copies_are_no_million_pairs():
    vectors = np.tile(np.eye(2, dtype=np.float32), (20_000, 1))
    vectors[-2:] = 0.0
    records = RecordSet(
        ids=names(40_000), models=("m",), scores=np.ones((40_000, 1), dtype=np.float32)
    )
    kin = kinship(records, near=vectors)
    assert kin.tolist() == [0, 1] * 19_999 + [2, 3]


def test_the_limit_can_be_moved():
    records, vectors = made([(None, None, None, angle, 1) for angle in (0, 15, 60, 90)])
    assert kinship(records).tolist() == [0, 1, 2, 3]
    assert kinship(records, near=vectors).tolist() == [0, 0, 1, 2]
    assert kinship(records, near=vectors, at_least=0.85).tolist() == [0, 0, 1, 1]
    assert kinship(records, near=vectors, at_least=0.97).tolist() == [0, 1, 2, 3]


def test_an_embedder_reads_the_texts():
    letters = FunctionEmbedder(
        lambda texts: [[text.count("a"), text.count("b")] for text in texts], 2, "letters-2"
    )
    records = RecordSet.from_rows([{"query": text, "m": 1} for text in ("a", "aa", "b", "aaab")])
    assert kinship(records, near=letters).tolist() == [0, 0, 1, 2]
    assert kinship(records, near=letters, at_least=0.94).tolist() == [0, 0, 1, 0]


def test_texts_that_differ_by_a_blank_are_near_for_the_bundled_embedder():
    texts = ("What is the capital of France?", "What is the capital of  France?", "Sort a list.")
    records = RecordSet.from_rows([{"query": text, "m": 1} for text in texts])
    assert kinship(records, near="static").tolist() == [0, 0, 1]


def test_bad_vectors():
    records, vectors = made([(None, None, None, 0, 1)] * 3)
    with pytest.raises(EvaluationError, match=r"near has shape \(2, 2\), and there are 3 records;"):
        kinship(records, near=vectors[:2])
    with pytest.raises(EvaluationError, match=r"near has shape \(3,\)"):
        kinship(records, near=[1.0, 0.0, 0.0])
    with pytest.raises(EmbedderError, match="near: row 0 has norm 2"):
        kinship(records, near=2 * vectors)
    with pytest.raises(RecordsError, match="3 of 3 rows keep no text"):
        kinship(records, near="static")
    with pytest.raises(EvaluationError, match="at_least is 95; give a cosine above 0 and up to 1"):
        kinship(records, near=vectors, at_least=95)
