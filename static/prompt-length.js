// What of the prompt the chosen model reads, said while it is typed. Without this the form says how long it may be when it
// is sent, and the clip's page which words were ignored.
const form = document.querySelector("form.generate");
const prompt = form.elements.namedItem("prompt");
const told = document.getElementById("prompt-length");
const PAUSE_MS = 300;
const NEAR = 0.75; // of the limit: nobody needs to know before
let waiting = null;
let asking = null;

// No tokenizer makes more tokens of a character than it has bytes, as it is or as Unicode spells it out: a short text
// need not be counted.
function isSurelyRead(text, options) {
  const bytesOf = (part) => new TextEncoder().encode(part).length;
  const most = Number(options.dataset.surelyRead);
  let bytes = 0;
  for (const character of text) {
    bytes += Math.max(bytesOf(character), bytesOf(character.normalize("NFKD")));
    if (bytes > most) return false;
  }
  return true;
}

function say(words) {
  told.textContent = words;
  told.hidden = !words;
}

function wordsFor({ tokens, limit, is_exact: isExact, unread, ignored }) {
  if (ignored.length && tokens <= limit) return inWords("The demo model will ignore: {words}", { words: ignored.join(", ") });
  if (!isExact) return tokens > limit ? inWords("This may be too long: up to {most} characters are sure to be read, and this may count as {tokens}.", { most: limit - 1, tokens }) : "";
  if (tokens < NEAR * limit) return "";
  if (tokens <= limit) return inWords("{tokens} of {limit} tokens", { tokens, limit });
  return inWords("{tokens} of {limit} tokens. This part would be ignored: {unread}", { tokens, limit, unread });
}

async function count() {
  asking?.abort();
  const text = prompt.value.trim();
  const options = form.querySelector(".of-model:enabled");
  if (!options || !text || (isSurelyRead(text, options) && !options.hasAttribute("data-ignores"))) return say("");
  const most = Number(options.dataset.most);
  if (text.length > most) return say(inWords("{length} of {most} characters", { length: text.length, most }));
  asking = new AbortController();
  const said = new FormData();
  for (const name of ["csrfmiddlewaretoken", "model"]) said.set(name, new FormData(form).get(name) ?? "");
  said.set("preset", options.querySelector('[name$="-preset"]:checked')?.value ?? "");
  said.set("prompt", text);
  try {
    const answer = await fetch(form.dataset.lengthUrl, { method: "POST", body: said, signal: asking.signal });
    say(answer.ok ? wordsFor(await answer.json()) : "");
  } catch (error) {
    if (error.name !== "AbortError") say("");
  }
}

function countSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(count, PAUSE_MS);
}

prompt.addEventListener("input", countSoon);
form.addEventListener("change", countSoon);
addEventListener("pageshow", countSoon);
