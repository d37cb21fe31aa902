"""The readout network: it reads the hidden states of a plain pass, token by token, and predicts a bottleneck's gates.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.2. Their 1×1 convolutions on a feature map are
linear layers on a sequence. A network may hold the gates of bottlenecks at several layers: one output each.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from textiba.bottleneck.statistics import FeatureStatistics
from textiba.checkpoints.cache import file_hash
from textiba.checkpoints.find import own_file
from textiba.errors import CorruptFileError, InputError, StatisticsMismatchError
from textiba.information import normalize
from textiba.model.view import Model
from textiba.settings import Settings
from textiba.types import State

READOUT = "readout.safetensors"
FOLDER = "readout"  # in a checkpoint's folder: the readout that comes with it
OWN = "built-in"  # names the readout that comes with a checkpoint
_FACTS = "textiba_readout"


class Architecture(Settings):
    """What a readout network is; kept in the header of its file.

    Attributes:
        layers: indices into hidden_states of the bottlenecks whose gates it predicts.
        reads: indices into hidden_states of what it reads.
        widths: of the two hidden layers.
        features: of the model's hidden states.
        limit: bound of the gates' logits; a tanh, so that the gradient does not die where a clamp's would.
        initial_gate: λ before training, everywhere.
        beta: the price of a nat that it was trained for, on the sum over tokens and features.
        fingerprint: of the model that it reads.
    """

    layers: tuple[int, ...] = Field(min_length=1)
    reads: tuple[int, ...] = Field(min_length=1)
    widths: tuple[int, int]
    features: int = Field(ge=1)
    limit: float = Field(gt=0)
    initial_gate: float = Field(gt=0, lt=1)
    beta: float = Field(ge=0)
    fingerprint: str


class ReadoutNetwork(nn.Module):
    """Three linear layers on each token's hidden states, which begin as open gates.

    Args:
        architecture: its shape.
        mean: of the model's features at every layer [layers, features].
        std: of the same, positive.

    Attributes:
        architecture: its shape.
        mean: as given, a buffer.
        std: as given, a buffer.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: Architecture, mean: Tensor, std: Tensor):
        super().__init__()
        self.architecture = architecture
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())
        first, second = architecture.widths
        self.layers = nn.Sequential(
            nn.Linear(architecture.features * len(architecture.reads), first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, len(architecture.layers)),
        )
        last: nn.Linear = self.layers[-1]  # type: ignore[assignment]
        logit = math.log(architecture.initial_gate / (1 - architecture.initial_gate))
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, architecture.limit * math.atanh(logit / architecture.limit))

    def forward(self, hidden: Sequence[State]) -> Float[Tensor, "layers batch tokens"]:
        """What the gates of every bottleneck follow from by `bounded`, and in whose order they are.

        Args:
            hidden: hidden states 0 … L of a plain pass.
        """
        read = [normalize(hidden[i], self.mean[i], self.std[i]) for i in self.architecture.reads]
        return self.layers(torch.cat(read, dim=-1)).float().permute(2, 0, 1)

    def bounded(self, raw: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The gates' logits, between −limit and limit."""
        return self.architecture.limit * torch.tanh(raw / self.architecture.limit)

    def at(self, layer: int, hidden: Sequence[State]) -> Float[Tensor, "batch tokens"]:
        """The gates' logits of one bottleneck.

        Raises:
            InputError: it was not trained for that layer.
        """
        known = self.architecture.layers
        if layer not in known:
            raise InputError(f"this readout knows the gates of layers {list(known)}; got {layer}. Train one for it")
        return self.bounded(self(hidden)[known.index(layer)])

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file with the architecture in its header."""
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, str(path), metadata={_FACTS: self.architecture.model_dump_json()})


def fresh_readout(architecture: Architecture, statistics: FeatureStatistics, min_std: float) -> ReadoutNetwork:
    """An untrained network, which normalises by these statistics.

    Args:
        architecture: its shape.
        statistics: of the model that it will read.
        min_std: floor of σ, for features that hardly vary.
    """
    return ReadoutNetwork(architecture, statistics.mean, statistics.std.clamp_min(min_std))


def load_readout(path: str | Path) -> ReadoutNetwork:
    """Reads what `save` wrote: the file, or a folder that `textiba readout train` wrote.

    Raises:
        InputError: no such file.
        CorruptFileError: the file is no readout, or damaged.
    """
    file = _file(path)
    try:
        with safe_open(str(file), framework="pt") as opened:
            facts = Architecture.model_validate_json((opened.metadata() or {})[_FACTS])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dict
        network = ReadoutNetwork(facts, tensors["mean"], tensors["std"])
        network.load_state_dict(tensors)
    except (SafetensorError, KeyError, ValidationError, RuntimeError) as error:
        what = str(error).splitlines()[0]
        raise CorruptFileError(
            f"{file}: not a readout, or damaged ({what}); make it anew with textiba readout train"
        ) from None
    return network.eval().requires_grad_(False)


def readout_for(model: Model, source: str | Path = OWN) -> ReadoutNetwork:
    """A trained network for a model, on its device; read from disk once.

    Args:
        model: the model whose hidden states it reads.
        source: "built-in" for the one that comes with the checkpoint; or a folder or file.

    Raises:
        InputError: there is none.
        StatisticsMismatchError: it was trained on another model.
        CorruptFileError: the file is damaged.
    """
    file = readout_file(model, source)
    network = _loaded(file, file.stat().st_mtime_ns)
    if network.architecture.fingerprint != model.fingerprint:
        raise StatisticsMismatchError(
            f"{file} was trained on a model with fingerprint {network.architecture.fingerprint}, {model.name} has "
            f"{model.fingerprint}; train one for it: textiba readout train"
        )
    return network.to(model.device)


def readout_file(model: Model, source: str | Path = OWN) -> Path:
    """Where `readout_for` finds it; raises InputError when there is none."""
    if source != OWN:
        return _file(source)
    file = own_file(model.source, f"{FOLDER}/{READOUT}")
    if file is None:
        raise InputError(
            f"no readout comes with {model.name}; train one with textiba readout train, and name its folder "
            "(or put it as 'readout' into the checkpoint's)"
        )
    return file


def readout_identity(model: Model, source: str | Path = OWN) -> str:
    """A short hash of the network's file."""
    return file_hash(readout_file(model, source))[:16]


def _file(path: str | Path) -> Path:
    file = Path(path) / READOUT if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise InputError(f"{file}: no such readout; make one with: textiba readout train")
    return file


@lru_cache(maxsize=8)
def _loaded(file: Path, _changed: int) -> ReadoutNetwork:
    return load_readout(file)
