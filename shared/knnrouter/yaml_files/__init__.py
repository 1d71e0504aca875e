"""YAML files that users write: read strictly, checked whole, every problem with its place.

What a certain file holds is said elsewhere, such as in `knnrouter.pool`: a `FileKind` names it, and
a `FileModel` for each mapping in it says which keys there are.
"""

from __future__ import annotations

from .models import FileModel, Name, Names, is_name
from .problems import Place, Problem, ProblemsFoundError, Words, did_you_mean, shown, worded
from .reading import FileKind, located, read_document, read_text, refused

__all__ = [
    "FileKind",
    "FileModel",
    "Name",
    "Names",
    "Place",
    "Problem",
    "ProblemsFoundError",
    "Words",
    "did_you_mean",
    "is_name",
    "located",
    "read_document",
    "read_text",
    "refused",
    "shown",
    "worded",
]
