// The admin's first page and the fleet: their figures are read again every ten seconds while somebody looks.
const SECONDS = 10;

function isInUse(shown) {
  return shown.contains(document.activeElement) || shown.querySelector("details[open]");
}

async function refresh() {
  const shown = document.querySelector("[data-refreshed]");
  if (!shown || document.hidden || isInUse(shown)) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById(shown.id);
    if (fresh && !isInUse(shown)) shown.replaceWith(fresh);
  } catch {
    // The site is away: the next round tries again.
  }
}

setInterval(refresh, SECONDS * 1000);
