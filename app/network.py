"""Networks behind one small interface, so that the core does not know what runs them.

CPython runs ONNX Runtime (`OnnxNetwork`); the page brings its own class for ONNX Runtime Web. A backend that answers at
all may still answer wrongly (drivers, reduced precision), so that `check` compares its first result with a stored one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from app.errors import UserError

MODELS = Path(__file__).resolve().parent.parent / "models"
DEPTH_MODEL = MODELS / "tiefenrausch" / "tiefenrausch.onnx"
DEPTH_CHECK = MODELS / "tiefenrausch" / "check.npz"
CHECK_TOLERANCE = (
    0.02  # log-disparity; the stored answer spans 0.3, so that half precision passes and a wrong kernel fails
)
FILL_MODEL = MODELS / "farbrausch" / "farbrausch.onnx"
DEFAULT_THREADS = 2  # more gain little on a network of 0.5 GMAC, and other work runs beside it


class Network(Protocol):
    """Anything that turns arrays into an array.

    name: what runs where, for the details that people see.
    """

    name: str

    async def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The network's first output, float32. inputs: contiguous float32 or int32 arrays by name.

        The depth network takes `image` (1, 3, H, W) in 0..1, sides multiples of 32, and answers (1, 1, H, W)
        log-disparity, larger = nearer. For the fill's see `inpaint.py`.
        """
        ...


@dataclass(frozen=True)
class Stored:
    """One input with the output it must give.

    image: (H, W, 3) uint8. log_disparity: (H, W) float32. name: whose network gives it, for the details people see.
    """

    image: np.ndarray
    log_disparity: np.ndarray
    name: str = ""

    @staticmethod
    def load(file=DEPTH_CHECK) -> "Stored":
        """From an .npz: a path, or a binary file object."""
        with np.load(file) as arrays:
            return Stored(arrays["image"], arrays["log_disparity"].astype(np.float32), str(arrays["name"]))


async def log_disparity(network: Network, image: np.ndarray) -> np.ndarray:
    """What the depth network sees in (H, W, 3) uint8 sRGB, sides multiples of 32: (H, W) float32, larger = nearer."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    answer = np.asarray(await network.run({"image": planes}), np.float32)
    return answer.reshape(answer.shape[-2:])


async def check(network: Network, stored: Stored) -> float:
    """Largest deviation of the network's answer from the stored one; infinite when the answer is no number or shape.

    Above `CHECK_TOLERANCE` the backend must not be used.
    """
    answer = await log_disparity(network, stored.image)
    if answer.shape != stored.log_disparity.shape or not np.isfinite(answer).all():
        return float("inf")
    return float(np.abs(answer - stored.log_disparity).max())


class OnnxNetwork:
    """A network on ONNX Runtime's CPU provider.

    model: path of an .onnx file, or its bytes. Raises UserError("no-network") when it cannot be loaded.
    """

    def __init__(self, model: Path | bytes = DEPTH_MODEL, threads: int = DEFAULT_THREADS):
        import onnxruntime  # here, because the Pyodide side has none

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only: its warnings are about folding, and go to stderr
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a class of its own for each cause, without a common one
            raise UserError("no-network", "A network could not be loaded; its file is missing or damaged.") from error
        self.name = f"ONNX Runtime {onnxruntime.__version__}, {threads} thread{'s' if threads > 1 else ''}"

    async def run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """See `Network.run`."""
        return self._session.run(None, inputs)[0]
