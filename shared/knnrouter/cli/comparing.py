"""The command `compare`: what another router, pool or policy would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knnrouter import Router

from . import output
from .failing import FINDINGS
from .options import EmbedderOption, JsonOption, SeedOption, embedder_of
from .progress import progress
from .reading import Reading
from .traffic import read_traffic

if TYPE_CHECKING:  # so that no other command waits for it
    from knnrouter.evaluation import Comparison

__all__ = ["compare"]

_SHOWN = 5
"""How many of the queries that move are shown."""


def compare(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="What routes now: a saved router, or a pool.yaml.")
    ],
    second: Annotated[
        Path, typer.Argument(metavar="B", help="What would: a saved router, or a pool.yaml.")
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Benchmark results, or queries alone: .txt with one a line, or .jsonl or .csv "
            "with `query`.",
        ),
    ],
    policy_a: Annotated[
        str | None, typer.Option("--policy-a", metavar="SPEC", help="The policy of A.")
    ] = None,
    policy_b: Annotated[
        str | None, typer.Option("--policy-b", metavar="SPEC", help="The policy of B.")
    ] = None,
    embedder: EmbedderOption = "static",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    *,
    reading: Reading,
) -> None:
    """Show which queries get another model, and what that costs.

    The exit code is 1 where decisions move, 0 where none does.
    """
    from knnrouter.evaluation import compare as compare_routers

    one, other = _side(first, embedder), _side(second, embedder)
    traffic = read_traffic(file, reading, (one, other))
    with progress() as told:
        found = compare_routers(
            one, other, traffic, policies=(policy_a, policy_b), seed=seed, progress=told
        )
    if as_json:
        output.show_json(found.to_dict())
    else:
        _show(found)
    if found.moved:
        raise typer.Exit(FINDINGS)


def _side(path: Path, embedder: str) -> Router:
    """The router of a saved folder, or of a pool.yaml, with its models."""
    embeds = embedder_of(embedder)
    if path.is_file():
        return Router.from_yaml(path, embedder=embeds)
    return Router.load(path, embedder=embeds)


def _show(found: Comparison) -> None:
    output.show(str(found), style="bold")
    if found.moved:
        output.show()
        _show_moves(found)
        output.show()
    _show_sides(found)
    if len(found.tasks) > 1 and found.moved:
        output.show()
        _show_tasks(found)
    for each in found.examples[:_SHOWN]:
        output.show()
        output.show(output.one_line(each.query)[:200])
        output.show(f"A: {output.one_line(str(each.first))}", indent=2)
        output.show(f"B: {output.one_line(str(each.second))}", indent=2)
    for note in found.notes:
        output.say(f"note: {note}")


def _show_moves(found: Comparison) -> None:
    made = output.table("from", "to", "queries", right=("queries",))
    for move in found.moves:
        made.add_row(output.one_line(move.first), output.one_line(move.second), f"{move.queries:,}")
    output.show_table(made)


def _show_sides(found: Comparison) -> None:
    numbers = ("A", "B")
    made = output.table("", *numbers, right=numbers)
    one, two = found.first, found.second
    for name in dict.fromkeys((*one.shares, *two.shares)):
        cells = (f"{side.shares.get(name, 0.0):.1%}" for side in (one, two))
        made.add_row(f"share of {output.one_line(name)}", *cells)
    for label, values in {
        "expected score": (one.expected_score, two.expected_score),
        "expected USD per 1,000": (1000 * one.expected_cost, 1000 * two.expected_cost),
        f"measured quality (n = {found.measured:,})": (one.quality, two.quality),
    }.items():
        made.add_row(label, *(output.number(value, ".4f") for value in values))
    output.show_table(made)


def _show_tasks(found: Comparison) -> None:
    numbers = ("queries", "moved", "quality", "USD per 1,000")
    made = output.table("task", *numbers, right=numbers)
    for each in found.tasks:
        made.add_row(
            output.one_line(each.task or "–"),
            f"{each.n:,}",
            f"{each.moved:,}",
            output.number(each.quality, "+.4f"),
            output.number(1000 * each.cost, "+.4f"),
        )
    output.show_table(made)
