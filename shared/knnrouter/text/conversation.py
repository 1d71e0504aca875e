"""Anything that people pass as a query, read into turns: who said what, and with which media.

Frameworks are recognized by the shape of their objects, never by importing them: OpenAI and
Anthropic messages (dicts or objects), LangChain messages and prompt values, LlamaIndex chat
messages and query bundles, `("user", "text")` pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from knnrouter.errors import QueryError
from knnrouter.text.content import MessageContent, lookup, read_content

__all__ = ["Conversation", "Role", "Turn", "messages_of", "read_conversation"]

Role: TypeAlias = Literal["user", "assistant", "system", "tool"]

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("user", "human", "HumanMessageChunk"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "chatbot", "AIMessageChunk"), "assistant"),
    **dict.fromkeys(("system", "developer", "SystemMessageChunk"), "system"),
    **dict.fromkeys(
        ("tool", "function", "ipython", "ToolMessageChunk", "FunctionMessageChunk"), "tool"
    ),
    # Items of the OpenAI Responses API that stand where a message would.
    **dict.fromkeys(("function_call", "function_call_output"), "tool"),
    **dict.fromkeys(("reasoning",), "assistant"),
}
_ALLOWED_ROLES = (
    "user (human), assistant (ai, model, chatbot), system (developer) and tool (function)"
)
_INPUT_KEYS = ("input", "query", "question", "prompt", "text")
_ALLOWED_SHAPES = (
    "allowed are a str; a list of messages, each with a role and a content, or a (role, text) "
    'pair; one such message; and a dict with "messages" or one of '
    + ", ".join(f'"{key}"' for key in _INPUT_KEYS)
)

_MOST_SHOWN = 40  # characters of a stranger's word in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    """Who said it. A message of role "user" that holds nothing but tool results is "tool"."""
    text: str
    """Its text blocks, joined by line breaks; empty where there are none."""
    has_image: bool = False
    """Whether it shows an image, other than in a tool's result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """A query, read."""

    turns: tuple[Turn, ...]
    """The messages in their order; empty for an empty conversation."""
    prompt_bytes: int
    """UTF-8 bytes of all the text, including system text, tool calls and tool results; >= 0."""
    needs: frozenset[str]
    """Capabilities that the history itself asks for: "vision" where there is an image, "tools"
    where there are tool calls or results."""
    notes: tuple[str, ...] = ()
    """What was left out, a sentence each."""


def read_conversation(query: object) -> Conversation:
    """Read a query of any known shape.

    Args:
        query: See the module's first lines.

    Returns:
        Its turns and what they need.

    Raises:
        QueryError: The shape, a role or a content is not understood; the message names it.

    Example:
        >>> read_conversation([("system", "Be brief."), ("user", "Why?")]).turns[1].text
        'Why?'
    """
    turns: list[Turn] = []
    needs: set[str] = set()
    left_out: Counter[str] = Counter()
    size = 0
    for place, message in enumerate(messages_of(query)):
        turn, content = _read_message(message, f"message {place}")
        turns.append(turn)
        size += content.size
        left_out.update(content.left_out)
        if content.has_image or content.has_tool_image:
            needs.add("vision")
        if content.has_tool or turn.role == "tool":
            needs.add("tools")
    return Conversation(
        turns=tuple(turns), prompt_bytes=size, needs=frozenset(needs), notes=_notes(left_out)
    )


def _notes(left_out: Counter[str]) -> tuple[str, ...]:
    return tuple(
        f"left out {count} content block(s) of type `{kind[:_MOST_SHOWN]}`: no text to route on"
        for kind, count in left_out.items()
    )


def messages_of(query: object) -> Sequence[object]:
    """The messages that a query consists of.

    Args:
        query: See the module's first lines.

    Returns:
        The messages as they are; a bare text is one message of the user.

    Raises:
        QueryError: The shape is not understood.

    Example:
        >>> messages_of({"input": "Why?"})
        [('user', 'Why?')]
    """
    if isinstance(query, str):
        return [("user", query)]
    if isinstance(query, Mapping):
        return _messages_in_mapping(query)
    if isinstance(query, tuple) and _is_pair(query):
        return [query]
    if isinstance(query, Sequence) and not isinstance(query, bytes | bytearray):
        return query
    to_messages = getattr(query, "to_messages", None)
    if callable(to_messages):
        return messages_of(to_messages())
    bundled = getattr(query, "query_str", None)
    if isinstance(bundled, str):
        return [("user", bundled)]
    if _role_name(query) is not None:
        return [query]
    raise QueryError(
        f"a query of type `{type(query).__name__}` is not understood; {_ALLOWED_SHAPES}"
    )


def _messages_in_mapping(query: Mapping[Any, object]) -> Sequence[object]:
    if "messages" in query:
        messages = list(messages_of(query["messages"]))
        if query.get("system"):  # Anthropic keeps the system text beside the messages
            messages.insert(0, {"role": "system", "content": query["system"]})
        return messages
    if "role" in query or _role_name(query) in _ROLES:
        return [query]
    for key in _INPUT_KEYS:
        if key in query:
            return messages_of(query[key])
    keys = ", ".join(repr(key) for key in list(query)[:8]) or "none"
    raise QueryError(f"a dict with the keys {keys} is not understood as a query; {_ALLOWED_SHAPES}")


def _is_pair(message: Sequence[object]) -> bool:
    return (
        len(message) == 2
        and isinstance(message[0], str)
        and isinstance(message[1], str | list)
        and message[0] in _ROLES
    )


def _read_message(message: object, place: str) -> tuple[Turn, MessageContent]:
    name: object
    if isinstance(message, tuple | list):
        if len(message) != 2 or not isinstance(message[0], str):
            raise QueryError(
                f"{place} is a {type(message).__name__} that is no (role, text) pair; the roles "
                f"are {_ALLOWED_ROLES}"
            )
        name, body = message
    else:
        name, body = _role_name(message), _body(message)
    role = _role(message, name, place)
    content = read_content(message, body, place)
    if role == "user" and content.has_tool and not content.texts and not content.has_image:
        role = "tool"  # Anthropic hands tool results back in the user's name
    return Turn(role=role, text="\n".join(content.texts), has_image=content.has_image), content


def _role(message: object, name: object, place: str) -> Role:
    if isinstance(name, str) and name in _ROLES:
        return _ROLES[name]
    if isinstance(message, str):
        raise QueryError(
            f"{place} is a bare str, and nothing says whose; pass one text as a str, many queries "
            "to `route_many`, and a conversation as messages with a role and a content"
        )
    if name is None:
        raise QueryError(
            f"{place} is a {type(message).__name__} without a role; a message has a role "
            "(or type) and a content"
        )
    shown = repr(name if not isinstance(name, str) else name[:_MOST_SHOWN])
    raise QueryError(f"{place} has the role {shown}; the roles are {_ALLOWED_ROLES}")


def _role_name(message: object) -> str | None:
    """The word a message uses for its speaker: its role, else its type."""
    if isinstance(message, str):
        return None
    for key in ("role", "type"):
        value = lookup(message, key)
        value = getattr(value, "value", value)  # LlamaIndex has an enum
        if isinstance(value, str) and value:
            return value
    return None


def _body(message: object) -> object:
    """What a message says: blocks before content, for LlamaIndex derives one from the other."""
    for key in ("blocks", "content", "parts", "output", "arguments"):
        value = lookup(message, key)
        if value is not None and not callable(value):
            return value
    return None
