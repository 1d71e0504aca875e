"""The names of the files in a saved folder: which are ours, and which content they stand for."""

from __future__ import annotations

import re
import secrets

__all__ = [
    "ESTIMATOR",
    "LOCK",
    "MANIFEST",
    "ROLES",
    "data_name",
    "is_array_name",
    "is_data",
    "is_ours",
    "unfinished_name",
]

MANIFEST = "manifest.json"
LOCK = ".knnrouter.lock"

ROLES = {
    "records": "parquet",
    "scores": "npy",
    "costs": "npy",
    "vectors": "npy",
    "index": "faiss",
}
"""What every saved router has a file for, and the ending of its name."""

ESTIMATOR = "estimator-"
"""What the role of an estimator's array starts with; the array's name follows."""

_HASH_DIGITS = 16
_ARRAY_NAME = r"[a-z][a-z0-9_]{0,63}"
_DATA = re.compile(
    "|".join(
        rf"{role}-[0-9a-f]{{{_HASH_DIGITS}}}\.{ending}"
        for role, ending in {**ROLES, ESTIMATOR + _ARRAY_NAME: "npy"}.items()
    )
)
_UNFINISHED = re.compile(r"unfinished-[0-9a-f]{16}\.tmp")


def data_name(role: str, sha256: str) -> str:
    """The name of the file with a role and a content.

    Example:
        >>> data_name("estimator-task_of", "0123456789abcdef" * 4)
        'estimator-task_of-0123456789abcdef.npy'
    """
    return f"{role}-{sha256[:_HASH_DIGITS]}.{ROLES.get(role, 'npy')}"


def unfinished_name() -> str:
    """A new name for a file that is still being written."""
    return f"unfinished-{secrets.token_hex(8)}.tmp"


def is_array_name(name: str) -> bool:
    """Whether an estimator's array of this name can be saved.

    Example:
        >>> is_array_name("task_of"), is_array_name("../task_of")
        (True, False)
    """
    return re.fullmatch(_ARRAY_NAME, name) is not None


def is_data(name: str) -> bool:
    """Whether a file of this name is a data file of ours, whole or unfinished.

    Example:
        >>> is_data("vectors-0123456789abcdef.npy"), is_data("vectors.npy")
        (True, False)
    """
    return bool(_DATA.fullmatch(name) or _UNFINISHED.fullmatch(name))


def is_ours(name: str) -> bool:
    """Whether a file of this name belongs to a saved folder.

    Example:
        >>> is_ours("manifest.json"), is_ours("holiday.jpg")
        (True, False)
    """
    return name in (MANIFEST, LOCK) or is_data(name)
