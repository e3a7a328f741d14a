"""The installed app: what makes it one, and that it works without a network."""

import json
from urllib.parse import urljoin

from PIL import Image

from builder.common import ROOT


def test_the_page_can_be_installed(fresh, site):
    """Chromium itself judges the manifest; every picture that it names is as large as it says."""
    page = fresh(site, ready=False).page
    session = page.context.new_cdp_session(page)
    answer = session.send("Page.getAppManifest")
    assert answer["errors"] == []
    manifest = json.loads(answer["data"])
    # An "id" is read from the root of the host, which may hold other copies; without one the start address is it.
    assert "id" not in manifest
    assert urljoin(answer["url"], manifest["start_url"]) == urljoin(answer["url"], manifest["scope"]) == site
    assert "maskable" in {icon.get("purpose") for icon in manifest["icons"]}
    for picture in manifest["icons"] + manifest["screenshots"]:
        if picture["sizes"] != "any":
            with Image.open(ROOT / picture["src"]) as image:
                assert picture["sizes"] == f"{image.width}x{image.height}"
        assert page.request.get(urljoin(site, picture["src"])).headers["content-type"] == picture["type"]
    obstacles = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {obstacle["errorId"] for obstacle in obstacles} <= {"in-incognito"}  # which a test's profile is
