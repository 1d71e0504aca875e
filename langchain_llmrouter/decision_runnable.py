"""A runnable that only decides: an input goes in, the decision on it comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AnyMessage
from langchain_core.prompt_values import ChatPromptValueConcrete, StringPromptValue
from langchain_core.runnables import (
    Runnable,
    RunnableConfig,
    RunnableLambda,
    RunnableSerializable,
)
from langchain_core.runnables.config import run_in_executor
from pydantic import BaseModel, ConfigDict

from knnrouter import Decision
from knnrouter.embedders import Embedder
from knnrouter.errors import QueryError
from knnrouter.serving import OPTION_IDS, LazyRouter, RouteOptions, filled

from .inputs import RoutedInput, query_of
from .settings import RoutingSettings

__all__ = ["DecisionOutput", "KNNRouter", "NeighborOutput"]


class NeighborOutput(BaseModel):
    """A neighbor as JSON."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    task: str | None
    similarity: float
    scores: dict[str, float | None]


class DecisionOutput(BaseModel):
    """A decision as JSON: the keys of `Decision.to_dict`. None is "not known"."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    model: str
    ranking: list[str]
    scores: dict[str, float | None]
    costs: dict[str, float | None]
    stderr: dict[str, float | None]
    support: dict[str, float | None]
    neighbors: list[NeighborOutput]
    similarity: float | None
    reason: str
    reason_code: str
    fallback: bool
    policy: str
    elapsed_ms: float | None
    notes: list[str]


class KNNRouter(RoutingSettings, RunnableSerializable[RoutedInput, Decision]):
    """Decides which model should answer an input, and asks none.

    Example:
        >>> from knnrouter import RecordSet, Router
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> router = KNNRouter(router=Router.fit(RecordSet.from_rows(rows)))
        >>> router.invoke("Write a poem on the waves of the sea.").model
        'poet'
        >>> router.name_only().batch(["Sort a list in C.", {"question": "A poem on the sea?"}])
        ['coder', 'poet']
    """

    model_config = ConfigDict(extra="forbid")

    input_key: str | None = None
    """Where the query stands in inputs that are dicts; None: under the first of "messages",
    "input", "query", "question", "prompt" and "text"."""

    @classmethod
    def from_yaml(
        cls, path: str | Path, *, embedder: str | Embedder | None = None, **fields: Any
    ) -> KNNRouter:
        """The router of a pool.yaml, loaded when it is first needed.

        Args:
            path: The file; it names the saved router.
            embedder: What embedded the evidence; None: the one that comes with the library.
            **fields: Other fields, such as `policy="best_score"`.

        Raises:
            PoolError: The file is wrong, or names no index.
        """
        return cls(router=LazyRouter(path, embedder=embedder), **fields)

    # What it takes and gives.

    @property
    def InputType(self) -> Any:  # noqa: N802 # a name of LangChain
        """The type of an input; its schema can be written as JSON."""
        prompts = StringPromptValue | ChatPromptValueConcrete
        return str | prompts | list[AnyMessage] | dict[str, Any]

    @property
    def OutputType(self) -> type[Decision]:  # noqa: N802 # a name of LangChain
        """`Decision`."""
        return Decision

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The keys of `Decision.to_dict` and their types."""
        return DecisionOutput

    def name_only(self) -> Runnable[RoutedInput, str]:
        """The same decisions, of which only the model's name is handed on.

        This is the `key` that LangChain's `RouterRunnable` takes.
        """
        return self | RunnableLambda(_name_of, name="name_only")

    # How it decides.

    def invoke(
        self, input: RoutedInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Decision:
        """Decide on one input.

        Args:
            input: A text, a prompt, messages, or a dict that holds one of these.
            config: May state the options under `configurable`, as `knnrouter_policy` and so on.
            **kwargs: The options of this call: `model`, `policy`, `allow`, `require`, `tags`.

        Raises:
            TypeError: An option has another name.
            KnnRouterError: No model may be chosen, or routing failed and the pool has no default.
        """
        _check_options(kwargs)

        def run(given: RoutedInput, run_manager: object, config: RunnableConfig) -> Decision:
            return self._decided(given, self._options(config, **kwargs))

        return self._call_with_config(run, input, config)

    async def ainvoke(
        self, input: RoutedInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Decision:
        """`invoke`, awaited; the routing runs in a thread of its own."""
        _check_options(kwargs)

        async def run(given: RoutedInput, run_manager: object, config: RunnableConfig) -> Decision:
            options = self._options(config, **kwargs)
            return await run_in_executor(None, self._decided, given, options)

        return await self._acall_with_config(run, input, config)

    def batch(
        self,
        inputs: list[RoutedInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Decision]:
        """`invoke` of many, with one embedding and one search for those of equal options."""
        _check_options(kwargs)

        def run(
            given: list[RoutedInput], run_manager: object, config: list[RunnableConfig]
        ) -> list[Decision | Exception]:
            return self._decided_each(given, [self._options(each, **kwargs) for each in config])

        return self._batch_with_config(run, inputs, config, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: list[RoutedInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Decision]:
        """`batch`, awaited; the routing runs in a thread of its own."""
        _check_options(kwargs)

        async def run(
            given: list[RoutedInput], run_manager: object, config: list[RunnableConfig]
        ) -> list[Decision | Exception]:
            options = [self._options(each, **kwargs) for each in config]
            return await run_in_executor(None, self._decided_each, given, options)

        return await self._abatch_with_config(
            run, inputs, config, return_exceptions=return_exceptions
        )

    def warmup(self) -> None:
        """Load the router now, instead of at the first call.

        Raises:
            KnnRouterError: It cannot be loaded.
        """
        self.decider.warm_up()

    def _decided(self, given: RoutedInput, options: RouteOptions) -> Decision:
        return self.decider.decide(query_of(given, input_key=self.input_key), options)

    def _decided_each(
        self, given: Sequence[RoutedInput], options: Sequence[RouteOptions]
    ) -> list[Decision | Exception]:
        """For each input the decision, or the error that `_decided` raises."""
        queries: dict[int, Any] = {}
        known: list[Decision | Exception | None] = [None] * len(given)
        for place, each in enumerate(given):
            try:
                queries[place] = query_of(each, input_key=self.input_key)
            except QueryError as error:
                known[place] = error

        def decided(left: Sequence[int]) -> list[Decision | Exception]:
            return self.decider.decide_many(
                [queries[place] for place in left], [options[place] for place in left]
            )

        return filled(known, decided)


def _name_of(decision: Decision) -> str:
    return decision.model


def _check_options(given: Mapping[str, object]) -> None:
    unknown = [name for name in given if name not in OPTION_IDS]
    if unknown:
        raise TypeError(
            f"a decision has no option {', '.join(map(repr, unknown))}; the options are "
            f"{', '.join(OPTION_IDS)}: leave out what is meant for the model"
        )
