"""`textiba sweep`, `degrade` and `benchmark`: whole runs into folders; `textiba runs`: what is in such folders."""

from pathlib import Path
from typing import Annotated

import typer

from textiba.cli.progress import progress
from textiba.cli.shared import Data, Output, app, print_table, say
from textiba.cli.stop import again, keeping


@app.command()
def sweep(
    config: Annotated[Path, typer.Argument(help="A YAML file; see experiments/.")],
    output: Output = Path("runs/sweep"),
    data: Data = None,
) -> None:
    """Runs methods × layers × β × checkpoints over texts. After a stop, the same command resumes the run."""
    from textiba.evaluation.profile import layer_profile
    from textiba.runs.config import SweepConfig
    from textiba.runs.sweep import sweep as run
    from textiba.show.summary import profile_table, write_csv
    from textiba.store.processes import current

    settings = SweepConfig.from_yaml(config)
    if data:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"source": data})})
    processes = current()
    with keeping(lambda: _kept(output)), progress("results", processes.main) as advance:
        folder = run(settings, output, advance, processes)
    if not processes.main:
        return
    rows = layer_profile(a for _, a in folder.read())
    columns = profile_table(rows)
    print_table(f"{rows[0].texts} texts", columns)
    write_csv(columns, output / "profile.csv")
    say("Results are in ", output, f"; next: textiba degrade {output}")


@app.command()
def degrade(
    run: Annotated[Path, typer.Argument(help="The folder of a sweep.")],
    removal: Annotated[str, typer.Option(help="delete, mask, pad or attention.")] = "delete",
    by: Annotated[str, typer.Option(help="fraction or count: the unit of the steps.")] = "fraction",
    part: Annotated[str, typer.Option(help="text, pair or both: which texts of a pair lose tokens.")] = "both",
    steps: Annotated[str, typer.Option(help="From 0 upwards, with commas.")] = "0,.1,.2,.3,.4,.5,.6,.7,.8,.9,1",
    seed: Annotated[int, typer.Option(help="Seed of the random order, and of the order of ties.")] = 0,
) -> None:
    """Removes more and more tokens, most or least relevant first or at random, and follows the prediction."""
    from textiba.evaluation.degradation import Degradation
    from textiba.runs.sweep import degrade_run, grouped
    from textiba.show.plots import plot_curves, save
    from textiba.show.summary import area_table, curve_labels, write_csv
    from textiba.store import RunFolder
    from textiba.store.files import folder_place

    values = {"removal": removal, "by": by, "part": part, "steps": steps.split(","), "seed": seed}
    settings = Degradation.from_mapping(values, "degrade")
    folder = RunFolder(run)
    folder_place(run)
    with (
        keeping(lambda: f"the curves of every method that was done are kept in {run}; go on with: {again()}"),
        progress("texts") as advance,
    ):
        groups = grouped(degrade_run(folder, settings, advance))
    areas = area_table(groups)
    print_table(f"Area between LeRF and MoRF ({settings.way})", areas)
    write_csv(areas, run / f"areas-{settings.way}.csv")
    figure = run / f"degradation-{settings.way}.png"
    save(plot_curves(dict(zip(curve_labels(groups), groups, strict=True))), figure)
    say("Curves are in ", run / f"curves-{settings.way}.parquet", " and ", figure)


@app.command()
def benchmark(
    config: Annotated[Path, typer.Argument(help="A YAML file; see experiments/benchmark/.")],
    output: Output = Path("runs/benchmark"),
    data: Annotated[
        list[str] | None, typer.Option(help="name=source: take a data set of the config from there instead.")
    ] = None,
    method: Annotated[list[str] | None, typer.Option("--method", "-m", help="Run these labels only, for now.")] = None,
) -> None:
    """Compares methods by every metric, with paired intervals and cost. After a stop, the same command resumes."""
    from textiba.benchmark import BenchmarkConfig, leaderboard
    from textiba.benchmark import benchmark as run
    from textiba.benchmark.figure import plot_leaderboard
    from textiba.benchmark.folder import plain_name
    from textiba.benchmark.tables import by_table, lead_metrics, lead_table, write_tables
    from textiba.methods import OURS
    from textiba.runs.preflight import check_run
    from textiba.show.plots import save
    from textiba.store.files import folder_place
    from textiba.store.manifest import no_empty_run
    from textiba.store.processes import current

    settings = BenchmarkConfig.from_yaml(config).with_sources(data or ())
    check_run([entry.build() for entry in settings.methods], settings.checkpoints, settings.statistics)
    processes = current()
    with (
        keeping(lambda: f"every chunk that was done is kept in {output}; go on with: {again()}"),
        no_empty_run(output),
        progress("texts", processes.main) as advance,
    ):
        folder_place(output)
        folder = run(settings, output, advance, method or (), processes)
    if not processes.main:
        return
    every = leaderboard(folder)
    paths = write_tables(folder, every)
    for title, scores in by_table(every).items():
        print_table(title, lead_table(scores))
        if lead_metrics(scores):
            ours = [m.title for m in settings.methods if m.name in OURS]
            paths.append(save(plot_leaderboard(scores, title, ours), output / f"{plain_name(title)}.png"))
    say("The tables and figures are:")
    for path in paths:
        say("  ", path)


def _kept(output: Path) -> str:
    """A sentence about what a stopped sweep keeps, and the command that continues the sweep."""
    from textiba.errors import TextibaError
    from textiba.store.check import incomplete

    try:
        state = incomplete(output)
    except TextibaError:
        return f"there was no result yet; begin again with: {again()}"
    extent = "every result is there" if state is None else state.partition(";")[0]
    return f"{extent}; go on with: {again()}"


folders = typer.Typer(no_args_is_help=True, help="What is in the folders of runs.")
app.add_typer(folders, name="runs")
Run = Annotated[Path, typer.Argument(help="The folder of a run.")]


@folders.command("list")
def list_runs(folder: Annotated[Path, typer.Argument(help="A folder of runs, or one run.")] = Path("runs")) -> None:
    """Lists runs, how many results each run has, and which runs are complete."""
    from textiba.show.summary import health_table
    from textiba.store.check import check, runs

    print_table(f"Runs in {folder}", health_table([check(path) for path in runs(folder)]))


@folders.command("check")
def check_run_folder(run: Run) -> None:
    """Reads every file of a run, and names the damaged files. The exit code is 1 if a file is damaged."""
    from textiba.show.summary import health_table
    from textiba.store.check import check

    found = check(run)
    print_table(str(run), health_table([found]))
    for file in (*found.damaged, *found.foreign):
        say("damaged: " if file in found.damaged else "of another run: ", file)
    if not found.sound:
        say(f"Next: textiba runs repair {run}")
        raise typer.Exit(1)


@folders.command("repair")
def repair_run(run: Run) -> None:
    """Moves damaged files and files of another run aside, and removes unfinished files."""
    from textiba.store.check import repair

    found = repair(run)
    for file in (*found.damaged, *found.foreign):
        say("set aside: ", file)
    for file in found.leftovers:
        say(f"removed: {file}")
    say(f"{run} is in order; the command that made it computes what is missing")


@folders.command("export")
def export_run(
    run: Run,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .jsonl, .csv or .parquet file; the suffix tells the format.")
    ] = Path("attributions.jsonl"),
) -> None:
    """Writes every attribution of a sweep as a row of one file."""
    from textiba.store import RunFolder

    say(f"{RunFolder(run).export(output)} attributions are in ", output)
