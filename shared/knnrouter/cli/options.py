"""The options that several commands share, and the values that they are read into."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from knnrouter.embedders import Embedder
from knnrouter.errors import EmbedderError

__all__ = [
    "AllowOption",
    "EmbedderOption",
    "EstimatorOption",
    "FileEmbedderOption",
    "JsonOption",
    "MessagesOption",
    "PolicyOption",
    "PoolOption",
    "RequireOption",
    "RouterOption",
    "SeedOption",
    "TagOption",
    "TextArgument",
    "embedder_of",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON; NaN is null.")]

PoolOption = Annotated[
    Path | None,
    typer.Option(
        "--pool", metavar="FILE", help="The pool.yaml; its router.index is the saved router."
    ),
]

RouterOption = Annotated[
    Path | None,
    typer.Option(
        "--router", metavar="DIR", help="The saved router, instead of the one that --pool names."
    ),
]

EmbedderOption = Annotated[
    str,
    typer.Option(
        "--embedder",
        metavar="NAME",
        help='The embedder of the evidence: "static", or "sentence-transformer:PATH".',
    ),
]

FileEmbedderOption = Annotated[
    str,
    typer.Option("--embedder", metavar="NAME", help='"static", or "sentence-transformer:PATH".'),
]

SeedOption = Annotated[
    int, typer.Option("--seed", min=0, max=2**31 - 1, help="Of all that is drawn at random.")
]

PolicyOption = Annotated[
    str | None,
    typer.Option(
        "--policy",
        metavar="SPEC",
        help="The policy, instead of the pool's: best_score, score_minus_cost:cost_weight=20, …",
    ),
]

EstimatorOption = Annotated[
    str | None,
    typer.Option(
        "--estimator",
        metavar="SPEC",
        help="What to expect of each model, instead of the pool's: knn:k=40, clusters, …",
    ),
]

AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="NAME", help="A model that may answer; repeat for more."),
]

RequireOption = Annotated[
    list[str] | None,
    typer.Option(
        "--require", metavar="CAP", help="A capability that is needed, such as tools; repeatable."
    ),
]

TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="A tag that the model must have; repeatable."),
]

TextArgument = Annotated[
    str | None,
    typer.Argument(metavar="TEXT", show_default=False, help="The query; else standard input."),
]

MessagesOption = Annotated[
    str | None,
    typer.Option("--messages", metavar="FILE", help="A chat history as JSON; - is standard input."),
]

_TRANSFORMER = "sentence-transformer:"


def embedder_of(text: str) -> str | Embedder:
    """The embedder that `--embedder` names.

    Raises:
        EmbedderError: It names none.
        MissingExtraError: It needs an extra that is not installed.
    """
    if text == "static":
        return text
    name = text.removeprefix(_TRANSFORMER)
    if name == text or not name:
        raise EmbedderError(
            f"--embedder is {text!r}; give static, or sentence-transformer:PATH with the folder "
            "of a model"
        )
    from knnrouter.embedders import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(name)
