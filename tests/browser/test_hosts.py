"""Where the page may stand: isolated or not, with what is missing or damaged, on small and large screens."""

import numpy as np
import pytest

from app import glb
from builder.server import Handler
from tests.browser.studio import is_plain_sentence

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def test_without_isolation_it_runs_on_one_thread(fresh, plain_site):
    studio = fresh(plain_site, service_workers="block")
    assert studio.page.evaluate("crossOriginIsolated") is False
    assert studio.facts()["Depth network"].endswith("1 thread")
    assert studio.facts()["Isolated"].startswith("no")
    studio.give_sample("cat")
    studio.wait_result()
    assert studio.look().std() > 20


def test_the_service_worker_isolates_a_plain_host(fresh, plain_site):
    studio = fresh(plain_site)
    assert studio.page.evaluate("crossOriginIsolated") is True
    assert studio.facts()["Isolated"] == "yes"


def test_a_photo_chosen_early_waits(fresh, site):
    studio = fresh(site, ready=False)
    studio.give_sample("cat")
    assert "Getting ready" in studio.page.locator("#working-lead").inner_text()
    studio.wait_result()
    assert studio.facts()["Photo"].startswith("cat.jpg")


def test_a_backend_by_address_and_by_setting(fresh, site):
    studio = fresh(f"{site}?backend=wasm")
    assert studio.facts()["Depth network"].endswith("1 thread")
    assert studio.page.locator("#backend").input_value() == "wasm"
    studio.page.locator("main .details summary").click()
    studio.page.locator("#backend").select_option("webgpu")  # headless Chromium has none
    studio.page.locator("#facts dt:text('Fallback')").wait_for(state="attached", timeout=120_000)
    facts = studio.facts()
    assert "WebGPU was not used" in facts["Fallback"]
    assert "WASM" in facts["Depth network"]
    studio.give_sample("cat")
    studio.wait_result()


def test_without_the_fill_network_the_classical_fill_is_taken_and_the_page_says_so(fresh, copied_site):
    folder, server = copied_site
    (folder / "models/farbrausch/farbrausch.onnx").write_bytes(b"no network")
    studio = fresh(server.address, service_workers="block")
    assert "The fill network was not used" in studio.facts()["Fallback"]
    studio.give_sample("cat")
    studio.wait_result()


def test_the_fill_by_address(fresh, site):
    """Each fill makes another picture of the same photo, and the network's is the one that is made unasked."""
    made = []
    for address, fill in (("", "farbrausch"), ("&fill=push-pull", "push-pull")):
        studio = fresh(f"{site}?backend=wasm{address}")
        assert studio.page.locator("#fill").input_value() == fill
        studio.give_sample("cat")
        made.append(studio.wait_result().save()[1])
    first, second = (glb.decode(data) for data in made)
    assert np.array_equal(first.positions, second.positions)
    assert not np.array_equal(first.atlas, second.atlas)


def test_with_less_motion_nothing_moves_until_asked(fresh, site):
    studio = fresh(site, reduced_motion="reduce", **PHONE)
    studio.give_sample("cat")
    studio.wait_result()
    assert studio.page.locator("#sway").get_attribute("aria-pressed") == "false"
    assert studio.settle() == [0, 0]
    session = studio.page.context.new_cdp_session(studio.page)

    def hold(gamma):
        angles = {"alpha": 0, "beta": 40, "gamma": gamma}
        session.send("DeviceOrientation.setDeviceOrientationOverride", angles)
        return studio.settle()

    hold(0)
    assert hold(9) == [0, 0]
    studio.page.locator("#tilt").wait_for()
    studio.page.locator("#tilt").tap()
    studio.page.locator("#tilt").wait_for(state="hidden")  # the browser has answered
    hold(0)
    assert hold(9)[0] < -0.2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 740), (740, 360), (768, 1024), (1280, 800)])
def test_fits_every_screen(fresh, site, size, scheme):
    """Nothing sticks out sideways, and the first view holds the picture and the first thing to do."""
    options = {**PHONE, "viewport": {"width": size[0], "height": size[1]}, "color_scheme": scheme}
    page = fresh(site, ready=False, **options).page
    page.locator("#viewer canvas").wait_for()  # a 3D photo to begin with
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    picture = page.locator("#frame").bounding_box()
    assert picture["width"] * picture["height"] > 0.2 * size[0] * size[1]
    assert picture["y"] + picture["height"] <= size[1]
    choose = page.locator("#choose").bounding_box()
    if size != (740, 360):
        assert choose["y"] + choose["height"] <= size[1]
    assert min(choose["height"], choose["width"]) >= 44


