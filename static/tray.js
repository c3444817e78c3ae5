// The clips on their way, on every page. One tab asks for all of them, whichever is seen and has the lock, and tells
// the others. Without this the library shows them.
const KEY = "clips-on-their-way";
const MOST = 20;
const PAUSE_MILLISECONDS = 3000;
const tray = document.getElementById("tray");
const [summary, list] = [tray.querySelector("summary"), tray.querySelector("ul")];
const toasts = document.getElementById("toasts");
const icon = document.querySelector("link[rel=icon]");
const [title, plainIcon] = [document.title, icon.href];
const own = document.querySelector("#clip[data-events-url]")?.dataset.clip; // its page speaks for itself
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
  const bar = percent ? [element("progress", { max: 100, value: percent, ariaLabel: "Progress" })] : []; // of what renders
  return element("li", {}, element("a", { href: url }, element("strong", { textContent: prompt }), element("span", { className: "quiet small", textContent: words }), ...bar));
}

function toast({ url, prompt, is_ready: isReady }) {
  const close = element("button", { type: "button", ariaLabel: "Dismiss", textContent: "✕" });
  const said = element("span", {}, element("strong", { textContent: isReady ? "Your clip is ready" : "A clip didn't work out" }), ` ${prompt}`);
  const made = element("div", { className: "toast" }, said, element("a", { className: "button", href: url, textContent: "View" }), close);
  close.addEventListener("click", () => made.remove());
  toasts.append(made);
}

function show(clips) {
  const open = clips.filter((clip) => clip.is_open);
  const ended = clips.filter((clip) => !clip.is_open && clip.id !== own && clip.words !== "Cancelled");
  tray.dataset.count = open.length;
  if (!open.length) tray.open = false;
  summary.querySelector("b").textContent = open.length;
  summary.querySelector(".sr").textContent = `${open.length} clip${open.length === 1 ? "" : "s"} in progress`;
  list.replaceChildren(...open.map(row));
  if (!document.hidden) ended.forEach(toast);
  const isReady = ended.some((clip) => clip.is_ready);
  icon.href = isReady ? tray.dataset.iconReady : open.length ? tray.dataset.iconBusy : plainIcon;
  if (!own) document.title = isReady ? `✓ Ready · ${title}` : open.length ? `(${open.length}) ${title}` : title;
}

async function look() {
  const asked = remembered();
  if (!asked.length) return tray.dataset.count === "0" || tell([]);
  const answer = await fetch(`${tray.dataset.url}?clips=${asked.join()}`);
  if (!answer.ok) return;
  const { clips } = await answer.json();
  const open = clips.filter((clip) => clip.is_open).map((clip) => clip.id);
  remember(remembered().filter((id) => open.includes(id) || !asked.includes(id)));
  tell(clips);
}

function tell(clips) {
  channel?.postMessage(clips);
  show(clips);
}

async function lead(signal) {
  while (!signal.aborted) {
    await look().catch(() => {}); // away for a moment: the next round asks again
    await new Promise((resolve) => {
      setTimeout(resolve, PAUSE_MILLISECONDS);
      signal.addEventListener("abort", resolve);
    });
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

const shown = document.querySelectorAll("#clip[data-events-url], .grid :is([data-state=queued], [data-state=dispatched], [data-state=running])");
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
