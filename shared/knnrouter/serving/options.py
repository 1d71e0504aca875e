"""What one call asks of the router, and the names under which frameworks carry it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from knnrouter.policies import Policy

__all__ = ["OPTION_IDS", "RouteOptions", "options_of"]

OPTION_IDS: Mapping[str, str] = {
    "model": "knnrouter_model",
    "policy": "knnrouter_policy",
    "allow": "knnrouter_allow",
    "require": "knnrouter_require",
    "tags": "knnrouter_tags",
}
"""The names of the options where a framework carries them among settings of others."""

_PREFIX = "knnrouter_"


@dataclass(frozen=True, kw_only=True)
class RouteOptions:
    """What one call asks of the router; see `Router.route`.

    Example:
        >>> RouteOptions(require=("tools",)).needing("vision", "tools").require
        ('tools', 'vision')
    """

    policy: str | Policy | None = None
    """A policy or its text, instead of the pool's."""
    model: str | None = None
    """The name, or an alias, of the model that must answer: no vote, and no other if it fails.
    `allow` and `tags` do not hold for it; the capabilities that the call needs do."""
    allow: Collection[str] | None = None
    """Names of the models that may answer; None: all that are enabled."""
    require: tuple[str, ...] = ()
    """Capabilities that the model must have."""
    tags: tuple[str, ...] = ()
    """Tags that the model must have."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RouteOptions:
        """The options that a mapping states by their short names; one name may stand alone.

        Example:
            >>> RouteOptions.of({"allow": "small", "tags": ["eu"]})
            RouteOptions(policy=None, model=None, allow=('small',), require=(), tags=('eu',))
        """
        allow = values.get("allow")
        return cls(
            policy=values.get("policy"),
            model=values.get("model"),
            allow=None if allow is None else _names(allow),
            require=_names(values.get("require", ())),
            tags=_names(values.get("tags", ())),
        )

    def needing(self, *capabilities: str) -> RouteOptions:
        """The same, with more capabilities required."""
        more = tuple(name for name in capabilities if name not in self.require)
        return replace(self, require=(*self.require, *more)) if more else self


def options_of(source: object) -> dict[str, Any]:
    """What a mapping, or an object with attributes, states of the options; by their short names.

    Args:
        source: Settings of a call, or a user's context; None states nothing.

    Raises:
        TypeError: A name begins like those of options, and is none; all such are named.

    Example:
        >>> options_of({"knnrouter_model": "small", "thread_id": "7"})
        {'model': 'small'}
    """
    _check_spelling(source)
    found = {
        option: source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
        for option, name in OPTION_IDS.items()
    }
    return {option: value for option, value in found.items() if value is not None}


def _check_spelling(source: object) -> None:
    """Refuse options that nobody reads."""
    stated = source if isinstance(source, Mapping) else getattr(source, "__dict__", {})
    known = OPTION_IDS.values()
    unknown = [name for name in stated if str(name).startswith(_PREFIX) and name not in known]
    if unknown:
        raise TypeError(
            f"unknown options: {', '.join(map(str, unknown))}; the options are {', '.join(known)}: "
            "correct the name, or leave it out"
        )


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
