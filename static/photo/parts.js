// What stands inside a <tief-photo>: the picture, its buttons, and a line that says what they did. Made of elements, not
// of markup, so that a page with the strictest content security policy can hold it.

import css from "./tief-photo.css";

const ICONS = {
  tilt: ["M8 4.5h8q1.5 0 1.5 1.5v12q0 1.5-1.5 1.5H8q-1.5 0-1.5-1.5V6q0-1.5 1.5-1.5zM3 9.5v5M21 9.5v5"],
  stereo: ["M9.5 7a5 5 0 1 0 0 10a5 5 0 1 0 0-10zM14.5 7a5 5 0 1 1 0 10a5 5 0 1 1 0-10z"],
  headset: ["M5 7.5h14q1.5 0 1.5 1.5v6q0 1.5-1.5 1.5h-3.5l-2-2.5h-3l-2 2.5H5q-1.5 0-1.5-1.5V9q0-1.5 1.5-1.5z"],
  sway: ["M9 6.5v11M15 6.5v11", "M9 6.5v11l8.5-5.5z"], // when it sways, when it stands
  full: ["M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15"],
};
const HELP =
  "Arrow keys move the view, Home centres it, Space pauses the motion. F lets the depth in the middle stay still, " +
  "Page Up and Page Down one farther or nearer. S shows it for two eyes.";

/** Fill a shadow root; its parts by name. */
export function furnish(root) {
  root.adoptedStyleSheets = [sheet()];
  const parts = {
    picture: make("div", {
      id: "picture",
      part: "picture",
      role: "application",
      "aria-roledescription": "3D photo",
      "aria-describedby": "help",
      tabindex: "0",
      hidden: "",
    }),
    fallback: make("slot", { id: "fallback" }),
    message: make("p", { id: "message", part: "message", role: "status" }),
    tools: make("div", { id: "tools", part: "tools", role: "group", "aria-label": "What to do with the 3D photo", hidden: "" }),
    tilt: button("tilt", "Turn on tilt", "Turn on tilt"),
    stereo: button("stereo", "For two eyes", "", "S"),
    headset: button("headset", "Show in a headset"),
    sway: button("sway", "Sway", "", "Space"),
    full: button("full", "Full screen"),
  };
  const { picture, fallback, message, tools, tilt, stereo, headset, sway, full } = parts;
  tilt.hidden = headset.hidden = true; // until they are known to be of use
  tools.append(tilt, stereo, headset, sway, full);
  root.append(fallback, picture, make("p", { id: "help", class: "unseen" }, HELP), tools, message);
  return parts;
}

let shared = null; // one style sheet for all elements of a page

function sheet() {
  if (shared) return shared;
  shared = new CSSStyleSheet();
  shared.replaceSync(css);
  return shared;
}

function make(tag, attributes = {}, text = "") {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

function button(id, name, text = "", key = "") {
  const title = key ? `${name} (${key})` : name;
  const made = make("button", { id, type: "button", "aria-label": name, title });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const line of ICONS[id]) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  made.append(svg, text);
  return made;
}
