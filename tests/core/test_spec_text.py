from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.spec_text import Family, stated_settings, written


@dataclass(frozen=True, kw_only=True)
class Box:
    width: int
    label: str = "none"


BOXES = Family(what="shape", kinds={"box": Box}, refusal=LookupError)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("box", ("box", {})),
        (" box : width = 3 , label = a ", ("box ", {"width": "3", "label": "a"})),
        ("box:label=(a,b=c)", ("box", {"label": "a,b=c"})),
        ("box:label=((a)),width=1", ("box", {"label": "(a)", "width": "1"})),
        ("box:label=a:b", ("box", {"label": "a:b"})),
        ("box:", ("box", {})),
    ],
)
def test_split(text, wanted):
    assert BOXES.split(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("box:width", r"shape 'box:width': 'width' is no setting; write kind:setting=value"),
        ("box:width=1,width=2", r"shape .*: setting 'width' is given twice; give it once"),
        ("box:label=(a,width=1", r"shape .*: parentheses do not match; close each that is open"),
        ("box:label=a)", r"shape 'box:label=a\)': parentheses do not match"),
        ("box:label=)(", r"shape .*: parentheses do not match"),
        ("box:label=1,2", r"'2' is no setting; .* and a list as setting=\(value,value\)"),
    ],
)
def test_what_cannot_be_split(text, message):
    with pytest.raises(LookupError, match=message):
        BOXES.split(text)


def test_built():
    assert BOXES.built("box", {"width": 2}) == Box(width=2)
    assert BOXES.kind_of(Box(width=2)) == "box"
    assert BOXES.kind_of(2) is None


def test_all_that_is_wrong_at_once():
    message = (
        r"shape box: unknown setting 'widht' \(did you mean 'width'\?\); unknown setting 'x'; "
        r"setting 'width' is missing; its settings: width, label"
    )
    with pytest.raises(LookupError, match=message):
        BOXES.built("box", {"widht": 1, "x": 2})


@given(label=st.text("ab,=(): ", min_size=1, max_size=8), width=st.integers(-5, 5))
def test_what_is_written_is_read(label, width):
    label = label.strip()
    balanced = label.count("(") == label.count(")") and _never_closes_first(label)
    if not label or not balanced:
        return  # text of pool names; unbalanced parentheses are none of it
    kind, settings = BOXES.split(written("box", {"width": width, "label": label}))
    assert (kind, settings) == ("box", {"width": str(width), "label": label})


def _never_closes_first(text):
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return True


def test_numbers_are_written_exactly():
    assert written("a", {"x": 0.1, "y": 1e-7, "z": 3, "on": True}) == "a:x=0.1,y=1e-07,z=3,on=true"
    exact = 0.1 + 0.2
    assert float(written("a", {"x": exact}).partition("=")[2]) == exact


def test_stated_settings():
    assert stated_settings(Box(width=2)) == {"width": 2, "label": "none"}
