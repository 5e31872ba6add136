// The page of the service: what is being built, what has failed, all assets, and the way in for new ones.

import { fill, h, label } from "/static/h.js";
import { chip, detail, flagMark, themeButton } from "/static/detail.js";
import "/static/grid.js";
import { fetchMade } from "/static/pictures.js";
import { ask, below, follow, of } from "./api.js";
import { uploadForm } from "./upload.js";

const PAGE = 100; // assets that are asked for at a time
const SOON = 200; // milliseconds in which changes are gathered
const RUNS = 20; // the latest ones, which are shown
const STATES = ["building", "queued", "received", "waiting", "failed", "quarantined", "done"];
const ENDED = ["done", "failed", "quarantined"];
const ALONE = "are left alone, as they have failed or were canceled. They are tried again when their files, their parameters or the steps of the pipeline change";
const main = document.querySelector("main");
const home = await ask("").catch((error) => {
  fill(main, h("p", { class: "af-error", role: "alert" }, error.message));
  throw error;
});
let open = null; // the pipeline that is shown
let routes = 0; // how often the address has changed

/** One pipeline on the page. */
class Board {
  constructor(data) {
    Object.assign(this, { data, name: data.name, state: "", text: "", pages: new Map(), total: 0, steps: new Map() });
    this.grid = h("af-grid", { label: "Assets", open: (event) => this.show(this.at(event.detail)) });
    this.totals = h("div", { class: "af-totals", role: "group", "aria-label": "States" });
    this.count = h("p", { class: "af-count", role: "status" });
    this.now = h("section", { class: "now", "aria-label": "Under way" });
    this.trouble = h("p", { class: "af-error", role: "alert", hidden: true });
    this.buttons = h("div", { class: "buttons" });
    this.about = h("p", { class: "hint about", role: "status" });
    this.runs = h("details", { class: "runs", toggle: () => this.tellRuns() }, h("summary", {}, "Runs"), h("ul", { tabindex: 0, "aria-label": "Runs" }));
    const find = h("input", {
      type: "search", placeholder: "Find assets", "aria-label": "Find assets by name", id: "find",
      input: () => { this.text = find.value; this.search(); },
    });
    this.list = h("div", { class: "af-list" },
      h("header", { class: "af-head" }, h("h1", {}, back(), data.title), this.totals, this.buttons, themeButton()),
      this.trouble, this.now, this.runs, h("div", { class: "af-filters", role: "search" }, find), this.about, this.count, this.grid);
    this.panel = h("div", { class: "af-panel", hidden: true });
    fill(main, this.list, this.panel);
    this.follow();
    this.refresh();
  }

  follow() {
    this.stop = follow(this.name, this.data.event, {
      listen: (event) => this.happened(event), lost: () => this.restart(),
      opened: () => { this.isAway = false; this.refreshSoon(); }, // what happened meanwhile may have made no event
      away: () => { this.isAway = true; this.tellTrouble(""); },
    });
  }

  may(right) { return home.you.may.includes(right); }

  // What happens

  happened(event) {
    if (event.event === "StepStarted" || event.event === "StepProgress") {
      this.steps.set(event.asset, { step: event.step, fraction: event.fraction ?? 0 });
      this.tellNow();
      return;
    }
    if (event.event === "JobFinished") this.steps.delete(event.asset);
    this.refreshSoon();
  }

  refreshSoon() {
    const rest = (this.refreshed ?? 0) + SOON - performance.now(); // what comes alone is shown at once
    this.soon ??= setTimeout(() => { this.soon = null; this.refreshed = performance.now(); this.refresh(); }, rest);
  }

  async restart() {
    this.stop();
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    if (open !== this) return;
    try {
      this.data = await ask(below(this.name));
      this.follow();
      this.refresh();
    } catch {
      this.restart();
    }
  }

