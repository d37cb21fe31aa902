"""The readout network: predicts a bottleneck's gates, token by token, from the hidden states of a plain pass.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.2. The paper's 1×1 convolutions on a feature map
correspond to linear layers on a sequence. A network can predict the gates of bottlenecks at several layers, with one
output for each layer.
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
FOLDER = "readout"  # subfolder of a checkpoint's folder for the readout network that comes with the checkpoint
OWN = "built-in"  # name of the readout network that comes with a checkpoint
_FACTS = "textiba_readout"


class Architecture(Settings):
    """The shape and training facts of a readout network, stored in the header of the network's file.

    Attributes:
        layers: layers (indices into hidden_states) of the bottlenecks whose gates the network predicts.
        reads: layers (indices into hidden_states) whose states the network reads.
        widths: widths of the two hidden layers.
        features: hidden size of the model.
        limit: bound of the gates' logits, imposed by a tanh; a clamp would have no gradient beyond its bound.
        initial_gate: λ of every gate before training.
        beta: β of the training, on the KL's sum over tokens and features in nats.
        fingerprint: fingerprint of the model whose states the network reads.
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
    """Three linear layers on each token's hidden states; before training, all gates are at `initial_gate`.

    Args:
        architecture: the network's shape.
        mean: mean of the model's features at every layer [layers, features].
        std: standard deviation of the model's features at every layer [layers, features], positive.

    Attributes:
        architecture: the network's shape.
        mean: the given mean, a buffer.
        std: the given standard deviation, a buffer.
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
        """Returns unbounded logits for every bottleneck's gates; `bounded` turns them into the gates' logits.

        Args:
            hidden: hidden states 0 … L of a plain pass.
        """
        read = [normalize(hidden[i], self.mean[i], self.std[i]) for i in self.architecture.reads]
        return self.layers(torch.cat(read, dim=-1)).float().permute(2, 0, 1)

    def bounded(self, raw: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Returns the gates' logits, which lie between −limit and limit, from unbounded logits."""
        return self.architecture.limit * torch.tanh(raw / self.architecture.limit)

    def at(self, layer: int, hidden: Sequence[State]) -> Float[Tensor, "batch tokens"]:
        """Returns the logits of the gates of one layer's bottleneck.

        Args:
            layer: index into hidden_states of the bottleneck.
            hidden: hidden states 0 … L of a plain pass.

        Raises:
            InputError: the network was not trained for this layer.
        """
        trained = self.architecture.layers
        if layer not in trained:
            raise InputError(
                f"this readout network predicts the gates of layers {list(trained)}; got {layer}. Train a network for "
                "this layer with textiba readout train"
            )
        return self.bounded(self(hidden)[trained.index(layer)])

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file with the architecture in its header."""
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, str(path), metadata={_FACTS: self.architecture.model_dump_json()})


def fresh_readout(architecture: Architecture, statistics: FeatureStatistics, min_std: float) -> ReadoutNetwork:
    """Returns an untrained network that normalises hidden states by the given statistics.

    Args:
        architecture: the network's shape.
        statistics: feature statistics of the model whose states the network will read.
        min_std: lower bound of σ, for features that hardly vary.
    """
    return ReadoutNetwork(architecture, statistics.mean, statistics.std.clamp_min(min_std))


def load_readout(path: str | Path) -> ReadoutNetwork:
    """Returns a network from a file that `save` wrote, or from a folder that `textiba readout train` wrote.

    Raises:
        InputError: the file does not exist.
        CorruptFileError: the file is not a readout network, or is damaged.
    """
    file = _file(path)
    try:
        with safe_open(str(file), framework="pt") as opened:
            facts = Architecture.model_validate_json((opened.metadata() or {})[_FACTS])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
        network = ReadoutNetwork(facts, tensors["mean"], tensors["std"])
        network.load_state_dict(tensors)
    except (SafetensorError, KeyError, ValidationError, RuntimeError) as error:
        what = str(error).splitlines()[0]
        raise CorruptFileError(
            f"{file}: not a readout network, or damaged ({what}); make a new one with textiba readout train"
        ) from None
    return network.eval().requires_grad_(False)


def readout_for(model: Model, source: str | Path = OWN) -> ReadoutNetwork:
    """Returns a trained network for a model, on the model's device. Networks are cached after the first reading.

    Args:
        model: the model whose hidden states the network reads.
        source: "built-in" for the network that comes with the checkpoint; or a folder or file.

    Raises:
        InputError: there is no such network.
        StatisticsMismatchError: the network was trained on another model.
        CorruptFileError: the file is damaged.
    """
    file = readout_file(model, source)
    network = _loaded(file, file.stat().st_mtime_ns)
    if network.architecture.fingerprint != model.fingerprint:
        raise StatisticsMismatchError(
            f"{file} was trained on a model with fingerprint {network.architecture.fingerprint}, {model.name} has "
            f"{model.fingerprint}; train a network for this model: textiba readout train"
        )
    return network.to(model.device)


def readout_file(model: Model, source: str | Path = OWN) -> Path:
    """Returns the file that `readout_for` reads.

    Raises:
        InputError: there is no such file.
    """
    if source != OWN:
        return _file(source)
    file = own_file(model.source, f"{FOLDER}/{READOUT}")
    if file is None:
        raise InputError(
            f"no readout network comes with {model.name}; train one with textiba readout train, and name its folder "
            "(or copy that folder into the checkpoint's folder as 'readout')"
        )
    return file


def readout_identity(model: Model, source: str | Path = OWN) -> str:
    """Returns a short hash of the network's file."""
    return file_hash(readout_file(model, source))[:16]


def _file(path: str | Path) -> Path:
    file = Path(path) / READOUT if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise InputError(f"{file}: no such readout network; make one with: textiba readout train")
    return file


@lru_cache(maxsize=8)
def _loaded(file: Path, _changed: int) -> ReadoutNetwork:
    return load_readout(file)
