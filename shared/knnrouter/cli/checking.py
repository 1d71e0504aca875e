"""The commands that look: at a pool (`validate`), a saved router (`inspect`), and `formats`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from knnrouter import ModelPool, ingest, store
from knnrouter.errors import StoreError
from knnrouter.store import StoreReport

from . import output
from .failing import BAD_INPUT, FINDINGS
from .options import JsonOption
from .pool_check import PoolCheck, check_pool

__all__ = ["formats", "inspect", "validate"]


def validate(
    pool: Annotated[
        Path | None,
        typer.Argument(metavar="POOL", show_default=False, help="The pool.yaml to check."),
    ] = None,
    router: Annotated[
        Path | None,
        typer.Option(
            "--router", metavar="DIR", help="Check against this saved router, not router.index."
        ),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Write the JSON schema of pool.yaml instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a pool.yaml: all that is wrong, with line and column.

    Warnings are findings: they name what is allowed, and perhaps not meant. Where a saved router
    is known, the models of the two are compared.
    """
    if schema:
        output.show_json(ModelPool.json_schema())
        return
    if pool is None:
        raise typer.BadParameter("name the pool.yaml, or give --schema", param_hint="POOL")
    check = check_pool(pool, router)
    if as_json:
        output.show_json(check.to_dict())
    else:
        _show_check(check)
    if check.errors:
        raise typer.Exit(BAD_INPUT)
    if check.warnings:
        raise typer.Exit(FINDINGS)


def _show_check(check: PoolCheck) -> None:
    for error in check.errors:
        output.complain(error)
    for warning in check.warnings:
        output.show(f"warning: {output.one_line(warning)}")
    if check.not_in_pool:
        names = ", ".join(map(output.one_line, check.not_in_pool))
        output.show(
            f"{len(check.not_in_pool)} model(s) of the records are not in the pool, and never "
            f"chosen: {names}"
        )
    if not check.errors:
        found = f"{len(check.warnings)} warning(s)" if check.warnings else "nothing to report"
        output.show(f"{check.pool}: {len(check.models)} model(s), {found}")


def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The saved router.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Build a damaged index again; remove leftovers.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at a saved router, and check every byte of it."""
    report, failure = _repaired(folder) if repair else (store.inspect(folder), "")
    if as_json:
        output.show_json(report.to_dict())
    else:
        _show_report(report)
    if failure:
        output.complain(failure)
    if failure or not report.ok:
        raise typer.Exit(FINDINGS)


def _repaired(folder: Path) -> tuple[StoreReport, str]:
    """The report after a repair; where there can be none, the report as it is, and why."""
    try:
        return store.repair(folder), ""
    except StoreError as error:
        return store.inspect(folder), str(error)


def _show_report(report: StoreReport) -> None:
    output.show(f"{report.folder}: {'sound' if report.ok else 'damaged'}", style="bold")
    if report.manifest is not None:
        _show_facts(report.to_dict())
    if report.files:
        made = output.table("file", "bytes", "state", right=("bytes",))
        for file in report.files:
            made.add_row(file.name, f"{file.size:,}", output.one_line(file.fault or "sound"))
        output.show_table(made)
    for fault in report.faults:
        output.show(f"fault: {output.one_line(fault)}")
    if report.repairable:
        output.show(f"it can be repaired: knnrouter inspect {report.folder} --repair")
    if report.leftovers:
        output.show(f"leftovers of earlier saves, of no use: {', '.join(report.leftovers)}")
    if report.strangers:
        names = ", ".join(map(output.one_line, report.strangers))
        output.show(f"other files, never touched: {names}")


def _show_facts(facts: dict[str, Any]) -> None:
    """What a sound manifest says of its router."""
    text = "with" if facts["text"] else "without"
    output.show(f"{facts['rows']:,} rows, {facts['tasks']:,} tasks, {text} the text of the queries")
    output.show(f"models: {', '.join(map(output.one_line, facts['models']))}")
    output.show(f"embedder: {facts['embedder']}, dimension {facts['dim']}")
    output.show(f"estimator: {output.settings(facts['estimator'])}")
    output.show(
        f"written by knnrouter {facts['knnrouter_version']}, format {facts['format_version']}"
    )


def formats(as_json: JsonOption = False) -> None:
    """List the benchmark formats that `build` reads."""
    known = ingest.formats()
    if as_json:
        keys = ("name", "looks_like", "fields", "kinds")
        output.show_json([{key: getattr(each, key) for key in keys} for each in known])
        return
    made = output.table("format", "how to recognize it", "columns or keys")
    for each in known:
        made.add_row(each.name, each.looks_like, each.fields)
    output.show_table(made)
