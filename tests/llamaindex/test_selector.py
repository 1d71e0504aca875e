"""KNNSelector by itself: which choices are selected, why, and what becomes of strangers."""

import asyncio
import logging

import pytest
from keyword_router import (
    RANKINGS,
    ROWS,
    CountingEmbedder,
    keyword_pool,
    keyword_router,
    write_pool,
)
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import ToolMetadata

from knnrouter import ModelPool, ModelSpec, RecordSet, Router
from knnrouter.errors import (
    EmptyPoolError,
    KnnRouterError,
    NoTextError,
    PolicyError,
    PoolWarning,
    UnknownModelError,
)
from knnrouter.records import Price
from llamaindex_llmrouter import KNNSelector, KNNSelectorResult

NAMES = ("coder", "poet", "all")


@pytest.fixture(params=["select", "aselect"])
def select(request):
    """Both ways to select."""

    def call(selector, choices, query):
        if request.param == "select":
            return selector.select(choices, query)
        return asyncio.run(selector.aselect(choices, query))

    return call


def named(*names):
    return [ToolMetadata(description=f"What {name} is for.", name=name) for name in names]


def selector_of(pool=None, **settings):
    return KNNSelector(keyword_router(pool=pool), **settings)


# What is selected


@pytest.mark.parametrize("word", list(RANKINGS))
@pytest.mark.parametrize("order", [NAMES, ("all", "coder", "poet"), ("poet", "all")])
def test_the_best_of_the_choices_is_selected_wherever_it_stands(select, word, order):
    found = select(selector_of(), named(*order), f"a question on {word}")
    best = next(name for name in RANKINGS[word] if name in order)
    assert found.ind == order.index(best)
    assert len(found.selections) == 1


def test_the_result_carries_the_evidence(select):
    found = select(selector_of(), named("all", "coder"), "some code")
    assert isinstance(found, KNNSelectorResult)
    assert found.scores == {"coder": 1.0, "all": 0.5}
    assert [sorted(each) for each in found.neighbors] == [
        ["id", "scores", "similarity", "task"]
    ] * 3
    assert {each["task"] for each in found.neighbors} == {"code"}
    assert found.neighbors[0]["similarity"] == pytest.approx(1.0)
    assert found.neighbors[0]["scores"] == {"coder": 1.0, "poet": 0.0, "all": 0.5}
    assert found.decision["model"] == "coder"
    assert found.decision["ranking"] == ["coder", "all"]
    assert "neighbors" not in found.decision
    assert "evidence" not in found.model_dump_json()  # no text of the records


def test_the_reason_is_the_decision_on_one_line(select):
    selector = selector_of()
    found = select(selector, named(*NAMES), "some code")
    expected = str(keyword_router().route("some code"))
    assert found.reason == expected
    assert found.reason.startswith("coder: ")
    assert "score 1.000" in found.reason
    assert "\n" not in found.reason


def test_top_n_gives_the_best_in_their_order(select):
    found = select(selector_of(top_n=2), named(*NAMES), "the sea")
    assert found.inds == [1, 2]
    assert found.reasons[0].startswith("poet: ")
    assert found.reasons[1].startswith("all: number 2 of the ranking [score 0.500")
    assert select(selector_of(top_n=9), named(*NAMES), "the sea").inds == [1, 2, 0]


def test_aliases_are_names_and_of_equal_names_the_first_counts(select):
    pool = keyword_pool(coder={"aliases": ["programmer"]})
    choices = named("poet", "programmer", "coder", "poet")
    selector = selector_of(pool, top_n=9)
    assert select(selector, choices, "code").inds == [1, 0]
    assert select(selector, choices, "sea").inds == [0, 1]


def test_bare_texts_are_choices_too(select):
    assert select(selector_of(), ["poet", "coder"], "some code").ind == 1


def test_what_is_not_known_is_none(select):
    pool = ModelPool(models=[ModelSpec(name=name) for name in (*NAMES, "new")])
    with pytest.warns(PoolWarning, match="new: no records"):
        selector = selector_of(pool)
    found = select(selector, named("new", "coder"), "code")
    assert found.scores == {"coder": 1.0, "new": None}
    assert found.ind == 1


# Who may be selected


