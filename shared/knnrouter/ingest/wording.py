"""How values and counts are spelled in messages and notes."""

from __future__ import annotations

__all__ = ["counted", "shown"]

_SHOWN_CHARACTERS = 40


def shown(value: object) -> str:
    """Spell a value for a message, cut short if long.

    Example:
        >>> shown("good")
        "'good'"
    """
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def counted(number: int, noun: str) -> str:
    """Spell a number of things.

    Example:
        >>> counted(1, "row"), counted(14_042, "row")
        ('1 row', '14,042 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
