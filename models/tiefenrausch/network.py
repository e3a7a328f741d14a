"""The family of depth networks: a U-Net of inverted residual blocks with linear bottlenecks, skips by addition.

    python models/tiefenrausch/network.py        # parameters and multiply-adds of the members named here

After Tiefenrausch (Kopf et al. 2020) and MobileNetV2 (Sandler et al. 2018): 1x1 expand, 3x3 depthwise, 1x1 linear
project; ReLU6, so that activations stay in a known range for reduced precision. A stride-2 stem, because a third of the
published network's multiply-adds are spent at full resolution. Upsampling is nearest by two. The output is predicted at
half resolution: bilinear by two, plus (`subpixel`) one correction for each of the four pixels of a cell, which costs 16
million multiply-adds at 384x288 and puts edges between the half-resolution samples. Last, `steepened` turns ramps into
steps; because the loss sees what comes out, the layers before need only say where the middle of a ramp is.

The published network itself is at the end, layer by layer, for comparison: `Published`.

Nothing here but convolutions, pooling, sums, clips, Resize and DepthToSpace: what every backend of ONNX Runtime Web
runs.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

IMAGE_MEAN, IMAGE_GAIN = 0.45, 4.0  # of photos in 0..1, roughly to zero mean and unit deviation
SIZE = (384, 288)  # at which costs are given
REACH, BLUR = 9, 13  # pixels, windows of `steepened`; smeared edges are about ten pixels wide
GAIN = 8.0  # of `steepened`, of what is above NOISE: a ramp of ten pixels keeps less than half of its width
NOISE = 0.005  # log-disparity; without it relief grows by a third where labels have none, and at edges by an eighth


@dataclass(frozen=True)
class Options:
    """A member of the family; index k of a tuple is the level at 1 / 2^(k+1) of the resolution.

    widths: channels of each level, the stem's first.
    expansions: of the encoder's blocks that lead to levels 1, 2, ...
    depths: blocks that follow the stride-2 block of these levels.
    middle: blocks at the deepest level, with `middle_expansion`.
    decoder_expansions: of the skip, decoder and fusing blocks of each level but the deepest.
    fuse_depths: blocks after each skip has been added.
    subpixel: correct each pixel of the 2x2 cells of the output.
    steep: turn ramps of the output into steps.
    normalise: batch normalisation after each convolution, which training from scratch needs. It takes a third of a
        step's time on a CPU; what starts from a trained network has it folded into the weights and does without.
    """

    widths: tuple[int, ...] = (16, 24, 40, 64, 96)
    expansions: tuple[int, ...] = (3, 4, 4, 6)
    depths: tuple[int, ...] = (1, 2, 2, 2)
    middle: int = 2
    middle_expansion: int = 6
    decoder_expansions: tuple[int, ...] = (2, 2, 3, 3)
    fuse_depths: tuple[int, ...] = (1, 1, 1, 1)
    subpixel: bool = False
    steep: bool = False
    normalise: bool = True


PILOT = Options(depths=(2, 3, 3, 3))
TIEFENRAUSCH = replace(PILOT, middle=3, fuse_depths=(2, 2, 2, 2), subpixel=True, steep=True, normalise=False)


def convolution(inputs, outputs, kernel, stride=1, groups=1, act=True, normalise=True) -> nn.Sequential:
    """Convolution, batch normalisation and, unless `act` is false, ReLU6."""
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not normalise)]
    if normalise:
        layers.append(nn.BatchNorm2d(outputs))
    if act:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """(B, inputs, H, W) to (B, outputs, H / stride, W / stride); with an identity where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int = 1, normalise: bool = True):
        super().__init__()
        hidden = inputs * expansion
        self.identity = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            convolution(inputs, hidden, 1, normalise=normalise),
            convolution(hidden, hidden, 3, stride, groups=hidden, normalise=normalise),
            convolution(hidden, outputs, 1, act=False, normalise=normalise),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.identity else self.body(x)


