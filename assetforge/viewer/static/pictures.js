// From a picture, as data.py describes it, to pixels. Works from a URL, and from base64 where nothing can be fetched.

const loaded = new Map(); // the last few, by what they show
const MOST = 48;
const WHOLE = { premultiplyAlpha: "none", colorSpaceConversion: "none" };

/** Fetch what a server may still be making: it says when to ask again. */
export async function fetchMade(url, options) {
  for (;;) {
    const answer = await fetch(url, options);
    if (answer.status !== 202 || !answer.headers.has("retry-after")) return answer;
    await answer.text(); // or the connection is kept
    await new Promise((resolve) => { setTimeout(resolve, 1000 * Number(answer.headers.get("retry-after"))); });
  }
}

/** Return the preview's file. */
async function blobOf(picture) {
  if (picture.base64) {
    const text = atob(picture.base64);
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return new Blob([bytes], { type: "image/webp" });
  }
  const answer = await fetchMade(picture.url);
  if (!answer.ok) throw new Error(`${picture.file}: the preview cannot be loaded (${answer.status})`);
  return answer.blob();
}

function remembered(key, make) {
  const found = loaded.get(key) ?? make();
  loaded.delete(key);
  loaded.set(key, found); // the latest last
  found.catch(() => loaded.delete(key));
  if (loaded.size > MOST) loaded.delete(loaded.keys().next().value);
  return found;
}

function keyOf(picture, how) {
  return `${how} ${picture.url ?? `${picture.file} ${picture.map} ${picture.base64.length} ${picture.base64.slice(-64)}`}`;
}

/** Return the ImageBitmap of a preview, row 0 on top, as its file has it. */
export function bitmapOf(picture) {
  return remembered(keyOf(picture, "bitmap"), async () => createImageBitmap(await blobOf(picture), WHOLE));
}

/** Return the ImageBitmap of a preview as people look at it: heights in gray. */
export function shownBitmap(picture) {
  if (picture.encoding !== "height16") return bitmapOf(picture);
  return remembered(keyOf(picture, "shown"), async () => {
    const pixels = pixelsOf(await bitmapOf(picture));
    for (let at = 0; at < pixels.data.length; at += 4) {
      pixels.data[at + 1] = pixels.data[at + 2] = pixels.data[at];
    }
    return createImageBitmap(pixels);
  });
}

/** Return the heights of a preview: Float32Array, 0 to 1, row 0 at the bottom as textures have it. */
export async function heightsOf(picture) {
  const { data, width, height } = pixelsOf(await bitmapOf(picture));
  const two = picture.encoding === "height16";
  const values = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      values[(height - 1 - y) * width + x] = two ? (data[at] * 256 + data[at + 1]) / 65535 : data[at] / 255;
    }
  }
  return { values, width, height };
}

/** Return the pixels of a bitmap, at another size if one is given. */
export function pixelsOf(bitmap, width = bitmap.width, height = bitmap.height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Say what a picture's file is: "2048 × 2048, 16 bit". */
export function describe(picture) {
  if (!picture.size) return picture.problem ?? "";
  const depth = { 8: "8 bit", 16: "16 bit", half: "half float", float: "float" }[picture.depth] ?? "";
  const parts = [`${picture.size[0]} × ${picture.size[1]}`, depth];
  if (picture.green === "down") parts.push("green down");
  if (picture.channel && picture.channel !== "rgb") parts.push(`channel ${picture.channel.toUpperCase()}`);
  if (picture.invert) parts.push("inverted");
  return parts.filter(Boolean).join(", ");
}
