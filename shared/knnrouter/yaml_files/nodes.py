"""YAML text into plain data that remembers where each value stands.

Stricter than PyYAML, which keeps the last of two equal keys, reads `1e-6` as text, and would build
Python objects from tags. Here two equal keys are a problem, `1e-6` is a number, and a tag is never
followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from knnrouter.errors import KnnRouterError
from knnrouter.yaml_files.problems import Place, Problem
from knnrouter.yaml_files.secrets import redact

__all__ = ["NUMBER", "FileKind", "Mark", "YamlDocument", "read_yaml"]

Mark: TypeAlias = tuple[int, int]
"""Line and column, both counted from 1."""

_TAG = "tag:yaml.org,2002:"
NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
"""Text that without quotes is a number, more generously than PyYAML has it."""
_MOST_VALUES = 100_000  # aliases of aliases can stand for billions
_DEEPEST = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class FileKind:
    """What a file is, for messages and errors."""

    noun: str
    """What it is called, such as "a pool"."""
    does: str
    """What such a file does, such as "lists its models"."""
    file_name: str
    """How such a file is usually named, such as pool.yaml."""
    example: str
    """What may stand in one, on one line."""
    error: type[KnnRouterError]
    """What is raised where such a file cannot be used; takes a list with a sentence for each."""


@dataclass(kw_only=True, slots=True)
class YamlDocument:
    """What a YAML text holds; filled by `read_yaml`, and only read afterwards."""

    data: Any = None
    """Dicts, lists, str, int, float, bool and None."""
    marks: dict[Place, Mark] = field(default_factory=dict)
    """Where the key of each mapping entry, and each list item, starts."""
    written: dict[Place, str] = field(default_factory=dict)
    """What stands in the file for a value that without quotes is no text: `on`, `4.1`."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with it as YAML, such as a key that stands there twice."""


def read_yaml(text: str, *, source: str, kind: FileKind) -> YamlDocument:
    r"""Read one YAML document.

    Args:
        text: YAML.
        source: What to call the text in errors.
        kind: What the text is to be.

    Returns:
        Its data, with the places of its values and the problems that are in it.

    Raises:
        KnnRouterError: That of `kind`, with line and column: it is no YAML, or is nested too
            deeply.

    Example:
        >>> from knnrouter.errors import PoolError
        >>> kind = FileKind(
        ...     noun="a pool", does="lists its models", file_name="pool.yaml",
        ...     example="models: [{name: small}]", error=PoolError,
        ... )
        >>> read_yaml("price: 1e-6\nname: on", source="x", kind=kind).marks[("name",)]
        (2, 1)
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line, column = _line_and_column(text, error.position)
        raise kind.error(
            f"{source}:{line}:{column}: the character U+{error.character:04X} cannot stand in "
            "YAML; remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise kind.error(_not_yaml(error, source)) from None
    except RecursionError:
        raise kind.error(
            f"{source}: it is nested too deeply to be {kind.noun}; flatten it"
        ) from None
    except (OverflowError, ValueError):  # PyYAML checks no code point: "\UFFFFFFFF"
        raise kind.error(f"{source}: not YAML: an escape is no character; correct it") from None
    document = YamlDocument()
    if node is not None:
        document.data = _Reader(document, source, kind).value(node, ())
    return document


def _not_yaml(error: yaml.MarkedYAMLError, source: str) -> str:
    """PyYAML's own words, without the snippet of the file, which may show a secret."""
    mark = error.problem_mark or error.context_mark
    place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
    said = " ".join(part for part in (error.context, error.problem) if part)
    return f"{place}: not YAML: {redact(said)}; check quotes, colons and indentation there"


def _line_and_column(text: str, position: int) -> Mark:
    before = text[:position]
    return before.count("\n") + 1, position - before.rfind("\n")


class _Reader:
    """Goes through the nodes of a document once, noting places and problems."""

    def __init__(self, document: YamlDocument, source: str, kind: FileKind) -> None:
        self._document = document
        self._source = source
        self._kind = kind
        self._open: set[int] = set()  # the nodes around the present one
        self._left = _MOST_VALUES
        self._scalars = yaml.constructor.SafeConstructor()

    def _note(self, place: Place, node: yaml.Node, message: str) -> None:
        self._document.marks.setdefault(place, _start(node))
        self._document.problems.append(Problem(place, message))

    def value(self, node: yaml.Node, place: Place) -> object:
        """The data of a node."""
        self._left -= 1
        if self._left < 0 or len(place) > _DEEPEST:
            raise self._kind.error(
                f"{self._source}: it has more than {_MOST_VALUES:,} values, or they lie more than "
                f"{_DEEPEST} levels deep; {self._kind.noun} is smaller: flatten it"
            )
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if id(node) in self._open:
            self._note(place, node, "it holds itself by an alias; write it out")
            return None
        self._open.add(id(node))
        value: object = None
        if node.tag in (f"{_TAG}map", f"{_TAG}seq"):
            value = self._collection(node, place)
        else:
            self._refuse(node, place)
        self._open.discard(id(node))
        return value

    def _collection(self, node: yaml.Node, place: Place) -> object:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        items = []
        for number, item in enumerate(node.value):
            self._document.marks[*place, number] = _start(item)
            items.append(self.value(item, (*place, number)))
        return items

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, object]:
        entries: dict[str, object] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            here = (*place, name)
            if not isinstance(key, yaml.ScalarNode) or not self._is_text(key):
                self._note(here, key, _no_key(key, name))
            elif name in entries:
                message = f"the key stands here twice, again in line {_start(key)[0]}; remove one"
                self._document.problems.append(Problem(here, message))
            else:
                self._document.marks[here] = _start(key)
                entries[name] = self.value(value, here)
        return entries

    @staticmethod
    def _is_text(node: yaml.ScalarNode) -> bool:
        return node.tag in (f"{_TAG}str", f"{_TAG}timestamp")

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> object:
        """A value; a date stays text, and so does `1:30`, which YAML 1.1 would read as 90."""
        text, plain, kind = node.value, node.style is None, node.tag.removeprefix(_TAG)
        if kind in ("str", "timestamp", "value"):
            if not (plain and NUMBER.fullmatch(text)):
                return text
            self._document.written[place] = text
            return float(text)
        if kind not in ("null", "bool", "int", "float"):
            self._refuse(node, place)
            return None
        if kind in ("int", "float") and ":" in text:
            return text
        self._document.written[place] = text
        try:
            return getattr(self._scalars, f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError):
            self._note(
                place, node, f"{redact(text)!r} is no {kind}; correct it, or put it in quotes"
            )
            return None

    def _refuse(self, node: yaml.Node, place: Place) -> None:
        tag = node.tag.replace(_TAG, "!!")
        noun = self._kind.noun
        self._note(place, node, f"the tag {tag} is refused: {noun} is plain data; remove the tag")


def _start(node: yaml.Node) -> Mark:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _no_key(node: yaml.Node, name: str) -> str:
    if node.tag == f"{_TAG}merge":
        return "merge keys (`<<`) are not read; write the keys out"
    kind = node.tag.removeprefix(_TAG)
    return f"a key is text, and this is a {kind} in YAML; put it in quotes"
