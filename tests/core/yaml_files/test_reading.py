"""A kind of file of one's own: what is read, and how problems are told."""

from __future__ import annotations

from typing import ClassVar

import pytest

from knnrouter.errors import KnnRouterError, RecordsError
from knnrouter.yaml_files import (
    FileKind,
    FileModel,
    Name,
    Problem,
    ProblemsFoundError,
    Words,
    located,
    read_document,
    read_text,
    refused,
    worded,
)
from knnrouter.yaml_files.nodes import read_yaml

KIND = FileKind(
    noun="a shelf",
    does="lists books",
    file_name="shelf.yaml",
    example="books: [{title: Emma}]",
    error=RecordsError,
)


class Book(FileModel, frozen=True):
    refusal: ClassVar[type[KnnRouterError]] = RecordsError
    words: ClassVar[Words] = Words(
        wanted={"title": "the name on the spine is wanted", "code": "a code is wanted"},
        missing={"title": "a book has one"},
        unknown={"author": "write by"},
        empty={"title": "look at the spine"},
        hidden=("code",),
    )

    title: Name
    by: Name | None = None
    code: Name | None = None


class Shelf(FileModel, frozen=True):
    refusal: ClassVar[type[KnnRouterError]] = RecordsError
    nested: ClassVar[dict[str, type[FileModel]]] = {"books": Book}

    books: tuple[Book, ...]


def told(text):
    """The problems of a shelf."""
    document = read_document(text, source="s", kind=KIND, keys=("room", "books"))
    return located(
        [*document.problems, *refused(Shelf, document.data, (), document)], document, "s"
    )


def test_every_value_knows_its_place():
    text = "a: 1\nb:\n  - x\n  - {c: on}\n"
    document = read_yaml(text, source="x", kind=KIND)
    assert document.data == {"a": 1, "b": ["x", {"c": True}]}
    assert document.marks == {
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("b", 0): (3, 5),
        ("b", 1): (4, 5),
        ("b", 1, "c"): (4, 6),
    }
    assert document.written == {("a",): "1", ("b", 1, "c"): "on"}


@pytest.mark.parametrize(
    ("book", "wanted"),
    [
        ("{title: Emma, by: Austen}", None),
        ("{by: Austen}", "s:1:9: books[0].title: missing; a book has one"),
        ("{title: ''}", "s:1:10: books[0].title: missing; look at the spine"),
        ("{title: [a]}", "s:1:10: books[0].title: the name on the spine is wanted, not a list"),
        ("{title: a, author: b}", "s:1:20: books[0].author: unknown key; write by"),
        ("{title: a, titel: b}", "s:1:20: books[0].titel: unknown key; did you mean title?"),
        ("{title: a, code: 1234567}", "s:1:20: books[0].code: a code is wanted"),
        ("{title: a, by: 3}", "s:1:20: books[0].by: 3 without quotes is a number in YAML, and"),
        ("!!set {a}", "s:1:9: books[0]: the tag !!set is refused: a shelf is plain data; remove"),
    ],
)
def test_the_words_of_a_mapping_are_used(book, wanted):
    found = told(f"books: [{book}]")
    if wanted is None:
        assert found == []
    else:
        assert any(one.startswith(wanted) for one in found), found
        assert "1234567" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "s: it is empty; a shelf lists books, such as: books: [{title: Emma}]"),
        ("- a", "s:1:1: a shelf is a mapping with the keys room and books, such as: books: [{tit"),
        (
            "[" * 60 + "]" * 60,
            "s: it has more than 100,000 values, or they lie more than 40 levels",
        ),
        ("a: [", "s:1:5: not YAML: "),
    ],
)
def test_what_is_no_such_file(text, wanted):
    with pytest.raises(RecordsError) as caught:
        told(text)
    assert str(caught.value).startswith(wanted)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(RecordsError, match="no such file; a shelf is a YAML file, such as: books"):
        read_text(tmp_path / "gone.yaml", KIND)
    with pytest.raises(
        RecordsError, match=r"this is a folder; name the file, such as .*shelf\.yaml"
    ):
        read_text(tmp_path, KIND)
    (tmp_path / "latin.yaml").write_bytes(b"books:\n - \xe9")
    with pytest.raises(RecordsError, match=r"latin\.yaml:2:4: the byte 0xe9 is not UTF-8; save"):
        read_text(tmp_path / "latin.yaml", KIND)


def test_list_items_by_their_names():
    problem = Problem(("books", 1, "pages", 0), "torn")
    assert worded(problem) == "books[1].pages[0]: torn"
    assert worded(problem, {("books", 1): "Emma"}) == "books[Emma].pages[0]: torn"


def test_problems_of_a_validator_stand_where_its_mapping_does():
    from pydantic import model_validator

    class Pair(FileModel, frozen=True):
        refusal: ClassVar[type[KnnRouterError]] = RecordsError
        first: int
        second: int

        @model_validator(mode="after")
        def _ordered(self):
            if self.first > self.second:
                raise ProblemsFoundError([Problem(("second",), "too small"), Problem((), "turn")])
            return self

    class Pairs(FileModel, frozen=True):
        refusal: ClassVar[type[KnnRouterError]] = RecordsError
        nested: ClassVar[dict[str, type[FileModel]]] = {"pairs": Pair}
        pairs: tuple[Pair, ...]

    text = "pairs:\n - {first: 1, second: 2}\n - {first: 2, second: 1}\n"
    document = read_document(text, source="s", kind=KIND, keys=("a", "pairs"))
    found = [*refused(Pairs, document.data, (), document)]
    assert located(found, document, "s") == [
        "s:3:4: pairs[1]: turn",
        "s:3:15: pairs[1].second: too small",
    ]
    with pytest.raises(RecordsError) as caught:
        Pairs(pairs=[{"first": 2, "second": 1}])
    assert caught.value.problems == (
        "Pairs: pairs[0].second: too small",
        "Pairs: pairs[0]: turn",
    )
