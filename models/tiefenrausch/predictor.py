"""What loss a member of the family would have, learned from a few that were trained: a Gaussian process."""

import itertools

import numpy as np


class Predictor:
    """Gaussian process: a linear trend, which most of the loss follows, and smooth deviations from it.

    How large and how quick the deviations are, and the noise, is what of a small grid makes the known losses likeliest.
    """

    TREND = 1.0  # variance of the linear part, the data's own being 1
    GRID = tuple(itertools.product((0.1, 0.5), (0.5, 2.0), (0.01, 0.1, 0.3)))  # variance, sharpness, noise

    def __init__(self, genomes: list[list[int]], losses: list[float]):
        raw = self._features(genomes)
        self.centre, self.spread = raw.mean(axis=0), raw.std(axis=0)
        self.spread[self.spread == 0] = 1  # of a gene that is the same in all
        self.x = (raw - self.centre) / self.spread
        self.mean, self.scale = float(np.mean(losses)), float(np.std(losses) + 1e-9)
        self.y = (np.array(losses) - self.mean) / self.scale
        self.smooth, self.sharpness, self.noise = max(self.GRID, key=self._likelihood)
        self.inverse = np.linalg.inv(self._covariance(self.smooth, self.sharpness, self.noise))

    def predict(self, genomes: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        """(expected losses, their standard deviations), each (N,)."""
        x = (self._features(genomes) - self.centre) / self.spread
        across = self._kernel(x, self.x, self.smooth, self.sharpness)
        own = self.TREND * np.square(x).mean(axis=1) + self.smooth
        variance = own - np.einsum("ij,jk,ik->i", across, self.inverse, across)
        expected = across @ self.inverse @ self.y
        return self.mean + self.scale * expected, self.scale * np.sqrt(np.maximum(variance, 0))

    @staticmethod
    def _features(genomes: list[list[int]]) -> np.ndarray:
        return np.log(np.array(genomes, float) + 1)  # twice as wide is as much more from 16 as from 64

    def _kernel(self, a: np.ndarray, b: np.ndarray, smooth: float, sharpness: float) -> np.ndarray:
        distance = np.square(a[:, None] - b[None]).mean(axis=2)
        return self.TREND * a @ b.T / a.shape[1] + smooth * np.exp(-distance * sharpness / 2)

    def _covariance(self, smooth: float, sharpness: float, noise: float) -> np.ndarray:
        return self._kernel(self.x, self.x, smooth, sharpness) + noise * np.eye(len(self.x))

    def _likelihood(self, parameters: tuple[float, float, float]) -> float:
        covariance = self._covariance(*parameters)
        return float(-self.y @ np.linalg.solve(covariance, self.y) - np.linalg.slogdet(covariance)[1])
