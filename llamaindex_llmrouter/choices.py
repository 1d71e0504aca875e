"""Choices of a selector: which are models of the pool, and models as choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llama_index.core.tools.types import ToolMetadata

from knnrouter.errors import UnknownModelError
from knnrouter.pool import ModelPool, ModelSpec

__all__ = ["Places", "choice_of"]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the choices stand, by name; of equal names the first.

    Example:
        >>> pool = ModelPool(models=[ModelSpec(name="small", aliases=["s"])])
        >>> choices = [ToolMetadata("", name="tiny"), ToolMetadata("", name="s")]
        >>> Places.of(choices, pool)
        Places(known={'small': 1}, unknown={'tiny': 0})
    """

    known: dict[str, int]
    """Of models, by their names in the pool."""
    unknown: dict[str, int]
    """Of all else, by their own names."""

    @classmethod
    def of(cls, choices: Sequence[ToolMetadata], pool: ModelPool) -> Places:
        """Sort the choices; one without a name, such as a bare text, is known by its description.

        Raises:
            ValueError: There is no choice.
        """
        if not choices:
            raise ValueError("there are 0 choices; give at least one, named as a model of the pool")
        places = cls(known={}, unknown={})
        for place, choice in enumerate(choices):
            name = choice.name or choice.description
            try:
                places.known.setdefault(pool.spec(name).name, place)
            except UnknownModelError:
                places.unknown.setdefault(name, place)
        return places

    def strangers(self, pool: ModelPool) -> UnknownModelError:
        """The error that names the choices that are no models, and what they could be."""
        named = ", ".join(f"{name!r:.60}" for name in self.unknown)
        return UnknownModelError(
            f"these choices are no models of the pool: {named}; the pool has "
            f"{', '.join(pool.enabled_names)}: give choices these names (ToolMetadata.name) or the "
            "models aliases, or state what becomes of others: unknown='ignore' or 'prior', and "
            "default_index= where no choice is a model"
        )


def choice_of(spec: ModelSpec) -> ToolMetadata:
    """A model as a choice; the description says what the pool says of it.

    Example:
        >>> choice_of(ModelSpec(name="small", context_window=8000, tags=["eu"]))
        ToolMetadata(description='The model small: 8,000 tokens of context; eu.', name='small', \
fn_schema=<class 'llama_index.core.tools.types.DefaultToolFnSchema'>, return_direct=False)
    """
    facts = []
    if spec.price is not None:
        price = spec.price
        facts.append(f"${price.input:g} in and ${price.output:g} out per million tokens")
    if spec.context_window is not None:
        facts.append(f"{spec.context_window:,} tokens of context")
    if spec.tags:
        facts.append(", ".join(spec.tags))
    told = f": {'; '.join(facts)}" if facts else ""
    return ToolMetadata(description=f"The model {spec.name}{told}.", name=spec.name)
