// A clip plays in its card while one points at it or has the focus there. Not for people who have asked for less motion.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const PAUSE_MILLISECONDS = 150;
let timer = null;
let playing = null;

function stop() {
  clearTimeout(timer);
  playing?.remove();
  playing = null;
}

function play(card) {
  stop();
  const video = Object.assign(document.createElement("video"), { src: card.dataset.video, muted: true, loop: true, playsInline: true });
  video.tabIndex = -1;
  video.setAttribute("aria-hidden", "true");
  card.querySelector(".thumb").append(video);
  playing = video;
  video.play().catch(() => video === playing && stop()); // its files may be gone by now
}

function begin({ target }) {
  const card = target.closest?.("[data-video]");
  if (!card || calm.matches || playing?.closest("[data-video]") === card) return;
  stop();
  timer = setTimeout(play, PAUSE_MILLISECONDS, card);
}

function end({ target, relatedTarget }) {
  const card = target.closest?.("[data-video]");
  if (card && !card.contains(relatedTarget)) stop();
}

for (const grid of document.querySelectorAll(".grid")) {
  grid.addEventListener("pointerover", (event) => event.pointerType === "mouse" && begin(event));
  grid.addEventListener("pointerout", end);
  grid.addEventListener("focusin", begin);
  grid.addEventListener("focusout", end);
}
