"""References to environment variables are found and expanded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import PoolError
from knnrouter.pool.variables import expand_env, is_reference, malformed_reference

ENVIRON = {"HOST": "example.invalid", "EMPTY": "", "REF": "${HOST}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("", ""),
        ("plain $HOST $5 {x}", "plain $HOST $5 {x}"),
        ("${HOST}", "example.invalid"),
        ("https://${HOST}:${PORT:-443}/", "https://example.invalid:443/"),
        ("${EMPTY}", ""),
        ("${EMPTY:-full}", "full"),
        ("${HOST:-other}", "example.invalid"),
        ("${PORT:-}", ""),
        ("${URL:-https://a.invalid:8/v1}", "https://a.invalid:8/v1"),
        ("$${HOST}", "${HOST}"),
        ("$${", "${"),
        ("${REF}", "${HOST}"),  # values are not expanded again
    ],
)
def test_references_are_expanded(text, expanded):
    assert expand_env(text, ENVIRON) == expanded


def test_unset_variables_are_told_at_once():
    with pytest.raises(PoolError) as caught:
        expand_env("${B}${A}${B}${HOST}", ENVIRON)
    assert len(caught.value.problems) == 2
    assert "variable A is not set" in str(caught.value)
    assert "${A:-value}" in str(caught.value)
    assert "example.invalid" not in str(caught.value)


@pytest.mark.parametrize("text", ["${", "${HOST", "${}", "${1A}", "${A-b}", "${A:b}", "x ${A B}"])
def test_malformed_references_are_refused(text):
    assert malformed_reference(text)
    with pytest.raises(PoolError, match="malformed reference"):
        expand_env(text, ENVIRON)


@pytest.mark.parametrize(
    ("text", "whole"),
    [("${A}", True), ("Bearer ${A}", True), ("${A}${B}", False), ("${A:-b}", False), ("a", False)],
)
def test_whole_references(text, whole):
    assert is_reference(text) == whole


@given(st.text(max_size=30))
def test_escaped_text_expands_to_itself(text):
    assert expand_env(text.replace("${", "$${"), {}) == text
