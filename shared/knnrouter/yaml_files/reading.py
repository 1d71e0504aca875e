"""A file of the user's in: its text, its data, and what is wrong with them, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from knnrouter.yaml_files.models import FileModel
from knnrouter.yaml_files.nodes import NUMBER, FileKind, Mark, YamlDocument, read_yaml
from knnrouter.yaml_files.problems import Place, Problem, problems_of, worded

__all__ = ["FileKind", "located", "mark_of", "read_document", "read_text", "refused"]


def read_text(path: Path, kind: FileKind) -> str:
    """The text of a file.

    Args:
        path: The file, in UTF-8.
        kind: What it is to be.

    Raises:
        KnnRouterError: That of `kind`: there is no such file, or it cannot be read, or is no UTF-8.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise kind.error(
            f"{path}: there is no such file; {kind.noun} is a YAML file, such as: {kind.example}"
        ) from None
    except IsADirectoryError:
        raise kind.error(
            f"{path}: this is a folder; name the file, such as {path}/{kind.file_name}"
        ) from None
    except OSError as error:
        raise kind.error(
            f"{path}: cannot be read: {error.strerror}; check its permissions"
        ) from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise kind.error(
            f"{path}:{line}:{column}: the byte 0x{raw[error.start]:02x} is not UTF-8; save the "
            "file as UTF-8"
        ) from None


def read_document(text: str, *, source: str, kind: FileKind, keys: Sequence[str]) -> YamlDocument:
    """Read YAML that is a mapping.

    Args:
        text: YAML.
        source: What to call the text in errors.
        kind: What it is to be.
        keys: The keys that such a file has.

    Returns:
        Its data, a mapping, with places and what is wrong with it as YAML.

    Raises:
        KnnRouterError: That of `kind`: it is empty, no YAML, or something else than a mapping.
    """
    document = read_yaml(text.removeprefix("\ufeff"), source=source, kind=kind)
    if isinstance(document.data, Mapping):
        return document
    if document.problems:
        raise kind.error(located(document.problems, document, source))
    *others, last = keys
    if document.data is None:
        raise kind.error(f"{source}: it is empty; {kind.noun} {kind.does}, such as: {kind.example}")
    raise kind.error(
        f"{source}:1:1: {kind.noun} is a mapping with the keys {', '.join(others)} and {last}, "
        f"such as: {kind.example}; this is a {type(document.data).__name__}"
    )


def refused(
    model: type[FileModel], values: object, under: Place, document: YamlDocument
) -> Iterator[Problem]:
    """What a class refuses of values in a document.

    Args:
        model: The class.
        values: What is to be one.
        under: Where the values stand.
        document: What they stand in.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:
        for problem in problems_of(error, model, under):
            yield _with_quotes(problem, document)


def _with_quotes(problem: Problem, document: YamlDocument) -> Problem:
    """Where text is wanted and YAML sees none for want of quotes, the problem says that."""
    written = document.written.get(problem.place)
    if written is None or not problem.message.startswith("text is wanted"):
        return problem
    if not written:
        return Problem(problem.place, "nothing stands here, and text is wanted; add it")
    read = "a number" if NUMBER.fullmatch(written) else "no text"
    read = {"on": "true", "yes": "true", "off": "false", "no": "false"}.get(written.lower(), read)
    return Problem(
        problem.place,
        f"{written} without quotes is {read} in YAML, and text is wanted; write '{written}'",
    )


def located(
    problems: Sequence[Problem],
    document: YamlDocument,
    source: str,
    names: Mapping[Place, str] | None = None,
) -> list[str]:
    """The problems in the order of the file, each once, with line and column.

    Args:
        problems: What is wrong.
        document: What it is wrong in.
        source: What to call the file.
        names: The names of list items, as for `worded`.
    """
    lines = {(mark_of(problem.place, document), worded(problem, names)) for problem in problems}
    return [f"{source}:{line}:{column}: {text}" for (line, column), text in sorted(lines)]


def mark_of(place: Place, document: YamlDocument) -> Mark:
    """Where a place stands, or for a missing key the nearest place around it."""
    while place and place not in document.marks:
        place = place[:-1]
    return document.marks.get(place, (1, 1))
