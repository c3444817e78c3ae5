// Nothing moves by itself for people who have asked their system for less motion.
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function settle() {
  if (!calm.matches) return;
  for (const video of document.querySelectorAll("video[autoplay]")) {
    video.autoplay = false;
    video.pause();
  }
}

settle();
document.addEventListener("clip-shown", settle);
