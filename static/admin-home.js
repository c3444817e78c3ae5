// The first page of the admin: its figures are read again every ten seconds while somebody looks.
const SECONDS = 10;

async function refresh() {
  const shown = document.getElementById("today");
  if (!shown || document.hidden || shown.contains(document.activeElement) || shown.querySelector("details[open]")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("today");
    if (fresh) shown.replaceWith(fresh);
  } catch {
    // The site is away: the next round tries again.
  }
}

setInterval(refresh, SECONDS * 1000);
