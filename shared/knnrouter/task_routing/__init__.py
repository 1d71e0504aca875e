"""One model for a whole task, told from how benchmark tasks predict one another.

Shnitzer et al. 2023, "Large Language Model Routing with Benchmark Datasets" (arXiv 2309.15789).
`Router.route_task` puts it to use; the parts below serve studies of it.
"""

from __future__ import annotations

from .benchmark import TaskBenchmark
from .choosing import Chosen, TaskScores, chosen
from .decision import TaskDecision
from .scores import Predictions, s3
from .selection import Draws, simulated
from .settings import TaskSettings
from .smoothing import Pairs, smoothed

__all__ = [
    "Chosen",
    "Draws",
    "Pairs",
    "Predictions",
    "TaskBenchmark",
    "TaskDecision",
    "TaskScores",
    "TaskSettings",
    "chosen",
    "s3",
    "simulated",
    "smoothed",
]
