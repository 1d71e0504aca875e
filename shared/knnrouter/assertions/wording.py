"""What a test is called, and what is said where it fails."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from knnrouter.assertions.asking import described
from knnrouter.assertions.schema import RoutingTest
from knnrouter.decision import Decision, Neighbor
from knnrouter.records import RecordSet

__all__ = ["decision_lines", "more", "quoted", "table", "titles"]

_SHOWN_NEIGHBORS = 3
_SHOWN_MODELS = 4


def quoted(text: str, width: int = 60) -> str:
    r"""A text on one line, in quotes, cut where it is long.

    >>> quoted("Sort\n  a list.", 12)
    '"Sort a list."'
    >>> quoted("Sort a long list.", 11)
    '"Sort a lon…"'
    """
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return f'"{line}"' if len(line) <= width else f'"{line[: width - 1]}…"'


def more(count: int, shown: int) -> list[str]:
    """A line that counts what is not shown; no line where all is."""
    return [f"… and {count - shown:,} more"] if count > shown else []


def table(rows: Sequence[Sequence[str]], indent: int = 0) -> list[str]:
    """Rows of text with their columns below one another.

    >>> table([("a", "long"), ("bcd", "x")], indent=2)
    ['  a    long', '  bcd  x']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return [" " * indent + line for line in padded]


def titles(tests: Sequence[RoutingTest]) -> list[str]:
    """A name for each test: its own, else what it says; no two alike.

    Example:
        >>> titles([RoutingTest(prompt="Hi.", never="large")] * 2)
        ['never large: "Hi."', 'never large: "Hi." (2)']
    """
    found: list[str] = []
    for test in tests:
        title = test.name or f"{_claim(test)}: {_source(test)}"
        title = title.replace("::", ":")  # which parts the names of pytest's items
        taken, number = title, 1
        while taken in found:
            number += 1
            taken = f"{title} ({number})"
        found.append(taken)
    return found


def _claim(test: RoutingTest) -> str:
    """What is asserted: the key and its value."""
    value = getattr(test, test.kind)
    said = ", ".join(value) if isinstance(value, tuple) else str(value)
    return f"{test.kind} {value.model} {said}" if test.kind == "share" else f"{test.kind} {said}"


def _source(test: RoutingTest) -> str:
    """Which prompts are routed."""
    when = "" if test.when is None else described(test.when)
    if test.file is not None:
        return f"{test.file}, {when}" if when else test.file
    if test.prompt is not None:
        return quoted(test.prompt, 40)
    if test.prompts is not None:
        return f"{len(test.prompts)} prompts" if len(test.prompts) > 1 else quoted(test.prompts[0])
    return when or "all prompts"


def decision_lines(
    text: str,
    decision: Decision,
    *,
    wanted: str,
    accepted: Collection[str],
    marks: Mapping[str, str],
    evidence: RecordSet,
) -> Iterator[str]:
    """Everything about a decision that was not the one that was wanted.

    Args:
        text: The prompt.
        decision: What was decided.
        wanted: What was wanted, in words.
        accepted: The models that would have been right.
        marks: A word for some models, put beside them.
        evidence: What the neighbors are rows of.

    Yields:
        Lines.
    """
    score = _plus_minus(decision, decision.model)
    yield f"prompt    {quoted(text)}"
    yield f"wanted    {wanted}"
    yield f"got       {decision.model}, score {score}"
    yield f"reason    {' '.join(decision.reason.split())} [{decision.policy}]"
    if decision.fallback:
        yield "          a fallback: the policy could not choose as it is meant to"
    ranking = [("model", "score", "cost, USD", "")]
    for name in decision.ranking:
        said = ["chosen" if name == decision.model else "", marks.get(name, "")]
        cost = _number(decision.costs.get(name, math.nan), ".6f")
        ranking.append((name, _plus_minus(decision, name), cost, ", ".join(filter(None, said))))
    yield from _labelled("ranking", table(ranking))
    missing = sorted(set(accepted) - set(decision.ranking))
    if missing and len(missing) == len(accepted):
        yield f"          not eligible for this prompt: {', '.join(missing)}"
    yield from _labelled("evidence", _neighbor_lines(decision, accepted, evidence))


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{'' if number else label:<10}{line}"


def _neighbor_lines(
    decision: Decision, accepted: Collection[str], evidence: RecordSet
) -> list[str]:
    """The nearest neighbors, with what the chosen and the wanted models scored on them."""
    rest = sorted(decision.ranking[1:], key=lambda name: name not in accepted)
    names = (decision.model, *rest)[:_SHOWN_MODELS]
    near = decision.neighbors[:_SHOWN_NEIGHBORS]
    if not near:
        return ["none"]
    texts = dict(zip(evidence.ids, evidence.queries, strict=True))
    head = ("similarity", *names, "task", "query")
    return table([head, *(_neighbor_row(one, names, texts.get(one.id)) for one in near)])


def _neighbor_row(near: Neighbor, names: Sequence[str], text: str | None) -> tuple[str, ...]:
    scores = [_number(near.scores.get(name, math.nan), ".2f") for name in names]
    said = quoted(text) if text is not None else f"row {near.id}"
    return (f"{near.similarity:.3f}", *scores, near.task or "–", said)


def _plus_minus(decision: Decision, name: str) -> str:
    score, error = (each.get(name, math.nan) for each in (decision.scores, decision.stderr))
    known = "" if math.isnan(error) else f" ± {error:.3f}"
    return _number(score, ".3f") + known


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)
