"""Routing in an agent: one decision for each user turn, and no other model inside a tool loop."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NotRequired, cast

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
)
from langchain.agents.middleware.types import PrivateStateAttr
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables.config import (
    ensure_config,
    run_in_executor,
    var_child_runnable_config,
)
from langgraph.runtime import Runtime
from langgraph.types import Command
from pydantic import ConfigDict, Field

from knnrouter import Decision, Router
from knnrouter.embedders import Embedder
from knnrouter.policies import Policy
from knnrouter.serving import (
    KEY,
    Answer,
    Attempts,
    ErrorTypes,
    Lazy,
    LazyRouter,
    Route,
    RouteOptions,
    loaded,
    options_of,
)
from knnrouter.text import Sticky

from .clients import ModelsField, lazy_clients
from .dispatch import is_graph_signal
from .settings import RoutingSettings
from .stamps import stamped, traced

__all__ = ["KNNRouterMiddleware", "KNNRouterState"]

logger = logging.getLogger(__name__)

_FAILURES: tuple[type[Exception], ...] = (Exception,)
"""What deciding can raise; embedders, counters and policies may be anybody's code."""


class KNNRouterState(AgentState[Any]):
    """The state of an agent, with what the router holds of its user turn."""

    knnrouter: NotRequired[Annotated[dict[str, Any] | None, PrivateStateAttr]]
    """Plain JSON: `turn`, a digest of the user's message, and `decision`, as answers carry it."""


class _Settings(RoutingSettings):
    """What the middleware is made with, checked."""

    model_config = ConfigDict(title="KNNRouterMiddleware")

    models: ModelsField = Field(repr=False, exclude=True)
    fallback_on: ErrorTypes
    shadow: bool

    def _clients(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.models)

    @property
    def attempts(self) -> Attempts:
        return Attempts(fallback_on=self.fallback_on, let_through=is_graph_signal)

    def asked(self, request: ModelRequest[Any]) -> RouteOptions:
        """What a model call asks of the router."""
        context = options_of(getattr(request.runtime, "context", None))
        return self._options(ensure_config(), **context).needing(*_needs(request))

    def model(self, name: str) -> BaseChatModel:
        model: BaseChatModel = loaded(self.models[name])
        return model

    async def amodel(self, name: str) -> BaseChatModel:
        if isinstance(self.models[name], Lazy):
            return await run_in_executor(None, self.model, name)
        return self.model(name)


