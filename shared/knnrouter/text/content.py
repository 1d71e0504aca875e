"""The content of one message, whatever its shape: its text, its images, its tool traffic.

Content is a text, a list of blocks, or nothing. Blocks are recognized by their type (OpenAI,
Anthropic, LangChain, LlamaIndex) or by their one telling key (Gemini, Bedrock).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from knnrouter.errors import QueryError

__all__ = ["MessageContent", "byte_count", "lookup", "read_content"]

_TEXT_BLOCKS = frozenset({"text", "input_text", "output_text"})
_IMAGE_BLOCKS = frozenset({"image", "image_url", "input_image"})
_TOOL_BLOCKS = frozenset(
    {
        "tool_use", "tool_result", "tool_call", "tool_call_chunk", "function_call",
        "function_call_output", "server_tool_use", "server_tool_call", "server_tool_result",
        "mcp_tool_use", "mcp_tool_result", "web_search_tool_result", "toolUse", "toolResult",
        "functionCall", "functionResponse", "function_response",
    }
)  # fmt: skip
_TELLING_KEYS = ("text", "toolUse", "toolResult", "functionCall", "functionResponse",
                 "function_call", "function_response")  # fmt: skip
_SILENT_BLOCKS = frozenset({"thinking", "redacted_thinking", "reasoning", "refusal"})
_DEEPEST = 40  # levels of nesting within one message


@dataclass(kw_only=True, slots=True)
class MessageContent:
    """What one message holds; filled block by block in this module, and only read elsewhere."""

    texts: list[str] = field(default_factory=list)
    """Its text blocks that are not empty, in order."""
    size: int = 0
    """UTF-8 bytes of all its text, also of tool calls, tool results and reasoning; >= 0."""
    has_image: bool = False
    """Whether it shows an image of its own."""
    has_tool_image: bool = False
    """Whether a tool's result within it shows one."""
    has_tool: bool = False
    """Whether it calls a tool or holds a tool's result."""
    left_out: list[str] = field(default_factory=list)
    """The types of the blocks that hold no text to route on (audio, files, unknown types)."""


def byte_count(text: str) -> int:
    """The UTF-8 length of a text; a lone surrogate counts three bytes.

    >>> byte_count("né")
    3
    """
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def lookup(thing: object, key: str) -> object:
    """A dict's value or an object's attribute; None where there is neither."""
    return thing.get(key) if isinstance(thing, Mapping) else getattr(thing, key, None)


def read_content(message: object, body: object, place: str) -> MessageContent:
    """Read the content of a message, and the tool calls that stand beside it.

    Args:
        message: The whole message, a dict or an object; anything else has no tool calls.
        body: Its content: a str, a content block, a sequence of blocks, or None.
        place: What to call the message in an error.

    Returns:
        What it holds.

    Raises:
        QueryError: The content is something else, or nested more than 40 levels deep.

    Example:
        >>> blocks = [{"type": "text", "text": "What is this?"}, {"type": "image_url"}]
        >>> content = read_content(None, blocks, "message 0")
        >>> content.texts, content.has_image
        (['What is this?'], True)
    """
    content = MessageContent()
    for block in _blocks_of(body, place):
        _read_block(block, content)
    if not content.has_tool:  # else the calls beside the content repeat those within it
        _read_tool_calls(message, content)
    return content


def _blocks_of(body: object, place: str) -> Sequence[object]:
    if body is None:
        return ()
    if isinstance(body, str | Mapping):
        return (body,)
    if isinstance(body, Sequence) and not isinstance(body, bytes | bytearray):
        return body
    raise QueryError(
        f"the content of {place} is a {type(body).__name__}; allowed are a str, a list of "
        "content blocks and None"
    )


def _read_block(block: object, content: MessageContent) -> None:
    kind = _block_kind(block)
    if kind in _TEXT_BLOCKS:
        text = block if isinstance(block, str) else lookup(block, "text")
        if isinstance(text, str) and text:
            content.texts.append(text)
            content.size += byte_count(text)
    elif _is_image(block):
        content.has_image = True
    elif kind in _TOOL_BLOCKS:
        content.has_tool = True
        content.has_tool_image |= _shows_image(block)
        content.size += sum(map(byte_count, _strings_in(block)))
    else:
        said = [lookup(block, key) for key in (kind, "text")]
        content.size += sum(byte_count(text) for text in said if isinstance(text, str))
        if kind not in _SILENT_BLOCKS:
            content.left_out.append(kind)


def _block_kind(block: object) -> str:
    """The type of a block, stated or (Gemini, Bedrock) to be seen from its one key."""
    if isinstance(block, str):
        return "text"
    stated = _stated_kind(block)
    if stated is not None:
        return stated
    telling = (key for key in _TELLING_KEYS if lookup(block, key) is not None)
    return next(telling, type(block).__name__)


def _stated_kind(block: object) -> str | None:
    for key in ("type", "block_type"):
        kind = lookup(block, key)
        kind = getattr(kind, "value", kind)  # LlamaIndex has an enum
        if isinstance(kind, str):
            return kind
    return None


def _read_tool_calls(message: object, content: MessageContent) -> None:
    """Count the calls that stand beside the content; one list, for frameworks repeat them."""
    extra = lookup(message, "additional_kwargs")
    for calls in (
        lookup(message, "tool_calls"),
        lookup(message, "function_call"),
        lookup(extra, "tool_calls") if isinstance(extra, Mapping) else None,
    ):
        if calls:
            content.has_tool = True
            content.size += sum(map(byte_count, _strings_in(calls)))
            return


def _children(value: object) -> Sequence[object]:
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return value
    named = getattr(value, "__dict__", None)  # message objects: pydantic models and dataclasses
    return list(named.values()) if isinstance(named, dict) else ()


def _strings_in(value: object, depth: int = 0) -> Iterator[str]:
    """Every text within nested data, numbers as written; image data is not text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool | int | float):
        yield str(value)
    elif not _is_image(value):
        _check_depth(depth)
        for part in _children(value):
            yield from _strings_in(part, depth + 1)


def _shows_image(value: object, depth: int = 0) -> bool:
    _check_depth(depth)
    return _is_image(value) or any(_shows_image(part, depth + 1) for part in _children(value))


def _is_image(block: object) -> bool:
    """Whether a block is an image: by its type, or by the media type of its data."""
    if _stated_kind(block) in _IMAGE_BLOCKS:
        return True
    if lookup(lookup(block, "image"), "source") is not None:  # Bedrock
        return True
    inline = lookup(block, "inline_data") or lookup(block, "inlineData")  # Gemini
    return any(
        isinstance(media := lookup(holder, key), str) and media.startswith("image/")
        for holder in (block, inline)
        for key in ("mime_type", "mimeType", "media_type")
    )


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise QueryError(
            f"a tool call or result is nested more than {_DEEPEST} levels deep; flatten it, or "
            "pass its text"
        )
