"""The methods of `text_generator` that take texts."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ...annotation.generated import Generated
from ...errors import Errors
from ...transformer.shim import EncoderShim
from ..base.model import require_loaded_shim
from ..base.texts import find_surrogate, is_iterable
from .prediction import GeneratorPrediction
from .settings import GenerationSettings
from .write import stream_text


class GeneratorTextMethods(GeneratorPrediction):
    """The methods of `text_generator` that take texts."""

    def generate(
        self,
        texts: str | Doc | Iterable[str | Doc],
        *,
        nlp: Language | None = None,
        **settings: Any,
    ) -> list[Generated] | list[list[Generated]]:
        """Write something for one text, or for several.

        texts (str | Doc | Iterable[str | Doc]): One text, or several in any iterable.
        nlp (Language | None): The pipeline that holds this component. It is needed only if that is
            not the one the component was made for.
        **settings (Any): Settings that hold for this call, as in the component's config, such as
            `num_beams = 4`.
        RETURNS (list[Generated] | list[list[Generated]]): For one text what was written, best
            first; for several a list of such lists.
        RAISES (BertFamilyError): If something is not a text, a setting is not allowed, nothing was
            trained, or there is no transformer.
        """
        is_single = isinstance(texts, (str, Doc))
        given = check_texts([texts] if is_single else texts)
        changed = self._changed(settings)
        docs, shim = self._make_docs(given, "generate", nlp)
        written = self.write(docs, changed, shim)
        return written[0] if is_single else written

    def stream(
        self, text: str | Doc, *, nlp: Language | None = None, **settings: Any
    ) -> Iterator[str]:
        """Write something for a text, and give it word by word, as soon as a word is whole.

        text (str | Doc): The text.
        nlp (Language | None): As in `generate`.
        **settings (Any): As in `generate`. There is one text, without beams.
        YIELDS (str): Parts of what is written. Put together, they are what `generate` returns.
        RAISES (BertFamilyError): As `generate`.
        """
        given = check_texts([text])
        changed = self._changed({"num_beams": 1, "num_return": 1, **settings})
        if changed.num_beams > 1 or changed.num_return > 1:
            allowed = "1 for stream(), which writes one text from left to right"
            value = max(changed.num_beams, changed.num_return)
            raise Errors.B004(setting="num_beams and num_return", value=value, allowed=allowed)
        docs, shim = self._make_docs(given, "stream", nlp)
        modules, writer = self.writer_shim.modules_on(shim), self.writer_shim.writer
        sources = writer.read(shim, docs, changed.max_length)
        self.warn_of_cut(sources)
        source = sources[0]
        return iter(()) if source is None else stream_text(writer, modules, shim, source, changed)

    def _changed(self, settings: dict[str, Any]) -> GenerationSettings:
        for name in settings:
            if name not in self.setting_names or name == "train_on":
                known = ", ".join(n for n in self.setting_names if n != "train_on")
                raise Errors.B221(name=self.name, setting=name, settings=known)
        return replace(self.settings, **settings)

    def _make_docs(
        self, texts: list[str | Doc], method: str, nlp: Language | None
    ) -> tuple[list[Doc], EncoderShim]:
        nlp = self.require_pipeline(method, nlp)
        docs = [nlp.make_doc(text) if isinstance(text, str) else text for text in texts]
        return docs, require_loaded_shim(self.model, nlp, self.name)


def check_texts(given: Any) -> list[str | Doc]:
    """Read texts from an iterable.

    given (Any): What a user has given.
    RETURNS (list[str | Doc]): The texts.
    RAISES (BertFamilyError): If it is not an iterable of texts that can be encoded, or of Docs.
    """
    if isinstance(given, (bytes, bytearray, dict)) or not is_iterable(given):
        raise Errors.B731(given=type(given).__name__)
    texts = list(given)
    for index, text in enumerate(texts):
        if not isinstance(text, (str, Doc)):
            raise Errors.B732(index=index, given=type(text).__name__)
        char = find_surrogate(text) if isinstance(text, str) else None
        if char is not None:
            raise Errors.B210(what=f"Text {index}", char=char, surrogate=text[char])
    return texts
