// Talks to the server.

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
  const answer = await fetch(`${BASE}${path}`, { method, headers, body: json ? JSON.stringify(json) : body });
  if (answer.status === 401) location.replace("/enter");
  if (!answer.ok) throw new Refused(answer.status, await answer.json());
  return answer.status === 204 ? null : answer.json();
}

/** Return the path of an asset, whose name may have slashes. */
export function of(pipeline, kind, asset) {
  return `/pipelines/${pipeline}/${kind}/${asset.split("/").map(encodeURIComponent).join("/")}`;
}

/** Follow the events after a number while the page is seen; return what ends that. */
export function follow(pipeline, after, listen, lost) {
  let source = null;
  let last = after;

  function open() {
    if (source || document.hidden) return;
    source = new EventSource(`${BASE}/pipelines/${pipeline}/events?after=${last}`);
    source.addEventListener("message", (event) => {
      last = Number(event.lastEventId);
      listen(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return; // it tries again by itself
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
