"""Linear stand-ins for the model around one review: LIME, Kernel SHAP and Partition SHAP, from their libraries.

A coalition says which tokens are present; the libraries choose coalitions, the model gives the output of each, and the
libraries turn outputs into scores. Each review is run on its own, with a random state of its own.
"""

import abc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from textiba.attribution import Attribution
from textiba.encoder import Encoder
from textiba.errors import missing_extra
from textiba.forward import ForwardPass
from textiba.methods.base import Passes, results
from textiba.methods.removal import Removal, variant_outputs
from textiba.statistics import FeatureStatistics
from textiba.types import Targets

Worth = Callable[[Bool[Tensor, "coalitions tokens"]], Float[Tensor, " coalitions"]]
"""The watched output of each coalition of a review's content tokens."""


class Surrogate(Removal, abc.ABC):
    """A method that explains the outputs of coalitions of tokens."""

    @abc.abstractmethod
    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """The scores of one review's content tokens.

        Args:
            worth: the output of each coalition.
            tokens: of the review that carry a score.
            seed: the review's own.
        """

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Explains the reviews one by one. See `Method.attribute`."""
        reviews = forward.batch.reviews
        scores = torch.zeros(forward.batch.input_ids.shape, dtype=torch.float64)
        for i, (review, target) in enumerate(zip(reviews, targets.tolist(), strict=True)):
            content = torch.tensor(review.content)

            def worth(
                present: Bool[Tensor, "coalitions tokens"],
                review: Any = review,
                target: int = target,
                content: Tensor = content,
            ) -> Float[Tensor, " coalitions"]:
                variants = [encoder.without(review, content[~row].tolist(), self.removal) for row in present]
                return variant_outputs(encoder, variants, [target] * len(variants), self.output)

            scores[i, content] = self.explain(worth, len(content), review.seed(seed)).double()
        return results(self, None, encoder, forward, targets, scores, [None] * len(reviews))


class Lime(Surrogate):
    """Weights of a ridge regression on the presence of tokens, near the whole review (Captum's Lime).

    By default samples and kernel are those of LIME's own text explainer. The first sample is the whole review; each of
    the others lacks 1 … T of its T tokens, each number as likely as another, chosen at random. A sample weighs
    exp(−d² / 2w²), with d the cosine distance of its presence vector from all ones; LIME's width of 25 is for 100 · d.
    Every token gets a weight; LIME's own keeps ten. Source: Ribeiro, Singh, Guestrin, KDD 2016.

    Attributes:
        output: of the target, that is fitted: "log_probability" (nats), "probability" or "logit".
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
        present: "uniform", the samples just described; or "half", Captum's own: each token with probability ½.
        samples: reviews that are run, for "uniform" the whole one among them; a pass each.
        kernel_width: w.
        alpha: of the ridge penalty.
    """

    name: ClassVar[str] = "lime"

    present: Literal["uniform", "half"] = "uniform"
    samples: int = Field(default=200, ge=2)
    kernel_width: float = Field(default=0.25, gt=0)
    alpha: float = Field(default=1.0, ge=0)

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each sample."""
        return Passes(1.0 + self.samples, 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        attr, lime, models = _captum()
        samples = lime_samples(tokens)
        own = {"perturb_func": lambda _whole, **_settings: next(samples)} if self.present == "uniform" else {}
        explainer = attr.Lime(
            lambda rows: worth(rows.bool()),
            interpretable_model=models.SkLearnRidge(alpha=self.alpha),
            similarity_func=lime.get_exp_kernel_similarity_function("cosine", self.kernel_width),
            **own,
        )
        return _fitted(explainer, tokens, self.samples, seed)


def lime_samples(tokens: int) -> Iterator[Int[Tensor, "1 tokens"]]:
    """1 for present tokens: all of them first, then without 1 … T; without end, from torch's global state."""
    whole = torch.ones(1, tokens, dtype=torch.long)
    yield whole
    while True:
        order = torch.randperm(tokens)
        yield whole.index_fill(1, order[: int(torch.randint(tokens, ())) + 1], 0)


class KernelShap(Surrogate):
    """Shapley values by a regression on sampled coalitions (Captum's KernelShap).

    The empty and the whole coalition are always among them; the scores sum to the difference of their outputs.
    Source: Lundberg, Lee, NeurIPS 2017.

    Attributes:
        output: of the target, that is explained: "log_probability" (nats), "probability" or "logit".
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
        samples: coalitions; a pass each. Fewer than tokens leave the regression undetermined; it then takes the
            solution of the least norm.
    """

    name: ClassVar[str] = "kernel_shap"

    samples: int = Field(default=200, ge=3)

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each coalition; a single token has but two."""
        return Passes(1.0 + (self.samples if tokens > 1 else 2), 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        attr, _, _ = _captum()
        if tokens == 1:  # Captum's sampling needs two; this is what its regression would give
            empty, whole = worth(torch.tensor([[False], [True]]))
            return (whole - empty)[None]
        return _fitted(attr.KernelShap(lambda rows: worth(rows.bool())), tokens, self.samples, seed)


# What shap calls the contexts of `PartitionShap`.
FIXED_CONTEXTS = {"both": None, "present": 1, "absent": 0}


class PartitionShap(Surrogate):
    """Values along a binary tree of neighbouring tokens (the shap library's PartitionExplainer).

    What `shap.Explainer` takes for text, but for the tree: here a balanced one, which cuts the text into halves down to
    single tokens. The scores sum to the output of the whole review − that of the review with every token removed.

    Owen values try each group with its siblings present and absent ("both"), of the order of T² passes for T tokens.
    One context for all takes 2T: 200 evaluations reach every token of a review of up to 100, where with "both" most
    would share their group's value. By default the rest is absent, since reviews repeat themselves: what is said twice
    is hardly missed when taken from the whole, but tells when shown alone. What two groups do only together is shared
    evenly among their tokens. Source: Lundberg et al., 2020; Owen, 1977.

    Attributes:
        output: of the target, that is explained: "log_probability" (nats), "probability" or "logit".
        removal: "delete" (the text gets shorter) or "mask" ([MASK] takes the place).
        context: whether all else is "present" or "absent" when a group is split (shap's `fixed_context` 1 and 0), or
            its siblings are "both" in turn (None, shap's default): Owen values.
        evaluations: coalitions at most, one more where that is odd; a pass each. Groups that are not reached share
            their value evenly. shap's default is 500, with "both".
    """

    name: ClassVar[str] = "partition_shap"

    context: Literal["both", "present", "absent"] = "absent"
    evaluations: int = Field(default=200, ge=4)

    def passes(self, layers: int, tokens: int) -> Passes:
        """A pass for each coalition: the empty and the whole, and two for each group that is split."""
        most = math.ceil((self.evaluations - 2) / 2)
        splits = _splits(tokens) if self.context == "both" else tokens - 1
        return Passes(1.0 + 2 + 2 * min(most, splits), 0.0)

    def explain(self, worth: Worth, tokens: int, seed: int) -> Float[Tensor, " tokens"]:
        """See `Surrogate.explain`."""
        shap = _shap()
        explainer = shap.PartitionExplainer(
            lambda rows: worth(torch.from_numpy(rows).bool()).numpy(), _Presence(balanced_tree(tokens))
        )
        with _numpy_seeded(seed):  # it breaks ties in its queue at random
            found = explainer(
                np.ones((1, tokens)),
                max_evals=self.evaluations,
                fixed_context=FIXED_CONTEXTS[self.context],
                silent=True,
            )
        return torch.from_numpy(found.values[0])


class _Presence:
    """A masker whose masked input is the mask itself."""

    def __init__(self, clustering: Float[np.ndarray, "splits 4"]):
        self.clustering = clustering
        self.shape = (1, len(clustering) + 1)

    def __call__(self, mask: np.ndarray, _row: np.ndarray) -> np.ndarray:
        return mask[None].astype(float)


def balanced_tree(leaves: int) -> Float[np.ndarray, "splits 4"]:
    """Halves of a row of leaves, down to single ones, as a linkage matrix: left, right, distance, leaves below."""
    rows: list[tuple[float, float, float, float]] = []

    def grow(start: int, end: int) -> int:
        if end - start == 1:
            return start
        middle = (start + end + 1) // 2
        left, right = grow(start, middle), grow(middle, end)
        rows.append((left, right, end - start, end - start))
        return leaves + len(rows) - 1

    grow(0, leaves)
    return np.asarray(rows, dtype=float).reshape(-1, 4)


def _splits(tokens: int, contexts: int = 1) -> int:
    """How often groups are split on the way to single tokens: each with its sibling present, and absent."""
    if tokens == 1:
        return 0
    half = (tokens + 1) // 2
    return contexts + _splits(half, 2 * contexts) + _splits(tokens - half, 2 * contexts)


def _fitted(explainer: Any, tokens: int, samples: int, seed: int) -> Float[Tensor, " tokens"]:
    """A Captum surrogate's weights. It draws from torch's global state, which is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return explainer.attribute(torch.ones(1, tokens), n_samples=samples, perturbations_per_eval=samples)[0]


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Numpy's global state, seeded and put back."""
    before = np.random.get_state()  # noqa: NPY002 - shap draws from it
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _captum() -> tuple[Any, Any, Any]:
    """Captum's methods, its module on LIME, and its linear models."""
    try:
        import sklearn  # noqa: F401 - Captum looks for it only when it fits
        from captum import attr
        from captum._utils.models import linear_model
        from captum.attr._core import lime
    except ImportError as error:
        raise missing_extra("captum or scikit-learn", "baselines") from error
    return attr, lime, linear_model


def _shap() -> Any:
    try:
        import shap
    except ImportError as error:
        raise missing_extra("shap", "baselines") from error
    return shap
