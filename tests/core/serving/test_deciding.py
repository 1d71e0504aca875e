"""Decisions as frameworks need them: sticky, forced, many at once, and with a default."""

import logging
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter import ModelPool, RecordSet, Router, policies
from knnrouter.embedders import FunctionEmbedder, StaticEmbedder
from knnrouter.errors import (
    DamagedStoreError,
    EmptyPoolError,
    KnnRouterError,
    MissingExtraError,
    NoTextError,
    PolicyError,
    PoolError,
    QueryError,
    UnknownModelError,
    UnpricedError,
)
from knnrouter.serving import Decider, Route, RouteOptions

CODE = "Reverse a linked list of integers in C."
VERSE = "Write a sonnet on the waves of the sea."
PROOF = "Prove the theorem on prime numbers by induction."
SECRET = "Write a sonnet on my secret diary, word for word."  # breaks the embedder below
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}}

ROWS = [
    {"query": "Reverse a list in C.", "coder": 1, "poet": 0, "sage": 0},
    {"query": "Sort an array of integers in C.", "coder": 1, "poet": 0, "sage": 0},
    {"query": "Write a sonnet on the sea.", "coder": 0, "poet": 1, "sage": 0},
    {"query": "Write a haiku on the moon.", "coder": 0, "poet": 1, "sage": 0},
    {"query": "Prove a theorem on primes.", "coder": 0, "poet": 0, "sage": 1},
    {"query": "Prove a lemma by induction.", "coder": 0, "poet": 0, "sage": 1},
]
MODELS = """
models:
  - {name: coder, aliases: [c-1], capabilities: [tools], tags: [eu], context_window: 200}
  - {name: poet, capabilities: [tools, vision], tags: [eu]}
  - {name: sage, capabilities: []}
"""


class Embedder:
    """The static one, which remembers what it was asked, and breaks where it is told to."""

    def __init__(self):
        self.static, self.asked, self.error = StaticEmbedder(), [], None

    def embed(self, texts):
        self.asked.append(list(texts))
        if self.error is not None:
            raise self.error
        if any("secret" in text for text in texts):
            raise ConnectionError(f"refused: {texts}")
        return self.static.embed(texts)


@pytest.fixture(scope="module")
def embedder():
    return Embedder()


@pytest.fixture(scope="module")
def fitted(embedder):
    wrapped = FunctionEmbedder(embedder.embed, dim=embedder.static.dim, id="static, counted")
    return Router.fit(RecordSet.from_rows(ROWS), embedder=wrapped)


@pytest.fixture(autouse=True)
def _afresh(embedder):
    embedder.asked.clear()
    embedder.error = None


@pytest.fixture(scope="module")
def decider(fitted):
    """Makes a decider; settings of the pool's router are given in YAML's words."""

    def make(router="", *, sticky="turn", count_tokens=None, load=None):
        pool = ModelPool.from_text(f"router: {{{router}}}{MODELS}")
        ready = fitted.with_pool(pool, count_tokens=count_tokens)
        return Decider(
            router=load or (lambda: ready), pool=pool, sticky=sticky, count_tokens=count_tokens
        )

    return make


def asking(**options):
    return RouteOptions(**options)


def told(decided):
    """A decision without its id and time, or an error's type and text."""
    if isinstance(decided, Exception):
        return type(decided), str(decided)
    values = decided.to_dict()
    return {name: values[name] for name in values if name not in ("id", "elapsed_ms")}


def decided_alone(decider, query, options):
    try:
        return decider.decide(query, options)
    except (KnnRouterError, ConnectionError) as error:
        return error


class TestOptions:
    def test_needing_adds_what_is_not_there(self):
        options = asking(require=("tools",), tags=("eu",), policy="best_score")
        assert options.needing("vision", "tools", "audio") == asking(
            require=("tools", "vision", "audio"), tags=("eu",), policy="best_score"
        )
        assert options.needing() is options
        assert options.needing("tools") is options


