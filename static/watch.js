// Follows one generation live. EventSource reconnects by itself and replays what was missed.
const clip = document.getElementById("clip");
const status = document.getElementById("status");
const bar = document.getElementById("progress");
const preview = document.getElementById("preview");
const rail = [...document.querySelectorAll("#rail li")];
const label = (stage) => rail.find((item) => item.dataset.stage === stage)?.textContent ?? stage;

function showStage(stage) {
  const now = rail.findIndex((item) => item.dataset.stage === stage);
  rail.forEach((item, place) => {
    item.classList.toggle("passed", place < now);
    item.toggleAttribute("aria-current", false);
    if (place === now) item.setAttribute("aria-current", "step");
  });
}

function seconds(number) {
  return number < 90 ? `${Math.max(1, Math.round(number))} s` : `${Math.round(number / 60)} min`;
}

const on = {
  queue({ message, low, high }) {
    showStage("queued");
    status.textContent = `${message} Ready in about ${seconds(low)} to ${seconds(high)}.`;
  },
  stage({ stage, message }) {
    showStage(stage);
    bar.removeAttribute("value");
    status.textContent = message || `${label(stage)} …`;
  },
  step({ stage, step, steps_total, seconds_per_step }) {
    showStage(stage || "denoising");
    bar.max = steps_total;
    bar.value = step;
    const left = seconds_per_step ? `, about ${seconds(seconds_per_step * (steps_total - step))} left` : "";
    status.textContent = `${label("denoising")} ${step} of ${steps_total}${left}`;
  },
  preview({ preview: picture }) {
    if (!picture.startsWith("data:image/")) return;
    preview.src = picture;
    preview.hidden = false;
  },
  done() {
    source.close();
    location.replace(location.href);
  },
};

const source = new EventSource(clip.dataset.eventsUrl);
for (const [name, show] of Object.entries(on)) {
  source.addEventListener(name, (event) => show(JSON.parse(event.data)));
}
// A proxy that swallows event streams: fall back to asking every few seconds.
let heard = false;
source.addEventListener("open", () => { heard = true; });
setTimeout(() => { if (!heard) setInterval(() => location.reload(), 5000); }, 8000);
