"""Literal secrets are seen and hidden."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
