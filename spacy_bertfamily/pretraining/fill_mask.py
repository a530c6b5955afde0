"""Guess the pieces that are masked in a text: a look at what a backbone knows."""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from ..backbone.lm_head import masked_lm_class
from ..backbone.model import LOADING_LOCK, load_into
from ..encoder.settings import max_positions
from ..errors import Errors
from .pretrained import PretrainedBackbone, read_backbone, read_pretrained

# How a mask may be written in a text, whatever the tokenizer.
MASK = "[MASK]"


def fill_mask(
    name: str | os.PathLike[str], text: str, top: int = 5
) -> list[list[tuple[str, float]]]:
    """Guess the pieces that are masked in a text.

    name (str | PathLike): A backbone, by its folder, `package:folder` or hub id; or a file that
        `spacy pretrain` has saved, such as `model3.bin`.
    text (str): The text. A mask is written `[MASK]`, or as the tokenizer writes it.
    top (int): The number of guesses for each mask.
    RETURNS (list[list[tuple[str, float]]]): For each mask in the text, the best pieces and their
        probabilities.
    RAISES (BertFamilyError): If there is no mask in the text, the text is longer than a window, or
        the backbone has no head that predicts pieces.
    """
    if top < 1:
        raise Errors.B402(setting="top", value=top, allowed="1 or more")
    found = read_pretrained(name) if Path(name).is_file() else read_backbone(os.fspath(name))
    model = load_masked_lm(found)
    inputs, masks = _read_text(found, text)
    with torch.inference_mode():
        logits = model(**inputs, return_dict=True).logits[0, masks]
    probabilities, pieces = logits.softmax(-1).topk(min(top, logits.shape[-1]))
    tokenizer = found.shared.tokenizer
    guesses: list[list[tuple[str, float]]] = []
    for row, chances in zip(pieces.tolist(), probabilities.tolist()):
        guesses.append([(tokenizer.decode([p]), chance) for p, chance in zip(row, chances)])
    return guesses


def load_masked_lm(found: PretrainedBackbone) -> PreTrainedModel:
    """Make the masked language model of a backbone, with its adapter in place.

    found (PretrainedBackbone): The backbone, with its head.
    RETURNS (PreTrainedModel): The model, in evaluation mode.
    RAISES (BertFamilyError): If it has no head, or only a part of one.
    """
    model_class = masked_lm_class(found.config)
    if found.model_class is not model_class:
        raise Errors.B419(name=found.name)
    with LOADING_LOCK, torch.random.fork_rng():  # what is missing is drawn
        model, info = load_into(
            model_class, found.name, found.config, found.weights, keep_misfits=True
        )
    if info["missing_keys"] or info["mismatched_keys"]:
        raise Errors.B419(name=found.name)
    if found.adapter is not None:
        with LOADING_LOCK, torch.random.fork_rng():  # its weights are drawn, and then overwritten
            found.adapter.attach(model)
    return model.eval()


def _read_text(found: PretrainedBackbone, text: str) -> tuple[dict[str, Any], torch.Tensor]:
    """RETURNS (tuple[dict[str, Any], torch.Tensor]): The model's inputs, and places of masks."""
    tokenizer = found.shared.tokenizer
    mask = tokenizer.mask_token
    if mask is None:
        raise Errors.B403(name=found.name)
    inputs = dict(tokenizer(text.replace(MASK, mask), return_tensors="pt"))
    ids = inputs["input_ids"]
    (masks,) = torch.nonzero(ids[0] == tokenizer.mask_token_id, as_tuple=True)
    if not len(masks):
        raise Errors.B418(text=text, mask=mask)
    limit = max_positions(found.config)
    if limit is not None and found.adapter is not None:
        limit -= found.adapter.settings.positions
    if limit is not None and ids.shape[1] > limit:
        allowed = f"at most {limit} pieces, while this one has {ids.shape[1]}"
        raise Errors.B402(setting="text", value=f"{text[:40]}...", allowed=allowed)
    for name, table in found.shared.piece_inputs().items():
        inputs[name] = table[ids]
    return inputs, masks
