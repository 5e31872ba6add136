// <af-material>: a material lit, on a shape, with a lamp to move. three.js is loaded when the first one is shown.

import { h, fill, label, loadScript, viewerBase } from "./h.js";
import { bitmapOf, heightsOf, pixelsOf, shownBitmap } from "./pictures.js";

const SHAPES = ["sphere", "plane", "cube", "cloth"];
const SEGMENTS = { fine: 256, coarse: 48 }; // coarse where the processor draws
const COLORS = new Set(["base_color", "diffuse_albedo", "emission", "specular_color", "specular_albedo"]);
const DATA = ["normal", "roughness", "metalness", "ambient_occlusion", "opacity", "glossiness", "anisotropy"];
const LAMP = 3;
const FILL = 0.35; // of light from everywhere, where there is no environment
const TURN = Math.PI / 180;

let slow;

/** Tell whether the processor draws: then there are fewer triangles and samples, and no environment until it is asked for. */
function isSlow() {
  return (slow ??= asksProcessor());
}

function asksProcessor() {
  const context = new OffscreenCanvas(1, 1).getContext("webgl2");
  const info = context?.getExtension("WEBGL_debug_renderer_info");
  const name = info ? context.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}

async function textureOf(three, picture) {
  const above = await shownBitmap(picture);
  const bitmap = await createImageBitmap(above, { imageOrientation: "flipY", premultiplyAlpha: "none" });
  const texture = new three.Texture(bitmap);
  texture.flipY = false; // it has been turned: WebGL does not turn bitmaps
  texture.colorSpace = COLORS.has(picture.map) || picture.kind === "photo" ? three.SRGBColorSpace : three.NoColorSpace;
  return repeated(three, texture);
}

async function heightTexture(three, picture) {
  const { values, width, height } = await heightsOf(picture);
  return repeated(three, new three.DataTexture(values, width, height, three.RedFormat, three.FloatType), false);
}

/** One texture of direction (red, green) and strength (blue), as three.js has anisotropy. */
async function anisotropyTexture(three, strength, direction) {
  const bitmap = await bitmapOf(strength);
  const pixels = pixelsOf(bitmap);
  const along = direction && pixelsOf(await bitmapOf(direction), bitmap.width, bitmap.height);
  const turned = new Uint8Array(pixels.data.length);
  for (let y = 0; y < bitmap.height; y++) {
    for (let x = 0; x < bitmap.width; x++) {
      const from = 4 * (y * bitmap.width + x);
      const to = 4 * ((bitmap.height - 1 - y) * bitmap.width + x);
      turned[to] = along ? along.data[from] : 255;
      turned[to + 1] = along ? along.data[from + 1] : 128;
      turned[to + 2] = pixels.data[from];
      turned[to + 3] = 255;
    }
  }
  return repeated(three, new three.DataTexture(turned, bitmap.width, bitmap.height, three.RGBAFormat), true);
}

function repeated(three, texture, smaller = true) {
  texture.wrapS = texture.wrapT = three.RepeatWrapping;
  texture.anisotropy = isSlow() ? 1 : 8;
  texture.magFilter = three.LinearFilter;
  texture.minFilter = smaller ? three.LinearMipmapLinearFilter : three.LinearFilter;
  texture.generateMipmaps = smaller;
  texture.needsUpdate = true;
  return texture;
}

function clothOf(three, count) {
  const geometry = new three.PlaneGeometry(2.2, 2.2, count, count);
  const at = geometry.attributes.position;
  for (let index = 0; index < at.count; index++) {
    const [x, y] = [at.getX(index), at.getY(index)];
    const fold = Math.sin(3.1 * x + 0.8 * Math.sin(2 * y)) * 0.16 + Math.sin(1.7 * y - 1.2 * x) * 0.1;
    at.setZ(index, fold * (1.1 - 0.35 * y));
  }
  geometry.computeVertexNormals();
  return geometry;
}

