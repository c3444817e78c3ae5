// Files that a clip starts from can be dropped anywhere on their zone and pasted; a picture is shown, a clip or sound
// named, and each can be taken out again. Without this the browser's own button chooses them.
const form = document.querySelector("form.generate");

function show(input) {
  const zone = input.closest(".drop");
  zone.querySelector("img")?.remove();
  zone.parentElement.querySelector(`.clear[data-of="${input.name}"]`)?.remove();
  const [file] = input.files;
  if (!file) return;
  const clear = Object.assign(document.createElement("button"), { type: "button", className: "clear" });
  clear.textContent = `✕ ${inWords("Remove {name}", { name: file.name })}`;
  clear.dataset.of = input.name;
  clear.addEventListener("click", () => {
    input.value = "";
    input.dispatchEvent(new Event("change", { bubbles: true }));
    input.focus();
  });
  zone.after(clear);
  if (!file.type.startsWith("image/")) return;
  const reader = new FileReader();
  reader.addEventListener("load", () => {
    if (input.files[0] === file) zone.append(Object.assign(document.createElement("img"), { src: reader.result, alt: "" }));
  });
  reader.readAsDataURL(file); // the page's policy lets it show data, and no blobs
}

const kindOf = (type) => type.trim().split("/")[0];
const takes = (input, file) => input.accept.split(",").map(kindOf).includes(kindOf(file.type));

function give(input, file) {
  const given = new DataTransfer();
  given.items.add(file);
  input.files = given.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

form.addEventListener("change", ({ target }) => {
  if (target.type === "file") show(target);
});
form.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  const input = file && [...form.querySelectorAll("[type=file]:enabled")].find((one) => takes(one, file) && !one.files.length);
  if (!input) return;
  event.preventDefault();
  give(input, file);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  form.addEventListener(name, (event) => {
    const input = event.target.closest?.(".drop")?.querySelector("[type=file]");
    if (!input) return;
    event.preventDefault(); // or the browser would open the file in place of the page
    input.closest(".drop").classList.toggle("over", name === "dragover");
    if (name !== "drop") return;
    const [file] = event.dataTransfer.files;
    if (file && takes(input, file)) give(input, file);
  });
}
