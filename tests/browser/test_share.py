"""Sharing: links that hold the photo, files, the share service; and the light page that opens them."""

import base64
import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import glb
from sharing.service import Limits
from tests.browser.studio import Studio, is_plain_sentence
from tests.unit.test_sharing import Running

SAMPLES_GLB = Path(__file__).resolve().parents[2] / "static" / "samples" / "coffee.glb"
PHONE = {"width": 390, "height": 844}
FIRST_VIEW = 250_000  # bytes, compressed, of what the viewer page loads beside the photo


def open_link(new_context, url: str, **options) -> Studio:
    """A link in a fresh profile."""
    page = new_context(**{"viewport": PHONE} | options).new_page()
    page.goto(url)
    page.locator("body[data-state=shown], body[data-state=failed]").wait_for()
    return Studio(page)


def problem_of(viewer: Studio) -> str:
    """What the viewer page says instead of showing a photo."""
    assert viewer.state == "failed"
    assert viewer.page.locator("#viewer").is_hidden()
    sentence = viewer.page.locator("#problem").inner_text()
    assert is_plain_sentence(sentence), sentence
    return sentence


@pytest.fixture
def sharing(studio):
    """The dialog on the astronaut, open."""
    if studio.state != "result" or not studio.facts()["Photo"].startswith("astronaut"):
        studio.give_sample("astronaut")
        studio.wait_result()
    studio.glb = studio.save()[1]
    studio.page.locator("#share").click()
    studio.page.locator("#try-link[href]").wait_for()
    yield studio
    studio.page.locator("#close-sharing").click()


def pocket_link(studio, length: int) -> str:
    page = studio.page
    page.locator(f"[name=length][value='{length}']").check()
    page.locator("#try-link[href]").wait_for()
    return page.locator("#try-link").get_attribute("href")


def test_pocket_link_round_trip(sharing, new_context):
    """For each length: it fits, and a fresh profile shows the photo that was shared, the sharper the longer."""
    camera = glb.camera_of(glb.decode(sharing.glb).extras)
    wanted = None
    errors = []
    for length in (4096, 16384, 65000):
        link = pocket_link(sharing, length)
        assert 0.8 * length < len(link) <= length
        assert f"{len(link):,} characters" in sharing.page.locator("#pocket-size").inner_text()
        viewer = open_link(new_context, link)
        assert viewer.page.locator("#problem").is_hidden()
        viewer.pause()
        shown = viewer.look()
        if wanted is None:
            wanted = expected(camera, shown.shape)
        errors.append(np.abs(shown - wanted).mean())
    assert errors[0] < 20
    assert errors[-1] < 5
    assert sorted(errors, reverse=True) == errors


def expected(camera, shape) -> np.ndarray:
    """The astronaut as the viewer frames it, (h, w) grey."""
    with Image.open(SAMPLES_GLB.with_name("astronaut.jpg")) as image:
        margin = (1 - camera.zoom) / 2 * image.width
        box = (margin, margin, image.width - margin, image.height - margin)
        return np.asarray(image.convert("L").resize(shape[::-1], Image.Resampling.BICUBIC, box), float)


def test_damaged_and_foreign_links(sharing, new_context, site):
    link = pocket_link(sharing, 4096)
    page, text = link.split("#")
    changed = text[:1000] + ("A" if text[1000] != "A" else "B") + text[1001:]
    newer = base64.urlsafe_b64encode(b"Tb\x63" + bytes(39)).decode()
    for fragment, word in {
        text[:-500]: "damaged",
        changed: "damaged",
        newer: "newer version",
        "section-2": "holds no 3D photo",
        "": "empty",
    }.items():
        assert word in problem_of(open_link(new_context, f"{page}#{fragment}"))


def test_another_link_in_the_same_tab(sharing, new_context):
    short, long = pocket_link(sharing, 4096), pocket_link(sharing, 8000)
    viewer = open_link(new_context, short.replace(short[-200:], ""))
    assert "damaged" in problem_of(viewer)
    viewer.page.evaluate("hash => (location.hash = hash)", long.split("#")[1])
    viewer.page.locator("body[data-state=shown]").wait_for()
    assert viewer.page.locator("#problem").is_hidden()
    assert viewer.look().std() > 20


