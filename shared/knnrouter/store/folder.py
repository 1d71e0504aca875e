"""A folder that is written so that a crash at any byte leaves it as it was, or as it shall be.

Content goes to a temporary name in the same folder, is flushed to the disk, and is renamed: a file
is there as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from knnrouter.errors import StoreError

from . import names
from .manifest import FileEntry

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["add_file", "hash_of", "locked", "remove_files", "replace_manifest"]

Write = Callable[[io.RawIOBase], object]
"""Writes a file's content to the file that it is given."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other `save` and `repair` out of a folder meanwhile; wait for them first.

    The operating system lets go of the lock when the process ends, however it ends. The lock file
    stays, unless work failed that would have been the first in the folder.
    """
    path = folder / names.LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)  # it goes too where somebody's first save fails
        with open(path, "ab") as file:
            _wait_for(file, path)
            if not _is_at(path, file):  # removed meanwhile: others would lock a new one
                continue
            try:
                yield
            except BaseException:
                _remove_lone(path)
                raise
            return


def _wait_for(lock: BinaryIO, path: Path) -> None:
    if sys.platform != "win32":  # no such lock there: see docs/reference/saved-folder.md
        import fcntl

        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # nobody can lock anything there
            _remove_lone(path)
            raise


def _remove_lone(lock: Path) -> None:
    """Remove a lock file that has nothing to guard."""
    with suppress(OSError):
        if os.listdir(lock.parent) == [lock.name]:
            os.unlink(lock)


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def add_file(folder: Path, role: str, write: Write) -> FileEntry:
    """Write a data file, under the name that its content gives it.

    Args:
        folder: An existing folder.
        role: What the file holds.
        write: Writes the content.

    Returns:
        Its name, size and checksum.

    Raises:
        OSError: It could not be written; an unfinished file may be left.
    """
    path = folder / names.unfinished_name()
    hashed = _write_down(path, write)
    entry = FileEntry(
        name=names.data_name(role, hashed.sha256), size=hashed.tell(), sha256=hashed.sha256
    )
    os.replace(path, folder / entry.name)
    return entry


def replace_manifest(folder: Path, content: bytes) -> None:
    """Make this the manifest; from then on the folder holds the new router."""
    path = folder / names.unfinished_name()
    _write_down(path, lambda file: file.write(content))
    _sync(folder)  # the names of the data files are on the disk before the manifest states them
    os.replace(path, folder / names.MANIFEST)
    _sync(folder)


def _write_down(path: Path, write: Write) -> _Hashed:
    """Write a new file, and wait until it is on the disk."""
    with open(path, "xb") as file:
        hashed = _Hashed(file)
        write(hashed)
        file.flush()
        os.fsync(file.fileno())
    return hashed


def _sync(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_files(folder: Path, *, keep: Collection[str]) -> None:
    """Remove the data files of ours that are not to be kept; never a file of anybody else.

    Raises:
        StoreError: One could not be removed.
    """
    for name in sorted(os.listdir(folder)):
        if names.is_data(name) and name not in keep:
            try:
                os.unlink(folder / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(
                    f"the router in {folder} is whole, but {name}, which does not belong to it and "
                    f"may hold text, could not be removed ({error.strerror}); delete it"
                ) from error


def hash_of(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Hashed(io.RawIOBase):
    """Passes on what is written, counts it, and takes its checksum on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def sha256(self) -> str:
        """The checksum of what was written so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: ReadableBuffer) -> int:
        self._hash.update(data)
        self._file.write(data)
        self._size += memoryview(data).nbytes
        return memoryview(data).nbytes
