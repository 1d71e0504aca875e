"""`manifest.json`: what a saved folder holds, with the size and checksum of every file.

The last line of the file is the sha256 of all bytes before that line, so that a change of any byte
is noticed. `kind`, `format_version` and that line keep their meaning in every future format.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import DamagedStoreError, FormatVersionError, MissingRouterError
from knnrouter.estimators import Setting

from . import names

__all__ = ["FORMAT_VERSION", "FileEntry", "Manifest", "is_manifest", "parse", "render"]

FORMAT_VERSION = 1
"""The format that this version writes, and the newest that it reads."""

_KIND = "knnrouter router"
_MARKS = (f'"kind": "{_KIND}"'.encode(), b'"knnrouter_version": ')
"""Either is enough to know a manifest by, so that no one changed byte hides what it is."""

_ARRAY_TYPE = re.compile(r"\|b1|\|[iu]1|[<>][iuf][248]")
_LAST_LINE = re.compile(rb'  "sha256": "([0-9a-f]{64})"\n\}\n\Z')
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """What the manifest says of one data file."""

    name: str
    """Its name in the folder: its role, the first 16 digits of its sha256, an ending."""
    size: int
    """Its bytes."""
    sha256: str
    """The checksum of its content, 64 hexadecimal digits."""
    dtype: str | None = None
    """The type of its numbers, as numpy spells it (`<f4`); None for what is no array."""
    shape: tuple[int, ...] | None = None
    """The shape of the array; None for what is no array."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Manifest:
    """All that the manifest says."""

    knnrouter_version: str
    """The version that wrote it."""
    embedder: str
    """The id of the embedder."""
    dim: int
    """The dimension of its vectors, `d`."""
    probe_texts: tuple[str, ...]
    """`p` fixed texts."""
    probes: NDArray[np.float32]
    """Their vectors; shape (p, d)."""
    models: tuple[str, ...]
    """The columns of the records."""
    rows: int
    """How many records."""
    tasks: int
    """How many different tasks are named."""
    text: bool
    """Whether any record's text is in the folder."""
    settings: Mapping[str, Setting]
    """The estimator's settings."""
    files: Mapping[str, FileEntry]
    """The data files by role."""

    @property
    def array_names(self) -> tuple[str, ...]:
        """The names of the estimator's arrays."""
        roles = (role for role in self.files if role.startswith(names.ESTIMATOR))
        return tuple(role.removeprefix(names.ESTIMATOR) for role in roles)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of the data files."""
        return tuple(entry.name for entry in self.files.values())


def render(manifest: Manifest) -> bytes:
    """The manifest as the bytes of its file."""
    content = {
        "kind": _KIND,
        "format_version": FORMAT_VERSION,
        "knnrouter_version": manifest.knnrouter_version,
        "embedder": {
            "id": manifest.embedder,
            "dim": manifest.dim,
            "probes": [
                {"text": text, "vector": [float(f"{x:.9g}") for x in row]}  # 9 digits are exact
                for text, row in zip(manifest.probe_texts, manifest.probes, strict=True)
            ],
        },
        "models": list(manifest.models),
        "counts": {"rows": manifest.rows, "tasks": manifest.tasks},
        "text": manifest.text,
        "estimator": dict(manifest.settings),
        "files": {role: _entry_content(entry) for role, entry in manifest.files.items()},
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in content.items()]
    head = "".join(["{\n", *lines]).encode("ascii")
    return head + f'  "sha256": "{hashlib.sha256(head).hexdigest()}"\n}}\n'.encode("ascii")


def _entry_content(entry: FileEntry) -> dict[str, object]:
    content: dict[str, object] = {
        "name": entry.name,
        "size": entry.size,
        "sha256": entry.sha256,
    }
    if entry.dtype is not None and entry.shape is not None:
        content |= {"dtype": entry.dtype, "shape": list(entry.shape)}
    return content


def is_manifest(raw: bytes) -> bool:
    """Whether this is a manifest of ours, be it damaged or of another format."""
    return any(mark in raw for mark in _MARKS)


def parse(raw: bytes, *, place: str) -> Manifest:
    """Read a manifest and check everything in it.

    Args:
        raw: The bytes of the file.
        place: The path of the file, for messages.

    Raises:
        MissingRouterError: It is no manifest of ours.
        FormatVersionError: It was written in a newer format.
        DamagedStoreError: It is not as it was written, or says what cannot be.
    """
    content = _content(raw, place)
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{place} has format version {version}, and this version of knnrouter reads up to "
            f"{FORMAT_VERSION}; upgrade it (pip install -U knnrouter), or build the router again"
        )
    last = _LAST_LINE.search(raw)
    if last is None or hashlib.sha256(raw[: last.start()]).hexdigest() != last[1].decode():
        raise DamagedStoreError(_damaged(place, "its bytes do not give its own `sha256`"))
    faults = list(_mismatches(content, _CONTENT, "")) or list(_uneven(content))
    if not faults:
        manifest = _manifest(content)
        faults = list(_contradictions(manifest))
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise DamagedStoreError(_damaged(place, "; ".join(faults[:_SHOWN]) + more))
    return manifest


def _content(raw: bytes, place: str) -> dict[str, Any]:
    """The JSON object in the file, once it is known to be ours."""
    try:
        content = json.loads(raw)
        reason = f'it has no "kind": "{_KIND}"'
    except (ValueError, RecursionError) as error:
        content, reason = None, f"it is no JSON ({error})"
    if isinstance(content, dict) and content.get("kind") == _KIND:
        return content
    if is_manifest(raw):
        raise DamagedStoreError(_damaged(place, reason))
    raise MissingRouterError(
        f"{place} is not the manifest of a saved router: {reason}; give the folder that "
        "`knnrouter build FILE --out FOLDER` or Router.save wrote"
    )


def _damaged(place: str, reason: str) -> str:
    return (
        f"{place} is damaged: {reason}; put back a copy of the folder, or build the router again: "
        "knnrouter build FILE --out FOLDER"
    )


@dataclass(frozen=True)
class _MapOf:
    """A JSON object with any keys, and values of one shape."""

    values: Any


_CONTENT = {
    "knnrouter_version": str,
    "format_version": int,
    "embedder": {"id": str, "dim": int, "probes": [{"text": str, "vector": [float]}]},
    "models": [str],
    "counts": {"rows": int, "tasks": int},
    "text": bool,
    "estimator": _MapOf((str, int, float)),
    "files": _MapOf({"name": str, "size": int, "sha256": str}),
}
"""The keys of the manifest and the types of their values, checked by `_mismatches`."""


def _mismatches(value: Any, wanted: Any, where: str) -> Iterator[str]:  # noqa: ANN401  # JSON
    """Each place where a JSON value has another shape than wanted."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        for key, inner in wanted.items():
            if key in value:
                yield from _mismatches(value[key], inner, f"{where}.{key}")
            else:
                yield f"key `{f'{where}.{key}'[1:]}` is missing"
    elif isinstance(wanted, _MapOf) and isinstance(value, dict):
        for key, item in value.items():
            yield from _mismatches(item, wanted.values, f"{where}.{key}")
    elif isinstance(wanted, list) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _mismatches(item, wanted[0], f"{where}.{number}")
    elif not _is_of(wanted, value):
        yield f"key `{where[1:]}` is {value!r:.40}; it must be {_spelled(wanted)}"


