"""Gold answers that are lists: labels of which several hold, and tags of tokens; read, checked, kept and shown."""

import json
from pathlib import Path
from typing import Any

import datasets
import pandas
import pyarrow
import pytest
import tokenizer_kinds
import toys

import textiba
from textiba.attribution import Attribution, Attributions
from textiba.errors import InputError, SettingError
from textiba.model.outcomes import Label
from textiba.model.view import Model
from textiba.runs.config import DataChoice
from textiba.runs.sweep import texts_hash
from textiba.show.highlight import facts
from textiba.store.export import export_rows
from textiba.store.rows import SCHEMA, from_row, to_row
from textiba.texts.columns import Named
from textiba.texts.golds import map_golds, tagged_words, token_spans
from textiba.texts.inputs import texts_from
from textiba.texts.labels import resolve_labels
from textiba.texts.sources import open_texts, read_texts
from textiba.texts.tables import Rows
from textiba.texts.text import Text
from textiba.texts.tokenizing import tokenize

ROWS = [
    {"text": "I love it", "labels": ["joy", "love"]},
    {"text": "It is so", "labels": []},
    {"text": "Oh no", "labels": ["fear"]},
]
GOLDS = [("joy", "love"), (), ("fear",)]


def written(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    frame = pandas.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_labels_are_a_list_in_each_row(tmp_path: Path, name: str):
    texts = read_texts(written(tmp_path, name, ROWS), gold="labels")
    assert [text.labels for text in texts] == GOLDS
    assert [text.label for text in texts] == [None] * 3


@pytest.mark.parametrize("between", [",", "; ", "|"])
def test_labels_in_a_csv_file_have_a_mark_between_them(tmp_path: Path, between: str):
    rows = [row | {"labels": between.join(row["labels"])} for row in ROWS]
    assert [text.labels for text in read_texts(written(tmp_path, "a.csv", rows), gold="labels")] == GOLDS
    rows = [row | {"labels": json.dumps(row["labels"])} for row in ROWS]
    assert [text.labels for text in read_texts(written(tmp_path, "b.csv", rows), gold="labels")] == GOLDS


def test_a_csv_file_of_indices_is_not_read_as_one_number(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('text,y\nA b,"0,2"\nC d,0\nE f,\n')
    texts = read_texts(path, label_column="y", gold="labels")
    assert [text.labels for text in texts] == [("0", "2"), ("0",), ()]
    assert [text.labels for text in resolve_labels(texts, ("a", "b", "c"))] == [(0, 2), (0,), ()]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (7, r"row 2: labels are a list of indices or names, \[\] if none holds; got 7"),
        (["joy", None], r"row 2: a list of labels or tags has an empty place; got \['joy', None\]"),
        (["joy", "joy"], "row 2: a list of labels names each label once"),
        ([-1], "row 2: a label is an index from 0 on, or a name; got -1"),
        (["joy", 1.5], "row 2: a label is a whole number from 0 on"),
        ("[joy", r"row 2: labels are a list .*; got '\[joy'"),
    ],
)
def test_labels_that_are_no_list_of_labels(tmp_path: Path, labels: object, message: str):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": "A", "labels": []}, {"text": "B", "labels": labels}]))
    with pytest.raises(InputError, match=rf"a.json, {message}"):
        read_texts(path, gold="labels")


def test_a_data_set_s_names_map_its_indices_to_the_model_s_labels():
    names = ["joy", "love", "fear"]
    features = datasets.Features(text=datasets.Value("string"), labels=datasets.List(datasets.ClassLabel(names=names)))
    table = datasets.Dataset.from_dict({"text": ["A", "B"], "labels": [[0, 2], []]}, features=features)
    rows = texts_from(table, Named(gold="labels"))
    assert isinstance(rows, Rows)
    assert rows.names == tuple(names)
    assert [text.labels for text in resolve_labels(rows, ("fear", "joy", "love"))] == [(1, 0), ()]
    with pytest.raises(InputError, match="text number 1 .*a label is a class of the model, .*; got 'hope'"):
        resolve_labels([Text("A", labels=("joy",)), Text("B", labels=("fear", "hope"))], names)


TAGGED = [
    {"tokens": ["U.K.", "sends", "@bob", "home"], "ner_tags": ["B-place", "O", "B-person", "O"]},
    {"tokens": ["Hello"], "ner_tags": ["O"]},
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.csv", "b.csv"])
def test_tokens_and_tags_become_a_text_with_tags(tmp_path: Path, name: str):
    rows = TAGGED
    if name.endswith("csv"):
        convert = json.dumps if name == "a.csv" else " ".join
        rows = [{key: convert(value) for key, value in row.items()} for row in TAGGED]
    texts = read_texts(written(tmp_path, name, rows), gold="tags")
    assert [text.text for text in texts] == ["U.K. sends @bob home", "Hello"]
    assert [text.tags for text in texts] == [tuple(row["ner_tags"]) for row in TAGGED]


def test_a_run_reads_tokens_with_tags(tmp_path: Path):
    choice = DataChoice(source=str(written(tmp_path, "a.jsonl", TAGGED)), gold="tags")
    assert [text.tags for text in choice.load()] == [tuple(row["ner_tags"]) for row in TAGGED]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "row 1: there is one tag for each token; got 1 tags and 2 tokens"),
        ({"tokens": ["a", 3], "tags": ["O", "O"]}, "row 1: tokens are a list of strings; got"),
        ({"tokens": [], "tags": []}, r"row 1: tokens are a list of strings; got \[\]"),
        (
            {"tokens": ["New York"], "tags": ["O"]},
            "row 1: a token has a .* and no space; got 'New York'",
        ),
        ({"tokens": ["a", " "], "tags": ["O", "O"]}, "row 1: a token has a visible character .*; got ' '"),
        ({"tokens": ["a"], "tags": 3}, "row 1: tags are a list of indices or names, one for each token; got 3"),
        (
            {"words": ["a"], "tags": ["O"]},
            r"no column is called 'tokens' or 'post_tokens'; the columns are \['words', 'tags'\]",
        ),
        ({"tokens": ["a"], "tags": [0], "ner_tags": [0]}, r"\['tags', 'ner_tags'\] may all hold the tags; name one"),
    ],
)
def test_tokens_and_tags_that_do_not_fit(tmp_path: Path, row: dict[str, Any], message: str):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([row]))
    with pytest.raises(InputError, match=message):
        read_texts(path, gold="tags")


