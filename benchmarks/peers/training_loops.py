"""Training with transformers' own heads in a plain torch loop: all weights, or LoRA by peft."""

from collections.abc import Callable
from typing import Any

from benchmarks.defaults import BACKBONE

# The names of the ways in the tables
FULL, PEFT = "transformers, full", "peft, LoRA"


def make_step(way: str, task: str, examples: list[Any], rate: float) -> Callable[[list[Any]], None]:
    """Make the step of a plain loop, as the documentation of both libraries shows it.

    way (str): `transformers, full` or `peft, LoRA` (rank 8, peft's choice of modules).
    task (str): `tagger` or `pairs`.
    examples (list[Example]): Annotated, all labels among them.
    rate (float): The learning rate.
    RETURNS (Callable[[list[Example]], None]): Trains on a batch.
    """
    import torch
    from transformers import AutoTokenizer

    from spacy_bertfamily.backbone.locate import locate

    folder, of_words = str(locate(BACKBONE)), task == "tagger"
    labels = sorted(
        {label for example in examples for label in _labels(example.reference, of_words)}
    )
    model = _make_model(way, folder, of_words, len(labels))
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
        target = _word_targets(inputs, golds) if of_words else torch.tensor(golds)[:, 0]
        model(**inputs, labels=target).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _make_model(way: str, folder: str, of_words: bool, n_labels: int) -> Any:
    """RETURNS (nn.Module): The backbone with transformers' head, in peft's wrapper for LoRA."""
    import peft
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    if of_words:
        model_class, task_type = AutoModelForTokenClassification, "TOKEN_CLS"
    else:
        model_class, task_type = AutoModelForSequenceClassification, "SEQ_CLS"
    model = model_class.from_pretrained(folder, num_labels=n_labels)
    if way == PEFT:
        model = peft.get_peft_model(model, peft.LoraConfig(task_type=task_type, r=8, lora_alpha=16))
    return model


def _labels(doc: Any, of_words: bool) -> list[str]:
    """RETURNS (list[str]): The tags of a Doc's words, or its one category."""
    if of_words:
        return [token.tag_ for token in doc]
    return [max(doc.cats, key=doc.cats.__getitem__)]


def _encode(tokenizer: Any, batch: list[Any], of_words: bool) -> Any:
    """RETURNS (BatchEncoding): The padded inputs of words, or of pairs of texts."""
    texts: list[Any]
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


def _word_targets(inputs: Any, golds: list[list[int]]) -> Any:
    """RETURNS (torch.Tensor): Each word's label at its first piece, -100 elsewhere.

    *Shape:* `(texts, pieces)`
    """
    import torch

    target = torch.full_like(inputs["input_ids"], -100)
    for row, gold in enumerate(golds):
        words = inputs.word_ids(row)
        for place, word in enumerate(words):
            if word is not None and word != words[place - 1]:
                target[row, place] = gold[word]
    return target
