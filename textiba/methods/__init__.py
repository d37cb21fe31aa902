"""All methods and their registry. To add a method, add a file to this package and a line to `_HOME`."""

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from textiba.errors import SettingError
from textiba.methods.base import Method

if TYPE_CHECKING:
    from textiba.methods.attention import Attention
    from textiba.methods.attention_rollout import AttentionRollout
    from textiba.methods.evidence import Evidence
    from textiba.methods.evidence_mean import EvidenceMean
    from textiba.methods.grad_cam import GradCAM
    from textiba.methods.gradient import Gradient
    from textiba.methods.guided_backprop import GuidedBackprop
    from textiba.methods.input_x_gradient import InputXGradient
    from textiba.methods.integrated_gradients import IntegratedGradients
    from textiba.methods.jiang2020 import Jiang2020
    from textiba.methods.joint import JointBottleneck
    from textiba.methods.kernel_shap import KernelSHAP
    from textiba.methods.lime import LIME
    from textiba.methods.lrp import LRP
    from textiba.methods.occlusion import Occlusion
    from textiba.methods.partition_shap import PartitionSHAP
    from textiba.methods.per_sample import PerSampleBottleneck
    from textiba.methods.random import Random
    from textiba.methods.readout import ReadoutBottleneck
    from textiba.methods.saliency import Saliency
    from textiba.methods.schulz2020 import Schulz2020
    from textiba.methods.smooth_grad import SmoothGrad, SmoothGradXInput
    from textiba.methods.two_sided import TwoSided

# Name in the registry -> (module in this package, class). A class is imported on first use.
_HOME: dict[str, tuple[str, str]] = {
    "per_sample": ("per_sample", "PerSampleBottleneck"),
    "joint": ("joint", "JointBottleneck"),
    "readout": ("readout", "ReadoutBottleneck"),
    "evidence": ("evidence", "Evidence"),
    "evidence_mean": ("evidence_mean", "EvidenceMean"),
    "two_sided": ("two_sided", "TwoSided"),
    "random": ("random", "Random"),
    "gradient": ("gradient", "Gradient"),
    "saliency": ("saliency", "Saliency"),
    "input_x_gradient": ("input_x_gradient", "InputXGradient"),
    "integrated_gradients": ("integrated_gradients", "IntegratedGradients"),
    "smooth_grad": ("smooth_grad", "SmoothGrad"),
    "smooth_grad_x_input": ("smooth_grad", "SmoothGradXInput"),
    "guided_backprop": ("guided_backprop", "GuidedBackprop"),
    "grad_cam": ("grad_cam", "GradCAM"),
    "occlusion": ("occlusion", "Occlusion"),
    "lime": ("lime", "LIME"),
    "kernel_shap": ("kernel_shap", "KernelSHAP"),
    "partition_shap": ("partition_shap", "PartitionSHAP"),
    "attention": ("attention", "Attention"),
    "attention_rollout": ("attention_rollout", "AttentionRollout"),
    "lrp": ("lrp", "LRP"),
    "schulz2020": ("schulz2020", "Schulz2020"),
    "jiang2020": ("jiang2020", "Jiang2020"),
}
_MODULES = {cls: module for module, cls in _HOME.values()}

# The methods of this project; the others are baselines.
OURS = ("per_sample", "joint", "readout", "evidence", "evidence_mean", "two_sided")


class _Registry(Mapping[str, type[Method]]):
    """Method classes by name, imported lazily."""

    def __getitem__(self, name: str) -> type[Method]:
        module, cls = _HOME[name]
        return getattr(importlib.import_module(f"textiba.methods.{module}"), cls)

    def __iter__(self) -> Iterator[str]:
        return iter(_HOME)

    def __len__(self) -> int:
        return len(_HOME)


METHODS = _Registry()


def method(name: str, **settings: Any) -> Method:
    """Returns a method by its name in the registry.

    Args:
        name: a name from `list_methods`.
        **settings: settings of the method; a setting that is not given keeps its default.

    Raises:
        SettingError: no method has this name, the method has no such setting, or a value is out of range.

    >>> import textiba
    >>> textiba.method("evidence", layer=1).name
    'evidence'
    """
    if name not in METHODS:
        raise SettingError(f"no method is called '{name}'; the methods are {sorted(METHODS)}")
    return METHODS[name](**settings)


def list_methods() -> list[dict[str, Any]]:
    """Returns one row for each method, in the order of the registry.

    Returns:
        For each method: `name`, `class`, `unit`, `signed`, `passes` (forward and backward passes for a text of 100
        tokens on a model with 12 layers), `statistics` (whether the method needs feature statistics), `extra` (the
        optional dependency that the method needs) and `summary` (the first paragraph of the class's docstring).
    """
    rows = []
    for name, cls in METHODS.items():
        made = cls()
        passes = made.passes(12, 100)
        rows.append(
            {
                "name": name,
                "class": cls.__name__,
                "unit": cls.unit,
                "signed": cls.signed,
                "passes": (round(passes.forward, 1), round(passes.backward, 1)),
                "statistics": made.needs_statistics,
                "extra": cls.needs,
                "summary": (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " "),
            }
        )
    return rows


def __getattr__(name: str) -> Any:
    """Imports a method's class on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'textiba.methods' has no attribute '{name}'")
    return getattr(importlib.import_module(f"textiba.methods.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
