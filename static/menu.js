// The account menu closes when somebody presses Escape or goes elsewhere. Without this its button closes it.
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
