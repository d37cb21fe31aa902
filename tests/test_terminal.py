"""What the command line prints: any encoding, any width, any path; and its version, help and methods."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ENVIRONMENT, World, command, make_world
from rich.console import Console

import textiba
from textiba.cli.progress import progress, rate
from textiba.cli.shared import print_table, printable
from textiba.errors import InputError

TEXT = "the film was dreadful"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("wor[l]d [bold]"))


# Tables fit, and nothing is cut off.


def drawn(columns: dict[str, list[str]], width: int, title: str = "A title") -> list[str]:
    stream = io.StringIO()
    print_table(title, columns, Console(file=stream, width=width))
    return stream.getvalue().splitlines()


WIDE = {
    "checkpoint": ["fine-tuned"] * 3, "method": ["per_sample", "joint", "evidence"], "empty": [""] * 3,
    **{f"a long name {i}": [f"{1234.5678 * (i + j):.4f} [1.0, 2.0]" for j in range(3)] for i in range(6)},
}  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 132])
def test_a_table_fits_and_every_cell_is_in_it(width: int):
    lines = drawn(WIDE, width)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    text = "".join("".join(lines).split())
    for name, cells in WIDE.items():
        for cell in cells:
            assert "".join(cell.split()) in text, f"{name}: {cell}"


def test_a_narrow_table_is_one_and_constant_columns_go_into_the_title_of_a_wide_one():
    assert "".join(drawn({"a": ["1", "2"], "b": ["3", "3"]}, 80)).count("┏") == 1
    lines = drawn(WIDE, 80)
    assert lines[:2] == ["A title", "checkpoint fine-tuned"]
    assert "".join(lines).count("method") > 1, "each part names its rows"
    assert "empty" not in "".join(lines)


def test_brackets_are_no_markup():
    assert any("[/bold] [red]x" in line for line in drawn({"[b]": ["[/bold] [red]x"]}, 80, "[/] [nothing]"))


def test_a_table_without_rows():
    assert drawn({"run": [], "state": []}, 80)


def test_the_tables_of_a_sweep_fit_80_columns(world: World, tmp_path: Path):
    swept = {"name": "per_sample", "settings": {"steps": 1}, "layers": [0, 1], "betas": [1e-3, 1e-2]}
    methods = [swept, {"name": "lrp"}]
    commands = (
        ["sweep", world.sweep(methods=methods), "-o", tmp_path / "run"], ["runs", "list", tmp_path],
        ["degrade", tmp_path / "run", "--steps", "0,1"], ["methods"], ["methods", "two_sided"],
    )  # fmt: skip
    for arguments in commands:
        answer = command(*arguments)
        assert answer.code == 0, answer.err
        rows = [line for line in answer.out.splitlines() if line[:1] in "┏┃┡│└"]
        assert rows
        assert max(map(len, rows)) <= 80
        assert not any("…" in row for row in rows)


# Paths, encodings, pipes.


def test_square_brackets_in_every_path(world: World, tmp_path: Path):
    odd = tmp_path / "[bold]run[/bold] [/]"
    assert command("sweep", world.sweep(), "-o", odd).code == 0
    answer = command("runs", "check", odd)
    assert answer.code == 0, answer.err
    assert str(odd) in answer.out
    assert str(odd / "out[red].jsonl") in command("runs", "export", odd, "-o", odd / "out[red].jsonl").out
    (odd / "curves-delete.parquet").write_bytes(b"torn")
    assert f"damaged: {odd / 'curves-delete.parquet'}" in command("runs", "check", odd).out
    assert str(odd) in command("runs", "repair", odd).out
    for wrong in (["sweep", odd / "no[/].yaml"], ["explain", "--file", odd / "no[/].txt"], ["report", odd / "no[/]"]):
        answer = command(*wrong)
        assert answer.code == 2
        [line] = answer.errors
        assert str(wrong[-1]) in line


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_of_the_terminal(encoding: str, world: World):
    environment = ENVIRONMENT | {"PYTHONIOENCODING": encoding}
    for arguments in (["explain", "the film ☃ é", "-c", str(world.model)], ["explain", "x", "-c", "ü☃"]):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "textiba", *arguments], env=environment, capture_output=True, check=False
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode == (2 if "ü☃" in arguments else 0), done.stderr
        (done.stdout + done.stderr).decode(encoding)


def test_characters_that_an_encoding_lacks_are_written_in_words():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", newline="")
    printable(stream)
    stream.write("β ≤ −1 · █ ☃…")
    stream.flush()
    assert stream.buffer.getvalue() == b"beta <= -1 - # ?..."  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [["methods"], ["explain", TEXT, "--json"]])
def test_a_reader_that_goes_away_is_no_error(arguments: list[str], world: World):
    reader, writer = os.pipe()
    os.close(reader)  # as `head` does once it has its line
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "textiba", *arguments, *(["-c", str(world.model)] if "explain" in arguments else [])],
        env=ENVIRONMENT, stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.stderr == b""


def test_progress_has_a_rate_that_means_something(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert (rate(12.34, "texts"), rate(0.05, "steps"), rate(0.0, "texts")) == ("12.3 texts/s", "3.0 steps/min", "")
    clock = iter([0.0, 0.0, 5.0, 30.0, 31.0, 60.0])
    monkeypatch.setattr("textiba.cli.progress.time.monotonic", lambda: next(clock))
    with progress("texts") as advance:
        for done in (100, 105, 130, 131, 160):  # a hundred were there before, and no second was spent on them
            advance("fine-tuned", done, 220)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "fine-tuned: 130 of 220 texts, 1.0 texts/s, 2 min left",
        "fine-tuned: 160 of 220 texts, 1.0 texts/s, 1 min left",
    ]
    with progress("texts", shown=False) as advance:
        advance("fine-tuned", 1, 2)
    assert capsys.readouterr().err == ""


# Folders of other commands, version, help, methods, and texts that are no UTF-8.


def test_the_report_and_the_degradation_of_a_benchmark(world: World, tmp_path: Path):
    config = world.config(
        "bench", checkpoints=[str(world.model)], data={"mine": {"source": str(world.texts), "limit": 3}},
        methods=[{"name": "random"}], reference="random", removals=["delete"],
    )  # fmt: skip
    assert command("benchmark", config, "-o", tmp_path / "bench").code == 0
    for arguments in (
        ["degrade", tmp_path / "bench"],
        ["runs", "export", tmp_path / "bench"],
        ["report", tmp_path / "bench"],
    ):
        answer = command(*arguments)
        assert answer.code == 2
        assert len(answer.errors) == 1


def test_version_help_and_completion():
    assert command("--version").out.strip() == f"textiba {textiba.__version__}"
    assert command("explain", "-h").out == command("explain", "--help").out
    assert "--install-completion" in command("-h").out
    shown = subprocess.run(
        [sys.executable, "-m", "textiba", "--show-completion", "bash"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_COMPLETE" in shown.stdout


def test_methods_lists_all_and_the_settings_of_one():
    everything = command("methods").out
    assert all(f"│ {name} " in everything for name in textiba.methods.METHODS)
    one = command("methods", "per_sample").out
    assert all(f"│ {name} " in one for name in textiba.PerSampleBottleneck.model_fields)
    answer = command("methods", "magic")
    assert answer.code == 2
    assert "no method is called 'magic'" in answer.err


def test_a_text_that_is_no_utf8(monkeypatch: pytest.MonkeyPatch):
    from textiba.cli.given import _argument

    assert _argument("caf\udcc3\udca9") == "café", "a terminal whose encoding Python took for ASCII"
    with pytest.raises(InputError, match="a text is UTF-8"):
        _argument("caf\udce9")
