// Talks to the server.

import { fetchMade } from "/static/pictures.js";

export const BASE = "/api/v1";

/** An answer that says what is wrong, and what would be right. */
export class Refused extends Error {
  constructor(status, problem) {
    super(`${problem.title}: ${problem.detail}${problem.instead ? `; ${problem.instead}` : ""}`);
    Object.assign(this, { status, problem });
  }
}

/** Ask for something below the base; return its JSON. Without a login, go to where one enters. */
export async function ask(path, { method = "GET", json, body } = {}) {
  const headers = json ? { "content-type": "application/json" } : {};
  let answer;
  try {
    answer = await fetchMade(`${BASE}${path}`, { method, headers, body: json ? JSON.stringify(json) : body });
  } catch {
    throw new Refused(0, { title: "server", detail: "does not answer", instead: "see whether `assetforge serve` still runs" });
  }
  if (answer.status === 401) location.replace("/enter");
  if (!answer.ok) throw new Refused(answer.status, await problemOf(answer));
  return answer.status === 204 ? null : answer.json();
}

/** Return what is wrong: as the server says it, or where something on the way has answered, by its number. */
async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    return { title: "server", detail: `has answered ${answer.status}`, instead: "try again, or tell who runs it" };
  }
}

/** Return the path of something of a pipeline. */
export function below(pipeline, rest = "") {
  return `/pipelines/${encodeURIComponent(pipeline)}${rest}`;
}

/** Return the path of an asset, whose name may have slashes. */
export function of(pipeline, kind, asset) {
  return `${below(pipeline)}/${kind}/${asset.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * Follow the events after a number while the page is seen; return what ends that.
 *
 * `listen` takes each; `opened` is called when the server answers, `away` when it does not, and `lost` when it will not.
 */
export function follow(pipeline, after, { listen, opened, away, lost }) {
  let source = null;
  let last = after;

  function open() {
    if (source || document.hidden) return;
    source = new EventSource(`${BASE}${below(pipeline, `/events?after=${last}`)}`);
    source.addEventListener("open", opened);
    source.addEventListener("message", (event) => {
      last = Number(event.lastEventId);
      listen(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CONNECTING) { away(); return; } // it tries again by itself
      close();
      lost();
    });
  }

  function close() {
    source?.close();
    source = null;
  }

  const seen = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", seen);
  open();
  return () => { close(); document.removeEventListener("visibilitychange", seen); };
}
