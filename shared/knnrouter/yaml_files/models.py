"""The base of what stands in a file, and names: values that refuse in our own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

from pydantic import AfterValidator, BaseModel, GetPydanticSchema, StrictStr, ValidationError

from knnrouter.errors import KnnRouterError
from knnrouter.yaml_files.problems import Words, problems_of, worded

__all__ = ["FileModel", "Name", "Names", "is_name"]


class FileModel(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """A frozen value that can stand in a file; wrong values raise `refusal`, all at once."""

    nested: ClassVar[dict[str, type[FileModel]]] = {}
    """The classes of fields that are mappings themselves, or lists of them."""
    words: ClassVar[Words] = Words()
    """What messages say of the keys."""
    refusal: ClassVar[type[KnnRouterError]]
    """What is raised where there are wrong values; takes a list with a sentence for each."""

    if not TYPE_CHECKING:  # type checkers see the fields instead

        def __init__(self, **values) -> None:  # noqa: ANN003
            try:
                super().__init__(**values)
            except ValidationError as error:
                found = problems_of(error, type(self))
                name = type(self).__name__
                raise self.refusal([f"{name}: {worded(problem)}" for problem in found]) from None

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