def test_nothing_foreign_may_run(fresh, site):
    """The content security policy stops scripts in the page, eval, and requests to other hosts."""
    page = fresh(site, ready=False).page
    blocked = page.evaluate(
        """async () => {
          const violations = [];
          addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
          const script = Object.assign(document.createElement("script"), { textContent: "globalThis.inline = 1" });
          document.body.append(script);
          await fetch("https://example.com/").catch(() => {});
          await new Promise((done) => {
            const image = Object.assign(new Image(), { onload: done, onerror: done });
            image.src = "https://example.com/a.png";
          });
          await new Promise((resolve) => setTimeout(resolve, 300));
          return [violations.sort(), globalThis.inline ?? 0];
        }"""
    )
    assert blocked == [["connect-src", "img-src", "script-src-elem"], 0]


# --- Damage ---


@pytest.mark.parametrize("file", ["vendor/pyodide/pyodide.asm.wasm", "app/pipeline.py", "vendor/pyscript/core.js"])
def test_a_part_that_cannot_be_loaded(copied_site, fresh, file):
    folder, server = copied_site
    (folder / file).unlink()
    studio = fresh(server.address, ready=False, service_workers="block")
    problem = studio.wait_problem()
    assert is_plain_sentence(problem), problem
    assert studio.page.locator("#engine").get_attribute("data-engine") == "failed"


@pytest.fixture
def cut(monkeypatch):
    """The server sends the first half of files whose paths contain one of these, and then closes the connection."""
    names = []
    whole = Handler.copyfile

    def copyfile(self, source, target):
        if not any(name in self.path for name in names):
            return whole(self, source, target)
        data = source.read()
        target.write(data[: len(data) // 2])
        self.close_connection = True

    monkeypatch.setattr(Handler, "copyfile", copyfile)
    return names


PARTS = ("pyodide.asm.wasm", "scipy-", "app/main.py", "ort-wasm-simd-threaded.wasm")


@pytest.mark.parametrize("part", PARTS)
def test_a_download_that_breaks_is_said_and_tried_again(site, fresh, cut, part):
    cut.append(part)
    studio = fresh(site, ready=False, service_workers="block")
    problem = studio.wait_problem()
    assert is_plain_sentence(problem), problem
    assert studio.page.locator("#engine").get_attribute("data-engine") == "failed"
    cut.clear()
    studio.page.locator("#retry").click()
    studio.wait_ready()
    assert studio.page.locator("#problem").is_hidden()
    assert studio.page.locator("#retry").is_hidden()


def test_a_network_that_is_not_the_one_that_was_checked(copied_site, fresh):
    folder, server = copied_site
    model = folder / "models" / "tiefenrausch" / "tiefenrausch.onnx"
    model.write_bytes(model.read_bytes()[:-1000])
    studio = fresh(server.address, ready=False, service_workers="block")
    assert "depth network does not run" in studio.wait_problem()


def test_a_stage_that_hangs_can_be_cancelled(copied_site, fresh):
    """A worker that no longer listens is replaced, and the next photo works."""
    folder, server = copied_site
    pipeline = folder / "app" / "pipeline.py"
    source = pipeline.read_text()
    marker = '        async with run.stage("layers"):\n'
    assert marker in source
    # Only a photo 451 pixels wide hangs, so that the next one shows a working page.
    hang = "            if width == 451:\n                import time\n\n                time.sleep(300)\n"
    pipeline.write_text(source.replace(marker, marker + hang))
    studio = fresh(server.address, service_workers="block")
    studio.give_sample("cat")
    studio.page.locator("[data-stage=layers][data-is=now]").wait_for()
    studio.page.locator("#cancel").click()
    assert studio.state == "idle"
    studio.page.locator("#engine[data-engine=loading]").wait_for()
    studio.wait_ready()
    studio.give_sample("coffee")
    studio.wait_result()
