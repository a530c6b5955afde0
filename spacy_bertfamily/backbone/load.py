"""Backbones: a pretrained encoder with its tokenizer, frozen and shared within the process."""

import copy
import json
import tempfile
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast
from weakref import WeakValueDictionary

import torch
from torch import nn
from transformers import (
    CONFIG_MAPPING,
    MODEL_MAPPING,
    TOKENIZER_MAPPING,
    AutoTokenizer,
    BertTokenizerFast,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from ..errors import Errors
from ..model_types.spec import ModelTypeSpec
from ..model_types.table import spec_for
from .consistency import check_pieces, check_size, check_types
from .fingerprint import fingerprint
from .locate import locate
from .safety import check_links, clean_config, read_json, read_tokenizer_files, read_weights

# Live backbones, by the files they came from and by what they turned out to be. Weak: the last
# pipeline that lets go of a backbone frees it.
_BY_FILES: "WeakValueDictionary[tuple, Backbone]" = WeakValueDictionary()
_BY_CONTENT: "WeakValueDictionary[tuple, Backbone]" = WeakValueDictionary()


@dataclass(eq=False)
class Backbone:
    """A pretrained encoder and its tokenizer, as they came. Never changed: users take `share()`.

    name (str): The name that it was asked for by.
    folder (Path): Where its files were.
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
        return self.model.config

    def share(self) -> PreTrainedModel:
        """RETURNS (PreTrainedModel): A model of its own modules, so that it can be given adapters
        and a mode of its own, over this backbone's very tensors, so that it costs no memory.
        """
        tensors = chain(self.model.parameters(), self.model.buffers())
        return copy.deepcopy(self.model, {id(tensor): tensor for tensor in tensors})

    def piece_inputs(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, torch.Tensor]): What the model wants to know of each piece of the
        vocabulary, by the name of its input; nothing where the tokenizer does not say.
        """
        vocabulary, special = self.tokenizer.get_vocab(), set(self.tokenizer.all_special_ids)
        tables = {}
        for name, file in spec_for(self.config.model_type).piece_inputs.items():
            if file in self.tokenizer_files:
                ids = json.loads(self.tokenizer_files[file])
                unknown = ids.get(self.tokenizer.unk_token, 0)
                table = torch.zeros(max(vocabulary.values()) + 1, dtype=torch.long)
                for piece, i in vocabulary.items():
                    table[i] = unknown if i in special else ids.get(piece, unknown)
                tables[name] = table
        return tables

    def weights(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, torch.Tensor]): The weights in float32, as the fingerprint saw them,
        under the names that they have in the backbone's own files.
        """
        part = spec_for(self.config.model_type).encoder_path
        return {
            f"{part}.{name}" if part else name: tensor
            for name, tensor in self._read_weights().items()
        }

    def _read_weights(self) -> dict[str, torch.Tensor]:
        if self.model.dtype == torch.float32:
            return _state(self.model)
        try:
            weights = _state(_build_model(self.name, self.config, read_weights(self.folder)))
        except (ValueError, OSError) as e:
            raise Errors.B043(name=self.name, folder=str(self.folder)) from e
        if fingerprint(weights) != self.fingerprint:
            raise Errors.B043(name=self.name, folder=str(self.folder))
        return weights


def read_config(name: str) -> tuple[Path, PretrainedConfig]:
    """Find a backbone and read what it is, without its weights.

    name (str): Local folder, `package:folder`, or hub id.
    RETURNS (tuple[Path, PretrainedConfig]): Its folder and its config, cleaned of everything that
        could run code.
    """
    folder = locate(name)
    if not (folder / "config.json").is_file():
        raise Errors.B024(folder=str(folder), missing="config.json")
    check_links(folder)
    content = clean_config(read_json(folder / "config.json"))
    model_type = str(content.get("model_type"))
    if model_type not in CONFIG_MAPPING or CONFIG_MAPPING[model_type] not in MODEL_MAPPING:
        raise Errors.B027(name=name, model_type=model_type)
    file = str(folder / "config.json")
    check_types(CONFIG_MAPPING[model_type], content, file)
    try:
        return folder, CONFIG_MAPPING[model_type].from_dict(content)
    except Exception as e:  # whatever a config's own code makes of strange entries
        raise Errors.B046(file=file, reason=str(e) or repr(e)) from e


def load_backbone(
    name: str, *, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> Backbone:
    """Load a backbone, or take the one that this process already holds.

    name (str): Local folder, `package:folder`, or hub id.
    dtype (torch.dtype): Type of the weights in memory.
    device (torch.device): Where they go. Defaults to the CPU.
    RETURNS (Backbone): The backbone.
    RAISES (ValueError): If something is missing, does not fit, or is not plain data.
    """
    device = device or torch.device("cpu")
    folder, config = read_config(name)
    files_key = (_signature(folder), dtype, str(device))
    if files_key in _BY_FILES:
        return _BY_FILES[files_key]
    files = read_tokenizer_files(folder)
    tokenizer = _build_tokenizer(name, config, files)
    model = _build_model(name, config, read_weights(folder))
    check_pieces(name, model, tokenizer)
    backbone = Backbone(name, folder, model, tokenizer, files, fingerprint(_state(model)))
    content_key = (
        backbone.fingerprint,
        config.to_json_string(),
        tuple(sorted(files.items())),
        dtype,
        str(device),
    )
    if content_key in _BY_CONTENT:  # the same backbone from another place
        backbone = _BY_CONTENT[content_key]
    else:
        nn.Module.to(model, device=device, dtype=dtype)
        _BY_CONTENT[content_key] = backbone
    _BY_FILES[files_key] = backbone
    return backbone


def _signature(folder: Path) -> tuple:
    """What changes when somebody changes a file of the folder."""
    stats = [(path, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return (
        str(folder.resolve()),
        *((path.name, stat.st_size, stat.st_mtime_ns) for path, stat in stats),
    )


def _state(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return dict(model.state_dict())


def model_class(config: PretrainedConfig) -> type[PreTrainedModel]:
    """RETURNS (type[PreTrainedModel]): The plain encoder of a config, without any head."""
    found = MODEL_MAPPING[type(config)]
    return cast(type[PreTrainedModel], found[0] if isinstance(found, tuple) else found)


def make_model(config: PretrainedConfig) -> nn.Module:
    """RETURNS (nn.Module): The plain encoder of a config, with new weights."""
    return _encoder_of(model_class(config)(copy.deepcopy(config)))


def _encoder_of(model: PreTrainedModel) -> PreTrainedModel:
    part = spec_for(model.config.model_type).encoder_path
    return model if part is None else cast(PreTrainedModel, model.get_submodule(part))


@torch.random.fork_rng()  # what files lack is drawn, and dropped: that must not move the random numbers of a training
def _build_model(
    name: str, config: PretrainedConfig, weights: dict[str, torch.Tensor]
) -> PreTrainedModel:
    spec = spec_for(config.model_type)
    weights = _with_embeddings(weights, spec)
    check_size(name, config, weights, lambda: make_model(config))
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # unused heads are normal here, and what is missing is checked below
    try:
        model, info = model_class(config).from_pretrained(
            None,
            config=config,
            state_dict=weights,
            torch_dtype=torch.float32,
            output_loading_info=True,
        )
    except RuntimeError as e:
        reason = str(e).splitlines()[-1]
        raise Errors.B028(
            name=name, missing="unknown", mismatched=reason, model_type=config.model_type
        ) from e
    finally:
        transformers_logging.set_verbosity(level)
    missing = [
        key for key in info["missing_keys"] if not key.startswith("pooler.") and _is_read(key, spec)
    ]
    if missing or info["mismatched_keys"]:
        raise Errors.B028(
            name=name,
            missing=missing,
            mismatched=info["mismatched_keys"],
            model_type=config.model_type,
        )
    if any(key.startswith("pooler.") for key in info["missing_keys"]):
        model.pooler = None  # it would hold random weights
    model.config.use_cache = False  # of keys and values, for a next token that never comes
    return _encoder_of(model).requires_grad_(False).eval()


def _is_read(key: str, spec: ModelTypeSpec) -> bool:
    """RETURNS (bool): Whether a tensor belongs to the part of the model that is kept."""
    return spec.encoder_path is None or key.startswith(
        (f"{spec.encoder_path}.", f"{spec.embeddings_path}.")
    )


def _with_embeddings(
    weights: dict[str, torch.Tensor], spec: ModelTypeSpec
) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, torch.Tensor]): Weights with an encoder's embeddings of pieces where the
    whole model looks for them: a backbone that was stored with a pipeline holds the encoder only.
    """
    own, outside = (
        f"{spec.encoder_path}.{spec.embeddings[0]}.weight",
        f"{spec.embeddings_path}.weight",
    )
    if (
        spec.encoder_path is None
        or own not in weights
        or any(key.endswith(outside) for key in weights)
    ):
        return weights
    return {**weights, outside: weights[own]}


