"""The family of depth networks: a U-Net of inverted residual blocks with linear bottlenecks, skips by addition.

    python models/tiefenrausch/network.py        # parameters and multiply-adds of the networks named here

After Tiefenrausch (Kopf et al. 2020) and MobileNetV2 (Sandler et al. 2018): 1x1 expand, depthwise, 1x1 linear project;
ReLU6, so that activations stay in a known range for reduced precision. The encoder is the first three quarters of
EfficientNet-Lite0 (Tan and Le 2019), made of the same blocks, because its weights are to be had: a network that has
learned what things there are learns their depth from a few thousand photos. Its stem has stride two, where the
published network spends a third of its multiply-adds at full resolution.

The decoder upsamples by nearest neighbours. The output is predicted at half resolution: bilinear by two, plus
(`subpixel`) one correction for each of the four pixels of a cell, which puts edges between the half-resolution samples.
Last, `steepened` turns ramps into steps; because the loss sees what comes out, the layers before need only say where
the middle of a ramp is.

The published network itself is at the end, layer by layer, for comparison: `Published`.

Nothing here but convolutions, pooling, sums, clips, Resize and DepthToSpace: what every backend of ONNX Runtime Web
runs.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

IMAGE_MEAN, IMAGE_GAIN = 127 / 255, 255 / 128  # of photos in 0..1, to about -1..1, as EfficientNet-Lite takes them
SIZE = (384, 288)  # at which costs are given
REACH, BLUR = 13, 21  # pixels, windows of `steepened`; smeared edges are ten to twenty pixels wide
GAIN = 16.0  # of `steepened`, of what is above NOISE: a rise by 0.3 in ten pixels then takes 2.5, in twenty 14
NOISE = 0.01  # log-disparity; without it the lumps within a face become steps


class Stage(NamedTuple):
    """`count` blocks of one width; the first has the stride, and the others an identity."""

    width: int
    expansion: int
    kernel: int
    stride: int
    count: int


EFFICIENTNET_LITE0 = (  # Tan and Le 2019, https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
    Stage(16, 1, 3, 1, 1),
    Stage(24, 6, 3, 2, 2),
    Stage(40, 6, 5, 2, 2),
    Stage(80, 6, 3, 2, 3),
    Stage(112, 6, 5, 1, 3),
    Stage(192, 6, 5, 2, 2),  # of four, and without the stage of width 320: they would be half of the parameters
)


@dataclass(frozen=True)
class Options:
    """A member of the family; index k of a tuple by level is the level at 1 / 2^(k+1) of the resolution.

    stem: channels of the first convolution.
    encoder: stages; each with stride 2 begins a new level.
    decoder: widths by level; the deepest level's features are projected to theirs.
    expansions: of the skip, decoder and fusing blocks of each level but the deepest.
    fuse_depths: blocks after each skip has been added.
    subpixel: correct each pixel of the 2x2 cells of the output.
    steep: turn ramps of the output into steps.
    normalise_encoder, normalise: batch normalisation after each convolution of the encoder, and of the rest. Training
        from scratch needs it; it takes a third of a step's time on a CPU, and what starts from trained weights has it
        folded into them.
    """

    stem: int = 32
    encoder: tuple[Stage, ...] = EFFICIENTNET_LITE0
    decoder: tuple[int, ...] = (16, 24, 40, 64, 96)
    expansions: tuple[int, ...] = (2, 2, 3, 3)
    fuse_depths: tuple[int, ...] = (1, 1, 2, 2)
    subpixel: bool = True
    steep: bool = True
    normalise_encoder: bool = False
    normalise: bool = True

    @property
    def levels(self) -> list[list[Stage]]:
        """The encoder's stages, level by level; the first may be empty."""
        levels = [[]]
        for stage in self.encoder:
            if stage.stride == 2:
                levels.append([])
            levels[-1].append(stage)
        return levels

    @property
    def widths(self) -> list[int]:
        """Channels that the encoder has at the end of each level."""
        return [stages[-1].width if stages else self.stem for stages in self.levels]


TIEFENRAUSCH = Options()


class Depthwise(nn.Conv2d):
    """In single precision always: in half of it, the way back takes a CPU twice as long."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_autocast_enabled(x.device.type):
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def convolution(inputs, outputs, kernel, stride=1, groups=1, act=True, normalise=True) -> nn.Sequential:
    """Convolution, batch normalisation and, unless `act` is false, ReLU6."""
    kind = Depthwise if groups > 1 else nn.Conv2d
    layers = [kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=not normalise)]
    if normalise:
        layers.append(nn.BatchNorm2d(outputs))
    if act:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """(B, inputs, H, W) to (B, outputs, H / stride, W / stride); with an identity where the shapes agree."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int = 1, kernel: int = 3, normalise: bool = True
    ):
        super().__init__()
        hidden = inputs * expansion
        self.identity = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            *([convolution(inputs, hidden, 1, normalise=normalise)] if expansion > 1 else []),
            convolution(hidden, hidden, kernel, stride, groups=hidden, normalise=normalise),
            convolution(hidden, outputs, 1, act=False, normalise=normalise),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.identity else self.body(x)


