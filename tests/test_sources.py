"""Texts from every source: the bundled ones, IMDB in its three layouts, rationales, and plain files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import textiba.texts.sources
from textiba.errors import CorruptFileError, HubUnavailableError, InputError, SettingError
from textiba.runs.config import DataChoice
from textiba.texts.sources import Text, bundled_reviews, imdb, imdb_rows, movie_rationales, read_texts

KINDS = {"plain", "mixed", "negation", "irony", "plot", "names"}


def parquet(path: Path, **columns: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def acl(folder: Path) -> Path:
    """The aclImdb layout with four test texts, one of them twice."""
    texts = {
        "pos/0_9.txt": "Superb.<br /><br />Loved it.",
        "pos/1_8.txt": "Superb again",
        "neg/0_2.txt": "Dreadful <br>",
    }
    for name, text in (texts | {"neg/1_1.txt": "Twice", "neg/2_1.txt": "Twice"}).items():
        (folder / "test" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "test" / name).write_text(text, encoding="utf-8")
    return folder


class TestBundled:
    """The texts that come with the project."""

    texts = bundled_reviews()

    def test_there_are_enough_and_none_twice(self):
        assert len(self.texts) >= 120
        assert len({r.text for r in self.texts}) == len({r.id for r in self.texts}) == len(self.texts)

    def test_half_are_positive_in_every_kind(self):
        assert {r.kind for r in self.texts} == KINDS
        for kind in KINDS:
            labels = Counter(r.label for r in bundled_reviews(kind))
            assert labels[0] == labels[1] > 0, kind
            assert set(labels) == {0, 1}, kind

    def test_they_have_60_to_220_words(self):
        assert all(60 <= len(r.text.split()) <= 220 for r in self.texts)

    def test_rationales_lie_in_the_text_in_order_and_apart(self):
        for r in self.texts:
            assert r.rationale, r.id
            ends = [0, *(end for _, end in r.rationale)]
            for before, (start, end) in zip(ends, r.rationale, strict=False):
                assert before <= start < end <= len(r.text), r.id
                assert r.text[start:end].strip() == r.text[start:end], r.id

    def test_rationales_mark_a_part_and_not_the_whole(self):
        assert all(sum(end - start for start, end in r.rationale) < len(r.text) / 2 for r in self.texts)

    def test_a_kind_that_does_not_exist_gives_none(self):
        assert bundled_reviews("horror") == []


class TestImdb:
    """A folder of text files, Parquet files, and one file."""

    def test_from_the_aclimdb_folder(self, tmp_path: Path):
        found = {r.text: r for r in imdb(str(acl(tmp_path)), "test")}
        assert {text: r.label for text, r in found.items()} == {
            "Superb.\nLoved it.": 1,
            "Superb again": 1,
            "Dreadful": 0,
            "Twice": 0,
        }
        assert found["Superb again"].id == "test-pos-1_8"

    def test_from_parquet_file_and_folder(self, tmp_path: Path):
        columns: dict[str, list[Any]] = {"text": ["One<br/>two", "three", "three"], "label": [1, 0, 0]}
        file = parquet(tmp_path / "test-00000-of-00001.parquet", **columns)
        parquet(tmp_path / "train-00000-of-00001.parquet", text=["not this"], label=[1])
        for source in (file, tmp_path):
            found = sorted((r.text, r.label) for r in imdb(str(source), "test"))
            assert found == [("One\ntwo", 1), ("three", 0)]

    def test_parquet_in_parts_is_read_whole(self, tmp_path: Path):
        for part in range(3):
            parquet(tmp_path / f"test-0000{part}-of-00003.parquet", text=[f"part {part}"], label=[0])
        assert sorted(r.text for r in imdb(str(tmp_path))) == ["part 0", "part 1", "part 2"]

    def test_a_smaller_limit_is_the_beginning_of_a_larger_one(self, tmp_path: Path):
        file = str(parquet(tmp_path / "test.parquet", text=[f"text {i}" for i in range(50)], label=[0] * 25 + [1] * 25))
        whole = imdb(file)
        assert len(whole) == 50
        assert imdb(file, limit=7) == imdb(file, limit=20)[:7] == whole[:7]
        assert {r.label for r in whole[:12]} == {0, 1}, "sorted by label in the file, and shuffled here"
        assert imdb(file, seed=1) != whole
        assert sorted(r.text for r in imdb(file, seed=1)) == sorted(r.text for r in whole)

    def test_reviews_are_read_when_they_are_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        texts = [f"text {i % 40}" for i in range(50)]
        file = str(parquet(tmp_path / "test.parquet", text=texts, label=[i % 2 for i in range(50)]))
        whole, rows = imdb(file, seed=3), imdb_rows(file, seed=3)
        assert len(rows) == 40
        assert list(rows) == whole
        assert list(rows[5:][2:9]) == whole[7:14]
        assert rows[-1] == whole[-1]
        # As when texts were the keys of a dict: the first gives the place in the order, the last the rest.
        assert {r.text: r.id for r in rows}["text 3"] == "test-43"
        read: list[str] = []
        monkeypatch.setattr(textiba.texts.sources, "_clean", lambda text: read.append(text) or text)
        assert rows[7] == whole[7]
        assert len(read) == 1

    def test_streamed_they_come_in_the_order_of_the_file(self, tmp_path: Path):
        for part in range(2):
            texts = [f"part {part} text {i}<br>" for i in range(3)]
            parquet(tmp_path / f"test-0000{part}.parquet", text=texts, label=[part] * 3)
        choice = DataChoice(source=str(tmp_path), skip=1, limit=4, streaming=True)
        for _ in range(2):  # anew each time
            assert [r.text for r in choice.open()] == [
                "part 0 text 1", "part 0 text 2", "part 1 text 0", "part 1 text 1",
            ]  # fmt: skip
        assert not hasattr(choice.open(), "__len__")
        with pytest.raises(SettingError, match="streaming is for IMDB"):
            DataChoice(streaming=True)

    def test_a_folder_with_neither_layout_is_told_what_was_expected(self, tmp_path: Path):
        (tmp_path / "notes.md").write_text("")
        with pytest.raises(InputError, match=r"expected 'test\*.parquet' or 'test/pos/\*.txt'.*found \['notes.md'\]"):
            imdb(str(tmp_path))

    def test_a_missing_column_is_named(self, tmp_path: Path):
        file = parquet(tmp_path / "test.parquet", review=["a film"], label=[1])
        with pytest.raises(InputError, match=r"column \['text'\] is missing; it has \['review', 'label'\]"):
            imdb(str(file))

    def test_a_file_that_is_no_parquet(self, tmp_path: Path):
        (tmp_path / "test.parquet").write_bytes(b"PAR1 and then nothing of the kind")
        with pytest.raises(CorruptFileError, match=r"test\.parquet: not readable as Parquet; download it again"):
            imdb(str(tmp_path / "test.parquet"))

    def test_a_text_file_that_is_not_utf_8(self, tmp_path: Path):
        (acl(tmp_path) / "test" / "neg" / "9_1.txt").write_bytes(b"caf\xe9")
        with pytest.raises(CorruptFileError, match=r"9_1\.txt: not UTF-8"):
            imdb(str(tmp_path))

    def test_the_hub_out_of_reach(self):
        with pytest.raises(
            HubUnavailableError, match=r"'nobody/nothing' is no folder here .*name a folder or a Parquet"
        ):
            imdb("nobody/nothing")


class TestMovieRationales:
    """Token spans become character spans."""

    columns: dict[str, list[Any]] = {  # noqa: RUF012 - not written to
        "tokens": [["a", "dull", "plot", ",", "superb", "actors", "."], ["loved", "it"]],
        "label": [0, 1],
        "evidence_starts": [[4, 1, 2], []],
        "evidence_ends": [[6, 3, 3], []],
        "id": ["neg_1", "pos_1"],
    }

    def test_spans_are_joined_sorted_and_exact(self, tmp_path: Path):
        parquet(tmp_path / "validation.parquet", **self.columns)
        first, second = movie_rationales(str(tmp_path))
        assert first.text == "a dull plot , superb actors ."
        assert [first.text[a:b] for a, b in first.rationale] == ["dull plot", "superb actors"]
        assert (first.label, first.id) == (0, "neg_1")
        assert second == Text("loved it", 1, (), "pos_1")

    def test_spans_that_touch_are_one(self, tmp_path: Path):
        touching = self.columns | {"evidence_starts": [[0, 2], []], "evidence_ends": [[2, 3], []]}
        parquet(tmp_path / "train.parquet", **touching)
        [first, _] = movie_rationales(str(tmp_path), "train")
        assert first.rationale == ((0, len("a dull plot")),)

    @pytest.mark.parametrize("column", ["tokens", "evidence_ends", "id"])
    def test_a_missing_column_is_named(self, tmp_path: Path, column: str):
        parquet(tmp_path / "validation.parquet", **{k: v for k, v in self.columns.items() if k != column})
        with pytest.raises(InputError, match=rf"column \['{column}'\] is missing; it has"):
            movie_rationales(str(tmp_path))

    def test_a_missing_split(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"expected 'validation\*\.parquet'"):
            movie_rationales(str(tmp_path))


class TestReadTexts:
    """The user's own files."""

    def test_a_line_a_review(self, tmp_path: Path):
        (tmp_path / "mine.txt").write_text("A film.\n\n  Déjà vu \n", encoding="utf-8")
        assert read_texts(tmp_path / "mine.txt") == [Text("A film.", id="mine-1"), Text("Déjà vu", id="mine-3")]

    def test_json_lines(self, tmp_path: Path):
        rows = [
            {"text": "A film", "label": "positive", "rationale": [[2, 6]], "id": "x", "kind": "plain"},
            {"text": "Another", "label": 0},
            {"text": "Unknown"},
        ]
        path = tmp_path / "mine.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
        first, second, third = read_texts(str(path))
        assert first == Text("A film", 1, ((2, 6),), "x", "plain")
        assert (second.label, third.label) == (0, None)
        assert third.id == f"{path}:3"

    def test_parquet_in_the_order_of_the_file(self, tmp_path: Path):
        path = parquet(tmp_path / "mine.parquet", text=["b", "a"], label=[1, 0])
        assert [(r.text, r.label) for r in read_texts(path)] == [("b", 1), ("a", 0)]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("{", "JSONDecodeError"),
            ("[1]", "TypeError"),
            ('{"label": 1}', "KeyError: 'text'"),
            ('{"text": "x", "label": "great"}', "or their index; got 'great'"),
            ('{"text": "x", "rationale": [[1]]}', "not enough values"),
            ('{"text": 5}', "text is a string; got 5"),
        ],
    )
    def test_a_line_that_is_no_review_is_named_by_its_number(self, tmp_path: Path, line: str, reason: str):
        path = tmp_path / "mine.jsonl"
        path.write_text('{"text": "fine"}\n' + line)
        with pytest.raises(CorruptFileError, match=rf"mine\.jsonl:2: not a text: .*{reason}"):
            read_texts(path)

    @pytest.mark.parametrize("name", ["mine.txt", "mine.jsonl"])
    def test_a_file_that_is_not_utf_8(self, tmp_path: Path, name: str):
        (tmp_path / name).write_bytes(b"caf\xe9\n")
        with pytest.raises(CorruptFileError, match=rf"{name}: not UTF-8"):
            read_texts(tmp_path / name)

    def test_an_ending_that_is_not_known(self, tmp_path: Path):
        (tmp_path / "mine.csv").write_text("text\n")
        with pytest.raises(InputError, match=r"texts come as \.jsonl, \.parquet or \.txt; got '\.csv'"):
            read_texts(tmp_path / "mine.csv")

    def test_a_file_that_is_not_there(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"absent.txt: no such file"):
            read_texts(tmp_path / "absent.txt")
