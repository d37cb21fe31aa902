"""The methods, and the one registry of them. To add a method: a file here, and its class in `METHODS`."""

from collections.abc import Mapping
from typing import Any

from textiba.errors import SettingError
from textiba.methods.attention import Attention, AttentionRollout
from textiba.methods.base import Method
from textiba.methods.cam import GradCam
from textiba.methods.evidence import Evidence
from textiba.methods.evidence_mean import EvidenceMean
from textiba.methods.gradients import Gradient, GradientXInput, IntegratedGradients, Saliency, SmoothGrad
from textiba.methods.guided import GuidedBackprop
from textiba.methods.joint import Joint
from textiba.methods.lrp import Lrp
from textiba.methods.occlusion import Occlusion
from textiba.methods.per_sample import PerSample
from textiba.methods.published import Jiang2020, Schulz2020
from textiba.methods.random import Random
from textiba.methods.readout import Readout
from textiba.methods.surrogates import KernelShap, Lime, PartitionShap
from textiba.methods.two_sided import TwoSided

METHODS: dict[str, type[Method]] = {
    m.name: m
    for m in (
        PerSample,
        Joint,
        Readout,
        Evidence,
        EvidenceMean,
        TwoSided,
        Random,
        Gradient,
        Saliency,
        GradientXInput,
        IntegratedGradients,
        SmoothGrad,
        GuidedBackprop,
        GradCam,
        Occlusion,
        Lime,
        KernelShap,
        PartitionShap,
        Attention,
        AttentionRollout,
        Lrp,
        Schulz2020,
        Jiang2020,
    )
}

OURS = (
    "per_sample",
    "joint",
    "readout",
    "evidence",
    "evidence_mean",
    "two_sided",
)  # what this project brings; the others are to compare


def build(name: str, settings: Mapping[str, Any] | None = None) -> Method:
    """A method by its name in the registry.

    Raises:
        SettingError: no such method, an unknown setting, or a value out of its range.
    """
    if name not in METHODS:
        raise SettingError(f"no method is called '{name}'; there are {sorted(METHODS)}")
    return METHODS[name](**(settings or {}))