def test_settings_limit_the_choices(select):
    pool = keyword_pool(
        coder={"tags": ["us"], "capabilities": ["tools"]},
        poet={"tags": ["eu"], "capabilities": ["tools"]},
        all={"tags": ["eu"], "aliases": ["every"]},
    )
    choices = named(*NAMES)
    assert select(selector_of(pool, require_tags=["eu"]), choices, "code").ind == 2
    assert select(selector_of(pool, require_tags="eu", require="tools"), choices, "code").ind == 1
    assert select(selector_of(pool, allow=["every"]), choices, "code").ind == 2
    with pytest.raises(EmptyPoolError, match=r"poet: not allowed"):
        select(selector_of(pool, allow="all"), named("poet"), "code")


def test_a_disabled_model_is_never_selected(select):
    pool = keyword_pool(coder={"enabled": False})
    assert select(selector_of(pool, top_n=9), named(*NAMES), "code").inds == [2, 1]
    with pytest.raises(EmptyPoolError, match="coder: not enabled"):
        select(selector_of(pool, default_index=0), named("coder"), "code")
    assert [each.name for each in selector_of(pool).choices()] == ["poet", "all"]


def test_a_policy_weighs_costs(select):
    free = {"price": Price(0, 0), "expected_output_tokens": 10}
    dear = {"price": Price(1e6, 1e6), "expected_output_tokens": 10}
    pool = keyword_pool(coder=dear, poet=dear, all=free)
    assert select(selector_of(pool), named(*NAMES), "code").ind == 0
    cheap = selector_of(pool, policy="cheapest_above:min_score=0.4")
    assert select(cheap, named(*NAMES), "code").ind == 2
    assert select(cheap, named("coder", "poet"), "code").ind == 0


# Choices that are not in the pool


def test_strangers_are_errors_that_name_them_and_the_models(select):
    with pytest.raises(UnknownModelError) as caught:
        select(selector_of(), named("coder", "wiki", "web"), "code")
    assert "'wiki', 'web'; the pool has coder, poet, all:" in str(caught.value)
    assert "unknown='ignore'" in str(caught.value)


def test_ignored_strangers_are_never_selected(select):
    found = select(selector_of(unknown="ignore", top_n=9), named("wiki", "poet", "coder"), "code")
    assert found.inds == [2, 1]
    assert found.scores == {"poet": 0.0, "coder": 1.0}


@pytest.mark.parametrize(
    ("names", "word", "expected"),
    [
        (("wiki", "poet", "coder"), "code", ["coder", "wiki", "poet"]),  # 1, (1/2 + 1/3) / 2, 0
        (("wiki", "poet", "coder"), "sea", ["poet", "wiki", "coder"]),
        (("poet", "wiki"), "code", ["wiki", "poet"]),  # 1/3, 0
        (("wiki", "web", "all"), "code", ["wiki", "web", "all"]),  # 2/3, 1/2
        (("wiki", "all"), "sum", ["all", "wiki"]),  # 1, 2/3
        (("wiki", "coder"), "sum", ["coder", "wiki"]),  # 1/2, 1/2: not lower
    ],
)
def test_a_prior_stands_in_for_the_score_of_a_stranger(select, names, word, expected):
    found = select(selector_of(unknown="prior", top_n=9), named(*names), word)
    assert [names[place] for place in found.inds] == expected


def test_the_reason_of_a_stranger_says_what_it_is_taken_for(select):
    found = select(selector_of(unknown="prior"), named("poet", "wiki"), "code")
    assert found.ind == 1
    assert found.reason == (
        "wiki: not in the pool; taken to score 0.333, the mean of the known choices"
    )
    assert found.scores == {"poet": 0.0, "wiki": pytest.approx(1 / 3)}


def test_a_stranger_passes_no_filter_and_comes_after_a_default(select):
    pool = keyword_pool(default="poet", poet={"tags": ["eu"]})
    settings = {"unknown": "prior", "top_n": 9}
    choices = named("wiki", "poet")
    assert select(selector_of(pool, require_tags="eu", **settings), choices, "code").inds == [1]
    assert select(selector_of(pool, allow="poet", **settings), choices, "code").inds == [1]
    found = select(selector_of(pool, **settings), choices, "no known word")
    assert found.inds == [1, 0]
    assert found.reasons[1] == "wiki: not in the pool; number 2, after all that are"


