"""How far a picture is from the truth: PSNR, SSIM, and the distance of features of our own depth network.

Pictures are (H, W, 3) uint8. The last two give a map (H, W), to be averaged over whatever pixels matter.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from scipy import ndimage

from app.network import DEPTH_MODEL

PEAK = 255
LEAST_ERROR = 0.05  # levels squared; a flat patch that is right would have infinite PSNR: this is 61 dB
WINDOW = 1.5  # sigma of SSIM's Gaussian, pixels; K1 = 0.01, K2 = 0.03 as in Wang et al. 2004
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
FEATURES = ("/stem/stem.1/Clip", "/enc.1/enc.1.1/Add", "/enc.2/enc.2.1/Add")  # at 1/2, 1/4 and 1/8 of the resolution
MULTIPLE = 32  # the network halves its input five times


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """dB of (..., 3) colours, all channels together."""
    error = np.square(picture.astype(np.float32) - truth.astype(np.float32)).mean()
    return float(10 * np.log10(PEAK**2 / max(error, LEAST_ERROR)))


def ssim(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(H, W) structural similarity of the grey pictures."""
    a, b = (image.astype(np.float64).mean(2) for image in (picture, truth))

    def mean(x):
        return ndimage.gaussian_filter(x, WINDOW)

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    return ((2 * mean_a * mean_b + C1) * (2 * covariance + C2)) / (
        (mean_a**2 + mean_b**2 + C1) * (variance_a + variance_b + C2)
    )


class Perception:
    """Distances between features as in LPIPS (Zhang et al. 2018), but of a network that estimates depth, and without
    learned weights: feature vectors of length 1, squared differences, summed over channels, mean over three levels."""

    def __init__(self, model: Path = DEPTH_MODEL):
        graph = onnx.load(model)
        for node in graph.graph.node:
            if node.name in FEATURES:
                graph.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])
        self.names = [f"{name}_output_0" for name in FEATURES]

    def distance(self, picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(H, W)."""
        height, width = truth.shape[:2]
        total = np.zeros((height, width))
        for a, b in zip(self._features(picture), self._features(truth), strict=True):
            apart = np.square(a - b).sum(0)
            rows = np.minimum(np.arange(height) * apart.shape[0] // _up(height), apart.shape[0] - 1)
            columns = np.minimum(np.arange(width) * apart.shape[1] // _up(width), apart.shape[1] - 1)
            total += apart[np.ix_(rows, columns)] / len(FEATURES)
        return total

    def _features(self, image: np.ndarray) -> list[np.ndarray]:
        """(C, h, w) of each level, of length 1 along C."""
        pad = [(0, _up(side) - side) for side in image.shape[:2]]
        planes = np.pad(image, [*pad, (0, 0)], mode="edge").transpose(2, 0, 1)[None] / np.float32(255)
        answers = self.session.run(self.names, {"image": np.ascontiguousarray(planes)})
        return [answer[0] / np.maximum(np.linalg.norm(answer[0], axis=0), 1e-6) for answer in answers]


def _up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE
