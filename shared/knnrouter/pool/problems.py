"""What is wrong with a pool: problems with their place, in words that say what to do."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from knnrouter.pool.secrets import redact

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from knnrouter.pool.fields import FileModel

__all__ = [
    "Entry",
    "Place",
    "PoolProblemsError",
    "Problem",
    "did_you_mean",
    "pool_problems",
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
_FIELDS_WANTED = {
    "api_key_env": "the name of an environment variable is wanted, such as OPENAI_API_KEY, not the "
    "key itself",
    "fallbacks": "auto or a list of names is wanted",
    "policy": "text such as score_minus_cost:cost_weight=20, or a mapping with a kind, is wanted",
    "sticky": "call, turn or thread is wanted",
}
_HINTS = {
    "api_key": "a key has no place here; write `api_key_env` with the name of an environment "
    "variable that holds it, such as OPENAI_API_KEY",
    "cost": "write `price: {input: ..., output: ...}` in USD per million tokens",
    "<<": "merge keys are not read; write the keys out",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    place: Place
    """Where."""
    message: str
    """What, what is allowed, and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the models of a pool are checked against each other on; a ModelSpec is one, too."""

    name: str
    aliases: Sequence[str] = ()
    enabled: bool = True


class PoolProblemsError(ValueError):
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


def worded(problem: Problem, names: Mapping[int, str] | None = None) -> str:
    """A problem with its place before it.

    Args:
        problem: The problem.
        names: The name of each model, by its number, to show instead of the number.

    Returns:
        One sentence.

    Example:
        >>> worded(Problem(("models", 0, "price"), "missing"), {0: "small"})
        'models[small].price: missing'
    """
    place = ""
    for at, step in enumerate(problem.place):
        if isinstance(step, int):
            is_model = at == 1 and problem.place[0] == "models"
            place += f"[{(names or {}).get(step, step) if is_model else step}]"
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
        if isinstance(cause, PoolProblemsError):
            yield from cause.problems
            continue
        place = _place(details)
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


def pool_problems(
    models: Sequence[Entry | Any], default: str | None, fallbacks: str | Sequence[str]
) -> Iterator[Problem]:
    """What is wrong with models beside each other.

    Args:
        models: The models, each with a name, aliases and whether it is enabled.
        default: The default model's name, or None.
        fallbacks: "auto", or names; an empty one is left out.

    Yields:
        Names and aliases that two models claim; a default or fallback that is no enabled model.
    """
    if not models:
        yield Problem(("models",), "there is no model; list at least one, such as [{name: small}]")
        return
    yield from _claimed_twice(models)
    if default is not None:
        yield from _not_enabled(("router", "default"), default, models)
    for place, name in enumerate(() if isinstance(fallbacks, str) else fallbacks):
        if name:
            yield from _not_enabled(("router", "fallbacks", place), name, models)


def _claimed_twice(models: Sequence[Entry]) -> Iterator[Problem]:
    named: dict[str, int] = {}
    for at, model in enumerate(models):
        if model.name and model.name in named:
            first = f"models[{named[model.name]}] and models[{at}]"
            yield Problem(
                ("models", at, "name"),
                f"two models have the name {model.name!r}, {first}; give each a name of its own",
            )
        named.setdefault(model.name, at)
    owners: dict[str, int] = {}
    for at, model in enumerate(models):
        for alias in model.aliases:
            place = ("models", at, "aliases")
            if named.get(alias, at) != at:
                yield Problem(
                    place,
                    f"{alias!r} is an alias here and the name of another model; a name in the "
                    "evidence must belong to one model, so remove it from one of them",
                )
            elif owners.setdefault(alias, at) != at:
                yield Problem(
                    place,
                    f"two models have the alias {alias!r}, {models[owners[alias]].name!r} and "
                    f"{model.name!r}; a name in the evidence must belong to one model, so remove "
                    "it from one of them",
                )


def _not_enabled(place: Place, name: str, models: Sequence[Entry]) -> Iterator[Problem]:
    found = next((model for model in models if model.name == name), None)
    if found is None:
        owner = next((model.name for model in models if name in model.aliases), None)
        names = [model.name for model in models if model.name]
        hint = f"; it is an alias of {owner}: write that" if owner else did_you_mean(name, names)
        known = ", ".join(names)
        yield Problem(place, f"the pool has no model {name!r}; its models are {known}{hint}")
    elif not found.enabled:
        yield Problem(
            place,
            f"the model {name!r} is not enabled, so it cannot answer; name an enabled model, or "
            "enable it",
        )


def _message(details: ErrorDetails, place: Place, model: type[FileModel]) -> str:
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        return _unknown_key(str(place[-1]), _keys_at(place, model))
    if kind == "missing":
        return _missing(str(place[-1]))
    field = next((step for step in reversed(place) if isinstance(step, str)), "")
    if field == "api_key_env":  # whatever stands there, it may be the key: it is not repeated
        return _FIELDS_WANTED[field]
    if field == "name" and value == "":
        return "missing; give the model a name, or a model, which is then its name, too"
    if kind == "value_error":
        return f"{details['ctx']['error']}; not {shown(value)}"
    if kind == "literal_error" and place == ("version",):
        return (
            f"version {shown(value)} is not supported; this knnrouter reads version 1: update "
            "knnrouter, or write version: 1"
        )
    if kind in ("greater_than", "greater_than_equal", "less_than_equal"):
        wanted = details["msg"].removeprefix("Input should be ")
        return f"a number {wanted} is wanted, not {shown(value)}"
    wanted = _FIELDS_WANTED.get(field if place[-1:] == (field,) else "") or _WANTED[kind]
    return f"{wanted}, not {shown(value)}"


def _unknown_key(key: str, known: Collection[str]) -> str:
    if key in _HINTS:
        return f"unknown key; {_HINTS[key]}"
    hint = did_you_mean(key, known)
    return f"unknown key{hint}" if hint else f"unknown key; known keys are {', '.join(known)}"


def _missing(key: str) -> str:
    if key in ("input", "output"):
        return "missing; cost is never input alone: state input and output (0 where it is free)"
    return "missing; add it"


def _keys_at(place: Place, model: type[FileModel]) -> Collection[str]:
    """The keys that are known where an unknown one stands."""
    for step in place[:-1]:
        if isinstance(step, str):
            model = model.nested[step]
    return list(model.model_fields)
