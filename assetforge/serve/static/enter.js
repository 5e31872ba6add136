// Logs the browser in by the code behind the # of the address, which is sent to nobody on the way.

const form = document.querySelector("form");
const status = document.querySelector("[role=status]");

async function enter(code) {
  const answer = await fetch("/api/v1/session", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }),
  });
  if (answer.ok || await isIn()) location.replace("/");
  else {
    const { detail, instead } = await answer.json();
    status.textContent = `The code ${detail}: ${instead}.`;
  }
}

/** Tell whether this browser is logged in already: the address works once, and is opened again. */
async function isIn() {
  return (await fetch("/api/v1")).ok;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  enter(new FormData(form).get("code")).catch(failed);
});
function failed() {
  status.textContent = "The server does not answer: see whether `assetforge serve` still runs.";
}

function enterByAddress() {
  const code = location.hash.slice(1);
  if (!code) return;
  history.replaceState(null, "", location.pathname); // so that it is not kept in the history
  enter(code).catch(failed);
}

addEventListener("hashchange", enterByAddress); // the address was opened in the tab that shows this page already
enterByAddress();
