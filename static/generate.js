// The generate form, live: options follow the model, the price follows the options. Without this the form still works.
const form = document.querySelector("form.generate");
const button = form.querySelector(".primary");
const price = document.getElementById("price");
const waits = document.getElementById("waits");
const ways = document.getElementById("ways");
const problem = document.getElementById("file-problem");
const cost = document.getElementById("cost");
const picker = form.querySelector(".picker");
const picked = document.getElementById("picked");
const prompt = form.elements.namedItem("prompt");
const wanted = new Map(); // what somebody chose, by option: it is chosen of the next model too, as near as that has it
let asking = null;

function chosenModel() {
  return form.querySelector("[name=model]:checked");
}

function showOptionsOfModel() {
  const chosen = chosenModel();
  if (!chosen) return;
  picked.textContent = chosen.closest("label").querySelector("strong").textContent;
  for (const options of form.querySelectorAll(".of-model")) {
    const isShown = options.dataset.model === chosen.value;
    options.hidden = options.disabled = !isShown;
    const isItsOwn = [...options.querySelectorAll(".example")].some((button) => button.dataset.prompt === prompt.value);
    if (isShown && !isItsOwn && isExample(prompt.value)) prompt.value = options.dataset.example;
  }
  showFilesOfWay();
}

const optionOf = ({ name }) => name.slice(name.lastIndexOf("-") + 1);
const shapeOf = (chip) => chip.closest("label").querySelector("span").textContent;

function noteWanted(chip) {
  const option = optionOf(chip);
  wanted.set(option, option === "size" ? shapeOf(chip) : chip.value);
}

function chooseWanted(options) {
  for (const [option, value] of wanted) {
    const chips = [...options.querySelectorAll(`[type=radio][name$="-${option}"]`)];
    const away = (chip) => Math.abs(chip.value - value);
    const found = option === "seconds" ? chips.sort((one, other) => away(one) - away(other))[0]
      : chips.find((chip) => (option === "size" ? shapeOf(chip) : chip.value) === value);
    if (found) found.checked = true;
  }
}

// Only what the chosen way of beginning takes is sent, and what it needs is asked for.
function showFilesOfWay() {
  for (const way of form.querySelectorAll(".way")) {
    const isChosen = way.querySelector("[type=radio]").checked;
    const own = way.querySelector("select[name=video]");
    const character = way.querySelector("select[name=character]");
    if (own) own.disabled = !isChosen;
    if (character) character.disabled = !isChosen;
    for (const input of way.querySelectorAll("[type=file]")) {
      const isCharacters = Boolean(character?.value) && input.name.startsWith("reference_image"); // whose own pictures are taken
      input.disabled = !isChosen || isCharacters;
      input.required = isChosen && "needed" in input.dataset && !isCharacters && !(input.name === "video" && own?.value);
    }
  }
  const ownClip = form.querySelector("input[type=hidden][name=video]");
  const chosen = [...form.querySelectorAll(".of-model:enabled .way")].find((way) => way.querySelector("[type=radio]").checked);
  if (ownClip) ownClip.disabled = Boolean(chosen) && !chosen.querySelector("[type=file][name=video]");
}

// Nothing of the visitor's own: the box is empty, or says what it said for another model.
function isExample(words) {
  if (!words) return true;
  const examples = [...form.querySelectorAll(".example")].map((button) => button.dataset.prompt);
  return examples.includes(words) || [...form.querySelectorAll(".of-model")].some((options) => options.dataset.example === words);
}

const timesChosen = () => Number(form.querySelector("[name=times]:checked").value);

// A clip is made of each start frame: how many there are is asked the price for, and sent along with them.
function countFrames() {
  const input = form.querySelector("[type=file][multiple]:enabled");
  form.elements.namedItem("frames").value = Math.max(1, input?.files.length ?? 0);
}

// Before anything is sent: what is too large would be refused after it has come.
function checkFiles() {
  const inputs = [...form.querySelectorAll("input[type=file]")];
  let together = 0;
  for (const input of inputs) {
    const files = input.matches(":enabled") ? [...input.files] : [];
    const most = Number(input.dataset.mostBytes);
    const tooLarge = files.find(({ size }) => size > most);
    together += files.reduce((sum, { size }) => sum + size, 0);
    let words = "";
    if (tooLarge) words = inWords("{name} is {size}. Use a file of at most {most}.", { name: tooLarge.name, size: megabytes(tooLarge.size), most: megabytes(most) });
    else if (files.length * timesChosen() > form.dataset.mostClips) {
      words = inWords("These pictures make {clips} clips. Up to {most} are made at once.", { clips: files.length * timesChosen(), most: form.dataset.mostClips });
    } else if (files.length && together > form.dataset.mostBytes) {
      words = inWords("Together these files are {size}. The limit is {most}.", { size: megabytes(together), most: megabytes(form.dataset.mostBytes) });
    }
    input.setCustomValidity(words); // the browser then sends nothing, and says why
    input.toggleAttribute("aria-invalid", false);
    if (words) input.setAttribute("aria-invalid", "true");
  }
  const found = inputs.find((input) => input.validity.customError);
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

const newName = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
const inCredits = (amount) => inWords(amount === 1 ? "{amount} credit" : "{amount} credits", { amount });

const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
const TIME = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle });

