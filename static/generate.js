// The generate form, live: options follow the model, the price follows the options. Without this the form still works.
const form = document.querySelector("form.generate");
const price = document.getElementById("price");
const model = form.elements.namedItem("model");
let asking = null;

function showOptionsOfModel() {
  for (const options of form.querySelectorAll(".of-model")) {
    const chosen = options.dataset.model === model.value;
    options.hidden = options.disabled = !chosen;
  }
}

async function askPrice() {
  asking?.abort();
  asking = new AbortController();
  const said = new FormData(form);
  for (const name of ["csrfmiddlewaretoken", "prompt", "negative_prompt", "image", "last_image", "video"]) said.delete(name);
  try {
    const answer = await fetch(`${form.dataset.priceUrl}?${new URLSearchParams(said)}`, { signal: asking.signal });
    const quote = await answer.json();
    price.textContent = quote.error ?? `${quote.credits} credit${quote.credits === 1 ? "" : "s"} · ${quote.seconds} s of video`;
  } catch (error) {
    if (error.name !== "AbortError") price.textContent = "";
  }
}

model.addEventListener("change", showOptionsOfModel);
form.addEventListener("change", askPrice);
form.addEventListener("submit", () => form.querySelector(".primary").setAttribute("aria-busy", "true"));
form.elements.namedItem("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
});
showOptionsOfModel();
askPrice();
