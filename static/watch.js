// Follows one generation live. EventSource reconnects by itself and replays what was missed; after an error answer,
// as from a proxy whose site restarts, it gives up, and is made anew.
const RECONNECT_MILLISECONDS = 3000;
const SILENT_SECONDS = 13;
const HIDDEN_PAUSE_MILLISECONDS = 15000;
const MOST_IN_STRIP = 12;
const MOST_DRAWN = 12;
const clip = document.getElementById("clip");
const status = document.getElementById("status");
const bar = document.getElementById("progress");
const late = document.getElementById("missed");
const glance = document.getElementById("glance");
const line = document.getElementById("line");
const preview = document.getElementById("preview");
const strip = document.getElementById("strip");
const announcement = document.getElementById("announcement");
const rail = [...document.querySelectorAll("#rail li")];
const title = document.title;
const placeOf = (stage) => rail.findIndex((item) => item.dataset.stages.split(" ").includes(stage));
const label = (stage) => rail[placeOf(stage)]?.textContent ?? stage;

function showStage(stage) {
  const now = placeOf(stage);
  rail.forEach((item, place) => {
    item.classList.toggle("passed", place < now);
    item.toggleAttribute("aria-current", false);
    if (place === now) item.setAttribute("aria-current", "step");
  });
}

// Of the whole clip, as the API's `progress` says it. Nobody can say it of one that waits.
function showProgress(stage, progress) {
  bar.hidden = false;
  if (stage === "queued") bar.removeAttribute("value");
  else bar.value = progress;
  document.title = stage === "queued" ? title : `${Math.round(progress)} % · ${title}`;
}

// How the clip came to be, preview by preview, the last few.
function addToStrip(picture) {
  if (!strip || strip.lastElementChild?.src === picture) return;
  strip.append(Object.assign(document.createElement("img"), { src: picture, alt: "" }));
  if (strip.childElementCount > MOST_IN_STRIP) strip.firstElementChild.remove();
}

function seconds(number) {
  return number < 90 ? `${Math.max(1, Math.round(number))} s` : `${Math.round(number / 60)} min`;
}

function say(first, then = "", live = "polite") {
  status.setAttribute("aria-live", live);
  status.replaceChildren(Object.assign(document.createElement("strong"), { textContent: first }), " ");
  if (then) status.append(Object.assign(document.createElement("span"), { textContent: then }));
}

// The line as a picture, this clip filled. None where nobody is ahead, or no machine takes it.
function draw(place, isForAMachine) {
  glance.classList.toggle("is-held-up", isForAMachine);
  const ahead = place <= MOST_DRAWN ? "○".repeat(place) : "○○○ … ○○";
  line.textContent = place && !isForAMachine ? `${ahead}●` : "";
}

function showMissed(missed) {
  late.textContent = missed ?? "";
  late.hidden = !missed;
}

const on = {
  queue({ place, reason, in_words: words, missed, waits_for_a_machine: isForAMachine }) {
    showStage("queued");
    showMissed(missed);
    bar.hidden = isForAMachine; // nobody can say when: a bar that runs would say otherwise
    draw(place, isForAMachine);
    say(reason, words);
  },
  stage({ stage, message, progress }) {
    showStage(stage);
    showProgress(stage, progress);
    draw(0, false);
    say(message || `${label(stage)} …`);
  },
  step({ stage, step, steps, seconds_per_step, progress }) {
    showStage(stage || "denoising");
    showProgress(stage, progress);
    const left = seconds_per_step && step < steps ? inWords("about {time} left", { time: seconds(seconds_per_step * (steps - step)) }) : "";
    draw(0, false);
    say(inWords("Step {step} of {steps}", { step, steps }), left, "off"); // the bar tells; no voice for every step
  },
  preview({ preview: picture }) {
    if (!picture.startsWith("data:image/")) return;
    preview.src = picture;
    preview.hidden = false;
    addToStrip(picture);
  },
  late({ missed }) {
    showMissed(missed);
  },
  async done() {
    leave();
    try {
      await showTheEnd();
    } catch {
      location.reload(); // also where the address ends in #main, which going there again would not load
    }
  },
};

// What has become of it takes the place of the wait, without a new page: the box keeps its size.
async function showTheEnd() {
  const answer = await fetch(location.pathname);
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const ended = page.getElementById("clip");
  if (!ended || ended.dataset.eventsUrl) throw new Error("It has not ended.");
  isEnded = true;
  clip.replaceWith(ended);
  document.querySelector(".credits-left").replaceWith(page.querySelector(".credits-left"));
  const video = ended.querySelector("video");
  document.title = `${video ? `✓ ${inWords("Ready")}` : inWords("Ended")} · ${title}`;
  announcement.textContent = video ? inWords("Your clip is ready.") : ended.querySelector(".ended")?.textContent ?? "";
  (video ?? ended.querySelector(".actions a"))?.focus({ preventScroll: true });
  document.dispatchEvent(new Event("clip-shown"));
}

let source = null;
let heard = false;
let waited = 0;
let isEnded = false;

// A browser keeps six connections to one site, and a stream holds one of them. So a page that nobody sees has none.
function follow() {
  if (source || document.hidden || isEnded) return;
  const opened = (source = new EventSource(clip.dataset.eventsUrl));
  opened.addEventListener("open", () => { heard = true; });
  opened.addEventListener("error", () => {
    if (opened !== source || opened.readyState !== EventSource.CLOSED) return;
    source = null;
    setTimeout(follow, RECONNECT_MILLISECONDS);
  });
  for (const [name, show] of Object.entries(on)) {
    opened.addEventListener(name, (event) => show(JSON.parse(event.data)));
  }
}

function leave() {
  source?.close();
  source = null;
}

follow();
document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
addEventListener("pagehide", leave);
addEventListener("pageshow", follow); // come back to with the back button
// A page that nobody sees asks now and then, so that its tab's title tells when the clip is ready.
setInterval(() => {
  if (document.hidden && !isEnded) showTheEnd().catch(() => {}); // not yet, or away for a moment
}, HIDDEN_PAUSE_MILLISECONDS);
// A proxy that swallows event streams: ask every few seconds.
setInterval(() => {
  if (source && !heard && ++waited >= SILENT_SECONDS) location.reload();
}, 1000);
