// Keeps whether a person has chosen dark or light. A classic script in the head: modules run after the first paint.

(() => {
  const name = "assetforge-theme";
  const root = document.documentElement;
  try {
    const kept = localStorage.getItem(name);
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
    new MutationObserver(() => {
      try {
        localStorage.setItem(name, root.dataset.theme);
      } catch { /* it is full */ }
    }).observe(root, { attributeFilter: ["data-theme"] });
  } catch { /* a policy or a person forbids to store anything: then the choice lasts as long as the page */ }
})();
