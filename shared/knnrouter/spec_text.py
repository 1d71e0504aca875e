"""Policies and estimators as text: `kind:setting=value,setting=value`, read and written.

A value stands in parentheses if it has a comma, an equals sign or parentheses of its own; so do the
values of a list, which commas part.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeAlias

__all__ = ["Family", "listed", "stated_settings", "written"]

Refusal: TypeAlias = Callable[[str], Exception]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Dataclasses that go by a kind each, such as all policies.

    Example:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Box:
        ...     width: int
        >>> boxes = Family(what="shape", kinds={"box": Box}, refusal=ValueError)
        >>> boxes.built("box", {"width": 3})
        Box(width=3)
        >>> boxes.built("bax", {})
        Traceback (most recent call last):
        ValueError: unknown shape 'bax' (did you mean 'box'?); known: box
    """

    what: str
    """What one of them is called in errors."""

    kinds: Mapping[str, Any]
    """The classes by kind."""

    refusal: Refusal
    """Makes the error of a message."""

    def split(self, text: str) -> tuple[str, dict[str, str]]:
        """The kind and the settings, as text, of `kind:setting=value,setting=value`.

        Raises:
            Exception: By `refusal`: a part is no setting, a setting is given twice, or
                parentheses do not match.
        """
        kind, _, rest = text.strip().partition(":")
        settings: dict[str, str] = {}
        if not _balanced(rest):
            raise self.refusal(
                f"{self.what} {text!r}: parentheses do not match; close each that is open, around "
                "a value or a list: kind:setting=(value,value)"
            )
        for part in _parts(rest):
            name, equals, value = part.partition("=")
            if not equals:
                raise self.refusal(
                    f"{self.what} {text!r}: {part!r} is no setting; write "
                    "kind:setting=value,setting=value, and a list as setting=(value,value)"
                )
            name, value = name.strip(), value.strip()
            if name in settings:
                raise self.refusal(
                    f"{self.what} {text!r}: setting {name!r} is given twice; give it once"
                )
            settings[name] = _bare(value)
        return kind, settings

    def built(self, kind: str, settings: Mapping[str, object]) -> Any:  # noqa: ANN401
        """The one of a kind with these settings.

        Raises:
            Exception: By `refusal`: the kind or a setting is unknown, or a setting is missing; or
                the class refuses a value.
        """
        build = self.kinds.get(kind)
        if build is None:
            raise self.refusal(
                f"unknown {self.what} {kind!r}{_guess(kind, self.kinds)}; "
                f"known: {', '.join(self.kinds)}"
            )
        known = {item.name: item for item in fields(build)}
        wrong = [
            f"unknown setting {name!r}{_guess(name, known)}"
            for name in settings
            if name not in known
        ]
        wrong += [
            f"setting {name!r} is missing"
            for name, item in known.items()
            if name not in settings and item.default is MISSING and item.default_factory is MISSING
        ]
        if wrong:
            allowed = ", ".join(known) or "none"
            raise self.refusal(f"{self.what} {kind}: {'; '.join(wrong)}; its settings: {allowed}")
        return build(**settings)

    def kind_of(self, one: object) -> str | None:
        """The kind of one of them; None for what is of another class."""
        return next((kind for kind, build in self.kinds.items() if type(one) is build), None)


def stated_settings(one: Any) -> dict[str, Any]:  # noqa: ANN401  # any dataclass
    """The settings of a dataclass by name.

    Example:
        >>> @dataclass(frozen=True)
        ... class Box:
        ...     width: int = 1
        >>> stated_settings(Box(3))
        {'width': 3}
    """
    return {item.name: getattr(one, item.name) for item in fields(one)}


def written(kind: str, settings: Mapping[str, object]) -> str:
    """A kind and its settings as text.

    Example:
        >>> written("knn", {"k": 40, "weights": "uniform"}), written("best_score", {})
        ('knn:k=40,weights=uniform', 'best_score')
        >>> written("prediction", {"models": ["a", "b,c"], "coefficients": [0.5, 1]})
        'prediction:models=(a,(b,c)),coefficients=(0.5,1)'
    """
    text = ",".join(f"{name}={_written(value)}" for name, value in settings.items())
    return f"{kind}:{text}" if text else kind


def listed(text: str) -> list[str]:
    """The values of a list.

    Example:
        >>> listed("small,(llama (8b)),large")
        ['small', 'llama (8b)', 'large']
    """
    return [_bare(part.strip()) for part in _parts(text)]


def _bare(value: str) -> str:
    """A value without the parentheses around it."""
    return value.removeprefix("(").removesuffix(")") if value[:1] == "(" else value


def _parts(text: str) -> list[str]:
    """Split at the commas that stand in no parentheses."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part.strip()]


def _balanced(text: str) -> bool:
    """Whether each parenthesis has its partner."""
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


def _guess(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _written(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"({','.join(map(_written, value))})"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | int):
        short = f"{value:.12g}"
        return short if float(short) == value else repr(float(value))
    return f"({value})" if set(str(value)) & set(",()=") else str(value)
