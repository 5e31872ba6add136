// All of one asset: its maps lit, compared and tiled; what is wrong with it; its files.

import { h, fill, label } from "./h.js";
import { describe, shownBitmap } from "./pictures.js";
import "./compare.js";
import "./tile.js";
import "./material.js";

const TABS = [["lit", "Lit"], ["compare", "Compare"], ["tile", "Tile"]];
const LIT = new Set(["base_color", "normal", "roughness", "metalness", "height", "diffuse_albedo", "emission", "specular_color"]);
const THUMB = 48;
const kept = { tab: "lit", lit: null }; // what a person chose stays so from asset to asset, and so does the renderer

/** Return the state of an asset as a colored word. */
export function chip(state) {
  return h("span", { class: "af-chip", "data-state": state }, label(state));
}

/** Return how many flags there are, in the color of the worst. */
export function flagMark(count, worst) {
  return count > 0 && h("span", { class: "af-flag", "data-severity": worst }, `⚑ ${count}`, h("span", { class: "af-unseen" }, count === 1 ? " flag" : " flags"));
}

/** Return a button that changes between dark and light. */
export function themeButton() {
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  return h("button", { type: "button", class: "af-theme", "aria-label": "Dark or light", click: () => { root.dataset.theme = isDark() ? "light" : "dark"; } }, "◐");
}

/** Return what is doubtful, the worst first. */
export function flagList(flags) {
  if (!flags.length) return null;
  return h("ul", { class: "af-flags" }, flags.map((flag) =>
    h("li", { "data-severity": flag.severity },
      h("b", {}, label(flag.severity)), " ",
      flag.map && h("span", { class: "af-of" }, label(flag.map)), flag.map && " ",
      flag.text,
      (flag.check || flag.by) && h("small", {}, [flag.by, flag.check].filter(Boolean).join(", ")))));
}

/** Return nodes that show an asset, as data.py describes it. `head` stands above. */
export function detail(asset, head = null) {
  const groups = grouped(asset);
  const first = groups.find((group) => group.pictures.after) ?? groups[0];
  const state = { tab: kept.tab, group: first };
  const stage = h("div", { class: "af-view", id: "af-view", role: "tabpanel", "aria-labelledby": "" });
  const tabs = TABS.map(([name, text]) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "af-view", "aria-selected": "false", "data-tab": name,
    click: () => show({ tab: name }), keydown: (event) => step(event),
  }, text));
  const list = h("div", { class: "af-maps", role: "radiogroup", "aria-label": "Maps" },
    groups.map((group, index) => mapButton(group, index, () => show({ group, alone: true }))));
  const lightable = groups.some((group) => LIT.has(group.map));
  if (!lightable && state.tab === "lit") state.tab = "compare";

  function step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const names = TABS.map(([name]) => name);
    const next = names[(names.indexOf(state.tab) + by + names.length) % names.length];
    show({ tab: next });
    tabs[names.indexOf(next)].focus();
    event.preventDefault();
  }

  function show(changes) {
    const again = changes.tab && changes.tab !== state.tab;
    Object.assign(state, changes);
    if (changes.tab) kept.tab = changes.tab;
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab.dataset.tab === state.tab));
      tab.tabIndex = tab.dataset.tab === state.tab ? 0 : -1;
    }
    stage.setAttribute("aria-labelledby", `tab-${state.tab}`);
    [...list.children].forEach((button, index) => button.setAttribute("aria-checked", String(groups[index] === state.group)));
    if (again || !stage.firstChild) fill(stage, viewOf(state.tab));
    adjust(stage.firstChild);
  }

  function adjust(view) {
    const { before, after } = state.group?.pictures ?? {};
    if (state.tab === "compare") view.pictures = { before, after };
    else if (state.tab === "tile") view.picture = after ?? before;
    else if (state.alone) view.configure({ show: state.group.map });
  }

  function viewOf(tab) {
    if (tab !== "lit") return h(`af-${tab}`);
    kept.lit ??= h("af-material", { light: new URLSearchParams(location.search).get("light") });
    kept.lit.configure({ show: "" });
    kept.lit.maps = materialOf(asset);
    return kept.lit;
  }

  const shown = groups.length > 0;
  const body = h("article", { class: shown ? "af-detail" : "af-detail af-bare" },
    shown && h("section", { class: "af-left", "aria-label": "View" },
      h("div", { class: "af-tabs", role: "tablist", "aria-label": "View" }, tabs), stage),
    h("section", { class: "af-side", "aria-label": "About this asset" }, head,
      h("p", { class: "af-summary" }, chip(asset.state), asset.seconds > 0 && h("span", {}, `${asset.seconds} s`)),
      asset.error && h("p", { class: "af-error" }, asset.error),
      flagList(asset.flags),
      shown && h("h3", {}, "Maps"), shown && list,
      part("Failure", asset.drawn && h("img", { class: "af-drawn", src: asset.drawn, alt: "What the step drew of its failure" })),
      part("Log", asset.log_text && h("pre", { class: "af-log", tabindex: 0, "aria-label": "Log" }, asset.log_text), Boolean(asset.error)),
      part("Why it was built", asset.reasons.length && h("ul", {}, asset.reasons.map((reason) => h("li", {}, reason)))),
      part("Measures", notesOf(asset.notes)),
      part("Files", filesOf(asset), true)));
  if (shown) show({});
  body.showTab = (tab) => shown && show({ tab });
  return body;
}

