"""Score depth networks on pairs with true depth, side by side.

    python models/tiefenrausch/evaluate.py RGBD NETWORK.onnx... [--published RELEASE] [--browser]

RGBD is a folder of sets, each with <name>.webp (colour) and <name>.png (16-bit disparity, 0 = no value). Scores are
means over a set's pairs, then over the sets, so that a large set does not speak for all. Predictions are aligned to the
truth by scale and shift in disparity, the least squares' best, because neither is known of a photo.

    rmse   of aligned disparity, the truth's largest being 1; lower is better
    order  share of pixel pairs put in the wrong order (WHDR), of those at least 5 % of the range apart; lower is better
and, of sets with a known zero of disparity only:
    delta  share of pixels whose depth is within 25 % of the truth
    absrel mean |depth - true| / true; lower is better
    sirmse deviation of log-disparity less its mean (Eigen et al. 2014): scale alone is free; lower is better
    edges  boundary F1 of Depth Pro (Bochkovskii et al. 2024, section 3.3): edges where depth changes by 5 % to 25 %, in
           the right place and direction

The last table has the networks side by side, with their size and multiply-adds at 384x288. RELEASE is the folder of the
published network's files; it takes part in float clipped to its ranges, its fastest form in a browser. `--browser`
measures ms in ONNX Runtime Web, and the ratio to the last network (`in_browser.py` says how, and what that needs).
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from label import reduce
from PIL import Image

UNKNOWN_ZERO = ("middlebury2014_sgbm", "phone_embedded")  # disparity up to an offset: ratios mean nothing
PAIRS, LEAST_DIFFERENCE = 20_000, 0.05
RATIOS = np.linspace(1.05, 1.25, 10)  # of depth across an edge, weighted by themselves
FARTHEST = 0.02  # of the nearest disparity: an aligned prediction may not reach zero or less
KEYS = ("rmse", "order", "delta", "absrel", "sirmse", "edges")
SIZE = (384, 288)  # (height, width) at which costs are given


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
    """The scores of a prediction (h, w) against 16-bit disparity (H, W)."""
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
        ratio = true[known] / positive[known]  # of predicted depth to true depth
        scores |= {
            "delta": float((np.maximum(ratio, 1 / ratio) < 1.25).mean()),
            "absrel": float(np.abs(ratio - 1).mean()),
            "sirmse": float(np.std(np.log(predicted[known]) - np.log(np.maximum(true[known], FARTHEST)))),
            "edges": boundary_f1(positive, true, known),
        }
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
    return {key: float(np.mean([scores[key] for scores in results.values() if key in scores])) for key in KEYS}


def multiply_adds(path: Path, size: tuple[int, int] = SIZE) -> int:
    """Of the convolutions of an ONNX file for one image of (height, width) `size`."""
    import onnx  # here, because scores do without it

    fixed = onnx.load(path)
    del fixed.graph.value_info[:]  # a file may tell shapes in letters
    for value in (*fixed.graph.input, *fixed.graph.output):
        for dim, side in zip(value.type.tensor_type.shape.dim[2:], size, strict=True):
            dim.dim_value = side
    graph = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            # A transposed convolution spends its kernel on each pixel that it reads, not on each that it writes.
            pixels = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]]
            total += int(np.prod(pixels)) * int(np.prod(shapes[node.input[1]][1:]))
    return total


def table(columns: dict[str, dict[str, float]]) -> str:
    """Markdown; columns: name of a network to its values by row, the same rows for all."""
    rows = next(iter(columns.values()))
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {row} | {' | '.join(f'{values[row]:,.4g}' for values in columns.values())} |" for row in rows]
    return "\n".join(lines)


def in_the_browser(models: list[Path]) -> list[dict[str, float]]:
    """Median ms of each with one thread and two, and the ratios to the last."""
    from in_browser import medians  # here, because it takes a browser

    rows: list[dict[str, float]] = [{} for _ in models]
    for threads, name in ((1, "1 thread"), (2, "2 threads")):
        times = medians([path.read_bytes() for path in models], (1, 3, *SIZE), threads)
        for row, time in zip(rows, times, strict=True):
            row |= {f"ms, {name}": time, f"ratio, {name}": time / times[-1]}
    return rows


def main(given: argparse.Namespace, scratch: Path) -> None:
    models = list(given.networks)
    if given.published:
        import published

        models.append(scratch / "published.onnx")
        published.main(given.published, models[-1], quantised=False)
    columns = {}
    for path in models:
        results = evaluate(path, given.rgbd)
        columns[path.stem] = means(results)
        print(path)
        for name, scores in [*results.items(), ("mean", columns[path.stem])]:
            print(f"  {name:22}", *(f"{key} {value:.4f}" for key, value in scores.items()), flush=True)
        columns[path.stem] |= {"MB": path.stat().st_size / 1e6, "GMAC": multiply_adds(path) / 1e9}
    if given.browser:
        for values, more in zip(columns.values(), in_the_browser(models), strict=True):
            values |= more
    print(table(columns))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rgbd", type=Path)
    parser.add_argument("networks", type=Path, nargs="+")
    parser.add_argument("--published", type=Path, help="folder of the published release, as the last network")
    parser.add_argument("--browser", action="store_true", help="measure ms in a browser, too")
    with tempfile.TemporaryDirectory() as folder:
        main(parser.parse_args(), Path(folder))
