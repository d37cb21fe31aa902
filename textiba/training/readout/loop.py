"""Training of a readout network: the bottleneck's loss over a whole data set, with accelerate.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.2. `textiba readout train` runs the training. If the
training was killed, the same command resumes it from its last evaluation.
"""

import itertools
import json
import math
import random
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from textiba.bottleneck.readout import READOUT, ReadoutNetwork, fresh_readout, load_readout
from textiba.bottleneck.statistics import FeatureStatistics, load_statistics, own_statistics
from textiba.checkpoints.cache import file_hash
from textiba.checkpoints.find import CARD
from textiba.checkpoints.load import load
from textiba.errors import InputError, NotFiniteError, TruncationWarning, missing_extra
from textiba.information import NATS_PER_BIT
from textiba.methods.base import require
from textiba.model.forward import ForwardPass
from textiba.model.view import Model
from textiba.runs.sweep import Progress, texts_hash
from textiba.store import Manifest, claimed, write_text, write_whole
from textiba.store.processes import current
from textiba.texts.sources import Text, imdb
from textiba.texts.tokens import TokenizedText
from textiba.training.readout.card import as_markdown
from textiba.training.readout.objective import agreement, restricted
from textiba.training.readout.recipe import ReadoutRecipe

_WINDOW = 32  # number of batches whose texts are sorted by length together
_STATE = "training-"


