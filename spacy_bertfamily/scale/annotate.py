"""The callable that annotates batches on any engine."""

import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from packaging.version import Version

from .. import released
from ..errors import Errors, Warnings
from .batches import ERROR, Columns, add_annotation, arrow_type_of
from .fields import FIELDS

if TYPE_CHECKING:  # what is pickled is imported in the driver too, which needs no pipeline
    from spacy.language import Language

    from .pipelines import LoadedPipeline


# The version that was tried; 3.8.3 is known to be wrong.
SOUND_ZONES = Version("3.8.18")


@dataclass(frozen=True)
class Annotate:
    """Annotates batches of texts with a trained pipeline, in any process.

    It can be pickled: it holds settings only, and each process loads the pipeline once, when it
    gets its first text. A text that makes a component fail is set aside: its annotation is None,
    and `error` has the reason, which is None for all others.

    pipeline (str | Path): Folder, package or released name of a trained pipeline.
    annotation (str | Sequence[str] | None): What to add to each text, under these names of columns:
        `tokens`, `tags`, `pos`, `morphs`, `lemmas`, `deps`, `heads`, `sents`, `ents`, `spans`,
        `cats`, `pair_scores`, `answers`, `vector` or `docbin`. Several in a list, or with commas.
        None for all that the pipeline's components declare to set, for which the pipeline has to be
        found in this process too.
    text_column (str): The column that has the texts.
    batch_size (int): The number of texts that components get at once.
    threads (int | None): Torch's threads in each process; None to leave them as they are. One is
        right where there are as many workers as cores.
    share_memory (bool): Whether processes on one machine share the memory of backbones' weights.
        Their files must then not be written to in place while this runs.
    code (str | Path | None): Python file to import before the pipeline is loaded.
    gpu_id (int): The GPU, or -1 for the CPU.
    """

    pipeline: str | PathLike[str]
    annotation: str | Sequence[str] | None = None
    text_column: str = "text"
    batch_size: int = 64
    threads: int | None = 1
    share_memory: bool = True
    code: str | PathLike[str] | None = None
    gpu_id: int = -1

    def __post_init__(self) -> None:
        for name in ("pipeline", "code"):
            value = getattr(self, name)
            if not (isinstance(value, (str, PathLike)) or (name == "code" and value is None)):
                raise Errors.B500(setting=name, type=type(value).__name__)
            object.__setattr__(self, name, _absolute(value))
        object.__setattr__(self, "annotation", self._read_names())
        for name, least in (("batch_size", 1), ("threads", 1), ("gpu_id", -1)):
            value = getattr(self, name)
            is_number = isinstance(value, int) and not isinstance(value, bool)
            if not (is_number and value >= least or value is None and name == "threads"):
                allowed = f"a whole number, {least} or more"
                raise Errors.B505(setting=name, value=value, allowed=allowed)

    @property
    def columns(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The names of the columns that are added."""
        return (*self.names, ERROR)

    @property
    def names(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The names of the annotation that is added."""
        return cast("tuple[str, ...]", self.annotation)

    def __call__(self, batch: Any) -> Any:
        """Annotate a batch.

        batch (Any): Texts in a list or an array; rows as dicts in a list; columns in a dict, as
            Ray has them; a DataFrame or Series of pandas; a Table or RecordBatch of Arrow; an
            iterator of these, as Spark's `mapInPandas` and `mapInArrow` have it, or of texts or
            rows, as Dask's bags have it; or one row, a dict with one text.
        RETURNS (Any): The same with the annotation in more columns: for texts alone rows, for a
            Series a DataFrame with nothing but the annotation, for an iterator a generator.
        RAISES (BertFamilyError): If the batch is of another kind, has no column with texts, or has
            columns that are called as the annotation.
        """
        return add_annotation(batch, self.text_column, self.annotate_texts)

    def arrow_schema(self, schema: Any = None) -> Any:
        """Describe annotated batches for Arrow.

        schema (pa.Schema | None): That of the batches; None for that of the annotation alone.
        RETURNS (pa.Schema): With the columns that are added.
        """
        import pyarrow

        schema = pyarrow.schema([]) if schema is None else schema
        for name in self.columns:
            schema = schema.append(pyarrow.field(name, arrow_type_of(name)))
        return schema

    def spark_schema(self, schema: Any = None) -> Any:
        """Describe annotated batches for Spark, as `mapInPandas` and `pandas_udf` want it.

        schema (StructType | None): That of the batches; None for that of the annotation alone.
        RETURNS (StructType): With the columns that are added.
        """
        from pyspark.sql.pandas.types import from_arrow_schema
        from pyspark.sql.types import StructType

        given = [] if schema is None else schema.fields
        return StructType([*given, *from_arrow_schema(self.arrow_schema()).fields])

    def annotate_texts(self, texts: Sequence[Any]) -> Columns:
        """Annotate texts. Without any the pipeline is not loaded.

        texts (Sequence[Any]): The texts; what is none is set aside.
        RETURNS (dict[str, list[Any]]): The columns to add, `error` among them.
        """
        rows: list[tuple[Any, ...]] = [(*[None] * len(self.names), _reason(t)) for t in texts]
        usable = [index for index, row in enumerate(rows) if row[-1] is None]
        if usable:
            loaded = self._load()
            with loaded.lock:
                for start in range(0, len(usable), self.batch_size):
                    part = usable[start : start + self.batch_size]
                    found = self._annotate_part(loaded.nlp, [str(texts[index]) for index in part])
                    for index, row in zip(part, found):
                        rows[index] = row
        values = zip(*rows) if rows else [()] * len(self.columns)
        return {name: list(column) for name, column in zip(self.columns, values)}

    def _read_names(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The names of fields, each once."""
        if self.annotation is None:
            from .assigned import annotation_of

            return annotation_of(cast(str, self.pipeline), cast("str | None", self.code))
        given = self.annotation.split(",") if isinstance(self.annotation, str) else self.annotation
        names = tuple(dict.fromkeys(str(name).strip() for name in given))
        unknown = [name for name in names if name not in FIELDS]
        if unknown or not names:
            shown = ", ".join(unknown) or "nothing"
            raise Errors.B501(given=shown, allowed=", ".join(FIELDS))
        return names

    def _annotate_part(self, nlp: "Language", texts: list[str]) -> list[tuple[Any, ...]]:
        """Annotate texts; if that fails, each half, to find the texts that fail."""
        try:
            return self._read(nlp, texts)
        except Exception as e:  # whatever a component makes of a text
            if len(texts) == 1:
                reason = f"{type(e).__name__}: {e}"
                return [(*[None] * len(self.names), reason)]
        half = len(texts) // 2
        return self._annotate_part(nlp, texts[:half]) + self._annotate_part(nlp, texts[half:])

    def _read(self, nlp: "Language", texts: list[str]) -> list[tuple[Any, ...]]:
        readers = [FIELDS[name].read for name in self.names]
        with _memory_zone(nlp):
            docs = nlp.pipe(texts, batch_size=self.batch_size)
            rows = [(*[read(doc) for read in readers], None) for doc in docs]
        if len(rows) != len(texts):
            raise Errors.B507(given=len(texts), returned=len(rows))
        return rows

    def _load(self) -> "LoadedPipeline":
        from .pipelines import PipelineSettings, load_once

        values = {field.name: getattr(self, field.name) for field in fields(PipelineSettings)}
        loaded = load_once(PipelineSettings(**values))
        if self.names not in loaded.checked:
            loaded.checked.append(self.names)
            _warn_of_missing(loaded.nlp, self.names)
        return loaded


@contextmanager
def _memory_zone(nlp: "Language") -> Iterator[None]:
    """Free new words at the end, which would stay in the vocabulary for ever.

    In spaCy 3.8.2 and 3.8.3 a text that fails inside of a zone damages the words of later ones.
    """
    import spacy

    if Version(spacy.__version__) < SOUND_ZONES:
        yield
        return
    with nlp.memory_zone():
        yield


def _absolute(path: Any) -> Any:
    """RETURNS (Any): An existing path from the root, as workers may run in another folder."""
    if path is None or path in released.NAMES:
        return path
    return str(Path(path).resolve()) if Path(path).exists() else fspath(path)


def _reason(text: Any) -> str | None:
    """RETURNS (str | None): Why something cannot be annotated; None if it can."""
    if isinstance(text, str):
        return None
    # what pandas has for what is missing
    if text is None or text is getattr(sys.modules.get("pandas"), "NA", None):
        return "there is no text"
    if isinstance(text, float) and math.isnan(text):
        return "there is no text"
    return f"the text is no string, but of the type {type(text).__name__}"


def _warn_of_missing(nlp: "Language", annotation: Sequence[str]) -> None:
    """Warn if all components declare what they set, and none sets what is wanted."""
    from .assigned import assigned_by_pipes

    assigned = assigned_by_pipes(type(nlp), nlp.config).values()
    wanted = {name: FIELDS[name].assigned_by for name in annotation}
    known = {name for names in assigned for name in names}
    missing = [name for name, by in wanted.items() if by and not known & set(by)]
    if missing and all(assigned):
        pipes = ", ".join(nlp.pipe_names) or "none"
        warnings.warn(Warnings.W500.format(names=", ".join(missing), known=pipes), stacklevel=2)
