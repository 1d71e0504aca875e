"""What text of a query is routed on: a string, a chat history or a dict becomes one text."""

from __future__ import annotations

from .query import (
    Query,
    QueryKind,
    Turns,
    content_words,
    read_query,
    routing_text,
    strip_boilerplate,
)

__all__ = [
    "Query",
    "QueryKind",
    "Turns",
    "content_words",
    "read_query",
    "routing_text",
    "strip_boilerplate",
]
