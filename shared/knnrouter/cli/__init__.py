"""The `knnrouter` command: data to standard output, talk to standard error.

`entry` puts the commands together; `demo`, `building`, `routing` and `checking` hold them; `output`
writes tables and JSON; `failing` turns errors into one message and an exit code.
"""

from __future__ import annotations

from .entry import app, main

__all__ = ["app", "main"]
