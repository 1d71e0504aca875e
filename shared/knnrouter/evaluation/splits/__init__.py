"""What to learn from and what to test on; what belongs together never stands on both sides.

Rows of the same text belong together, and so do rows of one group (see `RecordSet.groups`), rows
that are nearly the same where `near` is given, and all rows that are linked by these: see
`kinship`. What then happens to kin of both sides is each split's own rule.
"""

from __future__ import annotations

from .base import Split, TaskSplit
from .by_task import few_shot, leave_one_task_out
from .by_time import temporal
from .kin import Near, kinship
from .shuffled import draw, k_fold, random_split

__all__ = [
    "Near",
    "Split",
    "TaskSplit",
    "draw",
    "few_shot",
    "k_fold",
    "kinship",
    "leave_one_task_out",
    "random_split",
    "temporal",
]
