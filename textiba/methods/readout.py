"""The readout bottleneck: gates that a trained network predicts from one plain pass, with no optimisation.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.2.
"""

from typing import ClassVar

import torch

from textiba.attribution import Attribution, GateDetails
from textiba.bottleneck.readout import OWN, readout_for, readout_identity
from textiba.bottleneck.statistics import FeatureStatistics
from textiba.errors import TargetError
from textiba.information import bits, kl_nats, normalize
from textiba.methods.base import LayerMethod, Passes, results
from textiba.model.forward import ForwardPass
from textiba.model.outcomes import Classes
from textiba.model.view import Model
from textiba.types import Targets


class ReadoutBottleneck(LayerMethod):
    """Bits per token, as a trained readout network predicts them.

    The gates are those that keep the *predicted* class, whatever it is: the network finds it in the hidden states that
    it reads. μ_R, σ_R and β are those of its training.

    Attributes:
        layer: index into hidden_states of the bottleneck, one that the network was trained for; None takes a third of
            the depth (layer 2 of 6, 4 of 12).
        weights: "built-in" for the network that comes with the checkpoint; or what `textiba readout train` wrote: a
            folder or a file.
    """

    name: ClassVar[str] = "readout"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False
    depth: ClassVar[float] = 1 / 3

    weights: str = OWN

    def _passes(self, layers: int, tokens: int) -> Passes:
        """The plain pass; the network itself costs a few hundredths of it."""
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
        """Reads the gates of all texts of the batch; nothing here is random. See `Method.attribute`.

        Raises:
            TargetError: a target that is not the predicted class.
            InputError: no network comes with the checkpoint, or it was not trained for the layer.
        """
        if not isinstance(model.outcome, Classes):
            raise TargetError(
                f"a readout explains the class that it was trained for; asked is {model.reading.words}. Explain it with "
                "per_sample or evidence"
            )
        if bool((targets != model.predict(forward)).any()):
            raise TargetError(
                "a readout explains the predicted class only, which it was trained for; explain another class with "
                "per_sample or evidence"
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
        gates = torch.sigmoid(logits).masked_fill(~content, 1).cpu().numpy()
        details = [GateDetails(gates[i, : len(text)]) for i, text in enumerate(forward.batch.texts)]
        return results(self, self.place, model, forward, targets, scores, details)
