"""What a format is, and a first look at a path, enough to tell which format it has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from knnrouter.errors import RecordsError
from knnrouter.records import RecordSet

from .files import Table, read_csv, read_json, read_jsonl, read_parquet
from .rows import ReadOptions

__all__ = ["Format", "Kind", "Source"]

Kind: TypeAlias = Literal["folder", "CSV", "JSON", "JSONL", "Parquet"]

_PARQUET_MAGIC = b"PAR1"
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Source:
    """A path that records are to be read from; looked at once, when first asked.

    Raises:
        RecordsError: If there is nothing at the path, or nothing in the file.
    """

    path: Path
    """A file or a folder."""
    encoding: str = "utf-8"
    """Of text files; a byte order mark is dropped."""

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise RecordsError(f"{self.path}: no such file or folder; check the path")
        if self.path.is_file() and self.path.stat().st_size == 0:
            raise RecordsError(f"{self.path}: the file is empty; give at least one row")

    @cached_property
    def kind(self) -> Kind:
        """What the path holds, by its first bytes rather than its name."""
        if self.path.is_dir():
            return "folder"
        head = _read_head(self.path)
        if head.startswith(_PARQUET_MAGIC) or self.path.suffix == ".parquet":
            return "Parquet"
        text = head.lstrip(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip()
        if text.startswith(b"["):
            return "JSON"
        if text.startswith(b"{"):
            return "JSON" if self.path.suffix == ".json" and not _one_a_line(text) else "JSONL"
        return "CSV"

    @cached_property
    def table(self) -> Table:
        """Its rows.

        Raises:
            RecordsError: If it is a folder, or cannot be read.
        """
        if self.kind == "folder":
            raise RecordsError(f"{self.path}: is a folder; name a file in it")
        if self.kind == "Parquet":
            return read_parquet(self.path)
        read = {"CSV": read_csv, "JSON": read_json, "JSONL": read_jsonl}[self.kind]
        return read(self.path, self.encoding)

    def beside(self, pattern: str) -> tuple[Path, ...]:
        """Files in the folder, or beside the file, whose names match a pattern; sorted."""
        folder = self.path if self.path.is_dir() else self.path.parent
        return tuple(sorted(folder.glob(pattern)))


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise RecordsError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _one_a_line(text: bytes) -> bool:
    """Whether the first line is a whole JSON object, as in JSONL."""
    try:
        json.loads(text.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format that `read_records` understands."""

    name: str
    """What `format=` takes."""
    looks_like: str
    """How to recognize it, in words."""
    fields: str
    """Its columns or keys, in words."""
    kinds: tuple[Kind, ...]
    """What its path can hold."""
    matches: Callable[[Source], bool]
    """Whether a source of one of these kinds has this format."""
    read: Callable[[Source, ReadOptions], RecordSet]
    """Makes records of a source."""
