"""Everything about a saved folder and every fault of it; and the one repair that is possible."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from knnrouter.errors import DamagedStoreError, StoreError
from knnrouter.index import FaissIndex

from . import names
from .arrays import map_array
from .folder import add_file, locked, remove_files, replace_manifest
from .manifest import FORMAT_VERSION, Manifest, render
from .reading import file_fault, read, read_index, steadily
from .writing import telling_of_write_errors, undoing

__all__ = ["FileState", "StoreReport", "inspect", "repair"]


@dataclass(frozen=True, kw_only=True)
class FileState:
    """A data file that the manifest names."""

    role: str
    """What it holds: `records`, `scores`, `costs`, `vectors`, `index`, `estimator-…`."""
    name: str
    """Its name in the folder."""
    size: int
    """The bytes that it should have."""
    sha256: str
    """The checksum that it should have."""
    fault: str | None
    """What is wrong with it; None if nothing is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoreReport:
    """What `inspect` found in a folder."""

    folder: str
    """The path, as given."""
    manifest: Manifest | None
    """What the manifest says; None if it is damaged."""
    files: tuple[FileState, ...]
    """The files that the manifest names."""
    faults: tuple[str, ...]
    """Everything that keeps the router from being loaded, a sentence each."""
    repairable: bool
    """Whether there are faults, and `repair` can mend them all."""
    leftovers: tuple[str, ...]
    """Files of earlier or interrupted saves; of no use, removed by the next `save` or `repair`."""
    strangers: tuple[str, ...]
    """Files that are not of a saved router; never touched."""

    @property
    def ok(self) -> bool:
        """Whether the router can be loaded."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values for JSON, but for the probe texts and their vectors."""
        return {
            "folder": self.folder,
            "ok": self.ok,
            "faults": list(self.faults),
            "repairable": self.repairable,
            "leftovers": list(self.leftovers),
            "strangers": list(self.strangers),
            "files": [asdict(each) for each in self.files],
            "bytes": sum(each.size for each in self.files),
            **(_facts(self.manifest) if self.manifest else {}),
        }


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "knnrouter_version": manifest.knnrouter_version,
        "embedder": manifest.embedder,
        "dim": manifest.dim,
        "models": list(manifest.models),
        "rows": manifest.rows,
        "tasks": manifest.tasks,
        "text": manifest.text,
        "estimator": dict(manifest.settings),
    }


def inspect(folder: str | Path) -> StoreReport:
    """Look at everything in a saved folder, every byte of it, and report all that is wrong.

    Raises:
        MissingRouterError: There is no such folder, or no saved router in it.
        FormatVersionError: It was written in a newer format.
        StoreError: The folder cannot be read.
    """
    folder = Path(folder)
    found: list[StoreReport] = []

    def attempt(manifest: Manifest) -> None:
        found.append(_report(folder, manifest))
        if not found[-1].ok:  # then `steadily` looks again if a `save` got in between
            raise DamagedStoreError("; ".join(found[-1].faults))

    try:
        steadily(folder, attempt)
    except DamagedStoreError as error:
        return found[-1] if found else _report_without_manifest(folder, str(error))
    return found[-1]


def _report(folder: Path, manifest: Manifest) -> StoreReport:
    faults = {
        role: fault
        for role, entry in manifest.files.items()
        if (fault := file_fault(folder / entry.name, entry, full=True))
    }
    faults = faults or _content_faults(folder, manifest)
    others = set(os.listdir(folder)) - set(manifest.file_names)
    return StoreReport(
        folder=str(folder),
        manifest=manifest,
        files=tuple(
            FileState(
                role=role,
                name=entry.name,
                size=entry.size,
                sha256=entry.sha256,
                fault=faults.get(role),
            )
            for role, entry in manifest.files.items()
        ),
        faults=tuple(faults.values()),
        repairable=set(faults) == {"index"},
        leftovers=tuple(sorted(name for name in others if names.is_data(name))),
        strangers=tuple(sorted(name for name in others if not names.is_ours(name))),
    )


def _content_faults(folder: Path, manifest: Manifest) -> dict[str, str]:
    """What is wrong with files that are as they were written, by role."""
    try:
        index = read_index(folder, manifest)
    except DamagedStoreError as error:
        return {"index": str(error)}
    try:
        read(folder, manifest, index)
    except DamagedStoreError as error:
        return {"records": str(error)}
    return {}


def _report_without_manifest(folder: Path, fault: str) -> StoreReport:
    found = sorted(os.listdir(folder))
    return StoreReport(
        folder=str(folder),
        manifest=None,
        files=(),
        faults=(fault,),
        repairable=False,
        leftovers=(),
        strangers=tuple(name for name in found if not names.is_ours(name)),
    )


def repair(folder: str | Path) -> StoreReport:
    """Build a damaged or missing index again from the vectors, and remove leftovers.

    A sound folder stays as it is, but for the leftovers.

    Returns:
        The report on the folder as it is now.

    Raises:
        MissingRouterError: There is no such folder, or no saved router in it.
        FormatVersionError: It was written in a newer format.
        StoreError: More than the index is damaged, or the folder cannot be written; then nothing
            is changed.
    """
    folder = Path(folder)
    _check_repairable(inspect(folder))
    with telling_of_write_errors(folder), locked(folder):
        report = inspect(folder)  # again, now that nobody else may write
        manifest = _check_repairable(report)
        if report.faults:
            manifest = _with_new_index(folder, manifest)
        remove_files(folder, keep=manifest.file_names)
    return inspect(folder)


def _check_repairable(report: StoreReport) -> Manifest:
    if report.manifest is None or not (report.ok or report.repairable):
        raise StoreError(
            f"{report.folder} cannot be repaired: {'; '.join(report.faults)}; only an index can be "
            "built again, from sound vectors: put back a copy of the folder, or build the router "
            f"again: knnrouter build FILE --out {report.folder}"
        )
    return report.manifest


def _with_new_index(folder: Path, manifest: Manifest) -> Manifest:
    vectors = manifest.files["vectors"]
    content = FaissIndex(map_array(folder / vectors.name, vectors)).to_bytes()
    with undoing(folder):
        entry = add_file(folder, "index", lambda file: file.write(content))
        renewed = replace(manifest, files={**manifest.files, "index": entry})
        replace_manifest(folder, render(renewed))
    return renewed
