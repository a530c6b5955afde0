"""Mask texts: choose pieces, and say what the backbone reads in their places."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from spacy.tokens import Doc

from ..errors import Errors
from ..windows.cut import Window
from ..windows.lay_out import LaidOutText
from ..windows.pieces import PieceTokenizer
from .maskers import Masker


@dataclass(frozen=True)
class MaskedWindow:
    """A window in which some pieces are masked.

    window (Window): What the backbone reads.
    original (Window): The same without masks.
    positions (np.ndarray): Where pieces are to be predicted, `(targets,)`. A piece that is in
        several windows is predicted where it has the most context.
    labels (np.ndarray): The pieces to predict, `(targets,)`.
    """

    window: Window
    original: Window
    positions: np.ndarray
    labels: np.ndarray


class Masking:
    """Masks texts for a backbone.

    tokenizer (PieceTokenizer): The backbone's tokenizer.
    masker (Masker): Chooses pieces.
    rate (float): The share of pieces to choose.
    replace_rates (Sequence[float]): Of the chosen, the shares that become the mask, become a random
        piece, and stay.
    name (str): The backbone's name, for errors.
    RAISES (BertFamilyError): If the shares are none, or the tokenizer has no mask.
    """

    def __init__(
        self,
        tokenizer: PieceTokenizer,
        masker: Masker,
        rate: float,
        replace_rates: Sequence[float],
        name: str = "the backbone",
    ):
        check_rates(rate, replace_rates)
        plain = tokenizer.tokenizer
        if plain.mask_token_id is None:
            raise Errors.B403(name=name)
        self.masker = masker
        self.rate = rate
        self.mask_id = int(plain.mask_token_id)
        self._masked, random, _ = replace_rates
        self._random = self._masked + random
        self._special = np.asarray(sorted(plain.all_special_ids))
        known = np.asarray(sorted(plain.get_vocab().values()))
        self._ordinary = known[~np.isin(known, self._special)]

    def __call__(self, doc: Doc, text: LaidOutText, rng: np.random.Generator) -> list[MaskedWindow]:
        """Mask a text.

        doc (Doc): The text.
        text (LaidOutText): Its windows.
        rng (np.random.Generator): Where random numbers come from.
        RETURNS (list[MaskedWindow]): Its windows in which something is to be predicted.
        """
        if text.layout is None:
            return []
        pieces = text.layout.pieces
        if not len(pieces.ids):  # nothing but characters that the tokenizer drops
            return []
        chosen = self.masker(doc, pieces, self.rate, rng)
        # what the vocabulary does not know is masked with its phrase, but never predicted
        targets = chosen & ~np.isin(pieces.ids, self._special)
        ids = self._replace(pieces.ids, chosen, targets, rng)
        masked = []
        for row, window in enumerate(text.windows):
            best = text.layout.is_max_context[row, : len(window)]
            positions = np.flatnonzero(best & targets[window.pieces])
            if len(positions):
                read = np.where(window.pieces >= 0, ids[window.pieces], window.ids)
                labels = window.ids[positions]
                masked.append(MaskedWindow(replace(window, ids=read), window, positions, labels))
        return masked

    def _replace(
        self, ids: np.ndarray, chosen: np.ndarray, targets: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Say what the backbone reads.

        ids (np.ndarray): The pieces, `(pieces,)`.
        chosen (np.ndarray): Which of them are chosen, boolean, `(pieces,)`.
        targets (np.ndarray): Which of these are predicted, boolean, `(pieces,)`.
        rng (np.random.Generator): Where random numbers come from.
        RETURNS (np.ndarray): The pieces to read, `(pieces,)`.
        """
        draw = rng.random(len(ids))
        replaced: np.ndarray = np.where(chosen & ~targets, self.mask_id, ids)
        replaced[targets & (draw < self._masked)] = self.mask_id
        random = targets & (draw >= self._masked) & (draw < self._random)
        replaced[random] = rng.choice(self._ordinary, size=int(random.sum()))
        return replaced


def check_rates(rate: float, replace_rates: Sequence[float]) -> None:
    """Check the shares of a masking.

    rate (float): The share of pieces to choose.
    replace_rates (Sequence[float]): The shares of mask, random and unchanged pieces among these.
    RAISES (BertFamilyError): If they are none.
    """
    if not 0 < rate < 1:
        raise Errors.B402(setting="mask_rate", value=rate, allowed="more than 0 and less than 1")
    is_three = len(replace_rates) == 3 and all(0 <= share <= 1 for share in replace_rates)
    if not is_three or abs(sum(replace_rates) - 1) > 1e-6:
        allowed = "three shares (masked, random, unchanged) that add up to 1"
        raise Errors.B402(setting="replace_rates", value=list(replace_rates), allowed=allowed)
