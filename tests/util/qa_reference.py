"""Slow, independent implementations of published definitions, to compare with."""

import math


def max_context_window(piece, windows):
    """Find the window in which a piece has most context, by BERT's rule.

    piece (int): The index of a piece.
    windows (list[tuple[int, int]]): First piece and number of pieces of each window's context.
    RETURNS (int): The index of the window.
    """
    best, best_score = None, -math.inf
    for number, (first, length) in enumerate(windows):
        if first <= piece < first + length:
            score = min(piece - first, first + length - 1 - piece) + 0.01 * length
            if score > best_score:
                best, best_score = number, score
    return best


def postprocess(features, n_best, max_answer_length, threshold):
    """Decode the windows of one example, as published for BERT.

    features (list[dict[str, Any]]): For each window: `start` and `end` (scores of each position),
        `offsets` (characters of context pieces, else None), `is_max_context` (a bool for each
        position) and `cls` (a position).
    n_best (int): The number of candidates.
    max_answer_length (int): The maximum number of pieces.
    threshold (float): The threshold of the difference to the null score.
    RETURNS (tuple): The n-best list, the null score, and the answer or None.
    """
    null = math.inf
    candidates = []
    for feature in features:
        null = min(null, feature["start"][feature["cls"]] + feature["end"][feature["cls"]])
        ranked = {}
        for side in ("start", "end"):
            positions = sorted(
                range(len(feature[side])),
                key=lambda i, scores=feature[side]: scores[i],
                reverse=True,
            )
            ranked[side] = positions[:n_best]
        for start in ranked["start"]:
            for end in ranked["end"]:
                if feature["offsets"][start] is None or feature["offsets"][end] is None:
                    continue
                if end < start or end - start + 1 > max_answer_length:
                    continue
                if not feature["is_max_context"][start]:
                    continue
                score = feature["start"][start] + feature["end"][end]
                candidates.append((score, feature["offsets"][start][0], feature["offsets"][end][1]))
    candidates.sort(key=lambda candidate: -candidate[0])
    candidates = candidates[:n_best]
    if not candidates:
        return [], null, None
    answer = candidates[0] if null - candidates[0][0] <= threshold else None
    return candidates, null, answer


def features_of(layout, logits):
    """RETURNS (list[dict[str, Any]]): Windows of a layout and their logits, for `postprocess`."""
    n_first = layout.pieces.n_first
    contexts = []
    for row in layout.index.tolist():
        held = [piece for piece in row if piece >= n_first]
        contexts.append((min(held), len(held)) if held else (-1, 0))
    features = []
    for number, (row, length) in enumerate(zip(layout.index.tolist(), layout.lengths.tolist())):
        offsets, is_max_context = [], []
        for piece in row[:length]:
            inside = piece >= n_first
            chars = int(layout.pieces.starts[piece]), int(layout.pieces.ends[piece])
            offsets.append(chars if inside else None)
            is_max_context.append(inside and max_context_window(piece, contexts) == number)
        features.append(
            {
                "start": logits[number, :length, 0].tolist(),
                "end": logits[number, :length, 1].tolist(),
                "offsets": offsets,
                "is_max_context": is_max_context,
                "cls": 0,
            }
        )
    return features
