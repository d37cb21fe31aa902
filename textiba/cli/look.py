"""`textiba demo` and `textiba explain`: to look at texts."""

from pathlib import Path
from typing import Annotated

import typer

from textiba.cli.shared import Checkpoint, Output, app, console, progress_bars, reporter, table
from textiba.errors import InputError

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


@app.command()
def demo(output: Output = Path("demo")) -> None:
    """Everything on the built-in reviews: bits, evidence, layers, β, degradation, general beside fine-tuned; a page."""
    from textiba.demo import run_demo

    with progress_bars() as progress:
        summary = run_demo(output, reporter(progress))
    console.print(table("Area between LeRF and MoRF (deletion; larger is better)", summary.areas))
    console.print(f"Figures and the page are in [bold]{output}[/]; open [bold]{summary.page}[/]")


@app.command()
def explain(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts, in quotes.")] = None,
    file: Annotated[Path | None, typer.Option(help="Texts in a .txt (one a line), .jsonl or .parquet file.")] = None,
    checkpoint: Checkpoint = "fine-tuned",
    method: Annotated[
        str,
        typer.Option("--method", "-m", help="per_sample, readout (bits), evidence (nats), two_sided, lrp, lime, …"),
    ] = "evidence",
    layer: Annotated[int | None, typer.Option(help="Index into hidden_states; 0 is the embedding output.")] = None,
    beta: Annotated[float | None, typer.Option(help="The price of a nat of information (per_sample).")] = None,
    readout: Annotated[
        str | None, typer.Option(help="What `textiba readout train` wrote; per_sample starts from it.")
    ] = None,
    target: Annotated[str, typer.Option(help="predicted, gold, or the number of a class.")] = "predicted",
    statistics: Annotated[Path | None, typer.Option(help="What `textiba estimate` wrote.")] = None,
    seed: int = 0,
    html: Annotated[Path | None, typer.Option(help="Also write the highlights as HTML.")] = None,
    png: Annotated[Path | None, typer.Option(help="Also draw the highlights.")] = None,
) -> None:
    """Highlights which tokens a checkpoint used."""
    from textiba import explain as run
    from textiba import methods
    from textiba.bottleneck.statistics import load_statistics, own_statistics
    from textiba.checkpoints.load import load
    from textiba.show.highlight import highlight_html, print_highlight
    from textiba.show.scale import Scale
    from textiba.store.processes import best_device
    from textiba.texts.sources import Text, read_texts

    sources = [Text(t, id=f"text-{n}") for n, t in enumerate(texts or (), 1)] + (read_texts(file) if file else [])
    if not sources:
        raise InputError("there is nothing to explain; give a text in quotes, or --file")
    trained = "weights" if method == "readout" else "readout"
    settings = {k: v for k, v in (("layer", layer), ("beta", beta), (trained, readout)) if v is not None}
    chosen = methods.method(method, **settings)
    model = load(checkpoint).to(best_device())
    known = load_statistics(statistics) if statistics else own_statistics(checkpoint)
    found = run(model, chosen, sources, known, int(target) if target.lstrip("-").isdigit() else target, seed)
    scale = Scale.of(found)
    print_highlight(found, scale, console)
    if html:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(_PAGE.format(highlight_html(found, scale)), encoding="utf-8")
    if png:
        from textiba.show.plots import plot_highlight, save

        save(plot_highlight(found, scale), png)
