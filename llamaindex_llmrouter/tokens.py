"""Tokens of prompts that come near a window, counted as LlamaIndex counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.utils import get_tokenizer

from knnrouter.pool import ModelPool, count_tokens
from knnrouter.text import read_query

__all__ = ["counter_of"]

_BYTES_PER_TOKEN = 4


def counter_of(pool: ModelPool) -> Callable[[Any], float]:
    """A counter for the prompts of a pool: by their bytes, and near a window by the tokenizer.

    Synthesizers fill prompts up to the window, counted by LlamaIndex's tokenizer. Counted by their
    bytes, which is an over-estimate for limits, these would fit into no window.

    Example:
        >>> from knnrouter.pool import ModelSpec
        >>> small = ModelSpec(name="small", context_window=100, expected_output_tokens=30)
        >>> count = counter_of(ModelPool(models=[small]))
        >>> count("The sea. " * 10), count("The sea. " * 20)  # a quarter of 90; counted
        (22.5, 61)
    """

    def count(prompt: object) -> float:
        size = read_query(prompt).prompt_bytes
        if count_tokens(size) <= pool.least_room:
            return size / _BYTES_PER_TOKEN  # fits in any case; as the library prices it
        text = _text(prompt)
        rest = max(0, size - len(text.encode("utf-8", "surrogatepass")))
        return len(get_tokenizer()(text)) + count_tokens(rest)

    return count


def _text(prompt: object) -> str:
    """What can be read of a prompt at once; what cannot is counted by its bytes."""
    if isinstance(prompt, str):
        return prompt
    said = prompt if isinstance(prompt, list | tuple) else ()
    return "".join(each.content or "" for each in said if isinstance(each, ChatMessage))
