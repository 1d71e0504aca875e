"""The kinds of fields that a file of routing tests has, and a base that refuses as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, GetPydanticSchema, StrictStr

from knnrouter.errors import KnnRouterError, RoutingTestsError
from knnrouter.yaml_files import FileModel, Names, Problem, ProblemsFoundError

__all__ = ["Bound", "NameOrNames", "Part", "PromptText", "PromptTexts", "SomeNames", "some"]

T = TypeVar("T")


class Part(FileModel, frozen=True):
    """A mapping of the file; wrong values raise RoutingTestsError, all at once."""

    refusal: ClassVar[type[KnnRouterError]] = RoutingTestsError


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def some(values: tuple[T, ...]) -> tuple[T, ...]:
    """The values, of which there must be one."""
    if not values:
        raise ProblemsFoundError([Problem((), "nothing is listed; name at least one")])
    return values


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("text is wanted that is not empty")
    return text


NameOrNames: TypeAlias = Annotated[Names, BeforeValidator(_listed)]
"""A name, or a list of names."""
SomeNames: TypeAlias = Annotated[NameOrNames, AfterValidator(some)]
"""A name, or a list with at least one."""
PromptText: TypeAlias = Annotated[StrictStr, AfterValidator(_not_blank)]
"""Text that is not blank."""
PromptTexts: TypeAlias = Annotated[
    Sequence[str],
    GetPydanticSchema(lambda _source, handler: handler(tuple[PromptText, ...])),
    AfterValidator(some),
]
"""Any collection of such texts, kept as a tuple; at least one."""
Bound: TypeAlias = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
"""A finite number that is not negative."""
