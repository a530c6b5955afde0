"""A pretrained causal model as a decoder, which reads the source before the target.

The encoder's states are projected to its embeddings: a soft prefix, as long as the source. Or it
reads the text of the source in its own pieces. The model itself is frozen; an adapter is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from spacy.tokens import Doc
from torch import nn

from ...adapters import Adapter
from ...adapters.named import DEFAULT, NamedAdapters
from ...backbone import Backbone, load_backbone
from ...backbone.model import LOADING_LOCK
from ...backbone.weight_files import WeightFiles
from ...encoder.settings import max_positions
from ...errors import Errors
from ...model_types.table import SPECS, known_spec
from ...transformer.shim import EncoderShim
from ...windows.pieces import PieceTokenizer
from .decoder import Decoder, DecoderModules, run_with_cache
from .encoded_sources import EncodedSources, SourceWindows
from .writer import Source, never_written

READS = ("states", "text", "both")
OUTPUT = "lm_head.weight"
# How the models that are loaded split texts; to make this takes a while for large vocabularies.
_TOKENIZERS: "WeakKeyDictionary[Backbone, PieceTokenizer]" = WeakKeyDictionary()


class PretrainedModules(DecoderModules):
    """The network.

    backbone (Backbone): The causal model.
    output (torch.Tensor): What it predicts pieces with, `(vocabulary, width)`.
    adapter (Adapter | None): What is trained in it.
    width (int): The width of the encoder's states; 0 if they are not read.
    """

    fingerprint: torch.Tensor

    def __init__(
        self, backbone: Backbone, output: torch.Tensor, adapter: Adapter | None, width: int
    ):
        super().__init__()
        self.backbone = backbone
        self.output = output
        self.model = NamedAdapters(backbone.share(), trains_adapter=True)
        if adapter is not None:
            spec = known_spec(backbone.config.model_type)
            self.model.new_adapter(DEFAULT, adapter, spec)
            self.model.set_adapter(DEFAULT)
        digest = bytes.fromhex(backbone.fingerprint)
        self.register_buffer("fingerprint", torch.tensor(list(digest), dtype=torch.uint8))
        self.project: nn.Linear | None = None
        if width:
            own = self.embeddings.weight
            self.project = nn.Linear(width, own.shape[1])
            self.norm = nn.LayerNorm(own.shape[1])
            # of the size of embeddings of pieces, which the model knows
            self.norm.weight.data.fill_(float(own.detach().float().std()))

    @property
    def embeddings(self) -> nn.Embedding:
        """RETURNS (nn.Embedding): The model's embeddings of pieces."""
        model: Any = self.model.backbone
        embeddings: nn.Embedding = model.get_input_embeddings()
        return embeddings

    def train(self, mode: bool = True) -> "PretrainedModules":
        """Switch dropout on or off. The frozen model has none."""
        super().train(mode)
        self.model.backbone.train(False)
        return self

    def forward(
        self,
        sources: EncodedSources,
        ids: torch.Tensor,
        wanted: torch.Tensor,
        cache: Any = None,
        keep: bool = False,
    ) -> tuple[torch.Tensor, Any]:
        """Read pieces of targets, and score the pieces that may come after them."""
        read = self.embeddings(ids)
        kept, seen = (None, None) if cache is None else cache
        if seen is None:
            prefix, seen = self._read_sources(sources)
            read = torch.cat([prefix, read], dim=1)
        seen = torch.cat([seen, torch.ones_like(ids)], dim=1)
        positions = (seen.cumsum(1) - 1).clamp_min(0)[:, -read.shape[1] :]
        output, kept = run_with_cache(
            self.model.backbone,
            kept,
            keep,
            inputs_embeds=read,
            attention_mask=seen,
            position_ids=positions,
        )
        states = output.last_hidden_state[:, -ids.shape[1] :][wanted]
        return nn.functional.linear(states, self.output).float(), (kept, seen)

    def _read_sources(self, sources: EncodedSources) -> tuple[torch.Tensor, torch.Tensor]:
        """Make the beginning of each row.

        RETURNS (tuple[torch.Tensor, torch.Tensor]): What the model reads of the sources, with
            padding before it, `(rows, prefix, width)`; and 0 for padding, else 1, `(rows, prefix)`.
        """
        device = sources.mask.device
        rows = []
        for row, own_ids in enumerate(sources.own_ids):
            parts = [self.embeddings(torch.from_numpy(own_ids).to(device))]
            if self.project is not None:
                states = sources.states[row][sources.mask[row]]
                parts.insert(0, self.norm(self.project(states)).to(parts[0].dtype))
            rows.append(torch.cat(parts))
        longest = max(map(len, rows))
        padded = [nn.functional.pad(row, (0, 0, longest - len(row), 0)) for row in rows]
        lengths = torch.tensor([len(row) for row in rows], device=device)[:, None]
        places = torch.arange(longest, device=device)[None]
        return torch.stack(padded), (places >= longest - lengths).long()