const GEOMETRY = {
  sphere: (three, count) => new three.SphereGeometry(1, 2 * count, count),
  plane: (three, count) => new three.PlaneGeometry(2, 2, count, count),
  cube: (three, count) => new three.BoxGeometry(1.4, 1.4, 1.4, count / 2, count / 2, count / 2),
  cloth: clothOf,
};
const REPEATS = { sphere: [2, 1], plane: [1, 1], cube: [1, 1], cloth: [1, 1] }; // of texture, at one repetition
const CAMERA = { sphere: [0, 0, 3.4], plane: [0, 0, 3], cube: [1.9, 1.5, 2.6], cloth: [0.5, -0.6, 3.5] };

class Material extends HTMLElement {
  connectedCallback() {
    if (this.canvas) return;
    const environment = this.getAttribute("light") === "lamp" || isSlow() ? 0 : 0.6;
    this.state = {
      shape: "sphere", show: "", around: -40, above: 45, lamp: 1, environment, repeat: 1, displacement: 0.03, ...this.before,
    };
    this.canvas = h("canvas", {
      tabindex: 0, role: "img", "aria-label": "The material, lit. Arrow keys turn the lamp, plus and minus zoom.",
      keydown: (event) => this.key(event), pointerdown: (event) => this.drag(event), contextmenu: (event) => event.preventDefault(),
    });
    this.message = h("p", { class: "af-message", role: "status" }, "Preparing the view…");
    fill(this, h("div", { class: "af-stage" }, this.canvas, this.message), this.controls());
    this.ready = this.start();
  }

  /** Let go of the graphics card. Whoever takes the element out of the page for good calls this: it may come back. */
  dispose() {
    this.observer?.disconnect();
    this.renderer?.dispose();
    this.renderer?.forceContextLoss(); // browsers allow only some contexts at once
    this.renderer = null;
  }

  /** {map name: picture}. Resolves when they are shown. */
  set maps(maps) {
    this.pictures = maps;
    if (this.ready) this.ready = this.ready.then(() => this.load());
  }

  /** Set what the controls set: shape, show, around, above, lamp, environment, repeat, displacement. */
  configure(changes) {
    if (!this.state) {
      this.before = { ...this.before, ...changes };
      return;
    }
    Object.assign(this.state, changes);
    this.show_state();
    this.update();
  }

  controls() {
    this.inputs = {};
    const range = (name, text, min, max, step) => {
      this.inputs[name] = h("input", {
        type: "range", min, max, step, value: this.state[name],
        input: (event) => this.configure({ [name]: Number(event.target.value) }),
      });
      return h("label", { class: "af-range" }, h("span", {}, text), this.inputs[name]);
    };
    this.shapes = SHAPES.map((shape) =>
      h("button", { type: "button", "aria-pressed": "false", "data-shape": shape, click: () => this.configure({ shape }) }, label(shape)));
    this.shown = h("select", { change: (event) => this.configure({ show: event.target.value }) });
    return h("div", { class: "af-tools" },
      h("div", { class: "af-choice", role: "group", "aria-label": "Shape" }, this.shapes),
      h("label", { class: "af-pick" }, h("span", {}, "Show"), this.shown),
      range("around", "Lamp around", -180, 180, 1),
      range("above", "Lamp height", -10, 90, 1),
      range("lamp", "Lamp", 0, 2, 0.05),
      range("environment", "Environment", 0, 2, 0.05),
      range("repeat", "Repeat", 1, 8, 1),
      range("displacement", "Displacement", 0, 0.25, 0.005));
  }

  show_state() {
    for (const [name, input] of Object.entries(this.inputs)) input.value = String(this.state[name]);
    for (const button of this.shapes) button.setAttribute("aria-pressed", String(button.dataset.shape === this.state.shape));
    this.shown.value = this.state.show;
  }

