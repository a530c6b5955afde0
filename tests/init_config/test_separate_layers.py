"""`init-config --separate-layers`."""

import pytest
from thinc.api import Config

from spacy_bertfamily.init_config.make import make_config


@pytest.mark.parametrize("mode", ["top:4", "full", "frozen"])
@pytest.mark.parametrize("task", ["qa", "pair"])
def test_the_setting_is_written(task, mode):
    text = make_config(task, mode, separate_layers=2)
    model = Config().from_str(text, interpolate=False)["components"]["transformer"]["model"]
    assert model["separate_layers"] == 2
    plain = Config().from_str(make_config(task, mode), interpolate=False)
    assert "separate_layers" not in plain["components"]["transformer"]["model"]


@pytest.mark.parametrize(("mode", "n"), [("adapter", 2), ("adapter:8", 1), ("full", -1)])
def test_what_does_not_fit_is_an_error(mode, n):
    with pytest.raises(ValueError, match="B004"):
        make_config("qa", mode, separate_layers=n)
