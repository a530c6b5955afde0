"""SetFit's recipe, written out with sentence-transformers: pairs, fine-tuning, logistic regression.

SetFit (Tunstall et al. 2022) itself needs an older sentence-transformers than is installed here.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, losses
from sentence_transformers.models import Normalize, Pooling, Transformer
from sklearn.linear_model import LogisticRegression

from spacy_bertfamily.backbone.locate import locate

BATCH, WARMUP = 16, 0.1


def draw_pairs(
    labels: Sequence[str], iterations: int, rng: random.Random
) -> Iterator[tuple[int, int, float]]:
    """Draw, for each text and iteration, a text of the same label and one of another.

    labels (Sequence[str]): The label of each text.
    iterations (int): SetFit's `num_iterations`.
    rng (random.Random): The random numbers.
    YIELDS (tuple[int, int, float]): Two texts, and 1.0 if they have the same label, else 0.0.
    """
    for _ in range(iterations):
        for i, label in enumerate(labels):
            same = [j for j, other in enumerate(labels) if other == label and j != i]
            others = [j for j, other in enumerate(labels) if other != label]
            yield i, rng.choice(same), 1.0
            yield i, rng.choice(others), 0.0


def fit(
    texts: Sequence[str],
    labels: Sequence[str],
    backbone: str,
    iterations: int,
    rate: float,
    seed: int,
) -> tuple[Any, Any]:
    """Train as SetFit's paper does.

    texts, labels (Sequence[str]): The examples.
    backbone (str): The backbone's name.
    iterations (int): SetFit's `num_iterations`; 20 in the paper.
    rate (float): The learning rate; 2e-5 in the paper.
    seed (int): Of the random numbers.
    RETURNS (tuple[SentenceTransformer, LogisticRegression]): The model and its head.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    transformer = Transformer(str(locate(backbone)))
    model = SentenceTransformer(
        modules=[transformer, Pooling(transformer.get_word_embedding_dimension()), Normalize()],
        device="cpu",
    )
    pairs = list(draw_pairs(labels, iterations, rng))
    rng.shuffle(pairs)
    loss_of = losses.CosineSimilarityLoss(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    steps = -(-len(pairs) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, steps))
    model.train()
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        sides = [model.tokenize([texts[pair[side]] for pair in batch]) for side in (0, 1)]
        targets = torch.tensor([pair[2] for pair in batch])
        loss = loss_of(sides, targets)
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()
    head = LogisticRegression().fit(model.encode(list(texts)), list(labels))
    return model, head


def _factor(step: int, steps: int) -> float:
    """RETURNS (float): The learning rate's factor: it rises over a tenth, and falls to 0."""
    warmup = max(1, round(steps * WARMUP))
    return min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
