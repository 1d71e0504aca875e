"""The kinds of fields that a pool has: prices, and a base that refuses with a PoolError."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, GetPydanticSchema

from knnrouter.errors import KnnRouterError, PoolError
from knnrouter.records import Price
from knnrouter.yaml_files import FileModel, Words

__all__ = ["PoolModel", "PriceField", "PriceKeys"]


class PoolModel(FileModel, frozen=True):
    """A frozen value that can stand in a pool; wrong values raise PoolError, all at once."""

    refusal: ClassVar[type[KnnRouterError]] = PoolError


_HALF_A_PRICE = "cost is never input alone: state input and output (0 where it is free)"
_UsdPerMtok: TypeAlias = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class PriceKeys(PoolModel, frozen=True, title="Price"):
    """USD per million tokens."""

    words: ClassVar[Words] = Words(missing={"input": _HALF_A_PRICE, "output": _HALF_A_PRICE})

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
