// Pages of the admin that show how things stand: what is marked is read again while somebody looks.
// data-refreshed="2" says every how many seconds; empty, every ten.
const SECONDS = 10;

function marked() {
  return document.querySelector("[data-refreshed]");
}

function isInUse(shown) {
  return shown.contains(document.activeElement) || shown.querySelector("details[open], .readouts li:hover");
}

async function refresh() {
  const shown = marked();
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

async function goOn() {
  await refresh();
  wait();
}

function wait() {
  const shown = marked();
  if (shown) setTimeout(goOn, 1000 * (Number(shown.dataset.refreshed) || SECONDS));
}

wait();
