// The library's filters apply as they are chosen, and the bar of what is ticked says how many and what can be done.
const toolbar = document.querySelector("form.toolbar");
const selection = document.querySelector("form.selection");
const count = selection?.querySelector(".count");

// With the keys a choice is made when the list is left: on its way each entry that is passed would be one.
let byKeys = null;
toolbar?.addEventListener("keydown", ({ target, key }) => {
  if (target instanceof HTMLSelectElement) byKeys = key === "Enter" ? null : target;
});
toolbar?.addEventListener("pointerdown", () => { byKeys = null; });
toolbar?.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLSelectElement)) return;
  if (byKeys === target) target.addEventListener("blur", () => toolbar.requestSubmit(), { once: true });
  else toolbar.requestSubmit();
});

function tell() {
  const ticked = selection.querySelectorAll(".pick :checked").length;
  count.hidden = !ticked;
  count.textContent = inWords("{count} selected", { count: ticked });
  for (const button of selection.querySelectorAll("[data-least]")) {
    button.disabled = ticked < Number(button.dataset.least) || ticked > Number(button.dataset.most);
  }
}

// Where clips are picked, a click anywhere on one ticks it; with the keys, and with Ctrl, its link leads to its page.
if (selection?.matches(".picking")) {
  selection.addEventListener("click", (event) => {
    const card = event.target.closest(".card");
    if (!card || !event.detail || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    card.closest("li").querySelector(".pick input").click();
  });
}

if (selection) {
  selection.addEventListener("change", tell);
  selection.addEventListener("reset", () => setTimeout(tell)); // once it has been done
  addEventListener("pageshow", tell); // a page that is come back to may have its ticks
  tell();
}
