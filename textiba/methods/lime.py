"""LIME: a ridge regression on the presence of tokens."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from textiba.methods.base import Passes
from textiba.methods.surrogates import Surrogate, Worth, captum_lime, fitted


class LIME(Surrogate):
    """Weights of a ridge regression on the presence of tokens, near the whole text (Captum's LIME).

    By default samples and kernel are those of LIME's own text explainer. The first sample is the whole text; each of
    the others lacks 1 … T of its T tokens, each number as likely as another, chosen at random. A sample weighs
    exp(−d² / 2w²), with d the cosine distance of its presence vector from all ones; LIME's width of 25 is for 100 · d.
    Every token gets a weight; LIME's own keeps ten. Source: Ribeiro, Singh, Guestrin, KDD 2016.

    Attributes:
        output: of the target, that is fitted; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
        present: "uniform", the samples just described; or "half", Captum's own: each token with probability ½.
        samples: texts that are run, for "uniform" the whole one among them; a pass each.
        kernel_width: w.
        alpha: of the ridge penalty.
    """

    name: ClassVar[str] = "lime"
    needs: ClassVar[str] = "baselines"

    present: Literal["uniform", "half"] = "uniform"
    samples: int = Field(default=200, ge=2)
    kernel_width: float = Field(default=0.25, gt=0)
    alpha: float = Field(default=1.0, ge=0)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each sample."""
        return Passes(1.0 + self.samples, 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        attr, lime, models = captum_lime()
        samples = lime_samples(tokens)
        own = {"perturb_func": lambda _whole, **_settings: next(samples)} if self.present == "uniform" else {}
        explainer = attr.Lime(
            lambda rows: worth(rows.bool()),
            interpretable_model=models.SkLearnRidge(alpha=self.alpha),
            similarity_func=lime.get_exp_kernel_similarity_function("cosine", self.kernel_width),
            **own,
        )
        return fitted(explainer, tokens, self.samples, seed)


def lime_samples(tokens: int) -> Iterator[Int[Tensor, "1 tokens"]]:
    """1 for present tokens: all of them first, then without 1 … T; without end, from torch's global state."""
    whole = torch.ones(1, tokens, dtype=torch.long)
    yield whole
    while True:
        order = torch.randperm(tokens)
        yield whole.index_fill(1, order[: int(torch.randint(tokens, ())) + 1], 0)
