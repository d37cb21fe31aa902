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
    """Weights of a ridge regression on the presence of tokens, fitted near the whole text (Captum's Lime).

    By default, samples and kernel are those of the text explainer in the lime package. The first sample is the whole
    text of T tokens. Each other sample lacks between 1 and T tokens: the number is uniform, and the tokens are chosen
    at random. The weight of a sample is exp(−d² / 2w²), where d is the cosine distance between the sample's presence
    vector and the vector of ones. (The lime package measures 100 · d, so its width of 25 equals w = 0.25.) Every token
    gets a weight; the lime package reports only ten weights. Source: Ribeiro, Singh, Guestrin, KDD 2016.

    Attributes:
        output: the target's output that is fitted; see `GradientMethod.output`.
        removal: "delete" (the text gets shorter) or "mask" (each removed token becomes [MASK]).
        present: how samples are drawn: "uniform", as described above; or "half", Captum's default, where each token is
            present with probability ½.
        samples: number of samples; each costs one pass. With "uniform" the whole text is one of the samples.
        kernel_width: width w of the kernel.
        alpha: strength of the ridge penalty.
    """

    name: ClassVar[str] = "lime"

    present: Literal["uniform", "half"] = "uniform"
    samples: int = Field(default=200, ge=2)
    kernel_width: float = Field(default=0.25, gt=0)
    alpha: float = Field(default=1.0, ge=0)

    def _passes(self, layers: int, tokens: int) -> Passes:
        """One pass for each sample."""
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
    """Yields samples without end: first the whole text, then texts that lack 1 … T tokens.

    A sample has a 1 for each present token, and a 0 for each removed token. The samples are drawn from torch's global
    random state.
    """
    whole = torch.ones(1, tokens, dtype=torch.long)
    yield whole
    while True:
        order = torch.randperm(tokens)
        yield whole.index_fill(1, order[: int(torch.randint(tokens, ())) + 1], 0)
