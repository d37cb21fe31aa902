"""The corpus view: hand-made attributions in, hand-computed sums, shares and intervals out."""

import math
import pickle
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pictures import attribution, tokenized
from scipy import stats

from textiba.attribution import Attribution, Word
from textiba.corpus import CorpusConfig, CorpusView, KindRow, Source, Tally
from textiba.corpus import view as module
from textiba.corpus.tables import by_layer, columns, leading, method_names, part_table, word_table
from textiba.corpus.tagging import PIPELINE, Tagger, align, load_tagger
from textiba.corpus.tally import ratio
from textiba.corpus.view import tagged, written
from textiba.errors import InputError, MissingExtraError, SettingError
from textiba.texts.sources import Text

# Text, score of each word, class. "Good" comes in two texts of three.
TEXTS = (
    ("Good film, good", (2, 1, 0, 4), 1),
    ("good plot", (1, 3), 0),
    ("bad film", (5, 1), 0),
)
T1 = stats.t.ppf(0.975, 1)
T2 = stats.t.ppf(0.975, 2)


def scored(text: str, scores: Sequence[float], predicted: int = 0, unit: str = "bits", **changes: Any) -> Attribution:
    """An attribution with these scores of the words; none is longer than six letters, so each is one token."""
    made = tokenized(Text(text))
    raw = attribution(scores, "nats", made, predicted=predicted, **changes)
    return raw if unit == "nats" else attribution(scores, unit, made, predicted=predicted, **changes)


def view_of(attributions: Sequence[Attribution], tags: dict[str, str] | None = None, **settings: Any) -> CorpusView:
    view = CorpusView(**settings)
    for a in attributions:
        words = a.words()
        view.add(a, words, None if tags is None else [tags[w.text.lower()] for w in words])
    return view


def row(rows: Sequence[KindRow], kind: str, predicted: int | None = None) -> KindRow:
    [found] = [r for r in rows if (r.kind, r.predicted) == (kind, predicted)]
    return found


def test_a_word_by_hand():
    good = row(view_of([scored(*r) for r in TEXTS]).words(), "good")
    assert (good.texts, good.of_texts, good.occurrences) == (2, 3, 3)
    # Sums 6 and 1 over counts 2 and 1: 7/3 each, so the texts are off by 4/3 and −4/3.
    error = math.sqrt(2 * 2 * (4 / 3) ** 2) / 3
    assert good.mean.mean == pytest.approx(7 / 3)
    assert (good.mean.low, good.mean.high) == pytest.approx((7 / 3 - T1 * error, 7 / 3 + T1 * error))
    # 6 of 7 bits, 1 of 4 and 0 of 6: the third text has no part of it, and counts.
    off = np.asarray([6, 1, 0]) - 7 / 17 * np.asarray([7, 4, 6])
    error = math.sqrt(3 / 2 * np.sum(off**2)) / 17
    assert good.share.mean == pytest.approx(7 / 17)
    assert (good.share.low, good.share.high) == pytest.approx((7 / 17 - T2 * error, 7 / 17 + T2 * error))
    assert good.share_of_words == pytest.approx(3 / 8)
    assert good.average == pytest.approx(17 / 8)


def test_classes_add_up_to_all_and_rare_words_are_left_out():
    rows = view_of([scored(*r) for r in (*TEXTS, *TEXTS)]).words()
    assert {(r.kind, r.predicted): r.occurrences for r in rows} == {
        ("good", None): 6, ("film", None): 4, ("bad", None): 2, ("plot", None): 2, (",", None): 2,
        ("good", 0): 2, ("film", 0): 2, ("bad", 0): 2, ("plot", 0): 2,
        ("good", 1): 4, ("film", 1): 2, (",", 1): 2,
    }  # fmt: skip
    assert row(rows, "good", 1).mean.mean == 3
    assert row(rows, "good", 0).mean.mean == 1
    assert row(rows, "good", 0).of_texts == 4
    few = view_of([scored(*r) for r in (*TEXTS, *TEXTS)]).words(min_count=4)
    assert [(r.kind, r.predicted) for r in few] == [("film", None), ("good", None)]


def test_the_highest_lower_end_leads():
    sure, lucky = [3.0, 3.1] * 5, [0.0, 9.0]
    texts = [scored("sure", [x]) for x in sure] + [scored("lucky", [x]) for x in lucky]
    rows = view_of(texts).words()
    assert [r.kind for r in rows if r.predicted is None] == ["sure", "lucky"]
    assert row(rows, "lucky").mean.mean > row(rows, "sure").mean.mean


def test_signed_scores_keep_their_sign_in_the_mean_and_lose_it_in_the_share():
    rows = view_of([scored("good plot", (s, -1), unit="nats") for s in (2, 4)]).words()
    assert row(rows, "plot").mean.mean == -1
    assert row(rows, "plot").share.mean == pytest.approx(2 / 8)
    assert row(rows, "plot").average == pytest.approx(4 / 4)


