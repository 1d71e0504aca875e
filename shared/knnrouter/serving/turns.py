"""What was decided for the last user turns, for frameworks whose messages cannot carry it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from knnrouter.text import Sticky, routed_part
from knnrouter.text.conversation import messages_of, read_conversation

__all__ = ["Turns"]


class Turns:
    """Remembers the decision of each user turn while its tool loop goes on.

    A conversation is known by a digest of its part up to the turn; no text is kept. Only what
    follows such a part, an answer or a tool's result, makes it a turn to remember.

    Args:
        most: How many turns are remembered; the oldest is forgotten first.

    Example:
        >>> turns = Turns()
        >>> asked = [("user", "Rain today?")]
        >>> turns.put(asked, "turn", {"model": "small"})
        >>> turns.get([*asked, ("assistant", "I look."), ("tool", "Yes.")], "turn")
        {'model': 'small'}
        >>> turns.get(asked, "turn")  # asked once more: a turn of its own
    """

    def __init__(self, *, most: int = 1024) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def get(self, query: object, sticky: Sticky) -> Mapping[str, Any] | None:
        """What was put for the turn that the query goes on with; None where it begins one."""
        part = routed_part(query, sticky)
        if part is query:
            return None
        with self._lock:
            return self._held.get(_digest(part))

    def put(self, query: object, sticky: Sticky, values: Mapping[str, Any]) -> None:
        """Remember values for the turn of a query; nothing goes on after a bare text."""
        if isinstance(query, str):
            return
        key = _digest(routed_part(query, sticky))
        with self._lock:
            self._held[key] = values
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)


def _digest(query: object) -> str:
    read = read_conversation(messages_of(query))
    said = [f"{read.prompt_bytes} {sorted(read.needs)}"]
    said += [f"{turn.role} {len(turn.text)} {turn.text}" for turn in read.turns]
    return hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass")).hexdigest()
