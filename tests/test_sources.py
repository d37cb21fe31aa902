"""Data sets: the bundled reviews, IMDB in its three layouts, rationales, and what a config names."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import textiba.texts.sources
from textiba.errors import CorruptFileError, EmptyTextError, HubUnavailableError, InputError, SettingError
from textiba.runs.config import DataChoice
from textiba.texts.columns import Named
from textiba.texts.sources import bundled_reviews, imdb, imdb_rows, imdb_stream, movie_rationales
from textiba.texts.text import Text

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

    def test_texts_are_read_when_they_are_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
        monkeypatch.setattr(textiba.texts.sources, "_clean", lambda text, _name: read.append(text) or text)
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

    def test_a_missing_column_is_told_with_those_there_are(self, tmp_path: Path):
        file = parquet(tmp_path / "test.parquet", words=["a film"], label=[1])
        with pytest.raises(InputError, match=r"no column is called 'text'.*the columns are \['words', 'label'\]"):
            imdb(str(file))

    def test_columns_of_other_names(self, tmp_path: Path):
        file = str(parquet(tmp_path / "test.parquet", words=["a film", "b"], stars=[1, 0], key=[7, 8]))
        found = imdb_rows(file, named=Named("words", "stars", "key"))
        assert sorted(found, key=lambda t: t.id) == [Text("a film", 1, id="7"), Text("b", 0, id="8")]
        with pytest.raises(InputError, match=r"no column 'star'; the columns are .*Did you mean 'stars'"):
            imdb_rows(file, named=Named("words", "star"))

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"text": ["a film", None], "label": [1, 0]}, "test.parquet, row 2: a text is a string; got None"),
            ({"text": ["a film", "b"], "label": [1, -1]}, "row 2: a label is an index from 0 on, .*got -1"),
            ({"text": [3, 4], "label": [1, 0]}, "row 1: a text is a string; got 3, of type int"),
            ({"text": ["a film", " "], "label": [1, 0]}, "row 2: the text is empty, ' '"),
            ({"text": ["a film", "b"], "label": [[1], [0]]}, r"row 1: a label is a whole number.*got \[1\]"),
        ],
    )
    def test_a_row_that_is_no_text_is_refused_when_the_file_is_opened(
        self, tmp_path: Path, columns: dict[str, list[Any]], message: str
    ):
        file = str(parquet(tmp_path / "test.parquet", **columns))
        with pytest.raises(InputError, match=message):
            imdb_rows(file)
        with pytest.raises(InputError, match=message):
            list(imdb_stream(file))

    def test_line_breaks_stay_in_a_text_with_marked_spans(self, tmp_path: Path):
        text = "One<br/>two"
        file = parquet(tmp_path / "test.parquet", text=[text], label=[1], rationale=[[[8, 11]]])
        [found] = imdb(str(file))
        assert found == Text(text, 1, ((8, 11),), "test-0")

    def test_a_text_of_line_breaks_alone_is_empty(self, tmp_path: Path):
        file = parquet(tmp_path / "test.parquet", text=["<br /> <br />"], label=[1])
        with pytest.raises(EmptyTextError, match=r"test-0: the text is empty, '<br /> <br />'"):
            imdb(str(file))

    def test_a_file_name_with_brackets_is_a_name_and_no_pattern(self, tmp_path: Path):
        parquet(tmp_path / "a1.parquet", text=["not this"], label=[0])
        file = parquet(tmp_path / "a[1].parquet", text=["this"], label=[1])
        assert [r.text for r in imdb(str(file))] == ["this"]

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
            HubUnavailableError, match=r"'nobody/nothing' is no file or folder here.*name a folder or a file instead"
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
        with pytest.raises(InputError, match=rf"column '{column}'|column \['{column}'\] is missing"):
            movie_rationales(str(tmp_path))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"evidence_ends": [[6, 3, 9], []]},
                r"row 1: .* 0 ≤ start < end ≤ 7, the number of tokens of the row; got \[2, 9\]",
            ),
            ({"evidence_ends": [[6, 3], []]}, "row 1: there are 3 starts and 2 ends"),
            ({"tokens": ["a dull plot", "loved it"]}, "row 1: tokens are a list of strings; got 'a dull plot'"),
            ({"label": [0, -1]}, "row 2: a label is an index from 0 on"),
            ({"tokens": [["a"] * 7, []]}, "row 2: the text is empty"),
        ],
    )
    def test_a_row_that_is_no_text_is_named(self, tmp_path: Path, change: dict[str, list[Any]], message: str):
        parquet(tmp_path / "validation.parquet", **self.columns | change)
        with pytest.raises(InputError, match=message):
            movie_rationales(str(tmp_path))

    def test_a_missing_split(self, tmp_path: Path):
        with pytest.raises(InputError, match=r"expected 'validation\*\.parquet'"):
            movie_rationales(str(tmp_path))


class TestDataChoice:
    """The texts of a run's config."""

    def test_a_file_with_columns_of_other_names(self, tmp_path: Path):
        (tmp_path / "mine.csv").write_text("comment,stars,key\nA film,5,x\nB,1,y\n")
        (tmp_path / "mine.tsv").write_text("comment\tstars\tkey\nA film\t5\tx\nB\t1\ty\n")
        (tmp_path / "mine.jsonl").write_text(
            '{"comment": "A film", "stars": "5", "key": "x"}\n{"stars": "1", "key": "y", "comment": "B"}\n'
        )
        for name in ("mine.csv", "mine.tsv", "mine.jsonl"):
            columns: dict[str, Any] = {"text_column": "comment", "label_column": "stars", "id_column": "key"}
            choice = DataChoice(source=str(tmp_path / name), **columns)
            assert choice.load() == [Text("A film", "5", id="x"), Text("B", "1", id="y")]
            wrong = choice.model_copy(update={"label_column": "star"})
            with pytest.raises(InputError, match=rf"{name}: there is no column 'star'; .*Did you mean 'stars'"):
                wrong.load()

    @pytest.mark.parametrize("settings", [{}, {"rationales": True, "source": "folder"}])
    def test_columns_that_are_known_cannot_be_named(self, settings: dict[str, Any]):
        with pytest.raises(SettingError, match="columns are named for files and data sets of your own"):
            DataChoice(text_column="comment", **settings)

    def test_an_id_of_two_texts_is_ambiguous(self, tmp_path: Path):
        (tmp_path / "mine.csv").write_text("text,id\nA,1\nB,1\nC,2\n")
        choice = DataChoice(source=str(tmp_path / "mine.csv"), ids=("2",))
        assert choice.load() == [Text("C", id="2")]
        with pytest.raises(InputError, match="two texts with the id '1'"):
            choice.model_copy(update={"ids": ("1",)}).load()

    def test_a_file_that_is_not_there_is_not_looked_for_on_the_hub(self, tmp_path: Path):
        for name in ("absent.parquet", "absent.csv", "absent.JSONL"):
            with pytest.raises(InputError, match=f"{name}: no such file"):
                DataChoice(source=str(tmp_path / name)).load()

    def test_plain_files_are_not_streamed(self):
        with pytest.raises(SettingError, match="streaming is for IMDB, a data set of its layout or a Parquet file"):
            DataChoice(source="mine.csv", streaming=True)
