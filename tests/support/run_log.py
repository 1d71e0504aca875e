"""What tracers see: the runs of a call, with their parents, and how each ended."""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler


@dataclass
class Run:
    """One run; `ended` has "end" or "error" for each time it was ended."""

    kind: str
    id: Any
    parent: Any
    name: str | None
    tags: list
    metadata: dict
    ended: list = field(default_factory=list)


class RunLog(BaseCallbackHandler):
    """Keeps the runs in the order in which they start, and the order in which they end."""

    raise_error = True

    def __init__(self):
        self.runs, self.finished, self.tokens = {}, [], []

    def _start(self, kind, *, run_id, parent_run_id=None, tags=None, metadata=None, **kwargs):
        assert run_id not in self.runs
        self.runs[run_id] = Run(
            kind, run_id, parent_run_id, kwargs.get("name"), tags or [], metadata or {}
        )

    def _finish(self, how, run_id):
        self.runs[run_id].ended.append(how)
        self.finished.append(self.runs[run_id])

    def on_chain_start(self, serialized, inputs, **kwargs):
        self._start("chain", **kwargs)

    def on_chat_model_start(self, serialized, messages, **kwargs):
        self._start("model", **kwargs)

    def on_llm_new_token(self, token, **kwargs):
        self.tokens.append(token)

    def on_chain_end(self, outputs, *, run_id, **kwargs):
        self._finish("end", run_id)

    def on_llm_end(self, response, *, run_id, **kwargs):
        self._finish("end", run_id)

    def on_chain_error(self, error, *, run_id, **kwargs):
        self._finish("error", run_id)

    def on_llm_error(self, error, *, run_id, **kwargs):
        self._finish("error", run_id)

    def of(self, kind):
        return [run for run in self.runs.values() if run.kind == kind]

    @property
    def endings(self):
        """Kind and ending of every run, in the order in which they ended."""
        return [(run.kind, how) for run in self.finished for how in run.ended]
