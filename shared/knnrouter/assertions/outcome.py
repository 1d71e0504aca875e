"""What came of a routing test."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Outcome"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a routing test.

    Example:
        >>> print(Outcome(passed=False, summary="1 of 2 prompts", details=("small 1",)))
        1 of 2 prompts
          small 1
    """

    passed: bool
    """Whether the assertion holds."""
    summary: str
    """What was found, on one line."""
    details: tuple[str, ...] = ()
    """What explains it, line by line."""

    def __str__(self) -> str:
        return "\n".join([self.summary, *(f"  {line}".rstrip() for line in self.details)])
