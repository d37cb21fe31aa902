"""The readout bottleneck: a trained network predicts the gates from one plain pass, without optimisation.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.2.
"""

from typing import ClassVar

import torch

from textiba.attribution import Attribution, GateDetails
from textiba.bottleneck.readout import OWN, readout_for, readout_identity
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import TargetError
from textiba.information import bits, kl_nats, normalize
from textiba.methods.base import LayerMethod, Passes
from textiba.methods.results import results
from textiba.model.forward import ForwardPass
from textiba.model.outcomes import Classes
from textiba.model.view import Model
from textiba.types import Targets


class ReadoutBottleneck(LayerMethod):
    """Bits per token, with gates that a trained readout network predicts.

    The predicted gates keep the *predicted* class, which the network infers from the hidden states. μ_R, σ_R and β are
    the values of the network's training.

    Attributes:
        layer: index into hidden_states of the bottleneck; the network must have been trained for this layer. None takes
            a third of the depth (layer 2 of 6, 4 of 12).
        weights: "built-in" for the network that comes with the checkpoint; or a folder or file that
            `textiba readout train` wrote.
    """

    name: ClassVar[str] = "readout"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False
    depth: ClassVar[float] = 1 / 3

    weights: str = OWN

    def _passes(self, layers: int, tokens: int) -> Passes:
        """Only the plain pass; the network costs a few hundredths of a pass, which are not counted."""
        return Passes(1.0, 0.0)

    def files(self, model: Model) -> dict[str, str]:
        """See `Method.files`."""
        return {f"readout {self.weights}": readout_identity(model, self.weights)}

    def _attribute(
        self,
        model: Model,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None,
        seed: int,
    ) -> list[Attribution]:
        """Predicts the gates of all texts of the batch; `seed` is not used. See `Method.attribute`.

        Raises:
            TargetError: a target is not the predicted class, or the model's outcomes are not classes.
            InputError: there is no network, or the network was not trained for the layer.
            StatisticsMismatchError: the network was trained on another model.
            CorruptFileError: the network's file is damaged.
        """
        if not isinstance(model.outcome, Classes):
            raise TargetError(
                "a readout explains the predicted one of a model's classes, and is trained for this alone; this model "
                f"was asked: {model.reading.words}. Use per_sample or evidence"
            )
        if bool((targets != model.predict(forward)).any()):
            raise TargetError(
                "a readout explains the predicted class only, and is trained for this alone; another target was given. "
                "Use per_sample or evidence for other targets"
            )
        network, state, content = (
            readout_for(model, self.weights),
            forward.hidden_states[self.place],
            forward.batch.content,
        )
        with torch.no_grad():
            logits = network.at(self.place, forward.hidden_states)
            normalized = normalize(state, network.mean[self.place], network.std[self.place])
            nats = kl_nats(normalized, logits.unsqueeze(-1)).sum(dim=-1)
        scores = bits(nats).masked_fill(~content, 0)
        batch = forward.batch
        scores = batch.by_token(batch.shared(scores))
        gates = batch.by_token(batch.shared(torch.sigmoid(logits).masked_fill(~content, 1))).cpu().numpy()
        details = [GateDetails(gates[i, : len(text)]) for i, text in enumerate(batch.texts)]
        return results(self, self.place, model, forward, targets, scores, details)
