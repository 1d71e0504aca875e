"""What came of a routing test."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Outcome"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a routing test.

    Example:
        >>> print(Outcome(passed=False, summary="1 of 2 prompts", details=("a",)).named("never x"))
        never x: 1 of 2 prompts
          a
    """

    passed: bool
    """Whether the assertion holds."""
    summary: str
    """What was found, on one line."""
    details: tuple[str, ...] = ()
    """What explains a failure, line by line."""
    title: str = ""
    """What the test is called."""

    def named(self, title: str) -> Outcome:
        """The same, of the test with this title."""
        return replace(self, title=title)

    def __str__(self) -> str:
        head = f"{self.title}: {self.summary}" if self.title else self.summary
        return "\n".join([head, *(f"  {line}".rstrip() for line in self.details)])
