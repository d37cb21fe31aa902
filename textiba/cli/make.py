"""`textiba finetune`, `estimate` and `readout train`: checkpoints, their statistics, and readout networks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from textiba.cli.progress import progress
from textiba.cli.questions import WindowsOption, windows_of
from textiba.cli.shared import Checkpoint, Data, Output, app, say
from textiba.cli.stop import again, keeping

_PACKAGES = {  # packages that each kind and each task of a recipe imports
    "adapter": ("peft", "accelerate"), "probe": ("sklearn",), "labels": ("sklearn",), "tags": ("seqeval",),
}  # fmt: skip


@app.command()
def finetune(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; see experiments/checkpoints/.")],
    output: Output = Path("runs/checkpoint"),
    data: Data = None,
) -> None:
    """Makes a checkpoint: a LoRA adapter, a linear probe or a fresh head, with its statistics and card."""
    from textiba.checkpoints.find import find
    from textiba.runs.preflight import require_packages
    from textiba.store.files import folder_place, storage_errors
    from textiba.training.finetune import finetune as run
    from textiba.training.finetune import measured
    from textiba.training.recipe import Recipe

    settings = Recipe.from_yaml(recipe)
    settings = settings.model_copy(update={"data": data}) if data else settings
    require_packages((*_PACKAGES.get(settings.kind, ()), *_PACKAGES.get(settings.task, ())), "finetune")
    find(settings.base)
    folder_place(output)
    with (
        keeping(lambda: f"the last state of the training is kept in {output}; go on with: {again()}"),
        storage_errors(output),
        progress() as advance,
    ):
        card = run(settings, output, advance)
    tested, figures = measured(card)
    say(f"{tested.capitalize()} {figures} on {card['test_texts']} test texts; it is in ", output)


@app.command()
def estimate(
    checkpoint: Checkpoint = "fine-tuned",
    data: Annotated[
        str, typer.Option(help="IMDB's hub id or folder, a file of texts, or 'bundled'.")
    ] = "stanfordnlp/imdb",
    split: Annotated[str, typer.Option(help="The part of IMDB: train or test.")] = "train",
    text_column: Annotated[str | None, typer.Option(help="The column of the texts.")] = None,
    pair_column: Annotated[str | None, typer.Option(help="The column of the second texts of pairs.")] = None,
    outcome: Annotated[
        str | None,
        typer.Option(help="For a model without a classification head, as in a config: '{kind: tag, word: 0}'."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Number of texts; at least 1,000 are advised.")] = 2000,
    max_length: Annotated[int | None, typer.Option(min=3, help="Most tokens of a text.")] = None,
    windows: WindowsOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .safetensors file.")] = Path(
        "statistics.safetensors"
    ),
) -> None:
    """Estimates mean and standard deviation of every feature at every layer, in one stream over real texts."""
    from textiba.bottleneck.statistics import estimate_statistics as run
    from textiba.checkpoints.find import find
    from textiba.checkpoints.load import load
    from textiba.model.questions import outcome_of
    from textiba.runs.config import DataChoice
    from textiba.settings import parse_yaml
    from textiba.store.files import file_place
    from textiba.store.processes import best_device

    asked = outcome_of(None if outcome is None else parse_yaml(outcome, "--outcome"))
    choice = DataChoice(source=data, split=split, text_column=text_column, pair_column=pair_column, limit=limit)
    file_place(output, (".safetensors",))
    find(checkpoint)
    texts = choice.load()
    model = load(checkpoint, max_length, outcome=asked, windows=windows_of(windows)).to(best_device())
    tokenized = model.tokenize(texts)
    with keeping(lambda: f"nothing was written; begin again with: {again()}"), progress("texts") as advance:
        done = 0
        advance("estimate", done, len(tokenized))

        def passes() -> Iterator[Any]:
            nonlocal done
            for batch in model.batches(tokenized):
                yield model.forward(batch)
                done += len(batch.texts)
                advance("estimate", done, len(tokenized))

        statistics = run(model, passes(), f"{data} {split}")
    statistics.save(output)
    say(f"{statistics.texts} texts, {statistics.tokens} tokens, {model.n_layers + 1} layers: ", output)


readout = typer.Typer(no_args_is_help=True, help="Networks that predict a bottleneck's gates in one pass.")
app.add_typer(readout, name="readout")


@readout.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; see experiments/readout/recipes/.")],
    output: Output = Path("runs/readout"),
    data: Data = None,
) -> None:
    """Trains a readout network on IMDB. After a stop, the same command resumes from the last evaluation."""
    from textiba.bottleneck.statistics import STATISTICS, load_statistics
    from textiba.checkpoints.find import find, own_file
    from textiba.errors import SettingError
    from textiba.runs.preflight import require_packages
    from textiba.store.files import storage_errors
    from textiba.store.manifest import no_empty_run
    from textiba.store.processes import current
    from textiba.training.readout import ReadoutRecipe, train_readout

    settings = ReadoutRecipe.from_yaml(recipe)
    settings = settings.model_copy(update={"data": data}) if data else settings
    require_packages(("accelerate",), "finetune")
    find(settings.checkpoint)
    if settings.statistics:
        load_statistics(settings.statistics)
    elif own_file(settings.checkpoint, STATISTICS) is None:
        raise SettingError(
            f"a readout needs feature statistics, and none come with {settings.checkpoint}; make them with: textiba "
            f"estimate -c {settings.checkpoint}, and name the file in the recipe as statistics: FILE"
        )
    processes = current()
    with (
        keeping(lambda: f"the last evaluation is kept in {output}; go on with: {again()}"),
        storage_errors(output),
        no_empty_run(output),
        progress("steps", processes.main) as advance,
    ):
        card = train_readout(settings, output, advance)
    if not processes.main:
        return
    best = card["best"]
    say(f"Validation loss {best['loss']:.4f} nats after {best['step']} steps; it is in ", output)
    say(f'Use it: textiba explain --method readout --readout {output} "A text of your own."')