class TestDecide:
    @pytest.mark.parametrize(
        ("query", "model"), [(CODE, "coder"), (VERSE, "poet"), ([("user", PROOF)], "sage")]
    )
    def test_it_is_what_the_router_decides(self, decider, query, model):
        made = decider()
        decision = made.decide(query, asking())
        assert decision.model == model
        assert decision.reason_code == "best_score"
        assert told(decision) == told(made.router().route(query))

    def test_options_reach_the_router(self, decider):
        made = decider()
        assert made.decide(CODE, asking(allow=("poet", "sage"))).ranking[0] != "coder"
        assert set(made.decide(PROOF, asking(require=("tools",))).ranking) == {"coder", "poet"}
        assert set(made.decide(PROOF, asking(tags=("eu",))).ranking) == {"coder", "poet"}
        policy = policies.Guarded(policy=policies.BestScore(), min_similarity=0.99, fallback="sage")
        assert made.decide(CODE, asking(policy=policy)).reason_code == "low_similarity"

    @pytest.mark.parametrize(
        ("sticky", "model"), [("call", "sage"), ("turn", "sage"), ("thread", "coder")]
    )
    def test_the_part_that_sticks_decides(self, decider, sticky, model):
        history = [("user", CODE), ("assistant", "void f();"), ("user", PROOF)]
        assert decider(sticky=sticky).decide(history, asking()).model == model

    def test_what_follows_the_turn_cannot_change_the_choice(self, decider):
        made = decider()
        first = made.decide([("user", VERSE)], asking())
        for more in ([("assistant", CODE)], [("assistant", ""), ("tool", CODE + PROOF)]):
            later = made.decide([("user", VERSE), *more], asking())
            assert later.model == first.model == "poet"
            assert later.scores == {name: first.scores[name] for name in later.scores}
            assert later.similarity == first.similarity

    def test_a_trivial_follow_up_keeps_the_evidence_of_the_turn_before(self, decider):
        history = [("user", VERSE), ("assistant", "On the sea?"), ("user", "do it")]
        decision = decider().decide(history, asking())
        assert decision.model == "poet"
        assert decision.similarity > 0.5

    def test_the_whole_prompt_limits_who_may_answer(self, decider):
        history = [("user", CODE), ("assistant", ""), ("tool", "x" * 300)]
        found = decider().decide(history, asking())
        assert found.ranking[0] == "coder"
        assert "sage" not in found.ranking  # a tool was called
        longer = [*history[:2], ("tool", "x" * 500)]
        assert decider().decide(longer, asking()).ranking == ("poet",)
        image = {"role": "tool", "content": [{"type": "tool_result", "content": [IMAGE]}]}
        assert decider().decide([*history[:2], image], asking()).ranking == ("poet",)

    def test_a_counter_of_tokens_counts_the_whole_prompt(self, decider):
        seen = []

        def count(prompt):
            seen.append(prompt)
            return 100 * len(prompt)

        made = decider(count_tokens=count)
        history = [("user", CODE), ("assistant", "void f();")]
        assert "coder" in made.decide(history, asking()).ranking
        longer = [*history, ("assistant", "and so on")]
        assert "coder" not in made.decide(longer, asking()).ranking
        assert history in seen
        assert longer in seen


