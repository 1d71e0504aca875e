"""Lint on real benchmark files: every trap that is known of them, and the same figures as by hand.

What is expected is computed from the raw files, not from records.
"""

import csv
import json
import os
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from knnrouter import read_records
from knnrouter.cli import app
from knnrouter.evaluation import lint
from knnrouter.text import read_query

BESIDE = Path(__file__).parents[5] / "shared" / "data"
DATA = Path(os.environ.get("KNNROUTER_DATA", BESIDE))

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason="no real benchmark data: set KNNROUTER_DATA, or put it into ../shared/data",
)

TIES = {"tied_best", "order_sensitive_labels", "all_equal_rows"}
DEAD = {"order_sensitive_labels", "all_equal_rows", "all_zero_rows", "unpriced_models"}
FILES = {
    "llmrouter/routing_train.json": {*TIES, "all_zero_rows"},
    "routellm/gsm8k/gsm8k_responses.csv": {*TIES, "unpriced_models"},
    "routellm/mmlu": {
        *(*TIES, *DEAD, "duplicate_queries", "conflicting_duplicates"),
        *("shared_boilerplate", "multiple_choice"),
    },
    "routellm/mt_bench": {
        *("order_sensitive_labels", "all_equal_rows", "few_rows", "unpriced_models"),
    },
    "routerbench/arc_challenge_train.csv": {
        *(*TIES, "repeated_ids", "missing_cells", "shared_boilerplate", "multiple_choice"),
    },
    "routerbench/arc_challenge_test.csv": {
        *(*TIES, "repeated_ids", "missing_cells", "shared_boilerplate", "multiple_choice"),
    },
    "routerdc/MATH_prealgebra.json": {*TIES, *DEAD},
    "routerdc/arc_challenge_train.json": {*DEAD, "shared_boilerplate"},
    "routerdc/arc_challenge_test.json": {*DEAD, "shared_boilerplate"},
    "routerdc/ceval.json": {
        *(*DEAD, "duplicate_queries", "conflicting_duplicates"),
        *("shared_boilerplate", "multiple_choice"),
    },
    "routerdc/cmmlu_train.json": {*DEAD, "shared_boilerplate", "multiple_choice"},
    "routerdc/cmmlu_test.json": {*DEAD, "shared_boilerplate", "multiple_choice"},
    "routerdc/gsm8k-train.json": {"tied_best", "order_sensitive_labels", "unpriced_models"},
    "routerdc/gsm8k-test.json": {"tied_best", "order_sensitive_labels", "unpriced_models"},
    "routerdc/humaneval_train.json": {*TIES, *DEAD, "few_rows"},
    "routerdc/humaneval_test.json": {*TIES, *DEAD, "few_rows"},
    "routerdc/mbpp.json": {*TIES, *DEAD, "duplicate_queries", "shared_boilerplate"},
    "routerdc/mmlu_train.json": {*DEAD, "multiple_choice"},
    "routerdc/mmlu_test.json": {
        *(*DEAD, "duplicate_queries", "conflicting_duplicates", "multiple_choice"),
    },
}
"""What is found in each file that can be read, whatever the embedder; MMLU as one folder."""

LARGE = ("routellm/mmlu", "llmrouter/routing_train.json", "mmlu_test.json")
SMALL = [name for name in FILES if not name.endswith(LARGE)]
"""Files in which all cosines are soon computed."""

OF_VECTORS = {"near_duplicate_queries", "no_locality"}
"""What depends on the embedder."""


@cache
def records(name):
    return read_records(DATA / name)


@pytest.fixture(scope="module")
def findings(embedder):
    """The findings of a file, or of a pair, by code; each is looked at once."""

    @cache
    def look(*names):
        report = lint(*map(records, names), embedder=embedder)
        return {finding.code: finding for finding in report.findings}

    return look


