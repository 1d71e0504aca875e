"""What every adapter needs to serve decisions inside a framework, and no framework in it.

Load once and late (`Lazy`), decide with stickiness and a default that stands in (`Decider`), ask
the chosen model and then the next in the ranking (`Attempts`), and the settings of a client
with its key (`client_settings`).
"""

from __future__ import annotations

from .attempts import Answer, Attempts, Failure
from .clients import ClientSettings, client_settings
from .deciding import Decider, RouteOptions
from .gathering import Gathering
from .lazy import Lazy, LazyRouter, loaded

__all__ = [
    "Answer",
    "Attempts",
    "ClientSettings",
    "Decider",
    "Failure",
    "Gathering",
    "Lazy",
    "LazyRouter",
    "RouteOptions",
    "client_settings",
    "loaded",
]
