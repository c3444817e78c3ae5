// The clips on their way, on every page. One tab asks for all of them, whichever is seen and has the lock, and tells
// the others. Without this the library shows them.
const MOST = 20;
const PAUSE_MILLISECONDS = 3000;
const LONGEST_PAUSE_MILLISECONDS = 60000;
const tray = document.getElementById("tray");
const KEY = `clips-on-their-way-${tray.dataset.workspace}`; // each workspace has its own, for when one comes back to it
const [summary, list] = [tray.querySelector("summary"), tray.querySelector("ul")];
const toasts = document.getElementById("toasts");
const icon = document.querySelector("link[rel=icon]");
const [title, plainIcon] = [document.title, icon.href];
const here = document.querySelector("#clip[data-events-url]")?.dataset.clip; // its page speaks for itself
const channel = "BroadcastChannel" in window ? new BroadcastChannel(KEY) : null;

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

function remember(ids) {
  try {
    localStorage.setItem(KEY, JSON.stringify([...new Set(ids)].slice(-MOST)));
  } catch {
    // Storage is off: pages that show a clip still follow it.
  }
}

function element(name, attributes, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

function row({ url, prompt, words, percent }) {
  const bar = percent ? [element("progress", { max: 100, value: percent, ariaLabel: inWords("Progress") })] : []; // of what renders
  return element("li", {}, element("a", { href: url }, element("strong", { textContent: prompt }), element("span", { className: "quiet small", textContent: words }), ...bar));
}

function toast({ url, prompt, is_ready: isReady }) {
  const close = element("button", { type: "button", ariaLabel: inWords("Dismiss"), textContent: "✕" });
  const said = element("span", {}, element("strong", { textContent: inWords(isReady ? "Your clip is ready" : "A clip didn't work out") }), ` ${prompt}`);
  const made = element("div", { className: "toast" }, said, element("a", { className: "button", href: url, textContent: inWords("View") }), close);
  close.addEventListener("click", () => made.remove());
  toasts.append(made);
}

function show({ clips, credits_left: creditsLeft }) {
  const open = clips.filter((clip) => clip.is_open);
  const ended = clips.filter((clip) => !clip.is_open && clip.id !== here && !clip.is_cancelled);
  tray.dataset.count = open.length;
  if (!open.length) tray.open = false;
  summary.querySelector("b").textContent = open.length;
  summary.querySelector(".sr").textContent = inWords(open.length === 1 ? "{count} clip in progress" : "{count} clips in progress", { count: open.length });
  list.replaceChildren(...open.map(row));
  if (!document.hidden) ended.forEach(toast);
  if (creditsLeft) document.querySelector(".credits-left").replaceWith(new DOMParser().parseFromString(creditsLeft, "text/html").querySelector(".credits-left"));
  const isReady = ended.some((clip) => clip.is_ready);
  icon.href = isReady ? tray.dataset.iconReady : open.length ? tray.dataset.iconBusy : plainIcon;
  if (!here) document.title = isReady ? `✓ ${inWords("Ready")} · ${title}` : open.length ? `(${open.length}) ${title}` : title;
}

// Whether it was answered, and of the workspace that this page is about.
async function look() {
  const asked = remembered();
  if (!asked.length) {
    if (tray.dataset.count !== "0") tell({ clips: [] });
    return true;
  }
  const answer = await fetch(`${tray.dataset.url}?clips=${asked.join()}`);
  if (answer.status === 401 || answer.status === 403) { // signed out, or shut out
    remember([]);
    tell({ clips: [] });
    return true;
  }
  if (!answer.ok) return false;
  const seen = await answer.json();
  const { workspace, clips } = seen;
  if (workspace !== tray.dataset.workspace) return false; // switched in another tab
  const open = clips.filter((clip) => clip.is_open).map((clip) => clip.id);
  remember(remembered().filter((id) => open.includes(id) || !asked.includes(id)));
  tell(seen);
  return true;
}

function tell(seen) {
  channel?.postMessage(seen);
  show(seen);
}

function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

async function lead(signal) {
  let pause = PAUSE_MILLISECONDS;
  while (!signal.aborted) {
    const isAnswered = await look().catch(() => false); // away for a moment: a later round asks again
    pause = isAnswered ? PAUSE_MILLISECONDS : Math.min(2 * pause, LONGEST_PAUSE_MILLISECONDS);
    await rest(pause, signal);
  }
}

let leading = null;

// A page that nobody sees leaves the asking to one that somebody sees.
function follow() {
  if (document.hidden) {
    leading?.abort();
    leading = null;
  } else if (!leading) {
    leading = new AbortController();
    const { signal } = leading;
    if (navigator.locks) navigator.locks.request(KEY, { signal }, () => lead(signal)).catch(() => {});
    else lead(signal);
  }
}

// What others of a team make is theirs to follow.
const shown = document.querySelectorAll("#clip[data-own][data-events-url], .grid [data-own]:is([data-state=queued], [data-state=dispatched], [data-state=running])");
remember([...remembered(), ...[...shown].map((one) => one.dataset.clip)]);
channel?.addEventListener("message", ({ data }) => show(data));
document.addEventListener("visibilitychange", follow);
addEventListener("pagehide", () => leading?.abort());
addEventListener("pageshow", () => {
  if (leading?.signal.aborted) leading = null;
  follow();
});
tray.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !tray.open) return;
  tray.open = false;
  summary.focus();
});
