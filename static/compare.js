// Several clips play as one: one button, one position, one clock, which is the longest clip's.
const videos = [...document.querySelectorAll(".compared video")];
const bar = document.querySelector(".sync");
const button = bar.querySelector("button");
const position = bar.querySelector("input");
const MOST_DRIFT_SECONDS = 0.1;
const longest = () => videos.reduce((one, other) => ((other.duration || 0) > (one.duration || 0) ? other : one));

function within(video, seconds) {
  return video.duration ? Math.min(seconds, video.duration) : seconds;
}

function show(isPlaying) {
  button.textContent = inWords(isPlaying ? "Pause all" : "Play all");
  button.setAttribute("aria-pressed", isPlaying);
}

async function play() {
  const lead = longest();
  for (const video of videos) video.currentTime = within(video, lead.currentTime);
  show(true);
  await Promise.allSettled(videos.map((video) => video.play()));
}

function pause() {
  for (const video of videos) video.pause();
  show(false);
}

function follow() {
  const lead = longest();
  if (lead.duration) position.value = Math.round((1000 * lead.currentTime) / lead.duration);
  for (const video of videos) {
    const due = within(video, lead.currentTime);
    if (video !== lead && Math.abs(video.currentTime - due) > MOST_DRIFT_SECONDS) video.currentTime = due;
    if (video !== lead && video.paused && !lead.paused && due < video.duration) video.play().catch(() => {});
  }
}

for (const video of videos) {
  video.controls = false;
  video.loop = false;
  video.addEventListener("timeupdate", () => video === longest() && follow());
  video.addEventListener("ended", () => {
    if (video !== longest()) return;
    for (const each of videos) each.currentTime = 0;
    play();
  });
}
button.addEventListener("click", () => (longest().paused ? play() : pause()));
position.addEventListener("input", () => {
  pause();
  const seconds = (position.value / 1000) * (longest().duration || 0);
  for (const video of videos) video.currentTime = within(video, seconds);
});
bar.hidden = false;