class TestForced:
    @pytest.mark.parametrize("name", ["coder", "c-1"])
    def test_by_name_and_by_alias(self, decider, embedder, name):
        decision = decider().decide(VERSE, asking(model=name))
        assert (decision.model, decision.ranking) == ("coder", ("coder",))
        assert (decision.reason, decision.reason_code) == ("the caller named it", "forced")
        assert (decision.policy, decision.fallback) == ("forced", False)
        for figures in (decision.scores, decision.costs, decision.stderr):
            assert list(figures) == ["coder"]
            assert math.isnan(figures["coder"])
        assert decision.support == {"coder": 0.0}
        assert math.isnan(decision.similarity)
        assert embedder.asked == []

    def test_no_router_is_loaded_for_it(self, decider):
        def load():
            raise AssertionError("loaded")

        made = decider(load=load)
        assert made.decide(VERSE, asking(model="poet")).model == "poet"
        assert made.decide_many([VERSE], [asking(model="poet")])[0].model == "poet"

    def test_what_is_allowed_and_tagged_does_not_hold_for_it(self, decider):
        options = asking(model="sage", allow=("coder",), tags=("eu",))
        assert decider().decide(CODE, options).ranking == ("sage",)

    def test_an_unknown_name(self, decider):
        wanted = "the pool has no model 'codr'; its models are coder, poet, sage"
        with pytest.raises(UnknownModelError, match=wanted):
            decider("default: poet").decide(CODE, asking(model="codr"))

    def test_one_that_may_not_answer(self, decider):
        with pytest.raises(EmptyPoolError) as caught:
            decider("default: poet").decide(
                [("user", [{"type": "text", "text": CODE}, IMAGE])], asking(model="sage")
            )
        assert caught.value.problems == (
            "coder: not allowed, lacks the capability 'vision'",
            "poet: not allowed",
            "sage: lacks the capability 'vision'",
        )
        with pytest.raises(EmptyPoolError, match="context window 200 is under 500 prompt"):
            decider().decide("x" * 1000, asking(model="coder"))
        with pytest.raises(EmptyPoolError, match="sage: lacks the capability 'tools'"):
            decider().decide(CODE, asking(model="sage", require=("tools",)))

    def test_a_query_that_cannot_be_read_is_the_models_to_refuse(self, decider):
        assert decider().decide({"nothing": 1}, asking(model="sage")).reason_code == "forced"

    def test_a_counter_that_fails_leaves_the_bytes(self, decider):
        def count(prompt):
            raise OSError("no vocabulary")

        made = decider(count_tokens=count)
        assert made.decide(CODE, asking(model="coder")).model == "coder"
        with pytest.raises(EmptyPoolError, match="context window 200 is under 500 prompt"):
            made.decide("x" * 1000, asking(model="coder"))


