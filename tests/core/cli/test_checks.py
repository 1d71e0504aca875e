import json

import pytest

from knnrouter import ModelPool, Router, ingest, store


def test_a_sound_pool(knn, work):
    ran = knn("validate", "pool.yaml")
    assert ran.out == "pool.yaml: 2 model(s), nothing to report\n"
    assert ran.err == ""
    assert knn("validate", "pool.yaml", "--json").json == {
        "ok": True,
        "pool": "pool.yaml",
        "errors": [],
        "warnings": [],
        "models": ["coder", "poet"],
        "router": "router",
        "without_records": [],
        "not_in_pool": [],
    }


def test_all_errors_of_a_pool_with_their_places(knn, work):
    (work / "pool.yaml").write_text(
        "modles: []\nmodels:\n  - {name: a, prize: 1}\n  - {name: on}\n"
    )
    ran = knn("validate", "pool.yaml", code=2)
    errors = ran.err.splitlines()
    assert [line[:26] for line in errors] == [
        "error: pool.yaml:1:1: modl",
        "error: pool.yaml:3:15: mod",
        "error: pool.yaml:4:6: mode",
    ]
    found = knn("validate", "pool.yaml", "--json", code=2)
    assert found.json["ok"] is False
    assert [f"error: {text}" for text in found.json["errors"]] == errors
    assert found.err == ""


def test_warnings_are_findings(knn, work):
    (work / "pool.yaml").write_text(
        "router: {index: router, default: coder}\n"
        "models:\n  - {name: coder, price: {input: 1, output: 1}}\n  - {name: novelist}\n"
        "  - {name: old, price: {input: 1, output: 1}, enabled: false}\n"
    )
    ran = knn("validate", "pool.yaml", code=1)
    lines = ran.out.splitlines()
    assert "1 model(s) without a price: novelist" in lines[0]
    assert "1 model(s) without records in router: novelist; no vote will choose" in lines[1]
    assert lines[2] == ("1 model(s) of the records are not in the pool, and never chosen: poet")
    assert lines[3] == "pool.yaml: 3 model(s), 2 warning(s)"
    found = knn("validate", "pool.yaml", "--json", code=1).json
    assert found["ok"] is True
    assert found["without_records"] == ["novelist", "old"]
    assert found["not_in_pool"] == ["poet"]
    assert len(found["warnings"]) == 2


def test_models_outside_the_pool_are_counted_and_are_no_finding(knn, work):
    (work / "pool.yaml").write_text(
        "router: {index: router, default: coder}\n"
        "models:\n  - {name: coder, price: {input: 1, output: 1}}\n"
        "  - {name: c2, aliases: [poet], price: {input: 1, output: 1}}\n"
    )
    assert knn("validate", "pool.yaml", "--json").json["not_in_pool"] == []


def test_a_pool_before_its_router_is_built(knn, work):
    (work / "router").rename(work / "elsewhere")
    ran = knn("validate", "pool.yaml", code=1)
    assert "warning: pool.yaml: router.index: there is no folder router; make one" in ran.out
    assert knn("validate", "pool.yaml", "--router", "elsewhere", "--json").json["warnings"] == []


def test_two_columns_for_one_model(knn, work):
    (work / "pool.yaml").write_text(
        "router: {index: router}\nmodels: [{name: coder, aliases: [poet]}]\n"
    )
    ran = knn("validate", "pool.yaml", code=2)
    assert "matches 2 columns of the records" in ran.err


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ("{kind: nope}", "pool.yaml: router.estimator: unknown estimator 'nope'; known: knn, "),
        ("knn:k=0", "pool.yaml: router.estimator: k is 0; give a whole number of at least 1"),
        (
            "separate",
            "pool.yaml: the pool's router.estimator is not what router was built with: kind is "
            "'knn', not 'separate'; build it again",
        ),
    ],
)
def test_an_estimator_that_no_router_takes(knn, work, stated, wanted):
    pool = (work / "pool.yaml").read_text()
    (work / "pool.yaml").write_text(pool.replace("router:", f"router:\n  estimator: {stated}", 1))
    ran = knn("validate", "pool.yaml", code=2)
    assert ran.err.startswith(f"error: {wanted}")
    assert len(ran.err.splitlines()) == 1
    assert "router.estimator" in knn("route", "2 + 2?", "--pool", "pool.yaml", code=2).err


