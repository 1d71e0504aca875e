"""What text of a query is routed on: a string, a chat history or a dict becomes one text.

The last user turn is what is asked. A turn too short to tell ("and in Python?") is read together
with the one before it. System text, tool output and harness boilerplate stay out. Text that is not
there is named, never made up from older turns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from knnrouter.errors import NoTextError, QueryError
from knnrouter.text.boilerplate import strip_boilerplate, without_harness_blocks
from knnrouter.text.content import byte_count
from knnrouter.text.conversation import Conversation, Turn, messages_of, read_conversation

__all__ = [
    "Query",
    "QueryKind",
    "Sticky",
    "Turns",
    "content_words",
    "read_query",
    "routed_part",
    "routing_text",
    "strip_boilerplate",
]

QueryKind: TypeAlias = Literal["text", "image_only", "empty"]
Turns: TypeAlias = int | Literal["all"]
Sticky: TypeAlias = Literal["call", "turn", "thread"]

FEWEST_CONTENT_WORDS = 4
"""A last user turn with fewer content words is read together with the one before it."""

_WORD = re.compile(r"\w+")
# Han, kana, Hangul, Thai, Lao, Khmer, Burmese: written with few spaces or none.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_EMPTY_WORDS = frozenset(
    """
    a about again ahead all also am an and any are as at be been but by can cannot could d did do
    does don done else few first for from get give go goes going got had has have he her here him
    his how i if in into is it its just know let like ll m make may maybe me might more much must my
    need no not now of off ok okay on one only or other our out over per put re really right s same
    see shall she should so some something such sure t take tell than that the their them then there
    these they thing this those to too try up us use ve very want was way we well were what when
    where which while who whom whose why will with would yeah yep yes you your
    alright bye cheers continue cool correct fine good great hello hey hi nice perfect please
    proceed sorry thank thanks welcome
    """.split()  # noqa: SIM905 - a table of words reads better than a list of them
)
"""English words that say nothing on what is asked, and pleasantries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A query as the router sees it."""

    text: str
    """The text to route on, without outer white space; empty unless `kind` is "text"."""
    kind: QueryKind
    """Whether there is text; if not, whether the turn shows an image or nothing at all."""
    prompt_bytes: int
    """UTF-8 bytes of all the text that the model will read, system and tools included; >= 0."""
    needs: frozenset[str]
    """Capabilities that the conversation asks for: "vision", "tools"."""
    notes: tuple[str, ...] = ()
    """What was left out or joined, a sentence each; for the decision."""


_NO_NEEDS: frozenset[str] = frozenset()


def routing_text(query: object, *, turns: Turns = 1) -> str:
    r"""The text of a query that is routed on.

    Args:
        query: A str; a chat history of OpenAI, Anthropic, LangChain or LlamaIndex; a dict with
            "messages" or "input".
        turns: The last so many user turns (>= 1), joined by line breaks; or "all" for what user
            and assistant said in the whole conversation. With 1, a last turn of fewer than four
            content words is joined with the user turn before it.

    Returns:
        The text; never blank.

    Raises:
        NoTextError: There is no text: an image alone, an empty turn, no user turn.
        QueryError: The query's shape is not understood, or `turns` is wrong.

    Example:
        >>> history = [
        ...     {"role": "user", "content": "Sort a list of numbers in Rust."},
        ...     {"role": "assistant", "content": "Use sort_unstable."},
        ...     {"role": "user", "content": "and in Python?"},
        ... ]
        >>> routing_text(history)
        'Sort a list of numbers in Rust.\nand in Python?'
        >>> new = {"role": "user", "content": "Why is the square root of 2 irrational?"}
        >>> routing_text([*history, new])
        'Why is the square root of 2 irrational?'
    """
    read = read_query(query, turns=turns)
    if read.kind == "text":
        return read.text
    what = "only an image" if read.kind == "image_only" else "no text"
    raise NoTextError(
        read.kind,
        f"the last user turn of the query holds {what}, and routing needs words; add a sentence "
        "that says what is asked, or choose the model for such queries yourself",
    )


def read_query(query: object, *, turns: Turns = 1) -> Query:
    """Read a query: its routing text, its size and what it needs.

    Unlike `routing_text`, a query without text is no error here; `kind` names it.

    Args:
        query: As for `routing_text`.
        turns: As for `routing_text`.

    Returns:
        The query.

    Raises:
        QueryError: The query's shape is not understood, or `turns` is wrong.

    Example:
        >>> read_query("What is 2 + 2?").prompt_bytes
        14
        >>> read_query([{"role": "user", "content": [{"type": "image"}]}]).kind
        'image_only'
    """
    if turns != "all" and (type(turns) is not int or turns < 1):
        raise QueryError(f"turns is {turns!r}; allowed are a whole number >= 1 and 'all'")
    if isinstance(query, str):
        text = strip_boilerplate(query).strip()
        return Query(
            text=text,
            kind="text" if text else "empty",
            prompt_bytes=byte_count(query),
            needs=_NO_NEEDS,
        )
    conversation = read_conversation(query)
    text, kind, notes = _said(conversation, turns)
    return Query(
        text=text,
        kind=kind,
        prompt_bytes=conversation.prompt_bytes,
        needs=conversation.needs,
        notes=(*conversation.notes, *notes),
    )


def routed_part(query: object, sticky: Sticky) -> object:
    """The part of a conversation that a choice rests on, for as long as the choice shall hold.

    Whatever follows, answers and tool results above all, cannot change a choice that rests on the
    part before it.

    Args:
        query: As for `routing_text`.
        sticky: "call": all of it; "turn": up to the last user turn; "thread": up to the first.
            User turns that a harness wrote do not count.

    Returns:
        The query itself where nothing follows that turn, or there is none; else its messages.

    Raises:
        QueryError: The query's shape is not understood; a message by itself is not looked into.

    Example:
        >>> history = [("user", "Rain today?"), ("assistant", "I look."), ("tool", "Yes.")]
        >>> routed_part(history, "turn")
        [('user', 'Rain today?')]
    """
    if sticky == "call" or isinstance(query, str):
        return query
    messages = messages_of(query)
    if len(messages) < 2:
        return query
    turns = read_conversation(messages).turns
    asked = _asked([place for place, turn in enumerate(turns) if turn.role == "user"], turns)
    if not asked:
        return query
    end = asked[0 if sticky == "thread" else -1] + 1
    return query if end == len(turns) else list(messages[:end])


def content_words(text: str, *, at_most: int | None = None) -> int:
    """Count the words that say what a text is about.

    A word is a run of letters and digits that is not an English stop word or pleasantry. In
    scripts written without spaces (Chinese, Japanese, Thai and the like, Korean too), every two
    characters of a run count as one word, rounded up.

    Args:
        text: Any text.
        at_most: Stop counting there.

    Returns:
        The count, >= 0.

    Example:
        >>> content_words("Please do it in Python, thanks!")
        1
        >>> content_words("什么是量子纠缠")
        4
    """
    count = 0
    for match in _WORD.finditer(text):
        word = match.group()
        unspaced = 0 if word.isascii() else len(_UNSPACED.findall(word))
        if unspaced:
            count += (unspaced + 1) // 2
        elif word.lower() not in _EMPTY_WORDS:
            count += 1
        if at_most is not None and count >= at_most:
            return at_most
    return count


def _said(conversation: Conversation, turns: Turns) -> tuple[str, QueryKind, tuple[str, ...]]:
    """The routing text of a conversation, its kind, and notes on how it came about."""
    if turns == "all":
        spoken = [turn for turn in conversation.turns if turn.role in ("user", "assistant")]
        text = _joined(spoken)
        return text, _kind(text, spoken), ()
    turns_of_user = [place for place, turn in enumerate(conversation.turns) if turn.role == "user"]
    places = _asked(turns_of_user, conversation.turns)
    asked = [conversation.turns[place] for place in places]
    skipped = len(turns_of_user) - len(asked)
    notes = (f"skipped {skipped} user turn(s) of harness text alone",) if skipped else ()
    last = asked[-1:]
    text = _joined(last)
    kind = _kind(text, last)
    if kind != "text":
        return "", kind, notes  # older turns would answer another question
    if turns > 1:
        return _joined(asked[-turns:]), kind, notes
    if len(asked) > 1 and content_words(text, at_most=FEWEST_CONTENT_WORDS) < FEWEST_CONTENT_WORDS:
        joined = _joined(asked[-2:])
        if joined != text:
            few = f"fewer than {FEWEST_CONTENT_WORDS} content words"
            return joined, kind, (*notes, f"joined with the user turn before it: {few}")
    return text, kind, notes


def _asked(users: list[int], turns: Sequence[Turn]) -> list[int]:
    """The places of the user turns that a person wrote; of all user turns where nobody did."""
    asked = [
        place
        for place in users
        if not _is_harness_only(turns[place]) and not _is_observation(place, turns)
    ]
    return asked or users


def _joined(turns: Sequence[Turn]) -> str:
    texts = (strip_boilerplate(turn.text).strip() for turn in turns)
    return "\n".join(text for text in texts if text)


def _kind(text: str, turns: Sequence[Turn]) -> QueryKind:
    if text:
        return "text"
    return "image_only" if any(turn.has_image for turn in turns) else "empty"


def _is_harness_only(turn: Turn) -> bool:
    return bool(turn.text.strip()) and not turn.has_image and not without_harness_blocks(turn.text)


def _is_observation(place: int, turns: Sequence[Turn]) -> bool:
    """Whether a user turn is a tool's result, as agents of the ReAct kind write it into text."""
    return (
        place > 0
        and turns[place].text.startswith("Observation:")
        and turns[place - 1].role == "assistant"
        and re.search(r"^Action:", turns[place - 1].text, re.MULTILINE) is not None
    )
