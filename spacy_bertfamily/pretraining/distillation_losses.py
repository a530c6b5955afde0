"""Losses by which a student learns to compute what its teacher computes.

*Shapes:* states, queries, keys and values are `(windows, pieces, width)`, where the widths of
student and teacher may differ if not said otherwise; `is_piece` is boolean, `(windows, pieces)`,
false for padding. Each loss is a mean over pieces.
"""

import torch
from torch.nn import functional

Pair = tuple[torch.Tensor, torch.Tensor]


def hidden_loss(
    student: torch.Tensor, teacher: torch.Tensor, is_piece: torch.Tensor
) -> torch.Tensor:
    """Compute the mean squared difference of hidden states (TinyBERT, Jiao et al. 2020).

    student, teacher (torch.Tensor): States of the same width.
    is_piece (torch.Tensor): Which are compared.
    RETURNS (torch.Tensor): The loss.
    """
    return functional.mse_loss(student[is_piece], teacher[is_piece])


def cosine_loss(
    student: torch.Tensor, teacher: torch.Tensor, is_piece: torch.Tensor
) -> torch.Tensor:
    """Compute 1 - the mean cosine of hidden states (DistilBERT, Sanh et al. 2019).

    student, teacher (torch.Tensor): States of the same width.
    is_piece (torch.Tensor): Which are compared.
    RETURNS (torch.Tensor): The loss.
    """
    cosines = functional.cosine_similarity(student[is_piece], teacher[is_piece], dim=-1)
    return 1 - cosines.mean()


def score_loss(student: Pair, teacher: Pair, is_piece: torch.Tensor, heads: int) -> torch.Tensor:
    """Compute the mean squared difference of attention scores before softmax (TinyBERT).

    student, teacher (tuple[torch.Tensor, torch.Tensor]): Queries and keys.
    is_piece (torch.Tensor): Which are compared, as queries and as keys.
    heads (int): The number of heads, which is that of both.
    RETURNS (torch.Tensor): The loss.
    """
    difference = _scores(*student, heads) - _scores(*teacher, heads)
    squares = difference.square().masked_fill(~is_piece[:, None, None, :], 0)
    keys = is_piece.sum(1)[:, None]  # (windows, 1)
    by_piece = squares.sum(-1).mean(1) / keys  # (windows, pieces)
    return by_piece[is_piece].mean()


def relation_loss(student: Pair, teacher: Pair, is_piece: torch.Tensor, heads: int) -> torch.Tensor:
    """Compute the KL divergence of scaled dot-product relations (MiniLM, Wang et al. 2020).

    Relations of queries and keys are attention; those of values and values, and so on, are taken
    likewise. With a number of heads that is not the models' own these are MiniLMv2's (Wang et al.
    2021): vectors of all heads are put together and split again.

    student, teacher (tuple[torch.Tensor, torch.Tensor]): What is related to what.
    is_piece (torch.Tensor): Which are compared.
    heads (int): The number of parts into which vectors are split, which divides both widths.
    RETURNS (torch.Tensor): The divergence of the student from the teacher, in nats.
    """
    hidden = ~is_piece[:, None, None, :]
    found, wanted = (
        _scores(*pair, heads).masked_fill(hidden, torch.finfo(torch.float32).min).log_softmax(-1)
        for pair in (student, teacher)
    )
    divergences = functional.kl_div(found, wanted, reduction="none", log_target=True)
    by_piece = divergences.masked_fill(hidden, 0).sum(-1).mean(1)  # (windows, pieces)
    return by_piece[is_piece].mean()


def _scores(queries: torch.Tensor, keys: torch.Tensor, heads: int) -> torch.Tensor:
    """RETURNS (torch.Tensor): Scaled dot products, `(windows, heads, pieces, pieces)`, float32."""
    query, key = (x.float().unflatten(-1, (heads, -1)).transpose(1, 2) for x in (queries, keys))
    scores: torch.Tensor = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return scores
