"""A classifier that is a head alone: multinomial logistic regression on the embeddings of the frozen encoder.

The embedding of a text is the mean over its tokens of the last states (`bench.precomputed.embeddings`). Each one is
brought to mean 0 and variance 1, so that a learning rate means the same for every encoder.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers.modeling_outputs import SequenceClassifierOutput

from bench.encoders.classifier import Classifier


class Head(nn.Module):
    """A linear layer on embeddings, with the inputs and outputs of a classifier of transformers."""

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(width, n_classes)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor | None = None) -> SequenceClassifierOutput:
        """(B, C) logits of rows of one embedding each, (B, 1, H)."""
        embeddings = layer_norm(inputs_embeds[:, 0], inputs_embeds.shape[2:])
        return SequenceClassifierOutput(logits=self.output(embeddings))

    def _init_weights(self, module: nn.Linear) -> None:
        """Draw the head, as transformers does for BERT."""
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


class HeadClassifier(Classifier):
    """The classifier of a cell with `train_layers=0`. The encoder itself is not loaded."""

    def __init__(self, width: int, n_classes: int) -> None:
        self.n_classes = n_classes
        head = Head(width, n_classes)
        self.model, self._output, self.head = head, head.output, [head.output]
        self.packed, self.embedding, self.frozen = False, None, []
        self.trained = dict(self.model.named_parameters())
        self.pretrained = {name: weight.detach().clone() for name, weight in self.trained.items()}

    @property
    def output(self) -> nn.Linear:
        """The head, whose input is the classifier's features (B, H)."""
        return self._output