@pytest.mark.parametrize("unknown", ["error", "ignore", "prior"])
def test_where_none_is_a_model_the_default_is_selected_or_an_error_raised(select, unknown, caplog):
    choices = named("wiki", "web")
    found = select(selector_of(unknown=unknown, default_index=1), choices, "code")
    assert (found.ind, found.decision, found.scores, found.neighbors) == (1, None, {}, [])
    assert found.reason == "no choice is a model of the pool; the choice of default_index"
    assert "no choice is a model of the pool (coder, poet, all)" in caplog.text
    with pytest.raises(UnknownModelError, match="'wiki', 'web'; the pool has coder, poet, all"):
        select(selector_of(unknown=unknown), choices, "code")


def test_choices_need_not_be_models(select):
    """Records with outcomes by the names of tools make a selector of tools."""
    rows = [
        {"query": "What does the handbook say on holidays?", "handbook": 1, "tickets": 0},
        {"query": "How many days of leave do I have?", "handbook": 1, "tickets": 0},
        {"query": "Which bugs were filed on the login page?", "handbook": 0, "tickets": 1},
        {"query": "Is the crash at upload solved?", "handbook": 0, "tickets": 1},
    ]
    selector = KNNSelector(Router.fit(RecordSet.from_rows(rows)))
    choices = [
        ToolMetadata(description="Solved and open bugs.", name="tickets"),
        ToolMetadata(description="Rules of the company.", name="handbook"),
    ]
    assert select(selector, choices, "Are there bugs at upload?").ind == 0
    assert select(selector, choices, "How many holidays are there?").ind == 1


# Indices


def test_default_index_must_be_one_of_the_choices(select):
    with pytest.raises(ValueError, match=r"default_index is 2, but there are 2 choices; .*0 to 1"):
        select(selector_of(default_index=2), named("coder", "poet"), "code")


def test_there_must_be_a_choice(select):
    with pytest.raises(ValueError, match="there are 0 choices"):
        select(selector_of(default_index=0), [], "code")


# Failures and shadow


def failing(error=None, **settings):
    embedder = CountingEmbedder()
    pool = keyword_pool(default=settings.pop("default", None))
    selector = KNNSelector(keyword_router(embedder, pool=pool), **settings)
    embedder.fails = error or ConnectionError("the service is down: some code")
    return selector


def test_the_pools_default_is_selected_where_routing_fails(select, caplog):
    selector = failing(default="poet", default_index=0)
    found = select(selector, named(*NAMES), "some code")
    assert (found.ind, found.decision["reason_code"]) == (1, "routing_failed")
    assert found.scores == dict.fromkeys(NAMES)
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "some code" not in caplog.text


@pytest.mark.parametrize("default", [None, "all"])
def test_default_index_is_selected_where_the_pools_default_is_no_choice(select, default, caplog):
    selector = failing(default=default, default_index=1)
    found = select(selector, named("poet", "coder"), "some code")
    assert (found.ind, found.decision) == (1, None)
    assert found.reason.startswith("routing failed (")
    assert "ConnectionError" in found.reason
    assert "default_index 1 is selected" in caplog.text
    assert "some code" not in caplog.text + found.reason


def test_without_a_default_the_error_is_raised(select):
    with pytest.raises(ConnectionError):
        select(failing(), named(*NAMES), "some code")
    with pytest.raises(NoTextError):
        select(selector_of(), named(*NAMES), " ")
    assert select(selector_of(default_index=2), named(*NAMES), " ").ind == 2


def test_in_shadow_the_default_is_selected_and_the_decision_told(select, events):
    found = select(selector_of(shadow=True, default_index=2, top_n=2), named(*NAMES), "some code")
    assert found.inds == [2]
    assert found.reason.startswith("only recorded: coder: ")
    assert found.decision["model"] == "coder"
    assert len(found.neighbors) == 3
    (event,) = events.of("RouteDecisionEvent")
    assert (event.model, event.shadow) == ("coder", True)


def test_a_decision_is_told_once(select, events):
    found = select(selector_of(), named("poet", "coder"), "some code")
    (event,) = events.of("RouteDecisionEvent")
    assert (event.decision_id, event.model) == (found.decision["id"], "coder")
    assert (event.ranking, event.shadow) == (["coder", "poet"], False)
    assert events.names("LLM") == []


