"""The command line: arguments and progress only."""

import contextlib
import ctypes
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from textiba.errors import InputError, TextibaError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False
)
console = Console()
_errors = Console(stderr=True)

Checkpoint = Annotated[
    str, typer.Option("--checkpoint", "-c", help="fine-tuned, general-probe, general-fresh, a folder, or a hub id.")
]
Data = Annotated[str | None, typer.Option(help="Take the reviews from here instead: a hub id, a folder, or a file.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where the results go.")]


@app.callback()
def _app() -> None:
    """**textiba**: how many bits of each token a text transformer used, at which layer, and in which direction.

    Start with `textiba demo`, or explain a sentence of your own:

        textiba explain "A thin plot, and yet I loved every minute of it."
    """


@app.command()
def demo(output: Output = Path("demo")) -> None:
    """Everything on the built-in reviews: bits, evidence, layers, β, degradation, general beside fine-tuned; a page."""
    from textiba.demo import run_demo

    with _progress() as progress:
        summary = run_demo(output, _advance(progress))
    console.print(_table("Area between LeRF and MoRF (deletion; larger is better)", summary.areas))
    console.print(f"Figures and the page are in [bold]{output}[/]; open [bold]{summary.page}[/]")


@app.command()
def explain(
    texts: Annotated[list[str] | None, typer.Argument(help="Reviews, in quotes.")] = None,
    file: Annotated[Path | None, typer.Option(help="Reviews in a .txt (one a line), .jsonl or .parquet file.")] = None,
    checkpoint: Checkpoint = "fine-tuned",
    method: Annotated[
        str, typer.Option("--method", "-m", help="per_sample (bits), evidence (nats), two_sided, lrp, lime, …")
    ] = "evidence",
    layer: Annotated[int | None, typer.Option(help="Index into hidden_states; 0 is the embedding output.")] = None,
    beta: Annotated[float | None, typer.Option(help="The price of a nat of information (per_sample).")] = None,
    target: Annotated[str, typer.Option(help="predicted, gold, or the number of a class.")] = "predicted",
    statistics: Annotated[Path | None, typer.Option(help="What `textiba estimate` wrote.")] = None,
    seed: int = 0,
    html: Annotated[Path | None, typer.Option(help="Also write the highlights as HTML.")] = None,
    png: Annotated[Path | None, typer.Option(help="Also draw the highlights.")] = None,
) -> None:
    """Highlights which tokens a checkpoint used."""
    from textiba import explain as run
    from textiba.checkpoints import load, load_statistics, own_statistics
    from textiba.data import Review, read_texts
    from textiba.highlight import highlight_html, print_highlight
    from textiba.methods import build
    from textiba.scale import Scale

    reviews = [Review(t, id=f"text-{n}") for n, t in enumerate(texts or (), 1)] + (read_texts(file) if file else [])
    if not reviews:
        raise InputError("there is nothing to explain; give a text in quotes, or --file")
    settings = {k: v for k, v in (("layer", layer), ("beta", beta)) if v is not None}
    chosen = build(method, settings)
    encoder = load(checkpoint)
    known = load_statistics(statistics) if statistics else own_statistics(checkpoint)
    found = run(encoder, chosen, reviews, known, int(target) if target.lstrip("-").isdigit() else target, seed)
    scale = Scale.of(found)
    for attribution in found:
        print_highlight(attribution, scale, console)
    if html:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(highlight_html(found, scale), encoding="utf-8")
    if png:
        from textiba.plots import plot_highlight, save

        save(plot_highlight(found, scale), png)


@app.command()
def sweep(
    config: Annotated[Path, typer.Argument(help="A YAML file; see experiments/.")],
    output: Output = Path("runs/sweep"),
    data: Data = None,
) -> None:
    """Runs methods × layers × β × checkpoints over reviews. Stopped at any moment, the same command resumes."""
    from textiba.config import SweepConfig
    from textiba.profile import layer_profile
    from textiba.run import sweep as run
    from textiba.summary import profile_table, write_csv

    settings = SweepConfig.from_yaml(config)
    if data:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"source": data})})
    with _progress() as progress:
        folder = run(settings, output, _advance(progress))
    rows = layer_profile(a for _, a in folder.read())
    columns = profile_table(rows)
    console.print(_table(f"{rows[0].reviews} reviews", columns))
    write_csv(columns, output / "profile.csv")
    console.print(f"Results are in [bold]{output}[/]; next: textiba degrade {output}")


@app.command()
def degrade(
    run: Annotated[Path, typer.Argument(help="The folder of a sweep.")],
    removal: Annotated[str, typer.Option(help="delete, mask, pad or attention.")] = "delete",
    by: Annotated[str, typer.Option(help="fraction or count: what the steps are.")] = "fraction",
    steps: Annotated[str, typer.Option(help="Rising from 0, with commas.")] = "0,.1,.2,.3,.4,.5,.6,.7,.8,.9,1",
    seed: int = 0,
) -> None:
    """Removes the top k tokens, most and least relevant first and at random, and follows the prediction."""
    from textiba.degradation import Degradation
    from textiba.plots import plot_curves, save
    from textiba.run import degrade_run, grouped
    from textiba.store import RunFolder
    from textiba.summary import area_table, curve_labels, write_csv

    values = {"removal": removal, "by": by, "steps": steps.split(","), "seed": seed}
    settings = Degradation.from_mapping(values, "degrade")
    folder = RunFolder(run)
    with _progress() as progress:
        groups = grouped(degrade_run(folder, settings, _advance(progress)))
    areas = area_table(groups)
    console.print(_table(f"Area between LeRF and MoRF ({removal})", areas))
    write_csv(areas, run / f"areas-{removal}.csv")
    figure = run / f"degradation-{removal}.png"
    save(plot_curves(dict(zip(curve_labels(groups), groups, strict=True))), figure)
    console.print(f"Curves are in [bold]{run / f'curves-{removal}.parquet'}[/] and [bold]{figure}[/]")