class Network(nn.Module):
    """(B, 3, H, W) image in 0..1, sides multiples of 32, to (B, 1, H, W) log-disparity, larger = nearer."""

    def __init__(self, options: Options = TIEFENRAUSCH):
        super().__init__()
        widths, decode = options.widths, options.decoder_expansions
        levels = range(len(widths) - 1)
        self.options = options
        self.stem = convolution(3, widths[0], 3, 2, normalise=options.normalise)

        def block(inputs, outputs, expansion, stride=1):
            return InvertedResidual(inputs, outputs, expansion, stride, options.normalise)

        def repeat(width, expansion, count):
            return [block(width, width, expansion) for _ in range(count)]

        self.enc = nn.ModuleList(
            nn.Sequential(
                block(widths[k], widths[k + 1], options.expansions[k], 2),
                *repeat(widths[k + 1], options.expansions[k], options.depths[k]),
            )
            for k in levels
        )
        self.mid = nn.Sequential(*repeat(widths[-1], options.middle_expansion, options.middle))
        self.skip = nn.ModuleList(block(widths[k], widths[k], decode[k]) for k in levels)
        self.dec = nn.ModuleList(nn.Sequential(block(widths[k + 1], widths[k], decode[k])) for k in levels)
        self.fuse = nn.ModuleList(nn.Sequential(*repeat(widths[k], decode[k], options.fuse_depths[k])) for k in levels)
        self.out = nn.Conv2d(widths[0], 1, 3, padding=1)
        self.cell = nn.Conv2d(widths[0], 4, 3, padding=1) if options.subpixel else None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem((image - IMAGE_MEAN) * IMAGE_GAIN)  # (B, widths[0], H / 2, W / 2)
        features = [x]
        for stage in self.enc:
            features.append(stage(features[-1]))  # (B, widths[k], H / 2^(k+1), W / 2^(k+1))
        x = self.mid(features.pop())
        for k in reversed(range(len(features))):
            x = F.interpolate(self.dec[k](x), scale_factor=2, mode="nearest") + self.skip[k](features[k])
            x = self.fuse[k](x)
        answer = F.interpolate(self.out(x), scale_factor=2, mode="bilinear", align_corners=False)
        if self.cell is not None:
            answer = answer + F.pixel_shuffle(self.cell(x), 2)
        return steepened(answer) if self.options.steep else answer


def steepened(values: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) to the same with what deviates from its surroundings' mean deviating more, within their range.

    One pass of something like a shock filter: planes, slanted ones too, stay as they are, and nothing overshoots.
    """
    high, low = highest(values), -highest(-values)
    mean = values
    for window in ((BLUR, 1), (1, BLUR)):
        padding = (window[0] // 2, window[1] // 2)
        mean = F.avg_pool2d(mean, window, 1, padding, count_include_pad=False)
    more, less = F.relu(values - mean - NOISE), F.relu(mean - values - NOISE)
    wanted = values + GAIN * (more - less)
    return low + F.relu(wanted - low) - F.relu(wanted - high)  # a clip: WebGL has no Min and Max of two maps


def highest(values: torch.Tensor) -> torch.Tensor:
    """Largest of the REACH x REACH pixels around each, in two passes: the backends' pooling looks at every pixel."""
    half = REACH // 2
    return F.max_pool2d(F.max_pool2d(values, (REACH, 1), 1, (half, 0)), (1, REACH), 1, (0, half))


def start_as_identity(network: Network) -> None:
    """Blocks with an identity answer nothing at first, nor do the sub-pixel corrections: what is copied in stays."""
    for module in network.modules():
        if isinstance(module, InvertedResidual) and module.identity:
            for parameter in module.body[2][-1].parameters():  # the projection, or its normalisation
                nn.init.zeros_(parameter)
    if network.cell is not None:
        nn.init.zeros_(network.cell.weight)
        nn.init.zeros_(network.cell.bias)


def costs(network: nn.Module, size: tuple[int, int] = SIZE) -> tuple[int, int]:
    """(parameters, multiply-adds of the convolutions at `size`), batch normalisation folded away."""
    adds = []

    def count(module, _, output):
        adds.append(output[0].numel() * module.weight[0].numel())

    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [module.register_forward_hook(count) for module in convolutions]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, *size))
    for hook in hooks:
        hook.remove()
    return sum(module.weight.numel() + module.out_channels for module in convolutions), sum(adds)


