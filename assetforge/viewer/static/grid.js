// <af-grid>: cards of very many assets, of which only those exist that are seen.

import { h } from "./h.js";

const SPARE = 2; // rows beyond what is seen
const MOVES = {
  ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (grid) => -grid.columns, ArrowDown: (grid) => grid.columns,
  PageUp: (grid) => -grid.columns * grid.page, PageDown: (grid) => grid.columns * grid.page,
  Home: () => -Infinity, End: () => Infinity,
};

class Grid extends HTMLElement {
  connectedCallback() {
    if (this.list) return;
    this.cards = new Map();
    this.list = h("div", { class: "af-cards", role: "listbox", tabindex: 0, "aria-label": this.getAttribute("label") });
    this.append(this.list);
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("click", (event) => this.press(event));
    this.list.addEventListener("focus", () => this.mark());
    this.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(this);
    this.current = 0;
    if (this.source) this.rows = this.source;
  }

  /** {count, at(index), card(row)}: how many rows there are, one of them, which has a name, and the nodes of its card. */
  set rows(source) {
    this.source = source;
    if (!this.list) return;
    const chosen = this.cards.get(this.current)?.key;
    this.current = Math.min(this.current, Math.max(0, source.count - 1));
    this.layout();
    for (const [index, card] of this.cards) if (card.key === chosen) this.current = index; // it may have moved
    this.mark();
  }

  later() {
    this.pending ??= requestAnimationFrame(() => { this.pending = null; this.layout(); });
  }

  layout() {
    if (!this.source || !this.clientWidth) return;
    const style = getComputedStyle(this);
    const [least, rest, gap] = ["--card", "--card-text", "--gap"].map((name) => parseFloat(style.getPropertyValue(name)));
    const width = this.clientWidth - 2 * gap;
    this.columns = Math.max(1, Math.floor((width + gap) / (least + gap)));
    const size = (width - gap * (this.columns - 1)) / this.columns;
    const height = size + rest;
    this.step = height + gap;
    this.page = Math.max(1, Math.floor(this.clientHeight / this.step));
    const lines = Math.ceil(this.source.count / this.columns);
    this.list.style.height = `${lines * this.step + gap}px`;
    const first = Math.max(0, Math.floor(this.scrollTop / this.step) - SPARE);
    const last = Math.min(lines, Math.ceil((this.scrollTop + this.clientHeight) / this.step) + SPARE);
    this.keep(first * this.columns, Math.min(last * this.columns, this.source.count));
    for (const [index, card] of this.cards) {
      const [column, line] = [index % this.columns, Math.floor(index / this.columns)];
      card.style.width = `${size}px`;
      card.style.height = `${height}px`;
      card.style.transform = `translate(${gap + column * (size + gap)}px, ${gap + line * this.step}px)`;
    }
    this.mark();
  }

  /** Let there be cards from one index to another, and no others; the card of a row is the same wherever it stands. */
  keep(first, end) {
    const rows = Array.from({ length: Math.max(0, end - first) }, (_, at) => this.source.at(first + at));
    const keys = rows.map((row, at) => row?.name ?? first + at);
    const old = new Map([...this.cards.values()].map((card) => [card.key, card]));
    const before = [...this.cards.values()];
    this.cards = new Map(rows.map((row, at) => [first + at, this.cardOf(row, keys[at], first + at, old)]));
    const kept = new Set(this.cards.values());
    for (const card of before) if (!kept.has(card)) card.remove();
    let place = this.list.firstChild; // so that the order of nodes is that of rows
    for (const card of this.cards.values()) {
      if (card === place) place = place.nextSibling;
      else this.list.insertBefore(card, place);
    }
  }

  cardOf(row, key, index, old) {
    const card = old.get(key) ?? h("div", { class: "af-card", role: "option" });
    old.delete(key);
    const shown = JSON.stringify(row) ?? "";
    if (card.shown !== shown) refill(card, this.source.card(row));
    Object.assign(card, { key, shown, id: `card-${index}` });
    card.dataset.index = index;
    card.setAttribute("aria-posinset", index + 1);
    card.setAttribute("aria-setsize", this.source.count);
    return card;
  }

  mark() {
    for (const [index, card] of this.cards) card.setAttribute("aria-selected", String(index === this.current));
    if (this.cards.has(this.current)) this.list.setAttribute("aria-activedescendant", `card-${this.current}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  press(event) {
    const card = event.target.closest(".af-card");
    if (!card) return;
    this.current = Number(card.dataset.index);
    this.mark();
    this.open();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.source?.count) return;
    const move = MOVES[event.key];
    if (move) this.select(this.current + move(this));
    else if (event.key === "Enter" || event.key === " ") this.open();
    else return;
    event.preventDefault();
  }

  /** Make a row the current one, and bring it into view. */
  select(index) {
    this.current = Math.min(Math.max(index, 0), this.source.count - 1);
    const top = Math.floor(this.current / this.columns) * this.step;
    if (top < this.scrollTop) this.scrollTop = top;
    else if (top + this.step > this.scrollTop + this.clientHeight) this.scrollTop = top + this.step - this.clientHeight + 16;
    this.layout();
  }

  open() {
    this.dispatchEvent(new CustomEvent("open", { detail: this.current, bubbles: true }));
  }

  focusList() {
    this.list.focus({ preventScroll: true });
  }
}

/** Give a card other content. What looks the same stays, so that its picture is not fetched anew. */
function refill(card, nodes) {
  nodes.forEach((node, at) => {
    const old = card.children[at];
    if (!old) card.append(node);
    else if (!old.isEqualNode(node)) old.replaceWith(node);
  });
  while (card.children.length > nodes.length) card.lastChild.remove();
}

customElements.define("af-grid", Grid);
