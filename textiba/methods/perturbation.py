"""What the methods share that remove tokens and compare the model's output."""

import abc
from typing import ClassVar, Literal

from textiba.methods.base import Method
from textiba.model.reading import TargetOutput


class Perturbation(Method, abc.ABC):
    """A method that scores tokens by what the output does without them.

    Attributes:
        output: of the target, that is compared; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
    """

    unit: ClassVar[str] = "score"
    signed: ClassVar[bool] = True

    output: TargetOutput = "auto"
    removal: Literal["delete", "mask"] = "mask"
