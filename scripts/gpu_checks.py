"""The checks of scripts/gpu_check.py: each takes a `Setup`, returns a line, raises if it fails."""

import gc
import random
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from spacy.util import fix_random_seed
from thinc.api import Optimizer

from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.backbone.locate import locate
from tests.util.tokenizers import WORDS

WINDOWS = {"max_pieces": 60, "stride": 16}
STEPS = 20
DATA = [  # a question, a text, and the answer in it or an empty text
    ("who wrote it ?", "ann wrote it in 1920", "ann"),
    ("who eat eggs ?", "the dog likes green eggs", "the dog"),
    ("who likes ham ?", "i like blue ham", ""),
    ("who wrote it ?", "the small dog likes green ham and eggs , and ann wrote it", "ann"),
]
TEXTS = [f"{question} [SEP] {text}" for question, text, _ in DATA]
TASKS = ("tagger", "pooled", "pair_classifier", "span_qa")
# How far predictions in a precision may be from those in float32 on the CPU: 1 - cosine.
FAR = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 2e-3}
N_WORDS = 20_000


class Skipped(Exception):
    """Raised by a check that says nothing on this device or in this precision."""


@dataclass(frozen=True)
class Setup:
    """What a check runs with.

    backbone (str): The backbone.
    precision (str): The precision of the transformer.
    device (str): `gpu` or `cpu`.
    folder (Path): For files.
    """

    backbone: str
    precision: str
    device: str
    folder: Path

    def use(self, device: str | None = None) -> None:
        """Make pipelines on a device from now on, that of the setup unless another is given."""
        if (device or self.device) == "gpu":
            spacy.require_gpu()
        else:
            spacy.require_cpu()

    def check_possible(self) -> None:
        """RAISES (Skipped): If the device does not have the precision."""
        if self.device == "cpu" and self.precision == "float16":
            raise Skipped("float16 needs a GPU")

    def check_gpu(self) -> None:
        """RAISES (Skipped): If the device is no GPU."""
        if self.device == "cpu":
            raise Skipped("needs a GPU")

    def make(self, precision: str | None = None, tasks: bool = True, **model: Any) -> Language:
        """RETURNS (Language): A pipeline, with the four components unless `tasks` is false."""
        nlp = spacy.blank("en")
        settings = {"name": self.backbone, "precision": precision or self.precision, **WINDOWS}
        nlp.add_pipe(
            "adapter_transformer", name="transformer", config={"model": {**settings, **model}}
        )
        if tasks:
            add_tasks(nlp, settings)
        return nlp


def add_tasks(nlp: Language, settings: dict[str, Any]) -> None:
    """Add a tagger, the pooler with a tagger on it, the pair classifier, and question answering."""
    from spacy_bertfamily.backbone import read_config

    width = read_config(settings["name"])[1].hidden_size
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    pooled = {
        "@architectures": "spacy.Tok2VecListener.v1", "width": width, "upstream": "pooler",
    }  # fmt: skip
    tagger = {"@architectures": "spacy.Tagger.v2"}
    nlp.add_pipe("tagger", config={"model": {**tagger, "tok2vec": listener}})
    nlp.add_pipe("weighted_layer_pooler", name="pooler")
    nlp.add_pipe("tagger", name="pooled", config={"model": {**tagger, "tok2vec": pooled}})
    nlp.add_pipe("pair_classifier")
    nlp.add_pipe("span_qa", config={"null_threshold": None})


def make_examples(nlp: Language) -> list[Example]:
    """RETURNS (list[Example]): Pairs with tags, labels and answers."""
    examples = []
    for text, (_, second, answer) in zip(TEXTS, DATA):
        gold = nlp.make_doc(text)
        for token in gold:
            token.tag_ = token.text[0].upper() if token.text[0] in "aegw" else "X"
        gold.cats = {"yes": float(bool(answer)), "no": float(not answer)}
        start = text.index(second) + second.index(answer)
        set_answers(gold, [(start, start + len(answer))] if answer else [])
        examples.append(Example(nlp.make_doc(text), gold))
    return examples