def _spelled(wanted: Any) -> str:  # noqa: ANN401  # as in `_CONTENT`
    if isinstance(wanted, dict | _MapOf):
        return "an object"
    if isinstance(wanted, list):
        return "a list"
    names_of = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    return str(names_of.get(wanted, "a text or a number"))


def _is_of(wanted: Any, value: Any) -> bool:  # noqa: ANN401  # JSON
    if isinstance(value, bool) and wanted is int:
        return False  # which it is to Python
    return isinstance(wanted, type | tuple) and isinstance(value, wanted)


def _uneven(content: dict[str, Any]) -> Iterator[str]:
    dim = content["embedder"]["dim"]
    if dim < 1 or any(len(probe["vector"]) != dim for probe in content["embedder"]["probes"]):
        yield f"the probe vectors do not have the embedder's dimension, {dim}"


def _manifest(content: dict[str, Any]) -> Manifest:
    embedder = content["embedder"]
    vectors = [probe["vector"] for probe in embedder["probes"]]
    return Manifest(
        knnrouter_version=content["knnrouter_version"],
        embedder=embedder["id"],
        dim=embedder["dim"],
        probe_texts=tuple(probe["text"] for probe in embedder["probes"]),
        probes=np.array(vectors, np.float32).reshape(-1, embedder["dim"]),
        models=tuple(content["models"]),
        rows=content["counts"]["rows"],
        tasks=content["counts"]["tasks"],
        text=content["text"],
        settings=content["estimator"],
        files={role: _entry(entry) for role, entry in content["files"].items()},
    )


def _entry(content: dict[str, Any]) -> FileEntry:
    shape = content.get("shape")
    return FileEntry(
        name=content["name"],
        size=content["size"],
        sha256=content["sha256"],
        dtype=content.get("dtype"),
        shape=tuple(shape) if isinstance(shape, list) else None,
    )


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """What the manifest says of one thing here and otherwise there."""
    for role in names.ROLES:
        if role not in manifest.files:
            yield f"no file has the role `{role}`"
    for role, entry in manifest.files.items():
        known = role in names.ROLES or names.is_array_name(role.removeprefix(names.ESTIMATOR))
        if not known or entry.name != names.data_name(role, entry.sha256):
            yield f"the file of `{role}` cannot be called {entry.name!r:.80}"
        if (role not in ("records", "index")) and not _is_array(entry):
            yield f"`{role}` cannot be an array of type {entry.dtype!r} and shape {entry.shape!r}"
    for role, stated in _array_types(manifest).items():
        found = manifest.files.get(role)
        if found is not None and (found.dtype, found.shape) != stated:
            yield f"`{role}` is {found.dtype} {found.shape}; the counts make it {stated}"


def _is_array(entry: FileEntry) -> bool:
    return (
        isinstance(entry.dtype, str)
        and _ARRAY_TYPE.fullmatch(entry.dtype) is not None
        and entry.shape is not None
        and all(isinstance(length, int) and length >= 0 for length in entry.shape)
    )


def _array_types(manifest: Manifest) -> dict[str, tuple[str, tuple[int, ...]]]:
    cells = (manifest.rows, len(manifest.models))
    return {
        "scores": ("<f4", cells),
        "costs": ("<f8", cells),
        "vectors": ("<f4", (manifest.rows, manifest.dim)),
    }
