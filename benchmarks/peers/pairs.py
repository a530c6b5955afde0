"""Fine-tune Hugging Face's sequence classification head on pairs, in a plain torch loop.

It is what sentence-transformers' CrossEncoder trains, without its trainer.
"""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch.nn import functional

from spacy_bertfamily.experiments.runs import Run

MAX_PIECES = 384
Rows = tuple[list[tuple[str, str]], np.ndarray]


def train_peer(
    name: str,
    files: dict[str, Path],
    run: Run,
    steps: int,
    batch_size: int,
    score: str,
    scored: list[str],
) -> dict[str, Any]:
    """Fine-tune all of a backbone with the optimizer and the schedule of our configs.

    name (str): The backbone, as in a config.
    files (dict[str, Path]): Train, dev and test data.
    run (Run): Seed and learning rate.
    steps (int): The number of updates.
    batch_size (int): Pairs in each update.
    score (str): `cats_acc` or `cats_spearman`.
    scored (list[str]): The data to score.
    RETURNS (dict[str, Any]): Scores and sizes.
    """
    from transformers import AutoModelForSequenceClassification

    from spacy_bertfamily.backbone import load_backbone

    random.seed(run.seed)
    torch.manual_seed(run.seed)
    regression = score == "cats_spearman"
    data = {split: read_rows(path) for split, path in files.items()}
    backbone = load_backbone(name)
    tokenizer = backbone.tokenizer
    model = AutoModelForSequenceClassification.from_pretrained(
        backbone.folder, num_labels=data["train"][1].shape[1]
    )
    started, cpu_started = time.perf_counter(), time.process_time()
    fine_tune(model, tokenizer, data["train"], run.rate, steps, batch_size, regression)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    scores = {split: evaluate(model, tokenizer, data[split], regression) for split in scored}
    n_parameters = sum(p.numel() for p in model.parameters())
    return {
        **scores,
        "trained": n_parameters,
        "total": n_parameters,
        "bytes": 4 * n_parameters,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "steps": steps,
    }


def fine_tune(
    model: Any,
    tokenizer: Any,
    rows: Rows,
    rate: float,
    steps: int,
    batch_size: int,
    regression: bool,
) -> None:
    """Train with AdamW; the rate rises over a tenth of the steps and falls to 0 at the last."""
    pairs, gold = rows
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    warmup = max(1, steps // 10)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
    )
    order: list[int] = []
    for _ in range(steps):
        if len(order) < batch_size:
            order = random.sample(range(len(pairs)), len(pairs))
        batch, order = order[:batch_size], order[batch_size:]
        logits = model.train()(**encode(tokenizer, [pairs[i] for i in batch])).logits
        target = torch.tensor(gold[batch])
        if regression:
            loss = functional.mse_loss(logits, (target - gold.mean()) / gold.std())
        else:
            loss = functional.cross_entropy(logits, target.argmax(1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


def read_rows(path: Path) -> Rows:
    """RETURNS (Rows): Pairs of texts, and the values of their labels, `(pairs, labels)`."""
    import spacy
    from spacy.tokens import DocBin

    docs = list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))
    labels = sorted({label for doc in docs for label in doc.cats})
    texts = [doc.text.split(" [SEP] ", 1) for doc in docs]
    values = [[doc.cats.get(label, 0.0) for label in labels] for doc in docs]
    return [(first, second) for first, second in texts], np.array(values, dtype="float32")


def encode(tokenizer: Any, pairs: list[tuple[str, str]]) -> Any:
    """RETURNS (BatchEncoding): The padded inputs of pairs."""
    return tokenizer(
        pairs, padding=True, truncation=True, max_length=MAX_PIECES, return_tensors="pt"
    )


def evaluate(model: Any, tokenizer: Any, rows: Rows, regression: bool) -> float:
    """RETURNS (float): Spearman's correlation of a regression, else the accuracy."""
    pairs, gold = rows
    model.eval()
    batches = []
    with torch.inference_mode():
        for start in range(0, len(pairs), 64):
            inputs = encode(tokenizer, pairs[start : start + 64])
            batches.append(model(**inputs).logits.numpy())
    logits = np.concatenate(batches)
    if regression:
        return float(stats.spearmanr(gold[:, 0], logits[:, 0]).statistic)
    return float((gold.argmax(1) == logits.argmax(1)).mean())