def test_copying_says_so(sharing):
    page = sharing.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = pocket_link(sharing, 8000)
    page.locator("#copy-link").click()
    page.get_by_text("The link is copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == link


def test_the_dialog_by_keyboard(sharing):
    page = sharing.page
    assert page.evaluate("document.activeElement.closest('dialog')?.id") == "sharing"
    page.keyboard.press("Escape")
    assert page.locator("#sharing").is_hidden()
    assert page.evaluate("document.activeElement.id") == "share"
    page.keyboard.press("Enter")
    page.locator("#sharing[open]").wait_for()


def test_one_file_shows_the_photo_offline(sharing, new_context, tmp_path):
    with sharing.page.expect_download() as download:
        sharing.page.locator("#save-html").click()
    assert download.value.suggested_filename == "astronaut.html"
    file = tmp_path / "astronaut.html"
    download.value.save_as(file)
    page = new_context(viewport=PHONE, offline=True).new_page()
    page.goto(file.as_uri())
    page.locator("canvas").wait_for()
    shot = np.asarray(Image.open(io.BytesIO(page.locator("canvas").screenshot())).convert("L"), float)
    assert shot.std() > 20
    assert page.locator("#message").inner_text() == ""


def test_the_file_is_handed_to_the_share_sheet(sharing):
    """Headless Chromium has no share sheet: what the page gives it is looked at instead."""
    page = sharing.page
    page.evaluate(
        """() => {
          navigator.canShare = ({ files }) => files.every((file) => file.size > 0);
          navigator.share = async (data) => { globalThis.handed = data; };
        }"""
    )
    page.locator("#close-sharing").click()
    page.locator("#share").click()
    page.locator("#share-file").click()
    assert page.evaluate("[handed.files[0].name, handed.files[0].type]") == ["astronaut.glb", "model/gltf-binary"]
    link = pocket_link(sharing, 4096)
    page.locator("#share-link").click()
    assert page.evaluate("handed.url") == link


def test_full_link_and_its_qr_code(sharing):
    page = sharing.page
    page.get_by_text("You have a web server of your own?").click()
    page.locator("#full-source").fill("http://insecure.example/a.glb")
    page.get_by_text("This is no https address.").wait_for()
    assert page.locator("#full-link").is_hidden()
    page.locator("#full-source").fill("https://files.example/my photo.glb?x=1&y=2")
    address = page.locator("#full-address").get_attribute("href")
    assert address.endswith("view.html?src=https%3A%2F%2Ffiles.example%2Fmy%20photo.glb%3Fx%3D1%26y%3D2")
    assert page.get_by_role("img", name="QR code").is_visible()
    page.locator("#full-source").fill("https://files.example/" + "a" * 400)
    assert page.get_by_role("img", name="QR code").count() == 0  # too fine to be read from a screen
    assert page.locator("#service").is_hidden()  # this site has none


def test_a_glb_by_its_address(new_context, site):
    viewer = open_link(new_context, f"{site}view.html?src=static/samples/coffee.glb")
    viewer.pause()
    assert viewer.look().std() > 20
    name, data = viewer.save()
    assert name == "photo.glb"
    assert data == SAMPLES_GLB.read_bytes()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("http://files.example/a.glb", "https address"),
        ("javascript:alert(1)", "https address"),
        ("//", "https address"),
        ("static/samples/none.glb", "404"),
        ("static/samples/coffee.jpg", "not a 3D photo"),
    ],
)
def test_addresses_that_hold_no_photo(new_context, site, source, words):
    assert words in problem_of(open_link(new_context, f"{site}view.html?src={source}"))


def test_a_host_that_lets_nobody_read(new_context, foreign_requests, site):
    """The one page that may ask another host, because its link says so."""
    viewer = open_link(new_context, f"{site}view.html?src=https://files.example/a.glb")
    assert "files.example" in problem_of(viewer)
    assert foreign_requests.hosts == ["files.example"]
    foreign_requests.hosts.clear()


def test_the_viewer_page_is_light(new_context, site):
    page = new_context(viewport=PHONE).new_page()
    bodies = {}
    page.on("response", lambda response: bodies.update({response.url: response.body()}))
    page.goto(f"{site}view.html?src=static/samples/coffee.glb")
    page.locator("body[data-state=shown]").wait_for()
    page.wait_for_load_state("networkidle")
    sizes = {
        url.split("?")[0].split("/")[-1]: len(body) if url.endswith(("woff2", "png")) else len(gzip.compress(body))
        for url, body in bodies.items()
        if not url.split("?")[0].endswith(".glb") and not url.startswith("blob:")
    }
    print(sum(sizes.values()), sizes)
    assert not [name for name in sizes if name.endswith((".py", ".wasm", ".onnx", ".mjs"))]
    assert 100_000 < sum(sizes.values()) < FIRST_VIEW


# --- The share service ---


@pytest.fixture
def service(tmp_path, dist):
    with Running(tmp_path / "store", dist, limits=Limits()) as running:
        running.address = running.address.replace("127.0.0.1", "localhost")
        yield running


def upload(service, new_context, data: bytes):
    """Share a GLB through the service from one profile; the page and the link."""
    page = new_context().new_page()
    page.goto(service.address + "index.html")
    page.evaluate(
        """async (data) => {
          const share = await import(new URL("static/share.js", location.href));
          await share.openDialog(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)), "a");
        }""",
        base64.b64encode(data).decode(),
    )
    page.locator("#store").click()
    page.locator("#service-result").wait_for()
    return page, page.locator("#service-address").get_attribute("href")


def test_two_profiles_share_through_the_service(service, new_context):
    data = SAMPLES_GLB.read_bytes()
    page, link = upload(service, new_context, data)
    assert page.get_by_role("img", name="QR code").is_visible()
    assert len(link) < 130

    (stored,) = service.folder.iterdir()
    content = stored.read_bytes()
    assert len(content) == len(data) + 44 + 12 + 16  # header, nonce, tag
    assert b"glTF" not in content
    assert not any(data[i : i + 8] in content for i in range(0, len(data) - 8, 97))
    key = base64.urlsafe_b64decode(link.split("#")[1] + "=")
    assert len(key) == 32
    assert key not in content

    viewer = open_link(new_context, link)
    assert viewer.save()[1] == data
    wrong = link[:-10] + ("A" * 10 if not link.endswith("A" * 10) else "B" * 10)
    assert "cannot be decrypted" in problem_of(open_link(new_context, wrong))
    assert "key is incomplete" in problem_of(open_link(new_context, link[:-10]))
    assert "key is incomplete" in problem_of(open_link(new_context, link.split("#")[0]))

    stored.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    assert "cannot be decrypted" in problem_of(open_link(new_context, link))

    page.locator("#forget").click()
    page.get_by_text("The photo is deleted from the share service.").wait_for()
    assert list(service.folder.iterdir()) == []
    assert "expired, or was deleted" in problem_of(open_link(new_context, link))


def test_a_service_that_is_not_there(new_context, site):
    assert "no share service" in problem_of(open_link(new_context, f"{site}view.html?s={'a' * 22}#{'a' * 43}"))
