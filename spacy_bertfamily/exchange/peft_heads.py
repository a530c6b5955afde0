"""Heads beside adapters of peft: those of transformers' classes of models with a head."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..adapters.peft import PeftModules
from ..backbone.safety import read_json
from ..encoder.module import Encoder
from ..errors import Errors
from ..storage.adapter_state import check_fit
from ..storage.delta import Reference
from .base import Tensors
from .head import CLASSIFICATION, MULTILABEL, QUESTION_ANSWERING, SOME_CLASSIFICATION, Head, Linear
from .peft_files import POOLER, PREFIX, PeftFiles, read_files
from .read import check_backbone, read_adapter

# By task, the end of the names of transformers' classes.
CLASSES = {"QUESTION_ANS": "ForQuestionAnswering", "SEQ_CLS": "ForSequenceClassification"}
# By transformers' `problem_type`.
PROBLEM_TYPES = {
    "multi_label_classification": MULTILABEL,
    "regression": CLASSIFICATION,
    "single_label_classification": CLASSIFICATION,
}


@dataclass(frozen=True)
class HeadForm:
    """How a class of transformers computes a head.

    layers (tuple[str, ...]): The paths of its linear layers; between two there is tanh.
    use_pooler (bool): Whether it reads the backbone's pooler instead of the piece that represents
        the sequence.
    """

    layers: tuple[str, ...]
    use_pooler: bool = False


ON_POOLER = HeadForm(("classifier",), use_pooler=True)
TWO_LAYERS = HeadForm(("classifier.dense", "classifier.out_proj"))
# The heads of sequence classification by model type. Those of other types read other pieces, or
# have other activations.
CLASSIFIERS = {
    "albert": ON_POOLER,
    "bert": ON_POOLER,
    "camembert": TWO_LAYERS,
    "data2vec-text": TWO_LAYERS,
    "ernie": ON_POOLER,
    "longformer": TWO_LAYERS,
    "megatron-bert": ON_POOLER,
    "mpnet": TWO_LAYERS,
    "rembert": ON_POOLER,
    "roberta": TWO_LAYERS,
    "xlm-roberta": TWO_LAYERS,
}
# The types whose head of question answering is a linear layer on all pieces.
WITH_QA = (*CLASSIFIERS, "deberta-v2", "distilbert", "electra")
QA = HeadForm(("qa_outputs",))


def read_peft_head(
    component: str,
    file: Path,
    types: Sequence[str],
    encoder: Encoder,
    reference: Reference,
    force: bool,
) -> Head:
    """Read the head beside an adapter of peft.

    component (str): The name of the component that gets it, for errors.
    file (Path): The file with the tensors of both.
    types (Sequence[str]): The types that the component can compute.
    encoder (Encoder): The encoder below the component.
    reference (Reference): The encoder's backbone.
    force (bool): Accept a head for another backbone.
    RETURNS (Head): The head, all tensors of which fit.
    RAISES (BertFamilyError): If there is none, it is not plain data, does not fit, is of another
        type or for another backbone.
    """
    files = read_files(file, encoder)
    if not files.head:
        reason = "it holds an adapter, and no head beside it"
        raise Errors.B090(name=component, file=str(file), reason=reason)
    is_qa = QUESTION_ANSWERING in types
    reason = _other_task(files.config, "QUESTION_ANS" if is_qa else "SEQ_CLS")
    reason = reason or _unsupported_model(reference.model_type, is_qa)
    if reason:
        raise Errors.B090(name=component, file=str(file), reason=reason)
    if not force:
        check_backbone(file, files.backbone, encoder, reference)
    form = QA if is_qa else CLASSIFIERS[reference.model_type]
    layers = _read_layers(files, form, encoder.width)
    n_outputs = len(layers[-1][1])
    if is_qa and n_outputs != 2:
        reason = f"it has {n_outputs} outputs, and answers have 2: start and end"
        raise Errors.B090(name=component, file=str(file), reason=reason)
    model_config = _read_model_config(file.parent)
    return Head(
        type=QUESTION_ANSWERING if is_qa else _type_of(model_config),
        layers=layers,
        labels=() if is_qa else _read_labels(model_config, n_outputs),
        use_pooler=form.use_pooler,
        pooler=_read_pooler(files, encoder, reference) if form.use_pooler else None,
    )


def _other_task(config: dict[str, Any], task: str) -> str:
    """RETURNS (str): Why the files are of another task; empty if they are of this one."""
    given = config.get("task_type")
    mapping = config.get("auto_mapping")
    # where no task is given, peft stores the class of the model
    model_class = str(mapping.get("base_model_class")) if isinstance(mapping, dict) else ""
    if given == task or (given is None and model_class.endswith(CLASSES[task])):
        return ""
    of_class = f" and its base_model_class {model_class!r}" if model_class else ""
    return f"its task_type is {given!r}{of_class}, allowed here is {task!r} or *{CLASSES[task]}"


def _unsupported_model(model_type: str, is_qa: bool) -> str:
    """RETURNS (str): Why heads of a type of models cannot be computed; empty if they can."""
    known = WITH_QA if is_qa else CLASSIFIERS
    if model_type in known:
        return ""
    # such as ReLU or GELU between two layers
    types = ", ".join(known)
    return (
        f"transformers computes such a head of {model_type!r} in another way than those that can "
        f"be taken, which are of {types}"
    )


def _read_layers(files: PeftFiles, form: HeadForm, width: int) -> list[Linear]:
    """Read the linear layers. RAISES (BertFamilyError): If a tensor is missing or does not fit."""
    given = {path: tensor for path, tensor in files.head.items() if not _is_pooler(path)}
    *hidden, last = form.layers
    last_weight = given.get(f"{last}.weight", torch.empty(0))
    n_outputs = len(last_weight) if last_weight.dim() else 0
    expected: Tensors = {}
    for path, size in [*((path, width) for path in hidden), (last, n_outputs)]:
        expected[f"{path}.weight"] = torch.empty(size, width, device="meta")
        expected[f"{path}.bias"] = torch.empty(size, device="meta")
    problems = check_fit(expected, given)
    if problems is not None or not n_outputs:
        problems = problems or {"missing": f"{last}.weight", "unexpected": "none"}
        raise Errors.B066(file=str(files.file), **{"mismatched": "none", **problems})
    return [_linear(given, path) for path in form.layers]


def _is_pooler(path: str) -> bool:
    return path.split(".")[0] == POOLER


def _linear(tensors: Tensors, path: str) -> Linear:
    """RETURNS (Linear): The weights and the bias of a layer."""
    weight, bias = tensors[f"{path}.weight"], tensors[f"{path}.bias"]
    return weight.float().numpy(), bias.float().numpy()


def _read_pooler(files: PeftFiles, encoder: Encoder, reference: Reference) -> Linear | None:
    """Find the pooler that a head was trained with: the backbone's own, or a changed one.

    files (PeftFiles): The files, which may hold a trained pooler, or an adapter of the pooler.
    encoder (Encoder): The encoder.
    reference (Reference): The encoder's backbone.
    RETURNS (Linear | None): The pooler; None for the backbone's own.
    RAISES (BertFamilyError): If its tensors do not fit, or its adapter cannot be merged.
    """
    prefix = f"{PREFIX}{POOLER}."
    has_adapter = any(path.startswith(prefix) for path in files.adapter)
    changed = {path: tensor for path, tensor in files.head.items() if _is_pooler(path)}
    own: Tensors = {}
    for path, tensor in encoder.shared.model.named_parameters():
        if _is_pooler(path):
            own[path] = tensor.detach().cpu()
    if changed:
        problems = check_fit(own, changed)
        if problems is not None:
            raise Errors.B066(file=str(files.file), **problems)
    elif has_adapter:
        changed = {**own, **_merged_pooler(files, encoder, reference)}
    if not changed:
        return None
    paths = {path.rpartition(".")[0] for path in own}
    return _linear(changed, paths.pop())


def _merged_pooler(files: PeftFiles, encoder: Encoder, reference: Reference) -> Tensors:
    """RETURNS (dict[str, torch.Tensor]): The weights of the pooler with its adapter's effect."""
    loaded = read_adapter(
        encoder, files.file.parent, "peft", reference, force=True, warn_of_head=False
    )
    assert isinstance(loaded.modules, PeftModules)
    merged = loaded.modules.merged_weights()
    return {path: tensor.cpu() for path, tensor in merged.items() if _is_pooler(path)}


def _read_model_config(folder: Path) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The config of the model with the head; empty if there is none."""
    path = folder / "config.json"
    return read_json(path) if path.is_file() else {}


def _type_of(model_config: dict[str, Any]) -> str:
    """RETURNS (str): The type of a classifier."""
    return PROBLEM_TYPES.get(str(model_config.get("problem_type")), SOME_CLASSIFICATION)


def _read_labels(model_config: dict[str, Any], n_outputs: int) -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): The names of the outputs; empty if the config has none."""
    names = model_config.get("id2label")
    if not isinstance(names, dict) or {*names} != {*map(str, range(n_outputs))}:
        return ()
    labels = tuple(str(names[str(number)]) for number in range(n_outputs))
    return labels if len(set(labels)) == n_outputs else ()