@dataclass(frozen=True)
class PretrainedDecoder(Decoder):
    """Settings of a decoder; `spacy-bertfamily.PretrainedDecoder.v1` describes them.

    RAISES (BertFamilyError): If a setting is not allowed.
    """

    name: str
    adapter: Adapter | None = None
    reads: str = "states"

    def __post_init__(self) -> None:
        if self.reads not in READS:
            allowed = f"one of {', '.join(READS)}"
            raise Errors.B004(setting="reads", value=self.reads, allowed=allowed)
        if self.adapter is not None and not self.adapter.reads_single_pieces:
            raise Errors.B763(name=self.name, kind=type(self.adapter).__name__)

    @property
    def reads_states(self) -> bool:
        """RETURNS (bool): Whether it reads the encoder's states."""
        return self.reads != "text"

    def load(self, shim: EncoderShim) -> Backbone:
        """Load the model, or take the one that this process holds.

        shim (EncoderShim): Holds the encoder, on whose device the model is.
        RETURNS (Backbone): The model in float32.
        RAISES (BertFamilyError): If it cannot be loaded, or is not a causal one.
        """
        backbone = load_backbone(self.name, device=shim.encoder.device)
        model_type = backbone.config.model_type
        able = [name for name, spec in SPECS.items() if spec.causal]
        if model_type not in able:
            raise Errors.B762(name=self.name, model_type=model_type, able=", ".join(able))
        return backbone

    def new_modules(self, shim: EncoderShim) -> PretrainedModules:
        """RETURNS (PretrainedModules): The network, with a new adapter."""
        backbone = self.load(shim)
        output = self._find_output(backbone).to(shim.encoder.device)
        width = shim.encoder.width if self.reads_states else 0
        with LOADING_LOCK:
            return PretrainedModules(backbone, output, self.adapter, width)

    def _find_output(self, backbone: Backbone) -> torch.Tensor:
        """RETURNS (torch.Tensor): What the model predicts pieces with."""
        model: Any = backbone.model
        embeddings: torch.Tensor = model.get_input_embeddings().weight
        files = WeightFiles(backbone.folder)
        if backbone.config.tie_word_embeddings or OUTPUT not in files.stored:
            return embeddings
        output = torch.empty(files.stored[OUTPUT].shape)
        files.copy_to(output, OUTPUT)
        files.close()
        return output

    def empty_modules(
        self, shim: EncoderShim, tensors: Mapping[str, torch.Tensor]
    ) -> PretrainedModules:
        """RETURNS (PretrainedModules): The network, on the model that it was trained with."""
        modules = self.new_modules(shim)
        stored = tensors.get("fingerprint")
        if stored is not None and not torch.equal(stored, modules.fingerprint.cpu()):
            raise Errors.B764(name=self.name)
        return modules

    def limit(
        self, shim: EncoderShim, docs: Sequence[Doc], sources: Sequence[Source], max_length: int
    ) -> list[Source]:
        """Cut sources to the positions that the target leaves, and read their texts."""
        backbone = self.load(shim)
        positions = max_positions(backbone.config)
        room = None if positions is None else positions - max_length
        if room is not None and room < 1:
            raise Errors.B761(max_length=max_length, positions=positions)
        own_ids = [np.empty(0, dtype="int64")] * len(docs)
        if self.reads != "states":
            tokenizer = self._tokenizer(backbone)
            before = np.asarray(tokenizer.single.special[0], dtype="int64")
            texts = tokenizer.split([doc.text for doc in docs])
            own_ids = [np.concatenate([before, pieces.ids]) for pieces in texts]
        return [_cut(source, ids, room, self.reads_states) for source, ids in zip(sources, own_ids)]

    # The vocabulary is the model's own

    def _tokenizer(self, backbone: Backbone) -> PieceTokenizer:
        if backbone not in _TOKENIZERS:
            _TOKENIZERS[backbone] = PieceTokenizer(backbone.tokenizer, causal=True)
        return _TOKENIZERS[backbone]

    def encode_targets(self, shim: EncoderShim, texts: Sequence[str]) -> list[np.ndarray]:
        """RETURNS (list[np.ndarray]): Texts in the model's pieces."""
        return [pieces.ids for pieces in self._tokenizer(self.load(shim)).split(texts)]

    def text_of(self, modules: DecoderModules, shim: EncoderShim, ids: Sequence[int]) -> str:
        """RETURNS (str): The text of some of the model's pieces."""
        assert isinstance(modules, PretrainedModules)
        tokenizer = modules.backbone.tokenizer
        return str(tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def start_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that begins texts, or the one that ends them."""
        begin = self.load(shim).tokenizer.bos_token_id
        return self.end_id(shim) if begin is None else int(begin)

    def end_id(self, shim: EncoderShim) -> int:
        """RETURNS (int): The piece that ends texts.

        RAISES (BertFamilyError): If the tokenizer has none.
        """
        end = self.load(shim).tokenizer.eos_token_id
        if end is None:
            raise Errors.B760(name=self.name)
        return int(end)

    def forbidden_ids(self, shim: EncoderShim) -> list[int]:
        """RETURNS (list[int]): Special pieces, and numbers that are no pieces."""
        backbone = self.load(shim)
        model: Any = backbone.model
        rows = len(model.get_input_embeddings().weight)
        never = never_written(self._tokenizer(backbone), rows, self.end_id(shim))
        added = backbone.tokenizer.added_tokens_decoder.items()
        special = {piece for piece, token in added if token.special}
        return sorted({*never, *special} - {self.end_id(shim)})


def _cut(source: Source, own_ids: np.ndarray, room: int | None, reads_states: bool) -> Source:
    """Cut a source to the positions that there are: its states first, then its text.

    source (Source): The source.
    own_ids (np.ndarray): Its text in the model's pieces, `(pieces,)`.
    room (int | None): The positions; None for no limit.
    reads_states (bool): Whether states are read at all.
    RETURNS (Source): The source.
    """
    content: SourceWindows = source.content
    n_states = sum(map(len, content.kept)) if reads_states else 0
    if room is None or n_states + len(own_ids) <= room:
        length = n_states + len(own_ids)
        return Source(length, source.is_cut, replace(content, own_ids=own_ids))
    left, kept = room, []
    for positions in content.kept:
        kept.append(positions[:left] if reads_states else positions)
        left -= len(kept[-1]) if reads_states else 0
    own_ids = own_ids[: max(0, left)]
    length = room - max(0, left - len(own_ids))
    return Source(length, True, replace(content, kept=tuple(kept), own_ids=own_ids))
