import math

import numpy as np
import pytest
from clean_benchmark import clean_rows

from knnrouter import ModelPool, RecordSet

NAN = math.nan


def clean(rows=400, **columns):
    """Clean records; some of their columns replaced by a function of the row's number."""
    made = clean_rows(rows)
    for name, value in columns.items():
        for number, row in enumerate(made):
            row[name] = value(number)
    return RecordSet.from_rows(made)


def test_few_rows(found):
    assert "few_rows" not in found(clean(200))
    finding = found(clean(199))["few_rows"]
    assert finding.value == 199
    assert f"within {1.96 * 0.5 / math.sqrt(199):.2f}" in finding.why


def test_one_model(found):
    rows = [{"query": row["query"], "coder": row["coder"]} for row in clean_rows(240)]
    findings = found(RecordSet.from_rows(rows))
    assert set(findings) == {"one_model", "unpriced_models"}
    assert "one model, coder" in findings["one_model"].why


def test_missing_cells_by_model(found):
    records = clean(coder=lambda n: None if n % 10 == 0 else 0.5 + n / 1000, cook=_some)
    value = found(records)["missing_cells"].value
    scores = records.scores
    counted = {
        model: sum(math.isnan(score) for score in scores[:, column]) / 400
        for column, model in enumerate(records.models)
    }
    assert value == {"coder": 0.1, "cook": 1 / 400}
    assert value == {model: share for model, share in counted.items() if share}


def _some(number):
    return None if number == 7 else number / 400


def test_repeated_ids(found):
    records = clean(240)
    ids = list(records.ids)
    ids[5], ids[6], ids[7] = f"{ids[0]}#2", f"{ids[0]}#3", "task#2"
    again = RecordSet(**records.as_dict() | {"ids": ids})
    finding = found(again)["repeated_ids"]
    assert finding.value == 2
    assert ids[0] in finding.why


def test_constant_models(found):
    records = clean(cook=lambda n: 0.25 if n else None)
    finding = found(records)["constant_models"]
    assert finding.value == {"cook": 0.25}
    assert "one_model" not in found(records)


def test_a_model_that_was_never_measured_is_missing_and_not_constant(found):
    records = clean(cook=lambda n: 0.5)
    scores = records.scores.copy()
    scores[:, 2] = NAN
    findings = found(RecordSet(**records.as_dict() | {"scores": scores}))
    assert findings["missing_cells"].value == {"cook": 1.0}
    assert "constant_models" not in findings


def test_one_score_throughout(found):
    rows = [{"query": row["query"], "a": 1, "b": 1, "a|cost": 1, "b|cost": 1}
            for row in clean_rows(240)]  # fmt: skip
    findings = found(RecordSet.from_rows(rows))
    assert findings["constant_models"].value == {"a": 1.0, "b": 1.0}
    assert findings["all_equal_rows"].value == 1.0
    assert set(findings) == {
        *("constant_models", "tied_best", "order_sensitive_labels", "all_equal_rows"),
        "dominant_model",
    }


@pytest.mark.parametrize(("width", "collapsed"), [(0.09, True), (0.11, False), (1.0, False)])
def test_a_collapsed_scale(width, collapsed, found):
    records = clean()
    scores = 0.02 + width * (records.scores - records.scores.min()) / np.ptp(records.scores)
    findings = found(RecordSet(**records.as_dict() | {"scores": np.clip(scores, 0, 1)}))
    assert ("collapsed_scale" in findings) == collapsed
    if collapsed:
        assert findings["collapsed_scale"].value == pytest.approx({"low": 0.02, "high": 0.11})


def test_right_and_wrong_is_no_collapsed_scale(found):
    records = clean()
    scores = (records.scores > 0.5).astype(float)
    assert "collapsed_scale" not in found(RecordSet(**records.as_dict() | {"scores": scores}))


class TestPrices:
    def bare(self):
        return clean(**{"coder|cost": lambda n: None, "jurist|cost": lambda n: None})

    def test_a_model_is_priced_by_one_measured_cost(self, found):
        finding = found(self.bare())["unpriced_models"]
        assert finding.value == 2
        assert "coder, jurist" in finding.why

    def test_a_price_of_the_source_is_one(self, found):
        from knnrouter.records import Price

        records = RecordSet(**self.bare().as_dict() | {"prices": {"jurist": Price(1, 2)}})
        assert found(records)["unpriced_models"].value == 1

    def test_a_pool_prices_its_own_models(self, found):
        text = """
            models:
              - {name: coder, price: {input: 1, output: 2}}
              - {name: lawyer, aliases: [jurist]}
              - {name: new, enabled: false}
        """
        pool = ModelPool.from_text(text)
        finding = found(self.bare(), pool=pool)["unpriced_models"]
        assert finding.value == 1
        assert "lawyer" in finding.why

    def test_a_pool_needs_no_price_for_what_it_leaves_out(self, found):
        assert "unpriced_models" not in found(
            self.bare(), pool=ModelPool.from_text("models: [{name: cook}]")
        )
