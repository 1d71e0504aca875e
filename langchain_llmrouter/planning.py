"""Which decision a call gets: one of a batch, one kept from the turn so far, or a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Self, TypeAlias

from langchain_core.runnables import RunnableConfig
from pydantic import model_validator

from knnrouter import Decision
from knnrouter.errors import QueryError
from knnrouter.serving import Gathering, Route, RouteOptions, filled, shadow_default

from .deferred import Call
from .settings import RoutingSettings
from .stamps import last_stamp

__all__ = ["Planning"]

_PLANNED = "__knnrouter_planned__"
"""Where a batch puts a decision for `invoke`, which takes it out again before a run opens."""

_FAILURES: tuple[type[Exception], ...] = (Exception,)
"""What reading an input can raise; counters of tokens and messages may be anybody's code."""

_Asked: TypeAlias = tuple[Any, RunnableConfig, Call]
"""An input, the configuration of its run, and the call."""


class Planning(RoutingSettings):
    """Decides on calls, alone or together; `_query` says what of an input is routed."""

    shadow: bool = False
    """Decide and record, but let the pool's default answer."""

    @model_validator(mode="after")
    def _check_shadow(self) -> Self:
        if self.shadow:
            shadow_default(self.pool)
        return self

    def _query(self, given: Any) -> Any:
        """What of the input is routed."""
        return given

    def _begun(
        self, arguments: Mapping[str, Any], config: RunnableConfig | None
    ) -> tuple[Call, RunnableConfig | None]:
        """The call, with what a batch decided for it, and the configuration of its parent run."""
        call, configurable = Call.of(arguments), (config or {}).get("configurable") or {}
        if config is not None and _PLANNED in configurable:
            left = {key: value for key, value in configurable.items() if key != _PLANNED}
            planned = configurable[_PLANNED]
            if isinstance(planned, Decision | Exception):  # else no batch of this router put it
                call = replace(call, planned=planned)
            config = {**config, "configurable": left}
        return call, self._configured(config)

    def _configured(self, config: RunnableConfig | None) -> RunnableConfig | None:
        """The configuration of the parent run."""
        return config

    async def _aroute(self, given: Any, config: RunnableConfig, call: Call) -> Route:
        if call.planned is None:
            call = replace(call, planned=await self._gathering.of((given, config, call)))
        return self._route(given, config, call)

    @cached_property
    def _gathering(self) -> Gathering[_Asked, Decision | Exception]:
        """Decides on all calls that are awaited at the same time together."""
        return Gathering(self._plans)

    def _route(self, given: Any, config: RunnableConfig, call: Call) -> Route:
        decision = call.planned or self._plans(((given, config, call),))[0]
        if isinstance(decision, Exception):
            raise decision
        shadow = shadow_default(self.pool) if self.shadow else None
        return self.decider.route(decision, shadow=shadow)

    def _asked(self, config: RunnableConfig, call: Call) -> RouteOptions:
        return self._options(config, model=call.forced).needing(*call.needs)

    def _planned(
        self, inputs: Sequence[Any], configs: Sequence[RunnableConfig], call: Call
    ) -> list[RunnableConfig]:
        """The configurations with a decision in each, or with the error of deciding."""
        pairs = zip(inputs, configs, strict=True)
        plans = self._plans([(given, config, call) for given, config in pairs])
        return [
            {**config, "configurable": {**(config.get("configurable") or {}), _PLANNED: plan}}
            for config, plan in zip(configs, plans, strict=True)
        ]

    def _plans(self, calls: Sequence[_Asked]) -> list[Decision | Exception]:
        """For each call the decision, or the error that it must raise."""
        asked: dict[int, tuple[Any, RouteOptions]] = {}
        known: list[Decision | Exception | None] = []
        for place, (given, config, call) in enumerate(calls):
            try:
                asked[place] = self._query(given), self._asked(config, call)
            except _FAILURES as error:
                known.append(error)
            else:
                known.append(self._kept(*asked[place]))

        def decided(left: Sequence[int]) -> list[Decision | Exception]:
            queries, options = zip(*(asked[place] for place in left), strict=True)
            return self.decider.decide_many(queries, options)

        return filled(known, decided)

    def _kept(self, query: Any, options: RouteOptions) -> Decision | None:
        """The decision of this user turn, where an answer in the history carries it.

        So no tool loop changes its model, not even after a fallback, and nothing is remembered
        outside the conversation.
        """
        if self.shadow or not isinstance(query, list):
            return None
        try:
            values = last_stamp(query)
        except QueryError:  # deciding tells it properly
            return None
        return self.decider.keep(values, query, options)
