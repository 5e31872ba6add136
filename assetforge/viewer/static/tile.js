// <af-tile>: a picture three times three, so that seams and repetition are seen; half offset puts seams in the middle.

import { h, fill } from "./h.js";
import { shownBitmap } from "./pictures.js";
import { View } from "./view.js";

class Tile extends HTMLElement {
  connectedCallback() {
    if (this.view) return;
    this.count = 3;
    this.canvas = h("canvas", { role: "img", "aria-label": "The map, tiled" });
    this.half = h("input", { type: "checkbox", change: () => this.view.redraw() });
    this.counts = [1, 2, 3, 5].map((count) =>
      h("button", { type: "button", click: () => this.repeat(count) }, `${count} × ${count}`));
    this.view = new View(this.canvas, (context, view) => this.draw(context, view));
    fill(this,
      h("div", { class: "af-stage" }, this.canvas),
      h("div", { class: "af-tools" },
        h("div", { class: "af-choice", role: "group", "aria-label": "Repetitions" }, this.counts),
        h("label", { class: "af-check" }, this.half, "Offset by half"),
        h("div", { class: "af-choice", role: "group", "aria-label": "Zoom" },
          h("button", { type: "button", click: () => this.view.fit() }, "Fit"),
          h("button", { type: "button", click: () => this.view.actual() }, "1:1"))));
    this.repeat(3);
    if (this.shown) this.load();
  }

  set picture(picture) {
    this.shown = picture;
    if (this.view) this.load();
  }

  async load() {
    const token = (this.token = {});
    const bitmap = this.shown?.size ? await shownBitmap(this.shown) : null;
    if (token !== this.token) return;
    this.bitmap = bitmap;
    this.repeat(this.count);
  }

  repeat(count) {
    this.count = count;
    this.counts.forEach((button) =>
      button.setAttribute("aria-pressed", String(button.textContent.startsWith(`${count} `))));
    const { bitmap } = this;
    if (bitmap) this.view.show([0, 0, count, count], bitmap.height / bitmap.width, bitmap.width);
  }

  draw(context, view) {
    if (!this.bitmap) return;
    const shift = this.half.checked ? -0.5 : 0;
    context.save();
    context.beginPath();
    context.rect(view.x(0), view.y(0), this.count * view.zoom, this.count * view.zoom * view.aspect);
    context.clip();
    const last = this.count + (shift ? 1 : 0);
    const edges = (at) => Array.from({ length: last + 1 }, (_, index) => Math.round(at(index + shift)));
    const [xs, ys] = [edges((u) => view.x(u)), edges((v) => view.y(v))]; // whole pixels, or seams of ours are seen
    for (let row = 0; row < last; row++) {
      for (let column = 0; column < last; column++) {
        const [x, y] = [xs[column], ys[row]];
        context.drawImage(this.bitmap, x, y, xs[column + 1] - x, ys[row + 1] - y);
      }
    }
    context.restore();
  }
}

customElements.define("af-tile", Tile);
