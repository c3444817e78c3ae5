// Shows what a form would do while it is filled in: what its own button "Preview" answers, which works without a script.
const PAUSE_MILLISECONDS = 300;

for (const button of document.querySelectorAll("[data-shows]")) {
  const shown = document.getElementById(button.dataset.shows);
  let asked = 0;
  button.hidden = true;
  button.form.addEventListener("input", () => {
    const mine = ++asked;
    // What they say is of what was written before.
    for (const each of shown.querySelectorAll("button")) each.disabled = true;
    setTimeout(async () => {
      if (mine !== asked) return;
      try {
        const answer = await fetch(button.formAction, { method: "POST", body: new FormData(button.form) });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (mine === asked) shown.replaceChildren(...page.getElementById(shown.id).childNodes);
      } catch {
        // What it would do stays unsaid; the form itself says what is wrong when it is sent.
      }
    }, PAUSE_MILLISECONDS);
  });
}
