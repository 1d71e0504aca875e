"""A saved folder to values, after checking what is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from numpy.typing import NDArray

from knnrouter.errors import DamagedStoreError, MissingRouterError, RecordsError, StoreError
from knnrouter.index import FaissIndex
from knnrouter.records import RecordSet

from . import names
from .arrays import map_array
from .folder import hash_of
from .manifest import FileEntry, Manifest, parse
from .saved import Saved

__all__ = ["Verify", "damage", "file_fault", "load", "read", "read_index", "steadily"]

Verify = Literal["auto", "full", "fast"]
"""How much `load` checks."""

_SMALL = 256 * 2**20
"""Bytes of data files below which "auto" checks everything."""

_T = TypeVar("_T")


def load(folder: str | Path, *, verify: Verify = "auto") -> Saved:
    """Read what `save` wrote; the arrays are mapped into memory, not copied.

    While another process saves to the folder, this gives the old router or the new one.

    Args:
        folder: A saved folder.
        verify: "full" checks the sha256 of every file; "fast" all but that: the manifest, sizes,
            and the types and shapes of arrays; "auto" is full below 256 MB, else fast.

    Raises:
        MissingRouterError: There is no such folder, or no saved router in it.
        FormatVersionError: It was written in a newer format.
        DamagedStoreError: A file is missing or is not what was written; it names every such file.
        StoreError: The folder cannot be read.
    """
    if verify not in ("auto", "full", "fast"):
        raise ValueError(f'verify is {verify!r}; give "auto", "full" or "fast"')
    folder = Path(folder)

    def attempt(manifest: Manifest) -> Saved:
        size = sum(entry.size for entry in manifest.files.values())
        full = verify == "full" or (verify == "auto" and size < _SMALL)
        _check_files(folder, manifest, full=full)
        return read(folder, manifest, read_index(folder, manifest))

    return steadily(folder, attempt)


def steadily(folder: Path, attempt: Callable[[Manifest], _T]) -> _T:
    """Do something with a folder's manifest; do it again where a `save` got in between."""
    while True:
        raw = _manifest_bytes(folder)
        manifest = parse(raw, place=str(folder / names.MANIFEST))
        try:
            return attempt(manifest)
        except DamagedStoreError:
            if _manifest_bytes(folder) == raw:
                raise


def _manifest_bytes(folder: Path) -> bytes:
    advice = "make one with: knnrouter build FILE --out FOLDER"
    if not folder.exists():
        raise MissingRouterError(f"there is no folder {folder}; {advice}")
    if not folder.is_dir():
        raise MissingRouterError(f"{folder} is a file, not the folder of a saved router; {advice}")
    try:
        return (folder / names.MANIFEST).read_bytes()
    except FileNotFoundError as error:
        found = sorted(path.name for path in folder.iterdir())
        shown = ", ".join(found[:3]) + (" and more" if len(found) > 3 else "")
        raise MissingRouterError(
            f"{folder} holds no saved router: no {names.MANIFEST}, only {shown or 'nothing'}; "
            f"{advice}"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{folder / names.MANIFEST} cannot be read ({error.strerror}); check who may read it"
        ) from error


def _check_files(folder: Path, manifest: Manifest, *, full: bool) -> None:
    faults = {
        role: fault
        for role, entry in manifest.files.items()
        if (fault := file_fault(folder / entry.name, entry, full=full))
    }
    if faults:
        raise DamagedStoreError(damage(folder, faults))


def damage(folder: Path, faults: Mapping[str, str]) -> str:
    """What is wrong with the files of a folder, by role, and what to do."""
    if set(faults) == {"index"}:
        advice = f"rebuild it from the vectors: knnrouter inspect {folder} --repair"
    else:
        advice = (
            "put back a copy of the folder, or build the router again: knnrouter build FILE --out "
            f"{folder}"
        )
    return f"{folder} is damaged: {'; '.join(faults.values())}; {advice}"


def file_fault(path: Path, entry: FileEntry, *, full: bool) -> str | None:
    """What is wrong with a data file; None if nothing is. Only `full` looks at its content."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            return f"{entry.name} is no file"
        if size != entry.size:
            return f"{entry.name} has {size:,} bytes, not the {entry.size:,} that were written"
        if full and hash_of(path) != entry.sha256:
            return f"the content of {entry.name} is not what was written"
    except FileNotFoundError:
        return f"{entry.name} is missing"
    except OSError as error:
        return f"{entry.name} cannot be read ({error.strerror})"
    return None


def read_index(folder: Path, manifest: Manifest) -> FaissIndex:
    """Read the index.

    Raises:
        DamagedStoreError: It cannot be read, or it is of another size than the records.
    """
    name = manifest.files["index"].name
    try:
        index = FaissIndex.read(folder / name)
    except MemoryError as error:  # a damaged length asks for more than there is
        fault = f"{name} is no index that fits into memory"
        raise DamagedStoreError(damage(folder, {"index": fault})) from error
    found, stated = (len(index), index.dim), (manifest.rows, manifest.dim)
    if found != stated:
        fault = f"the index has {found} rows and dimensions, not {stated}"
        raise DamagedStoreError(damage(folder, {"index": fault}))
    return index


def read(folder: Path, manifest: Manifest, index: FaissIndex) -> Saved:
    """Read the files of a manifest, which have the right sizes.

    Raises:
        DamagedStoreError: A file holds something else than it should.
    """
    arrays = {
        role: _array(folder, role, entry)
        for role, entry in manifest.files.items()
        if role not in ("records", "index")
    }
    return Saved(
        records=_records(folder, manifest, arrays),
        vectors=arrays["vectors"],
        index=index,
        embedder=manifest.embedder,
        settings=manifest.settings,
        arrays={name: arrays[names.ESTIMATOR + name] for name in manifest.array_names},
        probes=manifest.probes,
        probe_texts=manifest.probe_texts,
    )


def _array(folder: Path, role: str, entry: FileEntry) -> NDArray[Any]:
    try:
        return map_array(folder / entry.name, entry)
    except (ValueError, OSError) as error:
        fault = f"{entry.name} is not the array that was written ({error})"
        raise DamagedStoreError(damage(folder, {role: fault})) from error


def _records(folder: Path, manifest: Manifest, arrays: Mapping[str, NDArray[Any]]) -> RecordSet:
    from knnrouter.records.parquet import read_parquet

    name = manifest.files["records"].name
    beside = {role: arrays[role] for role in ("scores", "costs", "vectors")}
    try:
        records = read_parquet(folder / name, beside=beside)
    except RecordsError as error:
        fault = f"{name} and the arrays do not make records ({error})"
        raise DamagedStoreError(damage(folder, {"records": fault})) from error
    if records.models != manifest.models:
        fault = f"{name} holds other models than {names.MANIFEST}"
        raise DamagedStoreError(damage(folder, {"records": fault}))
    return records