  /** Ask for everything anew, once at a time: what happens while answers are on their way is asked for after them. */
  async refresh() {
    this.isBehind = this.isAsking;
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      [this.data] = await Promise.all([ask(below(this.name)), this.load([...this.wanted()], true)]);
      for (const one of this.data.daemon?.building ?? []) this.steps.set(one.asset, one);
      this.tell();
      await this.tellRuns();
      if (this.shown) await this.showAgain();
      this.tellTrouble(this.data.problem);
    } catch (error) {
      this.tellTrouble(error.message);
    } finally {
      this.isAsking = false;
    }
    if (this.isBehind && open === this) this.refreshSoon();
    if (open === this && (this.isBusy || !this.data.daemon)) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.refreshSoon(), 2000); // what waits and arrives makes no events
    }
  }

  get isBusy() {
    const { counts, daemon } = this.data;
    return counts.queued + counts.building + counts.received + counts.waiting > 0 || daemon?.arriving_count > 0;
  }

  tellTrouble(problem) {
    const text = problem || (this.isAway ? "The server does not answer; what you see may be old. It is waited for." : "");
    if (text === this.trouble.textContent) return; // or it would be read out again and again
    this.trouble.hidden = !text;
    this.trouble.textContent = text;
  }

  tell() {
    const { counts, daemon, paused } = this.data;
    this.how = paused ? "Paused: nothing new is begun." : daemon ? "" : "The daemon is starting.";
    this.tellNow();
    this.about.textContent = this.state === "quarantined" ? `Quarantined assets ${ALONE}${this.may("retry") ? ", or at once when you press “Retry all”, which tries all that has failed" : ""}.` : "";
    const mark = JSON.stringify([counts, paused, this.state]);
    if (mark === this.told) return; // a button that is replaced loses the focus, and a press that has begun
    this.told = mark;
    const pressed = [...this.totals.children].indexOf(document.activeElement);
    fill(this.totals, STATES.filter((name) => counts[name]).map((name) =>
      h("button", {
        type: "button", class: "af-total", "aria-pressed": String(this.state === name),
        click: () => { this.state = this.state === name ? "" : name; this.search(); this.tell(); },
      }, chip(name), h("b", {}, String(counts[name])))));
    this.totals.children[pressed]?.focus();
    const verb = paused ? "resume" : "pause";
    const failed = counts.failed + counts.quarantined;
    fill(this.buttons,
      this.may("retry") && failed > 0 && this.button("Retry all", "retry", []),
      this.may("retry") && !this.data.private && this.button(label(verb), verb, []),
      this.may("upload") && h("button", { type: "button", class: "main", click: () => go(this.name, "upload") }, "New asset"));
  }

  tellNow() {
    const building = (this.data.daemon?.building ?? []).map((one) => ({ ...one, ...this.steps.get(one.asset) }));
    const waiting = this.data.daemon?.waiting ?? [];
    const more = (this.data.daemon?.waiting_count ?? 0) - Math.min(waiting.length, 5);
    const mark = JSON.stringify([this.how, building.map((one) => [one.asset, one.step]), waiting.slice(0, 5), more]);
    if (mark === this.toldNow) {
      building.forEach((one, index) => { this.bars[index].value = one.fraction; });
      return;
    }
    this.toldNow = mark;
    this.bars = building.map((one) => h("progress", { max: 1, value: one.fraction, "aria-label": `${one.asset}: ${one.step || "reading"}` }));
    const rows = building.map((one, index) => h("li", {},
      h("a", { href: link(this.name, one.asset) }, one.asset), h("span", {}, one.step || "reading"), this.bars[index]));
    const next = waiting.slice(0, 5).map((asset) => h("a", { href: link(this.name, asset) }, asset));
    fill(this.now, this.how && h("p", { class: "af-message" }, this.how), rows.length && h("ul", {}, rows),
      next.length && h("p", { class: "next" }, "Next: ", next.flatMap((one, index) => (index ? [", ", one] : [one])), more > 0 ? ` and ${more} more` : ""),
      !next.length && more > 0 && h("p", { class: "next" }, `In the queue: ${more} of others`)); // whose names are not told
    this.now.hidden = !this.now.firstChild;
  }

  /** Show the latest runs, while somebody looks at them. */
  async tellRuns() {
    if (!this.runs.open) return;
    try {
      const { items } = await ask(below(this.name, `/runs?limit=${RUNS}`));
      const mark = JSON.stringify(items);
      if (mark === this.toldRuns) return; // or what is read or marked just now would be lost
      this.toldRuns = mark;
      fill(this.runs.lastChild, items.length ? items.map(runRow) : h("li", {}, "There was none yet."));
    } catch (error) {
      this.tellTrouble(error.message);
    }
  }

  button(text, verb, assets) {
    return h("button", { type: "button", click: async (event) => {
      event.target.disabled = true;
      try {
        const { id } = await ask(below(this.name, "/requests"), { method: "POST", json: { verb, assets } });
        await this.answered(id);
        this.refreshSoon();
      } catch (error) {
        this.tellTrouble(error.message);
      } finally {
        event.target.disabled = false;
      }
    } }, text);
  }

  /** Wait until the daemon has taken up a request, but not for ever. */
  async answered(id) {
    for (let tries = 0; tries < 40; tries += 1) {
      if ((await ask(below(this.name, `/requests/${id}`))).done) return;
      await new Promise((resolve) => { setTimeout(resolve, 250); });
    }
    throw new Error("The daemon has not answered yet; it will do it when it can.");
  }

  // The list

  search() {
    this.pages.clear();
    this.grid.scrollTop = 0;
    this.load([0], true);
  }

  at(index) {
    const page = this.pages.get(Math.floor(index / PAGE));
    if (!page) this.load([Math.floor(index / PAGE)]);
    return page?.[index % PAGE];
  }

  *wanted() {
    yield* this.pages.size ? this.pages.keys() : [0];
  }

  /** Ask for pages that are not there, or with `anew` for those that are, too. */
  async load(numbers, anew = false) {
    this.asked ??= new Set();
    const missing = numbers.filter((number) => !this.asked.has(number) && (anew || !this.pages.has(number)));
    if (!missing.length) return;
    const { text, state } = this;
    missing.forEach((number) => this.asked.add(number));
    try {
      for (const number of anew ? missing : missing.slice(-3)) {
        const query = new URLSearchParams({ q: text, state, offset: number * PAGE, limit: PAGE });
        const found = await ask(below(this.name, `/assets?${query}`));
        if (text !== this.text || state !== this.state) return;
        this.pages.set(number, found.items);
        this.total = found.total;
      }
    } finally {
      missing.forEach((number) => this.asked.delete(number));
      if (text !== this.text || state !== this.state) this.load([0], true);
    }
    for (const number of this.pages.keys()) if (this.pages.size > 6 && !missing.includes(number)) this.pages.delete(number);
    this.draw();
  }

  draw() {
    const what = this.total === 1 ? "1 asset" : `${this.total} assets`;
    this.count.textContent = this.total || this.text || this.state ? what
      : `No asset yet. Drop pictures by “New asset”${this.data.private ? "." : ", or put files into the folder of sources."}`;
    this.grid.rows = { count: this.total, at: (index) => this.at(index), card: (row) => card(row) };
  }

  // One asset

  show(row) {
    if (row) go(this.name, "asset", row.name);
  }

  async showAsset(name) {
    this.shown = name;
    this.seen = "";
    this.list.hidden = true;
    this.panel.hidden = false;
    document.title = `${name} – ${this.data.title}`;
    fill(this.panel, this.navigation(), h("p", { class: "af-message", role: "status" }, "Loading…"));
    await this.showAgain();
    this.panel.querySelector("h2")?.focus({ preventScroll: true }); // on a phone, the view stands above it
  }

  async showAgain() {
    const name = this.shown;
    try {
      const short = await ask(of(this.name, "assets", name));
      const step = this.steps.get(name) ?? short;
      const mark = `${short.state} ${short.finished ?? ""} ${short.error ?? ""} ${short.state === "building" ? step.step : ""}`;
      if (this.shown !== name) return;
      if (mark === this.seen) {
        const bar = this.panel.querySelector(".pending progress");
        if (bar) bar.value = step.fraction ?? 0;
        const place = this.panel.querySelector(".pending .place");
        if (place) place.textContent = placeOf(short.queue);
        return;
      }
      this.seen = mark;
      if (!ENDED.includes(short.state)) {
        fill(this.panel, this.navigation(), this.pending(short));
        return;
      }
      if (short.variants) {
        fill(this.panel, this.navigation(), this.variants(short));
        return;
      }
      const asset = await ask(of(this.name, "views", name));
      if (this.shown === name) fill(this.panel, this.navigation(), detail(asset, this.head(short)));
    } catch (error) {
      fill(this.panel, this.navigation(), h("p", { class: "af-error", role: "alert" }, error.message));
    }
  }

  head(asset) {
    const all = this.may("retry") && h("div", { class: "buttons" },
      asset.state === "done" ? this.button("Build anew", "rebuild", [asset.name]) : this.button("Retry", "retry", [asset.name]));
    const why = asset.state === "quarantined" && h("p", { class: "hint" }, `Quarantined assets ${ALONE}${all ? ", or at once when you press “Retry”" : ""}.`);
    return h("div", { class: "about" }, h("h2", { tabindex: -1 }, asset.name), all, why);
  }

  pending(asset) {
    const step = this.steps.get(asset.name) ?? asset;
    return h("div", { class: "pending", role: "status" }, h("h2", { tabindex: -1 }, asset.name), h("p", {}, chip(asset.state)),
      asset.error && h("p", {}, asset.error),
      asset.state === "queued" && h("p", { class: "place" }, placeOf(asset.queue)),
      asset.state === "building" && h("p", {}, step.step || "reading", " ", h("progress", { max: 1, value: step.fraction ?? 0, "aria-label": "Progress" })),
      this.may("retry") && ["building", "queued"].includes(asset.state) && h("div", { class: "buttons" },
        asset.state === "queued" && this.button("Build next", "hurry", [asset.name]), this.button("Cancel", "cancel", [asset.name])));
  }

  /** One asset of which there are several: a card for each, that leads to it. */
  variants(asset) {
    return h("div", { class: "pending" }, this.head(asset), h("p", { class: "af-message" }, `${asset.variants.length} variants`),
      h("ul", { class: "variants" }, asset.variants.map((row) => h("li", {}, h("a", { class: "af-card", href: link(this.name, row.name) }, card(row))))));
  }

  navigation() {
    return h("nav", { class: "af-nav", "aria-label": "Assets" },
      h("button", { type: "button", click: () => go(this.name) }, "← All assets"), h("span", { class: "af-where" }), themeButton());
  }

  // Others

  showList() {
    this.shown = null;
    this.panel.hidden = true;
    this.list.hidden = false;
    document.title = this.data.title;
    fill(this.panel);
    this.grid.later();
  }

  showUpload() {
    this.shown = null;
    this.list.hidden = true;
    this.panel.hidden = false;
    fill(this.panel, this.navigation(), uploadForm(this.data, home, (asset) => go(this.name, "asset", asset)));
    this.panel.querySelector("h2").focus();
  }
}