def test_an_estimator_before_its_router_is_built(knn, work):
    pool = (work / "pool.yaml").read_text()
    (work / "pool.yaml").write_text(pool.replace("router:", "router:\n  estimator: nope", 1))
    (work / "router").rename(work / "elsewhere")
    assert "unknown estimator 'nope'" in knn("validate", "pool.yaml", code=2).err


def test_a_least_similarity_needs_a_default(knn, work):
    (work / "pool.yaml").write_text(
        "router: {min_similarity: 0.3}\nmodels: [{name: coder}, {name: poet}]\n"
    )
    assert "router.default is not set" in knn("validate", "pool.yaml", code=2).err


def test_the_schema(knn, work):
    assert knn("validate", "--schema").json == ModelPool.json_schema()
    assert "--schema" in knn("validate", code=2).err


def test_inspect_a_sound_router(knn, work):
    ran = knn("inspect", "router")
    lines = ran.out.splitlines()
    assert lines[0] == "router: sound"
    assert lines[1] == "6 rows, 2 tasks, with the text of the queries"
    assert lines[2] == "models: coder, poet"
    assert lines[4].startswith("estimator: kind knn, k ")
    assert sum(line.endswith(" sound") for line in lines[1:]) == 7
    assert knn("inspect", "router", "--json").json == json.loads(
        json.dumps(store.inspect("router").to_dict())
    )


def test_inspect_names_a_damaged_index_and_repairs_it(knn, work):
    [index] = (work / "router").glob("index-*")
    whole = index.read_bytes()
    index.write_bytes(whole[:-1])
    ran = knn("inspect", "router", code=1)
    assert ran.out.startswith("router: damaged\n")
    assert f"fault: {index.name}" in ran.out or index.name in ran.out
    assert "it can be repaired: knnrouter inspect router --repair" in ran.out
    found = knn("inspect", "router", "--json", code=1).json
    assert (found["ok"], found["repairable"]) == (False, True)
    (work / "router" / f"vectors-{'0' * 16}.npy").write_text("left over")
    assert f"vectors-{'0' * 16}.npy" in knn("inspect", "router", code=1).out
    assert knn("inspect", "router", "--repair").out.startswith("router: sound\n")
    assert index.read_bytes() == whole
    assert not (work / "router" / f"vectors-{'0' * 16}.npy").exists()
    assert knn("route", "Sort in C.", "--router", "router").out.startswith("coder: ")


@pytest.mark.parametrize("as_json", [True, False])
def test_what_cannot_be_repaired_stays(knn, work, as_json):
    [scores] = (work / "router").glob("scores-*")
    scores.write_bytes(scores.read_bytes()[:-1])
    options = ["--json"] if as_json else []
    ran = knn("inspect", "router", "--repair", *options, code=1)
    assert "router cannot be repaired" in ran.err
    assert scores.name in ran.out


def test_inspect_names_other_files(knn, work):
    (work / "router" / "notes.txt").write_text("mine")
    assert "other files, never touched: notes.txt" in knn("inspect", "router").out


def test_formats(knn):
    lines = knn("formats").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [each.name for each in ingest.formats()]
    found = knn("formats", "--json").json
    assert [each["name"] for each in found] == [each.name for each in ingest.formats()]
    assert list(found[0]) == ["name", "looks_like", "fields", "kinds"]
    assert found[-1]["kinds"] == list(ingest.formats()[-1].kinds)


def test_a_router_that_was_read_stays_as_it_was(knn, work, built):
    knn("inspect", "router")
    knn("validate", "pool.yaml")
    names = {path.name for path in (work / "router").iterdir()}
    assert names == {path.name for path in (built / "router").iterdir()}
    assert Router.load("router").records.models == ("coder", "poet")
