// Takes a photograph with the device's camera, with another one laid over, so that both show the same.

import { h } from "/static/h.js";

/** Whether this browser lets a page use the camera: only by TLS, or on the same machine. */
export const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia);

/** Show what the camera sees; return the photograph as a Blob, or null. `over`: a URL of a picture, or empty. `lit`: by the flash. */
export async function photograph(title, hint, over, lit) {
  const video = h("video", { autoplay: true, playsinline: true, "aria-label": "What the camera sees" });
  video.muted = true;
  const overlay = over && h("img", { src: over, alt: "The first photograph", class: "overlay" });
  const strength = over && h("label", {}, "First photograph ", h("input", {
    type: "range", min: 0, max: 100, value: 40, input: (event) => { overlay.style.opacity = event.target.value / 100; },
  }));
  const take = h("button", { type: "button", class: "main", autofocus: true }, "Take");
  const cancel = h("button", { type: "button" }, "Cancel");
  const message = h("p", { role: "status" }, "Waiting for the camera…");
  const dialog = h("dialog", { class: "camera", "aria-label": title }, h("h2", {}, title), h("p", { class: "hint" }, hint),
    h("div", { class: "finder" }, video, overlay), message, strength, h("div", { class: "buttons" }, take, cancel));
  document.body.append(dialog);
  dialog.showModal();
  let stream = null;
  let isOver = false;
  try {
    const ended = new Promise((resolve) => {
      cancel.addEventListener("click", () => resolve(null));
      dialog.addEventListener("cancel", () => resolve(null));
      take.addEventListener("click", () => video.videoWidth && resolve(shot(video)));
    });
    const size = { width: { ideal: 4096 }, height: { ideal: 4096 } };
    navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", ...size } }).then(async (found) => {
      stream = found;
      if (isOver) { stopAll(stream); return; } // it was allowed after all was canceled
      video.srcObject = found;
      const dark = lit && !await hasLight(found) && "This browser cannot switch the camera's light on: take this photograph with the camera's own app, by its flash, and choose the file.";
      message.textContent = [dark, over && "Hold the camera so that both pictures lie on each other."].filter(Boolean).join(" ");
    }).catch((error) => { message.textContent = `The camera cannot be used: ${error.message}`; });
    return await ended;
  } finally {
    isOver = true;
    stopAll(stream);
    dialog.close();
    dialog.remove();
  }
}

/** Switch on the light of the camera, which ends with the stream; tell whether there is one. */
async function hasLight(stream) {
  const [track] = stream.getVideoTracks();
  if (!track.getCapabilities?.().torch) return false;
  return track.applyConstraints({ advanced: [{ torch: true }] }).then(() => true, () => false);
}

function stopAll(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}

function shot(video) {
  const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.95); });
}
