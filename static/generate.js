// The generate form, live: options follow the model, the price follows the options. Without this the form still works.
const form = document.querySelector("form.generate");
const button = form.querySelector(".primary");
const price = document.getElementById("price");
const waits = document.getElementById("waits");
const ways = document.getElementById("ways");
const problem = document.getElementById("file-problem");
const model = form.elements.namedItem("model");
const prompt = form.elements.namedItem("prompt");
let asking = null;

function showOptionsOfModel() {
  for (const options of form.querySelectorAll(".of-model")) {
    const chosen = options.dataset.model === model.value;
    options.hidden = options.disabled = !chosen;
    if (chosen && isExample(prompt.value)) prompt.value = options.dataset.example;
  }
}

// Nothing of the visitor's own: the box is empty, or says what it said for another model.
function isExample(words) {
  return !words || [...form.querySelectorAll(".of-model")].some((options) => options.dataset.example === words);
}

// Before anything is sent: what is too large would be refused after it has come.
function checkFiles() {
  const inputs = [...form.querySelectorAll("input[type=file]")];
  let together = 0;
  for (const input of inputs) {
    const bytes = input.matches(":enabled") && input.files.length ? input.files[0].size : 0;
    const most = Number(input.dataset.mostBytes);
    together += bytes;
    let words = "";
    if (bytes > most) words = `${input.files[0].name} has ${megabytes(bytes)}. Choose one of at most ${megabytes(most)}.`;
    else if (bytes && together > form.dataset.mostBytes) {
      words = `The files have ${megabytes(together)} together. At most ${megabytes(form.dataset.mostBytes)} can be sent at a time.`;
    }
    input.setCustomValidity(words); // the browser then sends nothing, and says why
    input.toggleAttribute("aria-invalid", false);
    if (words) input.setAttribute("aria-invalid", "true");
  }
  const found = inputs.find((input) => input.validationMessage);
  problem.textContent = found?.validationMessage ?? "";
  problem.hidden = !found;
}

// What a refusal leads on to, as links.
function showWays(found) {
  ways.replaceChildren(...found.map(({ words, address }) => {
    const link = Object.assign(document.createElement("a"), { className: "button", href: address });
    link.textContent = words;
    return link;
  }));
  ways.hidden = !found.length;
}

function megabytes(bytes) {
  return `${Math.ceil(bytes / 1e5) / 10} MB`;
}

async function askPrice() {
  asking?.abort();
  asking = new AbortController();
  const said = new FormData(form);
  for (const name of ["csrfmiddlewaretoken", "prompt", "negative_prompt"]) said.delete(name);
  for (const { name, files } of form.querySelectorAll("input[type=file]:enabled")) {
    const isContinued = said.getAll(name).some((value) => typeof value === "string" && value); // an own clip
    said.delete(name);
    if (files.length || isContinued) said.set(name, "given"); // enough: the price depends on what a clip starts from
  }
  try {
    const answer = await fetch(`${form.dataset.priceUrl}?${new URLSearchParams(said)}`, { signal: asking.signal });
    const quote = await answer.json();
    const credits = `${quote.credits} credit${quote.credits === 1 ? "" : "s"} · ${quote.seconds} s of video`;
    price.textContent = quote.error ?? [credits, quote.ready].filter(Boolean).join(" · ");
    showWays(quote.ways ?? []);
    waits.textContent = quote.waits ?? "";
    waits.hidden = !quote.waits || [...form.querySelectorAll(".of-model:enabled .notice")].length > 0; // says so already
  } catch (error) {
    if (error.name !== "AbortError") price.textContent = "";
  }
}

model.addEventListener("change", showOptionsOfModel);
form.addEventListener("change", checkFiles);
form.addEventListener("change", askPrice);
form.addEventListener("submit", (event) => {
  if (button.getAttribute("aria-busy") === "true") event.preventDefault(); // a double click pays once
  button.setAttribute("aria-busy", "true");
});
// Come back to with the back button, the page is as it was left: with the options chosen then, and ready to go again.
addEventListener("pageshow", () => {
  button.removeAttribute("aria-busy");
  showOptionsOfModel();
  checkFiles();
  askPrice();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
});
