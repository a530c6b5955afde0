"""The peer of the pair benchmarks: Hugging Face's sequence classification head, fine-tuned in a
plain torch loop. It is what sentence-transformers' CrossEncoder trains, without its trainer.
"""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiment import Run
from scipy import stats
from torch.nn import functional

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
) -> dict:
    """Fine-tune all of a backbone: AdamW, the learning rate rises over a tenth of the steps and
    falls to 0, gradients are clipped to 1, as ours are.

    name (str): The backbone, as in a config.
    files (dict[str, Path]): Train, dev and test data.
    run (Run): Seed and learning rate.
    steps, batch_size (int): How long and with how many pairs at a time.
    score (str): `cats_acc` or `cats_spearman`.
    scored (list[str]): The data to score.
    RETURNS (Dict): Scores and sizes.
    """
    from transformers import AutoModelForSequenceClassification

    from spacy_bertfamily.backbone import load_backbone

    random.seed(run.seed)
    torch.manual_seed(run.seed)
    regression = score == "cats_spearman"
    data = {split: read(path) for split, path in files.items()}
    pairs, gold = data["train"]
    backbone = load_backbone(name)
    tokenizer = backbone.tokenizer
    model = AutoModelForSequenceClassification.from_pretrained(
        backbone.folder, num_labels=gold.shape[1]
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.rate, weight_decay=0.01)
    warmup = max(1, steps // 10)
    factor = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
    )
    started, cpu_started = time.perf_counter(), time.process_time()
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
        factor.step()
        optimizer.zero_grad()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    n = sum(p.numel() for p in model.parameters())
    return {
        **{split: evaluate(model, tokenizer, data[split], regression) for split in scored},
        "trained": n, "total": n, "bytes": 4 * n,
        "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "steps": steps,
    }  # fmt: skip


def read(path: Path) -> Rows:
    """RETURNS (Rows): Pairs of texts, and the values of their labels, `(pairs, labels)`."""
    import spacy
    from spacy.tokens import DocBin

    docs = list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))
    labels = sorted({label for doc in docs for label in doc.cats})
    pairs = [doc.text.split(" [SEP] ", 1) for doc in docs]
    values = np.array(
        [[doc.cats.get(label, 0.0) for label in labels] for doc in docs], dtype="float32"
    )
    return [(first, second) for first, second in pairs], values


def encode(tokenizer: Any, pairs: list[tuple[str, str]]) -> Any:
    return tokenizer(
        pairs, padding=True, truncation=True, max_length=MAX_PIECES, return_tensors="pt"
    )


def evaluate(model: Any, tokenizer: Any, rows: Rows, regression: bool) -> float:
    pairs, gold = rows
    with torch.inference_mode():
        logits = np.concatenate(
            [
                model.eval()(**encode(tokenizer, pairs[i : i + 64])).logits.numpy()
                for i in range(0, len(pairs), 64)
            ]
        )
    if regression:
        return float(stats.spearmanr(gold[:, 0], logits[:, 0]).statistic)
    return float((gold.argmax(1) == logits.argmax(1)).mean())
