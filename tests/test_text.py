"""Texts as token ids: what carries a score, what is cut, and what a removal keeps."""

from dataclasses import replace

import pytest
import toys

from textiba.data import Review
from textiba.errors import EmptyTextError, TruncationWarning
from textiba.text import EncodedReview, buckets

TEXT = "The  actor played,\nsadly; a superb FILM."


def encoded(text: str = TEXT, **facts: object) -> EncodedReview:
    [review] = toys.encoder().encode([Review(text, **facts)])  # type: ignore[arg-type]
    return review


def test_special_tokens_carry_no_word_and_no_place():
    review = encoded()
    assert (review.tokens[0], review.tokens[-1]) == ("[CLS]", "[SEP]")
    for end in (0, -1):
        assert review.word_ids[end] is None
        assert review.offsets[end] == (0, 0)
    assert review.content == tuple(range(1, len(review) - 1))


def test_offsets_give_back_the_text():
    review = encoded("The actors filmed a superb film.")
    pieces = [review.review.text[slice(*review.offsets[i])] for i in review.content]
    assert pieces == ["The", "actor", "s", "film", "ed", "a", "superb", "film", "."]
    assert [review.tokens[i] for i in review.content][:3] == ["the", "actor", "##s"]
    words = [review.word_ids[i] for i in review.content]
    assert words[1] == words[2] != words[3]


def test_a_text_that_says_mask_or_unknown_words_still_gets_scores():
    review = encoded("xyzzy film")
    assert [review.tokens[i] for i in review.content] == ["[UNK]", "film"]


def test_a_cut_is_told_with_its_number_and_keeps_the_end_token():
    encoder = toys.encoder()
    long, longer, short = (" ".join(["film"] * n) for n in (toys.MAX_LENGTH + 1, toys.MAX_LENGTH + 8, 3))
    with pytest.warns(
        TruncationWarning, match=r"2 of 3 reviews are longer than 64 tokens.*; 13 tokens .*\(at most 10 of one review\)"
    ):
        reviews = encoder.encode([long, longer, short])
    assert [r.cut for r in reviews] == [3, 10, 0]
    for review in reviews[:2]:
        assert len(review) == toys.MAX_LENGTH
        assert review.tokens[0] == "[CLS]"
        assert review.tokens[-1] == "[SEP]"
        assert review.content == tuple(range(1, toys.MAX_LENGTH - 1))


def test_a_text_of_just_the_greatest_length_is_whole_and_silent():
    review = encoded(" ".join(["film"] * (toys.MAX_LENGTH - 2)))
    assert (len(review), review.cut) == (toys.MAX_LENGTH, 0)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_an_empty_text_is_named_by_its_number(text: str):
    with pytest.raises(EmptyTextError, match=r"needs at least one word; number 1 is empty. Remove it"):
        toys.encoder().encode(["a film", text])


def test_a_text_without_a_token_of_its_own():
    with pytest.raises(EmptyTextError, match="review number 0 has no token the model knows"):
        toys.encoder().encode(["\u200b"])  # a zero-width space, which the normalizer removes


def test_drop_keeps_id_type_and_place_of_what_stays():
    review = encoded()
    gone = (2, 3)
    rest = review.drop(gone)
    keep = [i for i in range(len(review)) if i not in gone]
    for name in ("ids", "type_ids", "tokens", "offsets", "word_ids"):
        assert getattr(rest, name) == tuple(getattr(review, name)[i] for i in keep), name
    assert rest.review is review.review
    assert review.drop(()) == review


def test_drop_works_without_token_types():
    [review] = toys.encoder("distilbert").encode([TEXT])
    assert review.type_ids == ()
    assert review.drop([1]).type_ids == ()
    assert toys.encoder("distilbert").collate([review]).token_type_ids is None


def test_token_types_survive_removal():
    review = encoded()
    typed = replace(review, type_ids=tuple(i % 2 for i in range(len(review))))
    assert typed.drop([1, 2]).type_ids == tuple(i % 2 for i in range(len(review)) if i not in (1, 2))
    assert typed.substitute([1, 2], 4).type_ids == typed.type_ids