@cache
def raw(name):
    """Questions and scores by model as they stand in the file; an absent score is None."""
    path = DATA / name
    if path.suffix == ".json":
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [(row["question"], row["scores"]) for row in rows]
    if path.name == "mt_bench":
        return _conversations(path)
    found = []
    for file in [path] if path.is_file() else sorted(path.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            found += [(row["prompt"], _numbers(row)) for row in csv.DictReader(lines)]
    return found


def _conversations(path):
    asked, judged = (
        [json.loads(line) for line in (path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("question.jsonl", "judgements.jsonl")
    )
    scores = defaultdict(lambda: defaultdict(float))
    for row in judged:
        scores[row["question_id"]][row["model"]] += (row["score"] - 1) / 18
    return [(row["turns"][0], scores[row["question_id"]]) for row in asked]


def _numbers(row):
    known = {"True": 1.0, "False": 0.0, "1.0": 1.0, "0.0": 0.0, "": None}
    extra = ("|", "_response", "prompt", "eval_name", "sample_id", "oracle")
    return {key: known[text] for key, text in row.items() if key and not _has(key, extra)}


def _has(key, words):
    return any(word in key for word in words)


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_the_findings_that_it_should(name, findings):
    assert set(findings(name)) - OF_VECTORS == FILES[name]


def test_each_subject_of_mmlu_can_be_linted(embedder):
    subjects = sorted((DATA / "routellm" / "mmlu").glob("*.csv"))
    assert len(subjects) == 57
    codes = Counter()
    for path in subjects:
        codes.update(lint(read_records(path), embedder=embedder).codes)
    assert codes["shared_boilerplate"] == codes["multiple_choice"] == 57
    sizes = [len(raw(f"routellm/mmlu/{path.name}")) for path in subjects]
    assert codes["few_rows"] == sum(size < 200 for size in sizes)


def test_what_cannot_be_read_is_bad_input():
    readable = {*FILES, *(f"routellm/mmlu/{path.name}" for path in DATA.glob("*/mmlu/*.csv"))}
    readable.add("routellm/mt_bench/judgements.jsonl")
    kinds = {".csv", ".json", ".jsonl"}
    names = [path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.suffix in kinds]
    others = sorted(set(names) - readable)
    assert len(others) == 8
    for name in (*others, "srivatsa", "no such file"):
        ran = CliRunner().invoke(app, ["lint", str(DATA / name)])
        assert (ran.exit_code, ran.stdout) == (2, ""), name
        assert ran.stderr.startswith("error: ")


@pytest.mark.parametrize("name", FILES)
def test_ties_are_those_of_the_raw_file(name, findings):
    counted = ties = equal = zero = 0
    agree = 0.0
    for _, scores in raw(name):
        known = [np.float32(score) for score in scores.values() if score is not None]
        if len(known) > 1:
            best = max(known)
            counted += 1
            ties += known.count(best) > 1
            agree += 1 / known.count(best)
            equal += len(set(known)) == 1
            zero += best == 0
    assert counted > 40
    shares = {"tied_best": ties, "all_equal_rows": equal, "all_zero_rows": zero}
    for code, count in shares.items():
        if code in findings(name):
            assert findings(name)[code].value == pytest.approx(count / counted, abs=1e-12)
        else:
            assert count / counted < {"tied_best": 0.5}.get(code, 0.1)
    order = findings(name)["order_sensitive_labels"].value
    assert order["depend_on_order"] == pytest.approx(ties / counted)
    assert order["change_when_shuffled"] == pytest.approx(1 - agree / counted)


def test_the_traps_of_llmrouter(findings):
    found = findings("llmrouter/routing_train.json")
    assert f"{found['tied_best'].value:.1%}" == "88.9%"
    assert f"{found['all_zero_rows'].value:.1%}" == "19.4%"


def test_metamath_was_trained_on_gsm8k(findings):
    names = ("routerdc/gsm8k-train.json", "routerdc/gsm8k-test.json")
    model = "meta-math/MetaMath-Mistral-7B"
    train, test = (np.mean([scores[model] for _, scores in raw(name)]) for name in names)
    assert (f"{train:.2f}", f"{test:.2f}") == ("0.82", "0.70")
    finding = findings(*names)["inflated_train_scores"]
    assert finding.value == {model: pytest.approx(train - test, abs=1e-6)}


@pytest.mark.parametrize("task", ["arc_challenge", "cmmlu", "humaneval", "mmlu"])
def test_no_other_model_was_trained_on_the_train_file(task, findings):
    found = findings(f"routerdc/{task}_train.json", f"routerdc/{task}_test.json")
    assert "inflated_train_scores" not in found


@pytest.mark.parametrize("name", [name for name in FILES if "routerbench" in name])
def test_missing_cells_and_repeated_ids_of_routerbench(name, findings):
    missing = Counter(
        model for _, scores in raw(name) for model, score in scores.items() if score is None
    )
    rows = len(raw(name))
    value = findings(name)["missing_cells"].value
    assert value == {model: pytest.approx(count / rows) for model, count in missing.items()}
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        ids = [row["sample_id"] for row in csv.DictReader(lines)]
    assert findings(name)["repeated_ids"].value == len(ids) - len(set(ids))


@pytest.mark.parametrize("name", [name for name in FILES if "shared_boilerplate" in FILES[name]])
def test_boilerplate_of_prompts(name, findings):
    value = findings(name)["shared_boilerplate"].value
    tasks = dict(zip(reversed(records(name).queries), reversed(records(name).tasks), strict=True))
    assert len(tasks) == len({text for text, _ in raw(name)})
    lengths = shared(tasks, tasks.values())
    assert value["prompts"] == pytest.approx(sum(map(bool, lengths)) / len(tasks))
    assert value["characters"] == pytest.approx(sum(lengths) / sum(map(len, tasks)))
    routed = [read_query(text).text for text in tasks]
    expected = sum(shared(routed, tasks.values())) / sum(map(len, routed))
    assert value["routed_characters"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("routellm/mmlu", "\nAnswer:"),
        ("routerdc/arc_challenge_train.json", "\nAnswer:"),
        ("routerbench/arc_challenge_train.csv", 'from "A" or "B" or "C" or "D" without'),
    ],
)
def test_answer_formats_are_boilerplate(name, end, findings):
    assert np.mean([end in text[-80:] for text, _ in raw(name)]) == 1.0
    value = findings(name)["shared_boilerplate"].value
    assert value["prompts"] == 1.0
    ends = len(end) * len(raw(name)) / sum(len(text) for text, _ in raw(name))
    assert value["characters"] >= 0.99 * ends
    routed = [read_query(text).text for text in records(name).queries[:50]]
    assert not any(end.strip() in text[-80:] for text in routed)


def test_the_examples_of_routerbench_stay_in_the_routing_text(findings):
    finding = findings("routerbench/arc_challenge_train.csv")["shared_boilerplate"]
    assert finding.value["routed_characters"] > 0.8
    assert finding.todo.startswith("Cut the shared text")


def shared(texts, tasks):
    """Shared characters of each text: what it has in common with the start that nine in ten have,
    of its task or of the file; and the end likewise."""
    sides = []
    for read in (lambda text: text, lambda text: text[::-1]):
        groups = defaultdict(list)
        for text, task in zip(texts, tasks, strict=True):
            groups[None].append(read(text))
            groups[task].append(read(text))
        starts = {group: _most_common_start(texts) for group, texts in groups.items()}
        sides.append(
            [
                max(_in_common(read(text), starts[group]) for group in (None, task))
                for text, task in zip(texts, tasks, strict=True)
            ]
        )
    return [
        min(one + two, len(text)) for one, two, text in zip(sides[0], sides[1], texts, strict=True)
    ]


def _most_common_start(texts):
    """The longest start that nine texts in ten have: cut one's start until enough have it."""
    low, high = 0, max(map(len, texts))
    while low < high:
        middle = (low + high + 1) // 2
        (_, count), *_ = Counter(text[:middle] for text in texts).most_common(1)
        low, high = (middle, high) if count >= 0.9 * len(texts) else (low, middle - 1)
    (start, _), *_ = Counter(text[:low] for text in texts).most_common(1)
    return start


def _in_common(text, start):
    length = len(os.path.commonprefix([text, start]))  # noqa: RUF071 - characters are meant
    part = text[:length]
    return length if len(part.strip()) >= 3 and any(map(str.isalpha, part)) else 0


@pytest.mark.parametrize("name", [name for name in FILES if "duplicate_queries" in FILES[name]])
def test_texts_that_are_there_twice(name, findings):
    scores = defaultdict(list)
    for text, row in raw(name):
        scores[text].append({model: np.float32(score) for model, score in row.items()})
    assert findings(name)["duplicate_queries"].value == len(raw(name)) - len(scores)
    conflicts = sum(any(row != rows[0] for row in rows) for rows in scores.values())
    found = findings(name).get("conflicting_duplicates")
    assert conflicts == (found.value if found else 0)


@pytest.mark.parametrize("task", ["arc_challenge", "cmmlu", "gsm8k", "humaneval", "mmlu"])
def test_leaks_between_train_and_test_of_routerdc(task, findings, embedder):
    from sklearn.metrics.pairwise import cosine_similarity

    dash = "-" if task == "gsm8k" else "_"
    names = [f"routerdc/{task}{dash}{part}.json" for part in ("train", "test")]
    train, test = ([text for text, _ in raw(name)] for name in names)
    exact = [text for text in test if text in set(train)]
    rest = [text for text in test if text not in set(train)]
    vectors = [embedder.embed([read_query(text).text for text in part]) for part in (rest, train)]
    near = int((cosine_similarity(*vectors).max(axis=1) >= 0.95 - 5e-7).sum())
    expected = {"leaked_queries": len(exact), "near_leaked_queries": near}
    found = findings(*names)
    for code, count in expected.items():
        value = found[code].value if code in found else {"rows": 0, "share": 0.0}
        assert value == {"rows": count, "share": pytest.approx(count / len(test))}


@pytest.mark.parametrize("name", SMALL)
def test_near_twins_and_locality(name, findings, embedder):
    """Near twins are counted, and the agreement of the ten nearest is summed up, row by row."""
    texts = list(records(name).queries)
    scores = np.array([list(row.values()) for _, row in raw(name)], dtype=np.float32).astype(float)
    scores -= np.nanmean(scores, axis=1, keepdims=True)
    scores = np.nan_to_num(scores - np.nanmean(scores, axis=0))
    vectors = embedder.embed([read_query(text).text for text in texts]).astype(float)
    twins, products = 0, []
    for row, cosines in enumerate(rows_of_cosines(vectors)):
        near = [
            (-cosines[each], each)
            for each in np.argpartition(-cosines, 30)[:31].tolist()
            if cosines[each] > 0 and texts[each] != texts[row]
        ]
        twins += bool(near) and min(near)[0] <= -0.95
        products += [float(scores[row] @ scores[each]) for _, each in sorted(near)[:10]]
    if twins >= 0.01 * len(texts):
        value = findings(name)["near_duplicate_queries"].value
        assert value == pytest.approx(twins / len(texts), abs=1e-9)
    else:
        assert "near_duplicate_queries" not in findings(name)
    if "no_locality" in findings(name):
        value = findings(name)["no_locality"].value
        near = np.mean(products) / np.mean((scores**2).sum(axis=1))
        assert value["near"] == pytest.approx(near, abs=1e-4)
        assert value["near"] <= value["shuffled_high"]


def rows_of_cosines(vectors):
    """All cosines of each row, to six digits; some hundred rows at a time."""
    for start in range(0, len(vectors), 500):
        yield from np.round(vectors[start : start + 500] @ vectors.T, 6)


def test_locality_is_there_where_tasks_differ(findings):
    assert "no_locality" not in findings("llmrouter/routing_train.json")
    assert "no_locality" not in findings("routellm/mmlu")


def test_chance_of_multiple_choice(findings):
    value = findings("routellm/mmlu")["multiple_choice"].value
    four = [all(f"\n{letter}. " in text for letter in "ABCD") for text, _ in raw("routellm/mmlu")]
    assert np.mean(four) == 1.0
    assert value == pytest.approx({"share": 1.0, "chance": 0.25, "oracle_chance": 1 - 0.75**2})


def test_chance_of_the_question_behind_examples(findings):
    name = "routerbench/arc_challenge_test.csv"
    chances, oracles = [], []
    for text, scores in raw(name):
        question = text.split(r"\n\n")[-1]
        options = sum(rf"\n{letter})" in question for letter in "ABCDEF")
        models = sum(score is not None for score in scores.values())
        chances.append(1 / options)
        oracles.append(1 - (1 - 1 / options) ** models)
    value = findings(name)["multiple_choice"].value
    assert value["share"] == 1.0
    assert value["chance"] == pytest.approx(np.mean(chances))
    assert value["oracle_chance"] == pytest.approx(np.mean(oracles))


def test_models_at_chance_on_a_subject_of_mmlu(embedder):
    name = "routellm/mmlu/mmlu_abstract_algebra.csv"
    report = lint(records(name), embedder=embedder)
    found = {finding.code: finding for finding in report.findings}["models_at_chance"].value
    for model in raw(name)[0][1]:
        right = [scores[model] for _, scores in raw(name)]
        mean = sum(right) / len(right)
        error = np.sqrt(mean * (1 - mean) / (len(right) - 1))
        assert (model in found) == (mean - 1.959964 * error <= 0.25)
    assert found == {"mistralai/Mixtral-8x7B-Instruct-v0.1": pytest.approx(0.32)}