@app.command()
def benchmark(
    config: Annotated[Path, typer.Argument(help="A YAML file; see experiments/benchmark/.")],
    output: Output = Path("runs/benchmark"),
    data: Annotated[
        list[str] | None, typer.Option(help="name=source: take a data set of the config from there instead.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option("--method", "-m", help="Run these labels only, for now.")] = None,
) -> None:
    """Compares methods by every metric, with paired intervals and cost. Stopped at any moment, it resumes."""
    from textiba.benchmark import BenchmarkConfig, leaderboard
    from textiba.benchmark import benchmark as run
    from textiba.benchmark.figure import plot_leaderboard
    from textiba.benchmark.folder import plain_name
    from textiba.benchmark.tables import by_table, lead_metrics, lead_table, write_tables
    from textiba.methods import OURS
    from textiba.plots import save

    settings = BenchmarkConfig.from_yaml(config).with_sources(data or ())
    with _progress() as progress:
        folder = run(settings, output, _advance(progress), method or ())
    every = leaderboard(folder)
    paths = write_tables(folder, every)
    for title, scores in by_table(every).items():
        console.print(_table(title, lead_table(scores)))
        if lead_metrics(scores):
            ours = [m.title for m in settings.methods if m.name in OURS]
            paths.append(save(plot_leaderboard(scores, title, ours), output / f"{plain_name(title)}.png"))
    console.print(f"The tables and figures are [bold]{'[/], [bold]'.join(map(str, paths))}[/]")


@app.command()
def finetune(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; see experiments/checkpoints/.")],
    output: Output = Path("runs/checkpoint"),
    data: Data = None,
) -> None:
    """Makes a checkpoint on IMDB: a LoRA adapter, a linear probe or a fresh head, with its statistics and card."""
    from textiba.finetune import Recipe
    from textiba.finetune import finetune as run

    settings = Recipe.from_yaml(recipe)
    card = run(settings.model_copy(update={"data": data}) if data else settings, output)
    console.print(f"Accuracy {card['test_accuracy']:.4f} on {card['test_reviews']} test reviews; it is in {output}")


@app.command()
def estimate(
    checkpoint: Checkpoint = "fine-tuned",
    data: Annotated[
        str, typer.Option(help="IMDB's hub id or folder, a file of reviews, or 'bundled'.")
    ] = "stanfordnlp/imdb",
    split: str = "train",
    limit: Annotated[int, typer.Option(help="Reviews; at least 1,000 are advised.")] = 2000,
    max_length: Annotated[int | None, typer.Option(help="Tokens of a review.")] = None,
    output: Output = Path("statistics.safetensors"),
) -> None:
    """Estimates mean and standard deviation of every feature at every layer, in one stream over real reviews."""
    from textiba.checkpoints import load
    from textiba.config import DataChoice
    from textiba.statistics import estimate as run

    output.parent.mkdir(parents=True, exist_ok=True)
    encoder = load(checkpoint, max_length)
    encoded = encoder.encode(DataChoice(source=data, split=split, limit=limit).load())
    with _progress() as progress:
        advance, done = _advance(progress), 0

        def passes() -> Iterator[Any]:
            nonlocal done
            for batch in encoder.batches(encoded):
                yield encoder.forward(batch)
                done += len(batch.reviews)
                advance("estimate", done, len(encoded))

        statistics = run(encoder, passes(), f"{data} {split}")
    statistics.save(output)
    console.print(f"{statistics.reviews} reviews, {statistics.tokens} tokens, {encoder.n_layers + 1} layers: {output}")


def main() -> None:
    """The console script: an error of ours is a line on stderr and exit code 2, never a traceback."""
    keep_freed_memory()
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _say("note", "yellow", message)
        try:
            app()
        except TextibaError as error:
            _say("error", "bold red", error)
            sys.exit(2)


def _say(kind: str, style: str, what: object) -> None:
    _errors.print(Text.assemble((f"{kind}: ", style), str(what)))


def keep_freed_memory() -> None:
    """Tells glibc to reuse large freed blocks instead of mapping new ones at every step; see benchmarks/."""
    with contextlib.suppress(OSError, AttributeError):  # another libc has no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


class _Rate(ProgressColumn):
    """Results a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="cyan")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
        console=_errors,
    )  # fmt: skip


def _advance(progress: Progress) -> Any:
    tasks: dict[str, Any] = {}

    def advance(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done, total=total)

    return advance


def _table(title: str, columns: dict[str, list[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table