class TestDefault:
    def test_it_answers_where_routing_fails(self, decider, embedder):
        embedder.error = ConnectionError("no route to host")
        decision = decider("default: poet").decide(CODE, asking())
        assert (decision.model, decision.ranking) == ("poet", ("poet", "coder", "sage"))
        assert decision.reason == "routing failed (ConnectionError); the pool's default answers"
        assert (decision.reason_code, decision.policy) == ("routing_failed", "default")
        assert decision.fallback
        assert all(map(math.isnan, decision.scores.values()))
        assert decision.support == {"poet": 0.0, "coder": 0.0, "sage": 0.0}

    def test_the_next_in_the_pool_where_it_may_not(self, decider, embedder):
        embedder.error = ConnectionError("no route to host")
        decision = decider("default: sage").decide(CODE, asking(require=("tools",)))
        assert decision.ranking == ("coder", "poet")
        assert decision.reason == (
            "routing failed (ConnectionError); sage may not answer; the next answers"
        )

    @pytest.mark.parametrize(
        "query",
        [
            [("user", [{"type": "text", "text": CODE}, IMAGE])],
            [("user", CODE), ("assistant", ""), ("tool", "x" * 900)],
        ],
    )
    def test_the_prompt_limits_the_default_too(self, decider, embedder, query):
        embedder.error = ConnectionError("no route to host")
        assert decider("default: coder").decide(query, asking()).ranking == ("poet",)

    def test_without_one_the_error_is_raised(self, decider, embedder):
        embedder.error = ConnectionError("no route to host")
        with pytest.raises(ConnectionError) as caught:
            decider().decide(CODE, asking())
        assert caught.value is embedder.error

    def test_a_router_that_cannot_be_loaded(self, decider):
        def load():
            raise DamagedStoreError("vectors.npy changed")

        assert decider("default: sage", load=load).decide(CODE, asking()).model == "sage"
        with pytest.raises(DamagedStoreError, match="changed"):
            decider(load=load).decide(CODE, asking())

    @pytest.mark.parametrize("query", [{"nothing": 1}, 7, None, iter([("user", CODE)])])
    def test_a_query_that_cannot_be_read(self, decider, query):
        decision = decider("default: sage").decide(query, asking())
        assert decision.ranking == ("sage", "coder", "poet")
        assert decision.reason == "routing failed (QueryError); the pool's default answers"
        tagged = decider("default: sage").decide(query, asking(tags=("eu",)))
        assert tagged.ranking == ("coder", "poet")
        with pytest.raises(QueryError, match="is not understood"):
            decider().decide(query, asking())

    def test_a_query_without_text(self, decider):
        decision = decider("default: sage").decide("  ", asking())
        assert (decision.model, decision.reason_code) == ("sage", "empty")
        with pytest.raises(NoTextError):
            decider().decide("  ", asking())

    def test_a_counter_that_fails(self, decider):
        def count(prompt):
            raise OSError("no vocabulary")

        made = decider("default: coder", count_tokens=count)
        decision = made.decide(CODE, asking())
        assert decision.ranking == ("coder", "poet", "sage")
        assert decision.reason == "routing failed (OSError); the pool's default answers"
        assert made.decide("x" * 1000, asking()).ranking == ("poet", "sage")

    def test_a_policy_of_ones_own_that_fails(self, decider):
        def half(candidates):
            return 1 / 0

        decision = decider("default: sage").decide(CODE, asking(policy=half))
        assert decision.reason == "routing failed (ZeroDivisionError); the pool's default answers"

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"allow": ("codr",)}, UnknownModelError),
            ({"require": ("flight",)}, EmptyPoolError),
            ({"policy": "best_scoer"}, PolicyError),
            ({"policy": "cheapest_above:min_score=0.5"}, UnpricedError),
            ({"policy": lambda candidates: "coder"}, PolicyError),
        ],
    )
    def test_mistakes_are_never_hidden(self, decider, options, error):
        for query in (CODE, [("user", CODE)]):
            with pytest.raises(error):
                decider("default: poet").decide(query, asking(**options))
            (found,) = decider("default: poet").decide_many([query], [asking(**options)])
            assert type(found) is error

    def test_nor_are_they_where_the_embedder_is_gone(self, decider, embedder):
        embedder.error = ConnectionError("no route to host")
        with pytest.raises(EmptyPoolError):
            decider("default: poet").decide(CODE, asking(require=("flight",)))

    def test_a_missing_extra(self, decider):
        def load():
            raise MissingExtraError("the embedder", extra="sentence-transformers")

        with pytest.raises(MissingExtraError, match="pip install"):
            decider("default: poet", load=load).decide(CODE, asking())

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_what_is_no_exception_ends_it(self, decider, embedder, error):
        embedder.error = error()
        with pytest.raises(error):
            decider("default: poet").decide(CODE, asking())
        with pytest.raises(error):
            decider("default: poet").decide_many([CODE], [asking()])

    def test_the_log_holds_no_text_of_the_prompt(self, decider, caplog):
        decider("default: poet").decide(SECRET, asking())
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("knnrouter.serving.deciding", logging.WARNING)
        assert record.getMessage() == "routing failed (ConnectionError); poet answers"
        assert (record.exc_info, record.stack_info) == (None, None)
        assert not re.search("secret|sonnet|diary", caplog.text + repr(vars(record)))

    def test_nothing_is_logged_where_the_error_is_raised(self, decider, caplog):
        with pytest.raises(ConnectionError):
            decider().decide(SECRET, asking())
        assert caplog.records == []