function card(row) {
  if (!row) return [h("div", { class: "af-empty" }, "…")];
  const why = row.error && h("span", { class: "why" }, row.error.slice(0, 200));
  const instead = why || (row.thumb ? "No picture" : label(row.state));
  return [
    row.thumb ? h("img", { src: row.thumb, alt: "", decoding: "async", draggable: "false", error: (event) => showMade(event.target, instead) })
      : h("div", { class: "af-empty" }, instead),
    ...(row.thumb && why ? [why] : []), // where the picture cannot be shown, it takes its place
    h("div", { class: "af-card-text" }, h("span", { class: "af-name", title: row.name }, row.name),
      h("span", { class: "af-marks" }, chip(row.state), row.flagged && flagMark(row.flagged.count, row.flagged.worst), row.step && h("span", {}, `${row.step} ${Math.round(100 * row.fraction)} %`))),
  ];
}

const asked = new WeakSet(); // pictures that were asked for again

/** Show a picture that could not be: once it is made, or something else where there is none. */
async function showMade(image, instead) {
  const url = image.getAttribute("src");
  const isMade = !asked.has(image) && await fetchMade(url).then((answer) => answer.ok, () => false);
  asked.add(image);
  if (!isMade) image.replaceWith(h("div", { class: "af-empty" }, instead));
  else if (image.isConnected) image.src = url;
}

