"""What one kind of file has of its own: the cells of CSV and TSV, JSON lines, plain lines, and standard input."""

import io
import json
import sys
from pathlib import Path

import pytest

from textiba.errors import InputError, TextibaError
from textiba.texts.files import read_texts
from textiba.texts.text import Text


class TestCells:
    """CSV and TSV as spreadsheets and other programs write them."""

    @pytest.mark.parametrize(
        ("name", "content", "texts"),
        [
            ("semicolons.csv", "text;label\nGood, really;1\nBad;0\n", ["Good, really", "Bad"]),
            ("tabs.csv", "text\tlabel\nGood, really\t1\nBad\t0\n", ["Good, really", "Bad"]),
            ("windows.csv", "text,label\r\nGood,1\r\nBad,0\r\n", ["Good", "Bad"]),
            ("mac.csv", "text,label\rGood,1\rBad,0\r", ["Good", "Bad"]),
            ("blank.csv", "\ntext,label\n\nGood,1\n  \nBad,0\n\n", ["Good", "Bad"]),
            ("quotes.csv", 'text,label\n"Go ""od""\nreally",1\nBad,0', ['Go "od"\nreally', "Bad"]),
            ("header.csv", '" text ", label\nGood,1\nBad,0', ["Good", "Bad"]),
            ("one.csv", "text\nGood\nBad\n", ["Good", "Bad"]),
            ("unicode.csv", "text,label\nGo\u2028o\x85d,1\nBa\x0cd,0\n", ["Go\u2028o\x85d", "Ba\x0cd"]),
            ("plain quotes.tsv", 'text\tlabel\n"Good\t1\nBad" he said\t0\n', ['"Good', 'Bad" he said']),
        ],
    )
    def test_a_dialect(self, tmp_path: Path, name: str, content: str, texts: list[str]):
        (tmp_path / name).write_bytes(content.encode())
        found = read_texts(tmp_path / name)
        assert [t.text for t in found] == texts
        if name != "one.csv":
            assert [t.label for t in found] == [1, 0]

    def test_a_cell_longer_than_python_s_own_limit(self, tmp_path: Path):
        long = "word " * 40_000
        (tmp_path / "mine.csv").write_text(f"text,label\n{long},1\nshort,0\n")
        assert read_texts(tmp_path / "mine.csv")[0].text == long

    @pytest.mark.parametrize(
        ("cells", "labels"),
        [
            (["0", "1", "2"], [0, 1, 2]),
            (["1.0", "", "0.0"], [1, None, 0]),
            (["nan", "1", "0"], [None, 1, 0]),
            (["1", "5", "3"], ["1", "5", "3"]),  # without a 0 these may be names, as of stars
            (["0", "1", "unknown"], ["0", "1", "unknown"]),
            (["positive", "", "Negative"], ["positive", None, "Negative"]),
            (["True", "False", "True"], ["True", "False", "True"]),
        ],
    )
    def test_labels_in_a_file_without_types(self, tmp_path: Path, cells: list[str], labels: list[int | str | None]):
        (tmp_path / "mine.csv").write_text("text,label\n" + "".join(f"A film,{cell}\n" for cell in cells))
        assert [t.label for t in read_texts(tmp_path / "mine.csv")] == labels

    def test_a_rationale_in_a_cell(self, tmp_path: Path):
        (tmp_path / "mine.csv").write_text('text,rationale\nA film,"[[2, 6]]"\nB,\n')
        assert [t.rationale for t in read_texts(tmp_path / "mine.csv")] == [((2, 6),), ()]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("text,label\nGood,1\nBad, really,0\n", r"row 2 \(line 3\): 3 cells, where the header has 2"),
            ('text,label\n"Two\nlines",1\nBad\n', r"row 2 \(line 4\): 1 cells, where the header has 2"),
            ('text,label\nGood,1\n"Bad,0\n', r"row 2 \(line 3\): unexpected end of data.*double the quotes"),
            ("text,text\nGood,1\n", "two columns are called 'text'; rename one"),
            ('text,label\nGood,1\n"  ",0\n', r"row 2 \(line 3\): the text is empty"),
            ("text,rationale\nA film,2-6\n", r"row 1 \(line 2\): a rationale is a list of \[start, end\]; got '2-6'"),
            ("Good film\nBad film\n", r"no column is called 'text'.*columns are \['Good film'\]"),
        ],
    )
    def test_what_is_no_table_is_named_by_row_and_line(self, tmp_path: Path, content: str, message: str):
        (tmp_path / "mine.csv").write_text(content)
        with pytest.raises(TextibaError, match=rf"mine\.csv.*{message}"):
            read_texts(tmp_path / "mine.csv")


