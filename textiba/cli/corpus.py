"""`textiba corpus`: which words and parts of speech carry the bits, over many texts."""

from pathlib import Path
from typing import Annotated

import typer

from textiba.cli.progress import progress
from textiba.cli.shared import Data, Output, app, print_table, say
from textiba.cli.stop import keeping


@app.command()
def corpus(
    config: Annotated[Path, typer.Argument(help="A YAML file; see experiments/corpus/.")],
    output: Output = Path("runs/corpus"),
    data: Data = None,
) -> None:
    """Sums up methods over thousands of texts by word and by part of speech, with intervals: tables and figures."""
    from textiba import methods
    from textiba.attribution import class_name
    from textiba.corpus import CorpusConfig, corpus_view
    from textiba.corpus.tables import by_method, part_table, word_table
    from textiba.runs.preflight import check_run
    from textiba.store.files import folder_place

    settings = CorpusConfig.from_yaml(config)
    if data:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"source": data})})
    chosen = [methods.method(choice.name, **choice.settings) for choice in settings.methods]
    check_run(chosen, [settings.checkpoint], {settings.checkpoint: settings.statistics} if settings.statistics else {})
    folder_place(output)
    kept = "nothing was written: the tables are written when all texts are done, and this command does not resume"
    with keeping(lambda: kept), progress("results") as advance:
        found = corpus_view(settings, output, advance)
    for name, rows in by_method(found.words).items():
        unit = rows[0].source.unit
        for predicted, source in {r.predicted: r.source for r in rows if r.predicted is not None}.items():
            title = f"{name}: {unit} per occurrence, texts predicted {class_name(source.labels, predicted)}"
            print_table(title, word_table(rows, predicted, settings.top))
    for name, rows in by_method(found.parts).items():
        print_table(f"{name}: % of all words, and of all {rows[0].source.unit}", part_table(rows))
    say("The tables and figures are:")
    for file in found.files:
        say("  ", file)
