import copy
import dataclasses
import json
import math
import pickle  # what users' caches and workers do to decisions
import re
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from knnrouter.decision import Decision, Neighbor, as_json

NAN = float("nan")
KEYS = [
    "id",
    "model",
    "ranking",
    "scores",
    "costs",
    "stderr",
    "support",
    "neighbors",
    "similarity",
    "reason",
    "reason_code",
    "fallback",
    "policy",
    "elapsed_ms",
    "notes",
]
NEAR = (
    Neighbor(id="q1", task="math", similarity=0.9, scores={"small": 1.0, "large": NAN}),
    Neighbor(id="q2", task=None, similarity=-0.1, scores={"small": 0.0, "large": 1.0}),
)


class Evidence:
    """Stands for what neighbors are read from; counts how often, and cannot be copied."""

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return NEAR

    def __reduce__(self):
        raise AssertionError("the evidence is dragged along")


def decision(**more):
    given = {
        "id": "d1",
        "model": "small",
        "ranking": ("small", "large"),
        "scores": {"small": 0.7, "large": 0.6},
        "costs": {"small": 0.001, "large": NAN},
        "stderr": {"small": 0.05, "large": 0.04},
        "support": {"small": 20.0, "large": 0.0},
        "similarity": 0.8,
        "reason": "best expected score",
        "reason_code": "best_score",
        "policy": "best_score",
    }
    return Decision(**given | more)


def test_to_dict_is_plain_json():
    found = decision(nearby=Evidence(), elapsed_ms=1.25, notes=("cut",)).to_dict()
    assert list(found) == KEYS
    assert found == {
        "id": "d1",
        "model": "small",
        "ranking": ["small", "large"],
        "scores": {"small": 0.7, "large": 0.6},
        "costs": {"small": 0.001, "large": None},
        "stderr": {"small": 0.05, "large": 0.04},
        "support": {"small": 20.0, "large": 0.0},
        "neighbors": [
            {"id": "q1", "task": "math", "similarity": 0.9, "scores": {"small": 1, "large": None}},
            {"id": "q2", "task": None, "similarity": -0.1, "scores": {"small": 0, "large": 1}},
        ],
        "similarity": 0.8,
        "reason": "best expected score",
        "reason_code": "best_score",
        "fallback": False,
        "policy": "best_score",
        "elapsed_ms": 1.25,
        "notes": ["cut"],
    }
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    bare = decision().to_dict()
    assert (bare["neighbors"], bare["elapsed_ms"], bare["notes"]) == ([], None, [])


def test_every_field_is_in_it():
    fields = {item.name for item in dataclasses.fields(Decision)} | {"neighbors"}
    assert fields == set(KEYS)


def test_as_json():
    given = {"a": (1.0, math.inf, -math.inf), 2: [NAN, {"b": None}], "c": MappingProxyType({})}
    assert as_json(given) == {"a": [1.0, None, None], "2": [None, {"b": None}], "c": {}}
    assert as_json(True) is True


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, "small: best expected score [score 0.700 ± 0.050, $0.001000, nearest 0.80]"),
        (
            {"model": "large", "similarity": NAN},
            "large: best expected score [score 0.600 ± 0.040]",
        ),
        ({"stderr": {}, "costs": {}}, "small: best expected score [score 0.700, nearest 0.80]"),
        (
            {"scores": {}, "costs": {}, "stderr": {}, "similarity": NAN},
            "small: best expected score",
        ),
        (
            {"scores": {"small": NAN}, "costs": {"small": 1e-6}},
            "small: best expected score [$0.000001, nearest 0.80]",
        ),
    ],
)
def test_one_line(more, line):
    assert str(decision(**more)) == line


def test_a_reason_of_several_lines_is_still_one_line():
    assert str(decision(reason="first\n  second")).count("\n") == 0


def test_neighbors_are_made_once_and_late():
    evidence = Evidence()
    made = decision(nearby=evidence)
    assert evidence.asked == 0
    assert made.neighbors == NEAR
    assert made.neighbors is made.neighbors
    assert evidence.asked == 1


