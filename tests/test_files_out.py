"""Pictures, pages and tables: their formats, hostile texts in them, and disks that are full."""

import errno
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import command
from pages import exploration
from pictures import attribution, curves, tokenized

from textiba.errors import InputError, StorageError
from textiba.report import write_page
from textiba.show.export import save_highlight
from textiba.show.plots import plot_curves, plot_highlight, save
from textiba.show.summary import write_csv
from textiba.texts.sources import Text

HOSTILE = tokenized(Text('<script>alert(1)</script> & "$5 to $6" ]]> --> {bg}', 0))
BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!doctype html>"}


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_the_ending_names_the_format(kind: str, tmp_path: Path):
    shown = attribution(text=HOSTILE, checkpoint="<u>&")
    for name in (f"x.{kind}", f"new/folder/X.{kind.upper()}"):
        path = save_highlight([shown], tmp_path / name, titles=["<b>&"])
        assert path == tmp_path / name
        assert path.read_bytes().startswith(BEGINNINGS[kind])
    assert [p.name for p in tmp_path.iterdir()] in ([f"x.{kind}", "new"], ["new", f"x.{kind}"])  # nothing left over


def test_another_ending_is_refused_before_anything_is_drawn(tmp_path: Path):
    for name in ("x.jpeg", "x", "png"):
        with pytest.raises(InputError, match=r"the name ends in \.html, \.png, \.svg or \.pdf; got '"):
            save_highlight([attribution()], tmp_path / name)
        with pytest.raises(InputError, match=r"the name ends in \.png, \.svg or \.pdf; got '"):
            save(plot_curves({"one": curves()}), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_an_svg_is_well_formed_and_escapes_texts(tmp_path: Path):
    path = save(plot_highlight([attribution(text=HOSTILE)], titles=["<b>&</b> --> $x$"]), tmp_path / "x.svg")
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "b", "foreignObject", "a"}
    assert "script" in path.read_text("utf-8")  # matplotlib names each word in a comment
    assert "<script" not in path.read_text("utf-8")


def test_html_escapes_texts_titles_and_the_heading(tmp_path: Path):
    path = save_highlight([attribution(text=HOSTILE)], tmp_path / "x.html", titles=["<i>&"], heading="</title><i>")
    page = path.read_text("utf-8")
    assert "<title>&lt;/title&gt;&lt;i&gt;</title>" in page
    assert "<script" not in page
    assert "<i>" not in page


def test_half_a_character_becomes_a_question_mark(tmp_path: Path):
    text = tokenized(Text("half \ud83d here"))
    assert "half" in save_highlight([attribution(text=text)], tmp_path / "x.html").read_text("utf-8")
    shown = exploration(attributions=[attribution(text=text)], profile=(), curves=())
    assert "half ? here" in write_page(shown, tmp_path / "page.html").read_text("utf-8")


WRITERS: dict[str, Callable[[Path], object]] = {
    "page.html": lambda path: write_page(exploration(), path),
    "texts.html": lambda path: save_highlight([attribution()], path),
    "figure.png": lambda path: save(plot_curves({"one": curves()}), path),
    "figure.svg": lambda path: save_highlight([attribution()], path),
    "table.csv": lambda path: write_csv({"a": ["1"]}, path),
    "results.parquet": lambda path: attribution().save(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / name
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        WRITERS[name](path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [name]
    monkeypatch.undo()
    WRITERS[name](path)
    assert path.read_bytes() != b"old"


@pytest.mark.parametrize("name", WRITERS)
def test_a_bad_place_is_an_error_that_says_so(name: str, tmp_path: Path):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        WRITERS[name](tmp_path / name)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not be written"):
        WRITERS[name](tmp_path / "file" / name)
    loop = tmp_path / f"loop-{name}"
    loop.symlink_to(loop)
    with pytest.raises(StorageError, match="could not be written"):
        WRITERS[name](loop)
    assert (tmp_path / "file").read_text() == "in the way"


def test_links_are_followed_and_pipes_are_written_to(tmp_path: Path):
    real = tmp_path / "real.html"
    real.write_text("old")
    link = tmp_path / "link.html"
    link.symlink_to(real)
    save_highlight([attribution()], link)
    assert link.is_symlink()
    assert real.read_text("utf-8").startswith("<!doctype html>")
    pipe = tmp_path / "pipe.html"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        save_highlight([attribution()], pipe)
        assert os.read(reader, 15) == b"<!doctype html>"
        assert pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_page_of_two_questions_is_refused(tmp_path: Path):
    other = attribution(labels=("not joy", "joy"), layer=2)
    with pytest.raises(InputError, match="share their classes.*Make two pages"):
        write_page(exploration(attributions=[attribution(), other], profile=(), curves=()), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["/dev/full", "./out", "../out", "~/out"])
@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_a_path_after_the_option_is_a_file_and_never_a_text(option: str, place: str):
    answer = command("explain", "A film.", "-m", "random", option, place)
    assert answer.code == 2
    assert f"error: {Path(place)}: the name ends in " in answer.err
    assert not answer.out
