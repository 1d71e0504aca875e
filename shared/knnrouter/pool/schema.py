"""The JSON schema of pool.yaml, for editors that complete and check it while it is written."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knnrouter.yaml_files import FileModel

__all__ = ["json_schema"]


def json_schema(model: type[FileModel]) -> dict[str, Any]:
    """Describe a file.

    Args:
        model: The class of the whole file.

    Returns:
        A JSON schema of draft 2020-12; what stands under a field in the class describes its key.
    """
    schema = model.model_json_schema()
    nested = schema.get("$defs", {})
    for part, described in _parts(model).items():
        _describe(schema if part == model.__name__ else nested[part], described)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _parts(model: type[FileModel]) -> dict[str, type[FileModel]]:
    """The class of the file and those within it, by name."""
    found = {model.__name__: model}
    for part in model.nested.values():
        found.update(_parts(part))
    return found


def _describe(schema: dict[str, Any], model: type[FileModel]) -> None:
    schema["description"] = (inspect.getdoc(model) or "").split("\n")[0]
    texts = _attribute_docs(model)
    for key, described in schema["properties"].items():
        described.pop("title", None)
        described["description"] = texts[key]


def _attribute_docs(model: type[FileModel]) -> dict[str, str]:
    """What stands under each field of a class, on one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    fields = body.body if isinstance(body, ast.ClassDef) else []
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(fields)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
