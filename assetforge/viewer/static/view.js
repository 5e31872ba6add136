// A canvas that is panned and zoomed by mouse, fingers and keys, without blur where pixels are large.

const STEP = 1.25;
const LARGEST = 64; // screen pixels for one pixel of the picture
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * A view on a plane, in units of pictures: (0, 0) to (1, 1) is one picture of aspect 1.
 * `draw(context, view)` is called when something has changed; `view.x(u)` and `view.y(v)` give screen pixels.
 */
export class View {
  constructor(canvas, draw) {
    Object.assign(this, { canvas, draw, aspect: 1, area: [0, 0, 1, 1], resolution: 1024, pointers: new Map() });
    this.context = canvas.getContext("2d");
    this.width = this.height = 0; // until the canvas is laid out
    this.zoom = 1; // screen pixels for a unit
    this.center = [0.5, 0.5];
    this.fitted = true;
    this.grab = () => null; // may take a pointer: returns what follows it
    canvas.tabIndex = 0;
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    canvas.addEventListener("dblclick", () => this.fit());
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  x(u) { return this.width / 2 + (u - this.center[0]) * this.zoom; }
  y(v) { return this.height / 2 + (v - this.center[1]) * this.zoom * this.aspect; }
  /** Tell whether pixels are so large that they are to be seen as squares. */
  get shows_pixels() { return this.zoom * devicePixelRatio >= 2 * this.resolution; }

  /** Show an area [left, top, right, bottom] of pictures with so many pixels in a row, and height / width `aspect`. */
  show(area, aspect, resolution) {
    const same = this.aspect === aspect && this.area.join() === area.join();
    Object.assign(this, { area, aspect, resolution });
    if (same && !this.fitted) this.redraw();
    else this.fit();
  }

  fit() {
    const [left, top, right, bottom] = this.area;
    this.zoom = Math.min(this.width / (right - left), this.height / ((bottom - top) * this.aspect)) || 1;
    this.center = [(left + right) / 2, (top + bottom) / 2];
    this.fitted = true;
    this.redraw();
  }

  /** Show each pixel of the picture as one of the screen. */
  actual() { this.zoom_to(this.resolution / devicePixelRatio); }

  zoom_to(zoom, x = this.width / 2, y = this.height / 2) {
    if (!this.width) return;
    const least = Math.min(this.width, this.height) / 8;
    const next = Math.min(Math.max(zoom, least), LARGEST * this.resolution);
    const by = (1 / this.zoom - 1 / next);
    this.center[0] += (x - this.width / 2) * by;
    this.center[1] += ((y - this.height / 2) * by) / this.aspect;
    this.zoom = next;
    this.fitted = false;
    this.redraw();
  }

  pan(x, y) {
    this.center[0] -= x / this.zoom;
    this.center[1] -= y / (this.zoom * this.aspect);
    this.fitted = false;
    this.redraw();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom_to(this.zoom * Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    const follow = this.pointers.size ? null : this.grab(event);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY, follow });
  }

  move(event) {
    const held = this.pointers.get(event.pointerId);
    if (!held) return;
    const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
    if (held.follow) held.follow(event);
    else if (other) this.pinch(held, other, event);
    else this.pan(event.offsetX - held.x, event.offsetY - held.y);
    held.x = event.offsetX;
    held.y = event.offsetY;
  }

  pinch(held, other, event) {
    const before = Math.hypot(held.x - other.x, held.y - other.y);
    const after = Math.hypot(event.offsetX - other.x, event.offsetY - other.y);
    this.zoom_to(this.zoom * (after / (before || 1)), other.x, other.y);
  }

  key(event) {
    const by = KEYS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (by) this.pan(-40 * by[0], -40 * by[1]);
    else if (event.key === "+" || event.key === "=") this.zoom_to(this.zoom * STEP);
    else if (event.key === "-") this.zoom_to(this.zoom / STEP);
    else if (event.key === "0") this.fit();
    else if (event.key === "1") this.actual();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(clientHeight * devicePixelRatio);
    if (this.fitted) this.fit();
    else this.redraw();
  }

  redraw() {
    this.pending ??= requestAnimationFrame(() => { this.pending = null; this.render(); });
  }

  /** Draw at once. */
  render() {
    cancelAnimationFrame(this.pending);
    this.pending = null;
    if (!this.width) return;
    const { context } = this;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.imageSmoothingEnabled = !this.shows_pixels;
    context.imageSmoothingQuality = "high";
    this.draw(context, this);
  }
}
