"""What is wrong with the models of a pool beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from knnrouter.yaml_files import Place, Problem, did_you_mean

__all__ = ["Entry", "pool_problems"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the models of a pool are checked against each other on; a ModelSpec is one, too."""

    name: str
    aliases: Sequence[str] = ()
    enabled: bool = True


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
