import numpy as np
import pytest

from app.atlas import compose
from app.ldi import lift
from app.mesh import mesh
from tests import scenes, validators
from tests.layers import build


@pytest.mark.parametrize("scene", scenes.ALL, ids=lambda scene: scene.__name__)
def test_validators_hold(scene):
    built = build(scene())
    validators.all_hold(built.mesh, built.ldi, built.pages)
