"""Which router answers: the one of `--router`, of `--pool`, or the starter."""

from __future__ import annotations

from pathlib import Path

import typer

from knnrouter import ModelPool, Router

from . import output
from .options import embedder_of

__all__ = ["chosen_router"]


def chosen_router(pool: Path | None, router: Path | None, embedder: str) -> Router:
    """The router of `--router` with the models of `--pool`; or that of `--pool`; or the starter.

    Raises:
        PoolError: The pool cannot be used, or names no index and there is no `--router`.
        StoreError: The saved router cannot be used.
        EmbedderError: There is no such embedder.
    """
    if router is not None:
        models = None if pool is None else ModelPool.from_yaml(pool)
        return Router.load(router, pool=models, embedder=embedder_of(embedder))
    if pool is not None:
        return Router.from_yaml(pool, embedder=embedder_of(embedder))
    if embedder != "static":
        raise typer.BadParameter(
            "the starter has its own; give --router or --pool too", param_hint="--embedder"
        )
    output.say(
        "the starter answers, nine open models on public benchmarks: give --router or --pool for "
        "a router of your own"
    )
    return Router.starter()