def train(nlp: Language, steps: int = STEPS) -> tuple[Optimizer, list[dict[str, float]]]:
    """RETURNS (tuple[Optimizer, list[dict[str, float]]]): The optimizer, and each step's losses."""
    fix_random_seed(0)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 5e-3
    losses = [nlp.update(examples, sgd=optimizer, losses={}) for _ in range(steps)]
    return optimizer, losses


def states(nlp: Language, texts: Iterable[str] = TEXTS) -> list[np.ndarray]:
    """RETURNS (list[np.ndarray]): The last hidden states of texts, on the CPU."""
    found = []
    for doc in nlp.pipe(texts):
        state = doc._.trf_data.model_output.last_hidden_state
        found.append(np.asarray(state.get() if hasattr(state, "get") else state, dtype="float64"))
    return found


def distance(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """RETURNS (float): 1 - cosine of all hidden states together."""
    a, b = (np.concatenate([state.ravel() for state in part]) for part in (ours, theirs))
    return float(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def check_training(setup: Setup) -> str:
    """Train the four components: all losses fall, all trained tensors stay finite float32."""
    setup.check_possible()
    setup.use()
    nlp = setup.make()
    _, losses = train(nlp)
    for name in TASKS:
        first, last = losses[0][name], losses[-1][name]
        assert np.isfinite(last), f"the loss of {name} is {last}"
        assert last < first, f"the loss of {name} went from {first:.4f} to {last:.4f}"
    for name, tensor in nlp.get_pipe("transformer").shim.encoder.delta().items():
        assert tensor.dtype == torch.float32, f"{name} is {tensor.dtype}"
        assert torch.isfinite(tensor).all(), f"{name} is not finite"
    falls = (f"{name} {losses[0][name]:.2f} to {losses[-1][name]:.2f}" for name in TASKS)
    return ", ".join(falls)


def check_prediction(setup: Setup) -> str:
    """Compare hidden states, and what the components predict, with float32 on the CPU."""
    setup.check_possible()
    setup.use("cpu")
    reference = setup.make("float32")
    train(reference, 5)
    content = reference.to_bytes()
    expected = states(reference)
    tags = [[token.tag_ for token in doc] for doc in reference.pipe(TEXTS)]
    setup.use()
    nlp = setup.make().from_bytes(content)
    far = distance(states(nlp), expected)
    assert far < FAR[setup.precision], f"1 - cosine = {far:.1e}"
    pairs = [
        (token.tag_, tag) for doc, row in zip(nlp.pipe(TEXTS), tags) for token, tag in zip(doc, row)
    ]
    same = sum(a == b for a, b in pairs) / len(pairs)
    assert same > 0.9, f"{same:.0%} of the tags are the same"
    return f"1 - cosine = {far:.1e}, {same:.0%} of tags the same"


def check_scaling(setup: Setup) -> str:
    """Scale gradients in float16; a step whose gradients overflow changes nothing."""
    setup.check_gpu()
    if setup.precision != "float16":
        raise Skipped("only in float16")
    setup.use()
    nlp = setup.make()
    optimizer, _ = train(nlp, 3)
    shim = nlp.get_pipe("transformer").shim
    one = torch.ones(1, device="cuda")
    before = {name: t.detach().clone() for name, t in shim.encoder.delta().items()}
    factor = float(shim.scaler.scale([one])[0])
    assert factor > 1, f"gradients are scaled by {factor}"
    shim.scaler._scale.fill_(2.0**100)
    nlp.update(make_examples(nlp), sgd=optimizer)
    lowered = float(shim.scaler.scale([one])[0])
    assert lowered < 2.0**100, "the factor was not lowered after an overflow"
    for name, tensor in shim.encoder.delta().items():
        assert torch.equal(tensor, before[name]), f"{name} changed in a step that overflowed"
    return f"factor {factor:.0f}; a step that overflowed was left out"


def check_out_of_memory(setup: Setup) -> str:
    """Run out of memory: torch's error is raised, and the pipeline then predicts as before."""
    setup.check_gpu()
    setup.use()
    nlp = setup.make(tasks=False, batch_pieces=2**22)
    nlp.initialize()
    expected = states(nlp)
    texts = make_texts(40 * N_WORDS)
    total = torch.cuda.get_device_properties(0).total_memory
    gc.collect()
    torch.cuda.empty_cache()
    allowed = torch.cuda.memory_allocated() + 64 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    try:
        list(nlp.pipe(texts, batch_size=len(texts)))
    except torch.cuda.OutOfMemoryError:
        pass
    else:
        raise AssertionError("64 MB sufficed for one batch of everything")
    finally:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(1.0)
    far = distance(states(nlp), expected)
    assert far < 1e-6, f"predictions changed afterwards: 1 - cosine = {far:.1e}"
    return "OutOfMemoryError, and predictions as before afterwards"


def check_ask(setup: Setup) -> str:
    """Ask questions about a long text: the answers are those of float32 on the CPU."""
    setup.check_possible()
    setup.use("cpu")
    reference = setup.make("float32")
    train(reference)
    content = reference.to_bytes()
    context = " , ".join([text for _, text, _ in DATA] * 20)
    questions = [question for question, _, _ in DATA]
    expected = reference.get_pipe("span_qa").ask(context, questions, top_k=1)
    setup.use()
    nlp = setup.make().from_bytes(content)
    found = nlp.get_pipe("span_qa").ask(context, questions, top_k=1)
    pairs = [(a[0], b[0]) for a, b in zip(found, expected) if a and b]
    assert len(pairs) == len(questions), "a question has no answer"
    same = sum(a.text == b.text for a, b in pairs)
    apart = max(abs(a.score - b.score) for a, b in pairs)
    if setup.precision == "float32":
        assert same == len(pairs), f"{same} of {len(pairs)} answers are the same"
    return f"{same} of {len(pairs)} answers the same, scores differ by {apart:.1e} at most"


def check_several(setup: Setup) -> str:
    """Hold two pipelines on one backbone: they share its tensors."""
    setup.check_possible()
    setup.use()
    pipelines = [setup.make(tasks=False, trainable=["adapter"]) for _ in range(2)]
    for nlp in pipelines:
        nlp.initialize()
    one, two = (nlp.get_pipe("transformer").shim.encoder for nlp in pipelines)
    assert one.shared is two.shared
    assert one.device.type == ("cuda" if setup.device == "gpu" else "cpu")
    places = {p.data_ptr() for p in one.backbone.parameters() if not p.requires_grad}
    own = [p for p in two.parameters() if p.data_ptr() not in places]
    share = sum(p.nbytes for p in own) / sum(p.nbytes for p in two.parameters())
    assert all(p.requires_grad for p in own), "a frozen tensor is there twice"
    return f"the second one adds {share:.1%} of its tensors' bytes"


def check_moves(setup: Setup) -> str:
    """Save on the device and load on the CPU, and the other way; move a loaded component."""
    setup.check_gpu()
    setup.use()
    nlp = setup.make("float32")
    train(nlp, 5)
    expected = states(nlp)
    nlp.to_disk(setup.folder / "moved")
    setup.use("cpu")
    there = spacy.load(setup.folder / "moved")
    far = distance(states(there), expected)
    there.to_disk(setup.folder / "back")
    setup.use()
    back = spacy.load(setup.folder / "back")
    far = max(far, distance(states(back), expected))
    assert far < FAR["float32"], f"1 - cosine = {far:.1e} after moving"
    device = back.get_pipe("transformer").shim.encoder.device.type
    assert device == "cuda", f"it was loaded on the {device}"
    return f"GPU, CPU, GPU: 1 - cosine = {far:.1e}"


def check_memory(setup: Setup) -> str:
    """Measure the peak memory of training with adapters and of training everything."""
    setup.check_possible()
    setup.use()
    peaks = {}
    for trainable in ("adapter", "all"):
        nlp = setup.make(trainable=[trainable])
        gc.collect()
        if setup.device == "gpu":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        train(nlp, 2)
        peaks[trainable] = peak_megabytes(setup.device)
        del nlp
    what = "of the GPU" if setup.device == "gpu" else "of the process so far"
    return f"{what}: adapter {peaks['adapter']:.0f} MB, all {peaks['all']:.0f} MB"


def peak_megabytes(device: str) -> float:
    """RETURNS (float): The peak memory of the GPU since it was reset, or of the process."""
    if device == "gpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check_speed(setup: Setup) -> str:
    """Measure words a second beside spacy-transformers and a plain loop of torch."""
    setup.check_possible()
    setup.use()
    nlp = setup.make(tasks=False, trainable=[], adapter=None)
    nlp.initialize()
    ways: dict[str, Callable[[list[str]], Any]] = {
        "ours": lambda texts: list(nlp.pipe(texts)),
        "plain torch": plain_loop(setup),
    }
    note = ""
    if setup.precision == "float32":
        try:
            other = spacy_transformers(setup)
            ways["spacy-transformers"] = lambda texts: list(other.pipe(texts))
        except Exception as e:  # it is compared with, not checked
            note = f"; spacy-transformers cannot load this backbone ({type(e).__name__})"
    n_words = N_WORDS if setup.device == "gpu" else N_WORDS // 20
    texts = make_texts(n_words)
    rates = []
    for name, run in ways.items():
        run(texts[:8])
        start = time.perf_counter()
        run(texts)
        if setup.device == "gpu":
            torch.cuda.synchronize()
        rates.append(f"{name} {n_words / (time.perf_counter() - start):,.0f}")
    return f"words a second: {', '.join(rates)}{note}"


def make_texts(n_words: int) -> list[str]:
    """RETURNS (list[str]): Random texts of 40 words, which fit into a window."""
    rng = random.Random(0)
    words = [word for word in WORDS if not word.startswith("#")]
    return [" ".join(rng.choices(words, k=40)) for _ in range(n_words // 40)]


def plain_loop(setup: Setup) -> Callable[[list[str]], Any]:
    """RETURNS (Callable[[list[str]], Any]): Runs texts through transformers, 64 at a time."""
    from transformers import AutoModel, AutoTokenizer

    folder = locate(setup.backbone)
    device = "cuda" if setup.device == "gpu" else "cpu"
    dtype = getattr(torch, setup.precision)
    model = AutoModel.from_pretrained(folder, torch_dtype=dtype).eval().to(device)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    known = ("input_ids", "attention_mask")

    @torch.inference_mode()
    def run(texts: list[str]) -> None:
        for start in range(0, len(texts), 64):
            batch = tokenizer(
                texts[start : start + 64],
                padding=True,
                truncation=True,
                max_length=WINDOWS["max_pieces"],
                return_tensors="pt",
            )
            model(**{name: batch[name].to(device) for name in known})

    return run


def spacy_transformers(setup: Setup) -> Language:
    """RETURNS (Language): A pipeline with spacy-transformers' own transformer."""
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(locate(setup.backbone)),
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "tokenizer_config": {"use_fast": True, "model_max_length": WINDOWS["max_pieces"]},
    }
    nlp.add_pipe("transformer", config={"model": model})
    nlp.initialize()
    return nlp


CHECKS: dict[str, Callable[[Setup], str]] = {
    "training": check_training,
    "prediction": check_prediction,
    "gradient scaling": check_scaling,
    "out of memory": check_out_of_memory,
    "ask": check_ask,
    "several pipelines": check_several,
    "moves": check_moves,
    "memory": check_memory,
    "speed": check_speed,
}
