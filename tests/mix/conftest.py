import pytest

from .util import make_backbone


@pytest.fixture(scope="session")
def backbone(tmp_path_factory):
    """Tiny random backbones by type, made once."""
    made = {}

    def get(model_type="bert", depth=3):
        if (model_type, depth) not in made:
            made[model_type, depth] = make_backbone(
                tmp_path_factory.mktemp(model_type), model_type, depth
            )
        return made[model_type, depth]

    return get