@pytest.mark.parametrize(
    "copied",
    [
        lambda each: pickle.loads(pickle.dumps(each)),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_copies_carry_the_neighbors_and_not_the_evidence(copied):
    made = decision(nearby=Evidence(), elapsed_ms=2.0, notes=("cut",), fallback=True)
    again = copied(made)
    assert json.dumps(again.to_dict()) == json.dumps(made.to_dict())
    assert [near.id for near in again.neighbors] == ["q1", "q2"]
    assert math.isnan(again.neighbors[0].scores["large"])
    assert str(again) == str(made)


def test_who_writes_its_fields_down_does_not_write_the_evidence():
    made = decision(nearby=Evidence())
    assert "nearby" not in dataclasses.asdict(made)
    assert {name for name in vars(made) if not name.startswith("_")} == set(KEYS) - {"neighbors"}
    again = Decision(**{each.name: getattr(made, each.name) for each in dataclasses.fields(made)})
    assert (again.model, again.neighbors) == (made.model, ())


def test_another_model_in_front_keeps_the_neighbors():
    made = decision(nearby=Evidence()).with_model("large", reason="r", reason_code="c")
    assert made.neighbors == NEAR


def test_html_escapes_what_it_shows():
    name = "<script>alert('x')</script>"
    shown = decision(
        model=name,
        ranking=(name, "a&b"),
        scores={name: 0.5, "a&b": NAN},
        costs={},
        stderr={},
        support={},
        reason="a < b",
    )._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "a&amp;b" in shown
    assert "a &lt; b" in shown
    assert set(re.findall(r"</?(\w+)", shown)) == {"p", "b", "table", "tr", "th", "td"}
    assert "<td>0.500</td>" in shown
    assert "nan" not in shown


def test_html_has_a_row_a_model():
    shown = decision()._repr_html_()
    assert "<td>large</td><td>0.600</td><td>0.040</td><td>–</td><td>0.0</td>" in shown
    assert shown.index("<td>small</td>") < shown.index("<td>large</td>")
    assert shown.count("<tr>") == 3


def test_with_model():
    made = decision(nearby=Evidence())
    moved = made.with_model("large", reason="small failed", reason_code="fallback")
    assert (moved.model, moved.ranking) == ("large", ("large", "small"))
    assert (moved.reason, moved.reason_code, moved.fallback) == ("small failed", "fallback", True)
    assert (moved.scores, moved.id, moved.neighbors) == (made.scores, made.id, NEAR)
    assert (made.model, made.fallback) == ("small", False)
    other = made.with_model("elsewhere", reason="x", reason_code="x")
    assert other.ranking == ("elsewhere", "small", "large")


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision().model = "large"


def test_pydantic_describes_and_writes_the_fields_without_the_evidence():
    adapter = TypeAdapter(Decision)
    made = decision(nearby=Evidence())
    fields = [key for key in KEYS if key != "neighbors"]
    assert sorted(adapter.json_schema()["properties"]) == sorted(fields)
    assert adapter.validate_python(made) is made
    assert sorted(adapter.dump_python(made)) == sorted(fields)


SUMMARY = [key for key in KEYS if key not in ("neighbors", "notes")]
NAMES = st.text(min_size=1, max_size=5)
NUMBERS = st.floats(allow_infinity=False)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def test_a_summary_leaves_out_all_that_may_quote_a_text():
    made = decision(nearby=Evidence(), notes=("cut: SECRET",), elapsed_ms=1.25, fallback=True)
    told = made.to_dict()
    assert list(made.summary()) == SUMMARY
    assert made.summary() == {key: told[key] for key in SUMMARY}
    assert made.summary()["costs"] == {"small": 0.001, "large": None}


def test_a_summary_does_not_look_for_neighbors():
    evidence = Evidence()
    decision(nearby=evidence).summary()
    assert evidence.asked == 0


@given(
    names=st.lists(NAMES, min_size=1, max_size=4, unique=True),
    figures=st.lists(st.dictionaries(NAMES, NUMBERS, max_size=4), min_size=4, max_size=4),
    similarity=NUMBERS,
    elapsed_ms=NUMBERS,
    fallback=st.booleans(),
    texts=st.lists(st.text(max_size=9), min_size=4, max_size=4),
)
def test_a_summary_is_read_back(names, figures, similarity, elapsed_ms, fallback, texts):
    fields = ("scores", "costs", "stderr", "support")
    made = decision(
        model=names[0],
        ranking=tuple(names),
        similarity=similarity,
        elapsed_ms=elapsed_ms,
        fallback=fallback,
        **dict(zip(fields, figures, strict=True)),
        **dict(zip(("id", "reason", "reason_code", "policy"), texts, strict=True)),
    )
    told = json.loads(json.dumps(made.summary(), allow_nan=False))
    again = Decision.from_summary(told)
    assert again.summary() == made.summary()
    for name in ("model", "ranking", "fallback", *fields, "similarity", "elapsed_ms"):
        # repr, for NaN is not itself
        assert repr(getattr(again, name)) == repr(getattr(made, name))
    assert (again.neighbors, again.notes) == ((), ())


def test_other_keys_beside_a_summary_do_not_matter():
    again = Decision.from_summary({"answered_by": "x", **decision().summary(), "failed": [1]})
    assert again.summary() == decision().summary()


def test_whole_numbers_of_a_summary_are_numbers():
    again = Decision.from_summary(decision().summary() | {"similarity": 1, "scores": {"small": 0}})
    assert [repr(value) for value in (again.similarity, again.scores)] == ["1.0", "{'small': 0.0}"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": 7}, "id is 7, not a text"),
        ({"model": None}, "model is None, not a text"),
        ({"ranking": "small"}, "ranking is 'small', not a list of names"),
        ({"ranking": []}, "ranking is [], not a list of names"),
        ({"ranking": ["small", 1]}, "ranking is ['small', 1], not a list of names"),
        ({"ranking": ["large", "small"]}, "model is 'small', not the first of ranking"),
        ({"scores": [0.5]}, "scores is [0.5], not a number for each name"),
        ({"costs": {"small": "0.1"}}, "costs is {'small': '0.1'}, not a number for each name"),
        ({"costs": {"small": True}}, "costs is {'small': True}, not a number for each name"),
        ({"support": {1: 0.5}}, "support is {1: 0.5}, not a number for each name"),
        ({"similarity": "0.5"}, "similarity is '0.5', not a number or None"),
        ({"elapsed_ms": False}, "elapsed_ms is False, not a number or None"),
        ({"elapsed_ms": 10**30}, f"elapsed_ms is {10**30}, not a number or None"),
        ({"fallback": 0}, "fallback is 0, not true or false"),
        ({"reason": ["x"]}, "reason is ['x'], not a text"),
        (
            {"fallback": "no", "policy": {}},
            "fallback is 'no', not true or false; policy is {}, not a text",
        ),
    ],
)
def test_what_is_wrong_with_a_summary_is_told_at_once(change, problem):
    with pytest.raises(ValueError, match=r"^this is no summary of a decision: ") as caught:
        Decision.from_summary(decision().summary() | change)
    assert str(caught.value) == (
        f"this is no summary of a decision: {problem}; give what Decision.summary() gave"
    )


@pytest.mark.parametrize("key", SUMMARY)
def test_every_key_of_a_summary_is_needed(key):
    values = decision().summary()
    del values[key]
    with pytest.raises(ValueError, match=f": {key} is missing, not "):
        Decision.from_summary(values)


@given(values=JSON | st.dictionaries(st.sampled_from(SUMMARY), JSON))
def test_what_is_no_summary_is_a_value_error(values):
    with pytest.raises(ValueError, match=r"^this is no summary of a decision: "):
        Decision.from_summary(values)


@given(key=st.sampled_from(SUMMARY), value=JSON)
def test_a_summary_with_one_other_value_is_read_or_is_a_value_error(key, value):
    try:
        made = Decision.from_summary(decision().summary() | {key: value})
    except ValueError as error:
        assert str(error).startswith("this is no summary of a decision: ")
    else:
        assert made.ranking[0] == made.model
        json.dumps(made.to_dict(), allow_nan=False)
        assert isinstance(str(made), str)
