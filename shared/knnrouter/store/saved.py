"""What a saved folder holds, as values; and whether an embedder is the one it was made with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnrouter.embedders.base import Embedder, checked_rows
from knnrouter.errors import EmbedderMismatchError, StoreError
from knnrouter.estimators import Setting
from knnrouter.index import FaissIndex
from knnrouter.records import RecordSet

from .names import is_array_name

__all__ = ["PROBE_TEXTS", "Saved", "check_probes"]

PROBE_TEXTS: tuple[str, ...] = (
    "What is the capital of France?",
    "def add(a, b):\n    return a + b",
    "Wie viele Äpfel bleiben übrig, wenn von zwölf fünf gegessen werden?",
    "请把这句话翻译成英文。",
    "A train leaves at 9:40 and arrives at 13:05, and stops four times for six minutes each. "
    "Write down the time that it is really moving, in minutes; then its mean speed over 287 km, "
    "rounded to one decimal. " * 4,
)
"""Fixed texts whose vectors are saved: they show whether an embedder still is the same."""

_PROBE_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Saved:
    """The parts of a router that are saved: `n` rows, `m` models, `d` dimensions.

    Raises:
        StoreError: If the parts do not fit together, or a setting or array cannot be saved; it
            names everything that is wrong.
    """

    records: RecordSet
    """The evidence; `n` rows. Its `vectors`, where it has any, are equal to `vectors`."""
    vectors: NDArray[np.float32]
    """The unit row of each record; shape (n, d)."""
    index: FaissIndex
    """An index over `vectors`."""
    embedder: str
    """The id of the embedder that made `vectors`."""
    settings: Mapping[str, Setting]
    """The estimator's settings: texts and finite numbers."""
    arrays: Mapping[str, NDArray[np.generic]]
    """The estimator's arrays; names of lower-case letters, digits and underscores."""
    probes: NDArray[np.float32]
    """The embedder's rows of `probe_texts`; shape (p, d)."""
    probe_texts: tuple[str, ...] = PROBE_TEXTS
    """`p` fixed texts."""

    def __post_init__(self) -> None:
        faults = [*_shape_faults(self), *_estimator_faults(self)]
        if faults:
            raise StoreError(f"this is no router that can be saved: {'; '.join(faults)}")


def _shape_faults(saved: Saved) -> Iterator[str]:
    rows, dim = len(saved.records), saved.index.dim
    if saved.vectors.shape != (rows, dim):
        yield f"vectors have shape {saved.vectors.shape}; records and index make it {(rows, dim)}"
    if len(saved.index) != rows:
        yield f"the index has {len(saved.index)} rows for {rows} records; build it from the vectors"
    if saved.probes.shape != (len(saved.probe_texts), dim):
        yield (
            f"probes have shape {saved.probes.shape}, not {(len(saved.probe_texts), dim)}; "
            "embed PROBE_TEXTS"
        )
    own = saved.records.vectors
    if own is not None and (
        saved.records.embedder != saved.embedder or not np.array_equal(own, saved.vectors)
    ):
        yield "the vectors of the records are not those of the router; give the same ones"


def _estimator_faults(saved: Saved) -> Iterator[str]:
    for name, value in saved.settings.items():
        if not (isinstance(value, str) or _is_finite(value)):
            yield f"setting {name!r} is {value!r}; only texts and finite numbers are saved"
    for name, array in saved.arrays.items():
        if not is_array_name(name):
            yield f"array {name!r}: its name must be a-z, 0-9 and _, 64 at most, a letter first"
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            yield f"array {name!r} has type {array.dtype}; only plain numbers and bools are saved"


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def check_probes(saved: Saved, embedder: Embedder) -> None:
    """Check that an embedder is the one that the saved vectors come from.

    Args:
        saved: What `load` gave.
        embedder: The embedder that queries shall be embedded with.

    Raises:
        EmbedderMismatchError: Its id or dimension is another, or it embeds a probe text to a row
            whose cosine to the saved one is below 1 - 1e-4. A row of zeros equals only itself.
        EmbedderError: It returned something else than rows.
    """
    if embedder.id != saved.embedder:
        raise EmbedderMismatchError(
            f"the saved vectors come from the embedder {saved.embedder!r}, and this one is "
            f"{embedder.id!r}; their rows cannot be compared: {_what_to_do(saved)}"
        )
    dim = saved.vectors.shape[1]
    if embedder.dim != dim:
        raise EmbedderMismatchError(
            f"embedder {embedder.id!r} has dimension {embedder.dim}, and the saved vectors have "
            f"{dim}: {_what_to_do(saved)}"
        )
    count = len(saved.probe_texts)
    fresh = checked_rows(
        embedder.embed(saved.probe_texts), count=count, dim=dim, source=f"embedder {embedder.id!r}"
    )
    cosines = _cosines(fresh.astype(np.float64), saved.probes.astype(np.float64))
    if not (cosines >= 1 - _PROBE_TOLERANCE).all():  # so that NaN is a mismatch too
        _refuse(saved, cosines)


def _cosines(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row by row; shape (p,); 1 for two rows of zeros."""
    products = np.einsum("pd,pd->p", one, other)
    both_zero = ~one.any(axis=1) & ~other.any(axis=1)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.where(both_zero, 1.0, products / np.where(lengths == 0, 1.0, lengths))


def _refuse(saved: Saved, cosines: NDArray[np.float64]) -> None:
    worst = int(np.argmin(np.nan_to_num(cosines, nan=-2.0)))
    text = saved.probe_texts[worst]
    wrong = int((~(cosines >= 1 - _PROBE_TOLERANCE)).sum())
    raise EmbedderMismatchError(
        f"embedder {saved.embedder!r} has the right name, but embeds {wrong} of {len(cosines)} "
        f"probe texts otherwise than when the router was saved: {text[:40]!r} with cosine "
        f"{cosines[worst]:.6f} to its saved row, where 1 within {_PROBE_TOLERANCE:g} is the same; "
        f"its weights or settings must have changed: {_what_to_do(saved)}"
    )


def _what_to_do(saved: Saved) -> str:
    return (
        f"load with embedder= the one named {saved.embedder!r} as it was then, or build the router "
        "again with the one at hand"
    )
