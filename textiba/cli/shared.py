"""What the commands share: the app, common options, and lines and tables for the terminal."""

import codecs
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()
errors = Console(stderr=True)

Checkpoint = Annotated[
    str, typer.Option("--checkpoint", "-c", help="fine-tuned, general-probe, general-fresh, a folder, or a hub id.")
]
Data = Annotated[str | None, typer.Option(help="Take the texts from here instead: a hub id, a folder, or a file.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the results go.")]

# Characters of textiba's own texts and tables that a terminal without Unicode lacks, and their replacements.
_ASCII = {
    "β": "beta", "λ": "lambda", "Δ": "delta", "μ": "mu", "σ": "sigma", "−": "-", "–": "-", "…": "...", "·": "-",
    "×": "x", "≤": "<=", "≥": ">=", "█": "#", "“": '"', "”": '"', "’": "'", "₂": "2", "─": "-", "━": "-", "╸": "-",
    "╺": "-",
}  # fmt: skip


def say(*parts: str | Path) -> None:
    """Prints a line to standard output, with paths in bold; square brackets are printed, and not read as markup."""
    console.print(_line(parts), soft_wrap=True)


def tell(kind: str, style: str, what: object) -> None:
    """Prints a line to stderr that begins with its kind: "error: …"."""
    errors.print(Text.assemble((f"{kind}: ", style), str(what)), soft_wrap=True)


def _line(parts: Sequence[str | Path]) -> Text:
    return Text.assemble(*((str(part), "bold") if isinstance(part, Path) else part for part in parts))


def printable(*streams: Any) -> None:
    """Where a stream's encoding (ASCII, cp1252) lacks a character, lets the stream print a substitute or "?"."""
    codecs.register_error("textiba", _replaced)
    for stream in streams:
        with suppress(AttributeError, ValueError):  # a stream of a test, or a closed stream
            stream.reconfigure(errors="textiba")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in lost), error.end


def print_table(title: str, columns: Mapping[str, Sequence[str]], to: Console = console) -> None:
    """Prints columns of text as a table that fits the terminal; nothing is cut off.

    A column that is empty in every row is left out. If that is not enough, a column with the same value in all rows is
    replaced by one line below the title, and the names of columns are wrapped. If the table is still too wide, it is
    cut into several tables, and each begins with the same first column.

    Args:
        title: title of the table.
        columns: cells by the column's name; all columns are of one length.
        to: the console.
    """
    width = to.width
    full = {name: list(cells) for name, cells in columns.items() if any(cells) or not cells}
    to.print(Text(title, style="italic"), soft_wrap=True)  # a path in the title is not broken
    if _natural(full) > width and len(next(iter(full.values()), [])) > 1:
        same = {name: cells[0] for name, cells in full.items() if len(set(cells)) == 1}
        full = {name: cells for name, cells in full.items() if name not in same} or full
        if same:
            to.print(Text(" · ".join(f"{name} {value}" for name, value in same.items())))
    for part in _parts(full, width):
        to.print(_grid(part))


def _parts(columns: dict[str, list[str]], width: int) -> list[dict[str, list[str]]]:
    """Cuts columns into tables that fit; each begins with the first column."""
    names = list(columns)
    parts: list[dict[str, list[str]]] = []
    while names:
        key = next(iter(columns))
        part = {key: columns[key]}
        names = [name for name in names if name != key]
        while names and (len(part) == 1 or _least({**part, names[0]: columns[names[0]]}) <= width):
            part[names[0]] = columns[names[0]]
            names = names[1:]
        parts.append(part)
    return parts


def _least(columns: Mapping[str, Sequence[str]]) -> int:
    """The width of a table whose columns' names are wrapped at blanks."""
    longest = [max([*map(len, name.split()), *map(len, cells), 1]) for name, cells in columns.items()]
    return sum(longest) + 3 * len(longest) + 1


def _natural(columns: Mapping[str, Sequence[str]]) -> int:
    longest = [max([len(name), *map(len, cells), 1]) for name, cells in columns.items()]
    return sum(longest) + 3 * len(longest) + 1


def _grid(columns: Mapping[str, Sequence[str]]) -> Table:
    made = Table()
    for name in columns:
        made.add_column(Text(name), overflow="fold")
    for row in zip(*columns.values(), strict=True):
        made.add_row(*(Text(cell) for cell in row))
    return made


def _print_version(value: bool) -> bool:
    """Prints the version and ends, if asked."""
    if value:
        import textiba

        console.print(f"textiba {textiba.__version__}", highlight=False)
        raise typer.Exit
    return value


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """**textiba**: how many bits of each token a text transformer used, at which layer, and in which direction.

    Start with `textiba demo`, or explain a sentence of your own:

        textiba explain "A thin plot, and yet I loved every minute of it."
    """
