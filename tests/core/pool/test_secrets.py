"""Literal secrets are seen and hidden; references to the environment are expanded."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.errors import PoolError
from knnrouter.pool.variables import expand_env, is_reference, malformed_reference
from knnrouter.yaml_files.secrets import looks_secret, names_secret, redact

SECRETS = [
    "sk-0123456789abcdef",
    "sk-proj-abcdefghijklmnop",
    "nvapi-abcdefghijkl",
    "hf_abcdefghijklmnopqrst",
    "ghp_0123456789abcdefghij",
    "AIzaSyA0123456789abcdefghijklmnop",
    "AKIAIOSFODNN7EXAMPLE",
    "Bearer abcdefgh.ijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "9f86d081884c7d659a2feaa0c55ad015",
    "kX9mQ2vL7pR4tY8wZ3bN6",
    "https://me:hunter2@example.invalid/v1",
    "https://example.invalid/v1?version=2&api_key=hunter2",
]

HARMLESS = [
    "",
    "small",
    "gpt-5-mini-2025-08-07",
    "Mixtral-8x7B-Instruct-v0.1",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "Qwen2.5-Coder-7B-Instruct-GPTQ-Int4",
    "Qwen3-Coder-480B-A35B-Instruct-FP8",
    "meta/llama-4-maverick-17b-128e-instruct-fp8",
    "unsloth/Qwen3-30B-A3B-128K-GGUF",
    "Llama-3.1-8B-Instruct-Q4_K_M-GGUF",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0",
    "0f8fad5b-d9cb-469f-a165-70867728950e",  # a UUID is an id
    "https://example.invalid/v1",
    "https://${USER}:${PASSWORD}@example.invalid",
    "https://example.invalid/v1?key=${KEY}&max_tokens=5",
    "${OPENAI_API_KEY}",
    "Bearer ${TOKEN}",
    "score_minus_cost:cost_weight=20",
    "ask-me-anything-please",
    "task-0123456789",
    "12345678901234567890",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_seen_and_hidden(text):
    assert looks_secret(text)
    assert looks_secret(f"the key {text}, again")
    for part in text.split("/"):
        if looks_secret(part):
            assert part not in redact(f"'{text}' is wrong")
    assert "hunter2" not in redact(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_names_and_addresses_are_not_secrets(text):
    assert not looks_secret(text)
    assert redact(text) is text


def test_random_tokens_are_seen_nearly_always():
    source = random.Random(0)
    for alphabet in (string.ascii_letters + string.digits, "0123456789abcdef"):
        tokens = ["".join(source.choices(alphabet, k=32)) for _ in range(500)]
        assert sum(map(looks_secret, tokens)) > 480


@given(st.text(max_size=60))
def test_what_is_hidden_stays_hidden(text):
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("api_key", True), ("apiKey", True), ("x-api-key", True), ("Authorization", True),
        ("aws_secret_access_key", True), ("password", True), ("client_secret", True),
        ("max_tokens", False), ("key", False), ("timeout", False), ("api_key_env", False),
    ],
)  # fmt: skip
def test_keys_that_by_their_name_hold_a_secret(key, secret):
    assert names_secret(key) == secret


# References


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
