// ALTCHA's proof of work, done while somebody types: find the number whose hash with the salt is the challenge.
const field = document.querySelector("input[data-challenge]");
const said = document.getElementById("proof");
const TOGETHER = 500;

async function hashOf(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function solve({ algorithm, challenge, maxNumber, maxnumber, salt, signature }) {
  const most = maxNumber ?? maxnumber;
  for (let first = 0; first <= most; first += TOGETHER) {
    const numbers = Array.from({ length: TOGETHER }, (_, step) => first + step);
    const hashes = await Promise.all(numbers.map((number) => hashOf(salt + number)));
    const found = hashes.indexOf(challenge);
    if (found >= 0) return btoa(JSON.stringify({ algorithm, challenge, number: first + found, salt, signature }));
  }
  throw new Error("The challenge has no solution.");
}

async function prove() {
  const answer = await fetch(field.dataset.challenge);
  field.value = await solve(await answer.json());
  said.textContent = inWords("Your browser has done its computation.");
}

const proved = prove().catch(() => (said.textContent = inWords("The computation failed. Reload the page to try again.")));

// Whoever is faster than the computation waits for it. Nobody else hears of that submit: the form is not under way yet.
field.form.addEventListener("submit", async (event) => {
  if (field.value) return;
  const { submitter } = event; // which of the form's buttons: some send it elsewhere, or only look
  event.preventDefault();
  event.stopImmediatePropagation();
  await proved;
  if (field.value) field.form.requestSubmit(submitter);
}, { capture: true });