class Stage(NamedTuple):
    """Three blocks of the published network; the first changes channels and size, by the factor `scale`."""

    name: str
    inputs: int
    outputs: int
    expansion: int
    scale: float = 1


FIRST, LAST = 48, 32  # channels after the first convolution and before the last
PUBLISHED = (  # in the order of computing; skip k is of the encoder at 1 / 2^k, and is added to decoder k + 1
    Stage("enc1", 48, 40, 1, 1 / 2),
    Stage("enc2", 40, 56, 4, 1 / 2),
    Stage("enc3", 56, 80, 5, 1 / 2),
    Stage("enc4", 80, 64, 9, 1 / 2),
    Stage("enc5", 64, 96, 9, 1 / 2),
    Stage("mid5", 96, 96, 9),
    Stage("skip4", 64, 96, 9),
    Stage("skip3", 80, 96, 5),
    Stage("skip2", 56, 56, 4),
    Stage("skip1", 40, 8, 1),
    Stage("skip0", 48, 32, 1),
    Stage("dec5", 96, 96, 9, 2),
    Stage("dec4", 96, 96, 9, 2),
    Stage("dec3", 96, 56, 5, 2),
    Stage("dec2", 56, 8, 4, 2),
    Stage("dec1", 8, 32, 1, 2),
)


class Range(nn.Module):
    """Clips to the range of the published network's 8-bit tensor; the ReLU is a lower bound of zero."""

    def __init__(self, low: float = -torch.inf):
        super().__init__()
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("high", torch.tensor(torch.inf))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(self.low, self.high)


class PublishedBlock(nn.Module):
    """(B, inputs, H, W) to (B, outputs, H * scale, W * scale): upsampled when expanded, no activation but the first."""

    def __init__(self, inputs: int, outputs: int, expansion: int, scale: float):
        super().__init__()
        hidden = inputs * expansion
        self.scale = scale
        self.expand = nn.Sequential(nn.Conv2d(inputs, hidden, 1), Range(0.0))
        depthwise = nn.Conv2d(hidden, hidden, 3, 2 if scale < 1 else 1, 1, groups=hidden)
        self.project = nn.Sequential(depthwise, Range(), nn.Conv2d(hidden, outputs, 1), Range())
        self.sum = Range() if scale == 1 and inputs == outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.expand(x)
        answer = self.project(F.interpolate(hidden, scale_factor=2, mode="nearest") if self.scale > 1 else hidden)
        return answer if self.sum is None else self.sum(x + answer)


class Published(nn.Module):
    """(B, 3, H, W) image in 0..1 to (B, 1, H, W) log-disparity. Modules are in the order in which they compute, so that
    `published.py` can fill them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(Range(), nn.Conv2d(3, FIRST, 3, padding=1), Range(0.0))
        self.stages = nn.ModuleDict()
        for stage in PUBLISHED:
            first = PublishedBlock(*stage[1:])
            more = (PublishedBlock(stage.outputs, stage.outputs, stage.expansion, 1) for _ in range(2))
            self.stages[stage.name] = nn.Sequential(first, *more)
            if stage.name.startswith("dec"):
                self.stages[stage.name.replace("dec", "sum")] = Range()
        self.last = nn.Sequential(nn.Conv2d(LAST, 1, 3, padding=1), Range())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = [self.first(image)]
        for level in range(1, 6):
            features.append(self.stages[f"enc{level}"](features[-1]))  # (B, outputs, H / 2^level, W / 2^level)
        x = self.stages["mid5"](features.pop())
        for level in range(5, 0, -1):
            skip = self.stages[f"skip{level - 1}"](features[level - 1])
            x = self.stages[f"sum{level}"](self.stages[f"dec{level}"](x) + skip)
        return self.last(x)


if __name__ == "__main__":
    members = {"pilot": Network(PILOT), "tiefenrausch": Network(TIEFENRAUSCH), "published": Published()}
    for name, member in members.items():
        parameters, adds = costs(member)
        print(f"{name}: {parameters / 1e6:.2f} M parameters, {adds / 1e9:.2f} GMAC at {SIZE[0]}x{SIZE[1]}")
