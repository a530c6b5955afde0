"""Fine-tune transformers' BertForQuestionAnswering in a plain torch loop, as `run_qa` does.

Windows, targets and decoding are those of transformers' example script. The corpus, the backbone's
weights and the metrics are ours.
"""

import math
import random
import time
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForQuestionAnswering

from benchmarks.peers.qa_features import Item, make_features, make_windows, read_items
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.tasks.qa.metrics import METRICS, best_threshold, score_answer

# candidates of each end of an answer
N_BEST = 20


def train_peer(
    config: Any, task: str, steps: int, seed: int, batch: int, rate: float, questions: int
) -> dict[str, Any]:
    """Train and score.

    config (Config): Our config of the task: backbone, corpora, windows and decoding.
    task (str): `squad`, `squad2` or `cmrc`.
    steps (int): The number of updates.
    seed (int): The seed.
    batch (int): Questions in each update, with all of their windows.
    rate (float): The learning rate.
    questions (int): How many are scored; 0 for all.
    RETURNS (dict[str, Any]): Scores and seconds.
    """
    torch.manual_seed(seed)
    settings = config["components"]["transformer"]["model"]
    backbone = load_backbone(settings["name"])
    tokenizer, max_pieces = backbone.tokenizer, settings["max_pieces"]
    model: Any = BertForQuestionAnswering(BertConfig.from_dict(backbone.config.to_dict()))
    model.bert.load_state_dict(backbone.model.state_dict(), strict=False)
    model.to("cuda" if torch.cuda.is_available() else "cpu").train()
    lang = config["nlp"]["lang"]
    items = read_items(Path(config["paths"]["train"]), lang)
    started, cpu_started = time.perf_counter(), time.process_time()
    fine_tune(model, tokenizer, items, max_pieces, steps, seed, batch, rate)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    dev_items = read_items(Path(config["paths"]["dev"]), lang)[: questions or None]
    max_length = config["components"]["span_qa"]["max_answer_length"]
    scores = evaluate(model, tokenizer, dev_items, task, max_pieces, max_length)
    return {
        **scores,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "questions": questions,
    }


def fine_tune(
    model: Any,
    tokenizer: Any,
    items: list[Item],
    max_pieces: int,
    steps: int,
    seed: int,
    batch: int,
    rate: float,
) -> None:
    """Train with AdamW; the rate rises over a tenth of the steps and falls to 0 at the last."""
    optimizer, scheduler = make_optimizer(model, rate, steps)
    order: list[int] = []
    rng = random.Random(seed)
    for _ in range(steps):
        if len(order) < batch:
            order += rng.sample(range(len(items)), len(items))
        chosen, order = order[:batch], order[batch:]
        features = make_features(tokenizer, [items[i] for i in chosen], max_pieces)
        ids, types, starts, ends = (list(column) for column in zip(*features))
        output = forward(
            model,
            ids,
            types,
            start_positions=torch.tensor(starts, device=model.device),
            end_positions=torch.tensor(ends, device=model.device),
        )
        optimizer.zero_grad()
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()


def make_optimizer(model: Any, rate: float, steps: int) -> tuple[Any, Any]:
    """RETURNS (tuple[AdamW, LambdaLR]): The optimizer and the schedule. Only matrices decay."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": 0.01},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    warmup = max(1, steps // 10)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / warmup, max(0.0, (steps - s) / max(1, steps - warmup)))
    )
    return optimizer, scheduler


def forward(model: Any, ids: list[list[int]], types: list[list[int]], **kwargs: Any) -> Any:
    """RETURNS (QuestionAnsweringModelOutput): The output for a padded batch of windows."""
    mask = [[1] * len(row) for row in ids]
    return model(
        input_ids=pad(ids, model.device),
        token_type_ids=pad(types, model.device),
        attention_mask=pad(mask, model.device),
        **kwargs,
    )


def pad(rows: list[list[int]], device: torch.device) -> torch.Tensor:
    """RETURNS (torch.Tensor): Rows filled up with zeros. *Shape:* `(rows, longest)`."""
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)


def evaluate(
    model: Any, tokenizer: Any, items: list[Item], task: str, max_pieces: int, max_length: int
) -> dict[str, float]:
    """RETURNS (dict[str, float]): EM and F1, at the threshold 0 and at the best one."""
    model.eval()
    metric = METRICS["cmrc" if task == "cmrc" else "squad"]
    null_margins, span_scores, chosen_scores, answerable = [], [], [], []
    for item in items:
        encoded = make_windows(tokenizer, item, max_pieces)
        with torch.inference_mode():
            output = forward(model, encoded["input_ids"], encoded["token_type_ids"])
        text, null_margin = decode(encoded, output, item.context, max_length)
        span_score = score_answer(metric, text, item.accepted)
        empty_score = score_answer(metric, "", item.accepted)
        takes_span = task == "squad" or null_margin <= 0
        null_margins.append(null_margin)
        span_scores.append(span_score)
        chosen_scores.append(span_score if takes_span else empty_score)
        answerable.append(bool(item.accepted))
    n = len(items)
    exact = best_threshold(null_margins, [em for em, _ in span_scores], answerable)
    overlap = best_threshold(null_margins, [f1 for _, f1 in span_scores], answerable)
    return {
        "qa_em": sum(em for em, _ in chosen_scores) / n,
        "qa_f1": sum(f1 for _, f1 in chosen_scores) / n,
        "qa_best_em": exact.score,
        "qa_best_f1": overlap.score,
    }


def decode(encoded: Any, output: Any, context: str, max_length: int) -> tuple[str, float]:
    """RETURNS (tuple[str, float]): The best span's text, and how far 'no answer' is above it."""
    best, text, null = -math.inf, "", math.inf
    for i, offsets in enumerate(encoded["offset_mapping"]):
        starts, ends = output.start_logits[i].tolist(), output.end_logits[i].tolist()
        null = min(null, starts[0] + ends[0])
        in_context = [segment == 1 for segment in encoded.sequence_ids(i)]
        score, start, end = best_span(starts, ends, in_context, max_length)
        if score > best:
            best, text = score, context[offsets[start][0] : offsets[end][1]]
    if best == -math.inf:
        return text, 1e9
    return text, null - best


def best_span(
    starts: list[float], ends: list[float], in_context: list[bool], max_length: int
) -> tuple[float, int, int]:
    """RETURNS (tuple[float, int, int]): Score, first and last piece of a window's best span.

    The score is minus infinity if no span is allowed.
    """
    best = (-math.inf, 0, 0)
    for start in largest(starts):
        for end in largest(ends):
            allowed = in_context[start] and in_context[end] and start <= end < start + max_length
            score = starts[start] + ends[end]
            if allowed and score > best[0]:
                best = (score, start, end)
    return best


def largest(logits: list[float]) -> list[int]:
    """RETURNS (list[int]): The places of the largest logits, the largest first."""
    return sorted(range(len(logits)), key=lambda place: -logits[place])[:N_BEST]