const ENDINGS_OF_RUNS = { 0: "ended well", 130: "interrupted" };

function runRow(run) {
  const { state, exit_code: code, counts, who } = run;
  const began = new Date(run.began * 1000);
  const how = state === "ended" ? (ENDINGS_OF_RUNS[code] ?? `exit code ${code}`) : state === "running" ? "at work" : state;
  const parts = [how, ...Object.entries(counts ?? {}).map(([name, count]) => `${count} ${name}`)];
  return h("li", {}, h("time", { datetime: began.toISOString() }, began.toLocaleString([], { dateStyle: "medium", timeStyle: "short" })),
    h("span", {}, who ? `${run.kind} by ${who}` : run.kind), h("span", { class: state === "killed" || code ? "bad" : "" }, parts.join(", ")));
}

const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
const ENDINGS = { one: "st", two: "nd", few: "rd", other: "th" };

/** Say where in the queue an asset is: "3rd of 12". Only the first ones have a place. */
function placeOf(queue) {
  if (!queue?.of) return "";
  const { position, of } = queue;
  return position ? `${position}${ENDINGS[ordinals.select(position)]} of ${of} in the queue` : `In a queue of ${of}`;
}

function back() {
  return home.pipelines.length > 1 ? h("a", { href: "#", class: "back", "aria-label": "All pipelines" }, "←") : null;
}

