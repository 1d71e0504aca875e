"""Who may answer: the hard filters, one by one and against a slow twin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import EmptyPoolError, UnknownModelError
from knnrouter.pool import ModelPool, ModelSpec, count_tokens, eligible

POOL = ModelPool(
    models=[
        ModelSpec(name="small", aliases=["s"], context_window=1000, expected_output_tokens=400),
        ModelSpec(name="eyes", capabilities=["vision", "tools"], context_window=8000),
        ModelSpec(name="eu", capabilities=["tools"], tags=["eu", "cheap"]),
        ModelSpec(name="off", capabilities=["vision", "tools"], tags=["eu"], enabled=False),
    ]
)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ("small", "eyes", "eu")),
        ({"allow": ["eu", "small"]}, ("small", "eu")),
        ({"allow": ["s"]}, ("small",)),
        ({"allow": "eu"}, ("eu",)),
        ({"require": ["tools"]}, ("eyes", "eu")),
        ({"require": "vision"}, ("eyes",)),
        ({"require": {"vision", "tools"}}, ("eyes",)),
        ({"require": (name for name in ["tools"])}, ("eyes", "eu")),
        ({"tags": ["eu"]}, ("eu",)),
        ({"tags": ("eu", "cheap")}, ("eu",)),
        ({"prompt_tokens": 0}, ("small", "eyes", "eu")),
        ({"prompt_tokens": 600}, ("small", "eyes", "eu")),  # 600 + 400 = 1,000: fits
        ({"prompt_tokens": 601}, ("eyes", "eu")),
        ({"prompt_tokens": 8000}, ("eyes", "eu")),  # no expected output: the window is the limit
        ({"prompt_tokens": 8001}, ("eu",)),  # unknown window: always fits
        ({"prompt_tokens": 601, "require": ["tools"], "allow": ["eyes", "small"]}, ("eyes",)),
    ],
)
def test_filters(asked, names):
    assert eligible(POOL, **asked) == names
    if not hasattr(asked.get("require"), "__next__"):  # a generator is spent by now
        assert POOL.eligible(**asked) == names


def test_an_empty_pool_says_for_each_model_what_removed_it():
    with pytest.raises(EmptyPoolError) as caught:
        eligible(POOL, allow=["eyes", "eu", "off"], require=["vision"], tags=["eu"])
    assert caught.value.problems == (
        "small: not allowed, lacks the capability 'vision', lacks the tag 'eu'",
        "eyes: lacks the tag 'eu'",
        "eu: lacks the capability 'vision'",
        "off: not enabled",
    )
    assert str(caught.value).startswith("no model of the pool may answer this query;")


def test_an_empty_pool_gives_the_figures_of_a_full_window():
    pool = ModelPool(models=[POOL.models[0]])
    with pytest.raises(EmptyPoolError, match="context window 1,000 is under 601"):
        eligible(pool, prompt_tokens=601)
    with pytest.raises(EmptyPoolError, match=r"601 prompt \+ 400 expected output tokens"):
        eligible(pool, prompt_tokens=601)


def test_a_pool_without_an_enabled_model_is_empty():
    pool = ModelPool(models=[ModelSpec(name="a", enabled=False)])
    with pytest.raises(EmptyPoolError, match="a: not enabled"):
        eligible(pool)


@pytest.mark.parametrize("allow", [["smal"], ["small", "nobody"], "smal"])
def test_an_unknown_allowed_model_is_an_error_not_an_empty_pool(allow):
    with pytest.raises(UnknownModelError, match="its models are small, eyes, eu, off"):
        eligible(POOL, allow=allow)


def test_nobody_allowed_is_an_empty_pool():
    with pytest.raises(EmptyPoolError, match="small: not allowed"):
        eligible(POOL, allow=[])


def test_where_nothing_is_asked_no_new_tuple_is_made():
    assert eligible(POOL) is eligible(POOL, prompt_tokens=600)


WORDS = st.sampled_from(["vision", "tools", "eu"])
SPECS = st.lists(
    st.builds(
        lambda name, **rest: {"name": name, **rest},
        st.sampled_from("abcde"),
        capabilities=st.lists(WORDS, max_size=2),
        tags=st.lists(WORDS, max_size=2),
        context_window=st.none() | st.integers(1, 50),
        expected_output_tokens=st.none() | st.integers(0, 50),
        enabled=st.booleans(),
    ),
    min_size=1,
    unique_by=lambda spec: spec["name"],
)


@given(
    SPECS,
    st.none() | st.integers(0, 60),
    st.lists(WORDS, max_size=2),
    st.lists(WORDS, max_size=2),
    st.booleans(),
)
def test_the_slow_twin_agrees(specs, tokens, require, tags, allow_first):
    pool = ModelPool(models=[ModelSpec(**spec) for spec in specs])
    allow = [specs[0]["name"]] if allow_first else None
    expected = []
    for spec in specs:
        fits = (
            tokens is None
            or spec["context_window"] is None
            or tokens + (spec["expected_output_tokens"] or 0) <= spec["context_window"]
        )
        able = set(require) <= set(spec["capabilities"]) and set(tags) <= set(spec["tags"])
        if spec["enabled"] and fits and able and (allow is None or spec["name"] in allow):
            expected.append(spec["name"])
    asked = {"allow": allow, "require": require, "tags": tags, "prompt_tokens": tokens}
    if expected:
        assert eligible(pool, **asked) == tuple(expected)
    else:
        with pytest.raises(EmptyPoolError) as caught:
            eligible(pool, **asked)
        assert [text.split(":")[0] for text in caught.value.problems] == [*pool.names]


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (2, 1), (9, 5), (10**9, 5 * 10**8)])
def test_tokens_are_half_the_bytes_rounded_up(size, tokens):
    assert count_tokens(size) == tokens
