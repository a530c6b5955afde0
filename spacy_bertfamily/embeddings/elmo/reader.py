"""Read sentences with an ELMo: words kept, sentences of like length together, states of rows."""

from collections.abc import Callable, Iterator, Sequence

import torch

from .characters import begin_sentence_ids, character_ids, end_sentence_ids
from .lstm import LSTMState
from .network import ElmoNetwork, NetworkState

# Marks of begin and end among the words: surrogates by themselves, which no token of spaCy holds.
BEGIN, END = "\udcfe", "\udcff"
# The most words in a forward pass, padding included: this bounds the memory.
BATCH_WORDS = 2048
# The most words whose vectors are kept.
KEPT_WORDS = 50_000


class ElmoReader:
    """Computes the layers of sentences.

    network (ElmoNetwork): The network.
    """

    def __init__(self, network: ElmoNetwork):
        self.network = network
        self._vectors: dict[str, torch.Tensor] = {}
        self._state: NetworkState | None = None

    @torch.no_grad()
    def read(self, sentences: Sequence[Sequence[str]]) -> list[torch.Tensor]:
        """Compute all layers of sentences, each by itself.

        sentences (Sequence[Sequence[str]]): Words.
        RETURNS (list[torch.Tensor]): `(layers + 1, words, width)` for each.
        """
        results: dict[int, torch.Tensor] = {}
        for rows in split_batches([len(sentence) + 2 for sentence in sentences]):
            layers, _ = self._run([sentences[row] for row in rows], None)
            for place, row in enumerate(rows):
                results[row] = layers[:, place, 1 : len(sentences[row]) + 1]
        return [results[row] for row in range(len(sentences))]

    @torch.no_grad()
    def read_on(self, sentences: Sequence[Sequence[str]]) -> list[torch.Tensor]:
        """Compute all layers of sentences; sentence N goes on where sentence N ended last time.

        So does the original implementation. Rows that are not in a batch keep their state.

        sentences (Sequence[Sequence[str]]): Words.
        RETURNS (list[torch.Tensor]): `(layers + 1, words, width)` for each.
        """
        if not sentences:
            return []
        rows = sorted(range(len(sentences)), key=lambda row: -len(sentences[row]))
        index = torch.tensor(rows, dtype=torch.long)
        state = None if self._state is None else select_rows(self._state, index)
        layers, new_state = self._run([sentences[row] for row in rows], state)
        self._state = replace_rows(self._state, new_state, index)
        place = {row: number for number, row in enumerate(rows)}
        return [layers[:, place[row], 1 : len(words) + 1] for row, words in enumerate(sentences)]

    def _run(
        self, sentences: Sequence[Sequence[str]], state: NetworkState | None
    ) -> tuple[torch.Tensor, NetworkState]:
        """RETURNS (tuple[torch.Tensor, NetworkState]): `(layers + 1, sentences, longest, width)`.

        The state is that after the sentences.
        """
        marked = [[BEGIN, *sentence, END] for sentence in sentences]
        lengths = [len(sentence) for sentence in marked]
        layers, new_state = self.network(self._find_vectors(marked), lengths, state)
        return torch.stack(layers), new_state

    def _find_vectors(self, sentences: list[list[str]]) -> torch.Tensor:
        """RETURNS (torch.Tensor): Words' vectors, `(sentences, longest, projection_dim)`."""
        if len(self._vectors) > KEPT_WORDS:
            self._vectors = {}
        vectors = self._vectors
        words = list(dict.fromkeys(word for sentence in sentences for word in sentence))
        missing = [word for word in words if word not in vectors]
        device = next(self.network.parameters()).device
        for start in range(0, len(missing), BATCH_WORDS):
            part = missing[start : start + BATCH_WORDS]
            ids = torch.tensor([ids_of(word) for word in part], device=device)
            vectors.update(zip(part, self.network.characters(ids)))
        padding = torch.zeros(self.network.options.projection_dim, device=device)
        table = torch.stack([padding, *(vectors[word] for word in words)])
        numbers = {word: number for number, word in enumerate(words, 1)}
        rows = [torch.tensor([numbers[word] for word in sentence]) for sentence in sentences]
        return table[torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)]


def split_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Put sentences of like length together.

    lengths (Sequence[int]): Their numbers of words.
    YIELDS (list[int]): Numbers of sentences, the longest first, of at most BATCH_WORDS words with
        padding; one that is longer stands alone.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > BATCH_WORDS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def select_rows(state: NetworkState, rows: torch.Tensor) -> NetworkState:
    """RETURNS (NetworkState): The states of some rows; zeros for rows that have none yet."""
    size = int(rows.max()) + 1

    def select(x: torch.Tensor) -> torch.Tensor:
        return grow(x, size)[rows]

    return map_tensors(select, state)


def replace_rows(old: NetworkState | None, new: NetworkState, rows: torch.Tensor) -> NetworkState:
    """RETURNS (NetworkState): The old states, with those of some rows replaced by new ones."""
    size = int(rows.max()) + 1

    def replace(x: torch.Tensor, new_x: torch.Tensor) -> torch.Tensor:
        return grow(x, size).index_copy(0, rows.to(x.device), new_x)

    return map_tensors(replace, new if old is None else old, new)


def map_tensors(change: Callable[..., torch.Tensor], *states: NetworkState) -> NetworkState:
    """Apply a function to each tensor of a state, or to those of several at the same place.

    change (Callable[..., torch.Tensor]): Takes a tensor of each state.
    *states (NetworkState): The states.
    RETURNS (NetworkState): The state of the results.
    """
    directions = []
    for layers in zip(*states):
        directions.append(
            [
                LSTMState(
                    change(*(layer.hidden for layer in same)),
                    change(*(layer.cell for layer in same)),
                )
                for same in zip(*layers)
            ]
        )
    return directions[0], directions[1]


def grow(x: torch.Tensor, rows: int) -> torch.Tensor:
    """RETURNS (torch.Tensor): The tensor with rows of zeros below, if it has fewer than `rows`."""
    return torch.cat([x, x.new_zeros(max(0, rows - len(x)), x.shape[1])])


def ids_of(word: str) -> list[int]:
    """RETURNS (list[int]): The characters of a word, or of a mark."""
    marks = {BEGIN: begin_sentence_ids, END: end_sentence_ids}
    return marks[word]() if word in marks else character_ids(word)
