"""Train a small ELMo on raw text."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import srsly
import torch
from tqdm import tqdm

from ...errors import Errors
from ...files import write_atomically
from .language_model import BidirectionalLM
from .options import MOST, ElmoOptions
from .reader import BEGIN, END, ids_of, split_batches
from .weights import import_h5py, write_network

# Narrow to wide convolutions, as in the published networks, scaled to small ones.
FILTERS = ((1, 16), (2, 16), (3, 32), (4, 64), (5, 64), (6, 64))
CHARACTER_DIM, N_HIGHWAY = 16, 1
RECENT = 100  # batches whose mean loss is shown
OPTIONS, WEIGHTS = "options.json", "weights.hdf5"
UNKNOWN = "\udcfd"  # stands for all words beyond the vocabulary


@dataclass(frozen=True)
class ElmoTraining:
    """How long and how an ELMo is trained.

    epochs (int): How often all texts are read.
    minutes (float | None): The most CPU minutes; None for any.
    vocab_size (int): The number of words that are told apart when they are predicted. Any word can
        be read.
    n_samples (int): The words that are drawn for each batch.
    learn_rate (float): Adam's, lowered linearly to 0.
    dropout (float): The share of each layer's input that is left out.
    seed (int): Of the weights, the order and the samples.
    """

    epochs: int = 5
    minutes: float | None = None
    vocab_size: int = 20_000
    n_samples: int = 2_048
    learn_rate: float = 2e-3
    dropout: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """RAISES (BertFamilyError): On a number that is not allowed."""
        least = {"epochs": 1, "vocab_size": 4, "n_samples": 1}
        for setting, minimum in least.items():
            value = getattr(self, setting)
            if value < minimum:
                raise Errors.B004(setting=setting, value=value, allowed=f"{minimum} or more")
        if self.minutes is not None and not self.minutes > 0:
            raise Errors.B004(setting="minutes", value=self.minutes, allowed="more than 0")
        if not self.learn_rate > 0:
            raise Errors.B004(setting="learn_rate", value=self.learn_rate, allowed="more than 0")
        if not 0 <= self.dropout < 1:
            raise Errors.B004(setting="dropout", value=self.dropout, allowed="from 0 to below 1")


def new_elmo(
    folder: str | Path,
    sentences: Sequence[Sequence[str]],
    *,
    width: int = 256,
    cell_dim: int = 512,
    layers: int = 2,
    training: ElmoTraining = ElmoTraining(),
    held_out: Sequence[Sequence[str]] = (),
    force: bool = False,
) -> dict[str, float]:
    """Train an ELMo, and write its `options.json` and `weights.hdf5`.

    Both are written after each epoch.

    folder (str | Path): Is made if it does not exist.
    sentences (Sequence[Sequence[str]]): Words.
    width (int): The width of a token's vector, half of it by each direction; an even number.
    cell_dim (int): The width of an LSTM's cell.
    layers (int): The number of LSTM layers of each direction.
    training (ElmoTraining): How long and how it is trained.
    held_out (Sequence[Sequence[str]]): Sentences to measure the perplexity of.
    force (bool): Whether to replace an ELMo that is in the folder.
    RETURNS (dict[str, float]): `loss`, the mean of the last 100 batches, in nats for each word;
        `words` that were read; `perplexity` of the sentences that are held out, unknown words being
        one.
    RAISES (BertFamilyError): If a size is not allowed, there is no text, h5py is not installed, or
        the folder has an ELMo.
    """
    import_h5py()
    options = _make_options(width, cell_dim, layers)
    folder = Path(folder)
    if not force and (folder / OPTIONS).exists():
        raise Errors.B414(folder=str(folder))
    vocabulary = make_vocabulary(sentences, training.vocab_size)
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        model = BidirectionalLM(options, len(vocabulary), training.n_samples, training.dropout)
        result = _train(model, sentences, vocabulary, training, folder)
    if held_out:
        result["perplexity"] = perplexity(model, held_out, vocabulary)
    return result


def _make_options(width: int, cell_dim: int, layers: int) -> ElmoOptions:
    """RETURNS (ElmoOptions): The sizes. RAISES (BertFamilyError): If one is not allowed."""
    if not 2 <= width <= 2 * MOST or width % 2:
        allowed = f"an even number from 2 to {2 * MOST}: each direction has half of it"
        raise Errors.B004(setting="width", value=width, allowed=allowed)
    for setting, value in (("cell_dim", cell_dim), ("layers", layers)):
        if not 1 <= value <= MOST:
            raise Errors.B004(setting=setting, value=value, allowed=f"from 1 to {MOST}")
    return ElmoOptions(
        character_dim=CHARACTER_DIM,
        filters=FILTERS,
        activation="relu",
        n_highway=N_HIGHWAY,
        projection_dim=width // 2,
        cell_dim=cell_dim,
        n_layers=layers,
    )


def make_vocabulary(sentences: Iterable[Sequence[str]], size: int) -> dict[str, int]:
    """Number words by their frequency, the marks of begin, end and unknown words first.

    sentences (Iterable[Sequence[str]]): Words.
    size (int): The most words, with the three marks.
    RETURNS (dict[str, int]): The number of each word.
    RAISES (BertFamilyError): If there are no words.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    if not counts:
        raise Errors.B605()
    words = [BEGIN, END, UNKNOWN, *(word for word, _ in counts.most_common(size - 3))]
    return {word: number for number, word in enumerate(words)}


