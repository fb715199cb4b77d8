"""The classifier: a pretrained encoder with a classification head. Its head and top blocks train.

With `train_layers=k` the embeddings and all but the top k blocks are frozen and in evaluation mode *by definition*, so
their outputs for a row never change and can be computed once (`bench.precomputed.frozen_states`).
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from bench.arrays import IntArray
from bench.encoders.checkpoints import Checkpoint
from bench.encoders.families import family
from bench.encoders.loading import load, output_layer
from bench.encoders.occurring_tokens import use_occurring
from bench.encoders.packed import use_packed
from bench.errors import UserError

# Attributes of the base model, by family of encoders, that hold its list of blocks.
BLOCKS = ("encoder.layer", "transformer.layer", "layers")
# Parts of the base model above its blocks.
ABOVE = ("pooler", "norm", "final_norm", "final_layer_norm", "final_layernorm")


class StatesAsEmbeddings(nn.Module):
    """Replaces the embeddings when the model's inputs are the states after the frozen blocks: it returns them."""

    def forward(self, *inputs: Tensor | None, inputs_embeds: Tensor | None = None, **_: object) -> Tensor:
        return next(states for states in (inputs_embeds, *reversed(inputs)) if states is not None)


class Classifier:
    """A model that is loaded once and reset for each cell.

    `start(head_seed)` resets the pretrained weights and draws the head. Unless `plain`, encoders of BERT's family skip
    padding (`bench.encoders.packed`). With a `vocabulary` (token ids, ascending) the model takes no other tokens and
    trains no other embeddings (`bench.encoders.occurring_tokens`).
    """

    # Computes the states of a batch whose inputs are tokens, after `use_states`.
    below: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None

    def __init__(
        self,
        checkpoint: Checkpoint,
        n_classes: int,
        train_layers: int | Literal["all"],
        *,
        plain: bool = False,
        vocabulary: IntArray | None = None,
    ) -> None:
        self.n_classes = n_classes
        loaded = load(checkpoint, n_classes)
        self.model = loaded.model
        self.base: nn.Module = self.model.get_submodule(str(self.model.base_model_prefix))
        # The last layer is always drawn: an encoder that is a classifier already has one for labels of its own.
        self.head = [self.model.get_submodule(name) for name in sorted({*loaded.new, loaded.output})]
        self.packed = not plain and use_packed(self.base)
        self.embedding = None if vocabulary is None else use_occurring(self.model, vocabulary)
        self.frozen: list[nn.Module] = []
        if train_layers != "all":
            self.frozen = self._freeze(checkpoint.name, train_layers)
        self.trained = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        self.pretrained = {name: weight.detach().clone() for name, weight in self.trained.items()}

    def _freeze(self, name: str, train_layers: int) -> list[nn.Module]:
        """Freeze all below the top blocks. Returns the modules that stay in evaluation mode."""
        above = [module for key, module in self.base.named_children() if key in ABOVE]
        if other := family(self.model.config).above:
            above.append(self.base.get_submodule(other))
        trained = [*top_blocks(self.base, name, train_layers), *above]
        keep = {id(weight) for module in trained for weight in module.parameters()}
        for weight in self.base.parameters():
            weight.requires_grad_(id(weight) in keep)
        inside = {id(module) for top in trained for module in top.modules()}
        return [module for module in self.base.modules() if id(module) not in inside]

    @property
    def output(self) -> nn.Linear:
        """The head's last layer, whose input is the classifier's features (B, H)."""
        layer = self.model.get_submodule(output_layer(self.model, self.n_classes))
        assert isinstance(layer, nn.Linear), "`output_layer` names a linear layer"
        return layer

    def weights(self) -> dict[str, Tensor]:
        """The weights that train, by the names and in the shapes of the whole model."""
        weights = {name: weight.detach() for name, weight in self.trained.items()}
        if self.embedding is not None:
            (name,) = (name for name, weight in self.trained.items() if weight is self.embedding.weight)
            weights[name] = self.embedding.expanded()
        return weights

    def peer(self) -> Classifier:
        """A second network: it has its own weights where they train, and shares the frozen ones."""
        frozen = {id(weight): weight for weight in self.model.parameters() if not weight.requires_grad}
        return copy.deepcopy(self, {**frozen, id(self.pretrained): self.pretrained})

    def start(self, head_seed: int) -> None:
        """Reset the pretrained weights, and draw the head from the seed alone."""
        with torch.no_grad():
            for name, weight in self.trained.items():
                weight.copy_(self.pretrained[name])
                weight.grad = None
        torch.manual_seed(head_seed)
        for module in self.head:
            device = next(module.parameters()).device
            module.cpu()  # so that a seed gives the same head on every device
            for weight in module.parameters(recurse=False):
                weight._is_hf_initialized = False  # else transformers does not draw it
            with torch.no_grad():
                self.model._init_weights(module)
            module.to(device)

    def train(self) -> None:
        """Dropout on in the parts that train, off below."""
        self.model.train()
        for module in self.frozen:
            module.training = False

    def eval(self) -> None:
        """Dropout off."""
        self.model.eval()

    def inputs_on(self, device: torch.device, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The inputs of a batch on a device, with states in place of tokens if the frozen blocks were dropped."""
        prepared = inputs if self.below is None else self.below(inputs)
        return {name: value.to(device) for name, value in prepared.items()}

    def use_states(self, train_layers: int) -> None:
        """Drop the frozen blocks: from now on the inputs are the states after them (`inputs_embeds`), not tokens."""
        holder, _, leaf = (block_path(self.base) or "").rpartition(".")
        parent = self.base.get_submodule(holder)
        setattr(parent, leaf, getattr(parent, leaf)[-train_layers:])
        self.base.embeddings = StatesAsEmbeddings()


def block_path(base: nn.Module) -> str | None:
    """The attribute of the base model that holds its blocks, None for an unknown family."""
    for path in BLOCKS:
        try:
            if isinstance(operator.attrgetter(path)(base), nn.ModuleList):
                return path
        except AttributeError:
            continue
    return None


def block_list(base: nn.Module, name: str) -> nn.ModuleList:
    """The base model's blocks, lowest first. Raises UserError for an unknown family."""
    path = block_path(base)
    if path is None:
        raise UserError(
            f"encoder {name!r}: there is no list of blocks at {', '.join(BLOCKS)} of which the lower ones could be "
            "frozen; train all of it: --set train_layers=all, or --preset full"
        )
    blocks: nn.ModuleList = operator.attrgetter(path)(base)
    return blocks


def top_blocks(base: nn.Module, name: str, count: int) -> list[nn.Module]:
    """The base model's `count` uppermost blocks. Raises UserError for an unknown family, or one with fewer blocks."""
    blocks = block_list(base, name)
    if count > len(blocks):
        raise UserError(f"train_layers={count}, but encoder {name!r} has {len(blocks)} blocks")
    return [*blocks[len(blocks) - count :]]
