// Files that a clip starts from can be dropped anywhere on their zone and pasted; a picture is shown, a clip or sound
// named, and each can be taken out again. Where several are taken, more are added to those that are there. Without this
// the browser's own button chooses them.
const form = document.querySelector("form.generate");

function show(input) {
  const zone = input.closest(".drop");
  for (const old of zone.querySelectorAll("img")) old.remove();
  for (const old of zone.parentElement.querySelectorAll(`.clear[data-of="${input.name}"]`)) old.remove();
  const files = [...input.files];
  const buttons = files.map((file) => clearButton(input, file));
  zone.after(...buttons);
  for (const file of files) if (file.type.startsWith("image/")) showPicture(input, file);
}

function clearButton(input, file) {
  const clear = Object.assign(document.createElement("button"), { type: "button", className: "clear" });
  clear.textContent = `✕ ${inWords("Remove {name}", { name: file.name })}`;
  clear.dataset.of = input.name;
  clear.addEventListener("click", () => {
    give(input, [...input.files].filter((other) => other !== file));
    input.focus();
  });
  return clear;
}

function showPicture(input, file) {
  const picture = Object.assign(document.createElement("img"), { alt: "" }); // in the order of the files, whichever is read first
  input.closest(".drop").append(picture);
  const reader = new FileReader();
  reader.addEventListener("load", () => { picture.src = reader.result; });
  reader.readAsDataURL(file); // the page's policy lets it show data, and no blobs
}

const kindOf = (type) => type.trim().split("/")[0];
const takes = (input, file) => input.accept.split(",").map(kindOf).includes(kindOf(file.type));

function give(input, files) {
  const given = new DataTransfer();
  for (const file of files) given.items.add(file);
  input.files = given.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function giveSome(input, files) {
  const taken = files.filter((file) => takes(input, file));
  if (taken.length) give(input, input.multiple ? [...input.files, ...taken] : taken.slice(0, 1));
}

form.addEventListener("change", ({ target }) => {
  if (target.type === "file") show(target);
});
form.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  const inputs = [...form.querySelectorAll("[type=file]:enabled")].filter((one) => file && takes(one, file));
  const input = inputs.find((one) => !one.files.length) ?? inputs.find((one) => one.multiple);
  if (!input) return;
  event.preventDefault();
  giveSome(input, [...event.clipboardData.files]);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  form.addEventListener(name, (event) => {
    const input = event.target.closest?.(".drop")?.querySelector("[type=file]");
    if (!input) return;
    event.preventDefault(); // or the browser would open the file in place of the page
    input.closest(".drop").classList.toggle("over", name === "dragover");
    if (name === "drop") giveSome(input, [...event.dataTransfer.files]);
  });
}
