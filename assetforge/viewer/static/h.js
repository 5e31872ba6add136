// Makes nodes. Texts become text and never HTML, so that no name of a file can do anything.

const SCRIPT = /^\s*(javascript|vbscript|data):/i;

/** Return an element. Attributes: functions listen to the event of their name; true is "", false and null are left out. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (typeof value === "function") node.addEventListener(name, value);
  else if (value === true) node.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) {
    if ((name === "href" || name === "src") && SCRIPT.test(value)) return;
    node.setAttribute(name, value);
  }
}

/** Replace what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child));
  return node;
}

/** Return where the static files are: the attribute data-viewer of <html>, with a slash at its end. */
export function viewerBase() {
  return document.documentElement.dataset.viewer ?? "";
}

const scripts = new Map();

/** Load a classic script once, and wait for it; reject where it cannot be had. */
export function loadScript(url) {
  if (!scripts.has(url)) {
    scripts.set(url, new Promise((resolve, reject) => {
      const failed = () => { scripts.delete(url); reject(new Error(`${url} cannot be loaded`)); };
      document.head.append(h("script", { src: url, load: resolve, error: failed }));
    }));
  }
  return scripts.get(url);
}

/** Return a name as people write it: "base_color" is "Base color". */
export function label(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
