"""Options that go together: a dataclass of them is one parameter of a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

__all__ = ["unbundled"]


def unbundled(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer wants it: each field of a bundle is a parameter of its own.

    A parameter whose type is a dataclass is a bundle; its fields are annotated as options are, and
    have defaults.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Size:
        ...     width: int = 1
        ...     height: int = 2
        >>> def draw(name: str, *, size: Size) -> None:
        ...     print(name, size.width * size.height)
        >>> plain = unbundled(draw)
        >>> list(inspect.signature(plain).parameters)
        ['name', 'width', 'height']
        >>> plain(name="box", width=3, height=5)
        box 15
    """
    parameters: list[inspect.Parameter] = []
    bundles: dict[str, Any] = {}
    for each in inspect.signature(command, eval_str=True).parameters.values():
        if is_dataclass(each.annotation):
            bundles[each.name] = each.annotation
            parameters += _options(each.annotation)
        else:
            parameters.append(each.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD))

    def run(**values: Any) -> None:  # noqa: ANN401  # whatever the options hold
        for name, bundle in bundles.items():
            taken = {each.name: values.pop(each.name) for each in fields(bundle)}
            values[name] = bundle(**taken)
        command(**values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # for typer
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _options(bundle: Any) -> list[inspect.Parameter]:  # noqa: ANN401  # any dataclass
    types = get_type_hints(bundle, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=each.default,
            annotation=types[each.name],
        )
        for each in fields(bundle)
    ]