def _build_tokenizer(
    name: str, config: PretrainedConfig, files: dict[str, bytes]
) -> PreTrainedTokenizerBase:
    kwargs: dict[str, Any] = {
        "use_fast": True,
        "trust_remote_code": False,
        "local_files_only": True,
    }
    with tempfile.TemporaryDirectory() as folder:
        for file_name, content in {
            **files,
            "config.json": json.dumps({"model_type": config.model_type}).encode(),
        }.items():
            (Path(folder) / file_name).write_bytes(content)
        try:
            tokenizer_class = BertTokenizerFast if _is_wordpiece(config, files) else AutoTokenizer
            tokenizer = tokenizer_class.from_pretrained(folder, **kwargs)
        except Exception as e:  # whatever a broken tokenizer file leads to
            raise Errors.B024(folder=name, missing=f"readable tokenizer ({e})") from e
    return tokenizer


def _is_wordpiece(config: PretrainedConfig, files: dict[str, bytes]) -> bool:
    """RETURNS (bool): Whether there is but a vocab.txt, not for the model's usual tokenizer, and
    nothing says for which: a WordPiece vocabulary (Chinese ALBERTs).
    """
    settings = json.loads(files.get("tokenizer_config.json", b"{}"))
    if "vocab.txt" not in files or settings.get("tokenizer_class"):
        return False
    usual = [kind for kind in TOKENIZER_MAPPING.get(type(config), ()) if kind is not None]
    return not {name for kind in usual for name in kind.vocab_files_names.values()} & set(files)
