// A storyboard, live: its scenes play one after the other, and those that are being made keep up.
const player = document.getElementById("player");
const playAll = document.getElementById("play-all");
const announcement = document.getElementById("announcement");
const PAUSE_MILLISECONDS = 4000;

if (playAll) {
  const clips = playAll.dataset.clips.trim().split(/\s+/);
  let number = 0;
  const play = () => {
    player.src = clips[number];
    player.play().catch(() => {}); // its controls are there
  };
  playAll.hidden = false;
  playAll.addEventListener("click", () => {
    player.hidden = false;
    number = 0;
    play();
    player.focus();
  });
  player.addEventListener("ended", () => {
    number += 1;
    if (number < clips.length) play();
  });
}

// What somebody types stays: pictures alone are exchanged. Once all are made the page is asked for as a whole, if nothing
// was typed meanwhile.
const story = document.getElementById("story");
let isTyped = false;
story.addEventListener("input", () => {
  isTyped = true;
});

async function refresh() {
  try {
    const answer = await fetch(location.href);
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // Away for a moment: the next round asks again.
  }
  wait();
}

function show(page) {
  for (const now of page.querySelectorAll(".scene")) {
    const [old, still] = [document.querySelector(`#${now.id} .still`), now.querySelector(".still")];
    if (old && !old.isEqualNode(still)) old.replaceWith(still);
  }
  if (page.querySelector("#story[data-open]")) return;
  delete story.dataset.open;
  announcement.textContent = inWords("All scenes are done.");
  if (!isTyped) location.reload();
}

function wait() {
  if ("open" in story.dataset && !document.hidden) setTimeout(refresh, PAUSE_MILLISECONDS);
}

document.addEventListener("visibilitychange", wait);
wait();