QUERIES = [
    CODE,
    VERSE,
    [("user", PROOF)],
    [("user", CODE), ("assistant", "void f();"), ("tool", "x" * 900)],
    [("user", VERSE), ("assistant", "..."), ("user", "do it")],
    [("user", [{"type": "text", "text": PROOF}, IMAGE])],
    SECRET,
    "   ",
    [("user", [IMAGE])],
    {"nothing": 1},
    17,
    "zzqx vvkj",
]
OPTIONS = [
    asking(),
    asking(allow=("poet", "coder")),
    asking(require=("vision",)),
    asking(policy="cheapest_above:min_score=0.5"),
    asking(policy=policies.BestScore(), tags=("eu",)),
    asking(model="c-1"),
    asking(model="nobody"),
]


class TestMany:
    @given(
        asked=st.lists(st.tuples(st.sampled_from(QUERIES), st.sampled_from(OPTIONS)), max_size=9),
        router=st.sampled_from(["", "default: poet", "default: sage"]),
        sticky=st.sampled_from(["call", "turn", "thread"]),
    )
    def test_many_are_what_each_is_alone(self, decider, asked, router, sticky):
        made = decider(router, sticky=sticky)
        queries, options = [query for query, _ in asked], [each for _, each in asked]
        many = made.decide_many(queries, options)
        assert len(many) == len(asked)
        for (query, each), decided in zip(asked, many, strict=True):
            alone = told(decided_alone(made, query, each))
            assert alike(told(decided), alone)

    def test_equal_options_are_embedded_at_once(self, decider, embedder):
        queries = [CODE, VERSE, PROOF, VERSE, CODE]
        plain, allowed = asking(), asking(allow=("poet", "sage"))
        options = [plain, allowed, asking(), asking(allow=("poet", "sage")), plain]
        decisions = decider().decide_many(queries, options)
        assert embedder.asked == [[CODE, PROOF, CODE], [VERSE, VERSE]]
        assert [each.model for each in decisions] == ["coder", "poet", "sage", "poet", "coder"]
        assert [len(each.ranking) for each in decisions] == [3, 2, 3, 2, 3]

    def test_forced_ones_are_not_embedded(self, decider, embedder):
        decisions = decider().decide_many([CODE, VERSE], [asking(model="sage"), asking()])
        assert [each.model for each in decisions] == ["sage", "poet"]
        assert embedder.asked == [[VERSE]]

    def test_policies_need_not_be_hashable(self, decider, embedder):
        class Unhashable(list):
            def __call__(self, candidates):
                return policies.BestScore()(candidates)

        options = [asking(policy=Unhashable()) for _ in range(2)]
        decisions = decider().decide_many([CODE, VERSE], options)
        assert [each.model for each in decisions] == ["coder", "poet"]

    def test_none(self, decider, embedder):
        assert decider().decide_many([], []) == []
        assert embedder.asked == []

    def test_one_that_fails_leaves_the_others_together(self, decider, embedder):
        queries = [CODE] * 12 + [SECRET] + [VERSE] * 3
        found = decider().decide_many(queries, [asking()] * 16)
        assert [getattr(each, "model", type(each)) for each in found] == [
            *("coder",) * 12,
            ConnectionError,
            *("poet",) * 3,
        ]
        assert [len(texts) for texts in embedder.asked] == [
            *(16, 1),  # the first alone does not fail, so the service is up
            *(8, 8, 1),
            *(4, 4, 1, 1),  # here the first alone fails, but the last does not
            *(2, 1, 1, 2),
        ]

    def test_a_service_that_is_down_is_not_asked_for_each(self, decider, embedder):
        found = decider("default: sage").decide_many([SECRET] * 64, [asking()] * 64)
        assert [each.model for each in found] == ["sage"] * 64
        assert [len(texts) for texts in embedder.asked] == [64, 1, 1]

    def test_the_default_answers_for_the_one_that_fails(self, decider, caplog):
        found = decider("default: sage").decide_many([CODE, SECRET, VERSE], [asking()] * 3)
        assert [each.model for each in found] == ["coder", "sage", "poet"]
        assert [each.reason_code for each in found] == [
            "best_score",
            "routing_failed",
            "best_score",
        ]
        assert len(caplog.records) == 1

    def test_a_router_that_cannot_be_loaded_is_tried_once(self, decider):
        tried = []

        def load():
            tried.append("once")
            raise DamagedStoreError("vectors.npy changed")

        found = decider("default: sage", load=load).decide_many([CODE] * 5, [asking()] * 5)
        assert [each.model for each in found] == ["sage"] * 5
        assert tried == ["once"]
        raised = decider(load=load).decide_many([CODE] * 2, [asking()] * 2)
        assert [type(each) for each in raised] == [DamagedStoreError] * 2

    def test_as_many_options_as_queries(self, decider):
        with pytest.raises(ValueError, match="1 options for 2 queries; give one for each query"):
            decider().decide_many([CODE, VERSE], [asking()])
        with pytest.raises(ValueError, match="1 vectors for 2 queries; give one for each query"):
            decider().decide_many([CODE, VERSE], [asking()] * 2, vectors=[None])

    def test_a_known_vector_stays_with_its_query(self, decider, fitted):
        verse, code = fitted.embedder.embed([VERSE, CODE])
        asked = [asking(), asking(allow=("coder", "poet", "sage")), asking()]
        plain = decider().decide_many([CODE, VERSE, VERSE], asked)
        swapped = decider().decide_many([CODE, VERSE, VERSE], asked, vectors=[verse, code, None])
        assert plain[0].model != plain[1].model == plain[2].model
        assert [each.model for each in swapped] == [
            plain[1].model,
            plain[0].model,
            plain[2].model,
        ]


