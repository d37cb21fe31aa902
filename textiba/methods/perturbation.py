"""Base class of the methods that remove tokens and compare the model's output."""

import abc
from typing import ClassVar, Literal

from textiba.methods.base import Method
from textiba.model.reading import TargetOutput


class Perturbation(Method, abc.ABC):
    """A method that scores tokens by the change of the output when they are removed.

    Attributes:
        output: the target's output that is compared; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" (each removed token becomes [MASK]).
    """

    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = True

    output: TargetOutput = "auto"
    removal: Literal["delete", "mask"] = "mask"
