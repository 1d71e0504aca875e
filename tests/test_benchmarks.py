"""The benchmarks run from end to end, on files made up here, and print what they should."""

import importlib
import importlib.util
import json
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OURS = "knnrouter, defaults"
SINGLE = "best single model, chosen in training"
SUBJECTS = {
    "rivers": "How long is river number {} from its source to the sea?",
    "proofs": "Prove the lemma about prime number {} by induction.",
    "rhymes": "Write a verse of {} lines that rhymes with moon.",
}


def outcomes(rng, subject, models):
    """Model i is good at subject i; the last one is good at everything."""
    place = list(SUBJECTS).index(subject)
    rates = [0.9 if each in (place, models - 1) else 0.4 for each in range(models)]
    return (rng.random(models) < rates).astype(float).tolist()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    write_routellm(folder / "routellm" / "mmlu", rng)
    write_gsm8k(folder / "routellm" / "gsm8k", rng)
    write_llmrouter(folder / "llmrouter", rng)
    write_routerdc(folder / "routerdc", rng)
    write_routerbench(folder / "routerbench", rng)
    return folder


def write_routellm(folder, rng):
    folder.mkdir(parents=True)
    for subject, text in SUBJECTS.items():
        lines = ["prompt,mistralai/Mixtral-8x7B-Instruct-v0.1,gpt-4-1106-preview"]
        for number in range(60):
            weak = bool(rng.random() < (0.9 if subject == "rivers" else 0.1))
            strong = bool(rng.random() < 0.95)
            lines.append(f"{text.format(number)},{weak},{strong}")
        (folder / f"mmlu_{subject}.csv").write_text("\n".join(lines) + "\n")
    left_out = {"train_prompt": "", "eval_prompt": SUBJECTS["rivers"].format(0)}
    (folder / "contaminated_prompts.jsonl").write_text(json.dumps(left_out) + "\n")


def write_gsm8k(folder, rng):
    folder.mkdir(parents=True)
    lines = ["prompt,mistralai/Mixtral-8x7B-Instruct-v0.1,gpt-4-1106-preview"]
    for number in range(100):
        text = SUBJECTS["proofs"].format(number)
        lines.append(f"{text},{rng.random() < 0.2},{rng.random() < 0.95}")
    (folder / "gsm8k_responses.csv").write_text("\n".join(lines) + "\n")
    (folder / "contaminated_prompts.jsonl").write_text("")


def write_llmrouter(folder, rng):
    folder.mkdir()
    models = ["river-model", "proof-model", "rhyme-model"]
    rows = [
        {"question": text.format(number), "scores": dict(zip(models, scores, strict=True))}
        for subject, text in SUBJECTS.items()
        for number in range(50)
        for scores in [outcomes(rng, subject, 3)]
    ]
    (folder / "routing_train.json").write_text(json.dumps(rows))
    tasks = [
        json.dumps({"query": text.format(number), "task_name": subject})
        for subject, text in SUBJECTS.items()
        for number in range(50)
    ]
    (folder / "query_train.jsonl").write_text("\n".join(tasks) + "\n")
    prices = {name: {"input_price": 0.1, "output_price": 0.2, "model": name} for name in models}
    (folder / "llm_candidates.json").write_text(json.dumps(prices))


def write_routerdc(folder, rng):
    folder.mkdir()
    files = [
        *("mmlu_train", "gsm8k-train", "cmmlu_train", "arc_challenge_train", "humaneval_train"),
        *("mmlu_test", "gsm8k-test", "cmmlu_test", "arc_challenge_test", "humaneval_test"),
        *("MATH_prealgebra", "mbpp", "ceval"),
    ]
    for place, name in enumerate(files):
        subject = list(SUBJECTS)[place % 3]
        rows = [
            {
                "question": f"{SUBJECTS[subject].format(number)} ({name})",
                "scores": dict(zip("abc", outcomes(rng, subject, 3), strict=True)),
            }
            for number in range(40)
        ]
        (folder / f"{name}.json").write_text(json.dumps(rows))


