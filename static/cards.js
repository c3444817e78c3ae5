// Cards of clips that are on their way keep up: their page is asked for again, and what has changed takes its place.
const FIRST_PAUSE_MILLISECONDS = 4000;
const LONGEST_PAUSE_MILLISECONDS = 30000;
const OPEN = ["queued", "dispatched", "running"].map((state) => `.grid [data-state=${state}]`).join();
let pause = FIRST_PAUSE_MILLISECONDS;
let timer = null;

async function refresh() {
  timer = null;
  try {
    const address = new URL(document.querySelector(".grid").dataset.url, location);
    address.searchParams.delete("state"); // or a clip that has left the state would be missing from the answer
    const answer = await fetch(address);
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // Away for a moment: the next round asks again.
  }
  pause = Math.min(pause * 1.3, LONGEST_PAUSE_MILLISECONDS);
  wait();
}

function show(page) {
  for (const card of document.querySelectorAll(OPEN)) {
    const now = page.querySelector(`.grid [data-clip="${card.dataset.clip}"]`);
    if (!now || now.dataset.state === card.dataset.state) continue;
    const hadFocus = card.contains(document.activeElement);
    if (!card.querySelector(".pick")) now.querySelector(".pick")?.remove(); // here nothing is ticked
    card.replaceWith(now);
    if (hadFocus) now.querySelector("a").focus();
    pause = FIRST_PAUSE_MILLISECONDS;
  }
}

// A page that nobody sees asks nothing.
function wait() {
  clearTimeout(timer);
  timer = !document.hidden && document.querySelector(OPEN) ? setTimeout(refresh, pause) : null;
}

document.addEventListener("visibilitychange", wait);
addEventListener("pageshow", wait);
