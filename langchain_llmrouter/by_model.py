"""Any chains by the names of models: the one that is chosen runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Union, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import coerce_to_runnable
from langchain_core.runnables.utils import ConfigurableFieldSpec, get_unique_config_specs
from langchain_core.utils.pydantic import TypeBaseModel
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
)

from knnrouter.embedders import Embedder
from knnrouter.serving import LazyRouter, RouteOptions

from .deferred import Call
from .dispatch import Dispatching
from .inputs import query_of
from .settings import ByPoolName
from .stamps import stamped

__all__ = ["RunnableByModel"]


def _coerced(runnables: object) -> object:
    if not isinstance(runnables, Mapping) or not runnables:
        raise TypeError(
            f"runnables is {runnables!r:.80}; give a mapping from names of the pool to runnables"
        )
    wrong = [
        f"runnables[{name!r}] is of type {type(each).__name__}"
        for name, each in runnables.items()
        if not (isinstance(each, Runnable | dict) or callable(each))
    ]
    if wrong:
        raise TypeError(f"{'; '.join(wrong)}; give a runnable, a function, or a dict of these")
    return {name: coerce_to_runnable(each) for name, each in runnables.items()}


class RunnableByModel(Dispatching):
    """Decides on each input, then lets the chosen model's runnable answer it.

    Where it answers with a message, that carries the decision in `response_metadata["knnrouter"]`;
    the trace always does.

    Example:
        >>> from knnrouter import RecordSet, Router
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> chain = RunnableByModel(
        ...     router=Router.fit(RecordSet.from_rows(rows)),
        ...     runnables={"coder": lambda text: f"C: {text}", "poet": lambda text: f"O {text}"},
        ... )
        >>> chain.invoke("waves of the sea!")
        'O waves of the sea!'
        >>> chain.invoke("waves of the sea!", model="coder")
        'C: waves of the sea!'
    """

    model_config = ConfigDict(extra="forbid")

    runnables: Annotated[Any, BeforeValidator(_coerced), ByPoolName] = Field(
        repr=False, exclude=True
    )
    """The runnables by the names of their models in the pool, one for each enabled model;
    functions and dicts become runnables as they do in a chain."""
    input_key: str | None = None
    """Where the query stands in inputs that are dicts; None: under the first of "messages",
    "input", "query", "question", "prompt" and "text". The runnable gets the whole input."""

    @classmethod
    def from_yaml(
        cls,
        path: str | Path,
        *,
        runnables: Mapping[str, Any],
        embedder: str | Embedder | None = None,
        **fields: Any,
    ) -> RunnableByModel:
        """The runnables of the models of a pool.yaml; the router loads when it is first needed.

        Args:
            path: The file; it names the saved router.
            runnables: One for each enabled model.
            embedder: What embedded the evidence; None: the one that comes with the library.
            **fields: Other fields, such as `shadow=True`.

        Raises:
            PoolError: The file is wrong, or lacks something.
            UnknownModelError: The runnables do not fit the pool.
        """
        return cls(router=LazyRouter(path, embedder=embedder), runnables=runnables, **fields)

    # What it takes and gives.

    @property
    def InputType(self) -> Any:  # noqa: N802 # a name of LangChain
        """The type that all runnables take; any, where they differ."""
        first, *others = (each.InputType for each in self.runnables.values())
        return first if all(other == first for other in others) else Any

    @property
    def OutputType(self) -> Any:  # noqa: N802 # a name of LangChain
        """The types that the runnables give."""
        return Union[tuple(each.OutputType for each in self.runnables.values())]  # noqa: UP007

    def get_input_schema(self, config: RunnableConfig | None = None) -> TypeBaseModel:
        """The schema that all runnables share; that of `InputType`, where they differ."""
        first, *others = self.runnables.values()
        shape = first.get_input_jsonschema(config)
        if all(each.get_input_jsonschema(config) == shape for each in others):
            return cast("TypeBaseModel", first.get_input_schema(config))
        return super().get_input_schema(config)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What a call may set under `config["configurable"]`, here and in the runnables."""
        theirs = [spec for each in self.runnables.values() for spec in each.config_specs]
        return get_unique_config_specs([*super().config_specs, *theirs])

    # How a call goes.

    def _clients(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.runnables)

    def _target(self, name: str) -> Runnable[Any, Any]:
        return cast("Runnable[Any, Any]", self.runnables[name])

    async def _atarget(self, name: str) -> Runnable[Any, Any]:
        return self._target(name)

    def _query(self, given: Any) -> Any:
        return query_of(given, input_key=self.input_key)

    def _asked(self, config: RunnableConfig, call: Call) -> RouteOptions:
        return self._options(config, model=call.forced)  # other arguments are the runnable's own

    def _marked(self, output: Any, values: dict[str, Any], call: Call) -> Any:
        return stamped(output, values) if isinstance(output, AIMessage) else output
