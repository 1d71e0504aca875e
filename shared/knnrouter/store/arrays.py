"""Arrays as `.npy` files, which `numpy.load` reads too, written and mapped without any parsing.

The header of such a file follows from its type and shape, which the manifest states; so it is
compared, byte for byte, and never evaluated.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .folder import add_file
from .manifest import FileEntry

__all__ = ["add_array", "header", "map_array"]

_ALIGNMENT = 64


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    r"""The bytes before the numbers: version 1.0 of the format described in `numpy.lib.format`.

    Example:
        >>> header("<f4", (4, 2))[:16], len(header("<f4", (4, 2)))
        (b"\x93NUMPY\x01\x00v\x00{'desc", 128)
    """
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode("ascii")
    padding = -(10 + len(text) + 1) % _ALIGNMENT
    length = len(text) + padding + 1
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text + b" " * padding + b"\n"


def add_array(folder: Path, role: str, array: NDArray[np.generic]) -> FileEntry:
    """Write an array of numbers or bools as a file of a saved folder."""
    dtype, shape = array.dtype.str, array.shape

    def write(file: io.RawIOBase) -> None:
        file.write(header(dtype, shape))
        file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    return replace(add_file(folder, role, write), dtype=dtype, shape=shape)


def map_array(path: Path, entry: FileEntry) -> NDArray[Any]:
    """Map the numbers of a file into memory, read-only.

    Raises:
        ValueError: The header is not that of the stated type and shape.
        OSError: The file cannot be read.
    """
    assert entry.dtype is not None and entry.shape is not None
    expected = header(entry.dtype, entry.shape)
    with path.open("rb") as file:
        if file.read(len(expected)) != expected:
            raise ValueError(f"its header does not say {entry.dtype} {entry.shape}")
    mapped = np.memmap(path, dtype=entry.dtype, mode="r", offset=len(expected), shape=entry.shape)
    return np.asarray(mapped)
