// The report of a run, opened from a folder: a list of assets, and each in detail. Without scripts, the table is there.

import { h, fill } from "./h.js";
import { chip, detail, flagMark, themeButton } from "./detail.js";
import "./grid.js";

const STATES = ["failed", "quarantined", "done", "up to date", "not run"];
const KEPT = 8;
const waiting = new Map();
const loaded = new Map();
globalThis.assetforge = {
  /** Take in the rows of the list: called by data/index-….js. */
  index(run) { start(run); },
  /** Take in an asset: called by its chunk. */
  asset(chunk, asset) { waiting.get(chunk)?.(asset); },
};

const state = { text: "", state: "", flagged: false, rows: [], shown: [], open: -1 };
let run, grid, list, panel, status;

function start(given) {
  run = given;
  state.rows = run.rows.map((row) => ({ ...row, lower: row.name.toLowerCase() }));
  grid = h("af-grid", { label: "Assets", open: (event) => go(state.shown[event.detail]) });
  status = h("p", { class: "af-count", role: "status" });
  list = h("div", { class: "af-list" }, head(), ...problems(), filters(), status, grid);
  panel = h("div", { class: "af-panel", hidden: true });
  fill(document.querySelector("main"), list, panel);
  document.body.classList.add("af-app");
  filter();
  grid.focusList();
  addEventListener("hashchange", () => route());
  addEventListener("keydown", (event) => key(event));
  route();
}

function head() {
  const counts = STATES.filter((name) => run.counts[name]).map((name) =>
    h("button", { type: "button", class: "af-total", "aria-pressed": "false", "data-of": name, click: () => narrow(name) },
      chip(name), h("b", {}, String(run.counts[name]))));
  return h("header", { class: "af-head" },
    h("h1", {}, run.title, " ", h("small", {}, run.summary)), h("div", { class: "af-totals", role: "group", "aria-label": "States" }, counts), themeButton());
}

function problems() {
  return run.problems.map((text) => h("p", { class: "af-error", role: "alert" }, text));
}

function filters() {
  return h("div", { class: "af-filters", role: "search" },
    h("input", { type: "search", placeholder: "Find assets", "aria-label": "Find assets by name", id: "find", input: (event) => { state.text = event.target.value.toLowerCase(); filter(); } }),
    run.flagged > 0 && h("label", { class: "af-check" }, h("input", { type: "checkbox", change: (event) => { state.flagged = event.target.checked; filter(); } }), "Flagged only"));
}

function narrow(name) {
  state.state = state.state === name ? "" : name;
  for (const button of list.querySelectorAll(".af-total")) button.setAttribute("aria-pressed", String(button.dataset.of === state.state));
  filter();
}

function filter() {
  const { text, flagged } = state;
  state.shown = state.rows.filter((row) =>
    (!text || row.lower.includes(text)) && (!state.state || row.state === state.state) && (!flagged || row.worst === "warning" || row.worst === "error"));
  status.textContent = state.shown.length === state.rows.length
    ? `${state.rows.length} assets` : `${state.shown.length} of ${state.rows.length} assets`;
  grid.scrollTop = 0;
  grid.rows = { count: state.shown.length, at: (index) => state.shown[index], card };
}

function card(row) {
  const picture = row.after ?? row.before;
  return [
    picture ? h("img", { src: `thumbs/${picture}`, alt: "", decoding: "async", draggable: "false" }) : h("div", { class: "af-empty" }, "No picture"),
    h("div", { class: "af-card-text" },
      h("span", { class: "af-name", title: row.name }, row.name),
      h("span", { class: "af-marks" }, chip(row.state), flagMark(row.flags, row.worst))),
  ];
}

function go(row) {
  location.hash = row ? `#${encodeURIComponent(row.name)}` : "";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

async function route() {
  const name = decoded(location.hash.slice(1));
  const row = state.rows.find((one) => one.name === name);
  panel.hidden = !row;
  list.hidden = Boolean(row);
  document.title = row ? `${row.name} – ${run.title}` : run.title;
  if (!row) {
    fill(panel);
    grid.later();
    grid.focusList();
    return;
  }
  state.open = state.shown.indexOf(row);
  if (state.open >= 0) grid.current = state.open;
  fill(panel, h("p", { class: "af-message", role: "status" }, "Loading…"));
  try {
    const asset = await load(row.chunk);
    if (decoded(location.hash.slice(1)) !== name) return;
    const tab = document.activeElement?.dataset?.tab;
    fill(panel, navigation(row), detail(asset, h("h2", { tabindex: -1 }, row.name)));
    (tab ? panel.querySelector(`[data-tab=${tab}]`) : panel.querySelector("h2"))?.focus();
  } catch (error) {
    fill(panel, navigation(row), h("p", { class: "af-error", role: "alert" }, error.message));
  }
}

function navigation(row) {
  const to = (by) => state.shown[state.open + by];
  const button = (text, name, by) => h("button", { type: "button", disabled: !to(by), "aria-label": name, click: () => go(to(by)) }, text);
  return h("nav", { class: "af-nav", "aria-label": "Assets" },
    h("button", { type: "button", click: () => go(null) }, "← All assets"),
    h("span", { class: "af-where" }, state.open >= 0 ? `${state.open + 1} of ${state.shown.length}` : ""),
    button("‹", "Previous asset", -1), button("›", "Next asset", 1), themeButton());
}

/** Return an asset; its chunk calls assetforge.asset. The last few are kept, as there may be very many. */
async function load(chunk) {
  if (!loaded.has(chunk)) {
    await new Promise((resolve, reject) => {
      waiting.set(chunk, (asset) => { loaded.set(chunk, asset); resolve(); });
      const script = h("script", { src: `data/${chunk}.js`, error: () => reject(new Error(`data/${chunk}.js cannot be loaded`)) });
      document.head.append(script);
    });
    document.head.querySelector(`script[src="data/${chunk}.js"]`)?.remove();
  }
  const asset = loaded.get(chunk);
  loaded.delete(chunk);
  loaded.set(chunk, asset); // the latest last
  if (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
  return asset;
}

function key(event) {
  const typing = event.target.matches?.("input[type=search], select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (!panel.hidden) go(null);
    else if (typing) grid.focusList();
  } else if (typing) return;
  else if (event.key === "/" && panel.hidden) document.querySelector("#find").focus();
  else if (event.key === "j" && !panel.hidden) step(1);
  else if (event.key === "k" && !panel.hidden) step(-1);
  else if ("lct".includes(event.key) && !panel.hidden) {
    panel.querySelector(".af-detail")?.showTab({ l: "lit", c: "compare", t: "tile" }[event.key]);
  } else return;
  event.preventDefault();
}

function step(by) {
  const next = state.shown[state.open + by];
  if (next) go(next);
}
