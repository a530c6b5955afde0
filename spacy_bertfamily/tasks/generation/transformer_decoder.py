"""A transformer decoder with cross-attention, which reads and writes the encoder's pieces.

It is transformers' `ElectraForCausalLM`: BERT's layers, with embeddings that may be narrower than
them, as those of ALBERT and ELECTRA are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from spacy.tokens import Doc
from torch import nn
from transformers import ElectraConfig, ElectraForCausalLM

from ...backbone.model import LOADING_LOCK
from ...errors import Errors
from ...transformer.shim import EncoderShim
from .copying import CopyHead, mix_copies
from .decoder import Decoder, DecoderModules, run_with_cache
from .encoded_sources import EncodedSources
from .prefix_head import columns_of, sorted_pieces
from .prefix_lm import PIECES
from .spacing import Spacing, keeps_no_spaces
from .writer import Source, never_written

EMBEDDINGS = ("shared", "copied", "new")
# One attention head for each so many numbers of the width.
HEAD_WIDTH = 64


class TransformerModules(DecoderModules):
    """The network.

    model (ElectraForCausalLM): transformers' model.
    copy_head (CopyHead | None): Copies pieces of the source.
    """

    pieces: torch.Tensor | None

    def __init__(self, model: ElectraForCausalLM, copy_head: CopyHead | None = None):
        super().__init__()
        self.model = model
        self.copy_head = copy_head
        # the pieces that are predicted, sorted, `(pieces,)`; None for all
        self.register_buffer("pieces", None)
        # where what is written has no spaces; None if the pieces themselves say so
        self.spacing: Spacing | None = None

    def forward(
        self,
        sources: EncodedSources,
        ids: torch.Tensor,
        wanted: torch.Tensor,
        cache: Any = None,
        keep: bool = False,
    ) -> tuple[torch.Tensor, Any]:
        """Read pieces of targets, and score the pieces that may come after them."""
        output, cache = run_with_cache(
            self.model.electra,
            cache,
            keep,
            input_ids=ids,
            encoder_hidden_states=sources.states,
            encoder_attention_mask=sources.mask.long(),
        )
        states = output.last_hidden_state
        scores = self._predict(states[wanted])
        if self.copy_head is not None:
            weights, gate = self.copy_head(states, sources)
            rows = wanted.nonzero()[:, 0]
            scores = self._with_all(scores)
            scores = mix_copies(scores, weights[wanted], gate[wanted], sources.ids[rows])
        return scores, cache

    def _predict(self, states: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): Scores of the pieces that are predicted, in float32."""
        head, output = self.model.generator_predictions(states), self.model.generator_lm_head
        if self.pieces is None:
            return output(head).float()  # type: ignore[no-any-return]
        weight, bias = output.weight[self.pieces], output.bias[self.pieces]
        return nn.functional.linear(head, weight, bias).float()

    def _with_all(self, scores: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): Scores with minus infinity for pieces that are not predicted."""
        if self.pieces is None:
            return scores
        vocabulary = self.model.config.vocab_size
        all_scores = scores.new_full((len(scores), vocabulary), -torch.inf)
        return all_scores.index_copy(1, self.pieces, scores)

    def labels(self, pieces: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): The columns of pieces in the scores; -100 for none."""
        if self.pieces is None or self.copy_head is not None:
            return pieces
        return columns_of(self.pieces, pieces)

    def expand(self, scores: torch.Tensor) -> torch.Tensor:
        """RETURNS (torch.Tensor): Scores of the whole vocabulary."""
        return scores if self.copy_head is not None else self._with_all(scores)

    def use_embeddings(self, embeddings: nn.Parameter) -> None:
        """Read and predict pieces with these embeddings, `(vocabulary, width)`."""
        self.model.electra.embeddings.word_embeddings.weight = embeddings
        self.model.generator_lm_head.weight = embeddings


