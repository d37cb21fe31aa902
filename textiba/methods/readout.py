"""The readout bottleneck: gates that a trained network predicts from one plain pass, with no optimisation.

Source: Schulz et al., *Restricting the Flow*, ICLR 2020, section 3.2.
"""

from typing import ClassVar

import torch
from pydantic import Field

from textiba.attribution import Attribution, GateDetails
from textiba.encoder import Encoder
from textiba.errors import TargetError
from textiba.forward import ForwardPass
from textiba.information import bits, kl_nats, normalize
from textiba.methods.base import Method, Passes, results
from textiba.readout import OWN, readout_for, readout_identity
from textiba.statistics import FeatureStatistics
from textiba.types import Targets


class Readout(Method):
    """Bits per token, as a trained readout network predicts them.

    The gates are those that keep the *predicted* class, whatever it is: the network finds it in the hidden states that
    it reads. μ_R, σ_R and β are those of its training.

    Attributes:
        layer: index into hidden_states of the bottleneck; one that the network was trained for.
        weights: "built-in" for the network that comes with the checkpoint; or what `textiba readout train` wrote: a
            folder or a file.
    """

    name: ClassVar[str] = "readout"
    unit: ClassVar[str] = "bits"
    signed: ClassVar[bool] = False

    layer: int = Field(default=2, ge=0)
    weights: str = OWN

    def passes(self, layers: int, tokens: int) -> Passes:
        """The plain pass; the network itself costs a few hundredths of it."""
        return Passes(1.0, 0.0)

    def rests_on(self, encoder: Encoder) -> dict[str, str]:
        """See `Method.rests_on`."""
        return {f"readout {self.weights}": readout_identity(encoder, self.weights)}

    def attribute(
        self,
        encoder: Encoder,
        forward: ForwardPass,
        targets: Targets,
        statistics: FeatureStatistics | None = None,
        seed: int = 0,
    ) -> list[Attribution]:
        """Reads the gates of all reviews of the batch; nothing here is random. See `Method.attribute`.

        Raises:
            TargetError: a target that is not the predicted class.
            InputError: no network comes with the checkpoint, or it was not trained for the layer.
        """
        encoder.check_layer(self.layer)
        if bool((targets != encoder.predict(forward)).any()):
            raise TargetError(
                "a readout explains the predicted class only, which it was trained for; explain another class with "
                "per_sample or evidence"
            )
        network, state, content = readout_for(encoder, self.weights), forward.hidden[self.layer], forward.batch.content
        with torch.no_grad():
            logits = network.at(self.layer, forward.hidden)
            normalized = normalize(state, network.mean[self.layer], network.std[self.layer])
            nats = kl_nats(normalized, logits.unsqueeze(-1)).sum(dim=-1)
        scores = bits(nats).masked_fill(~content, 0)
        gates = torch.sigmoid(logits).masked_fill(~content, 1).cpu().numpy()
        details = [GateDetails(gates[i, : len(review)]) for i, review in enumerate(forward.batch.reviews)]
        return results(self, self.layer, encoder, forward, targets, scores, details)
