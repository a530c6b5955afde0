"""Each model type is exported to OpenVINO and computes what torch does, or says that it cannot."""

import numpy as np
import pytest
import spacy

from spacy_bertfamily.adapters import Bottleneck
from spacy_bertfamily.encoder.schedule import EncoderSchedule
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.model_types.table import SPECS
from spacy_bertfamily.patching.openvino_tools import private_and_quiet
from spacy_bertfamily.runtime.export import export_encoder, exported_layers
from spacy_bertfamily.runtime.prediction import OpenVINORuntime

from ..util.backbones import MODEL_TYPES
from ..util.encoders import TEXTS, make_encoder
from ..util.extras import require

with private_and_quiet():  # importing them is reported, too
    require("openvino")
    require("nncf")
BLANK = spacy.blank("en")
CAN = [model_type for model_type in MODEL_TYPES if SPECS[model_type].why_not("openvino") is None]
CANNOT = [model_type for model_type in MODEL_TYPES if model_type not in CAN]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPACY_BERTFAMILY_CACHE", str(tmp_path))


def make(backbones, model_type):
    """RETURNS (tuple): An encoder, with an adapter where the type takes them, and its tokenizer."""
    spec = SPECS[model_type]
    placement = "parallel" if spec.ffn.pre_norm else "pfeiffer"
    has_adapter = spec.why_not(placement) is None
    adapter = Bottleneck(size=4, init_scale=0.5, placement=placement) if has_adapter else None
    return make_encoder(backbones(model_type), adapter=adapter, runtime="openvino")


def states_of(schedule, texts, layers):
    """RETURNS (dict): The hidden states of the windows of all texts, by window and layer."""
    docs = [BLANK.make_doc(text) for text in texts]
    windows = [window for text in schedule.lay_out_docs(docs) for window in text.windows]
    found = {}
    for batch in schedule.run(windows, layers, is_train=False):
        for row, (number, length) in enumerate(zip(batch.rows, batch.lengths)):
            for layer in layers:
                found[number, layer] = batch.states[layer][row, :length].numpy()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("model_type", CAN)
def test_states_are_those_of_torch(model_type, backbones):
    encoder, tokenizer = make(backbones, model_type)
    layers = exported_layers(encoder)
    runtime = OpenVINORuntime(encoder, "transformer")
    expected = states_of(EncoderSchedule(encoder, tokenizer), TEXTS, layers)
    found = states_of(EncoderSchedule(encoder, tokenizer, runtime=runtime), TEXTS, layers)
    assert runtime.is_used
    assert found.keys() == expected.keys()
    for key, states in expected.items():
        np.testing.assert_allclose(found[key], states, atol=5e-5 * max(1, np.abs(states).max()))


@pytest.mark.slow
@pytest.mark.parametrize("model_type", CANNOT)
def test_types_that_do_not_export_are_found_out(model_type, backbones):
    encoder, _ = make(backbones, model_type)
    with pytest.raises(BertFamilyError, match="cannot be exported to OpenVINO") as caught:
        export_encoder(encoder, "transformer")
    assert caught.value.code == "B772"
