"""`textiba explain`: which tokens a checkpoint used, in the terminal, as a page, a picture, JSON or CSV."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from textiba.checkpoints.find import find
from textiba.cli.given import one_or_two, texts_given
from textiba.cli.light import import_transformers
from textiba.cli.progress import progress
from textiba.cli.questions import Combine, WindowsOption, question, windows_of
from textiba.cli.shared import Checkpoint, app, console
from textiba.cli.stop import keeping
from textiba.errors import InputError, SettingError, TextibaWarning, TruncationWarning

if TYPE_CHECKING:
    from textiba.attribution import Attribution
    from textiba.methods import Method
    from textiba.model.view import Model
    from textiba.texts.sources import Text

_CHUNK = 64  # texts whose results are shown together
_SHOWN = 512  # largest number of results in a page or a picture
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>textiba explain</title>
<body style="font-family: sans-serif; margin: 2em">
{}
</body>
</html>
"""


class _Command(TyperCommand):
    """Accepts `--json` and `--csv` with the name of a file, or alone for the standard output."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        full: list[str] = []
        for place, word in enumerate(args):
            full.append(word)
            after = args[place + 1] if place + 1 < len(args) else ""
            if word in ("--json", "--csv") and not _is_file(after):
                full.append("-")
        return super().parse_args(ctx, full)


def _is_file(word: str) -> bool:
    """Whether a word after `--json` names a file, rather than being a text or an option."""
    if word == "-" or word.startswith(("/", "./", "../", "~")) or word.lower().endswith((".json", ".jsonl", ".csv")):
        return True
    return not re.search(r"\s", word) and not word.startswith("-") and bool(Path(word).suffix[1:])


@app.command(cls=_Command)
def explain(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts, in quotes.")] = None,
    file: Annotated[
        str | None, typer.Option(help="A file of texts: .txt (one a line), .jsonl, .csv, .tsv, .parquet; - is stdin.")
    ] = None,
    pair: Annotated[str | None, typer.Option(help="The second text of a pair, such as a hypothesis.")] = None,
    text_column: Annotated[str | None, typer.Option(help="The column of the texts in the file.")] = None,
    pair_column: Annotated[str | None, typer.Option(help="The column of the second texts of pairs.")] = None,
    label_column: Annotated[str | None, typer.Option(help="The column of the gold labels.")] = None,
    id_column: Annotated[str | None, typer.Option(help="The column of the ids.")] = None,
    rationale_column: Annotated[
        list[str] | None,
        typer.Option(help="The column of the spans that a person marked; twice for the columns of starts and ends."),
    ] = None,
    pair_rationale_column: Annotated[
        list[str] | None, typer.Option(help="The same for the second text of a pair.")
    ] = None,
    tokens_column: Annotated[
        str | None, typer.Option(help="The column of the tokens that spans or masks count.")
    ] = None,
    pair_tokens_column: Annotated[str | None, typer.Option(help="The column of the second text's tokens.")] = None,
    rationale_format: Annotated[
        str | None, typer.Option(help="What the numbers of a rationale are: characters, tokens or mask.")
    ] = None,
    annotators: Annotated[
        str | None, typer.Option(help="Of several annotators: any takes all marks; majority, those of more than half.")
    ] = None,
    checkpoint: Checkpoint = "fine-tuned",
    method: Annotated[
        str, typer.Option("--method", "-m", help="evidence (nats), per_sample (bits), …; see textiba methods.")
    ] = "evidence",
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-s", help="key=value: any setting of the method; repeat for more.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="Index into hidden_states; 0 is the embedding output.")] = None,
    beta: Annotated[float | None, typer.Option(help="The price of a nat of information (per_sample).")] = None,
    readout: Annotated[
        str | None, typer.Option(help="A folder of textiba readout train; per_sample starts from its gates.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="predicted, gold, a class's label or index; A:B is class A rather than class B.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Ask whether this label of a multi-label model holds.")] = None,
    above: Annotated[float | None, typer.Option(help="Ask whether the model's value is above this.")] = None,
    following: Annotated[
        str | None, typer.Option("--next", help="Ask a language model which of these words comes next: ' good| bad'.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="The prompt, with {text} in it; --next fills its mask token, if any.")
    ] = None,
    similar_to: Annotated[
        str | None, typer.Option(help="Ask an encoder whether a text is similar to this one.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Ask a token classifier for a word's tag: 7:B-PER, or 7.")] = None,
    reply: Annotated[
        str | None, typer.Option("--answer", help="Ask a reader whether these words are the answer: 12-14.")
    ] = None,
    statistics: Annotated[Path | None, typer.Option(help="A file of textiba estimate.")] = None,
    max_length: Annotated[int | None, typer.Option(min=3, help="Most tokens of a text; the model's if absent.")] = None,
    windows: WindowsOption = None,
    combine: Combine = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the best available if absent.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens in a batch; more for a GPU.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random draws.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Also write the highlights to an .html file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Also draw the highlights to a .png, .svg or .pdf file.")] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="[FILE]", help="Write JSON: to stdout, or to a .jsonl or .json file.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="[FILE]", help="Write CSV: to stdout, or to a .csv file.")] = None,
) -> None:
    """Highlights which tokens a checkpoint used; the results come as they are computed."""
    find(checkpoint)  # reports a misspelt name before torch is imported
    asked, answer = question(target, label, above, following, similar_to, template, tag, reply)
    chosen = _method(method, settings or [], {"layer": layer, "beta": beta}, readout)
    outputs = _Outputs(html, png, json, csv)
    columns = {
        "text_column": text_column, "pair_column": pair_column, "label_column": label_column, "id_column": id_column,
        "rationale_column": one_or_two(rationale_column), "pair_rationale_column": one_or_two(pair_rationale_column),
        "tokens_column": tokens_column, "pair_tokens_column": pair_tokens_column,
        "rationale_format": rationale_format, "annotators": annotators,
    }  # fmt: skip
    sources = texts_given(texts or [], pair, file, columns)
    _check(chosen, checkpoint, statistics)

    import_transformers()
    from textiba import explain as run
    from textiba.bottleneck.statistics import load_statistics, own_statistics
    from textiba.checkpoints.load import load
    from textiba.store.processes import best_device, named_device
    from textiba.texts.batches import TOKEN_BUDGET
    from textiba.texts.values import index_or_name

    place = named_device(device) if device else best_device()
    model = load(checkpoint, max_length, outcome=asked, windows=windows_of(windows, combine)).to(place)
    known = load_statistics(statistics) if statistics else own_statistics(checkpoint)
    goal = answer if answer in model.labels else index_or_name(answer)
    if goal not in ("predicted", "gold"):
        model.find_label(goal)
    _check_texts(model, sources)
    done = cut = 0
    with keeping(lambda: outputs.kept(done, len(sources))), outputs, progress("texts", len(sources) > 1) as advance:
        advance(method, 0, len(sources))
        for chunk in _chunks(sources):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TruncationWarning)  # one warning below is for all texts
                found = run(model, chosen, chunk, known, goal, seed, batch_tokens or TOKEN_BUDGET)
            outputs.add(found)
            done += len(found)
            cut += sum(bool(a.text.cut) for a in found)
            advance(method, done, len(sources))
        outputs.finish()
    if cut:
        warnings.warn(
            f"{cut} of {done} texts were longer than {model.max_length} tokens, and were cut; see --windows and "
            "--max-length",
            TruncationWarning,
            stacklevel=1,
        )


def _method(name: str, pairs: Sequence[str], options: dict[str, Any], readout: str | None) -> "Method":
    """The method with the settings of the command line."""
    from textiba import methods
    from textiba.settings import parse_yaml

    trained = "weights" if name == "readout" else "readout"
    given = {key: value for key, value in {**options, trained: readout}.items() if value is not None}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise SettingError(f"--set takes key=value; got '{pair}'. textiba methods {name} lists the settings")
        if key in given:
            raise SettingError(f"--set {pair}: '{key}' is given twice")
        given[key] = parse_yaml(value, f"--set {pair}")
    return methods.method(name, **given)


def _check(method: "Method", checkpoint: str, statistics: Path | None) -> None:
    """Raises the errors of the arguments before anything is loaded."""
    from textiba.runs.preflight import check_run

    check_run([method], [checkpoint], {checkpoint: str(statistics)} if statistics else {})


def _check_texts(model: "Model", sources: "list[Text]") -> None:
    """Raises an error for a text that cannot be explained, with its number in the file, before any result is shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextibaWarning)
        for start in range(_CHUNK, len(sources), _CHUNK):
            model.check_places(model.tokenize(sources[start : start + _CHUNK], start), start)


