// The form by which pictures are sent: a slot for each input of the pipeline, a name, and parameters.

import { fill, h, label } from "/static/h.js";
import { ask, below } from "./api.js";
import { hasCamera, photograph } from "./camera.js";
import { paramsForm } from "./params.js";

/** Return the form; `sent(asset)` is called when the pictures are on their way to become an asset. `home`: what the server says of itself. */
export function uploadForm(pipeline, { limits, pipelines }, sent) {
  const about = pipelines.find((one) => one.name === pipeline.name)?.about;
  const slots = pipeline.inputs.map((input) => new Slot(input));
  for (const slot of slots) slot.others = slots.filter((one) => one !== slot);
  const params = paramsForm(pipeline.steps);
  const fields = pipeline.fields.map((name) => h("input", {
    name, id: `field-${name}`, required: true, maxlength: 80, autocomplete: "off", spellcheck: "false",
  }));
  const replace = h("input", { type: "checkbox", id: "replace" });
  const status = h("p", { role: "status", class: "af-message" });
  const button = h("button", { class: "main" }, "Make the maps");
  const form = h("form", { class: "upload", submit: (event) => { event.preventDefault(); send(); } },
    h("h2", { tabindex: -1 }, "New asset"),
    h("p", { class: "af-message" }, [pipeline.title, about].filter(Boolean).join(": ")),
    h("div", { class: "slots" }, slots.map((slot) => slot.node)),
    fields.map((input) => h("div", { class: "field" }, h("label", { for: input.id }, label(input.name)), input)),
    params.node,
    h("div", { class: "check" }, replace, h("label", { for: "replace" }, "Replace what is there of this name; it is kept for 30 days")),
    h("div", { class: "buttons" }, button), status);
  const name = fields.find((input) => input.name === "name");
  for (const slot of slots) slot.chosen = (file) => { if (name && !name.value && file.name) name.value = stem(file.name, slot.input.map); };
  let key = newKey(); // the same when the same is sent again
  const changed = () => { key = newKey(); };
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  for (const slot of slots) slot.changed = changed;

  async function send() {
    const missing = slots.filter((slot) => !slot.file && !slot.input.optional);
    if (missing.length) {
      tell(`${missing.map((slot) => label(slot.input.map)).join(", ")}: choose a picture`, true);
      return;
    }
    const large = slots.find((slot) => slot.file?.size > limits.file);
    if (large) { // or the server would hang up, and the browser not know why
      tell(`${label(large.input.map)}: has ${mebibytes(large.file.size)} MiB; send at most ${mebibytes(limits.file)}`, true);
      return;
    }
    const total = slots.reduce((sum, slot) => sum + (slot.file?.size ?? 0), 0);
    if (total > limits.asset) {
      tell(`All pictures together have ${mebibytes(total)} MiB; send at most ${mebibytes(limits.asset)} for one asset`, true);
      return;
    }
    button.disabled = true;
    try {
      for (const slot of slots.filter((one) => one.file)) {
        tell(`Sending ${label(slot.input.map)}…`);
        await put(slot);
      }
      const json = {
        fields: Object.fromEntries(fields.map((input) => [input.name, input.value])),
        params: params.values(), replace: replace.checked,
      };
      tell("Waiting for the daemon to take it…");
      const answer = await ask(below(pipeline.name, `/incoming/${key}`), { method: "POST", json });
      key = newKey();
      sent(answer.asset);
    } catch (error) {
      tell(error.message, true);
    } finally {
      button.disabled = false;
    }
  }

  async function put(slot) {
    try {
      await ask(below(pipeline.name, `/incoming/${key}/${slot.input.map}`), { method: "PUT", body: slot.file });
    } catch (error) {
      if (error.problem?.title !== key) throw error; // it was taken before, and only the answer was lost
    }
  }

  function tell(text, isBad = false) {
    status.className = isBad ? "af-error" : "af-message";
    status.textContent = text;
  }

  return form;
}

const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(1).replace(/\.0$/, "");

/** Return a new UUID. Only pages that came by TLS, or from this machine, have what makes one at once. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Guess the asset's name from that of a file: `moss_flash.jpg` is moss. */
function stem(file, map) {
  const text = file.replace(/\.[^.]*$/, "").replace(new RegExp(`[ _-]*${map}$`, "i"), "");
  return text.normalize("NFC").replace(/[^\p{L}\p{N} ._-]/gu, "_").slice(0, 80);
}

class Slot {
  constructor(input) {
    Object.assign(this, { input, file: null, url: "", others: [], chosen: () => {}, changed: () => {} });
    const id = `slot-${input.map}`;
    const isPhoto = input.kind === "photo"; // a phone opens its camera at once where the page cannot use it
    this.picker = h("input", {
      type: "file", id, accept: "image/*,.exr,.psd", capture: isPhoto && !hasCamera ? "environment" : null,
      "aria-describedby": `${id}-hint`, change: () => this.take(this.picker.files[0]),
    });
    this.shown = h("div", { class: "shown empty" }, h("span", {}, "Drop a picture here"));
    this.name = h("small", { class: "name" });
    this.node = h("div", {
      class: "slot", dragover: (event) => { event.preventDefault(); this.node.classList.add("over"); },
      dragleave: () => this.node.classList.remove("over"), drop: (event) => this.drop(event),
    },
    h("label", { for: id }, label(input.map), input.optional ? h("small", {}, " optional") : null),
    this.shown, this.name, h("small", { id: `${id}-hint` }, input.meaning), this.picker,
    hasCamera && (isPhoto || input.kind === "color") && h("button", { type: "button", click: () => this.shoot() }, `Camera: ${label(input.map)}`));
  }

  drop(event) {
    event.preventDefault();
    this.node.classList.remove("over");
    this.take(event.dataTransfer.files[0]);
  }

  async shoot() {
    const other = this.others.find((one) => one.url && one.input.kind === "photo");
    const photo = await photograph(label(this.input.map), this.input.meaning, other?.url ?? "", this.input.map === "flash");
    if (photo) this.take(photo);
  }

  take(file) {
    if (!file) return;
    if (this.url) URL.revokeObjectURL(this.url);
    this.file = file;
    this.changed();
    this.url = URL.createObjectURL(file);
    const picture = h("img", { alt: `Chosen: ${file.name ?? "photograph"}`, src: this.url });
    picture.addEventListener("error", () => fill(this.shown, h("span", {}, "No preview")));
    this.shown.classList.remove("empty");
    this.name.textContent = file.name ?? "Photograph";
    fill(this.shown, picture);
    this.chosen(file);
  }
}