def train_readout(recipe: ReadoutRecipe, output: str | Path, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Trains a network, and writes a card and the weights with the lowest validation loss into the folder `output`.

    Args:
        recipe: the settings.
        output: a folder; `ReadoutBottleneck(weights=output)` reads it. An unfinished training of the same recipe in
            the folder is resumed.
        progress: called after each step.

    Returns:
        The card.

    Raises:
        InputError: the folder holds the training of another recipe, or there are too few texts.
        LayerError: the model has no such layer.
        NotFiniteError: the validation loss is NaN or infinite.
        MissingExtraError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise missing_extra("accelerate", "finetune") from error
    processes, output = current(), Path(output)
    with claimed(output, processes):
        manifest = Manifest(output, recipe.model_dump(), "readout train", processes.main)
        if processes.main:
            processes.wait()  # the other processes wait until the folder is there
        model = load(recipe.checkpoint, recipe.max_length)
        own = load_statistics(recipe.statistics) if recipe.statistics else own_statistics(recipe.checkpoint)
        statistics = require(own, model, "a readout")
        texts = imdb(recipe.data, "train", None, recipe.seed)
        held_out, rest = texts[: recipe.validation], texts[recipe.validation :][: recipe.limit]
        if not rest:
            raise InputError(
                f"training needs more texts than are held out; {recipe.data} has {len(texts)} training texts, of which "
                f"{recipe.validation} are held out. Take a larger data set, or lower validation"
            )
        manifest.hold("checkpoints", recipe.checkpoint, model.fingerprint)
        manifest.hold("statistics", recipe.checkpoint, statistics.identity)
        manifest.hold("texts", "train", texts_hash([*held_out, *rest]))
        if (output / CARD).is_file():
            return json.loads((output / CARD).read_text("utf-8"))
        accelerator = Accelerator(mixed_precision="bf16" if recipe.bfloat16 else "no")
        model.to(accelerator.device)
        if recipe.bfloat16:
            # PyTorch's fused attention has a slow backward pass in bfloat16 on a CPU: half of a step's time.
            model.module.set_attn_implementation("eager")
        return _Training(recipe, output, model, statistics, accelerator).run(held_out, rest, progress)


class _Training:
    """The training loop, and its state between evaluations."""

    def __init__(
        self, recipe: ReadoutRecipe, output: Path, model: Model, statistics: FeatureStatistics, accelerator: Any
    ):
        self.recipe, self.output, self.model, self.accelerator = recipe, output, model, accelerator
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            network = fresh_readout(recipe.architecture(model), statistics, recipe.min_std)
        if recipe.start is not None:
            network.load_state_dict(_same_shape(load_readout(recipe.start), network).state_dict())
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.network, self.optimizer = accelerator.prepare(network, optimizer)
        self.memory: dict[str, Any] = {"step": 0, "best": None, "stale": 0, "seconds": 0.0, "history": []}

    @property
    def plain(self) -> ReadoutNetwork:
        """The network without accelerate's wrapper."""
        return self.accelerator.unwrap_model(self.network)

    def run(self, held_out: Sequence[Text], texts: Sequence[Text], progress: Progress) -> dict[str, Any]:
        """Trains to the last step, or until the validation loss no longer falls."""
        recipe, memory = self.recipe, self.memory
        self._resume()
        watched = self._encode(held_out)
        started, before = time.monotonic(), memory["seconds"]
        for batch in itertools.islice(self._batches(texts, memory["step"]), recipe.steps - memory["step"]):
            self._step(batch)
            memory["step"] += 1
            progress("training", memory["step"], recipe.steps)
            if memory["step"] % recipe.evaluate_every == 0 or memory["step"] == recipe.steps:
                stop = self._look(watched)
                memory["seconds"] = round(before + time.monotonic() - started, 1)
                self._remember()
                if stop:
                    break
        return self._finish(len(texts), len(held_out))

    def _batches(self, texts: Sequence[Text], start: int) -> Iterator[list[TokenizedText]]:
        """Yields endless batches of texts of similar length, from batch number `start` on; the seed determines them."""
        size = self.recipe.batch_size
        for epoch in itertools.count():
            order = list(texts)
            random.Random(f"{self.recipe.seed}:{epoch}").shuffle(order)  # noqa: S311 - an order, not a secret
            for begin in range(0, len(order), size * _WINDOW):
                window = order[begin : begin + size * _WINDOW]
                if start >= (count := math.ceil(len(window) / size)):
                    start -= count
                    continue
                draw = random.Random(f"{self.recipe.seed}:{epoch}:{begin}")  # noqa: S311
                cut = sorted((self._cut(text, draw) for text in self._encode(window)), key=len)
                batches = [cut[i : i + size] for i in range(0, len(cut), size)]
                draw.shuffle(batches)
                yield from batches[start:]
                start = 0

    def _encode(self, texts: Sequence[Text]) -> list[TokenizedText]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)  # the recipe sets the length
            return self.model.tokenize(texts)

    def _cut(self, text: TokenizedText, draw: random.Random) -> TokenizedText:
        """The text, cut at a random length; special tokens stay."""
        shortest = self.recipe.shortest
        if shortest is None or len(text) <= shortest:
            return text
        lost = len(text) - draw.randint(shortest, len(text))
        return text.drop(text.content[-lost:] if lost else ())

    def _step(self, batch: Sequence[TokenizedText]) -> None:
        recipe, step = self.recipe, self.memory["step"]
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(step)
        layers = self.plain.architecture.layers
        places = [layers.index(layer) for layer in recipe.layers_at(step, layers)]
        entropy, nats, ordered = self._losses(self._mine(batch), places, recipe.samples, recipe.seed + step)
        loss = (entropy + recipe.beta_at(step) * nats).mean() - recipe.order * ordered.mean()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _losses(
        self, texts: Sequence[TokenizedText], places: Sequence[int], samples: int, seed: int
    ) -> tuple[Float[Tensor, "places batch"], Float[Tensor, "places batch"], Float[Tensor, "layers batch"]]:
        """Cross-entropy and KL of the bottleneck at each of `places` alone; the second objective at every layer."""
        with self.accelerator.autocast():
            forward = self.model.forward(self.model.collate(texts))
            hidden = tuple(state.float() for state in forward.hidden_states)
            forward = ForwardPass(forward.batch, hidden, forward.logits)
            raw = self.network(hidden)
            found = [restricted(self.model, self.plain, forward, raw[p], p, samples, seed) for p in places]
            ordered = torch.zeros_like(raw[..., 0])
            if self.recipe.order:
                with torch.enable_grad():
                    ordered = agreement(self.model, self.plain, forward, raw)
        entropy, nats = (torch.stack(part) for part in zip(*found, strict=True))
        return entropy, nats, ordered

    def _mine(self, texts: Sequence[TokenizedText]) -> Sequence[TokenizedText]:
        """This process's share of a batch; a share is never empty, so that no process waits for another."""
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        return texts[rank::processes] or texts[:1]

    @torch.no_grad()
    def _look(self, watched: Sequence[TokenizedText]) -> bool:
        """Evaluates on the held-out texts, writes the best weights so far, and returns whether to stop."""
        layers, memory = self.plain.architecture.layers, self.memory
        sums = torch.zeros(3, len(layers), device=self.accelerator.device)
        count = torch.zeros((), device=self.accelerator.device)
        mine = watched[self.accelerator.process_index :: self.accelerator.num_processes]
        for batch in self.model.batches(mine):
            sums += torch.stack(self._losses(batch.texts, range(len(layers)), 2, self.recipe.seed)).sum(dim=2)
            count += len(batch.texts)
        entropy, nats, ordered = self.accelerator.reduce(sums) / self.accelerator.reduce(count)
        loss = float((entropy + self.recipe.beta * nats).mean())
        aim = loss - self.recipe.order * float(ordered.mean())
        if not math.isfinite(aim):
            raise NotFiniteError(
                f"the validation loss after {memory['step']} steps is {aim}; train with a lower learning_rate, or "
                "without bfloat16"
            )
        memory["history"].append(
            {
                "step": memory["step"],
                "aim": round(aim, 5),
                "loss": round(loss, 5),
                "cross_entropy": [round(x, 5) for x in entropy.tolist()],
                "bits": [round(x / NATS_PER_BIT, 2) for x in nats.tolist()],
                "order": [round(x, 5) for x in ordered.tolist()],
            }
        )
        if memory["best"] is None or memory["history"][-1]["aim"] < memory["best"]["aim"]:
            memory["best"], memory["stale"] = memory["history"][-1], 0
            if self.accelerator.is_main_process:
                write_whole(self.output / READOUT, self.plain.save)
        elif memory["step"] >= self.recipe.beta_rise * self.recipe.steps:
            memory["stale"] += 1
        return memory["stale"] >= self.recipe.patience

    def _states(self) -> list[Path]:
        """Folders of saved states, the latest last."""
        return sorted(self.output.glob(f"{_STATE}[0-9]*[0-9]"))

    def _remember(self) -> None:
        """Saves the state of the training, completely or not at all."""
        older = self._states()
        final = self.output / f"{_STATE}{self.memory['step']:08d}"
        temporary = final.with_suffix(".tmp")
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            (temporary / "memory.json").write_text(json.dumps(self.memory) + "\n", encoding="utf-8")
            temporary.rename(final)
            for folder in older:
                shutil.rmtree(folder)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        if states := self._states():
            self.accelerator.load_state(str(states[-1]))
            self.memory.update(json.loads((states[-1] / "memory.json").read_text("utf-8")))

    def _finish(self, trained: int, watched: int) -> dict[str, Any]:
        """Writes the card, and removes the saved states."""
        recipe = self.recipe.model_dump(mode="json")
        card = {
            "weights": READOUT,
            "sha256": file_hash(self.output / READOUT),
            "recipe": recipe,
            "layers": list(self.plain.architecture.layers),
            "train_texts": trained,
            "validation_texts": watched,
            **{key: self.memory[key] for key in ("step", "best", "seconds", "history")},
        }
        if self.accelerator.is_main_process:
            write_text(self.output / "README.md", as_markdown(card, self.output.name))
            write_text(self.output / CARD, json.dumps(card, indent=1) + "\n")
            for folder in self._states():
                shutil.rmtree(folder)
        self.accelerator.wait_for_everyone()
        return card


def _same_shape(trained: ReadoutNetwork, network: ReadoutNetwork) -> ReadoutNetwork:
    """Returns `trained` if it has the shape of `network`; β may differ."""
    given, wanted = (n.architecture.model_copy(update={"beta": 0.0}) for n in (trained, network))
    if given != wanted:
        raise InputError(
            f"a warm start needs a network of the recipe's shape; start has {given}, the recipe {wanted}. Name another "
            "network, or start: null"
        )
    return trained
