"""The kinds of fields that a pool has: names, prices, and a base that refuses in our own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetPydanticSchema,
    StrictStr,
    ValidationError,
)

from knnrouter.errors import PoolError
from knnrouter.pool.problems import problems_of, worded
from knnrouter.records import Price

__all__ = ["FileModel", "Name", "Names", "PriceField", "PriceKeys", "is_name"]


class FileModel(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """A frozen value that can stand in a file; wrong values raise PoolError, all at once."""

    nested: ClassVar[dict[str, type[FileModel]]] = {}
    """The classes of fields that are mappings themselves."""

    if not TYPE_CHECKING:  # type checkers see the fields instead

        def __init__(self, **values) -> None:  # noqa: ANN003
            try:
                super().__init__(**values)
            except ValidationError as error:
                found = problems_of(error, type(self))
                name = type(self).__name__
                raise PoolError([f"{name}: {worded(problem)}" for problem in found]) from None

        # Pydantic's mark for "checks nested values in place": errors keep the way to a value.
        __init__.__pydantic_base_init__ = True


def is_name(value: object) -> bool:
    """Whether a value is text on one line, not empty, without spaces around it.

    >>> is_name("qwen3:8b"), is_name(" a"), is_name(8)
    (True, False, False)
    """
    return isinstance(value, str) and value.isprintable() and value.strip() == value != ""


def _checked(name: str) -> str:
    if not is_name(name):
        raise ValueError("text is wanted that is not empty, on one line, without spaces around it")
    return name


Name: TypeAlias = Annotated[StrictStr, AfterValidator(_checked)]
"""Text on one line that is not empty."""

_EACH_ONCE = AfterValidator(lambda names: tuple(dict.fromkeys(names)))
Names: TypeAlias = Annotated[
    Sequence[str],
    GetPydanticSchema(lambda _source, handler: handler(Annotated[tuple[Name, ...], _EACH_ONCE])),
]
"""Any collection of names, kept as a tuple in its order, each name once."""

_UsdPerMtok: TypeAlias = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class PriceKeys(FileModel, frozen=True, title="Price"):
    """USD per million tokens."""

    input: _UsdPerMtok
    """USD per million input tokens, >= 0."""
    output: _UsdPerMtok
    """USD per million output tokens, >= 0; cost is never input alone."""
    cached_input: _UsdPerMtok | None = None
    """USD per million input tokens that the provider had cached, >= 0."""


def _keys_of(price: object) -> object:
    return {**vars(price)} if isinstance(price, Price) else price


def _price_of(keys: PriceKeys) -> Price:
    return Price(keys.input, keys.output, keys.cached_input)


_AS_KEYS = Annotated[PriceKeys, BeforeValidator(_keys_of), AfterValidator(_price_of)]
PriceField: TypeAlias = Annotated[
    Price, GetPydanticSchema(lambda _source, handler: handler(_AS_KEYS))
]
"""A Price, or a mapping with its keys."""
