"""A pretrained encoder with its tokenizer, which all pipelines of a process share."""

import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import Errors
from ..model_types.table import spec_for
from .fingerprint import tokenizer_fingerprint
from .model import build_model, tensors_of
from .tokenizer import read_piece_table
from .weight_files import WeightFiles


@dataclass(eq=False)
class Backbone:
    """A pretrained encoder and its tokenizer. Its weights are immutable: users take `share()`.

    name (str): The name by which it was loaded.
    folder (Path): The folder of its files.
    model (PreTrainedModel): The encoder, all tensors frozen, in evaluation mode.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer, the fast one if there is one.
    tokenizer_files (dict[str, bytes]): What the tokenizer was made from.
    fingerprint (str): SHA-256 of the weights in float32.
    """

    name: str
    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    tokenizer_files: dict[str, bytes]
    fingerprint: str

    @property
    def config(self) -> PretrainedConfig:
        """RETURNS (PretrainedConfig): The encoder's config."""
        return self.model.config

    @cached_property
    def tokenizer_fingerprint(self) -> str:
        """RETURNS (str): SHA-256 of what decides what the model reads of a text."""
        return tokenizer_fingerprint(self.tokenizer, self.tokenizer_files, self.piece_inputs())

    def share(self) -> PreTrainedModel:
        """Copy the encoder's modules, but not its tensors.

        RETURNS (PreTrainedModel): A model that can be given adapters and a mode of its own. It
            holds this backbone's tensors, so it costs next to no memory.
        """
        tensors = chain(self.model.parameters(), self.model.buffers())
        return copy.deepcopy(self.model, {id(tensor): tensor for tensor in tensors})

    def piece_inputs(self) -> dict[str, torch.Tensor]:
        """Read the inputs that the model looks up for each piece of the vocabulary.

        RETURNS (dict[str, torch.Tensor]): A table `(vocabulary,)` by the input's name; none for
            those of which the tokenizer has no file.
        """
        tables = {}
        for name, file in spec_for(self.config.model_type).piece_inputs.items():
            if file in self.tokenizer_files:
                content = self.tokenizer_files[file]
                vocabulary = self.tokenizer.get_vocab()
                tables[name] = read_piece_table(self.tokenizer, vocabulary, content)
        return tables

    def weights(self) -> dict[str, torch.Tensor]:
        """Get the weights in float32, of which the fingerprint was made.

        RETURNS (dict[str, torch.Tensor]): The weights by the names that they have in the backbone's
            own files.
        RAISES (BertFamilyError): If they must be read again, and the files have gone or changed.
        """
        weights = self._float32_weights()
        return {f"{self.prefix}{name}": tensor for name, tensor in weights.items()}

    @property
    def prefix(self) -> str:
        """RETURNS (str): How the names of the encoder's tensors begin in the backbone's files."""
        path = spec_for(self.config.model_type).encoder_path
        return "" if path is None else f"{path}."

    def _float32_weights(self) -> dict[str, torch.Tensor]:
        if self.model.dtype == torch.float32:
            return tensors_of(self.model)
        try:
            model, found = build_model(self.name, self.config, WeightFiles(self.folder))
        except (ValueError, OSError) as e:
            raise Errors.B043(name=self.name, folder=str(self.folder)) from e
        if found != self.fingerprint:
            raise Errors.B043(name=self.name, folder=str(self.folder))
        return tensors_of(model)
