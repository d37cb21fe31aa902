"""`textiba sweep`, `degrade` and `benchmark`: whole runs into folders; `runs`: what is in such folders."""

from pathlib import Path
from typing import Annotated

import typer

from textiba.cli.shared import Data, Output, app, console, progress_bars, reporter, table


@app.command()
def sweep(
    config: Annotated[Path, typer.Argument(help="A YAML file; see experiments/.")],
    output: Output = Path("runs/sweep"),
    data: Data = None,
) -> None:
    """Runs methods × layers × β × checkpoints over texts. Stopped at any moment, the same command resumes."""
    from textiba.evaluation.profile import layer_profile
    from textiba.runs.config import SweepConfig
    from textiba.runs.sweep import sweep as run
    from textiba.show.summary import profile_table, write_csv
    from textiba.store.processes import current

    settings = SweepConfig.from_yaml(config)
    if data:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"source": data})})
    processes = current()
    with progress_bars(processes) as progress:
        folder = run(settings, output, reporter(progress), processes)
    if not processes.main:
        return
    rows = layer_profile(a for _, a in folder.read())
    columns = profile_table(rows)
    console.print(table(f"{rows[0].texts} texts", columns))
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
    from textiba.evaluation.degradation import Degradation
    from textiba.runs.sweep import degrade_run, grouped
    from textiba.show.plots import plot_curves, save
    from textiba.show.summary import area_table, curve_labels, write_csv
    from textiba.store import RunFolder

    values = {"removal": removal, "by": by, "steps": steps.split(","), "seed": seed}
    settings = Degradation.from_mapping(values, "degrade")
    folder = RunFolder(run)
    with progress_bars() as progress:
        groups = grouped(degrade_run(folder, settings, reporter(progress)))
    areas = area_table(groups)
    console.print(table(f"Area between LeRF and MoRF ({removal})", areas))
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
    from textiba.show.plots import save
    from textiba.store.processes import current

    settings = BenchmarkConfig.from_yaml(config).with_sources(data or ())
    processes = current()
    with progress_bars(processes) as progress:
        folder = run(settings, output, reporter(progress), method or (), processes)
    if not processes.main:
        return
    every = leaderboard(folder)
    paths = write_tables(folder, every)
    for title, scores in by_table(every).items():
        console.print(table(title, lead_table(scores)))
        if lead_metrics(scores):
            ours = [m.title for m in settings.methods if m.name in OURS]
            paths.append(save(plot_leaderboard(scores, title, ours), output / f"{plain_name(title)}.png"))
    console.print(f"The tables and figures are [bold]{'[/], [bold]'.join(map(str, paths))}[/]")


folders = typer.Typer(no_args_is_help=True, help="What is in the folders of runs.")
app.add_typer(folders, name="runs")
Run = Annotated[Path, typer.Argument(help="The folder of a run.")]


@folders.command("list")
def list_runs(folder: Annotated[Path, typer.Argument(help="A folder of runs, or one run.")] = Path("runs")) -> None:
    """Lists runs, and says which are whole."""
    from textiba.show.summary import health_table
    from textiba.store.check import check, runs

    console.print(table(f"Runs in {folder}", health_table([check(path) for path in runs(folder)])))


@folders.command("check")
def check_run(run: Run) -> None:
    """Reads every file of a run, and names what is damaged. The exit code is 1 where something is."""
    from textiba.show.summary import health_table
    from textiba.store.check import check

    found = check(run)
    console.print(table(str(run), health_table([found])))
    for file in (*found.damaged, *found.foreign):
        console.print(f"{'damaged' if file in found.damaged else 'of another run'}: [bold]{file}[/]")
    if not found.sound:
        console.print(f"Next: textiba runs repair {run}")
        raise typer.Exit(1)


@folders.command("repair")
def repair_run(run: Run) -> None:
    """Sets aside what is damaged or of another run, and removes what was never finished."""
    from textiba.store.check import repair

    found = repair(run)
    for file in (*found.damaged, *found.foreign):
        console.print(f"set aside: [bold]{file}[/]")
    for file in found.leftovers:
        console.print(f"removed: {file}")
    console.print(f"{run} is in order; the command that made it computes what is missing")


@folders.command("export")
def export_run(run: Run, output: Output = Path("attributions.jsonl")) -> None:
    """Writes every attribution of a sweep as a line of JSON."""
    from textiba.store import RunFolder

    console.print(f"{RunFolder(run).export(output)} attributions are in [bold]{output}[/]")
