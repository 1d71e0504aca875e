"""Which row of the evidence an outcome belongs to."""

import numpy as np
import pytest

from knnrouter import RecordSet, Router
from knnrouter.embedders import FunctionEmbedder
from knnrouter.errors import RecordsError
from knnrouter.estimators import KNN
from knnrouter.records import Price

NAN = float("nan")
EMBEDDER = FunctionEmbedder(
    lambda texts: [[text.count(letter) for letter in "abc"] for text in texts], dim=3, id="abc"
)


def make_router(**more):
    fields = {
        "ids": ("1", "2", "3", "4"),
        "queries": ("aab", "abb", "aab", "bcc"),
        "tasks": ("s", "s", "t", None),
        "models": ("x", "y"),
        "scores": [[1, 1], [0, 1], [1, 1], [0, 1]],
    }
    records = RecordSet(**fields | more)
    return Router.fit(
        records, embedder=EMBEDDER, estimator=KNN(k=2, weights="uniform", shrinkage=1)
    )


def joined(router, **fields):
    count = len(fields["scores"])
    given = {"ids": [f"row-{n}" for n in range(count)], "models": ("new",)} | fields
    router.add_model("new", RecordSet(**given))
    return router.records


def column(records):
    return [None if np.isnan(score) else float(score) for score in records.scores[:, -1]]


def test_by_id():
    assert column(joined(make_router(), ids=("4", "2"), scores=[[1], [0.5]])) == [
        *(None, 0.5, None, 1.0)
    ]


def test_by_text():
    records = joined(make_router(), queries=("bcc", "abb"), scores=[[1], [0.5]])
    assert column(records) == [None, 0.5, None, 1.0]


def test_rows_of_one_text_get_one_outcome_each_those_of_the_task_first():
    records = joined(make_router(), queries=("aab",), tasks=("t",), scores=[[0.25]])
    assert column(records) == [None, None, 0.25, None]
    records = joined(make_router(), queries=("aab", "aab"), scores=[[0.25], [0.75]])
    assert column(records) == [0.25, None, 0.75, None]
    records = joined(make_router(), queries=("aab",), tasks=("other",), scores=[[0.25]])
    assert column(records) == [0.25, None, None, None]


def test_an_id_that_a_reader_made_up_gives_way_to_the_text():
    records = joined(make_router(), ids=("2", "1"), queries=("bcc", "abb"), scores=[[1], [0.5]])
    assert column(records) == [None, 0.5, None, 1.0]


def test_a_row_claimed_by_its_id_is_not_given_to_a_text():
    records = joined(
        make_router(), ids=("mine", "1"), queries=("aab", "aab"), scores=[[0.25], [0.75]]
    )
    assert column(records) == [0.75, None, 0.25, None]


def test_all_that_belongs_nowhere_is_named():
    with pytest.raises(RecordsError) as caught:
        joined(
            make_router(),
            ids=("no", "1", "a", "b", "c"),
            queries=("nowhere", "abc", "bcc", "bcc", None),
            scores=[[1]] * 5,
        )
    none = "no row of the evidence has this id, or this text; give outcomes on rows of the evidence"
    assert caught.value.problems == (
        f"'no': {none}, such as knnrouter.onboarding proposes",
        "'1': the row of the evidence with this id has another text; give the text as it is there, "
        "or leave it out",
        "'b': each row of the evidence with its text has an outcome already; give one for each",
        f"'c': {none}, such as knnrouter.onboarding proposes",
    )


class TestWithoutTextInTheEvidence:
    @pytest.fixture
    def bare(self):
        texts = ("aab", "abb", "aab", "bcc")
        return make_router(queries=None, vectors=EMBEDDER.embed(texts), embedder="abc")

    def test_by_id(self, bare):
        assert column(joined(bare, ids=("4",), scores=[[1]])) == [None, None, None, 1.0]

    def test_a_text_that_fits_the_vector(self, bare):
        assert column(joined(bare, ids=("4",), queries=("bcc",), scores=[[1]]))[3] == 1.0

    def test_a_text_that_does_not(self, bare):
        with pytest.raises(RecordsError, match="'4': the row of the evidence with this id has an"):
            joined(bare, ids=("4",), queries=("aaa",), scores=[[1]])


class TestTheColumn:
    def test_costs_tokens_and_prices_come_along(self):
        records = joined(
            make_router(costs=[[0.1, 0.1]] * 4),
            ids=("2",),
            scores=[[0.5]],
            costs=[[0.3]],
            output_tokens=[[70]],
            prices={"new": Price(1, 2)},
        )
        np.testing.assert_array_equal(records.costs[:, 0], [0.1] * 4)
        np.testing.assert_array_equal(records.costs[:, 2], [NAN, 0.3, NAN, NAN])
        np.testing.assert_array_equal(records.output_tokens[1], [NAN, NAN, 70])
        assert np.isnan(records.output_tokens[[0, 2, 3]]).all()
        assert records.prices == {"new": Price(1, 2)}
        assert records.notes[-1] == "new was added with outcomes on 1 of 4 rows"

    def test_what_was_not_measured_is_left_out_and_need_not_be_known(self):
        records = joined(make_router(), ids=("nowhere", "2"), scores=[[NAN], [0.5]])
        assert column(records) == [None, 0.5, None, None]

    def test_of_several_models_the_one_that_was_named(self):
        records = joined(make_router(), ids=("2",), models=("x", "new"), scores=[[0.9, 0.5]])
        assert records.models == ("x", "y", "new")
        np.testing.assert_array_equal(records.scores[1], np.float32([0, 1, 0.5]))

    @pytest.mark.parametrize(
        ("name", "fields", "told"),
        [
            (
                "x",
                {},
                "the evidence has a model 'x' already; its models are x, y: give the new one",
            ),
            ("", {}, "the model's name is ''; give the name it shall have"),
            (None, {}, "the model's name is None; give"),
            ("other", {}, "the results measure new, and none of these is 'other'; name the column"),
            (
                "new",
                {"models": ("new", "old"), "scores": [[NAN, 1]]},
                "the results hold no score of 'new'; give at least one",
            ),
        ],
    )
    def test_what_cannot_be_added(self, name, fields, told):
        router = make_router()
        given = {"ids": ("2",), "models": ("new",), "scores": [[1]]} | fields
        with pytest.raises(RecordsError, match=told):
            router.add_model(name, RecordSet(**given))
        assert router.records.models == ("x", "y")
