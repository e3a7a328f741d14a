"""The atlas: one texture for all surfaces.

The pixels of the layered depth image are dealt out to pages, each with at most one pixel at a lattice position. Page 0
is the photo itself, at its full texture resolution. The hidden surfaces are on the pages behind it, at lattice
resolution, together with the collar: the visible strip of background along an edge whose colour the fill replaced. So
the seam between photo and fill runs inside one surface, a few pixels away from the edge, and no outline of the
foreground can show a remnant of the photo's mixed colours on the background.

The paper packs many small charts. Pages need no packing and no cuts through a surface; where a page is empty it is
smooth, which JPEG makes small: all pages behind the photo took 10 to 16 kB together on three photos.
"""

from dataclasses import dataclass

import numpy as np

from app.ldi import LDI


@dataclass(frozen=True)
class AtlasOptions:
    """block: pages begin on multiples of this many texels, so that no JPEG block (16 with subsampled chroma) holds two.
    padding: texels around a page's pixels that repeat the border, for bilinear filtering; the rest of the page fades
        from there, which also keeps JPEG from ringing into them.
    """

    block: int = 16
    padding: int = 2


@dataclass
class Pages:
    """index: (P, H, W) int32, the LDI pixel at each position of each page, -1 = none. Page 0 is the photo without its
    collar.
    image: (A, B, 3) uint8, the atlas.
    scale: (P, 2) float32 and offset: (P, 2) float32: lattice (x, y) * scale + offset = texel position in the atlas.
    """

    index: np.ndarray
    image: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    def uv(self, page: np.ndarray, points: np.ndarray) -> np.ndarray:
        """(V, 2) float32 texture coordinates in 0..1, v down, of lattice points (V, 2) on pages (V,)."""
        size = np.array([self.image.shape[1], self.image.shape[0]], np.float32)
        return ((points * self.scale[page] + self.offset[page]) / size).astype(np.float32)


def deal(ldi: LDI) -> np.ndarray:
    """(P, H, W) int32 page index: photo pixels on page 0, the collar on page 1, grown pixels by their slot, one page
    further where the collar takes a page in front of them."""
    position = ldi.y * ldi.width + ldi.x
    page = ldi.slot + ldi.collar[position]
    index = np.full((int(page.max()) + 1, ldi.height * ldi.width), -1, np.int32)
    index[page, position] = np.arange(len(ldi), dtype=np.int32)
    return index.reshape(-1, ldi.height, ldi.width)


def compose(ldi: LDI, texture: np.ndarray, options: AtlasOptions = AtlasOptions()) -> Pages:
    """Lay the pages out: the photo on top, the others below it from left to right, each cut to what it holds.

    ldi: with its colours filled. texture: (H', W', 3) uint8, the photo at texture resolution.
    """
    index = deal(ldi)
    height, width = texture.shape[:2]
    scale = np.ones((len(index), 2), np.float32)
    scale[0] = width / ldi.width, height / ldi.height
    offset = np.zeros((len(index), 2), np.float32)
    tiles = [(texture, 0, 0)]
    x, y, row_height = 0, _up(height, options.block), 0
    for number, page in enumerate(index[1:], 1):
        rows, columns = np.nonzero((page >= 0).any(1))[0], np.nonzero((page >= 0).any(0))[0]
        pad = options.padding
        top, bottom = max(rows[0] - pad, 0), min(rows[-1] + 1 + pad, ldi.height)
        left, right = max(columns[0] - pad, 0), min(columns[-1] + 1 + pad, ldi.width)
        tile = _extend(page[top:bottom, left:right], ldi.colour)
        if x and x + tile.shape[1] > max(width, tile.shape[1]):
            x, y, row_height = 0, y + row_height, 0
        tiles.append((tile, x, y))
        offset[number] = x - left, y - top
        x, row_height = x + _up(tile.shape[1], options.block), max(row_height, _up(tile.shape[0], options.block))
    image = np.full(
        (_up(max(y + t.shape[0] for t, _, y in tiles), 2), max(x + t.shape[1] for t, x, _ in tiles), 3), 128, np.uint8
    )
    for tile, x, y in tiles:
        image[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return Pages(index, image, scale, offset)


def _up(value: int, block: int) -> int:
    return -(-value // block) * block


def _extend(page: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """(h, w) pixel indices, -1 = none, to a (h, w, 3) uint8 image whose empty part continues the border smoothly."""
    height, width = page.shape
    y, x = np.nonzero(page >= 0)
    own = colour[page[y, x]]
    # The first halving takes the pixels that are there, few in most pages, and not the whole image.
    rows, columns = -(-height // 2), -(-width // 2)
    cell = y // 2 * columns + x // 2
    count = np.bincount(cell, minlength=rows * columns)
    mean = np.stack([np.bincount(cell, own[:, c], rows * columns) for c in range(3)], 1) / np.maximum(count, 1)[:, None]
    known = np.minimum(count, 1).astype(np.float32).reshape(rows, columns)
    half = _fill_empty(mean.astype(np.float32).reshape(rows, columns, 3), known)
    image = _levels(half).repeat(2, 0).repeat(2, 1)[:height, :width]
    image[y, x] = _levels(own)
    return image


def _levels(colour: np.ndarray) -> np.ndarray:
    return np.clip(colour + 0.5, 0, 255).astype(np.uint8)


def _fill_empty(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Push-pull on a plain grid: (h, w, 3) with weight (h, w), 1 = known, 0 = empty."""
    height, width = weight.shape
    if max(height, width) <= 1:
        return image
    pad = (0, height % 2), (0, width % 2)
    weighted = np.pad(image * weight[..., None], (*pad, (0, 0)))
    total = np.pad(weight, pad)
    total = total[::2, ::2] + total[1::2, ::2] + total[::2, 1::2] + total[1::2, 1::2]
    mean = weighted[::2, ::2] + weighted[1::2, ::2] + weighted[::2, 1::2] + weighted[1::2, 1::2]
    mean /= np.maximum(total, 1e-6)[..., None]
    above = _fill_empty(mean, np.minimum(total, 1))
    above = above.repeat(2, 0).repeat(2, 1)[:height, :width]
    return np.where(weight[..., None] > 0, image, above)
