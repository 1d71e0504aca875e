"""Saved values to a folder."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knnrouter.errors import DamagedStoreError, MissingRouterError, StoreError

from . import names
from .arrays import add_array
from .folder import add_file, locked, remove_files, replace_manifest
from .manifest import FileEntry, Manifest, is_manifest, parse, render
from .saved import Saved

__all__ = ["check_target", "save", "telling_of_write_errors", "undoing"]


def save(folder: str | Path, saved: Saved, *, keep_queries: bool = True) -> None:
    """Write a router to a folder; a crash at any moment leaves the old one or the new one.

    Of several that save to one folder at once, one after the other writes, and the last one's
    router stays.

    Args:
        folder: New, empty, or a saved router, which is replaced; parents are made.
        saved: What to write.
        keep_queries: Whether the text of the records is written. Without it preferences and notes,
            which quote texts, are left out too, and the vectors become the records' own. Ids,
            tasks and groups stay.

    Raises:
        StoreError: It is a file, it holds something else, or it cannot be written. Nothing that was
            saved there before is lost.
        FormatVersionError: It holds a router of a newer format.
    """
    folder = Path(folder)
    kept = saved if keep_queries else _without_text(saved)
    with telling_of_write_errors(folder):
        _check_is_for_us(folder)
        with _made(folder), locked(folder):
            with undoing(folder):
                manifest = _write(folder, kept)
            remove_files(folder, keep=manifest.file_names)


def check_target(folder: str | Path) -> None:
    """Check that `save` would take a folder, before the work of making a router for it.

    Args:
        folder: As for `save`; nothing is made or changed.

    Raises:
        StoreError: It is a file, it holds something else, or it cannot be read.
        FormatVersionError: It holds a router of a newer format.
    """
    folder = Path(folder)
    with telling_of_write_errors(folder):
        _check_is_for_us(folder)


def _without_text(saved: Saved) -> Saved:
    records = replace(
        saved.records,
        queries=(None,) * len(saved.records),
        preferences=(),
        notes=(),
        vectors=saved.vectors,
        embedder=saved.embedder,
    )
    return replace(saved, records=records)


def _write(folder: Path, saved: Saved) -> Manifest:
    from knnrouter import __version__

    records = saved.records
    manifest = Manifest(
        knnrouter_version=__version__,
        embedder=saved.embedder,
        dim=saved.index.dim,
        probe_texts=saved.probe_texts,
        probes=saved.probes,
        models=records.models,
        rows=len(records),
        tasks=len({task for task in records.tasks if task is not None}),
        text=any(query is not None for query in records.queries),
        settings=saved.settings,
        files=_write_data(folder, saved),
    )
    replace_manifest(folder, render(manifest))
    return manifest


def _write_data(folder: Path, saved: Saved) -> dict[str, FileEntry]:
    arrays: dict[str, NDArray[np.generic]] = {
        "scores": saved.records.scores,
        "costs": saved.records.costs,
        "vectors": np.asarray(saved.vectors, dtype=np.float32),
        **{names.ESTIMATOR + name: array for name, array in saved.arrays.items()},
    }
    files = {"records": add_file(folder, "records", _parquet_writer(saved))}
    for role, array in arrays.items():
        files[role] = add_array(folder, role, array)
    files["index"] = add_file(folder, "index", lambda file: file.write(saved.index.to_bytes()))
    return files


def _parquet_writer(saved: Saved) -> Callable[[io.RawIOBase], None]:
    import pyarrow.parquet as pq

    from knnrouter.records.parquet import to_table

    try:
        table = to_table(saved.records, leave_out=("scores", "costs", "vectors"))
    except UnicodeEncodeError as error:
        raise StoreError(
            f"the records hold {error.object[:40]!r}, which is no text that can be stored "
            f"({error.reason}); remove the broken characters from ids, queries, tasks and groups"
        ) from error

    def write(file: io.RawIOBase) -> None:
        pq.write_table(table, file)

    return write


def _check_is_for_us(folder: Path) -> None:
    """Refuse a folder that holds anything but a saved router, or the beginning of one."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file; give the name of a folder to save the router in")
    raw = b""
    with suppress(FileNotFoundError, IsADirectoryError):
        raw = (folder / names.MANIFEST).read_bytes()
    if is_manifest(raw):
        with suppress(DamagedStoreError, MissingRouterError):  # but not of a newer format
            parse(raw, place=str(folder / names.MANIFEST))
        return
    strangers = _strangers(folder)
    if strangers:
        shown = ", ".join(sorted(strangers)[:3])
        raise StoreError(
            f"{folder} is not empty and is no saved router: it holds {shown}"
            f"{' and more' if len(strangers) > 3 else ''}; give a new or empty folder"
        )


def _strangers(folder: Path) -> list[str]:
    """The files that are not ours, in a folder whose manifest does not say that it is."""
    found = os.listdir(folder)
    strangers = [name for name in found if not names.is_ours(name)]
    if names.MANIFEST in found:
        beside_data = not strangers and any(map(names.is_data, found))  # so it was ours once
        if not beside_data or (folder / names.MANIFEST).is_dir():
            strangers.append(names.MANIFEST)
    return strangers


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; where writing fails, remove those that it made."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with suppress(OSError):  # such as: somebody else has put something there
            for path in missing:
                path.rmdir()
        raise


@contextmanager
def undoing(folder: Path) -> Iterator[None]:
    """Where writing fails, remove what was written, but nothing that the manifest there names."""
    before = {name for name in os.listdir(folder) if names.is_data(name)}
    try:
        yield
    except BaseException:
        with suppress(OSError, StoreError):  # the first error matters; the next save tries again
            manifest = parse((folder / names.MANIFEST).read_bytes(), place="")
            before |= set(manifest.file_names)
        with suppress(OSError, StoreError):
            remove_files(folder, keep=before)
        raise


@contextmanager
def telling_of_write_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system says into an error that says what to do."""
    try:
        yield
    except StoreError:
        raise  # some are an OSError too
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space" if full else "check the path and who may write there"
        raise StoreError(
            f"{folder} cannot be written ({error.strerror or error}); what was saved there before "
            f"is still whole: {advice}, or save to another folder"
        ) from error