@dataclass(frozen=True)
class TransformerDecoder(Decoder):
    """Settings of a decoder; `spacy-bertfamily.TransformerDecoder.v1` describes them.

    RAISES (BertFamilyError): If a setting is not allowed.
    """

    layers: int = 2
    heads: int | None = None
    ffn: int | None = None
    embeddings: str = "shared"
    copy_source: bool = False
    dropout: float = 0.1
    max_positions: int = 512
    pieces: str = "all"

    def __post_init__(self) -> None:
        checks = {
            "layers": (self.layers >= 1, "1 or more"),
            "heads": (self.heads is None or self.heads >= 1, "1 or more, or null"),
            "ffn": (self.ffn is None or self.ffn >= 1, "1 or more, or null"),
            "embeddings": (self.embeddings in EMBEDDINGS, f"one of {', '.join(EMBEDDINGS)}"),
            "dropout": (0 <= self.dropout < 1, "at least 0 and less than 1"),
            "max_positions": (self.max_positions >= 1, "1 or more"),
            "pieces": (self.pieces in PIECES, f"one of {', '.join(PIECES)}"),
        }
        for setting, (is_allowed, allowed) in checks.items():
            if not is_allowed:
                value = getattr(self, setting)
                raise Errors.B004(setting=setting, value=value, allowed=allowed)

    def new_modules(self, shim: EncoderShim) -> TransformerModules:
        """RETURNS (TransformerModules): The network, with the encoder's embeddings or new ones."""
        config = self.make_config(shim)
        with LOADING_LOCK:
            model = ElectraForCausalLM(config)
            copy_head = CopyHead(config.hidden_size) if self.copy_source else None
        modules = TransformerModules(model, copy_head)
        if self.embeddings == "copied":
            exact = shim.encoder.embeddings.detach().float()
            modules.use_embeddings(nn.Parameter(exact.clone()))
        elif self.embeddings == "new":
            own: Any = model.electra.embeddings.word_embeddings.weight
            modules.use_embeddings(own)
        self.tie(modules, shim)
        return modules

    def empty_modules(
        self, shim: EncoderShim, tensors: Mapping[str, torch.Tensor]
    ) -> TransformerModules:
        """RETURNS (TransformerModules): The network, with what is known of the gold texts."""
        modules = self.new_modules(shim)
        modules.pieces = tensors.get("pieces")
        modules.spacing = Spacing.read(tensors)
        return modules

    def learn_targets(
        self, modules: DecoderModules, shim: EncoderShim, texts: Sequence[str]
    ) -> None:
        """Note which pieces gold texts have, and where they have no spaces."""
        assert isinstance(modules, TransformerModules)
        if self.pieces == "seen":
            targets = [pieces.ids for pieces in shim.tokenizer.split(texts)]
            modules.pieces = sorted_pieces(targets, self.end_id(shim))
        if keeps_no_spaces(shim.tokenizer):
            modules.spacing = Spacing.learn(shim.tokenizer, texts)

    def text_of(self, modules: DecoderModules, shim: EncoderShim, ids: Sequence[int]) -> str | None:
        """RETURNS (str | None): The text, with spaces where gold texts have them."""
        assert isinstance(modules, TransformerModules)
        spacing = modules.spacing
        return None if spacing is None else spacing.join(shim.tokenizer, ids)

    def make_config(self, shim: EncoderShim) -> ElectraConfig:
        """RETURNS (ElectraConfig): The config of transformers' model.

        RAISES (BertFamilyError): If the number of heads does not divide the encoder's width.
        """
        width = shim.encoder.width
        rows, embedding_width = shim.encoder.embeddings.shape
        heads = self.heads or max(1, round(width / HEAD_WIDTH))
        if width % heads:
            allowed = f"a number that divides the encoder's width, {width}"
            raise Errors.B004(setting="heads", value=heads, allowed=allowed)
        return ElectraConfig(
            vocab_size=rows,
            embedding_size=embedding_width,
            hidden_size=width,
            num_hidden_layers=self.layers,
            num_attention_heads=heads,
            intermediate_size=self.ffn or 4 * width,
            hidden_dropout_prob=self.dropout,
            attention_probs_dropout_prob=self.dropout,
            max_position_embeddings=self.max_positions,
            type_vocab_size=1,
            pad_token_id=shim.tokenizer.pad_id,
            is_decoder=True,
            add_cross_attention=True,
        )

    def tie(self, modules: DecoderModules, shim: EncoderShim) -> None:
        """Share the encoder's embeddings, if the settings say so."""
        assert isinstance(modules, TransformerModules)
        if self.embeddings == "shared":
            modules.use_embeddings(shim.encoder.embeddings)

    def limit(
        self, shim: EncoderShim, docs: Sequence[Doc], sources: Sequence[Source], max_length: int
    ) -> list[Source]:
        """Check that there are as many positions as a target may have pieces."""
        if max_length > self.max_positions:
            raise Errors.B761(max_length=max_length, positions=self.max_positions)
        return list(sources)

    def start_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): What is before a text ([CLS]), or what closes one where nothing is."""
        before = shim.tokenizer.single.special[0]
        return int(before[0]) if before else self.end_id(shim)

    def end_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that stands behind a text ([SEP]), or the one that ends texts.

        RAISES (BertFamilyError): If the tokenizer has neither.
        """
        behind = shim.tokenizer.single.special[1]
        plain = shim.tokenizer.tokenizer
        if behind:
            return int(behind[-1])
        if plain.eos_token_id is None:
            raise Errors.B760(name=shim.settings.name)
        return int(plain.eos_token_id)

    def forbidden_ids(self, shim: EncoderShim) -> list[int]:
        """RETURNS (list[int]): Special pieces, and numbers that are no pieces."""
        end_id, rows = self.end_id(shim), len(shim.encoder.embeddings)
        never = {*never_written(shim.tokenizer, rows, end_id), self.start_id(shim)}
        return sorted(never - {end_id})