def perplexity(
    model: BidirectionalLM, sentences: Sequence[Sequence[str]], vocabulary: dict[str, int]
) -> float:
    """RETURNS (float): exp of the mean loss of a word, over both directions."""
    model.eval()
    losses, weights = [], []
    with torch.no_grad():
        for batch in _batches(sentences, np.random.default_rng(0)):
            losses.append(float(model(*_encode(batch, vocabulary))))
            weights.append(sum(len(sentence) + 1 for sentence in batch))
    return float(np.exp(np.average(losses, weights=weights)))


def _train(
    model: BidirectionalLM,
    sentences: Sequence[Sequence[str]],
    vocabulary: dict[str, int],
    training: ElmoTraining,
    folder: Path,
) -> dict[str, float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=training.learn_rate)
    rng = np.random.default_rng(training.seed)
    start, words = time.process_time(), 0
    losses: deque[float] = deque(maxlen=RECENT)
    total = training.epochs * sum(len(sentence) for sentence in sentences)
    with tqdm(total=total, unit=" words", unit_scale=True) as progress:
        for _ in range(training.epochs):
            model.train()
            for batch in _batches(sentences, rng):
                share = max(words / total, _time_share(start, training.minutes))
                optimizer.param_groups[0]["lr"] = training.learn_rate * max(0.0, 1 - share)
                losses.append(_step(model, optimizer, _encode(batch, vocabulary)))
                read = sum(len(sentence) for sentence in batch)
                words += read
                progress.update(read)
                progress.set_postfix_str(f"loss {np.mean(losses):.3f}", refresh=False)
                if _time_share(start, training.minutes) >= 1:
                    break
            _write(model, folder)
            if _time_share(start, training.minutes) >= 1:
                break
    return {"loss": float(np.mean(losses)), "words": words}


def _write(model: BidirectionalLM, folder: Path) -> None:
    network = model.network.eval()
    options = srsly.json_dumps(network.options.to_json()).encode("utf8")
    write_network(network, folder / WEIGHTS)
    write_atomically(folder / OPTIONS, options)


def _step(
    model: BidirectionalLM,
    optimizer: torch.optim.Optimizer,
    batch: tuple[torch.Tensor, torch.Tensor, list[int]],
) -> float:
    loss = model(*batch)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _time_share(start: float, minutes: float | None) -> float:
    return (time.process_time() - start) / (60 * minutes) if minutes else 0.0


def _batches(
    sentences: Sequence[Sequence[str]], rng: np.random.Generator
) -> Iterator[list[Sequence[str]]]:
    """YIELDS (list[Sequence[str]]): Sentences of like length, the longest first; in a new order."""
    order = rng.permutation(len(sentences)).tolist()
    lengths = [len(sentences[row]) + 2 for row in order]
    batches = list(split_batches(lengths))
    for number in rng.permutation(len(batches)):
        yield [sentences[order[row]] for row in batches[number]]


def _encode(
    batch: Sequence[Sequence[str]], vocabulary: dict[str, int]
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """RETURNS (tuple[torch.Tensor, torch.Tensor, list[int]]): What a model takes."""
    marked = [[BEGIN, *sentence, END] for sentence in batch]
    words = list(dict.fromkeys(word for sentence in marked for word in sentence))
    places = {word: number for number, word in enumerate(words)}
    unknown = vocabulary[UNKNOWN]
    rows = []
    for sentence in marked:
        numbers = [(places[word], vocabulary.get(word, unknown)) for word in sentence]
        rows.append(torch.tensor(numbers))
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    characters = torch.tensor([ids_of(word) for word in words])
    return characters, padded, [len(sentence) for sentence in marked]
