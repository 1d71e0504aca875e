"""What is given by names, against the names of the pool."""

import pytest

from knnrouter import ModelPool, ModelSpec
from knnrouter.errors import UnknownModelError
from knnrouter.serving import by_pool_name

POOL = ModelPool(
    models=[
        ModelSpec(name="small", aliases=["s"]),
        ModelSpec(name="large"),
        ModelSpec(name="old", enabled=False),
    ]
)


def test_names_and_aliases_in_the_order_of_the_pool():
    found = by_pool_name(POOL, {"large": 2, "s": 1}, what="models")
    assert list(found.items()) == [("small", 1), ("large", 2)]


def test_a_model_that_is_not_enabled_may_be_given():
    assert by_pool_name(POOL, {"old": 3, "large": 2, "small": 1}, what="models")["old"] == 3


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(UnknownModelError) as error:
        by_pool_name(POOL, {"smal": 1, "s": 2, "small": 3}, what="chains")
    unknown, twice, missing = str(error.value).split("; ", 1)[0], "again", "chains has nothing for"
    assert unknown.startswith("chains['smal']: ")
    assert f"chains['small'] is small {twice}; give each model once" in str(error.value)
    assert f"{missing} large, which the pool may choose" in str(error.value)
