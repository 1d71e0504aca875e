"""What text of a query is routed on: a string, a chat history or a dict becomes one text."""

from __future__ import annotations

from .query import (
    Query,
    QueryKind,
    Sticky,
    Turns,
    content_words,
    read_query,
    routed_part,
    routing_text,
    strip_boilerplate,
)

__all__ = [
    "Query",
    "QueryKind",
    "Sticky",
    "Turns",
    "content_words",
    "read_query",
    "routed_part",
    "routing_text",
    "strip_boilerplate",
]
