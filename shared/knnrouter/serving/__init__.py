"""What every adapter needs to serve decisions inside a framework, and no framework in it.

Load once and late (`Lazy`), decide with stickiness and a default that stands in (`Decider`), ask
the chosen model and then the next in the ranking (`Attempts`, `begun` for streams), tell the
decision in answers and traces (`Route`, `facts`), the settings of a client with its key
(`client_settings`), and embed with a framework's embeddings (`ServiceEmbedder`).
"""

from __future__ import annotations

from .abilities import completed
from .attempts import Answer, Attempts, Failure
from .checks import (
    ErrorTypes,
    Names,
    check_spelling,
    checked_policy,
    checked_router,
    is_stated,
    shadow_default,
)
from .clients import ClientSettings, client_settings, refusal_of
from .deciding import MISTAKES, Decider
from .embedding import ServiceEmbedder, stated_id
from .filling import filled
from .gathering import Gathering
from .lazy import Lazy, LazyRouter, loaded
from .naming import by_pool_name
from .options import OPTION_IDS, RouteOptions, options_of
from .routes import KEY, Route, facts, stamp
from .streams import abegun, begun
from .turns import Turns

__all__ = [
    "KEY",
    "MISTAKES",
    "OPTION_IDS",
    "Answer",
    "Attempts",
    "ClientSettings",
    "Decider",
    "ErrorTypes",
    "Failure",
    "Gathering",
    "Lazy",
    "LazyRouter",
    "Names",
    "Route",
    "RouteOptions",
    "ServiceEmbedder",
    "Turns",
    "abegun",
    "begun",
    "by_pool_name",
    "check_spelling",
    "checked_policy",
    "checked_router",
    "client_settings",
    "completed",
    "facts",
    "filled",
    "is_stated",
    "loaded",
    "options_of",
    "refusal_of",
    "shadow_default",
    "stamp",
    "stated_id",
]
