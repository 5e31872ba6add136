// Logs the browser in by the code behind the # of the address, which is sent to nobody on the way.

const form = document.querySelector("form");
const status = document.querySelector("[role=status]");

async function enter(code) {
  const answer = await fetch("/api/v1/session", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }),
  });
  if (answer.ok) location.replace("/");
  else status.textContent = `The code ${(await answer.json()).detail}.`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  enter(new FormData(form).get("code"));
});
const code = location.hash.slice(1);
if (code) {
  history.replaceState(null, "", location.pathname); // so that it is not kept in the history
  enter(code);
}
