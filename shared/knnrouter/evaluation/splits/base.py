"""Two sides: rows to learn from, rows to test on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "TaskSplit"]


class Split(NamedTuple):
    """Row numbers, ascending."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


class TaskSplit(NamedTuple):
    """A task that is tested, and its row numbers, ascending."""

    task: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]
