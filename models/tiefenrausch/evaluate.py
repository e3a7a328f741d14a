"""Score depth networks on pairs with true depth, side by side.

    python models/tiefenrausch/evaluate.py RGBD NETWORK.onnx...

RGBD is a folder of sets, each with <name>.webp (colour) and <name>.png (16-bit disparity, 0 = no value). Scores are
means over a set's pairs, then over the sets, so that a large set does not speak for all. Predictions are aligned to the
truth by scale and shift in disparity, the least squares' best, because neither is known of a photo.

    rmse   of aligned disparity, the truth's largest being 1; lower is better
    delta  share of pixels whose depth is within 25 % of the truth; sets with a known zero of disparity only
    order  share of pixel pairs put in the wrong order, of those at least 5 % of the range apart; lower is better
    edges  boundary F1 of Depth Pro (Bochkovskii et al. 2024, section 3.3): edges where depth changes by 5 % to 25 %, in
           the right place and direction; sets with a known zero only
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from label import reduce
from PIL import Image

UNKNOWN_ZERO = ("middlebury2014_sgbm", "phone_embedded")  # disparity up to an offset: ratios mean nothing
PAIRS, LEAST_DIFFERENCE = 20_000, 0.05
RATIOS = np.linspace(1.05, 1.25, 10)  # of depth across an edge, weighted by themselves
FARTHEST = 0.02  # of the nearest disparity: an aligned prediction may not reach zero or less


def align(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(N,) predicted disparity, scaled and shifted to be closest to the true one; never turned over."""
    spread = predicted - predicted.mean()
    scale = max(0, (spread * true).sum() / max(np.square(spread).sum(), 1e-12))
    return scale * spread + true.mean()


def ordinal_error(predicted: np.ndarray, true: np.ndarray, seed: int = 0) -> float:
    """Share of random pairs of the (N,) values in the wrong order, of those whose truth differs enough."""
    first, second = np.random.default_rng(seed).integers(0, len(true), (2, PAIRS))
    difference = true[first] - true[second]
    counted = np.abs(difference) > LEAST_DIFFERENCE * np.ptp(true)
    return float(((predicted[first] - predicted[second]) * difference <= 0)[counted].mean())


def boundary_f1(predicted: np.ndarray, true: np.ndarray, known: np.ndarray) -> float:
    """Depth Pro's boundary F1 of (H, W) positive disparities; only neighbours that are both `known` count."""
    scores = [_f1(predicted, true, known, ratio) for ratio in RATIOS]
    return float(np.average(scores, weights=RATIOS))


def _f1(predicted: np.ndarray, true: np.ndarray, known: np.ndarray, ratio: float) -> float:
    precisions, recalls = [], []
    for axis in (0, 1):
        low, high = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        both = known[low] & known[high]
        for a, b in ((low, high), (high, low)):  # nearer on one side, or on the other
            found, there = ((values[a] > ratio * values[b]) & both for values in (predicted, true))
            hits = (found & there).sum()
            precisions.append(hits / max(1, found.sum()))
            recalls.append(hits / max(1, there.sum()))
    precision, recall = np.mean(precisions), np.mean(recalls)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def scores_of(log_disparity: np.ndarray, true: np.ndarray, zero_known: bool) -> dict[str, float]:
    """The four scores of a prediction (h, w) against 16-bit disparity (H, W)."""
    rows, columns = ((np.arange(n) + 0.5) * m / n for n, m in zip(true.shape, log_disparity.shape, strict=True))
    predicted = np.exp(log_disparity.astype(np.float64))[np.ix_(rows.astype(int), columns.astype(int))]
    known = true > 0
    true = true / true.max()
    aligned = np.full(true.shape, np.nan)
    aligned[known] = align(predicted[known], true[known])
    scores = {
        "rmse": float(np.sqrt(np.square(aligned - true)[known].mean())),
        "order": ordinal_error(predicted[known], true[known]),
    }
    if zero_known:
        positive = np.maximum(np.nan_to_num(aligned, nan=1.0), FARTHEST)
        ratio = np.maximum(positive / np.maximum(true, 1e-9), true / positive)
        scores |= {"delta": float((ratio < 1.25)[known].mean()), "edges": boundary_f1(positive, true, known)}
    return scores


def evaluate(model: Path, folder: Path, threads: int = 1) -> dict[str, dict[str, float]]:
    """Set: mean scores over its pairs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    results = {}
    for name in sorted({path.parent.name for path in folder.glob("*/*.png")}):
        scores = []
        for path in sorted((folder / name).glob("*.png")):
            with Image.open(path) as file:
                true = np.asarray(file, np.float64)
            with Image.open(path.with_suffix(".webp")) as file:
                image = reduce(file)
            batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255
            scores.append(scores_of(session.run(None, {"image": batch})[0][0, 0], true, name not in UNKNOWN_ZERO))
        results[name] = {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}
    return results


def means(results: dict[str, dict[str, float]]) -> dict[str, float]:
    """Mean of each score over the sets that have it."""
    keys = ("rmse", "order", "delta", "edges")
    return {key: float(np.mean([scores[key] for scores in results.values() if key in scores])) for key in keys}


if __name__ == "__main__":
    folder, *models = map(Path, sys.argv[1:])
    for model in models:
        results = evaluate(model, folder)
        print(model)
        for name, scores in [*results.items(), ("mean", means(results))]:
            print(f"  {name:22}", *(f"{key} {value:.4f}" for key, value in scores.items()))
