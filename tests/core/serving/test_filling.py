import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnrouter.serving import filled


@given(st.lists(st.none() | st.integers()))
def test_every_place_has_its_own(known):
    asked = []

    def rest(places):
        asked.append(list(places))
        return [f"asked for {place}" for place in places]

    found = filled(known, rest)
    for place, value in enumerate(known):
        assert found[place] == (f"asked for {place}" if value is None else value)
    left = [place for place, value in enumerate(known) if value is None]
    assert asked == ([left] if left else [])


def test_as_many_as_were_asked_for():
    with pytest.raises(ValueError, match="zip"):
        filled([None, None], lambda places: ["one"])