// By this browser's clock, where that says more than the minutes do.
function atTime(inSeconds) {
  if (!inSeconds || inSeconds < 120) return "";
  const at = new Date(Date.now() + 1000 * inSeconds);
  return ` (${TIME.format(at)})`;
}

function wordsOf({ credits, times, seconds, ready, ready_seconds: readySeconds, to_finish: toFinish }) {
  const left = Number(form.dataset.credits) - credits;
  const after = left < 0 ? inWords("you have {credits}", { credits: inCredits(Number(form.dataset.credits)) }) : inWords("{amount} left after this", { amount: left });
  const each = times > 1 ? `${times} × ` : "";
  return [each + inWords("{seconds} s of video", { seconds: Math.round(seconds * 100) / 100 }), ready && ready.replace(/\.$/, "") + atTime(readySeconds), toFinish && inWords(times > 1 ? "{credits} more to finish one" : "{credits} more to finish it", { credits: inCredits(toFinish) }), after].filter(Boolean).join(" · ");
}

// The button shows the price to the eye; whoever listens is told with the rest of the line.
function showPrice(quote) {
  cost.textContent = quote.error ? "" : `· ${inCredits(quote.credits)}`;
  const heard = Object.assign(document.createElement("span"), { className: "sr" });
  heard.textContent = quote.error ? "" : `${inCredits(quote.credits)}, `;
  price.replaceChildren(heard, quote.error ?? wordsOf(quote));
}

function megabytes(bytes) {
  return inWords("{size} MB", { size: Math.ceil(bytes / 1e5) / 10 });
}

async function askPrice() {
  asking?.abort();
  asking = new AbortController();
  const said = new FormData(form);
  for (const name of ["csrfmiddlewaretoken", "prompt", "negative_prompt"]) said.delete(name);
  for (const { name, files, required } of form.querySelectorAll("input[type=file]:enabled")) {
    const isContinued = said.getAll(name).some((value) => typeof value === "string" && value); // an own clip
    said.delete(name);
    if (files.length || required || isContinued) said.set(name, "given"); // enough: the price depends on what a clip starts from
  }
  try {
    const answer = await fetch(`${form.dataset.priceUrl}?${new URLSearchParams(said)}`, { signal: asking.signal });
    const quote = await answer.json();
    showPrice(quote);
    showWays(quote.ways ?? []);
    waits.textContent = quote.waits ?? "";
    waits.hidden = !quote.waits || [...form.querySelectorAll(".of-model:enabled .notice")].length > 0; // says so already
  } catch (error) {
    if (error.name !== "AbortError") price.textContent = cost.textContent = "";
  }
}

form.addEventListener("change", ({ target }) => {
  if (target.name === "model") {
    showOptionsOfModel();
    chooseWanted(form.querySelector(".of-model:enabled"));
    showFilesOfWay();
    prompt.dispatchEvent(new Event("input"));
  } else if (target.matches(".of-model [type=radio]")) {
    noteWanted(target);
    showFilesOfWay();
  } else if (target.matches("select[name=video], select[name=character]")) {
    showFilesOfWay();
  }
});
picker.addEventListener("click", ({ target, detail }) => {
  if (detail && target.name === "model") { // by pointer: with the arrow keys one walks through them
    picker.open = false;
    picker.querySelector("summary").focus();
  }
});
picker.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" && !(event.key === "Enter" && event.target.name === "model")) return;
  event.preventDefault(); // Enter on a radio button would send the form, and spend credits
  picker.open = false;
  picker.querySelector("summary").focus();
});
for (const button of form.querySelectorAll(".example")) {
  button.addEventListener("click", () => {
    prompt.value = button.dataset.prompt;
    prompt.dispatchEvent(new Event("input"));
    prompt.focus();
  });
}
form.addEventListener("change", countFrames);
form.addEventListener("change", checkFiles);
form.addEventListener("change", askPrice);
form.addEventListener("submit", (event) => {
  if (button.getAttribute("aria-busy") === "true") event.preventDefault(); // a double click pays once
  button.setAttribute("aria-busy", "true");
});
// Come back to with the back button, the page is as it was left: with the options chosen then, and ready to go again.
addEventListener("pageshow", () => {
  button.removeAttribute("aria-busy");
  form.elements.namedItem("sending").value = newName(); // what was sent is not sent again
  showOptionsOfModel();
  countFrames();
  checkFiles();
  askPrice();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
});
