// Buttons that copy what they name. Without a script, what is to be copied stands beside them.
const SHOWN_MILLISECONDS = 2000;

for (const button of document.querySelectorAll("[data-copy], [data-copy-of]")) {
  if (!navigator.clipboard) continue; // browsers give it to secure pages alone
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy ?? document.getElementById(button.dataset.copyOf).textContent);
      button.textContent = inWords("Copied");
    } catch {
      button.textContent = inWords("Could not copy");
    }
    setTimeout(() => (button.textContent = words), SHOWN_MILLISECONDS);
  });
}
