"""The user's own files, the same in every format: columns, line breaks, encodings, and what holds no text."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from textiba.errors import CorruptFileError, InputError
from textiba.texts.files import SUFFIXES, read_texts
from textiba.texts.tables import Rows
from textiba.texts.text import Text

ROWS: list[dict[str, Any]] = [
    {"text": "A fine film, she said.", "label": 1, "id": "a"},
    {"text": 'Two "great" hours;\nnot three', "label": 0, "id": "b"},
    {"text": "Déjà vu 電影 👩\u200d🚀", "label": 1, "id": "c"},
]
TABLES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


def write(path: Path, rows: list[dict[str, Any]], encoding: str = "utf-8") -> Path:
    """The rows in the format of the file's suffix, as pandas writes them."""
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif path.suffix == ".json":
        frame.to_json(path, orient="records", force_ascii=False)
    else:
        frame.to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")
    if encoding != "utf-8":
        path.write_bytes(path.read_text("utf-8").encode(encoding))
    return path


class TestFormats:
    """One reader, which goes by the suffix."""

    @pytest.mark.parametrize("suffix", TABLES)
    def test_the_same_table_reads_the_same_in_every_format(self, tmp_path: Path, suffix: str):
        found = read_texts(write(tmp_path / f"mine{suffix}", ROWS))
        assert list(found) == [Text(row["text"], row["label"], id=row["id"]) for row in ROWS]

    @pytest.mark.parametrize("suffix", TABLES)
    def test_a_suffix_in_upper_case(self, tmp_path: Path, suffix: str):
        path = write(tmp_path / f"mine{suffix}", ROWS)
        assert len(read_texts(path.rename(tmp_path / f"mine{suffix.upper()}"))) == 3

    @pytest.mark.parametrize("suffix", TABLES)
    def test_named_columns(self, tmp_path: Path, suffix: str):
        rows = [{"words": row["text"], "stars": row["label"], "key": row["id"], "text": "not this"} for row in ROWS]
        path = write(tmp_path / f"mine{suffix}", rows)
        found = read_texts(path, text_column="words", label_column="stars", id_column="key")
        assert list(found) == [Text(row["text"], row["label"], id=row["id"]) for row in ROWS]
        for name in ("text_column", "label_column", "id_column"):
            with pytest.raises(
                InputError, match=r"no column 'star'; the columns are \['words', 'stars', 'key', 'text'\]"
            ):
                read_texts(path, **{name: "star"})

    @pytest.mark.parametrize("name", ["sentence", "review", "Review", "TEXT"])
    @pytest.mark.parametrize("suffix", TABLES)
    def test_a_column_with_a_usual_name_is_found(self, tmp_path: Path, suffix: str, name: str):
        path = write(tmp_path / f"mine{suffix}", [{"n": 1, name: "A film"}, {"n": 2, name: "B"}])
        assert [t.text for t in read_texts(path)] == ["A film", "B"]

    @pytest.mark.parametrize("suffix", TABLES)
    def test_no_column_with_a_usual_name(self, tmp_path: Path, suffix: str):
        path = write(tmp_path / f"mine{suffix}", [{"words": "A film", "stars": 1}])
        with pytest.raises(InputError, match=r"\['words', 'stars'\]. Name the column of the texts: text_column"):
            read_texts(path)

    @pytest.mark.parametrize("suffix", TABLES)
    def test_two_columns_with_usual_names(self, tmp_path: Path, suffix: str):
        path = write(tmp_path / f"mine{suffix}", [{"sentence": "A film", "review": "B"}])
        with pytest.raises(InputError, match="may all hold the texts; name one"):
            read_texts(path)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_file_without_a_text(self, tmp_path: Path, suffix: str):
        path = tmp_path / f"mine{suffix}"
        if suffix == ".parquet":
            pd.DataFrame({"text": [], "label": []}).to_parquet(path)
        else:
            path.write_text({".json": "[]", ".csv": "text,label\n"}.get(suffix, "\n\n"))
        with pytest.raises(InputError, match=rf"mine{suffix}.*(holds no text|columns are \[\])"):
            read_texts(path)

    def test_rows_of_parquet_are_read_when_they_are_asked_for(self, tmp_path: Path):
        found = read_texts(write(tmp_path / "mine.parquet", ROWS))
        assert isinstance(found, Rows)
        assert found[-1].id == "c"
        assert [t.id for t in found[1:]] == ["b", "c"]

    def test_ids_of_rows_without_one(self, tmp_path: Path):
        for suffix in TABLES:
            path = write(tmp_path / f"mine{suffix}", [{"text": "A"}, {"text": "B"}])
            wanted = [f"{path}:1", f"{path}:2"] if suffix == ".jsonl" else ["mine-1", "mine-2"]
            assert [t.id for t in read_texts(path)] == wanted

    def test_json_with_a_list_for_each_column_or_of_strings(self, tmp_path: Path):
        (tmp_path / "a.json").write_text('{"text": ["A", "B"], "label": [0, 1]}')
        assert [(t.text, t.label) for t in read_texts(tmp_path / "a.json")] == [("A", 0), ("B", 1)]
        (tmp_path / "b.json").write_text('["A", "B"]')
        assert [t.text for t in read_texts(tmp_path / "b.json")] == ["A", "B"]
        (tmp_path / "c.json").write_text('{"text": "A"}\n{"text": "B"}\n')  # JSON lines under a wrong suffix
        assert [t.text for t in read_texts(tmp_path / "c.json")] == ["A", "B"]
        pd.DataFrame({"text": ["A"]}).to_json(tmp_path / "d.json")
        with pytest.raises(InputError, match=r"to_json\(orient='records'\)"):
            read_texts(tmp_path / "d.json")

    def test_records_with_different_columns(self, tmp_path: Path):
        (tmp_path / "mine.jsonl").write_text('{"text": "A"}\n{"label": 1, "text": "B", "more": [1]}\n')
        assert [(t.text, t.label) for t in read_texts(tmp_path / "mine.jsonl")] == [("A", None), ("B", 1)]
        (tmp_path / "mine.jsonl").write_text('{"text": "A"}\n\n{"label": 1, "txt": "B"}\n')
        with pytest.raises(InputError, match=r"mine\.jsonl:3: there is no 'text'; the row has \['label', 'txt'\]"):
            read_texts(tmp_path / "mine.jsonl")

    def test_a_suffix_that_is_not_known(self, tmp_path: Path):
        for name in ("mine.xlsx", "mine", "mine.csv.gz"):
            (tmp_path / name).write_text("text\n")
            with pytest.raises(InputError, match=r"texts come as \.jsonl, \.json, \.csv, .*; got '"):
                read_texts(tmp_path / name)

    def test_a_file_that_is_not_there_or_a_folder(self, tmp_path: Path):
        for name in ("absent.txt", "absent.parquet.csv", f"{'long' * 200}.csv"):
            with pytest.raises(InputError, match="no such file"):
                read_texts(tmp_path / name)
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(InputError, match="a folder; name a file in it"):
            read_texts(tmp_path / "folder.csv")