def write_routerbench(folder, rng):
    """The last of four models is good at everything and costs a thousand times as much."""
    folder.mkdir()
    models, costs = ["r", "p", "v", "all"], [1e-5, 1e-5, 1e-5, 1e-2]
    columns = ["sample_id", "prompt", "eval_name", *models, *(f"{m}|total_cost" for m in models)]
    for part in ("train", "test"):
        lines = [",".join(columns)]
        for subject, text in SUBJECTS.items():
            for number in range(50):
                scores = outcomes(rng, subject, 4)
                if part == "test" and number == 0:
                    scores[0] = ""  # not measured
                question = f"['{text.format(number)} ({part})']"
                cells = [f"{part}.{subject}.{number}", question, "sums", *scores, *costs]
                lines.append(",".join(map(str, cells)))
        (folder / f"arc_challenge_{part}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def run(monkeypatch, capsys, data):
    """Run a benchmark as its command does; its tables, row by row: cells by their column."""

    def run(name, *flags):
        monkeypatch.syspath_prepend(BENCHMARKS)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--data", str(data), *flags])
        importlib.import_module(name).main()
        return capsys.readouterr().out

    return run


def tables(printed):
    """Each table: what its first column names -> the other cells by their column."""
    found, columns = [], []
    for line in printed.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = cells
            found.append({})
        elif not line.startswith("|---"):
            found[-1][cells[0]] = dict(zip(columns[1:], cells[1:], strict=True))
    return found


def figure(cell):
    return float(cell.split()[0])


def test_routellm_mmlu(run):
    printed = run("routellm_mmlu", "--quick")
    assert "MMLU, 179 questions, 89 labeled at random" in printed  # one of 180 is contaminated
    assert "`python benchmarks/routellm_mmlu.py --quick` · seeds 0" in printed
    few, folds = tables(printed)
    for table in (few, folds):
        apgr = {name: figure(cells["APGR"]) for name, cells in table.items()}
        # The weak model is only bad at two subjects of three, and the words tell which.
        assert apgr["knnrouter, defaults"] > 0.55
        assert 0.2 < apgr["random"] < 0.8
        ahead = figure(table["random"]["ours is ahead by"])
        assert ahead == pytest.approx(apgr["knnrouter, defaults"] - apgr["random"], abs=2e-4)
        assert table["knnrouter, defaults"]["ours is ahead by"] == ""


def test_routellm_routers(run):
    pytest.importorskip("torch", reason="matrix factorization needs the extra `train`")
    pytest.importorskip("threadpoolctl", reason="rates are of one thread")
    printed = run("routellm_routers", "--quick")
    assert "## MMLU, 179 questions, 89 gold labels drawn at random" in printed
    assert "## GSM8K, 100 questions, 80 gold labels in five folds" in printed
    assert printed.count("causal LLM: not measured, since a real one of 8B needs a GPU") == 3
    mmlu, papers_mmlu, gsm8k, papers_gsm8k, rates = tables(printed)
    for table in (mmlu, gsm8k):
        assert len(table) == 7
        apgr = {name: figure(cells["APGR"]) for name, cells in table.items()}
        for name, cells in table.items():
            ahead, behind = cells["ahead of prompt length"], cells["the blend is ahead by"]
            lead = apgr[name] - apgr["prompt length"]
            assert lead == pytest.approx(figure(ahead) if ahead else 0.0, abs=2e-4)
            lead = apgr["blend"] - apgr[name]
            assert lead == pytest.approx(figure(behind) if behind else 0.0, abs=2e-4)
            assert 0 <= figure(cells["CPT 50 %"]) <= figure(cells["CPT 80 %"]) <= 1
            for cell in (cells["APGR"], cells["CPT 50 %"], cells["CPT 80 %"]):
                middle, low, high = map(float, re.findall(r"[\d.]+", cell))
                assert low - 0.1 <= middle <= high + 0.1
                assert low < high
    # The weak model is only bad at two subjects of three, and the words tell which.
    for name in set(mmlu) - {"prompt length", "random"}:
        assert figure(mmlu[name]["APGR"]) > 0.55
    assert figure(papers_mmlu["similarity-weighted ranking"]["APGR"]) == 0.603
    assert figure(papers_gsm8k["causal LLM"]["CPT 50 %"]) == 0.3364
    for table in (papers_mmlu, papers_gsm8k):
        by_lot = table["random here, 10 runs ± their sd"]
        assert figure(by_lot["APGR"]) == pytest.approx(0.5, abs=0.1)
        assert figure(by_lot["CPT 50 %"]) == pytest.approx(0.5, abs=0.15)
    assert figure(rates["matrix factorization, in the paper"]["requests / s"]) == 155.16
    ours = [cells["requests / s"] for name, cells in rates.items() if "in the paper" not in name]
    assert len(ours) == 5
    assert all(float(each.replace(",", "")) > 10 for each in ours)


def test_ulab(run):
    pytest.importorskip("sklearn", reason="another router's recipe needs scikit-learn")
    printed = run("ulab", "--quick")
    (table,) = tables(printed)
    score = {name: figure(cells["mean score"]) for name, cells in table.items()}
    task = score["best model of each task, in hindsight"]
    assert score["best single model, in hindsight"] <= task
    assert task <= score["best model of each query, in hindsight"]
    assert score["random model"] < score["best single model, chosen in training"]
    assert task - 0.05 < score["knnrouter, defaults"] <= task + 0.02
    assert len([name for name in score if name.startswith("ulab LLMRouter's recipe")]) == 3
    assert "Condensing each fold's evidence, in the first to " in printed


def test_onboarding(run):
    printed = run("onboarding", "--quick")
    found = tables(printed)
    assert re.findall(r"^## (\w+): a model joins", printed, re.MULTILINE) == [
        *("knn", "uniroute", "blend")
    ]
    assert len(found) == 3
    for table in found:
        assert list(table) == ["60, proposed", "60, random", "60, proposed less random"]
        proposed, drawn, apart = table.values()
        for name in ("task means", "estimates", "lost"):
            values = [figure(cells[name]) for cells in (proposed, drawn, apart)]
            assert abs(values[0]) < 0.3
            assert values[2] == pytest.approx(values[0] - values[1], abs=2e-4)
        assert 0.5 < figure(proposed["inside"]) <= 1.0


def test_robustness(run):
    printed = run("robustness", "--quick")
    kinds, blended, leads, variants = tables(printed)
    for cells in (kinds["case"], kinds["whitespace"]):
        assert [figure(cell) for cell in cells.values()] == [1.0, 1.0, 1.0]
    assert list(blended) == list(kinds)
    for table in (kinds, blended):
        for data, mean in table["**mean over kinds**"].items():
            shares = [figure(table[name][data]) for name in list(table)[:6]]
            assert figure(mean) == pytest.approx(np.mean(shares), abs=1e-4)
    for column in ("share of decisions", "of all flips"):
        total = sum(float(cells[column].split(" %")[0]) for cells in leads.values())
        assert total == pytest.approx(100.0, abs=0.4) or total == 0.0
    assert len(variants) == 7  # "the same, vote of 128 by similarity" stands there twice
    stay = {name: cells["ulab: stay"] for name, cells in variants.items()}
    default = "words that say little at an eighth: the default"
    for name, table in ((default, kinds), ("the same, blend", blended)):
        assert stay[name] == percent(table["**mean over kinds**"]["ulab"])


def percent(cell):
    return f"{100 * figure(cell):.1f} %"


def test_guard(run):
    printed = run("guard", "--quick")
    assert len(re.findall("No curve: there are 3 tasks; ", printed)) == 2
    *_, curve, by_task, _ = tables(printed)
    rows = list(curve.values())
    assert rows[0]["coverage"] == "1.0000"
    assert figure(rows[0]["regret"]) < figure(rows[0]["upper bound"])
    assert len(by_task) == 8
    mean = sum(40 * figure(row["regret"]) for row in by_task.values()) / 320
    assert mean == pytest.approx(figure(rows[0]["regret"]), abs=1e-4)
    assert len(re.findall(r"^- ", printed, re.MULTILINE)) == 9
    assert len(re.findall(r"Correlation of similarity and regret: [+-]", printed)) == 3


@pytest.fixture(scope="module")
def baked(data):
    """What the bake-off prints, once for all tests of it."""
    for needed in ("sklearn", "pandas", "threadpoolctl"):
        pytest.importorskip(needed, reason="other routers' recipes need it")
    flags = ["bakeoff.py", "--data", str(data), "--quick"]
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.syspath_prepend(BENCHMARKS)
        patch.setattr(sys, "argv", flags)
        importlib.import_module("bakeoff").main()
    return printed.getvalue()


COLLECTIONS = [
    *("ulab LLMRouter", "RouteLLM MMLU", "RouteLLM GSM8K"),
    *("RouterDC within", "RouterDC beyond", "RouterBench ARC"),
]


def quality_tables(baked):
    return [each for each in tables(baked) if "quality" in each[OURS] and "unchanged" in each[OURS]]


def test_bakeoff_names_what_it_ran(baked):
    titles = re.findall(r"^## (.*)$", baked, re.MULTILINE)
    assert [each for each in titles if ":" not in each] == [
        "ulab LLMRouter, 5 folds of RecordSet(150 rows, 3 models, 3 tasks)",
        "RouteLLM MMLU, 5 folds of RecordSet(179 rows, 2 models, 3 tasks)",
        "RouteLLM GSM8K, 5 folds of RecordSet(100 rows, 2 models, 1 task)",
        "RouterDC within, 3 models, 200 rows to learn from, 200 to test on",
        "RouterDC beyond, 3 models, 200 rows to learn from, 120 to test on",
        "RouterBench ARC, 4 models, 150 rows to learn from, 147 to test on",
    ]
    assert baked.count("`python benchmarks/bakeoff.py --quick` · seeds 0") == len(titles)


def test_bakeoff_compares_on_every_collection(baked):
    found = quality_tables(baked)
    assert len(found) == len(COLLECTIONS)
    for table in found:
        quality = {name: figure(cells["quality"]) for name, cells in table.items()}
        assert len([name for name in quality if name.startswith("ulab LLMRouter kNN")]) == 3
        assert quality["random model"] < quality["best model of each task, in hindsight"]
        assert max(quality.values()) == quality["best model of each query, in hindsight"]
        for name, cells in table.items():
            ahead = cells["ahead of the best single model"]
            assert (ahead == "") == (name == SINGLE)
            lead = quality[name] - quality[SINGLE]
            assert lead == pytest.approx(figure(ahead) if ahead else 0.0, abs=2e-4)
            ours = cells["ours is ahead by"]
            lead = quality[OURS] - quality[name]
            assert lead == pytest.approx(figure(ours) if ours else 0.0, abs=2e-4)
        assert table[SINGLE]["unchanged"] == "100.0%"
        assert 50 < float(table[OURS]["unchanged"].rstrip("%")) <= 100
        assert table["random model"]["unchanged"] == table["random model"]["fit"] == ""


def test_bakeoff_finds_what_can_be_learned(baked):
    arc = quality_tables(baked)[-1]
    # With costs, the cheap model of each subject does; it is 0.9 right, as the dear one.
    thrifty = "knnrouter, score_minus_cost:cost_weight=20"
    assert figure(arc[thrifty]["quality"]) > 0.8
    costs = next(each for each in tables(baked) if "AIQ" in each[OURS])
    assert figure(costs[SINGLE]["USD per 1,000"]) == 10.0
    assert figure(costs[SINGLE]["above the hull"]) == 0.0
    assert figure(costs[thrifty]["USD per 1,000"]) < 0.5
    assert figure(costs[thrifty]["above the hull"]) > 0.2
    aiq = {name: figure(cells["AIQ"]) for name, cells in costs.items() if cells["AIQ"]}
    assert aiq["hull mixture, chosen in training"] <= aiq["hull mixture, in hindsight"] + 1e-9
    assert aiq["hull mixture, in hindsight"] < aiq[OURS]
    assert aiq[OURS] < aiq["best model of each query, in hindsight"]
    ahead = figure(costs["RouterBench kNN, k = 40"]["our AIQ is ahead by"])
    assert ahead == pytest.approx(aiq[OURS] - aiq["RouterBench kNN, k = 40"], abs=2e-4)


def test_bakeoff_with_two_models(baked):
    mmlu, gsm8k = (each for each in tables(baked) if "APGR" in each[OURS])
    assert figure(mmlu[OURS]["APGR"]) > 0.55
    assert 0.2 < figure(gsm8k["random model"]["APGR"]) < 0.8


def test_bakeoff_sums_up(baked):
    summary = tables(baked)[-1]
    for name, table in zip(COLLECTIONS, quality_tables(baked), strict=True):
        for choice, cells in table.items():
            whole = cells["ahead of the best single model"]
            if not whole:
                assert summary[choice][name] == ""
                continue
            lead, low, high = map(float, re.findall(r"-?[\d.]+", whole))
            assert figure(summary[choice][name]) == pytest.approx(lead, abs=1e-9)
            starred = summary[choice][name].endswith("*")
            assert starred == (not low <= 0 <= high) or 0.0 in (low, high)
    assert summary[SINGLE]["unchanged, mean"] == "100.0%"


def test_routerdc(run):
    within, beyond = tables(run("routerdc", "--quick"))
    assert list(within["random model"]) == [
        *("MMLU", "GSM8K", "CMMLU", "ARC-C", "HumanEval", "average", "ours is ahead by")
    ]
    assert list(beyond["random model"])[:3] == ["PreAlgebra", "MBPP", "C-Eval"]
    for table in (within, beyond):
        for cells in table.values():
            sets = [float(cell) for cell in list(cells.values())[:-2]]
            assert figure(cells["average"]) == pytest.approx(np.mean(sets), abs=0.02)
        assert (
            figure(table["best single model, in hindsight"]["average"])
            <= figure(table["best model of each set, in hindsight"]["average"])
            <= figure(table["best model of each query, in hindsight"]["average"])
        )


def test_shnitzer(run):
    printed = run("shnitzer", "--quick")
    assert "## RouterDC sets, 8 tasks × 3 models, 520 rows" in printed
    assert "## RouterDC files, 13 tasks × 3 models, 520 rows" in printed
    assert "## RouteLLM MMLU, 3 tasks × 2 models, 179 rows" in printed
    assert len(re.findall(r"S3 >= S1 and S2: (holds|does not hold)\.", printed)) == 4
    assert len(re.findall(r"^On .* of \d+ tasks the leader|^The leader by S3", printed, re.M)) == 4
    found = tables(printed)
    first = [each for each in found if "rank" in next(iter(each.values()))]
    assert len(first) == 4
    for table in first:
        best = table["best on average"]
        hindsight = table["best model of each task, in hindsight"]
        assert best["ahead of best on average"] == ""
        assert (
            best["best on average chosen"]
            == hindsight["rank"]
            == hindsight["ratio to best"]
            == "1.0000"
        )
        assert len(table) == 8
        for cells in table.values():
            accuracy = figure(cells["accuracy"])
            assert accuracy <= figure(hindsight["accuracy"]) + 1e-9
            lead = cells["ahead of best on average"]
            wanted = accuracy - figure(best["accuracy"])
            assert wanted == pytest.approx(figure(lead) if lead else 0.0, abs=2e-4)
    sets = first[2]  # each of the three subjects is in several sets
    assert figure(sets["S1"]["accuracy"]) > 0.8
    sweeps = [each for each in found if "labelled" in next(iter(each.values()))]
    assert [list(each) for each in sweeps] == [["0.00", "0.14", "0.28"]] * 4
    for table, sweep in zip(first, sweeps, strict=True):
        for name in ("S1", "S2", "S3", "S3, true p", "best on average"):
            assert figure(sweep["0.00"][name]) == pytest.approx(figure(table[name]["accuracy"]))
    queries = [each for each in found if "new tasks" in next(iter(each.values()))]
    assert len(queries) == 2
    assert figure(queries[0]["knnrouter's vote, defaults"]["mean score, 5 folds"]) > 0.8


@pytest.fixture
def mixed(tmp_path):
    """Sets of three subjects, each with a model of its own; one learned the GSM8K train file."""
    (tmp_path / "routerdc").mkdir()
    rng = np.random.default_rng(2)
    for name in ("gsm8k-train", "gsm8k-test", "mmlu_train", "mmlu_test"):
        rows = []
        for number in range(60):
            for subject, text in SUBJECTS.items():
                scores = dict(zip("abc", outcomes(rng, subject, 4)[:3], strict=True))
                if name == "gsm8k-train":
                    scores["b"] = 1.0
                question = f"{text.format(number)} ({name})"
                rows.append({"question": question, "scores": scores})
        (tmp_path / "routerdc" / f"{name}.json").write_text(json.dumps(rows))
    return tmp_path


def test_srivatsa(run, mixed):
    pytest.importorskip("sklearn", reason="classifiers and TF-IDF need the extra `train`")
    printed = run("srivatsa", "--quick", "--data", str(mixed))
    assert "## GSM8K, 3 models, 180 questions to learn from, 180 to test on" in printed
    for part, trapped in zip(printed.split("\n## ")[1:], (True, False), strict=True):
        lines = [line.strip("| ").split(" | ") for line in part.splitlines()]
        routed = {
            (cells[0], cells[1].strip()): [float(each.split()[0]) for each in cells[2:4]]
            for cells in lines
            if len(cells) > 3 and "[" in cells[2]
        }
        argmax, *others = [policy for name, policy in routed if name == OURS]
        assert len(others) == 3
        routers = {name for name, policy in routed if policy == argmax}
        assert len(routers) == 8
        assert all((name, policy) in routed for name in routers for policy in others)
        single = routed[SINGLE, ""][0]
        for accuracy, ahead in routed.values():
            assert ahead == pytest.approx(accuracy - single, abs=0.011)
        words = routed["50 clusters of TF-IDF, plain means", argmax][0]
        if trapped:  # by the model that is always right on what it was trained on
            assert words == pytest.approx(single, abs=5)
            assert "\n- `knnrouter lint` of the two files: b scores 1.000 on the first" in part
            assert "b loses the most from the train to the test file: 1.000 to 0." in part
            shares = re.findall(r": b on ([\d.]+) % of the test questions; accuracy (\d+)", part)
            assert float(shares[0][0]) > 80 > 60 > float(shares[1][0])
            assert int(shares[1][1]) > int(shares[0][1]) + 10
        else:
            assert words > single + 15
            assert "lint` of the two files: nothing of the kind." in part
        trust = tables(part)[1]
        assert set(trust) == routers
        for name, cells in trust.items():
            assert 0 < figure(cells["weighted F1"]) <= 1
            bound = figure(cells["a trusted model, in hindsight, %"])
            answered = figure(cells["ArgMax if none is no answer, %"])
            assert answered <= min(bound, routed[name, argmax][0]) + 0.011
    assert tables(printed)[2]["fine-tuned RoBERTa, ArgMax"]["accuracy"] == "67.63"


def test_estimators_compared(run):
    pytest.importorskip("sklearn", reason="TF-IDF needs it")
    printed = run("estimators_compared", "--quick")
    within, beyond, folds = tables(printed)
    for table in (within, beyond):
        lines = {name: cells for name, cells in table.items() if "not checked" not in name}
        assert len(table) == len(lines) + 1
        for name, cells in lines.items():
            sets = [float(cell) for cell in list(cells.values())[:-3]]
            assert figure(cells["average"]) == pytest.approx(np.mean(sets), abs=0.02)
            lead = figure(cells["average"]) - figure(table["knn"]["average"])
            ahead = cells["ahead of knn"]
            assert (ahead == "") == (name == "knn")
            assert lead == pytest.approx(figure(ahead) if ahead else 0.0, abs=0.02)
        single, best = (
            f"best single model, {when}" for when in ("chosen in training", "in hindsight")
        )
        assert figure(lines[single]["average"]) <= figure(lines[best]["average"])
        # Each subject has a model of its own, the last model knows all, and these see it.
        most = figure(lines["best model of each set, in hindsight"]["average"])
        for name in ("knn", "clusters", "uniroute:shrinkage=0", "avengers_pro"):
            assert most - 6 < figure(lines[name]["average"]) <= most + 6
    assert list(within) == list(beyond)
    score = {name: figure(cells["mean score"]) for name, cells in folds.items()}
    task = score["best model of each task, in hindsight"]
    for name in ("clusters", "clusters:features=tfidf", "avengers_pro"):
        assert task - 0.06 < score[name] <= task + 0.02
    assert set(score) - set(within) == {
        name for name in score if name.startswith("best model of each task")
    }


def test_avengers_pro(run):
    within, beyond, folds, arc = tables(run("avengers_pro", "--quick"))
    assert [list(each) for each in (within, beyond, folds)] == [
        ["top_p=1, alpha=1", "top_p=3, alpha=1"]
    ] * 3
    assert len(arc) == 10
    for table in (within, beyond, folds, arc):
        for name, cells in table.items():
            lead = figure(cells["ranks"]) - figure(cells["policy"])
            assert lead == pytest.approx(figure(cells["ranks are ahead by"]), abs=2e-4)
            if name.startswith("top_p=1"):  # with one cluster both choose alike
                assert cells["other choice"] == "0.0 %"
    cheap, good = arc["top_p=3, alpha=0"], arc["top_p=3, alpha=1"]
    assert figure(cheap["policy, USD per 1,000"]) < figure(good["policy, USD per 1,000"])


def test_coverage(run):
    printed = run("coverage", "--quick")
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| R")]
    assert len(rows) == 12
    for row in rows:
        covered, least, most, bare = (float(cell.strip(" |%")) for cell in row[2:])
        assert least <= covered <= most
        assert bare <= covered


def test_speed(run):
    pytest.importorskip("pandas", reason="another router's recipe needs pandas")
    pytest.importorskip("sklearn", reason="other routers' recipes need scikit-learn")
    printed = run("speed", "--quick")
    (table,) = tables(printed)
    assert len(table) == 8
    assert all(figure(cells["ours / theirs"]) > 0 for cells in table.values())
    assert figure(table["route with the blend / with the vote"]["ours / theirs"]) > 1
    assert printed.endswith("it loads: none.\n")


def test_similarity_weighted(run):
    pytest.importorskip("sklearn", reason="the refit is scikit-learn's")
    pytest.importorskip("threadpoolctl", reason="all sides keep to one thread")
    (table,) = tables(run("similarity_weighted", "--quick"))
    assert list(table) == [
        f"{weights}, {how}"
        for weights in ("paper", "code")
        for how in ("one by one", "512 at once")
    ]
    for cells in table.values():
        assert figure(cells["largest difference"]) < 0.005
        ours, full = figure(cells["ours / s"]), figure(cells["full refit / s"])
        assert figure(cells["ours / full"]) == pytest.approx(ours / full, rel=0.05)  # one turn
    assert figure(table["paper, 512 at once"]["ours / full"]) > 5


def test_langchain_overhead(run):
    pytest.importorskip("langchain_core", reason="it is LangChain that is timed")
    pytest.importorskip("threadpoolctl", reason="both sides of a ratio keep to one thread")
    printed = run("langchain_overhead", "--quick")
    split, ratios = tables(printed)
    took = {name: figure(cells["µs"]) for name, cells in split.items()}
    *parts, whole = took.values()
    assert len(parts) == 5
    assert sum(parts) == pytest.approx(whole, rel=0.2)  # medians of three turns, summed
    assert split["the model's own call"]["times the model's own call"] == "1.00 [1.00, 1.00]"
    peer = importlib.util.find_spec("langchain_model_router") is not None
    assert len(ratios) == (12 if peer else 6)
    assert ("langchain_model_router is not installed, so its rows are left out" in printed) != peer
    for cells in ratios.values():
        middle, least, most = map(float, re.findall(r"[\d.]+", cells["ours / theirs"]))
        assert 0 < least <= middle <= most
        ours, theirs = (figure(cells[side]) for side in ("ours", "theirs"))
        assert 0.8 * least <= ours / theirs <= 1.25 * most
    assert figure(ratios["invoke / the model's own"]["ours / theirs"]) > 1
    assert figure(ratios["batch of 64 / 64 times invoke"]["ours / theirs"]) < 1
    assert re.search(r"Importing langchain_llmrouter.ChatKNNRouter takes 0\.\d\d s beyond", printed)
    assert set(re.findall(r"it loads: (.*)\.", printed)) == {"none"}


def test_make_bench_prints_what_the_docs_name():
    root = BENCHMARKS.parent
    pages = [root / "README.md", *root.glob("docs/**/*.md")]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    named = set().union(*(re.findall(r"benchmarks/(\w+)\.py", text) for text in texts))
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    (made,) = re.findall(r"^BENCHMARKS = (.*)$", makefile, re.MULTILINE)
    # static_embedder compares word vectors that have to be distilled first.
    assert sorted(made.split()) == sorted(named - {"static_embedder"})
    assert len(named) > 8


def test_data_that_is_not_there(run, tmp_path):
    with pytest.raises(SystemExit, match=r"routellm.mmlu is absent; name the folder of the real"):
        run("routellm_mmlu", "--data", str(tmp_path))
