// <af-compare>: two pictures under one another with a border to move, or their difference, at one zoom.

import { h, fill } from "./h.js";
import { describe, pixelsOf, shownBitmap } from "./pictures.js";
import { View } from "./view.js";

const NEAR = 28; // pixels from the border in which it is taken
const GAIN = 8;
const MOST = 2048;

class Compare extends HTMLElement {
  connectedCallback() {
    if (this.view) return;
    this.at = 0.5;
    this.mode = "slide";
    this.canvas = h("canvas", { role: "img", "aria-label": "Before and after" });
    this.border = h("input", {
      type: "range", min: 0, max: 100, step: 1, value: 50, class: "af-border",
      "aria-label": "Border between before and after, in percent from the left",
      input: () => this.slide(Number(this.border.value) / 100),
    });
    this.handle = h("div", { class: "af-handle", "aria-hidden": "true" }, h("span", {}, "◂ ▸"));
    this.captions = h("div", { class: "af-captions" });
    this.buttons = ["slide", "before", "after", "difference"].map((mode) =>
      h("button", { type: "button", click: () => this.choose(mode) }, { slide: "Slider" }[mode] ?? mode[0].toUpperCase() + mode.slice(1)));
    this.view = new View(this.canvas, (context, view) => this.draw(context, view));
    this.view.grab = (event) => this.take(event);
    fill(this,
      h("div", { class: "af-stage" }, this.canvas, this.handle, this.captions, this.border),
      h("div", { class: "af-tools" },
        h("div", { class: "af-choice", role: "group", "aria-label": "How to compare" }, this.buttons),
        h("div", { class: "af-choice", role: "group", "aria-label": "Zoom" },
          h("button", { type: "button", click: () => this.view.fit() }, "Fit"),
          h("button", { type: "button", click: () => this.view.actual() }, "1:1"))));
    this.choose("slide");
    if (this.pair) this.load();
  }

  /** {before, after}: two pictures, either may be missing. */
  set pictures(pair) {
    this.pair = pair;
    if (this.view) this.load();
  }

  async load() {
    const { before, after } = this.pair;
    const token = (this.token = {});
    const [left, right] = await Promise.all([before, after].map((one) => (one?.size ? shownBitmap(one) : null)));
    if (token !== this.token) return;
    this.bitmaps = { before: left, after: right };
    this.differing = null;
    const largest = right && (!left || right.width >= left.width) ? right : left;
    const caption = (name, one) => one && h("span", {}, h("b", {}, name), ` ${one.file.split("/").at(-1)}`, h("small", {}, describe(one)));
    fill(this.captions, caption("Before", before), caption("After", after));
    if (!largest) return this.view.redraw();
    const both = left && right;
    this.buttons.forEach((button, index) => { button.disabled = !both && index !== (left ? 1 : 2); });
    this.choose(both ? (this.wanted ?? "slide") : left ? "before" : "after", false);
    this.view.show([0, 0, 1, 1], largest.height / largest.width, largest.width);
  }

  choose(mode, asked = true) {
    if (asked) this.wanted = mode;
    this.mode = mode;
    ["slide", "before", "after", "difference"].forEach((name, index) =>
      this.buttons[index].setAttribute("aria-pressed", String(name === mode)));
    this.border.hidden = this.handle.hidden = mode !== "slide";
    this.view.redraw();
  }

  slide(at) {
    this.at = Math.min(Math.max(at, 0), 1);
    this.border.value = String(Math.round(this.at * 100));
    this.view.redraw();
  }

  take(event) {
    if (this.mode !== "slide" || Math.abs(event.offsetX - this.at * this.view.width) > NEAR) return null;
    return (moved) => this.slide(moved.offsetX / this.view.width);
  }

  draw(context, view) {
    if (!this.bitmaps) return;
    const { before, after } = this.bitmaps;
    this.handle.style.left = `${this.at * 100}%`;
    const box = [view.x(0), view.y(0), view.zoom, view.zoom * view.aspect];
    const put = (bitmap, left, right) => {
      if (!bitmap) return;
      context.save();
      context.beginPath();
      context.rect(left, 0, right - left, view.height);
      context.clip();
      context.drawImage(bitmap, ...box);
      context.restore();
    };
    if (this.mode === "difference") return put(this.difference(), 0, view.width);
    const border = { slide: this.at * view.width, before: view.width, after: 0 }[this.mode];
    put(before, 0, border);
    put(after, border, view.width);
  }

  /** Return a canvas with eight times the difference, at the size of the larger picture. */
  difference() {
    const { before, after } = this.bitmaps;
    if (!this.differing && before && after) {
      const width = Math.min(MOST, Math.max(before.width, after.width));
      const height = Math.round(width * this.view.aspect);
      const one = pixelsOf(before, width, height);
      const other = pixelsOf(after, width, height);
      for (let at = 0; at < one.data.length; at++) {
        one.data[at] = at % 4 === 3 ? 255 : GAIN * Math.abs(one.data[at] - other.data[at]);
      }
      this.differing = new OffscreenCanvas(width, height);
      this.differing.getContext("2d").putImageData(one, 0, 0);
    }
    return this.differing;
  }
}

customElements.define("af-compare", Compare);
