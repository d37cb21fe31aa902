"""`textiba finetune`, `estimate` and `readout train`: to make checkpoints and what belongs to them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from textiba.cli.shared import Checkpoint, Data, Output, app, console, progress_bars, reporter


@app.command()
def finetune(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; see experiments/checkpoints/.")],
    output: Output = Path("runs/checkpoint"),
    data: Data = None,
) -> None:
    """Makes a checkpoint on IMDB: a LoRA adapter, a linear probe or a fresh head, with its statistics and card."""
    from textiba.training.finetune import Recipe
    from textiba.training.finetune import finetune as run

    settings = Recipe.from_yaml(recipe)
    card = run(settings.model_copy(update={"data": data}) if data else settings, output)
    console.print(f"Accuracy {card['test_accuracy']:.4f} on {card['test_texts']} test texts; it is in {output}")


@app.command()
def estimate(
    checkpoint: Checkpoint = "fine-tuned",
    data: Annotated[
        str, typer.Option(help="IMDB's hub id or folder, a file of texts, or 'bundled'.")
    ] = "stanfordnlp/imdb",
    split: str = "train",
    limit: Annotated[int, typer.Option(help="Texts; at least 1,000 are advised.")] = 2000,
    max_length: Annotated[int | None, typer.Option(help="Tokens of a text.")] = None,
    output: Output = Path("statistics.safetensors"),
) -> None:
    """Estimates mean and standard deviation of every feature at every layer, in one stream over real texts."""
    from textiba.bottleneck.statistics import estimate_statistics as run
    from textiba.checkpoints.load import load
    from textiba.runs.config import DataChoice
    from textiba.store.processes import best_device

    output.parent.mkdir(parents=True, exist_ok=True)
    model = load(checkpoint, max_length).to(best_device())
    tokenized = model.tokenize(DataChoice(source=data, split=split, limit=limit).load())
    with progress_bars() as progress:
        advance, done = reporter(progress), 0

        def passes() -> Iterator[Any]:
            nonlocal done
            for batch in model.batches(tokenized):
                yield model.forward(batch)
                done += len(batch.texts)
                advance("estimate", done, len(tokenized))

        statistics = run(model, passes(), f"{data} {split}")
    statistics.save(output)
    console.print(f"{statistics.texts} texts, {statistics.tokens} tokens, {model.n_layers + 1} layers: {output}")


readout = typer.Typer(no_args_is_help=True, help="Networks that predict a bottleneck's gates in one pass.")
app.add_typer(readout, name="readout")


@readout.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file; see experiments/readout/recipes/.")],
    output: Output = Path("runs/readout"),
    data: Data = None,
) -> None:
    """Trains a readout network on IMDB. Stopped at any moment, the same command goes on from the last evaluation."""
    from textiba.store.processes import current
    from textiba.training.readout import ReadoutRecipe, train_readout

    settings, processes = ReadoutRecipe.from_yaml(recipe), current()
    with progress_bars(processes) as progress:
        card = train_readout(
            settings.model_copy(update={"data": data}) if data else settings, output, reporter(progress)
        )
    if not processes.main:
        return
    best = card["best"]
    console.print(f"Validation loss {best['loss']:.4f} nats after {best['step']} steps; it is in [bold]{output}[/]")
    console.print(f'Use it: textiba explain --method readout --readout {output} "A text of your own."')