def alike(one, other):
    """The same but for rounding: batches are embedded in another order of sums."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-6
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


class TestOrder:
    @pytest.mark.parametrize(
        ("router", "order"),
        [
            ("fallbacks: []", ("poet",)),
            ("fallbacks: [sage, poet, coder]", ("poet", "sage", "coder")),
            ("fallbacks: [sage]", ("poet", "sage")),
        ],
    )
    def test_the_chosen_one_then_its_fallbacks(self, decider, router, order):
        made = decider(router)
        decision = made.decide(VERSE, asking())
        assert decision.model == "poet"
        assert made.order(decision) == order

    @pytest.mark.parametrize("router", ["", "fallbacks: auto"])
    def test_by_themselves_the_fallbacks_are_the_ranking(self, decider, router):
        made = decider(router)
        decision = made.decide(VERSE, asking())
        assert made.order(decision) == decision.ranking
        assert sorted(decision.ranking) == ["coder", "poet", "sage"]

    def test_who_may_not_answer_is_no_fallback(self, decider):
        made = decider("fallbacks: [sage, coder]")
        decision = made.decide(VERSE, asking(require=("tools",)))
        assert made.order(decision) == ("poet", "coder")


class TestRoute:
    def test_the_decision_is_acted_on(self, decider):
        made = decider("fallbacks: [sage]")
        decision = made.decide(VERSE, asking())
        assert made.route(decision) == Route(decision=decision, order=("poet", "sage"))

    def test_in_shadow_another_answers_alone(self, decider):
        made = decider()
        decision = made.decide(VERSE, asking())
        route = made.route(decision, shadow="coder")
        assert route == Route(decision=decision, order=("coder",), shadow=True)

    def test_a_model_that_the_call_names_answers_in_shadow_too(self, decider):
        made = decider()
        decision = made.decide(VERSE, asking(model="sage"))
        assert made.route(decision, shadow="coder") == Route(decision=decision, order=("sage",))


class TestKeep:
    @pytest.fixture
    def values(self, decider):
        """The summary of a decision for the poet, which held for a turn or a thread."""
        return decider().decide(VERSE, asking()).summary()

    @pytest.mark.parametrize("sticky", ["turn", "thread"])
    def test_it_holds(self, decider, embedder, values, sticky):
        embedder.asked.clear()
        kept = decider(sticky=sticky).keep(values, CODE, asking())
        assert (kept.model, kept.id, kept.ranking) == (
            "poet",
            values["id"],
            tuple(values["ranking"]),
        )
        assert embedder.asked == []

    def test_each_call_by_itself(self, decider, values):
        assert decider(sticky="call").keep(values, CODE, asking()) is None

    def test_a_named_model_goes_before_it(self, decider, values):
        assert decider().keep(values, CODE, asking(model="sage")) is None

    @pytest.mark.parametrize("values", [None, {}, {"model": "poet"}, {"model": 7, "id": []}])
    def test_what_is_no_summary(self, decider, values):
        assert decider().keep(values, CODE, asking()) is None

    def test_another_router_decided(self, decider, values):
        foreign = values | {"ranking": [*values["ranking"], "somebody"]}
        assert decider().keep(foreign, CODE, asking()) is None

    def test_its_model_may_not_answer_now(self, decider, values):
        assert decider().keep(values, CODE, asking(allow=("coder",))) is None

    def test_its_ranking_loses_who_may_not_answer_now(self, decider, values):
        kept = decider().keep(values, CODE, asking(require=("tools",)))
        assert kept.model == "poet"
        assert set(kept.ranking) == {"poet", "coder"}

    def test_where_deciding_anew_is_an_error_nothing_is_kept(self, decider, values):
        assert decider().keep(values, CODE, asking(allow=("nobody",))) is None


class TestWarmUp:
    def test_the_router_is_loaded_and_all_is_made(self, decider):
        ready, loads, made = decider().router(), [], []
        decider(load=lambda: loads.append(1) or ready).warm_up(made.append)
        assert (loads, made) == ([1], ["coder", "poet", "sage"])

    def test_without_anything_to_make_the_router_is_loaded(self, decider):
        ready, loads = decider().router(), []
        decider(load=lambda: loads.append(1) or ready).warm_up()
        assert loads == [1]

    def test_all_that_cannot_be_made_is_told(self, decider):
        def make(name):
            if name != "poet":
                raise PoolError([f"no {name}", f"really no {name}"])

        with pytest.raises(PoolError) as error:
            decider().warm_up(make)
        assert error.value.problems == ("no coder", "really no coder", "no sage", "really no sage")


class TestEligible:
    def test_in_the_order_of_the_pool(self, decider):
        made = decider()
        assert made.eligible(CODE, asking()) == ("coder", "poet", "sage")
        assert made.eligible(CODE, asking(allow=("sage", "c-1"))) == ("coder", "sage")
        assert made.eligible(CODE, asking(tags=("eu",))) == ("coder", "poet")
        assert made.eligible(CODE, asking(model="c-1")) == ("coder",)
        assert made.eligible("x" * 401, asking()) == ("poet", "sage")
        assert made.eligible("x" * 400, asking()) == ("coder", "poet", "sage")

    def test_it_is_who_the_router_ranks(self, decider):
        made = decider()
        for query in (CODE, *QUERIES[2:6]):
            for options in OPTIONS[:3]:
                try:
                    named = made.eligible(query, options)
                except EmptyPoolError as error:
                    with pytest.raises(EmptyPoolError, match=re.escape(str(error))):
                        made.decide(query, options)
                else:
                    assert set(made.decide(query, options).ranking) == set(named)

    def test_errors(self, decider):
        with pytest.raises(QueryError, match="a dict with the keys 'nothing' is not understood"):
            decider().eligible({"nothing": 1}, asking())
        with pytest.raises(UnknownModelError):
            decider().eligible(CODE, asking(allow=("codr",)))
        with pytest.raises(EmptyPoolError):
            decider().eligible(CODE, asking(require=("flight",)))
