"""How well a router chooses, beside what it must be compared with.

Everything here works on plain arrays of what was measured, one row a query, so that it serves any
router: curves of two models, reference choices, folds that do not leak, intervals.
"""

from __future__ import annotations

from .bootstrap import Interval, bootstrap, paired_bootstrap
from .curves import Curve, apgr, cpt, pgr, strong_fraction_curve
from .lint import Finding, LintReport, lint
from .near import Nearest, near_pairs, nearest_in
from .perturbations import PERTURBATIONS, Perturbation, named_perturbations
from .references import best_single, by_length, query_oracle, random, scored, task_oracle
from .robustness import Flip, Robustness, Stability, flip_rate, robustness
from .splits import (
    Split,
    TaskSplit,
    draw,
    few_shot,
    k_fold,
    kinship,
    leave_one_task_out,
    random_split,
    temporal,
)

__all__ = [
    "PERTURBATIONS",
    "Curve",
    "Finding",
    "Flip",
    "Interval",
    "LintReport",
    "Nearest",
    "Perturbation",
    "Robustness",
    "Split",
    "Stability",
    "TaskSplit",
    "apgr",
    "best_single",
    "bootstrap",
    "by_length",
    "cpt",
    "draw",
    "few_shot",
    "flip_rate",
    "k_fold",
    "kinship",
    "leave_one_task_out",
    "lint",
    "named_perturbations",
    "near_pairs",
    "nearest_in",
    "paired_bootstrap",
    "pgr",
    "query_oracle",
    "random",
    "random_split",
    "robustness",
    "scored",
    "strong_fraction_curve",
    "task_oracle",
    "temporal",
]