# Settings


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"top_n": 0}, "top_n is 0; give how many to select, a whole number >= 1"),
        ({"top_n": True}, "top_n is True"),
        ({"top_n": 1.5}, "top_n is 1.5"),
        ({"unknown": "guess"}, "unknown is 'guess'; give one of error, ignore, prior"),
        ({"default_index": -1}, "default_index is -1; give the place of a choice"),
        ({"default_index": "0"}, "default_index is '0'"),
        ({"shadow": True}, "shadow is set, but default_index is not"),
        ({"top_n": 0, "unknown": "x"}, "top_n is 0.*unknown is 'x'"),
    ],
)
def test_settings_out_of_range(settings, told):
    with pytest.raises(ValueError, match=told):
        selector_of(**settings)


def test_settings_of_the_wrong_kind():
    with pytest.raises(TypeError, match=r"router is a str; .*from_yaml"):
        KNNSelector("pool.yaml")
    with pytest.raises(PolicyError, match="best_guess"):
        selector_of(policy="best_guess")
    with pytest.raises(UnknownModelError, match="no model 'coda'"):
        selector_of(allow=["coda"])


def test_choices_say_what_the_pool_says():
    pool = keyword_pool(
        coder={"price": Price(0.25, 2), "context_window": 128_000, "tags": ["eu", "fast"]},
    )
    first, second, third = selector_of(pool).choices()
    assert first.name == "coder"
    assert first.description == (
        "The model coder: $0.25 in and $2 out per million tokens; 128,000 tokens of context; "
        "eu, fast."
    )
    assert (second.name, second.description) == ("poet", "The model poet.")
    assert third.name == "all"


def test_from_yaml_loads_late_and_once(select, tmp_path, monkeypatch):
    keyword_router().save(tmp_path / "saved")
    loads, load = [], Router.load

    def counted(folder, **options):
        loads.append(folder)
        return load(folder, **options)

    monkeypatch.setattr(Router, "load", counted)
    selector = KNNSelector.from_yaml(write_pool(tmp_path), embedder=CountingEmbedder(), top_n=2)
    assert [each.name for each in selector.choices()] == list(NAMES)
    assert loads == []
    for _ in range(2):
        assert select(selector, selector.choices(), "the sea").inds == [1, 2]
    assert loads == [tmp_path / "saved"]
    KNNSelector.from_yaml(write_pool(tmp_path), embedder=CountingEmbedder()).warmup()
    assert len(loads) == 2


def test_a_router_that_cannot_be_loaded(select, tmp_path):
    selector = KNNSelector.from_yaml(write_pool(tmp_path), default_index=2)
    assert select(selector, selector.choices(), "the sea").ind == 2
    with pytest.raises(KnnRouterError):
        selector.warmup()


# Many at once


def test_nothing_of_a_call_is_kept():
    selector = selector_of(unknown="prior")
    before = dict(vars(selector))
    selector.select(named("poet", "coder"), "some code")
    selector.select(named("wiki", "poet"), QueryBundle("the sea"))
    assert vars(selector) == before


async def test_a_hundred_at_once_are_decided_in_few_batches():
    embedder = CountingEmbedder()
    selector = KNNSelector(keyword_router(embedder))
    orders = [NAMES, ("all", "coder", "poet"), ("poet", "all")]
    asked = [(orders[place % 3], list(RANKINGS)[place % 2]) for place in range(100)]
    found = await asyncio.gather(
        *(
            selector.aselect(named(*order), f"{word} {place}")
            for place, (order, word) in enumerate(asked)
        )
    )
    for (order, word), result in zip(asked, found, strict=True):
        best = next(name for name in RANKINGS[word] if name in order)
        assert result.ind == order.index(best)
        assert set(result.scores) == set(order)
    assert len(embedder.calls) < 50
    assert sum(map(len, embedder.calls)) == 100


def test_event_loops_one_after_the_other():
    selector = selector_of()
    for word in ("code", "sea", "code"):
        found = asyncio.run(selector.aselect(named(*NAMES), word))
        assert NAMES[found.ind] == RANKINGS[word][0]


def test_the_means_that_priors_rest_on():
    means = {name: sum(row[name] for row in ROWS) / len(ROWS) for name in NAMES}
    assert means == {"coder": 0.5, "poet": pytest.approx(1 / 3), "all": pytest.approx(2 / 3)}
