"""The command line, as a person would use it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from textiba import cli

TEXT = "A dull plot, and yet I loved every minute of it."


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `textiba …`."""
    monkeypatch.setattr("sys.argv", ["textiba", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


COMMANDS = (
    "",
    "demo",
    "explain",
    "sweep",
    "degrade",
    "report",
    "benchmark",
    "corpus",
    "finetune",
    "estimate",
    "readout",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str):
    result = CliRunner().invoke(cli.app, [*([command] if command else []), "--help"])
    assert result.exit_code == 0
    assert ("textiba explain" if not command else "--help") in result.output


@pytest.mark.parametrize("method", ["per_sample", "evidence"])
def test_explain_shows_the_words(
    method: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    page = tmp_path / "out.html"
    arguments = ["explain", TEXT, "--method", method, "--html", str(page)]
    code, out, err = run(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    assert "loved" in out
    assert "loved" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain"], "give a text in quotes"),
        (["explain", "   "], "is empty"),
        (["explain", TEXT, "--layer", "9"], "a layer is between 0"),
        (["explain", TEXT, "--method", "per_sample", "--beta=-1"], "got -1"),
        (["explain", TEXT, "--method", "magic"], "no method is called 'magic'"),
        (["explain", TEXT, "--target", "7"], "or an index from 0 to 1; got 7"),
        (["explain", TEXT, "--target", "gold"], "needs a label"),
        (["explain", "--file", "nowhere.txt"], "no such file"),
        (["sweep", "nowhere.yaml"], "no such config"),
        (["degrade", "nowhere"], "no run here"),
    ],
)
def test_bad_input_is_a_line_that_says_what_to_do(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    code, _, err = run(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.filterwarnings("always::textiba.errors.TextibaWarning")
def test_sweep_and_degrade_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "data: {limit: 3}\nmax_length: 24\nmethods: [{name: evidence, settings: {nodes: 2}, layers: [4, 5]}]\n"
    )
    code, out, err = run("sweep", str(config), "-o", str(tmp_path / "run"), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "longer than 24 tokens" in " ".join(err.split())
    assert "usable bits" in (tmp_path / "run" / "profile.csv").read_text()
    arguments = ["degrade", str(tmp_path / "run"), "--steps", "0,.5,1"]
    code, out, _ = run(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "fine-tuned · evidence" in out
    assert "fine-tuned · evidence · layer 5," in (tmp_path / "run" / "areas-delete.csv").read_text()
    assert (tmp_path / "run" / "degradation-delete.png").stat().st_size > 10_000


def test_benchmark_prints_a_leaderboard_and_leaves_it_in_the_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    config = tmp_path / "config.yaml"
    config.write_text(
        "data: {mine: {source: missing.jsonl, limit: 3}}\nmax_length: 24\nremovals: [delete]\n"
        "methods: [{name: evidence}, {name: random}, {name: saliency}]\nreference: evidence\n"
    )
    arguments = ["benchmark", str(config), "--data", "mine=bundled", "-o", str(tmp_path / "run"), "-m", "evidence"]
    code, out, _ = run(*arguments, "-m", "random", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "delete area" in " ".join(out.split())
    files = {path.name for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert files == {"manifest.json", "leaderboard.md", "leaderboard.csv", "mine_fine-tuned.png"}
    page = (tmp_path / "run/leaderboard.md").read_text("utf-8")
    assert "| random | 3 |" in " ".join(page.split())
    assert "saliency" not in page
