"""The arrays of a saved blend, checked before they are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["checked"]

Floats = NDArray[np.float64]

_FINITE = (
    *("center", "marks", "mark_surfaces", "grand", "gains", "variances"),
    *("task_center", "task_projection", "task_means", "task_log_parts"),
)
"""Arrays without NaN and infinity; the others hold some where a model was never measured, where a
feature is the same in all rows, or where no query is taken for new."""


def checked(
    arrays: Mapping[str, NDArray[np.generic]], *, rows: int, dim: int, models: int
) -> dict[str, Floats]:
    """The arrays as numbers, if their shapes fit one another and the evidence.

    Args:
        arrays: What `Readout.arrays` gave.
        rows: How many rows the evidence has.
        dim: The length of its vectors.
        models: How many models it has.

    Raises:
        KeyError: An array is missing.
        ValueError: An array has another shape, or holds what was never saved.
    """
    found = {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}
    for name, shape in _shapes(found, dim, models):
        if found[name].shape != shape:
            raise ValueError(f"`{name}` has shape {found[name].shape}, not {shape}")
        if name in _FINITE and not np.isfinite(found[name]).all():
            raise ValueError(f"`{name}` holds NaN or infinity")
    if not ((found["marks"] >= 0) & (found["marks"] < rows)).all():
        raise ValueError(f"`marks` names rows outside [0, {rows})")
    parts = found["targets"][1]
    told = np.append(parts != 0, np.ones(found["gains"].size, dtype=bool))
    for name in ("columns", "offsets", "targets"):
        if not np.isfinite(found[name][:, told[: found[name].shape[1]]]).all():
            raise ValueError(f"`{name}` holds NaN or infinity for what was measured")
    for name in ("surface_scale", "task_sharpness"):
        if name in found and np.isnan(found[name]).any():
            raise ValueError(f"`{name}` holds NaN")
    return found


def _shapes(
    found: Mapping[str, Floats], dim: int, models: int
) -> Iterable[tuple[str, tuple[int, ...]]]:
    """The shape that each array must have, by what others say of how many there are of each."""
    marks, gains = found["marks"].size, found["gains"].size
    surfaces = found["mark_surfaces"].size // max(marks, 1)
    tasks = 0
    if any(name.startswith("task_") for name in found):
        tasks = found["task_log_parts"].size
        matter = found["task_means"].size // max(tasks, 1)
        yield "task_center", (dim + surfaces,)
        yield "task_projection", (dim + surfaces, matter)
        yield "task_means", (tasks, matter)
        yield "task_log_parts", (tasks,)
        yield "task_sharpness", (2,)
    yield "center", (dim + 1,)
    yield "surface_scale", (2, surfaces)
    yield "marks", (marks,)
    yield "mark_surfaces", (marks, surfaces)
    yield "columns", (1 + tasks + marks, models + 1 + gains)
    yield "offsets", (3, models + 1 + gains)
    yield "grand", (1,)
    yield "targets", (2, models + 1)
    yield "gains", (gains,)
    yield "variances", (3,)
