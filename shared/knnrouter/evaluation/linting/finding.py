"""What lint says: findings, each with a fixed code, its figures, why it matters, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Finding", "LintReport", "Value", "listed", "percent"]

Value: TypeAlias = float | Mapping[str, float]
"""A number, or numbers by name."""

_SHOWN_NAMES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something about the records that makes a router, or a figure about one, worse than it looks.

    Example:
        >>> print(Finding(code="few_rows", value=3, why="There are 3 rows.", todo="Add more."))
        few_rows: There are 3 rows. Add more.
    """

    code: str
    """Which check found it; fixed."""
    value: Value
    """Its figure or figures: plain numbers, alone or by name."""
    why: str
    """What was found, and what it does to a router."""
    todo: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.code}: {self.why} {self.todo}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        value = dict(self.value) if isinstance(self.value, Mapping) else self.value
        return {"code": self.code, "value": value, "why": self.why, "todo": self.todo}


@dataclass(frozen=True, kw_only=True, slots=True)
class LintReport:
    """All findings, in the order of the checks. `str` is a line for each.

    Example:
        >>> print(LintReport(findings=(), rows=200))
        200 rows: nothing found
    """

    findings: tuple[Finding, ...]
    """What was found; empty for clean records."""
    rows: int
    """How many rows were looked at."""
    skipped: tuple[str, ...] = ()
    """What could not be looked at, a sentence each."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, in their order."""
        return tuple(finding.code for finding in self.findings)

    def __str__(self) -> str:
        count = len(self.findings)
        found = f"{count} finding{'' if count == 1 else 's'}" if count else "nothing found"
        return "\n".join([f"{self.rows:,} rows: {found}", *map(str, self.findings)])

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return {
            "findings": [finding.to_dict() for finding in self.findings],
            "rows": self.rows,
            "skipped": list(self.skipped),
        }


def percent(share: float) -> str:
    """A share as text.

    Example:
        >>> percent(0.8894)
        '88.9%'
    """
    return f"{share:.1%}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; of many, the first few and how many more.

    Example:
        >>> listed(["a", "b"]), listed(list("abcdef"))
        ('a, b', 'a, b, c, d and 2 more')
    """
    more = len(names) - _SHOWN_NAMES
    shown = ", ".join(names[:_SHOWN_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown
