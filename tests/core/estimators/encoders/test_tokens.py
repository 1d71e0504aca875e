from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from knnrouter.estimators.encoders.tokens import by_length, cut, padded, token_ids

TOKENS = st.lists(st.integers(1, 99), max_size=12)


def cut_slowly(ids, length, before, after):
    """Take tokens out of the middle, one at a time, until they fit."""
    left = list(ids)
    while len(left) > length:
        room = len(left) - before - after
        del left[before + (room - 1) // 2 + (room % 2 == 0)]
    return left


@given(TOKENS, st.integers(2, 14), st.integers(0, 1), st.integers(0, 1))
def test_the_middle_is_cut(ids, length, before, after):
    assert cut(ids, length, before=before, after=after) == cut_slowly(ids, length, before, after)


def test_head_and_tail_share_the_room():
    assert cut([1, 2, 3, 4, 5, 6, 7], 4) == [1, 2, 6, 7]
    assert cut([1, 2, 3, 4, 5, 6, 7], 3) == [1, 2, 7]
    assert cut([9, 1, 2, 3, 4, 9], 4, before=1, after=1) == [9, 1, 4, 9]


@given(st.lists(TOKENS, min_size=1, max_size=5))
def test_padding_adds_nothing(ids):
    tokens, mask = padded(ids, pad=7)
    assert tokens.shape == mask.shape == (len(ids), max(1, *map(len, ids)))
    assert [row[kept == 1].tolist() for row, kept in zip(tokens, mask, strict=True)] == ids
    assert (tokens[mask == 0] == 7).all()


@given(st.lists(TOKENS, max_size=9), st.integers(1, 4))
def test_every_text_is_in_one_batch(ids, size):
    batches = [batch.tolist() for batch in by_length(ids, size)]
    assert sorted(place for batch in batches for place in batch) == list(range(len(ids)))
    assert all(len(batch) <= size for batch in batches)
    lengths = [len(ids[place]) for batch in batches for place in batch]
    assert lengths == sorted(lengths)


class TestTexts:
    def test_special_tokens_stand_around_what_is_kept(self, folder):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        pad, unknown, start, end, tiger, violin, a, b, c, d, *_ = range(12)
        found = token_ids(tokenizer, ["Tiger a zebra", "tiger a b c d violin", ""], 6)
        assert found[0] == [start, tiger, a, unknown, end]
        assert found[1] == [start, tiger, a, d, violin, end]
        assert found[2] == [start, end]
        assert (pad, b, c) == (0, 7, 8)

    def test_a_long_text_is_not_read_whole(self, folder):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        whole = "tiger " + "a " * 1_000_000 + "violin"
        (found,) = token_ids(tokenizer, [whole], 8)
        assert (found[1], found[-2], len(found)) == (4, 5, 8)