// Addresses: #pipeline, #pipeline/upload, #pipeline/asset/NAME

function link(...parts) {
  const [pipeline, asset] = parts;
  return `#${encodeURIComponent(pipeline)}/asset/${encodeURIComponent(asset)}`;
}

function go(pipeline, what = "", name = "") {
  location.hash = what === "asset" ? link(pipeline, name) : [encodeURIComponent(pipeline), what].filter(Boolean).join("/");
}

function chooser() {
  open?.stop();
  open = null;
  document.title = "AssetForge";
  fill(main, h("div", { class: "chooser" }, h("header", {}, h("h1", { tabindex: -1 }, "What do you want to make?"), themeButton()),
    h("ul", {}, home.pipelines.map((one) => h("li", {}, h("a", { href: `#${encodeURIComponent(one.name)}/upload` }, h("b", {}, one.title || one.name), h("span", {}, one.about)))))));
  main.querySelector("h1").focus();
}

/** Return what shows a pipeline; null where somebody has gone elsewhere meanwhile. */
async function board(pipeline, mine) {
  if (open?.name === pipeline) return open;
  open?.stop();
  open = null;
  for (let tries = 0; ; tries += 1) {
    try {
      const data = await ask(below(pipeline));
      if (mine !== routes) return null;
      open = new Board(data);
      return open;
    } catch (error) {
      if (mine !== routes) return null;
      if (error.status !== 503 || tries > 120) throw error;
      fill(main, h("p", { class: "af-message", role: "status" }, tries < 4 ? "Opening the pipeline…" : `Opening the pipeline… ${error.problem.detail}`));
      await new Promise((resolve) => { setTimeout(resolve, 500); });
    }
  }
}

async function route() {
  const mine = routes += 1;
  const [pipeline, what, name] = location.hash.slice(1).split("/");
  if (!pipeline && home.pipelines.length > 1) return chooser();
  try {
    const shown = await board(pipeline ? decodeURIComponent(pipeline) : home.pipelines[0].name, mine);
    if (!shown) return;
    if (what === "asset") shown.showAsset(decodeURIComponent(name));
    else if (what === "upload") shown.showUpload();
    else shown.showList();
  } catch (error) {
    fill(main, h("p", { class: "af-error", role: "alert" }, error.message));
  }
}

addEventListener("hashchange", () => route());
addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || !open) return;
  const inForm = typing && event.target.closest("form"); // what was filled in would be lost
  if (event.key === "Escape" && !inForm && !open.panel.hidden && !document.querySelector("dialog[open]")) go(open.name);
  else if (!typing && event.key === "/" && open.panel.hidden) document.querySelector("#find").focus();
  else if (!typing && "lct".includes(event.key) && open.shown) {
    open.panel.querySelector(".af-detail")?.showTab?.({ l: "lit", c: "compare", t: "tile" }[event.key]);
  } else return;
  event.preventDefault();
});
route();