class TestUnicode:
    """Line breaks that end no line, byte order marks, and bytes that are no text."""

    @pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0c", "\x0b", "\x1c", "\x1d", "\x1e", "\r"])
    def test_only_line_feeds_end_a_line(self, tmp_path: Path, character: str):
        text = f"Good film.{character}Bad ending."
        (tmp_path / "mine.txt").write_bytes(f"{text}\nSecond.\n".encode())
        assert [t.text for t in read_texts(tmp_path / "mine.txt")] == [text, "Second."]
        rows = [json.dumps({"text": text, "label": n}, ensure_ascii=False) for n in range(2)]
        (tmp_path / "mine.jsonl").write_bytes("\n".join(rows).encode())
        assert [t.text for t in read_texts(tmp_path / "mine.jsonl")] == [text, text]
        for name in ("mine.csv", "mine.tsv"):
            (tmp_path / name).write_bytes(f'text\n"{text}"\nSecond.\n'.encode())
            assert [t.text for t in read_texts(tmp_path / name)] == [text, "Second."]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    @pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".txt"])
    def test_a_byte_order_mark_tells_the_encoding_and_is_no_text(self, tmp_path: Path, suffix: str, encoding: str):
        path = tmp_path / f"mine{suffix}"
        if suffix == ".txt":
            path.write_bytes("Déjà vu\n電影\n".encode(encoding))
            assert [t.text for t in read_texts(path)] == ["Déjà vu", "電影"]
        else:
            write(path, ROWS, encoding)
            assert [t.text for t in read_texts(path)] == [row["text"] for row in ROWS]

    @pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
    def test_utf_16_of_both_byte_orders(self, tmp_path: Path, encoding: str):
        (tmp_path / "mine.txt").write_bytes("\ufeffDéjà vu\n電影".encode(encoding))
        assert [t.text for t in read_texts(tmp_path / "mine.txt")] == ["Déjà vu", "電影"]

    @pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".txt"])
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"caf\xe9\n", r"not UTF-8 \(.* at byte 3\); convert it first.*iconv"),
            (b"\xff\xfea\x00b", "not UTF-16"),
            ("text\nfilm".encode("utf-16-le"), "UTF-16 without a byte order mark"),
            (b"PK\x03\x04\x00\x00", "NUL characters: binary"),
        ],
    )
    def test_bytes_that_are_no_text(self, tmp_path: Path, suffix: str, content: bytes, message: str):
        (tmp_path / f"mine{suffix}").write_bytes(content)
        with pytest.raises(CorruptFileError, match=rf"mine{suffix}: .*{message}"):
            read_texts(tmp_path / f"mine{suffix}")
