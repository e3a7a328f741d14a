"""The viewer page in frames of other sites."""

from sharing.service import Limits
from tests.browser.elsewhere import ROOM, SMALL
from tests.unit.test_sharing import Running

FRAME = '<iframe title="A photo" src="{}" width="480" height="300" allow="fullscreen"></iframe>'


def test_in_a_frame_the_viewer_page_is_the_picture_alone(new_context, site, elsewhere):
    """From another origin: the page's words are gone, the picture fills the frame, and failing still has a sentence."""
    frames = [FRAME.format(f"{site}view.html?src=static/samples/{name}") for name in ("coffee.glb", "none.glb")]
    page = new_context(viewport=SMALL).new_page()
    page.goto(elsewhere("".join(frames), "; frame-src http://localhost:*"))
    good, bad = page.frame_locator("iframe >> nth=0"), page.frame_locator("iframe >> nth=1")
    good.locator("tief-photo canvas").wait_for(timeout=ROOM)
    assert good.locator("header").is_hidden()
    assert good.locator("h1").is_hidden()
    box = good.locator("tief-photo").bounding_box()
    assert (box["width"], box["height"]) == (480, 300)
    bad.locator("#problem").filter(has_text="answers 404").wait_for()


def test_the_share_service_lets_only_the_viewer_page_into_frames(new_context, elsewhere, dist, tmp_path):
    with Running(tmp_path / "store", dist, limits=Limits()) as service:
        frames = [FRAME.format(service.address + path) for path in ("view.html?src=static/samples/coffee.glb", "")]
        page = new_context(viewport=SMALL).new_page()
        page.goto(elsewhere("".join(frames), f"; frame-src {service.address}"))
        page.frame_locator("iframe >> nth=0").locator("tief-photo canvas").wait_for(timeout=ROOM)
        assert page.frame_locator("iframe >> nth=1").locator("main").count() == 0
