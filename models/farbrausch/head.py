"""The last step of the fill network: it mixes the colours that rays reach with its own.

A U-Net paints, and what goes on behind an edge it must learn to paint anew for every slope and colour. A ray finds the
colour itself (`app/rays.py`), and the network need only say which rays to trust.
"""

import torch
import torch.nn.functional as F
from torch import nn

from app.rays import FARTHEST, RAYS

FACTS = 5
NEVER = -1e4  # the score of a ray that reaches nothing
OWN_SHARE = 3.0  # first score of the pixel's own colour: at first a network answers nearly with its anchor


class Head(nn.Module):
    """Mixes what a hole pixel's rays reach with the pixel's own colour.

    Each ray gets a score from features of the pixel and of what it reaches, both for its direction, and from
    `facts_of`. The colours that are mixed are corrected by the network themselves.

    width: features of a pixel. hidden: units for the score of a ray.
    """

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.correction = nn.Linear(width, 3)
        self.there = nn.Linear(width, RAYS * hidden, bias=False)
        self.here = nn.Linear(width, RAYS * hidden)
        self.facts = nn.Linear(FACTS, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.own = nn.Linear(width, 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        nn.init.constant_(self.own.bias, OWN_SHARE)

    def forward(
        self,
        here: tuple[torch.Tensor, torch.Tensor],
        there: tuple[torch.Tensor, torch.Tensor],
        hits: torch.Tensor,
        away: torch.Tensor,
    ) -> torch.Tensor:
        """(P, 3) colours of P hole pixels. here: their features (P, C) and the anchor's colours (P, 3); there: those of
        S pixels that rays reach. hits (P, RAYS): which of the S, -1 = none; away (P, RAYS): at how many pixels."""
        (features, anchored), (features_there, known) = here, there
        own, colour = anchored + self.correction(features), known + self.correction(features_there)
        some, reached = hits >= 0, hits.clamp(min=0)
        place = reached * RAYS + torch.arange(RAYS, device=hits.device)
        hidden = rows(self.there(features_there).view(-1, self.score.in_features), place)
        hidden = hidden + self.here(features).view(*hits.shape, -1)
        hidden = F.relu(hidden + self.facts(facts_of(anchored, rows(known, reached), away, some)))
        scores = self.score(hidden)[..., 0].float().masked_fill(~some, NEVER)
        shares = torch.cat([scores, self.own(features).float()], 1).softmax(1)[..., None]
        return (shares[:, :RAYS] * rows(colour, reached)).sum(1) + shares[:, RAYS] * own


def rows(x: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """x (S, C) at indices (P, RAYS), to (P, RAYS, C). An embedding, because its gradient is the fastest."""
    return F.embedding(indices, x)


def facts_of(own: torch.Tensor, offered: torch.Tensor, away: torch.Tensor, some: torch.Tensor) -> torch.Tensor:
    """(P, RAYS, FACTS): how far each ray goes, and against the shortest; how far its colour is from the pixel's own
    (P, 3) and from those of the rays beside it. offered (P, RAYS, 3); away, some (P, RAYS): distance, and if any."""
    log = torch.where(some, away.clamp(min=1), FARTHEST).log()
    apart = (offered - own[:, None]).abs().sum(2) * some
    turned = (offered - offered.roll(1, 1)).abs().sum(2) * (some & some.roll(1, 1))
    return torch.stack([log, log - log.amin(1, keepdim=True), apart, turned, turned.roll(-1, 1)], 2)
