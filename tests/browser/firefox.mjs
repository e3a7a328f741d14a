// Drives Firefox over the site: node firefox.mjs FIREFOX ADDRESS PHOTO FOLDER
//
// Prints one JSON object; what was on the screen goes to FOLDER as PNGs. Playwright's Python side cannot drive a
// Firefox as distributions ship it; Puppeteer does, by WebDriver BiDi.

import puppeteer from "puppeteer-core";

const [executablePath, address, photo, folder] = process.argv.slice(2);
const START = 180_000; // ms: a cold interpreter on a busy machine
const SETTLED = 700; // ms after a key: the camera has arrived

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: false, // without a display there is no WebGL
  args: ["--width=1000", "--height=800"],
  extraPrefsFirefox: { "ui.prefersReducedMotion": 1 }, // no sway: the picture moves only when it is told to
});
const errors = [];

async function open(url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(START);
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url, { timeout: START });
  return page;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Pictures of the 3D photo, straight on and from two sides. */
async function look(page, name) {
  const photo = await page.waitForSelector("#viewer", { visible: true });
  await page.focus("#viewer");
  for (const key of ["Home", "ArrowLeft", "ArrowRight"]) {
    for (let i = 0; i < 20; i++) await page.keyboard.press(key);
    await pause(SETTLED);
    await photo.screenshot({ path: `${folder}/${name}-${key}.png` });
  }
}

/** A small film of the 3D photo in the open dialog: what the page says of it, and whether the browser can play it. */
async function film(page) {
  await page.$eval("#movie-kind option", (option) => (option.value = "video 96"));
  await page.select("#movie-kind", "video 96");
  await page.click("#make-movie");
  await page.waitForFunction(() => /[.]$/.test(document.getElementById("movie-status").textContent));
  const said = await page.$eval("#movie-status", (element) => element.textContent);
  await pause(SETTLED);
  return { said, width: await page.$eval("#movie-shown", (video) => video.videoWidth) };
}

/** The library's names after the page was loaded again, with the first one open. */
async function reopen(page) {
  await page.reload({ timeout: START });
  await (await page.waitForSelector(".idle [data-library]", { visible: true })).click();
  await page.waitForSelector("#library[open] [data-do=open]");
  const names = await page.$$eval("#kept b", (parts) => parts.map((part) => part.textContent));
  await page.click("#kept [data-do=open]");
  await page.waitForSelector("body[data-state=result]");
  return names;
}

try {
  const page = await open(address);
  // About one start in twenty never ends here, for a reason that is not known; a person would load the page again, too.
  await page.waitForSelector("#engine[data-engine=ready]").catch(async () => {
    console.error("The first start did not end: the page is loaded again.");
    await page.reload({ timeout: START });
    await page.waitForSelector("#engine[data-engine=ready]");
  });
  await (await page.$("#file")).uploadFile(photo);
  await page.waitForSelector("body[data-state=result]");
  const facts = await page.$$eval("#facts dt, #facts dd", (parts) => parts.map((part) => part.textContent));
  await look(page, "made");
  await page.click("#share");
  await page.waitForSelector("#try-link[href]");
  const link = await page.$eval("#try-link", (element) => element.href);
  const viewer = await open(link);
  await viewer.waitForSelector("body[data-state=shown]");
  await look(viewer, "opened");
  await viewer.close();
  const movie = await film(page);
  const kept = await reopen(page);
  await look(page, "kept");
  console.log(JSON.stringify({ version: await browser.version(), facts, link: link.length, movie, kept, errors }));
} finally {
  await browser.close();
}
