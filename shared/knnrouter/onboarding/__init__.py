"""A new model joins: which rows of the evidence to measure it on, and what is known of it then.

`propose` names the rows. `Router.add_model` takes the outcomes. `standing` tells what a model's
outcomes say of it, by task, beside the others.
"""

from __future__ import annotations

from .proposing import Proposal, ProposedRow, propose
from .standings import Standing, TaskStanding, standing

__all__ = ["Proposal", "ProposedRow", "Standing", "TaskStanding", "propose", "standing"]
