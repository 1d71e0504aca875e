"""What of a runnable's input is routed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from langchain_core.language_models import LanguageModelInput
from langchain_core.prompt_values import PromptValue

from knnrouter.errors import QueryError

__all__ = ["RoutedInput", "query_of"]

RoutedInput: TypeAlias = LanguageModelInput | Mapping[str, Any]
"""A text, a prompt, messages, or a dict that holds one of these."""


def query_of(given: Any, *, input_key: str | None) -> Any:
    """The query in an input, as messages where it is a prompt or the state of a graph.

    Args:
        given: The input.
        input_key: Where the query stands in a dict; None: where the router finds it.

    Returns:
        The query, for `Router.route`.

    Raises:
        QueryError: A dict lacks the key.

    Example:
        >>> query_of({"topic": "the sea", "lines": 4}, input_key="topic")
        'the sea'
    """
    if input_key is not None and isinstance(given, Mapping):
        if input_key not in given:
            keys = ", ".join(repr(key)[:40] for key in list(given)[:8]) or "none"
            raise QueryError(
                f"input_key is {input_key!r}, and the input is a dict with the keys {keys}; name "
                "the one that holds the query"
            )
        given = given[input_key]
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, Mapping) and isinstance(given.get("messages"), list):
        return given if given.get("system") else given["messages"]
    return given
