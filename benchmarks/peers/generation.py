"""Writing with transformers' `generate`: a BERT as a decoder, with the weights of a backbone."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import BertConfig, BertLMHeadModel, LogitsProcessor, LogitsProcessorList

from spacy_bertfamily.backbone import Backbone


class EndsAt(LogitsProcessor):
    """End each text at a length.

    lengths (torch.Tensor): The pieces of each row's text with the closing one, `(rows,)`.
    prompt (int): The pieces before the texts.
    end_id (int): The closing piece.
    pad_id (int): The padding, which is not written.
    """

    def __init__(self, lengths: torch.Tensor, prompt: int, end_id: int, pad_id: int):
        self.lengths = lengths
        self.prompt = prompt
        self.end_id = end_id
        self.pad_id = pad_id

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Set the closing piece's score to the lowest or the highest."""
        lengths = self.lengths.repeat_interleave(len(scores) // len(self.lengths))
        ends = lengths <= input_ids.shape[1] - self.prompt + 1
        scores = scores.clone()
        scores[:, self.pad_id] = -1e4
        scores[:, self.end_id] = torch.where(ends, 1e4, -1e4)
        return scores


def make_decoder(backbone: Backbone) -> BertLMHeadModel:
    """RETURNS (BertLMHeadModel): A decoder of the same size, with the backbone's weights."""
    decoder = {"is_decoder": True, "use_cache": True}
    config = BertConfig.from_dict({**backbone.config.to_dict(), **decoder})
    model = BertLMHeadModel(config)
    model.bert.load_state_dict(backbone.model.state_dict(), strict=False)
    model.tie_weights()
    return model.eval()


def write(
    model: Any, tokenizer: Any, texts: Sequence[str], lengths: Sequence[int], beams: int, batch: int
) -> int:
    """Write a text of a given length for each source. Prompts are padded on the left.

    model (BertLMHeadModel): The decoder.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    texts (Sequence[str]): The sources.
    lengths (Sequence[int]): The pieces of each text, with the closing one.
    beams (int): The number of beams.
    batch (int): Texts in a batch.
    RETURNS (int): The pieces that were written, without padding.
    """
    tokenizer.padding_side = "left"
    end_id, pad_id = tokenizer.sep_token_id, tokenizer.pad_token_id
    written = 0
    for start in range(0, len(texts), batch):
        inputs = tokenizer(list(texts[start : start + batch]), return_tensors="pt", padding=True)
        prompt = inputs["input_ids"].shape[1]
        of_batch = torch.tensor(lengths[start : start + batch])
        ends = EndsAt(of_batch, prompt, end_id, pad_id)
        with torch.inference_mode():
            output = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=int(of_batch.max()),
                num_beams=beams,
                do_sample=False,
                eos_token_id=end_id,
                pad_token_id=pad_id,
                logits_processor=LogitsProcessorList([ends]),
            )
        new = output[:, prompt:]
        found = (new != pad_id).sum(1).tolist()
        written += sum(found)
    return written
