"""Training with transformers' own heads in a plain torch loop: all weights, or LoRA by peft."""

from collections.abc import Callable
from typing import Any

from . import NAME

FULL, PEFT = "transformers, full", "peft, LoRA"


def make_loop(way: str, task: str, examples: list[Any], rate: float) -> Callable[[list[Any]], None]:
    """Make the step of a plain training loop: what the documentation of both libraries shows,
    without their trainers.

    way (str): `transformers, full` or `peft, LoRA` (rank 8, peft's choice of modules).
    task (str): `tagger` or `pairs`.
    examples (list[Example]): Annotated, all labels among them.
    rate (float): The learning rate.
    RETURNS (Callable[[list[Example]], None]): Trains on a batch.
    """
    import peft
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
    )

    from spacy_bertfamily.backbone.locate import locate

    folder, of_words = str(locate(NAME)), task == "tagger"
    head = AutoModelForTokenClassification if of_words else AutoModelForSequenceClassification
    labels = sorted(
        {label for example in examples for label in _labels(example.reference, of_words)}
    )
    model = head.from_pretrained(folder, num_labels=len(labels))
    if way == PEFT:
        kind = "TOKEN_CLS" if of_words else "SEQ_CLS"
        model = peft.get_peft_model(model, peft.LoraConfig(task_type=kind, r=8, lora_alpha=16))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
    model.train()

    def step(batch: list[Any]) -> None:
        golds = [
            [labels.index(label) for label in _labels(example.reference, of_words)]
            for example in batch
        ]
        inputs = _encode(tokenizer, batch, of_words)
        target = _target(inputs, golds) if of_words else torch.tensor(golds)[:, 0]
        model(**inputs, labels=target).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _labels(doc: Any, of_words: bool) -> list[str]:
    """RETURNS (list[str]): The tags of a Doc's words, or its one category."""
    return [token.tag_ for token in doc] if of_words else [max(doc.cats, key=doc.cats.__getitem__)]


def _encode(tokenizer: Any, batch: list[Any], of_words: bool) -> Any:
    if of_words:
        texts = [[token.text for token in example.predicted] for example in batch]
    else:
        texts = [tuple(example.predicted.text.split(" [SEP] ", 1)) for example in batch]
    return tokenizer(
        texts,
        is_split_into_words=of_words,
        padding=True,
        truncation=True,
        max_length=384,
        return_tensors="pt",
    )


def _target(inputs: Any, golds: list[list[int]]) -> Any:
    """RETURNS (torch.Tensor): Each word's label at its first piece, -100 elsewhere, `(texts,
    pieces)`.
    """
    import torch

    target = torch.full_like(inputs["input_ids"], -100)
    for row, gold in enumerate(golds):
        words = inputs.word_ids(row)
        for place, word in enumerate(words):
            if word is not None and word != words[place - 1]:
                target[row, place] = gold[word]
    return target