class KNNRouterMiddleware(AgentMiddleware[KNNRouterState, Any, Any]):
    """Lets the model that the evidence favors answer the calls of an agent.

    It is decided at the first model call of a user turn, and the model stays through the tool loop,
    also where it stands in for one that failed. Only when it may not read what a tool brought, such
    as an image, the turn is decided anew. The messages carry the decision in
    `response_metadata["knnrouter"]`. The agent's own `model` answers in shadow only.

    A user's policy or model comes in `runtime.context`, under names such as `knnrouter_policy` and
    `knnrouter_model`, or under the same names in `config["configurable"]`.

    List it before other middleware that changes the model or the call, such as
    `ModelFallbackMiddleware`: the first in the list is the outermost, and what is inside sees
    the model that was chosen.

    Args:
        router: A `knnrouter.Router`. `from_yaml` puts one here that loads when it is first needed.
        models: The chat models by their names in the pool; one for each enabled model.
        policy: A policy or its text, instead of the pool's.
        allow: Names of the models that may answer; None: all that are enabled.
        require: Capabilities that the model must have. Tools and structured output that the agent
            uses are required of themselves.
        require_tags: Tags that the model must have.
        sticky: How long a choice holds: for one "call", one user "turn", or the "thread", which
            needs a checkpointer; None: as the pool says, which is "turn" unless it is set.
        count_tokens: Counts the tokens of a prompt, for context windows; None: the router's way.
        fallback_on: The errors of a model that let the next of the ranking answer. LangGraph's
            signals and mistakes in the setting of the router never do.
        shadow: Decide and record, but let the agent's own model answer, also where deciding fails;
            a model that the call names answers nevertheless.

    Raises:
        ValidationError: An argument is of the wrong type.
        PolicyError: `policy` is none.
        UnknownModelError: The models do not fit the pool.

    Example:
        >>> from langchain.agents import create_agent
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from knnrouter import RecordSet
        >>> rows = [
        ...     {"query": "Reverse a linked list in C.", "coder": 1, "poet": 0},
        ...     {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1},
        ... ]
        >>> models = {
        ...     "coder": FakeListChatModel(responses=["int main;"]),
        ...     "poet": FakeListChatModel(responses=["O sea!"]),
        ... }
        >>> middleware = KNNRouterMiddleware(
        ...     router=Router.fit(RecordSet.from_rows(rows)), models=models
        ... )
        >>> agent = create_agent(models["coder"], middleware=[middleware])
        >>> question = {"role": "user", "content": "Write a poem on the waves of the sea."}
        >>> answer = agent.invoke({"messages": [question]})["messages"][-1]
        >>> answer.content, answer.response_metadata["knnrouter"]["model"]
        ('O sea!', 'poet')
    """

    state_schema = KNNRouterState

    def __init__(
        self,
        *,
        router: Router | LazyRouter,
        models: Mapping[str, BaseChatModel | Lazy[BaseChatModel]],
        policy: str | Policy | None = None,
        allow: Sequence[str] | None = None,
        require: Sequence[str] = (),
        require_tags: Sequence[str] = (),
        sticky: Sticky | None = None,
        count_tokens: Callable[[Any], int] | None = None,
        fallback_on: tuple[type[Exception], ...] = (Exception,),
        shadow: bool = False,
    ) -> None:
        super().__init__()
        self._settings = _Settings(
            router=router,
            models=models,
            policy=policy,
            allow=cast("tuple[str, ...] | None", allow),
            require=cast("tuple[str, ...]", require),
            require_tags=cast("tuple[str, ...]", require_tags),
            sticky=sticky,
            count_tokens=count_tokens,
            fallback_on=fallback_on,
            shadow=shadow,
        )

    @classmethod
    def from_yaml(
        cls,
        path: str | Path,
        *,
        embedder: str | Embedder | None = None,
        models: Mapping[str, BaseChatModel] | None = None,
        **settings: Any,
    ) -> KNNRouterMiddleware:
        """The router and the clients of a pool.yaml, each loaded when it is first needed.

        Args:
            path: The file; it names the saved router, and a provider for each enabled model.
            embedder: What embedded the evidence; None: the one that comes with the library.
            models: Chat models instead of the file's clients.
            **settings: Other arguments, such as `shadow=True`.

        Raises:
            PoolError: The file is wrong, or lacks something.
        """
        router = LazyRouter(path, embedder=embedder)
        clients = lazy_clients(router.pool) if models is None else models
        return cls(router=router, models=clients, **settings)

    def warmup(self) -> None:
        """Load the router and build all clients, instead of at the first call.

        Raises:
            KnnRouterError: Something cannot be loaded or built; of clients, all are told.
        """
        self._settings.decider.warm_up(self._settings.model)

    # The user turn. It is told once, before the agent runs: what follows may replace the history.

    def before_agent(
        self, state: KNNRouterState, runtime: Runtime[Any] | None
    ) -> dict[str, Any] | None:
        """Forget the decision of the turn before, where the user said something new."""
        turn = _turn(state["messages"])
        if self._settings.decider.sticky != "turn" or turn == _held(state).get("turn"):
            return None
        return {KEY: {"turn": turn}}

    async def abefore_agent(
        self, state: KNNRouterState, runtime: Runtime[Any] | None
    ) -> dict[str, Any] | None:
        """`before_agent`, awaited."""
        return self.before_agent(state, runtime)

    # A call of the model.

    def wrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], ModelResponse[Any]],
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """Let the chosen model answer, and the next of the ranking where it fails."""
        route = self._route(request)
        if route is None:
            return handler(request)

        def ask(name: str) -> ModelResponse[Any]:
            asked = request
            if not route.shadow:
                asked = request.override(model=self._settings.model(name))
            with _traced(route, name):
                return handler(asked)

        answer = self._settings.attempts.ask(route.order, ask)
        return self._told(request, route, answer)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """`wrap_model_call`, awaited; the routing runs in a thread of its own."""
        route = await run_in_executor(None, self._route, request)
        if route is None:
            return await handler(request)

        async def ask(name: str) -> ModelResponse[Any]:
            asked = request
            if not route.shadow:
                asked = request.override(model=await self._settings.amodel(name))
            with _traced(route, name):
                return await handler(asked)

        answer = await self._settings.attempts.aask(route.order, ask)
        return self._told(request, route, answer)

    def _route(self, request: ModelRequest[Any]) -> Route | None:
        """Who is asked; None: the agent's own model, for deciding failed in shadow."""
        try:
            decision = self._decided(request)
        except _FAILURES as error:
            if not self._settings.shadow:
                raise
            logger.warning("deciding failed (%s); nothing is recorded", type(error).__name__)
            return None
        instead = decision.model if self._settings.shadow else None  # no name; it need not have one
        return self._settings.decider.route(decision, shadow=instead)

    def _decided(self, request: ModelRequest[Any]) -> Decision:
        system = [] if request.system_message is None else [request.system_message]
        prompt: list[BaseMessage] = [*system, *request.messages]
        decider, options = self._settings.decider, self._settings.asked(request)
        kept = decider.keep(_held(request.state).get("decision"), prompt, options)
        return kept or decider.decide(prompt, options)

    def _told(
        self, request: ModelRequest[Any], route: Route, answer: Answer[ModelResponse[Any]]
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """The response with the decision in its messages, and in the state where it shall hold."""
        values = route.values(answer)
        if route.shadow:
            values["answered_by"] = None  # it need not be of the pool
        messages = [
            stamped(each, values) if isinstance(each, AIMessage) else each
            for each in answer.value.result
        ]
        response = replace(answer.value, result=messages)
        if self._settings.decider.sticky == "call" or route.decision.reason_code == "forced":
            return response
        held = {"turn": _held(request.state).get("turn"), "decision": values}
        return ExtendedModelResponse(response, Command(update={KEY: held}))


def _needs(request: ModelRequest[Any]) -> Iterator[str]:
    """The capabilities that a model must have for the call.

    Structured output without a stated strategy is made with a tool call by the models that have
    no other way, so tools are enough for it.
    """
    native = isinstance(request.response_format, ProviderStrategy)
    if request.tools or (request.response_format is not None and not native):
        yield "tools"
    if native:
        yield "structured_output"


def _held(state: Mapping[str, Any]) -> dict[str, Any]:
    """What the state holds of the turn."""
    return state.get(KEY) or {}


def _turn(messages: Sequence[BaseMessage]) -> str | None:
    """What tells the last message of the user from any other."""
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            said = f"{message.id} {message.content!r}"
            return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return None


@contextmanager
def _traced(route: Route, name: str) -> Iterator[None]:
    """Put the decision in the tags and metadata of what runs meanwhile."""
    asked = None if route.shadow else name
    config = traced(ensure_config(), route.decision, asked, shadow=route.shadow)
    token = var_child_runnable_config.set(config)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)
