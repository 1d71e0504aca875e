"""In shadow the decision is recorded, and the default answers."""

import pytest
from calling import WAYS
from routed_chats import CODE, pool_of, routed, stamp_of, stubs

from knnrouter.errors import PoolError

pytestmark = pytest.mark.filterwarnings("ignore:.*is in beta.*")

POOL = pool_of(router={"default": "clerk"})


@pytest.mark.parametrize("call", WAYS, ids=lambda call: call.__name__)
def test_the_default_answers_and_the_decision_is_recorded(call, log):
    models = stubs()
    answer = call(routed(models, pool=POOL, shadow=True), CODE, {"callbacks": [log]})
    stamp = stamp_of(answer)
    assert answer.text.rstrip() == f"clerk: {CODE}"
    assert (stamp["model"], stamp["answered_by"], stamp["shadow"]) == ("coder", "clerk", True)
    assert stamp["reason_code"] == "best_score"
    assert [name for name, model in models.items() if model.seen] == ["clerk"]
    run = log.of("model")[0]
    assert "knnrouter:clerk" in run.tags
    facts = {key: run.metadata[f"knnrouter_{key}"] for key in ("model", "chosen", "shadow")}
    assert facts == {"model": "clerk", "chosen": "coder", "shadow": True}


def test_nobody_stands_in_for_the_default():
    models = stubs(clerk={"fails": TimeoutError("slow")})
    with pytest.raises(TimeoutError, match="slow"):
        routed(models, pool=POOL, shadow=True).invoke(CODE)
    assert models["coder"].seen == []


def test_a_model_that_the_caller_names_answers():
    stamp = stamp_of(routed(pool=POOL, shadow=True).invoke(CODE, model="poet"))
    assert (stamp["model"], stamp["answered_by"], stamp["shadow"]) == ("poet", "poet", False)


def test_tools_are_bound_to_the_default():
    chat = routed(pool=POOL, shadow=True)
    answer = chat.bind_tools([_look]).invoke(CODE)
    assert (answer.tool_calls[0]["name"], stamp_of(answer)["answered_by"]) == ("_look", "clerk")


def _look(place: str) -> str:
    """Look somewhere."""
    return place


def test_without_a_default_shadow_is_refused():
    with pytest.raises(PoolError, match=r"^shadow is set, but the pool states no router\.default"):
        routed(shadow=True)