def _chunks(sources: "list[Text]") -> "Iterator[list[Text]]":
    for start in range(0, len(sources), _CHUNK):
        yield sources[start : start + _CHUNK]


class _Outputs(ExitStack):
    """The outputs, checked before the work starts.

    The terminal, JSON and CSV get each result at once; the page and the picture are written at the end.
    """

    def __init__(self, html: Path | None, png: Path | None, json: Path | None, csv: Path | None):
        from textiba.cli.outputs import STDOUT, csv_output, json_output
        from textiba.store.files import file_place

        super().__init__()
        if json == STDOUT and csv == STDOUT:
            raise InputError("JSON and CSV cannot both go to standard output; name a file for one of them")
        allowed = ((html, (".html", ".htm")), (png, (".png", ".svg", ".pdf")), (json, (".jsonl", ".json")),
                   (csv, (".csv",)))  # fmt: skip
        for target, suffixes in allowed:
            if target is not None and target != STDOUT:
                file_place(target, suffixes)
        self._html, self._png = html, png
        self._data = [(json_output, json), (csv_output, csv)]
        self._files = [target for target in (json, csv) if target not in (None, STDOUT)]
        self._terminal = STDOUT not in (json, csv)
        self._kept: list[Attribution] = []
        self._scale: Any = None

    def __enter__(self) -> "_Outputs":
        super().__enter__()
        self._write = [self.enter_context(opened(target)) for opened, target in self._data if target is not None]
        return self

    def add(self, found: "Sequence[Attribution]") -> None:
        """Shows the results of some texts and writes them to the JSON and CSV files."""
        from textiba.show.highlight import print_highlight
        from textiba.show.scale import Scale

        for write in self._write:
            write(found)
        if self._html or self._png:
            self._kept += found[: _SHOWN - len(self._kept)]
        # Colours mean the same in all texts, so a long file keeps the scale of its first texts.
        self._scale = self._scale or Scale.of(found)
        if self._terminal:
            print_highlight(found, self._scale, console)

    def finish(self) -> None:
        """Writes the page and the picture."""
        from textiba.show.highlight import highlight_html
        from textiba.store.files import write_text

        if self._html:
            write_text(self._html, _PAGE.format(highlight_html(self._kept, self._scale)))
        if self._png:
            from textiba.show.plots import plot_highlight, save

            save(plot_highlight(self._kept, self._scale), self._png)

    def kept(self, done: int, total: int) -> str:
        """A sentence about what is kept if a signal ends the command."""
        from textiba.cli.outputs import part_of

        parts = [str(part_of(target)) for target in self._files if target is not None and part_of(target).exists()]
        where = f"are in {' and '.join(parts)}" if parts else "were shown, and nothing was written"
        return f"the results of {done} of {total} texts {where}; textiba sweep keeps results and resumes"
