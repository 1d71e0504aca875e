"""How well a router chooses, beside what it must be compared with.

`evaluate` says whether a router pays, in one report. What it is made of works on plain arrays of
what was measured, one row a query, and so serves any router: metrics, reference choices, splits
that do not leak, intervals.
"""

from __future__ import annotations

from .arena import arena_score, optimal_accuracy, optimal_cost, optimal_selection
from .behavior import (
    Recall,
    average_rank,
    best_on_average_share,
    collapsed,
    entropy_bits,
    model_recall,
    query_entropy,
    selection_shares,
)
from .calibration import (
    Reliability,
    brier,
    ece,
    log_loss,
    mae,
    pearson,
    r2,
    reliability_bins,
    roc_auc,
    spearman,
    task_correlations,
)
from .comparison import Comparison, compare
from .coverage_curves import CoverageRisk, coverage_risk
from .curves import Curve, apgr, cost_saving_ratio, cpt, pgr, strong_fraction_curve
from .evaluating import by_folds, evaluate
from .guarding import GuardReport, guard
from .hulls import Hull, Mixture, aiq, hull, pareto, pareto_distance
from .linting import Finding, LintReport, lint
from .near import Nearest, near_pairs, nearest_in
from .outcomes import Outcomes
from .perturbations import PERTURBATIONS, Perturbation, named_perturbations
from .ratios import (
    cost_save,
    gain_at_best,
    gain_at_random,
    gap_at_oracle,
    oracle_gap_closed,
    perf_gain,
    ratio_to_best,
    task_means,
)
from .references import (
    best_single,
    by_length,
    chance_corrected_oracle,
    matched_random,
    oracle_columns,
    oracle_costs,
    query_oracle,
    random,
    scored,
    task_oracle,
)
from .regret import RegretCurve, cost_weight_grid, regret_curve, utilities
from .report import Report
from .resampling import Interval, bootstrap, interval, paired_bootstrap, resampled_means
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
from .stability import Flip, Robustness, Stability, flip_rate, robustness
from .targets import Budget, Calibration, Quality, Share, calibrate, win_rate_threshold
from .ties import first_choice
from .unseen import UnseenTasks, unseen_tasks
from .verdicts import Verdict, verdict

__all__ = [
    "PERTURBATIONS",
    "Budget",
    "Calibration",
    "Comparison",
    "CoverageRisk",
    "Curve",
    "Finding",
    "Flip",
    "GuardReport",
    "Hull",
    "Interval",
    "LintReport",
    "Mixture",
    "Nearest",
    "Outcomes",
    "Perturbation",
    "Quality",
    "Recall",
    "RegretCurve",
    "Reliability",
    "Report",
    "Robustness",
    "Share",
    "Split",
    "Stability",
    "TaskSplit",
    "UnseenTasks",
    "Verdict",
    "aiq",
    "apgr",
    "arena_score",
    "average_rank",
    "best_on_average_share",
    "best_single",
    "bootstrap",
    "brier",
    "by_folds",
    "by_length",
    "calibrate",
    "chance_corrected_oracle",
    "collapsed",
    "compare",
    "cost_save",
    "cost_saving_ratio",
    "cost_weight_grid",
    "coverage_risk",
    "cpt",
    "draw",
    "ece",
    "entropy_bits",
    "evaluate",
    "few_shot",
    "first_choice",
    "flip_rate",
    "gain_at_best",
    "gain_at_random",
    "gap_at_oracle",
    "guard",
    "hull",
    "interval",
    "k_fold",
    "kinship",
    "leave_one_task_out",
    "lint",
    "log_loss",
    "mae",
    "matched_random",
    "model_recall",
    "named_perturbations",
    "near_pairs",
    "nearest_in",
    "optimal_accuracy",
    "optimal_cost",
    "optimal_selection",
    "oracle_columns",
    "oracle_costs",
    "oracle_gap_closed",
    "paired_bootstrap",
    "pareto",
    "pareto_distance",
    "pearson",
    "perf_gain",
    "pgr",
    "query_entropy",
    "query_oracle",
    "r2",
    "random",
    "random_split",
    "ratio_to_best",
    "regret_curve",
    "reliability_bins",
    "resampled_means",
    "robustness",
    "roc_auc",
    "scored",
    "selection_shares",
    "spearman",
    "strong_fraction_curve",
    "task_correlations",
    "task_means",
    "task_oracle",
    "temporal",
    "unseen_tasks",
    "utilities",
    "verdict",
    "win_rate_threshold",
]