def test_layers_and_settings_are_sources_of_their_own():
    facts = [{"layer": 1, "beta": 0.1}, {"layer": 2, "beta": 0.1}, {"layer": 2, "beta": 0.2}]
    rows = view_of([scored("good", [i], **f) for i, f in enumerate(facts) for _ in range(2)]).words()
    assert [(r.source.layer, r.mean.mean) for r in rows if r.predicted is None] == [(1, 0), (2, 1), (2, 2)]
    assert list(method_names(rows).values()) == [
        "per_sample · beta 0.1",
        "per_sample · beta 0.1",
        "per_sample · beta 0.2",
    ]


def test_a_ratio_is_that_of_a_literal_computation_and_of_the_bootstrap():
    draw = np.random.default_rng(0)
    x = draw.integers(0, 5, 300).astype(float)
    y = x * 2 + draw.normal(0, 1, 300) * x**2
    top, bottom, top_squares, products, squares = (np.asarray([v.sum()]) for v in (y, x, y * y, x * y, x * x))
    [interval] = ratio(top, bottom, top_squares, products, squares, 300.0)
    r = y.sum() / x.sum()
    half = stats.t.ppf(0.975, 299) * np.std(y - r * x, ddof=1) * math.sqrt(300) / x.sum()
    assert (interval.mean, interval.low, interval.high) == pytest.approx((r, r - half, r + half))
    times = draw.multinomial(300, np.full(300, 1 / 300), 4000)
    low, high = np.quantile(times @ y / (times @ x), [0.025, 0.975])
    assert interval.high - interval.low == pytest.approx(high - low, rel=0.1)


def test_the_interval_holds_the_truth_where_one_over_occurrences_does_not():
    draw = np.random.default_rng(0)
    found = {"texts": 0, "occurrences": 0}
    for _ in range(400):
        # A text makes its one to six occurrences alike: half of them all but empty, half far apart, as bits are.
        x = 1.0 + draw.poisson(1, 100)
        y = x * np.where(draw.random(100) < 0.5, draw.exponential(500, 100), draw.exponential(5, 100))
        top, bottom, top_squares, products, squares = (np.asarray([v.sum()]) for v in (y, x, y * y, x * y, x * x))
        [interval] = ratio(top, bottom, top_squares, products, squares, 100.0)
        found["texts"] += interval.low <= 252.5 <= interval.high
        each = np.repeat(y / x, x.astype(int))
        found["occurrences"] += abs(each.mean() - 252.5) < 1.96 * each.std() / math.sqrt(len(each))
    assert 0.89 < found["texts"] / 400 < 0.97
    assert found["occurrences"] / 400 < 0.85


def test_memory_grows_with_the_vocabulary_and_not_with_the_texts():
    source = Source.of(scored("a", [1]))
    few, many = Tally(), Tally()
    for times, tally in ((1, few), (300, many)):
        for _ in range(times):
            tally.add(source, 0, ["a", "b", "a"], np.asarray([1.0, 2.0, 3.0]))
    assert len(pickle.dumps(many)) == len(pickle.dumps(few))
    many.add(source, 0, [f"word-{n}" for n in range(1000)], np.ones(1000))
    assert len(pickle.dumps(many)) > 2 * len(pickle.dumps(few))
    assert many.rows()[0].occurrences == 600, "what was there before more room was made is kept"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("I didn't, ok?", ["i", "didn't", ",", "ok", "?"]),
        ("It didn’t", ["it", "didn't"]),
        ("Well-made 7.5/10!", ["well-made", "7.5/10", "!"]),
        ("bad.I left; end.", ["bad", ".", "i", "left", ";", "end", "."]),
        ("'so' - he/she", ["'", "so", "'", "-", "he", "/", "she"]),
    ],
)
def test_words_are_as_they_are_written(text: str, kinds: list[str]):
    words = scored(text, [1] * len(tokenized(Text(text)).content)).words()
    starts, found = written(words, text, lower=True)
    assert found == kinds
    assert starts[0] == 0
    assert starts == sorted(set(starts))


def test_a_written_word_has_the_sum_of_its_parts_and_a_cut_one_what_is_left():
    rows = view_of([scored("I didn't", (1, 2, 3, 4)) for _ in range(2)], lower=False).words()
    assert {r.kind: r.mean.mean for r in rows if r.predicted is None} == {"I": 1, "didn't": 9}
    words = scored("so well-made", (1, 2, 3, 4)).words()
    assert written(words[:3], "so well-made", lower=True)[1] == ["so", "well-"]


def test_a_word_has_the_tag_of_the_token_it_shares_most_with():
    words = [Word("didn", 0, 4, 0.0)]
    words += [Word("'", 4, 5, 0.0), Word("t", 5, 6, 0.0), Word("ab", 7, 9, 0.0), Word("z", 20, 21, 0.0)]
    tokens = [(0, 3, "AUX"), (3, 6, "PART"), (7, 8, "NOUN"), (8, 9, "VERB"), (12, 14, "")]
    assert align(words, tokens) == ("AUX", "PART", "PART", "NOUN", "X")
    assert align(words[:1], []) == ("X",)