function part(title, content, open = false) {
  return content ? h("details", { class: "af-part", open }, h("summary", {}, title), content) : null;
}

/** Pair sources and results of the same map; what has no other is paired with the first source. */
function grouped(asset) {
  const groups = new Map();
  for (const after of asset.outputs) if (!groups.has(after.map)) groups.set(after.map, { map: after.map, pictures: { after } });
  for (const before of asset.sources) {
    const group = groups.get(before.map);
    if (group) group.pictures.before ??= before;
    else groups.set(before.map, { map: before.map, pictures: { before } });
  }
  const fallback = asset.sources.find((one) => one.kind === "photo" || one.kind === "color");
  for (const group of groups.values()) if (asset.outputs.length) group.pictures.before ??= fallback;
  return [...groups.values()];
}

/** Return the maps of the result, or of the sources where there is none. */
function materialOf(asset) {
  const from = asset.outputs.some((one) => LIT.has(one.map)) ? asset.outputs : asset.sources;
  return Object.fromEntries([...from].reverse().map((one) => [one.map, one]));
}

function mapButton(group, index, choose) {
  const picture = group.pictures.after ?? group.pictures.before;
  const thumb = h("canvas", { width: 2 * THUMB, height: 2 * THUMB, "aria-hidden": "true" });
  if (picture.size) {
    shownBitmap(picture).then((bitmap) => {
      const context = thumb.getContext("2d");
      const scale = Math.max(thumb.width / bitmap.width, thumb.height / bitmap.height);
      const [width, height] = [bitmap.width * scale, bitmap.height * scale];
      context.imageSmoothingQuality = "high";
      context.drawImage(bitmap, (thumb.width - width) / 2, (thumb.height - height) / 2, width, height);
    }).catch(() => thumb.remove());
  }
  return h("button", { type: "button", role: "radio", "aria-checked": "false", "data-map": group.map, click: choose },
    thumb, h("span", {}, h("b", {}, label(group.map)), h("small", {}, describe(picture))));
}

function notesOf(notes) {
  const steps = Object.entries(notes);
  if (!steps.length) return null;
  return h("dl", { class: "af-notes" }, steps.flatMap(([step, values]) =>
    Object.entries(values).map(([name, value]) =>
      h("div", {}, h("dt", {}, `${step}: ${name}`), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value))))));
}

function filesOf(asset) {
  const rows = (title, files) => files.length > 0 && h("div", {}, h("h4", {}, title), h("ul", {}, files.map((one) =>
    h("li", {}, h("a", { href: one.href }, one.file)))));
  const sources = new Map(asset.sources.map((one) => [one.file, one]));
  const found = [rows("Results", asset.files), rows("Sources", [...sources.values()])].filter(Boolean);
  return found.length ? found : null;
}
