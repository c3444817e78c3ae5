// Whether a chosen file has Content Credentials of its own, which may go into the clip's: only then the form asks. The
// site looks again when the file has come. Without this, it shows the form once more with the question.
const form = document.querySelector("form.generate");
const question = document.getElementById("credentials");
const asked = question.querySelector("[name=credentials_known]");
const MARK = "jumdc2pa"; // how the description of a manifest store begins, in every format
const known = new WeakMap();
let turns = 0;

async function looksInto(file) {
  const reader = file.stream().getReader();
  const latin = new TextDecoder("latin1");
  let kept = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return false;
    const text = kept + latin.decode(value);
    if (text.includes(MARK)) {
      reader.cancel();
      return true;
    }
    kept = text.slice(1 - MARK.length);
  }
}

function hasSome(file) {
  if (!known.has(file)) known.set(file, looksInto(file).catch(() => false));
  return known.get(file);
}

async function ask() {
  const turn = (turns += 1);
  const files = [...form.querySelectorAll("input[type=file]:enabled")].flatMap((input) => [...input.files]);
  const found = await Promise.all(files.map(hasSome));
  if (turn === turns) question.hidden = asked.disabled = !found.includes(true);
}

form.addEventListener("change", ({ target }) => {
  if (target !== question.querySelector("[type=checkbox]")) ask();
});
addEventListener("pageshow", ask);