def test_there_are_three_kinds_of_golds(tmp_path: Path):
    with pytest.raises(SettingError, match="gold is one of label, labels, tags; got 'tag'"):
        read_texts(written(tmp_path, "a.jsonl", ROWS), gold="tag")


def test_a_line_break_in_html_stays_a_token(tmp_path: Path):
    path = written(tmp_path, "a.parquet", [{"tokens": ["one", "<br/>", "two"], "tags": ["O", "O", "O"]}])
    [text] = open_texts(str(path), named=Named(gold="tags"))
    assert text.text == "one <br/> two"


@pytest.mark.filterwarnings("ignore::textiba.errors.TruncationWarning")
@pytest.mark.parametrize("kind", sorted(tokenizer_kinds.TOKENIZERS))
def test_each_token_has_the_word_that_begins_it_with_any_tokenizer(kind: str):
    source = "the U.K. film , saw @man 's superb actor"
    [text] = tokenize([source], tokenizer_kinds.TOKENIZERS[kind], 64)
    words = text.words
    for (begin, end), word in zip(token_spans(source), tagged_words(text), strict=True):
        assert word is not None
        first = words[word][0]
        assert text.offsets[words[word][-1]][1] <= end
        assert text.offsets[first][0] == begin
    [cut] = tokenize([source], tokenizer_kinds.TOKENIZERS[kind], 5)
    known = tagged_words(cut)
    assert known[0] == 0
    assert known[-1] is None


LABELLED = Text("the film was superb", labels=(0, "LABEL_1"), id="x")


def attributions(text: Text, outcome: Label | None = None) -> Attributions:
    model = Model(toys.classifier(problem_type="multi_label_classification"), toys.tokenizer(), outcome=outcome)
    return textiba.explain(model, textiba.Occlusion(), [text])


@pytest.mark.parametrize("text", [LABELLED, Text("the film", tags=("O", 3)), Text("the film", labels=())])
def test_a_result_keeps_the_gold_answers(tmp_path: Path, text: Text):
    [found] = attributions(text)
    golds = (found.text.source.labels, found.text.source.tags)
    assert golds == (None if text.labels is None else (0, 1)[: len(text.labels)], text.tags)
    again = Attribution.from_json(found.to_json())
    assert (again.text.source.labels, again.text.source.tags) == golds
    again = from_row(row_of(found))
    assert (again.text.source.labels, again.text.source.tags) == golds
    path = found.save(tmp_path / "a.parquet")
    assert Attribution.load(path).text.source == found.text.source


def row_of(found: Attribution) -> dict[str, Any]:
    return dict.fromkeys(SCHEMA.names) | to_row(0, found)


def test_exported_labels_are_read_again(tmp_path: Path):
    rows = pyarrow.Table.from_pylist([row_of(a) for a in attributions(LABELLED)], SCHEMA).to_pylist()
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        export_rows(rows, tmp_path / name)
        [text] = read_texts(tmp_path / name, label_column="gold_labels", gold="labels")
        assert [int(label) for label in text.labels or ()] == [0, 1]


def test_gold_labels_have_names_in_tables_and_lines():
    [found] = attributions(LABELLED)
    assert set(found.to_pandas()["gold"]) == {"LABEL_0, LABEL_1"}
    assert "gold LABEL_0, LABEL_1" in facts(found)
    [none] = attributions(Text("the film", labels=()))
    assert "gold no label" in facts(none)
    [asked] = attributions(Text("the film", labels=(1,)), Label(label=0))
    assert "gold 1" in facts(asked), "an index of the model's labels is no index of 'not LABEL_0', 'LABEL_0'"


def test_golds_are_a_part_of_the_hash_of_texts():
    texts = [Text("a b"), Text("a b", labels=(0, 1)), Text("a b", tags=(0, 1)), Text("a b", labels=()), Text("a b", 0)]
    assert len({texts_hash([text]) for text in texts}) == len(texts)
    assert map_golds(Text("a b", 0, labels=(1,), tags=(2, 0)), lambda n: -int(n)) == Text(
        "a b", 0, labels=(-1,), tags=(-2, 0)
    )


@pytest.mark.parametrize("name", ["pair", "rationale", "pair_tokens", "pair_rationale"])
def test_columns_that_are_not_read_beside_tags_are_refused(name: str):
    row = {"tokens": ["a", "dog"], "tags": ["O", "B-x"], "more": [[0, 1]]}
    with pytest.raises(InputError, match=f"tags are read of single texts without rationales; leave {name}_column out"):
        list(texts_from([row], Named(gold="tags", **{name: "more"})))


def test_a_mapping_of_one_text_with_tags():
    [text] = texts_from({"tokens": ["a", "dog"], "tags": ["O", "B-x"]}, Named(gold="tags"))
    assert (text.text, text.tags) == ("a dog", ("O", "B-x"))
