"""What is wrong with a file: problems with their place, in words that say what to do."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from knnrouter.yaml_files.secrets import redact

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from knnrouter.yaml_files.models import FileModel

__all__ = [
    "Place",
    "Problem",
    "ProblemsFoundError",
    "Words",
    "did_you_mean",
    "problems_of",
    "shown",
    "worded",
]

Place: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of mappings and numbers of list items."""

_MOST_SHOWN = 60  # characters of a value in a message

_WANTED = {
    "bool_type": "true or false is wanted",
    "dict_type": "a mapping is wanted",
    "finite_number": "a finite number is wanted",
    "float_type": "a number is wanted",
    "int_type": "a whole number is wanted",
    "model_type": "a mapping is wanted",
    "string_type": "text is wanted",
    "tuple_type": "a list is wanted, such as [a, b]",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What messages say of the keys of one mapping, where the general words say too little."""

    wanted: Mapping[str, str] = field(default_factory=dict)
    """By key: what its value is to be."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """By key: what to say where it is missing."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """By a key that there is not: what to write instead."""
    empty: Mapping[str, str] = field(default_factory=dict)
    """By key: what to say of an empty text."""
    hidden: Collection[str] = ()
    """Keys whose value may be a secret, and is not repeated."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    place: Place
    """Where."""
    message: str
    """What, what is allowed, and what to do."""


class ProblemsFoundError(ValueError):
    """Carries problems with their places out of a pydantic validator."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problem(s)")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is nearest, to be put behind a message; or nothing.

    >>> did_you_mean("context_windw", ["name", "context_window"])
    '; did you mean context_window?'
    """
    near = difflib.get_close_matches(word[:_MOST_SHOWN], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def shown(value: object) -> str:
    """A value as it may stand in a message: short, and without anything that looks secret.

    >>> shown("sk-0123456789abcdef"), shown([1, 2]), shown(None)
    ("'(hidden)'", 'a list', 'nothing')
    """
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    short = repr(redact(value) if isinstance(value, str) else value)
    return short if len(short) <= _MOST_SHOWN else short[:_MOST_SHOWN] + "…"


def worded(problem: Problem, names: Mapping[Place, str] | None = None) -> str:
    """A problem with its place before it.

    Args:
        problem: The problem.
        names: The names of list items, by their places, to show instead of their numbers.

    Returns:
        One sentence.

    Example:
        >>> worded(Problem(("models", 0, "price"), "missing"), {("models", 0): "small"})
        'models[small].price: missing'
    """
    place = ""
    for at, step in enumerate(problem.place):
        if isinstance(step, int):
            place += f"[{(names or {}).get(problem.place[: at + 1], step)}]"
        else:
            place += f".{step}" if place else step
    return redact(f"{place}: {problem.message}" if place else problem.message)


def problems_of(
    error: ValidationError, model: type[FileModel], under: Place = ()
) -> Iterator[Problem]:
    """The problems that pydantic found, in this library's words.

    Args:
        error: What pydantic raised.
        model: The class that refused the values.
        under: The place of the values.

    Yields:
        A problem for each error; several where one validator found several.
    """
    found: dict[Place, Problem] = {}
    members: set[Place] = set()
    for details in error.errors(include_url=False):
        cause = details.get("ctx", {}).get("error")
        place = _place(details)
        if isinstance(cause, ProblemsFoundError):
            for one in cause.problems:
                yield Problem((*under, *place, *one.place), one.message)
            continue
        if len(place) < len(details["loc"]):
            members.add(place)
        problem = Problem((*under, *place), _message(details, place, model))
        found.setdefault(place, problem)
    for place, problem in found.items():
        # Each member of a union complains; the one that got further knows more.
        if place not in members or not any(_lies_in(other, place) for other in found):
            yield problem


def _place(details: ErrorDetails) -> Place:
    """The keys that lead to a value, without pydantic's names for the members of a union."""
    *steps, last = details["loc"] or ("",)
    keys = [step for step in steps if isinstance(step, int) or "[" not in step]
    is_key = isinstance(last, int) or "[" not in last or details["type"] == "extra_forbidden"
    return (*keys, last) if is_key and details["loc"] else tuple(keys)


def _lies_in(inner: Place, outer: Place) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _message(details: ErrorDetails, place: Place, model: type[FileModel]) -> str:
    kind, value = details["type"], details["input"]
    owner = _owner(place, model)
    key = next((step for step in reversed(place) if isinstance(step, str)), "")
    said = _fixed_message(kind, key, value, owner.words)
    if said is not None:
        return said
    if kind == "extra_forbidden":
        return _unknown_key(str(place[-1]), list(owner.model_fields))
    if kind == "value_error":
        return f"{details['ctx']['error']}; not {shown(value)}"
    if kind == "literal_error" and place == ("version",):
        return (
            f"version {shown(value)} is not supported; this knnrouter reads version 1: update "
            "knnrouter, or write version: 1"
        )
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        wanted = details["msg"].removeprefix("Input should be ")
        return f"a number {wanted} is wanted, not {shown(value)}"
    stated = owner.words.wanted.get(key) if place[-1:] == (key,) else None
    return f"{stated or _WANTED[kind]}, not {shown(value)}"


def _fixed_message(kind: str, key: str, value: object, words: Words) -> str | None:
    """What the words of the mapping say, whatever pydantic does."""
    if kind == "extra_forbidden":
        return f"unknown key; {words.unknown[key]}" if key in words.unknown else None
    if kind == "missing":
        return f"missing; {words.missing.get(key, 'add it')}"
    if key in words.hidden:
        return words.wanted[key]
    if value == "" and key in words.empty:
        return f"missing; {words.empty[key]}"
    return None


def _unknown_key(key: str, known: Collection[str]) -> str:
    hint = did_you_mean(key, known)
    return f"unknown key{hint}" if hint else f"unknown key; known keys are {', '.join(known)}"


def _owner(place: Place, model: type[FileModel]) -> type[FileModel]:
    """The class of the mapping that the last key of a place stands in."""
    *steps, _ = [step for step in place if isinstance(step, str)] or [""]
    for step in steps:
        model = model.nested.get(step, model)
    return model