  async start() {
    try {
      await loadScript(`${viewerBase()}three.js`);
      this.three = globalThis.assetforgeThree;
      this.build();
    } catch (error) {
      this.message.textContent = `No view in 3D here (${error.message}). Maps can still be compared and tiled.`;
      return;
    }
    await this.load();
  }

  build() {
    const three = this.three;
    this.renderer = new three.WebGLRenderer({ canvas: this.canvas, antialias: !isSlow(), alpha: true, preserveDrawingBuffer: true });
    this.renderer.toneMapping = three.NeutralToneMapping;
    this.scene = new three.Scene();
    this.camera = new three.PerspectiveCamera(40, 1, 0.05, 50);
    this.lamp = new three.DirectionalLight(0xffffff, LAMP);
    this.sky = new three.AmbientLight(0xffffff, FILL);
    this.scene.add(this.lamp, this.sky);
    this.lit = new three.MeshPhysicalMaterial({ side: three.DoubleSide });
    const alone = { side: three.DoubleSide, toneMapped: false };
    this.flat = { color: new three.MeshBasicMaterial(alone), data: new three.MeshBasicMaterial(alone) };
    this.flat.data.onBeforeCompile = (shader) => { // numbers are no light: they are shown as the file has them
      shader.fragmentShader = shader.fragmentShader.replace("#include <colorspace_fragment>", "");
    };
    this.flat.data.customProgramCacheKey = () => "data";
    this.mesh = new three.Mesh(new three.PlaneGeometry(), this.lit);
    this.scene.add(this.mesh);
    this.orbit = new three.OrbitControls(this.camera, this.canvas);
    this.orbit.enablePan = false;
    this.orbit.minDistance = 1.2;
    this.orbit.maxDistance = 8;
    this.orbit.mouseButtons = { LEFT: 0, MIDDLE: 1, RIGHT: null }; // the right one moves the lamp
    this.orbit.addEventListener("change", () => this.redraw());
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.canvas.parentElement);
    this.resize();
  }

  async load() {
    if (!this.renderer) return;
    const { three, pictures = {} } = this;
    const token = (this.token = {});
    const there = Object.values(pictures).filter((picture) => picture?.size);
    const made = {};
    await Promise.all(there.map(async (picture) => { made[picture.map] = await textureOf(three, picture).catch(() => null); }));
    const of = (name) => (pictures[name]?.size ? pictures[name] : null);
    const height = of("height") && (await heightTexture(three, pictures.height));
    const brushed = of("anisotropy") && (await anisotropyTexture(three, of("anisotropy"), of("anisotropy_direction")));
    if (token !== this.token || !this.renderer) return;
    for (const old of Object.values(this.textures ?? {})) old?.dispose();
    this.textures = { ...made, height_values: height, anisotropy_values: brushed };
    this.names = there.map((picture) => picture.map);
    fill(this.shown, h("option", { value: "" }, "Lit material"), this.names.map((name) => h("option", { value: name }, label(name))));
    if (!this.names.includes(this.state.show)) this.state.show = "";
    this.dress(made, height, brushed);
    const usable = this.names.some((name) => COLORS.has(name) || DATA.includes(name) || name === "height");
    this.message.textContent = usable ? "" : "This asset has no maps of a material.";
    this.inputs.displacement.disabled = !height;
    this.show_state();
    this.update();
  }

  /** Put the textures where three.js expects them. */
  dress(made, height, brushed) {
    const { lit, pictures } = this;
    const color = made.base_color ?? made.diffuse_albedo ?? null;
    Object.assign(lit, {
      map: color, normalMap: made.normal ?? null, roughnessMap: made.roughness ?? null, metalnessMap: made.metalness ?? null,
      aoMap: made.ambient_occlusion ?? null, emissiveMap: made.emission ?? null, alphaMap: made.opacity ?? null,
      specularColorMap: made.specular_color ?? null, displacementMap: height || null, anisotropyMap: brushed || null,
      roughness: made.roughness ? 1 : 0.6, metalness: made.metalness ? 1 : 0, anisotropy: brushed ? 1 : 0, alphaTest: 0.35,
    });
    lit.color.set(color ? 0xffffff : 0xb4b4b4);
    lit.emissive.set(made.emission ? 0xffffff : 0);
    const down = pictures?.normal?.green === "down"; // three.js, as we, has green up
    lit.normalScale.set(1, down ? -1 : 1);
    lit.needsUpdate = true;
  }

  update() {
    if (!this.renderer) return;
    const { three, state, lit } = this;
    if (this.shape !== state.shape) {
      this.shape = state.shape;
      this.mesh.geometry.dispose();
      this.mesh.geometry = GEOMETRY[state.shape](three, isSlow() ? SEGMENTS.coarse : SEGMENTS.fine);
      this.camera.position.set(...CAMERA[state.shape]);
      this.orbit.target.set(0, 0, 0);
      this.orbit.update();
    }
    const [across, down] = REPEATS[state.shape];
    for (const texture of Object.values(this.textures ?? {})) texture?.repeat.set(across * state.repeat, down * state.repeat);
    const alone = state.show && this.textures?.[state.show];
    const flat = alone?.colorSpace === three.SRGBColorSpace ? this.flat.color : this.flat.data;
    const moved = this.textures?.height_values ? state.displacement / Math.sqrt(state.repeat) : 0;
    lit.displacementScale = moved;
    lit.displacementBias = -moved / 2;
    if (alone && flat.map !== alone) {
      flat.map = alone;
      flat.needsUpdate = true;
    }
    this.mesh.material = alone ? flat : lit;
    this.light();
    this.redraw();
  }

  light() {
    const { three, state } = this;
    const [around, above] = [state.around * TURN, state.above * TURN];
    this.lamp.position.set(Math.sin(around) * Math.cos(above), Math.sin(above), Math.cos(around) * Math.cos(above));
    this.lamp.intensity = LAMP * state.lamp;
    if (state.environment > 0 && !this.scene.environment) {
      const maker = new three.PMREMGenerator(this.renderer);
      this.scene.environment = maker.fromScene(new three.RoomEnvironment(), 0.04).texture;
      maker.dispose();
    }
    this.scene.environmentIntensity = state.environment;
    this.sky.intensity = state.environment > 0 ? 0 : FILL;
  }

  key(event) {
    const by = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] }[event.key];
    const zoom = { "+": 1 / 1.15, "=": 1 / 1.15, "-": 1.15 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || (!by && !zoom)) return;
    if (by) this.turn(...by);
    else if (this.camera) {
      this.camera.position.multiplyScalar(zoom);
      this.orbit.update();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Turn the lamp by degrees. */
  turn(around, above) {
    const turned = ((this.state.around + around + 540) % 360) - 180;
    this.configure({ around: turned, above: Math.min(90, Math.max(-10, this.state.above + above)) });
  }

  /** The right button, or the left with Shift, moves the lamp; what is left is OrbitControls'. */
  drag(event) {
    if (event.button !== 2 && !(event.button === 0 && event.shiftKey)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    const stop = new AbortController();
    const follow = (moved) => this.turn(moved.movementX * 0.6, -moved.movementY * 0.4);
    this.canvas.addEventListener("pointermove", follow, { signal: stop.signal });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, () => stop.abort(), { signal: stop.signal });
    }
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    if (!this.renderer || !width || !height) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.fov = width < height ? 2 * Math.atan(Math.tan(20 * TURN) * (height / width)) / TURN : 40;
    this.camera.updateProjectionMatrix();
    this.redraw();
  }

  redraw() {
    this.pending ??= requestAnimationFrame(() => { this.pending = null; this.render(); });
  }

  /** Draw at once. */
  render() {
    cancelAnimationFrame(this.pending);
    this.pending = null;
    this.renderer?.render(this.scene, this.camera);
  }
}

customElements.define("af-material", Material);
