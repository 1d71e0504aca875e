"""Whose column of the evidence is whose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import PoolError
from knnrouter.pool import ModelPool, ModelSpec


def pool(*specs):
    return ModelPool(models=[ModelSpec(**spec) for spec in specs])


def test_a_column_is_found_by_name_model_or_alias():
    models = ["other", "by-alias", "by-model", "by-name"]
    found = pool(
        {"name": "by-name", "model": "m0"},
        {"name": "b", "model": "by-model"},
        {"name": "c", "aliases": ["unknown", "by-alias"]},
        {"name": "new"},
        {"name": "off", "enabled": False},
    ).columns(models)
    assert found.columns == (3, 2, 1, None, None)
    assert found.without_records == ("new", "off")
    assert found.not_in_pool == ("other",)


def test_names_of_one_column_may_repeat():
    found = pool({"name": "a", "model": "a", "aliases": ["a"]}).columns(["a"])
    assert found.columns == (0,)


@pytest.mark.parametrize(
    ("specs", "models", "says"),
    [
        ([{"name": "a", "model": "m"}], ["a", "m"], ["'a' matches 2 columns", "'a' and 'm'"]),
        ([{"name": "n", "aliases": ["x", "y"]}], ["y", "x"], ["'n' matches 2", "'x' and 'y'"]),
        ([{"name": "a", "model": "m"}, {"name": "b", "model": "m"}], ["m"], ["'m'", "'a' and 'b'"]),
        ([{"name": "m"}, {"name": "b", "model": "m"}], ["m"], ["claimed by 2", "'m' and 'b'"]),
    ],
)
def test_two_matches_are_an_error_that_names_both(specs, models, says):
    with pytest.raises(PoolError) as caught:
        pool(*specs).columns(models)
    assert all(words in str(caught.value) for words in says)


def test_all_double_matches_are_told_at_once():
    specs = [{"name": "a", "model": "m"}, {"name": "b", "model": "n"}]
    with pytest.raises(PoolError) as caught:
        pool(*specs).columns(["a", "m", "b", "n"])
    assert len(caught.value.problems) == 2


NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)


@given(NAMES, NAMES)
def test_every_model_and_column_is_accounted_for_once(pool_names, columns):
    found = ModelPool(models=[ModelSpec(name=name) for name in pool_names]).columns(columns)
    assert found.columns == tuple(
        columns.index(name) if name in columns else None for name in pool_names
    )
    assert found.without_records == tuple(name for name in pool_names if name not in columns)
    assert found.not_in_pool == tuple(name for name in columns if name not in pool_names)
