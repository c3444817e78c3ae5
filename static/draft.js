// What somebody has typed is kept in their tab until it is sent, and a seed that they keep for the next clip.
// Where the page itself says what is in the form (after a refusal, to remix, to extend), that stands.
const form = document.querySelector("form.generate");
const [prompt, negative, seed] = ["prompt", "negative_prompt", "seed"].map((name) => form.elements.namedItem(name));
const keep = document.getElementById("keep-seed");
const KEY = "draft";
const MAX_SEED = Number(seed.max);

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function store() {
  const examples = [...form.querySelectorAll(".example")].map((button) => button.dataset.prompt);
  const typed = examples.includes(prompt.value) ? "" : prompt.value;
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ prompt: typed, negative: negative.value, seed: keep.checked ? seed.value : "" }));
  } catch {
    // Storage is off or full: nothing is kept.
  }
}

if ("fresh" in form.dataset) {
  const draft = stored();
  if (draft.prompt) prompt.value = draft.prompt;
  if (draft.negative) negative.value = draft.negative;
  if (draft.seed) {
    seed.value = draft.seed;
    keep.checked = keep.closest("details").open = true;
  }
}
keep.closest("label").hidden = false;
keep.addEventListener("change", () => {
  if (keep.checked && !seed.value) seed.value = crypto.getRandomValues(new Uint32Array(1))[0] % (MAX_SEED + 1);
  store();
});
form.addEventListener("input", store);
form.addEventListener("click", ({ target }) => target.matches(".example") && store());
form.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ seed: keep.checked ? seed.value : "" }));
  } catch {
    // As above.
  }
});