class FakePipeline:
    """Tags every token with its first letter, and remembers what it was given."""

    def __init__(self, tagging: bool = True):
        self.tagging, self.texts = tagging, []

    def pipe(self, texts: Iterator[str], batch_size: int) -> Iterator[list[Any]]:
        for text in texts:
            self.texts.append(text)
            tokens, at = [], 0
            for part in text.split(" "):
                tokens.append(SimpleNamespace(idx=at, text=part, pos_=part[:1] if self.tagging else ""))
                at += len(part) + 1
            yield tokens


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_a_text_is_tagged_once_for_all_layers_and_only_as_far_as_it_was_read(
    chunk: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    pipeline = FakePipeline()
    texts = ["a bb", "ccc d", "e"]
    results = [
        (i, scored(text, [1] * len(text.split()), layer=layer)) for i, text in enumerate(texts) for layer in (1, 2)
    ]
    found = list(tagged(iter(results), Tagger("fake", "1", pipeline)))
    assert [a for a, _, _ in found] == [a for _, a in results]
    assert [tags for _, _, tags in found] == [("a", "b")] * 2 + [("c", "d")] * 2 + [("e",)] * 2
    assert pipeline.texts == texts
    assert [tags for _, _, tags in tagged(iter(results), None)] == [None] * 6
    words = scored("so good", [1, 2]).words()
    Tagger("fake", "1", pipeline).tags([("so good, and more", words)])
    assert pipeline.texts[-1] == "so good"


def test_a_pipeline_that_tags_nothing_is_refused():
    with pytest.raises(InputError, match="the spaCy pipeline 'mute' sets none"):
        Tagger("mute", "1", FakePipeline(tagging=False)).tags([("a", scored("a", [1]).words())])


def test_the_real_tagger():
    pytest.importorskip(PIPELINE)
    tagger = load_tagger()
    text = "A dull plot, and yet I didn't hate it."
    words = scored(text, [1] * 13).words()
    [tags] = tagger.tags([(text, words)])
    found = dict(zip([w.text for w in words], tags, strict=True))
    assert found == {
        "A": "DET", "dull": "ADJ", "plot": "NOUN", ",": "PUNCT", "and": "CCONJ", "yet": "ADV", "I": "PRON",
        "didn": "AUX", "'": "PART", "t": "PART", "hate": "VERB", "it": "PRON", ".": "PUNCT",
    }  # fmt: skip
    assert tagger.version == "3.8.0"


def test_a_tagger_that_is_not_there(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="the spaCy pipeline 'no_such' is not installed.*tagger: null"):
        load_tagger("no_such")

    def absent(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr("spacy.load", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'textiba\[corpus\]'"):
        load_tagger()


TAGS = {"good": "ADJ", "bad": "ADJ", "film": "NOUN", "plot": "NOUN", ",": "PUNCT"}


def test_parts_of_speech_by_hand():
    parts = view_of([scored(*r) for r in TEXTS], TAGS).parts()
    adjective, noun = row(parts, "ADJ"), row(parts, "NOUN")
    assert (adjective.texts, adjective.occurrences) == (3, 4)
    assert adjective.mean.mean == pytest.approx(12 / 4)
    assert adjective.share.mean == pytest.approx(12 / 17)
    assert noun.share.mean == pytest.approx(5 / 17)
    assert noun.share_of_words == pytest.approx(3 / 8)
    assert row(parts, "ADJ", 0).share.mean == pytest.approx(6 / 10)
    assert part_table(parts)["words"] == ["50.0", "37.5"], "the comma is in one text only"


def test_the_tables_have_every_row_and_lead_over_the_layers():
    layers = [scored(text, [s * k for s in scores], y, layer=k) for text, scores, y in TEXTS * 2 for k in (2, 1)]
    rows = view_of(layers).words()
    table = columns(rows, "word")
    assert len(table["word"]) == len(rows) == 24
    line = {name: cells[table["word"].index("good")] for name, cells in table.items()}
    assert line["layer"] == "2"
    assert line["unit"] == "bits"
    assert (line["texts"], line["of texts"], line["occurrences"]) == ("4", "6", "6")
    assert set(table["predicted"]) == {"all", "negative", "positive"}
    assert float(line["mean"]) == pytest.approx(14 / 3, abs=1e-4)
    shown = word_table(rows, 0, top=2)
    assert list(shown) == ["word", "texts", "layer 1", "layer 2"]
    assert shown["word"] == leading(by_layer(rows, 0), 2) == ["bad", "plot"]
    assert shown["layer 2"] == ["10.0 ±0.0", "6.00 ±0.00"]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("methods: []", "methods"),
        ("methods: [{name: evidence}]\nmin_count: 1", "greater than or equal to 2; got 1"),
        ("methods: [{name: evidence}]\nlayers: all", "unknown key 'layers'"),
        ("methods: [{name: magic}]", "no method is called 'magic'"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(yaml: str, message: str, tmp_path: Any):
    path = tmp_path / "corpus.yaml"
    path.write_text(yaml)
    with pytest.raises(SettingError, match=message):
        CorpusConfig.from_yaml(path)
