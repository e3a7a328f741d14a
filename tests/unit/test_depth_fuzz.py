import contextlib

import numpy as np
import pytest

pytest.importorskip("hypothesis")  # not in every Pyodide

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app import depth
from app.errors import UserError


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float32, (9, 11), elements=st.floats(width=32)))
def test_normalise_is_total(values):
    unit = depth.normalise(values)
    assert unit.dtype == np.float32
    assert unit.min() >= 0
    assert unit.max() <= 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["d.npy", "d.png"]), st.sampled_from([b"", b"\x93NUMPY", b"\x89PNG"]))
def test_any_bytes_are_read_or_refused(data, name, magic):
    with contextlib.suppress(UserError):
        assert depth.read(magic + data, name).ndim == 2
