"""`textiba corpus`: which words and parts of speech carry the bits, over many texts."""

from pathlib import Path
from typing import Annotated

import typer

from textiba.cli.shared import Data, Output, app, console, progress_bars, reporter, table


@app.command()
def corpus(
    config: Annotated[Path, typer.Argument(help="A YAML file; see experiments/corpus/.")],
    output: Output = Path("runs/corpus"),
    data: Data = None,
) -> None:
    """Sums up methods over thousands of texts by word and by part of speech, with intervals: tables and figures."""
    from textiba.attribution import class_name
    from textiba.corpus import CorpusConfig, corpus_view
    from textiba.corpus.tables import by_method, part_table, word_table

    settings = CorpusConfig.from_yaml(config)
    if data:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"source": data})})
    with progress_bars() as progress:
        found = corpus_view(settings, output, reporter(progress))
    for name, rows in by_method(found.words).items():
        unit = rows[0].source.unit
        for predicted, source in {r.predicted: r.source for r in rows if r.predicted is not None}.items():
            title = f"{name}: {unit} per occurrence, texts predicted {class_name(source.labels, predicted)}"
            console.print(table(title, word_table(rows, predicted, settings.top)))
    for name, rows in by_method(found.parts).items():
        console.print(table(f"{name}: % of all words, and of all {rows[0].source.unit}", part_table(rows)))
    console.print(f"The tables and figures are [bold]{'[/], [bold]'.join(map(str, found.files))}[/]")
