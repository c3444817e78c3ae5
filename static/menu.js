// The account menu closes when somebody presses Escape or goes elsewhere. Without this its button closes it. Who signs
// out leaves nothing of theirs in the browser: no words typed and not sent, no clips on their way.
const menu = document.querySelector("details.menu");

menu?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
menu?.addEventListener("focusout", ({ relatedTarget }) => {
  if (relatedTarget && !menu.contains(relatedTarget)) menu.open = false;
});
document.addEventListener("pointerdown", ({ target }) => {
  if (menu && !menu.contains(target)) menu.open = false;
});
for (const form of document.querySelectorAll("form.sign-out")) {
  form.addEventListener("submit", () => {
    try {
      sessionStorage.removeItem("draft");
      for (const key of Object.keys(localStorage).filter((one) => one.startsWith("clips-on-their-way"))) localStorage.removeItem(key);
    } catch {
      // Storage is off: there is nothing in it.
    }
  });
}
