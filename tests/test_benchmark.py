"""The benchmark: its config, its rows, its tables."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys
from benches import CONFIG, changed, score_of

import textiba
from textiba.benchmark import BenchmarkConfig, benchmark, leaderboard
from textiba.benchmark.config import Subsets
from textiba.benchmark.figure import plot_leaderboard
from textiba.benchmark.folder import SUBSETS, BenchmarkFolder, Place
from textiba.benchmark.leaderboard import agreements
from textiba.benchmark.score import attribute, is_marked, plausibility, rows, subset_rows, subsets
from textiba.benchmark.tables import by_table, lead_table, write_tables
from textiba.checkpoints.load import load
from textiba.errors import InputError, SettingError
from textiba.evaluation.degradation import Degradation, degrade, lerf_morf_area
from textiba.evaluation.metrics import aopc_steps, from_attribution, rank_agreement, sensitivity_n
from textiba.model.view import Model

MODEL = toys.model()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"reference": "nobody"}, "reference names 'nobody', which is no method's label"),
        ({"leave_one_out": "nobody"}, "leave_one_out names 'nobody'"),
        ({"sanity": {"methods": ["nobody"]}}, "sanity.methods names 'nobody'"),
        ({"methods": [{"name": "random"}, {"name": "random"}]}, "two methods are labelled 'random'"),
        ({"methods": [{"name": "evidence", "label": "_x"}]}, "a label starts with a letter or digit"),
        ({"methods": [{"name": "nothing"}]}, "no method is called 'nothing'"),
        ({"data": {"a/b": {}}}, "got 'a/b'"),
        ({"noise": {"shares": [0.5, 1]}}, "a share of the tokens lies between 0 and 1"),
        ({"noise": {"draws": 0}}, "noise: .*draws: .*greater than or equal to 1; got 0"),
        ({"steps": [0.5, 2]}, "steps are shares between 0 and 1"),
        ({"statistics": {"tuned": "x"}}, "statistics names 'tuned', which is no checkpoint"),
        ({"removals": ["burn"]}, "'delete', 'mask', 'pad' or 'attention'"),
    ],
)
def test_a_config_says_what_is_wrong_with_it(values: dict[str, Any], message: str):
    with pytest.raises(SettingError, match=message):
        BenchmarkConfig.from_mapping(changed(**values), "test")


def test_sources_are_exchanged_by_name():
    assert CONFIG.with_sources(["texts=x.jsonl"]).data["texts"].source == "x.jsonl"
    assert CONFIG.with_sources(["x.jsonl"]).data["texts"].source == "x.jsonl"
    with pytest.raises(SettingError, match=r"a name of \['texts'\]; got 'imdb=x'"):
        CONFIG.with_sources(["imdb=x"])


def test_rows_hold_scores_metrics_and_cost():
    config = BenchmarkConfig.from_mapping(changed(steps=[0.3], removals=["mask"]), "test")
    method = textiba.method("input_x_gradient")
    texts = toys.texts(4, seed=31, shortest=8)
    timed = attribute(MODEL, method, texts, None, "predicted", 0)
    found = rows(MODEL, method, timed, [1, 2, 3, 4], config, toys.statistics(MODEL))
    curves = degrade(MODEL, [a for a, _ in timed], Degradation(removal="mask", steps=aopc_steps(others=(0.3, 1.0))))
    assert [row["index"] for row in found] == [1, 2, 3, 4]
    assert [a.text.source.text for a, _ in timed] == texts
    assert [row["mask area"] for row in found] == pytest.approx(lerf_morf_area(curves).tolist(), abs=1e-6)
    for row, (a, seconds) in zip(found, timed, strict=True):
        assert row["scores"] == [float(a.scores[i]) for i in a.text.content]
        assert (row["forward"], row["backward"], row["seconds"]) == (2.0, 1.0, seconds)
        assert not any(name.startswith("rationale") for name in row)
        assert ("noise kept" in row) == (row["index"] < 4), "the config limits noise to four texts"


def test_plausibility_is_of_the_text_of_a_pair_that_people_marked():
    pair = textiba.Text("a dog saw", rationale=((2, 5),), pair="the man had", pair_rationale=((4, 7),))
    [text, first, second] = MODEL.tokenize([pair, replace(pair, pair_rationale=()), replace(pair, rationale=())])
    # The second text's marked word comes first of all words, the first text's comes last.
    a = toys.scored(text, [2, -1, 3, 0, 5, 1])
    shares = {"both": 0.5, "text": 0.0, "pair": 1.0}
    for part, share in shares.items():
        config = BenchmarkConfig.from_mapping(changed(rationale_part=part), "test")
        assert plausibility(a, config)["rationale top_share"] == share, part
        for marked, own in ((first, "text"), (second, "pair")):
            found = plausibility(replace(a, text=marked), config)
            assert bool(found) == is_marked(marked, part) == (part in ("both", own)), "nothing is marked: no metric"


def test_subsets_have_one_size_and_do_not_depend_on_the_batch():
    [text] = MODEL.tokenize(toys.texts(1, seed=32, shortest=15))
    chosen = subsets(text, Subsets(count=7, share=0.4), seed=3)
    assert chosen.shape == (7, len(text.content))
    assert set(chosen.sum(axis=1)) == {round(0.4 * len(text.content))}
    assert np.array_equal(chosen, subsets(text, Subsets(count=7, share=0.4), seed=3))
    assert not np.array_equal(chosen, subsets(text, Subsets(count=7, share=0.4), seed=4))


def test_the_drops_of_subsets_are_what_one_pass_each_says():
    texts = MODEL.tokenize(toys.texts(2, seed=33, shortest=9))
    choice = Subsets(count=3, share=0.3, removal="mask")
    for text, row in zip(texts, subset_rows(MODEL, texts, 5, choice, 1, 0), strict=True):
        whole = MODEL.logits(MODEL.collate([text])).log_softmax(dim=1)[0, 1]
        for removed, drop in zip(np.asarray(row["removed"]).reshape(3, -1), row["drops"], strict=True):
            gone = [i for i, out in zip(text.content, removed, strict=True) if out]
            left = text.substitute(gone, MODEL.tokenizer.mask_token_id)
            expected = whole - MODEL.logits(MODEL.collate([left])).log_softmax(dim=1)[0, 1]
            assert drop == pytest.approx(float(expected), abs=1e-5)


def test_the_drops_of_labels_that_are_not_exclusive_are_of_their_sigmoids():
    model = Model(toys.classifier(problem_type="multi_label_classification"), toys.tokenizer())
    [text] = model.tokenize(toys.texts(1, seed=33, shortest=9))
    [row] = subset_rows(model, [text], 0, Subsets(count=3, share=0.3), 1, 0)
    whole = model.logits(model.collate([text])).sigmoid()[0, 1].log()
    for removed, drop in zip(np.asarray(row["removed"]).reshape(3, -1), row["drops"], strict=True):
        left = text.drop(i for i, out in zip(text.content, removed, strict=True) if out)
        assert drop == pytest.approx(float(whole - model.logits(model.collate([left])).sigmoid()[0, 1].log()), abs=1e-5)


def test_the_leaderboard_s_numbers_are_means_of_the_rows(small_benchmark: BenchmarkFolder):
    found = leaderboard(small_benchmark)
    by = {m.title: list(small_benchmark.read(Place("texts", "fine-tuned", m.title))) for m in CONFIG.methods}
    assert {title: len(r) for title, r in by.items()} == {"evidence two nodes": 5, "random": 5, "occlusion": 3}
    ours, lucky = (np.array([row["delete area"] for row in by[x]]) for x in ("evidence two nodes", "random"))
    score = score_of(found, "random", "delete area")
    assert score.center == pytest.approx(lucky.mean())
    assert score.comparison is not None
    assert score.comparison.pairs == 5
    gain = score.comparison.advantage
    assert gain.mean == pytest.approx((lucky - ours).mean())
    assert gain.low < gain.mean < gain.high
    assert score_of(found, "evidence two nodes", "delete area").comparison is None
    assert score_of(found, "random", "delete area", "common").center == pytest.approx(lucky[:3].mean())
    assert score_of(found, "occlusion", "forward").center == pytest.approx(
        np.mean([1 + row["tokens"] for row in by["occlusion"]])
    )


def test_metrics_that_rest_on_others_rows(small_benchmark: BenchmarkFolder):
    found = leaderboard(small_benchmark)
    mine = list(small_benchmark.read(Place("texts", "fine-tuned", "evidence two nodes")))[:3]
    theirs = list(small_benchmark.read(Place("texts", "fine-tuned", "occlusion")))
    removed = list(small_benchmark.read(Place("texts", "fine-tuned", SUBSETS)))
    agreement = [
        rank_agreement(np.array(a["scores"]), np.array(b["scores"])) for a, b in zip(mine, theirs, strict=True)
    ]
    score = score_of(found, "evidence two nodes", "leave-one-out agreement")
    assert (score.texts, score.center) == (3, pytest.approx(np.mean(agreement)))
    sensitivity = [
        sensitivity_n(np.array(a["scores"]), np.array(b["removed"]).reshape(6, -1), np.array(b["drops"]))
        for a, b in zip(mine, removed, strict=True)
    ]
    assert score_of(found, "evidence two nodes", "sensitivity-n").center == pytest.approx(np.mean(sensitivity))
    assert not [s for s in found if s.label == "occlusion" and s.metric == "leave-one-out agreement"]


@pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")
def test_rationales_are_measured_on_words(small_benchmark: BenchmarkFolder):
    found = leaderboard(small_benchmark)
    score = score_of(found, "random", "rationale auprc")
    row = next(
        r for r in small_benchmark.read(Place("texts", "fine-tuned", "random")) if r.get("rationale auprc") is not None
    )
    text = CONFIG.data["texts"].load()[row["index"]]
    [tokenized] = load("fine-tuned", 24).tokenize([text])
    a = toys.scored(tokenized, row["scores"])
    assert row["rationale auprc"] == pytest.approx(from_attribution(a)["auprc"], rel=1e-5)
    assert 0 < score.center < 1


def test_without_faithfulness_metrics_only_texts_with_a_marked_word_are_run(tmp_path: Path):
    source = tmp_path / "texts.jsonl"
    plain = [{"text": f"Not marked at all, number {n}."} for n in range(3)]  # more than a chunk of two
    texts = [*plain, {"text": "A superb film.", "rationale": [[2, 8]]}]
    source.write_text("\n".join(json.dumps({**t, "label": 1}) for t in texts))
    values = {"data": {"texts": {"source": str(source)}}, "removals": [], "subsets": None, "noise": None}
    config = BenchmarkConfig.from_mapping(
        changed(**values, leave_one_out=None, sanity={}, target="gold", rationale_share=0.3), "test"
    )
    made = benchmark(config, tmp_path / "run", only=["random"])
    [row] = made.read(Place("texts", "fine-tuned", "random"))
    assert (row["index"], row["target"]) == (3, 1)
    benchmark(config, tmp_path / "run", lambda *_: None, only=["random"])  # nothing is left to do
    assert {"rationale top_share", "rationale iou"} <= row.keys()
    columns = lead_table(leaderboard(made))
    assert list(columns)[:3] == ["method", "texts", "rationale top_share"]


def test_tables_and_figure(small_benchmark: BenchmarkFolder):
    found = leaderboard(small_benchmark)
    paths = write_tables(small_benchmark, found)
    assert [p.name for p in paths] == ["leaderboard.md", "leaderboard.csv", "sanity.csv"]
    page = paths[0].read_text()
    assert "## texts · fine-tuned · common" in page
    assert "5 of 5 texts were longer than the model's limit here" in page
    with paths[1].open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(found)
    tables = by_table(found)
    assert list(tables) == ["texts · fine-tuned · common", "texts · fine-tuned"]
    for scores in tables.values():
        columns = lead_table(scores)
        assert {"delete area", "Δ mask area", "noise kept", "Δ noise kept", "median s / text"} <= columns.keys()
        assert columns["method"][-1] == "random"
        figure = plot_leaderboard(scores, "a title", ["random"])
        assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "3  random"


def test_a_figure_needs_something_to_draw(small_benchmark: BenchmarkFolder):
    costs = [s for s in leaderboard(small_benchmark) if s.metric == "seconds"]
    with pytest.raises(InputError, match="needs areas, noise kept or plausibility metrics"):
        plot_leaderboard(costs)


def test_the_sanity_check_goes_from_the_head_to_the_embeddings(small_benchmark: BenchmarkFolder):
    found = agreements(small_benchmark)
    assert [a.part for a in found] == ["head", *(f"layer {i}" for i in range(5, -1, -1)), "embeddings"]
    assert all(a.texts == 2 and -1 <= a.value.mean <= 1 for a in found)
