"""What must hold of any mesh that the pipeline makes, whatever the photo. Each raises AssertionError with figures."""

import numpy as np
from scipy import ndimage

from app.atlas import Pages
from app.clean import TAU
from app.ldi import LDI, STEP_X, STEP_Y
from app.mesh import Mesh

ROUGH = 6e-3  # share of pixels where the disparity may be off by more than tau / 4: ends of cuts, creases
OUTLINE = 1  # lattice pixels by which a silhouette may be off
ASIDE = np.array([0.5 + 1.7e-4, 0.5 + 2.3e-4])  # sample points at pixel centres, but on no edge between lattice corners


def rasterise(mesh: Mesh, page: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """How many of a page's triangles cover each pixel centre of the lattice (H, W), and one's disparity there."""
    triangles = mesh.triangles[(mesh.page[mesh.triangles] == page).all(1)]
    corners = mesh.points[triangles].astype(np.float64)  # (T, 3, 2)
    # Three vertices on one line of the lattice make a triangle that only a tilted view sees.
    seen = np.abs(_cross(*corners.transpose(1, 0, 2))) > 0
    triangles, corners = triangles[seen], corners[seen]
    low, high = np.floor(corners.min(1)).astype(int) - 1, np.ceil(corners.max(1)).astype(int)
    size = high - low
    area = size[:, 0] * size[:, 1]
    which = np.repeat(np.arange(len(triangles)), area)
    nth = np.arange(area.sum()) - np.repeat(np.cumsum(area) - area, area)
    x, y = low[which, 0] + nth % size[which, 0], low[which, 1] + nth // size[which, 0]
    inside = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    which, x, y = which[inside], x[inside], y[inside]
    a, b, c = (corners[which, k] for k in range(3))
    sample = np.stack([x, y], 1) + ASIDE
    weights = np.stack([_cross(b, c, sample), _cross(c, a, sample), _cross(a, b, sample)], 1) / _cross(a, b, c)[:, None]
    covers = (weights >= 0).all(1)
    which, x, y, weights = which[covers], x[covers], y[covers], weights[covers]
    count = np.zeros(shape, int)
    np.add.at(count, (y, x), 1)
    disparity = np.zeros(shape)
    disparity[y, x] = (weights * mesh.disparity[triangles[which]]).sum(1)
    return count, disparity


def _cross(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles (T, 2) each."""
    return (q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0]


def _widened(mask: np.ndarray, by: int) -> np.ndarray:
    return ndimage.maximum_filter(mask, 2 * by + 1)


def mesh_follows_layers(mesh: Mesh, ldi: LDI, pages: Pages) -> None:
    """No page folds over itself; silhouettes are within a pixel; away from them the disparity is within tau / 4 but for
    a few pixels in a thousand, and within tau everywhere, so that no triangle can span a cut."""
    shape = ldi.height, ldi.width
    for number, page in enumerate(pages.index):
        count, disparity = rasterise(mesh, number, shape)
        assert count.max() <= 1, f"page {number} folds over itself at {np.argwhere(count > 1)[:3].tolist()}"
        covered, present = count > 0, page >= 0
        assert not (covered & ~_widened(present, OUTLINE)).any(), f"page {number} reaches beyond its silhouette"
        missing = present & ~_widened(covered, OUTLINE)
        assert not (missing & ~_specks(present)).any(), f"page {number} lacks a part of its surface"
        well_inside = covered & ~_widened(_near_outline(page, ldi), OUTLINE)
        error = np.abs(disparity - ldi.disparity[page])[well_inside]
        assert error.max(initial=0) < TAU, f"page {number} is off by {error.max():.4f} in disparity: across a cut?"
        rough = (error > TAU / 4).sum()
        assert number or rough <= max(ROUGH * error.size, 4), f"{rough} pixels of the photo are rough"


def _specks(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: components of one or two pixels, of which an outline within the tolerance may miss every centre."""
    label, count = ndimage.label(mask)
    return mask & (np.bincount(label.ravel(), minlength=count + 1) < 3)[label]


def _near_outline(page: np.ndarray, ldi: LDI) -> np.ndarray:
    """(H, W) bool: positions that are empty, or whose pixel lacks a link to a neighbour on the page."""
    padded = np.pad(page, 1, constant_values=-1)
    near = page < 0
    for k in range(4):
        beside = padded[1 + STEP_Y[k] :, 1 + STEP_X[k] :][: page.shape[0], : page.shape[1]]
        near |= ldi.neighbours[page, k] != beside
    return near


def borders_weld(mesh: Mesh, ldi: LDI, pages: Pages) -> None:
    """Where linked pixels lie on different pages, the vertices at both ends of the edge between them are the same."""
    page_of = np.zeros(len(ldi), int)
    for number, page in enumerate(pages.index):
        page_of[page[page >= 0]] = number
    places = {}  # (page, x, y) -> disparities of the vertices there
    for page, (x, y), disparity in zip(mesh.page.tolist(), mesh.points.tolist(), mesh.disparity.tolist(), strict=True):
        places.setdefault((page, x, y), set()).add(disparity)
    welds = 0
    for k, ends in ((0, ((1, 0), (1, 1))), (1, ((0, 1), (1, 1)))):  # right and down; corners of the shared edge
        here = np.nonzero(ldi.neighbours[:, k] >= 0)[0]
        there = ldi.neighbours[here, k]
        crossing = page_of[here] != page_of[there]
        for p, q in zip(here[crossing].tolist(), there[crossing].tolist(), strict=True):
            for dx, dy in ends:
                at = float(ldi.x[p] + dx), float(ldi.y[p] + dy)
                ours, theirs = places.get((page_of[p], *at), set()), places.get((page_of[q], *at), set())
                assert not (ours or theirs) or ours & theirs, f"no weld at {at}: {ours} and {theirs}"
                welds += bool(ours)
    cut = (ldi.neighbours[: ldi.photo_pixels] >= 0).sum() < _links_of_a_sheet(ldi)
    assert welds or not cut, "layers with cuts, but no weld was looked at"


def _links_of_a_sheet(ldi: LDI) -> int:
    return 2 * (2 * ldi.width * ldi.height - ldi.width - ldi.height)


def uvs_in_page(mesh: Mesh, pages: Pages) -> None:
    """Texture coordinates lie in their page's rectangle of the atlas, half a texel at most beyond its pixels."""
    size = np.array([pages.image.shape[1], pages.image.shape[0]])
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    for number, page in enumerate(pages.index):
        rows, columns = np.nonzero((page >= 0).any(1))[0], np.nonzero((page >= 0).any(0))[0]
        low = np.array([columns[0], rows[0]]) * pages.scale[number] + pages.offset[number]
        high = np.array([columns[-1] + 1, rows[-1] + 1]) * pages.scale[number] + pages.offset[number]
        texels = mesh.uv[mesh.page == number] * size
        assert (texels >= low - 0.5).all(), f"page {number} reads texels before its own"
        assert (texels <= high + 0.5).all(), f"page {number} reads texels after its own"


def all_hold(mesh: Mesh, ldi: LDI, pages: Pages) -> None:
    ldi.validate()
    mesh_follows_layers(mesh, ldi, pages)
    borders_weld(mesh, ldi, pages)
    uvs_in_page(mesh, pages)
