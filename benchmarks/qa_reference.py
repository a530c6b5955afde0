"""The peer of `qa_quality.py`: transformers' BertForQuestionAnswering in a plain torch loop, with
windows, targets and decoding as `run_qa` defines them. Of spacy-bertfamily it takes the corpus, the
backbone's weights and the metrics.
"""

import math
import random
import time
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.tokens import DocBin
from transformers import BertConfig, BertForQuestionAnswering

from spacy_bertfamily.annotation.answers import accepted_texts, answer_chars
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.tasks.qa.metrics import METRICS, best_threshold, score_answer

Item = tuple[
    str, str, list[tuple[int, int]], list[str]
]  # question, context, golds in the context, accepted texts


def read(path: Path, lang: str) -> list[Item]:
    items = []
    for doc in DocBin().from_disk(path).get_docs(spacy.blank(lang).vocab):
        question, _, context = doc.text.partition(" [SEP] ")
        shift = len(doc.text) - len(context)
        golds = [(start - shift, end - shift) for start, end in answer_chars(doc) or []]
        items.append((question, context, golds, accepted_texts(doc)))
    return items


def windows(tokenizer: Any, question: str, context: str, longest: int) -> Any:
    return tokenizer(
        question, context, truncation="only_second", max_length=longest, stride=128, return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )  # fmt: skip


def features(
    tokenizer: Any, items: list[Item], longest: int
) -> list[tuple[list[int], list[int], int, int]]:
    made = []
    for question, context, golds, _ in items:
        encoded = windows(tokenizer, question, context, longest)
        for i, ids in enumerate(encoded["input_ids"]):
            start = end = 0
            places = [j for j, s in enumerate(encoded.sequence_ids(i)) if s == 1]
            offsets = encoded["offset_mapping"][i]
            if (
                golds
                and offsets[places[0]][0] <= golds[0][0]
                and offsets[places[-1]][1] >= golds[0][1]
            ):
                start = max(j for j in places if offsets[j][0] <= golds[0][0])
                end = min(j for j in places if offsets[j][1] >= golds[0][1])
            made.append((ids, encoded["token_type_ids"][i], start, end))
    return made


def pad(rows: list[list[int]], device: torch.device) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)


def forward(model: Any, ids: list[list[int]], types: list[list[int]], **kwargs: Any) -> Any:
    device = model.device
    mask = pad([[1] * len(row) for row in ids], device)
    return model(
        input_ids=pad(ids, device), token_type_ids=pad(types, device), attention_mask=mask, **kwargs
    )


def train_reference(
    config: Any, task: str, steps: int, seed: int, batch: int, rate: float, questions: int
) -> dict:
    """Train and score; `batch` questions a step, with all of their windows. `questions` are scored,
    or all for 0.
    """
    torch.manual_seed(seed)
    settings = config["components"]["transformer"]["model"]
    backbone = load_backbone(settings["name"])
    tokenizer, longest = backbone.tokenizer, settings["max_pieces"]
    model = BertForQuestionAnswering(BertConfig.from_dict(backbone.config.to_dict()))
    model.bert.load_state_dict(backbone.model.state_dict(), strict=False)
    model.to("cuda" if torch.cuda.is_available() else "cpu").train()
    items = read(Path(config["paths"]["train"]), config["nlp"]["lang"])
    decay = [p for n, p in model.named_parameters() if p.dim() > 1]
    rest = [p for n, p in model.named_parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], lr=rate
    )
    warmup = max(1, steps // 10)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / warmup, max(0.0, (steps - s) / max(1, steps - warmup)))
    )
    started, cpu_started, order = time.perf_counter(), time.process_time(), []
    rng = random.Random(seed)
    for _ in range(steps):
        if len(order) < batch:
            order += rng.sample(range(len(items)), len(items))
        chosen, order = order[:batch], order[batch:]
        rows = features(tokenizer, [items[i] for i in chosen], longest)
        ids, types, starts, ends = (list(column) for column in zip(*rows))
        device = model.device
        output = forward(
            model, ids, types,
            start_positions=torch.tensor(starts, device=device), end_positions=torch.tensor(ends, device=device),
        )  # fmt: skip
        optimizer.zero_grad()
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    scores = evaluate(model, tokenizer, config, task, longest, questions)
    return {
        **scores,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "questions": questions,
    }


def evaluate(
    model: Any, tokenizer: Any, config: Any, task: str, longest: int, questions: int
) -> dict:
    model.eval()
    metric = METRICS["cmrc" if task == "cmrc" else "squad"]
    max_length = config["components"]["span_qa"]["max_answer_length"]
    diffs, best, chosen, answerable = [], [], [], []
    items = read(Path(config["paths"]["dev"]), config["nlp"]["lang"])
    for question, context, _, accepted in items[: questions or None]:
        encoded = windows(tokenizer, question, context, longest)
        with torch.inference_mode():
            output = forward(model, encoded["input_ids"], encoded["token_type_ids"])
        text, diff = decode(encoded, output, context, max_length)
        best.append(score_answer(metric, text, accepted))
        empty = score_answer(metric, "", accepted)
        chosen.append(best[-1] if task == "squad" or diff <= 0 else empty)
        diffs.append(diff)
        answerable.append(bool(accepted))
    n = len(chosen)
    return {
        "qa_em": sum(em for em, _ in chosen) / n,
        "qa_f1": sum(f1 for _, f1 in chosen) / n,
        "qa_best_em": best_threshold(diffs, [em for em, _ in best], answerable).score,
        "qa_best_f1": best_threshold(diffs, [f1 for _, f1 in best], answerable).score,
    }


def decode(encoded: Any, output: Any, context: str, max_length: int) -> tuple[str, float]:
    """RETURNS (tuple[str, float]): The best span's text and how far 'no answer' is above it."""
    best, text, null = -math.inf, "", math.inf
    for i, offsets in enumerate(encoded["offset_mapping"]):
        start, end = output.start_logits[i].tolist(), output.end_logits[i].tolist()
        null = min(null, start[0] + end[0])
        inside = [s == 1 for s in encoded.sequence_ids(i)]
        n = len(inside)
        starts = sorted(range(n), key=lambda j, v=start: -v[j])[:20]
        ends = sorted(range(n), key=lambda j, v=end: -v[j])[:20]
        for s in starts:
            for e in ends:
                if inside[s] and inside[e] and s <= e < s + max_length and start[s] + end[e] > best:
                    best, text = start[s] + end[e], context[offsets[s][0] : offsets[e][1]]
    return text, null - best if best > -math.inf else 1e9