class TestJsonLines:
    """A JSON object a line."""

    def test_all_fields(self, tmp_path: Path):
        rows = [
            {"text": "A film", "label": "positive", "rationale": [[2, 6]], "id": "x", "kind": "plain"},
            {"text": "Another", "label": 0},
            {"text": "Unknown"},
        ]
        path = tmp_path / "mine.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
        first, second, third = read_texts(str(path))
        assert first == Text("A film", "positive", ((2, 6),), "x", "plain")
        assert (second.label, third.label) == (0, None)
        assert third.id == f"{path}:3"

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("{", r"not JSON: .* at character 1; a \.jsonl file has a JSON object a line"),
            ("[1]", r"a row is an object with a text.*got \[1\]"),
            ("7", "a row is an object with a text.*got 7"),
            ('{"label": 1}', r"there is no 'text'; the row has \['label'\]"),
            ('{"text": "x", "rationale": [[1]]}', r"a list of \[start, end\], whole numbers; got \[1\] in it"),
            ('{"text": 5}', "a text is a string; got 5, of type int"),
            ('{"text": null}', "a text is a string; got None, a missing value"),
            ("[" * 100_000, "not JSON that can be read"),
            ('{"text": "x", "label": ' + "9" * 5000 + "}", "not JSON that can be read"),
        ],
    )
    def test_a_line_that_is_no_text_is_named_by_its_number(self, tmp_path: Path, line: str, reason: str):
        path = tmp_path / "mine.jsonl"
        path.write_text('{"text": "fine"}\n' + line)
        with pytest.raises(TextibaError, match=rf"mine\.jsonl:2: .*{reason}"):
            read_texts(path)

    def test_plain_lines(self, tmp_path: Path):
        (tmp_path / "mine.txt").write_text("A film.\n\n  Déjà vu \r\n", encoding="utf-8")
        assert read_texts(tmp_path / "mine.txt") == [Text("A film.", id="mine-1"), Text("Déjà vu", id="mine-3")]
        with pytest.raises(InputError, match="a file of plain lines has no columns to name"):
            read_texts(tmp_path / "mine.txt", text_column="text")


class TestStandardInput:
    """The name "-"."""

    @pytest.mark.parametrize(
        ("content", "texts"),
        [
            (b"A film.\n\nAnother.\n", ["A film.", "Another."]),
            (b'{"text": "A film."}\n{"text": "Another.", "label": 1}\n', ["A film.", "Another."]),
            (b"\xef\xbb\xbf{not an object}\n[1]\n", ["{not an object}", "[1]"]),
        ],
    )
    def test_lines_of_text_or_objects(self, monkeypatch: pytest.MonkeyPatch, content: bytes, texts: list[str]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert [t.text for t in read_texts("-")] == texts

    @pytest.mark.parametrize("content", [b"", b" \n\n"])
    def test_nothing(self, monkeypatch: pytest.MonkeyPatch, content: bytes):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        with pytest.raises(InputError, match="standard input: holds no text"):
            read_texts("-")

    def test_a_line_is_named_by_its_number(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "A"}\n{"text": 1}')))
        with pytest.raises(InputError, match="standard input:2: a text is a string; got 1"):
            read_texts("-")
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(InputError, match="standard input is closed"):
            read_texts("-")