class Network(nn.Module):
    """(B, 3, H, W) image in 0..1, sides multiples of 32, to (B, 1, H, W) log-disparity, larger = nearer."""

    def __init__(self, options: Options = TIEFENRAUSCH):
        super().__init__()
        widths, decoder, levels = options.widths, options.decoder, range(len(options.decoder) - 1)
        self.options = options
        self.stem = convolution(3, options.stem, 3, 2, normalise=options.normalise_encoder)
        self.enc = nn.ModuleList()
        width = options.stem
        for stages in options.levels:
            blocks = []
            for stage in stages:
                for index in range(stage.count):
                    stride = stage.stride if index == 0 else 1
                    shape = (width, stage.width, stage.expansion, stride, stage.kernel)
                    blocks.append(InvertedResidual(*shape, normalise=options.normalise_encoder))
                    width = stage.width
            self.enc.append(nn.Sequential(*blocks))

        def block(inputs, outputs, level):
            return InvertedResidual(inputs, outputs, options.expansions[level], normalise=options.normalise)

        def fuse(level):
            return nn.Sequential(*(block(*[decoder[level]] * 2, level) for _ in range(options.fuse_depths[level])))

        self.neck = convolution(width, decoder[-1], 1, act=False, normalise=options.normalise)
        self.skip = nn.ModuleList(block(widths[k], decoder[k], k) for k in levels)
        self.dec = nn.ModuleList(block(decoder[k + 1], decoder[k], k) for k in levels)
        self.fuse = nn.ModuleList(fuse(k) for k in levels)
        self.out = nn.Conv2d(decoder[0], 1, 3, padding=1)
        self.cell = nn.Conv2d(decoder[0], 4, 3, padding=1) if options.subpixel else None
        self.steep = options.steep

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(image))

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        """What the encoder says of each level, the finest first: (B, widths[k], H / 2^(k+1), W / 2^(k+1))."""
        x = self.stem((image - IMAGE_MEAN) * IMAGE_GAIN)  # (B, stem, H / 2, W / 2)
        features = []
        for level in self.enc:
            x = level(x)
            features.append(x)
        return features

    def decode(self, features: list[torch.Tensor]) -> torch.Tensor:
        """(B, 1, H, W) from what `encode` said."""
        *features, deepest = features
        x = self.neck(deepest)
        for k in reversed(range(len(features))):
            x = F.interpolate(self.dec[k](x), scale_factor=2, mode="nearest") + self.skip[k](features[k])
            x = self.fuse[k](x)
        answer = F.interpolate(self.out(x), scale_factor=2, mode="bilinear", align_corners=False)
        if self.cell is not None:
            answer = answer + F.pixel_shuffle(self.cell(x), 2)
        return steepened(answer) if self.steep else answer


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


class PublishedStage(NamedTuple):
    """Three blocks of the published network; the first changes channels and size, by the factor `scale`."""

    name: str
    inputs: int
    outputs: int
    expansion: int
    scale: float = 1


FIRST, LAST = 48, 32  # channels after the first convolution and before the last
PUBLISHED = (  # in the order of computing; skip k is of the encoder at 1 / 2^k, and is added to decoder k + 1
    PublishedStage("enc1", 48, 40, 1, 1 / 2),
    PublishedStage("enc2", 40, 56, 4, 1 / 2),
    PublishedStage("enc3", 56, 80, 5, 1 / 2),
    PublishedStage("enc4", 80, 64, 9, 1 / 2),
    PublishedStage("enc5", 64, 96, 9, 1 / 2),
    PublishedStage("mid5", 96, 96, 9),
    PublishedStage("skip4", 64, 96, 9),
    PublishedStage("skip3", 80, 96, 5),
    PublishedStage("skip2", 56, 56, 4),
    PublishedStage("skip1", 40, 8, 1),
    PublishedStage("skip0", 48, 32, 1),
    PublishedStage("dec5", 96, 96, 9, 2),
    PublishedStage("dec4", 96, 96, 9, 2),
    PublishedStage("dec3", 96, 56, 5, 2),
    PublishedStage("dec2", 56, 8, 4, 2),
    PublishedStage("dec1", 8, 32, 1, 2),
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
    members = {"tiefenrausch": Network(TIEFENRAUSCH), "published": Published()}
    for name, member in members.items():
        parameters, adds = costs(member)
        print(f"{name}: {parameters / 1e6:.2f} M parameters, {adds / 1e9:.2f} GMAC at {SIZE[0]}x{SIZE[1]}")