def test_substitute_changes_ids_at_the_positions_and_nothing_else():
    review = encoded()
    masked = review.substitute([1, 4], 77)
    assert [i for i, v in enumerate(masked.ids) if v == 77] == [1, 4]
    assert [v for i, v in enumerate(masked.ids) if i not in (1, 4)] == [
        v for i, v in enumerate(review.ids) if i not in (1, 4)
    ]
    for name in ("type_ids", "tokens", "offsets", "word_ids", "review"):
        assert getattr(masked, name) == getattr(review, name)


def test_hide_takes_tokens_from_attention_and_nothing_else():
    review = encoded("a film with a plot")
    hidden = review.hide([2, 4])
    assert hidden.hidden == {2, 4}
    assert hidden.hide([3, 4]).hidden == {2, 3, 4}
    for name in ("ids", "type_ids", "tokens", "offsets", "word_ids", "review", "content"):
        assert getattr(hidden, name) == getattr(review, name)
    batch = toys.encoder().collate([hidden, encoded("a film")])
    assert batch.attention_mask.tolist() == [[True, True, False, True, False, True, True], [True] * 4 + [False] * 3]
    assert batch.content[0].tolist() == [False, True, True, True, True, True, False]
    assert batch.special[0].tolist() == [True, False, False, False, False, False, True]


def test_hidden_tokens_stay_hidden_through_other_removals():
    hidden = encoded("a film with a plot").hide([2, 4])
    dropped = hidden.drop([1, 2])
    assert dropped.hidden == {2}
    assert dropped.tokens[2] == "a"
    assert hidden.substitute([2, 3], 77).hidden == {2, 4}


def test_rationale_marks_the_tokens_that_overlap_a_span():
    text = "the actors filmed a superb film"
    # "ctor" inside a word, and "superb film" to the end; half-open, so the space before "superb" marks nothing of "a".
    spans = ((text.index("ctor"), text.index("ctor") + 4), (text.index(" superb"), len(text)))
    review = encoded(text, rationale=spans)
    marked = [token for token, mark in zip(review.tokens, review.rationale, strict=True) if mark]
    assert marked == ["actor", "superb", "film"]
    assert not review.rationale[0]
    assert not review.rationale[-1]


def test_a_span_at_the_very_start_does_not_mark_special_tokens():
    review = encoded("a film", rationale=((0, 1),))
    assert review.rationale == (False, True, False, False)


def test_seeds_are_stable_and_each_review_s_own():
    a, b = encoded("a film"), encoded("a plot")
    assert EncodedReview(Review("any"), (2, 8, 9, 3), (), (), (), ()).seed(0) == 1956431540734540688  # for good
    assert a.seed(0) == encoded("a film", label=1, id="another name").seed(0)
    assert len({a.seed(0), a.seed(1), b.seed(0), b.seed(1)}) == 4
    assert all(0 <= a.seed(n) < 2**63 for n in range(50))


def test_collate_pads_and_marks():
    encoder = toys.encoder()
    long, short = encoder.encode(["a film with a plot", "a film"])
    batch = encoder.collate([short, long])
    pad = toys.tokenizer().pad_token_id
    assert batch.input_ids[0].tolist() == [*short.ids, pad, pad, pad]
    assert batch.attention_mask[0].tolist() == [True] * 4 + [False] * 3
    assert batch.content[0].tolist() == [False, True, True, False, False, False, False]
    assert batch.special[0].tolist() == [True, False, False, True, False, False, False]


def test_repeat_tiles_the_whole_batch():
    encoder = toys.encoder()
    batch = encoder.collate(encoder.encode(["a film with a plot", "a film"]))
    thrice = batch.repeat(3)
    assert batch.repeat(1) is batch
    assert thrice.reviews == batch.reviews * 3
    for name in ("input_ids", "attention_mask", "content", "token_type_ids"):
        rows = getattr(batch, name).tolist()
        assert getattr(thrice, name).tolist() == rows * 3, name


def test_buckets_lose_nothing_and_keep_to_the_budget():
    lengths = [3, 9, 1, 4, 4, 12, 2]
    groups = list(buckets(range(7), lengths, budget=12))
    assert groups == [[5], [1], [3, 4, 0], [6, 2]]
    assert list(buckets([], [], budget=12)) == []
